//! Which patterns are accepted, and as what alternatives they run.

use std::borrow::Cow;
use std::iter::Peekable;
use std::str::CharIndices;

use regex_syntax::hir::{Hir, HirKind};

use super::folding;
use crate::error::{Error, Result};

/// The one look-ahead that is supported, as an alternative of the whole pattern.
const SPARING_LAST_SPACE: &str = r"\s+(?!\S)";

/// `\w` and `\W` in a class as Oniguruma has them: without the joiners.
const WORD_IN_CLASS: [&str; 2] = [r"[\w--[\x{200C}\x{200D}]]", r"[\W\x{200C}\x{200D}]"];
/// The same outside a class: with the superscripts and fractions of Latin-1 as well.
const WORD: [&str; 2] = [
    r"[[\w\x{B2}\x{B3}\x{B9}\x{BC}-\x{BE}]--[\x{200C}\x{200D}]]",
    r"[^[\w\x{B2}\x{B3}\x{B9}\x{BC}-\x{BE}]--[\x{200C}\x{200D}]]",
];

/// An alternative of a pattern.
#[derive(Debug)]
pub(super) struct Branch {
    /// What it matches, but for a look-ahead.
    pub(super) hir: Hir,
    /// Whether it is `\s+(?!\S)`; `hir` is `\s+` then.
    pub(super) spares_last_space: bool,
}

/// The alternatives of a pattern, the preferred first; a pattern without look-ahead is one.
pub(super) fn branches(pattern: &str, place: &str) -> Result<Vec<Branch>> {
    refuse_ambiguous(pattern, place)?;
    if let Some(what) = folding::unequal(pattern) {
        return Err(ambiguous(&what, pattern, place));
    }
    let spelled_out = with_word_classes(pattern);
    let whole = regex_syntax::parse(&spelled_out);
    refuse_flags(pattern, whole.is_ok(), place)?;
    if let Ok(hir) = whole {
        return Ok(vec![plain_branch(hir, pattern, place)?]);
    }
    let alternatives = alternatives(&spelled_out);
    if !alternatives.contains(&SPARING_LAST_SPACE) {
        return Ok(vec![parse(&spelled_out, pattern, place)?]);
    }
    let mut branches = Vec::with_capacity(alternatives.len());
    for alternative in alternatives {
        if alternative == SPARING_LAST_SPACE {
            let branch = parse(r"\s+", pattern, place)?;
            branches.push(Branch { spares_last_space: true, ..branch });
        } else {
            branches.push(parse(alternative, pattern, place)?);
        }
    }
    Ok(branches)
}

/// The pattern with `\w` and `\W` spelled out.
fn with_word_classes(pattern: &str) -> Cow<'_, str> {
    if !pattern.contains(['w', 'W']) {
        return Cow::Borrowed(pattern);
    }
    let mut spelled_out = String::new();
    let mut end = 0;
    let mut tokens = Tokens::new(pattern);
    while let Some((at, token)) = tokens.next() {
        let [word, no_word] = if tokens.class_depth > 0 { WORD_IN_CLASS } else { WORD };
        let class = match token {
            Token::Escape('w') => word,
            Token::Escape('W') => no_word,
            _ => continue,
        };
        spelled_out.push_str(pattern.get(end..at).unwrap_or_default());
        spelled_out.push_str(class);
        end = at + 2;
    }
    spelled_out.push_str(pattern.get(end..).unwrap_or_default());
    Cow::Owned(spelled_out)
}

/// Parses a part of a pattern that has no look-around, or says which it has.
fn parse(part: &str, pattern: &str, place: &str) -> Result<Branch> {
    match regex_syntax::parse(part) {
        Ok(hir) => plain_branch(hir, pattern, place),
        Err(problem) => Err(match unbounded_group(part) {
            Some(group) => Error::unsupported(
                "pattern",
                place,
                format!(
                    "{group} in {pattern:?} is not supported: its work has no bound; of look-around, only \
                     {SPARING_LAST_SPACE} as an alternative of the whole pattern is"
                ),
            ),
            None => Error::format(
                "pattern",
                place,
                format!("{pattern:?} is not a usable regular expression: {problem}"),
            ),
        }),
    }
}

