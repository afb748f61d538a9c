//! `\p{N}{1,3}|[^\r\n\p{N}]*[\r\n]+(?:\s*[\r\n]+)?|[^\r\n\p{N}]+`

use super::{last_newline, numbers, run_of, run_without};
use crate::char_class::{self, NEWLINE, NUMBER, WHITE_SPACE};

const MAX_DIGITS: u8 = 3;

/// End of the pre-token that starts at `place`.
#[inline]
pub(super) fn end(text: &[u8], place: usize) -> usize {
    let (flags, len) = char_class::at(text, place);
    if flags & NUMBER != 0 {
        return numbers(text, place + len, MAX_DIGITS);
    }
    let end = run_without(text, place, NUMBER | NEWLINE);
    // Of the white space that begins with a newline, what goes up to its last newline; none if no newline stands there.
    last_newline(text, end, run_of(text, end, WHITE_SPACE)).unwrap_or(end)
}
