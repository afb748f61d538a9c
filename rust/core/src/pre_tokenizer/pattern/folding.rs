//! Which parts of a pattern may ignore case.
//!
//! Where case is ignored, Oniguruma lets one character match several (`ss` and `ß`, `fi` and `ﬁ`), and a class match the other
//! case of what is in it or not, by rules of its own. So such a part is accepted only if all that is in it is ASCII text and
//! ASCII classes, without the pairs of letters that one character folds to; there, folding is from character to character,
//! and all engines agree on it (`s` and `ſ`, `k` and U+212A).

use super::syntax::{Token, Tokens};

/// The pairs of ASCII letters that start what one character folds to.
const PAIRS: [&str; 5] = ["ff", "fi", "fl", "ss", "st"];

/// What stands for the letters of a class.
const ANY_LETTER: char = ']';

/// The first thing in a part that ignores case that is not accepted.
pub(super) fn unequal(pattern: &str) -> Option<String> {
    let mut folds = vec![false];
    let mut last = None;
    let mut skipped = 0;
    for (at, token) in Tokens::new(pattern) {
        if at < skipped {
            continue;
        }
        let ignores_case = folds.last().copied().unwrap_or_default();
        match token {
            Token::Char('(') => {
                let opening = Opening::new(pattern.get(at + 1..).unwrap_or_default());
                skipped = at + 1 + opening.n_bytes;
                let ignores_case = opening.ignores_case.unwrap_or(ignores_case);
                if opening.is_closed {
                    folds.pop();
                }
                folds.push(ignores_case);
            }
            Token::Char(')') => drop(folds.pop()),
            _ if ignores_case => match next_letter(token, last) {
                Ok(letter) => last = letter,
                Err(what) => return Some(format!("{what} in a part that ignores case")),
            },
            _ => last = None,
        }
    }
    None
}

/// The letter that what follows must not pair with; the error names what is not accepted.
fn next_letter(token: Token, last: Option<char>) -> Result<Option<char>, String> {
    match token {
        Token::Escape(c) if c.is_ascii_punctuation() => Ok(None),
        Token::Escape(c) => Err(format!("\\{c}")),
        Token::Class(c) | Token::Char(c) if !c.is_ascii() => Err(c.to_string()),
        Token::Class(_) => Ok(last),
        Token::Char(']') => Ok(Some(ANY_LETTER)),
        // A repeated letter pairs with itself.
        Token::Char('{') if matches!(last, Some('f' | 's' | ANY_LETTER)) => Err("{".to_owned()),
        Token::Char(c) if c.is_ascii_alphabetic() => {
            let c = c.to_ascii_lowercase();
            let meets = |pair: &&str| match last {
                Some(ANY_LETTER) => pair.ends_with(c),
                Some(last) => pair.starts_with(last) && pair.ends_with(c),
                None => false,
            };
            match PAIRS.into_iter().find(meets) {
                Some(pair) => Err(format!("{pair:?}")),
                None => Ok(Some(c)),
            }
        }
        // A class that opens may be one letter.
        Token::Char('[') if matches!(last, Some('f' | 's' | ANY_LETTER)) => Err("[".to_owned()),
        Token::Char(_) => Ok(None),
    }
}

/// What follows a `(`, up to where its content starts.
struct Opening {
    n_bytes: usize,
    /// Whether it says to ignore case, or not to.
    ignores_case: Option<bool>,
    /// Whether it is `(?i)`, which has no content.
    is_closed: bool,
}

impl Opening {
    fn new(text: &str) -> Self {
        let Some(rest) = text.strip_prefix('?') else {
            return Self { n_bytes: 0, ignores_case: None, is_closed: false };
        };
        let end = rest.find([':', ')', '>']).map_or(rest.len(), |end| end + 1);
        let head = rest.get(..end).unwrap_or_default();
        let is_closed = head.ends_with(')');
        let flags = if head.ends_with('>') { "" } else { head };
        let (on, off) = flags.split_once('-').unwrap_or((flags, ""));
        let ignores_case = match (on.contains('i'), off.contains('i')) {
            (_, true) => Some(false),
            (true, false) => Some(true),
            (false, false) => None,
        };
        Self { n_bytes: 1 + end, ignores_case, is_closed }
    }
}
