//! `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`

use super::{contraction, numbers, run_of, symbols, white_space_or_newlines};
use crate::char_class::{self, LETTER, NEWLINE, NUMBER};

/// End of the pre-token that starts at `place`.
#[inline]
pub(super) fn end(text: &[u8], place: usize, max_digits: u8) -> usize {
    let (flags, len) = char_class::at(text, place);
    if flags & LETTER != 0 {
        return run_of(text, place + len, LETTER);
    }
    if flags & NUMBER != 0 {
        return numbers(text, place + len, max_digits);
    }
    if text[place] == b'\''
        && let Some(letters) = contraction(text, place)
    {
        return place + 1 + letters;
    }
    if flags & NEWLINE == 0 {
        let (next, next_len) = char_class::at(text, place + len);
        if next & LETTER != 0 {
            return run_of(text, place + len + next_len, LETTER);
        }
    }
    symbols(text, place, b"\r\n").unwrap_or_else(|| white_space_or_newlines(text, place))
}
