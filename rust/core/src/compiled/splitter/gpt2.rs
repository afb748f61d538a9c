//! `'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

use super::{NOT_SYMBOL, run_of, run_without, white_space};
use crate::char_class::{self, LETTER, NUMBER, WHITE_SPACE};

/// End of the pre-token that starts at `place`.
#[inline]
pub(super) fn end(text: &[u8], place: usize) -> usize {
    let first = text[place];
    let head = place + usize::from(first == b' ');
    let (flags, len) = char_class::at(text, head);
    if flags & LETTER != 0 {
        return run_of(text, head + len, LETTER);
    }
    if flags & NUMBER != 0 {
        return run_of(text, head + len, NUMBER);
    }
    if len == 0 || flags & WHITE_SPACE != 0 {
        return white_space(text, place);
    }
    if first == b'\''
        && let Some(letters) = contraction(text, place)
    {
        return place + 1 + letters;
    }
    run_without(text, head + len, NOT_SYMBOL)
}

/// As [`super::contraction`], but case counts.
pub(super) fn contraction(text: &[u8], place: usize) -> Option<usize> {
    let byte = |i: usize| text.get(place + i).copied().unwrap_or_default();
    match (byte(1), byte(2)) {
        (b's' | b'd' | b'm' | b't', _) => Some(1),
        (b'l', b'l') | (b'v' | b'r', b'e') => Some(2),
        _ => None,
    }
}