fn plain_branch(hir: Hir, pattern: &str, place: &str) -> Result<Branch> {
    if !hir.properties().look_set().is_empty() {
        return Err(ambiguous("an anchor", pattern, place));
    }
    if repeats_nothing(&hir) {
        return Err(ambiguous("a repetition of what may match nothing", pattern, place));
    }
    Ok(Branch { hir, spares_last_space: false })
}

/// Whether something that may match nothing is repeated: engines differ on when they give up.
fn repeats_nothing(hir: &Hir) -> bool {
    let subs: &[Hir] = match hir.kind() {
        HirKind::Repetition(repetition) => {
            let sub = &repetition.sub;
            if repetition.max != Some(1) && sub.properties().minimum_len() == Some(0) {
                return true;
            }
            std::slice::from_ref(&**sub)
        }
        HirKind::Capture(capture) => std::slice::from_ref(&*capture.sub),
        HirKind::Concat(subs) | HirKind::Alternation(subs) => subs,
        _ => &[],
    };
    subs.iter().any(repeats_nothing)
}

fn ambiguous(what: &str, pattern: &str, place: &str) -> Error {
    let problem =
        format!("{what} in {pattern:?} is not supported: its meaning differs between engines");
    Error::unsupported("pattern", place, problem)
}

/// The parts of a pattern between the `|` that are in no group.
fn alternatives(pattern: &str) -> Vec<&str> {
    let mut alternatives = Vec::new();
    let mut start = 0;
    let mut depth = 0_usize;
    for (at, token) in Tokens::new(pattern) {
        match token {
            Token::Char('(') => depth += 1,
            Token::Char(')') => depth = depth.saturating_sub(1),
            Token::Char('|') if depth == 0 => {
                alternatives.extend(pattern.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    alternatives.extend(pattern.get(start..));
    alternatives
}

/// What follows each `(` that is a character of its own.
fn group_openings(part: &str) -> impl Iterator<Item = &str> {
    Tokens::new(part)
        .filter(|(_, token)| *token == Token::Char('('))
        .filter_map(|(at, _)| part.get(at + 1..))
}

/// The first group that a finite automaton cannot run.
fn unbounded_group(part: &str) -> Option<String> {
    const GROUPS: [(&str, &str); 8] = [
        ("?=", "the look-ahead"),
        ("?!", "the look-ahead"),
        ("?<=", "the look-behind"),
        ("?<!", "the look-behind"),
        ("?>", "the atomic group"),
        ("?(", "the conditional"),
        ("?~", "the absent operator"),
        ("?#", "the comment"),
    ];
    group_openings(part).find_map(|opening| {
        let (sign, name) = GROUPS.iter().find(|(sign, _)| opening.starts_with(sign))?;
        Some(format!("{name} ({sign}"))
    })
}

/// Refuses flags but `i` and `s`, and such as reach beyond a group: only those at the start reach equally far in all
/// engines, and only where the pattern `is_whole` do they reach all alternatives here.
fn refuse_flags(pattern: &str, is_whole: bool, place: &str) -> Result<()> {
    for opening in group_openings(pattern) {
        let Some(flags) = opening.strip_prefix('?') else {
            continue;
        };
        let rest = flags.trim_start_matches(|c: char| c.is_ascii_alphabetic() || c == '-');
        let flags = flags.strip_suffix(rest).unwrap_or_default();
        let reaches_all = is_whole && opening.len() + 1 == pattern.len();
        let is_equal = flags.chars().all(|c| matches!(c, 'i' | 's' | '-'));
        let is_refused = match rest.chars().next() {
            Some(')') => !(is_equal && reaches_all),
            Some(':') => !is_equal,
            _ => false,
        };
        if is_refused {
            return Err(ambiguous(&format!("(?{flags}"), pattern, place));
        }
    }
    Ok(())
}

/// Refuses what Oniguruma reads otherwise: `^` and `$` (always line anchors there), possessive repetitions (`a++`),
/// repetitions of repetitions (`a{1,3}+`, and `a{3}?`, which is one there), spaces in a repetition, set operations, named
/// classes such as `[:alpha:]` (ASCII here, Unicode there), back-references and escapes whose meaning differs.
fn refuse_ambiguous(pattern: &str, place: &str) -> Result<()> {
    let refuse = |what: &str| Err(ambiguous(what, pattern, place));
    let mut previous = Token::Char('(');
    let mut second_last = previous;
    let mut repetition = Repetition::None;
    let mut interval = None;
    for (at, token) in Tokens::new(pattern) {
        let before = std::mem::replace(&mut previous, token);
        let second_before = std::mem::replace(&mut second_last, before);
        let repeated = std::mem::replace(&mut repetition, Repetition::None);
        if let Some(has_comma) = interval {
            interval = match token {
                Token::Char(c) if c.is_whitespace() => {
                    return refuse("a space in a repetition");
                }
                Token::Char('}') => {
                    repetition = if has_comma { Repetition::Range } else { Repetition::Fixed };
                    None
                }
                _ => Some(has_comma || token == Token::Char(',')),
            };
            continue;
        }
        match token {
            Token::Escape(
                c @ ('A'
                | 'B'
                | 'G'
                | 'H'
                | 'K'
                | 'R'
                | 'U'
                | 'X'
                | 'Z'
                | 'b'
                | 'g'
                | 'h'
                | 'k'
                | 'z'
                | '<'
                | '>'
                | '0'..='9'),
            ) => return refuse(&format!("\\{c}")),
            Token::Escape(c @ ('p' | 'P'))
                if !pattern.get(at + 2..).unwrap_or_default().starts_with('{') =>
            {
                return refuse(&format!("\\{c} without braces"));
            }
            Token::Escape(c @ ('w' | 'W'))
                if before == Token::Class('-')
                    && !matches!(second_before, Token::Char('[') | Token::Class('[')) =>
            {
                return refuse(&format!("-\\{c}"));
            }
            Token::Class(':') if before == Token::Class('[') => return refuse("[:"),
            Token::Class('&') if before == token => return refuse("&&"),
            Token::Class('-' | '~') if before == token => {
                return refuse("a doubled - or ~ in a class");
            }
            Token::Char(c @ ('^' | '$')) => return refuse(&c.to_string()),
            Token::Char('?') if before == Token::Char('(') => {}
            Token::Char(c @ ('*' | '+' | '?' | '{')) => {
                repetition = match repeated {
                    Repetition::None => Repetition::Range,
                    Repetition::Range if c == '?' => Repetition::Lazy,
                    _ => {
                        let end = at + c.len_utf8();
                        let first = pattern.get(..at).and_then(|head| head.chars().next_back());
                        let start = at - first.map_or(0, char::len_utf8);
                        return refuse(pattern.get(start..end).unwrap_or_default());
                    }
                };
                if c == '{' {
                    interval = Some(false);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// What a repetition sign would follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repetition {
    /// No repetition.
    None,
    /// One that a `?` makes lazy.
    Range,
    /// `{3}`.
    Fixed,
    /// One made lazy.
    Lazy,
}

/// A piece of a pattern, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// A backslash and what follows it, in a class or not; the braces of `\p{L}` and `\x{41}` belong to it.
    Escape(char),
    /// A character in a class.
    Class(char),
    /// A character outside classes; `[` and `]` around a class are.
    Char(char),
}

/// The pieces of a pattern and where they start.
pub(super) struct Tokens<'p> {
    chars: Peekable<CharIndices<'p>>,
    class_depth: usize,
}

impl<'p> Tokens<'p> {
    pub(super) fn new(pattern: &'p str) -> Self {
        Self { chars: pattern.char_indices().peekable(), class_depth: 0 }
    }
}

impl Iterator for Tokens<'_> {
    type Item = (usize, Token);

    fn next(&mut self) -> Option<Self::Item> {
        let (at, c) = self.chars.next()?;
        let is_outside = self.class_depth == 0;
        match c {
            '\\' => {
                let escaped = self.chars.next().map_or('\\', |(_, escaped)| escaped);
                let has_braces = matches!(escaped, 'p' | 'P' | 'u' | 'U' | 'x');
                if has_braces && self.chars.next_if(|&(_, c)| c == '{').is_some() {
                    self.chars.by_ref().find(|&(_, c)| c == '}');
                }
                return Some((at, Token::Escape(escaped)));
            }
            '[' => {
                self.class_depth += 1;
                self.chars.next_if(|&(_, c)| c == '^');
                // The first character of a class is no end of it.
                self.chars.next_if(|&(_, c)| c == ']');
            }
            ']' => self.class_depth = self.class_depth.saturating_sub(1),
            _ => {}
        }
        let is_outside = is_outside || self.class_depth == 0;
        Some((at, if is_outside { Token::Char(c) } else { Token::Class(c) }))
    }
}
