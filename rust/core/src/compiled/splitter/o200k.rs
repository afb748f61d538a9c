//! With U = `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`, L = `[\p{Ll}\p{Lm}\p{Lo}\p{M}]` and C = `(?i:'s|'t|'re|'ve|'m|'ll|'d)?`:
//! `[^\r\n\p{L}\p{N}]?U*L+C|[^\r\n\p{L}\p{N}]?U+L*C|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
//!
//! U and L share `\p{Lm}\p{Lo}\p{M}`, so `U*L+` backtracks: after the longest run of U, if no L follows, the match ends with
//! the last character of the run that is also an L (nothing after it in the run is, so `L+` takes that one only).

use super::{contraction, numbers, run_of, symbols, white_space_or_newlines};
use crate::char_class::{self, LETTER, LOWER, NEWLINE, NUMBER, UPPER};

const MAX_DIGITS: u8 = 3;

/// End of the pre-token that starts at `place`.
#[inline]
pub(super) fn end(text: &[u8], place: usize) -> usize {
    let (flags, len) = char_class::at(text, place);
    if flags & NUMBER != 0 {
        return numbers(text, place + len, MAX_DIGITS);
    }
    let is_head = flags & (LETTER | NEWLINE) == 0;
    if let Some(end) = word(text, place, is_head.then_some(place + len)) {
        return match text.get(end) {
            Some(b'\'') => contraction(text, end).map_or(end, |letters| end + 1 + letters),
            _ => end,
        };
    }
    symbols(text, place, b"\r\n/").unwrap_or_else(|| white_space_or_newlines(text, place))
}

/// End of the word, without contraction, that starts at `place`; `after_head` is where it goes on if the first character is
/// taken as the head.
#[inline]
fn word(text: &[u8], place: usize, after_head: Option<usize>) -> Option<usize> {
    let with_head = after_head.map(|start| (start, upper_then_lower(text, start)));
    if let Some((_, Ok(end))) = with_head {
        return Some(end);
    }
    let without_head = upper_then_lower(text, place);
    // Second alternative: only upper-case letters, since a lower-case one would have matched the first.
    match (with_head, without_head) {
        (_, Ok(end)) => Some(end),
        (Some((start, Err(end))), _) if end > start => Some(end),
        (_, Err(end)) if end > place => Some(end),
        _ => None,
    }
}

/// End of `U*L+` at `place`, or else the end of the run of U.
#[inline]
fn upper_then_lower(text: &[u8], place: usize) -> Result<usize, usize> {
    let mut end = place;
    let mut last_lower = None;
    loop {
        let (flags, len) = char_class::at(text, end);
        if flags & UPPER == 0 {
            return match last_lower {
                _ if flags & LOWER != 0 => Ok(run_of(text, end + len, LOWER)),
                Some(end) => Ok(end),
                None => Err(end),
            };
        }
        end += len;
        if flags & LOWER != 0 {
            last_lower = Some(end);
        }
    }
}
