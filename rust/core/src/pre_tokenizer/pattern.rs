//! Patterns by a real regular-expression engine, with limits.
//!
//! Patterns without look-around run on regex-automata in time linear in the text for each match. Others run on
//! fancy-regex, whose backtracking is cut off at [`STEP_LIMIT`] steps with an error: no pattern can hang the process.
//!
//! Invariant: a pattern is accepted only if it means the same here and in Oniguruma (what `tokenizers` uses); syntax
//! whose meaning differs is refused by name.

use std::ops::Range;

use crate::error::{Error, Result};

/// Backtracking steps allowed for one match.
const STEP_LIMIT: usize = 1_000_000;
/// Bytes that a compiled pattern may take.
const SIZE_LIMIT: usize = 10 << 20;

/// A built pattern.
#[derive(Debug)]
pub struct Matcher(Kind);

#[derive(Debug)]
enum Kind {
    Literal(String),
    Linear(Box<regex_automata::meta::Regex>),
    Backtracking(Box<fancy_regex::Regex>),
}

impl Matcher {
    /// Looks for `text` itself; an empty `text` matches nowhere.
    pub fn literal(text: &str) -> Self {
        Self(Kind::Literal(text.to_owned()))
    }

    /// Looks for a regular expression.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for syntax that means something else elsewhere, [`Error::Format`] for an invalid pattern;
    /// `place` says where it stood.
    pub fn regex(pattern: &str, place: &str) -> Result<Self> {
        refuse_ambiguous_syntax(pattern, place)?;
        let linear = regex_automata::meta::Regex::builder()
            .configure(regex_automata::meta::Config::new().nfa_size_limit(Some(SIZE_LIMIT)))
            .build(pattern);
        if let Ok(regex) = linear {
            return Ok(Self(Kind::Linear(Box::new(regex))));
        }
        let backtracking = fancy_regex::RegexBuilder::new(pattern)
            .backtrack_limit(STEP_LIMIT)
            .delegate_size_limit(SIZE_LIMIT)
            .build();
        match backtracking {
            Ok(regex) => Ok(Self(Kind::Backtracking(Box::new(regex)))),
            Err(problem) => Err(Error::format(
                "pattern",
                place,
                format!("{pattern:?} is not a usable regular expression: {problem}"),
            )),
        }
    }

    /// Calls `each` for every match from left to right.
    ///
    /// # Errors
    /// [`Error::PatternLimit`] when a match needs too many steps, and those of `each`, at once.
    pub fn for_each_match(
        &self,
        text: &str,
        mut each: impl FnMut(Range<usize>) -> Result<()>,
    ) -> Result<()> {
        match &self.0 {
            Kind::Literal(needle) if needle.is_empty() => {}
            Kind::Literal(needle) => {
                for (start, found) in text.match_indices(needle.as_str()) {
                    each(start..start + found.len())?;
                }
            }
            Kind::Linear(regex) => {
                for found in regex.find_iter(text) {
                    each(found.range())?;
                }
            }
            Kind::Backtracking(regex) => {
                let mut end = 0;
                for found in regex.find_iter(text) {
                    let Ok(found) = found else {
                        return Err(Error::PatternLimit {
                            pattern: regex.as_str().to_owned(),
                            byte_offset: end,
                        });
                    };
                    end = found.end();
                    each(found.start()..found.end())?;
                }
            }
        }
        Ok(())
    }
}

/// Refuses what Oniguruma reads otherwise: `^` and `$` (always line anchors there), possessive intervals `{1,3}+` (a
/// repeated interval there), back-references and escapes whose meaning differs.
fn refuse_ambiguous_syntax(pattern: &str, place: &str) -> Result<()> {
    let refuse = |what: &str| {
        Err(Error::unsupported(
            "pattern",
            place,
            format!("{what} in {pattern:?} is not supported: its meaning differs between engines"),
        ))
    };
    let mut class_depth = 0_usize;
    let mut chars = pattern.chars().peekable();
    let mut previous = '\0';
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(
                    escaped @ ('A'
                    | 'B'
                    | 'G'
                    | 'H'
                    | 'K'
                    | 'R'
                    | 'X'
                    | 'Z'
                    | 'b'
                    | 'g'
                    | 'h'
                    | 'k'
                    | 'z'
                    | '0'..='9'),
                ) => {
                    return refuse(&format!("\\{escaped}"));
                }
                // The braces of a class or a code point are no interval.
                Some('p' | 'P' | 'u' | 'U' | 'x') if chars.peek() == Some(&'{') => {
                    chars.by_ref().find(|&c| c == '}');
                    previous = '\0';
                }
                _ => previous = '\0',
            },
            '[' => {
                class_depth += 1;
                if chars.peek() == Some(&'^') {
                    chars.next();
                }
                previous = c;
            }
            ']' => {
                class_depth = class_depth.saturating_sub(1);
                previous = c;
            }
            '&' if class_depth > 0 && chars.peek() == Some(&'&') => return refuse("&&"),
            '-' | '~' if class_depth > 0 && chars.peek() == Some(&c) => {
                return refuse("a doubled - or ~ in a class");
            }
            '^' | '$' if class_depth == 0 => return refuse(&format!("{c}")),
            '+' if class_depth == 0 && previous == '}' => return refuse("}+"),
            _ => previous = c,
        }
    }
    Ok(())
}
