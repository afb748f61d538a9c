//! Pre-tokens of a fixed number of characters.

use std::num::NonZeroUsize;
use std::ops::Range;

use crate::progress::Progress;

/// Appends the pre-tokens of `text`, moved by `base`, to `out`; the last may be shorter.
pub(super) fn split(
    text: &str,
    length: NonZeroUsize,
    base: usize,
    progress: &Progress,
    out: &mut Vec<Range<usize>>,
) {
    let mut start = 0;
    for (end, _) in progress.char_indices(text).step_by(length.get()).skip(1) {
        out.push(base + start..base + end);
        start = end;
    }
    out.push(base + start..base + text.len());
}
