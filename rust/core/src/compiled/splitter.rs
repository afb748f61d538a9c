//! Hand-written splitters for the patterns of GPT-2, cl100k and o200k, and for lines.
//!
//! Each pattern is an alternation tried in order at each place; every alternative is a run of one character class with an
//! optional head, so the end of a match is found by scanning forward once. The only backtracking is bounded and is written
//! out: a white-space run gives back its last character before other text (`\s+(?!\S)`), or ends at its last newline
//! (`\s*[\r\n]+`). Invariant: the pieces equal the generic pattern's on every text, and their concatenation is the text.

mod blocks;
mod cl100k;
mod gpt2;
mod lines;
mod o200k;

use std::ops::Range;
use std::sync::LazyLock;

use merganser_simd::Classifier;

use crate::char_class::{self, NUMBER, WHITE_SPACE};
use blocks::Starts;

/// Which pattern splits the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// The whole text is one pre-token.
    Whole,
    /// GPT-2's pattern.
    Gpt2,
    /// cl100k's pattern; digits stand in groups of up to `max_digits` (3 in cl100k and Llama 3, 1 in Qwen 2).
    Cl100k {
        /// The largest group of digits.
        max_digits: u8,
    },
    /// o200k's pattern.
    O200k,
    /// Lines, and digits in groups of up to three.
    Lines,
}

impl Scheme {
    /// Calls `each` with the boundaries of the pre-tokens of `text[stretch]`, many at a time: with `[a, b, c]` for
    /// `text[a..b]` and `text[b..c]`. The stretch must lie between two boundaries.
    ///
    /// # Errors
    /// Those of `each`, at once.
    #[inline]
    pub fn for_each<E>(
        self,
        text: &str,
        stretch: Range<usize>,
        mut each: impl FnMut(&[usize]) -> Result<(), E>,
    ) -> Result<(), E> {
        let text = text.as_bytes();
        let classifier = *CLASSIFIER;
        match self {
            Self::Whole if stretch.is_empty() => Ok(()),
            Self::Whole => each(&[stretch.start, stretch.end]),
            Self::Gpt2 => run(
                text,
                stretch,
                |block| blocks::gpt2(classifier, block),
                |place| gpt2::end(text, place),
                each,
            ),
            Self::Cl100k { max_digits } => run(
                text,
                stretch,
                |block| blocks::cl100k(classifier, block, max_digits),
                |place| cl100k::end(text, place, max_digits),
                each,
            ),
            Self::O200k => run(
                text,
                stretch,
                |block| blocks::o200k(classifier, block),
                |place| o200k::end(text, place),
                each,
            ),
            Self::Lines => {
                run(text, stretch, |_| Starts::NONE, |place| lines::end(text, place), each)
            }
        }
    }

    /// The first place at or after `from` that is a boundary whatever stands around it, or the end of the text: after a
    /// newline and before an ASCII letter or digit. No pattern here has a match across that place, and none looks back, so a
    /// stretch that starts there splits as it does in the whole; one that ends there still looks ahead by one character.
    pub fn safe_cut(self, text: &str, from: usize) -> usize {
        if self == Self::Whole {
            return text.len();
        }
        after_newline(text, from)
    }
}

/// The first place at or after `from` that follows a newline and is before an ASCII letter or digit, or the end of the text.
pub(super) fn after_newline(text: &str, from: usize) -> usize {
    let text = text.as_bytes();
    let mut place = from.max(1);
    while let Some(i) = text.get(place - 1..).and_then(|rest| memchr::memchr(b'\n', rest)) {
        place += i;
        match text.get(place) {
            Some(byte) if byte.is_ascii_alphanumeric() => return place,
            Some(_) => place += 1,
            None => break,
        }
    }
    text.len()
}

/// Detected once: which instructions the processor has does not change.
static CLASSIFIER: LazyLock<Classifier> = LazyLock::new(Classifier::best);

/// At least so many pre-tokens are handed out at once, but for the last.
const BATCH: usize = 64;
/// And at most so many.
pub const MAX_BATCH: usize = BATCH + 63;

/// Pre-tokens of `text[stretch]`: 64 bytes at once where `starts_of` a block is certain, and else one by one.
#[inline]
fn run<E>(
    text: &[u8],
    stretch: Range<usize>,
    starts_of: impl Fn(&[u8; 64]) -> Starts,
    end_of: impl Fn(usize) -> usize,
    mut each: impl FnMut(&[usize]) -> Result<(), E>,
) -> Result<(), E> {
    let Range { start: mut place, end } = stretch;
    let mut bounds = [0; MAX_BATCH + 1];
    bounds[0] = place;
    let mut n = 0;
    while place < end {
        let block = text.get(place..).and_then(|rest| rest.first_chunk());
        let mut starts = block.map_or(0, |block| starts_of(block).after_first());
        if end - place < 64 {
            starts &= blocks::below(u32::try_from(end - place).unwrap_or(0) + 1);
        }
        if starts == 0 {
            place = end_of(place);
            n += 1;
            bounds[n] = place;
        } else {
            let base = place;
            while starts != 0 {
                place = base + starts.trailing_zeros() as usize;
                n += 1;
                bounds[n] = place;
                starts &= starts - 1;
            }
        }
        if n >= BATCH {
            each(&bounds[..=n])?;
            bounds[0] = place;
            n = 0;
        }
    }
    if n > 0 { each(&bounds[..=n]) } else { Ok(()) }
}

/// End of the run of characters from `place` on that have one of the flags `any`.
#[inline]
pub(super) fn run_of(text: &[u8], mut place: usize, any: u8) -> usize {
    loop {
        let (flags, len) = char_class::at(text, place);
        if flags & any == 0 {
            return place;
        }
        place += len;
    }
}

/// End of the run of characters from `place` on that have none of the flags `none`.
#[inline]
pub(super) fn run_without(text: &[u8], mut place: usize, none: u8) -> usize {
    loop {
        let (flags, len) = char_class::at(text, place);
        if len == 0 || flags & none != 0 {
            return place;
        }
        place += len;
    }
}

/// End of `\s+(?!\S)|\s+` at `place`, where white space stands: the run, less its last character if other text follows and
/// something is left.
fn white_space(text: &[u8], place: usize) -> usize {
    let end = run_of(text, place, WHITE_SPACE);
    before_text(text, place, end)
}

fn before_text(text: &[u8], place: usize, end: usize) -> usize {
    if end == text.len() {
        return end;
    }
    let kept = end - char_class::last_len(&text[place..end]);
    if kept > place { kept } else { end }
}

/// End of `\s*[\r\n]+|\s+(?!\S)|\s+` at `place`, where white space stands.
fn white_space_or_newlines(text: &[u8], place: usize) -> usize {
    let end = run_of(text, place, WHITE_SPACE);
    last_newline(text, place, end).unwrap_or_else(|| before_text(text, place, end))
}

/// The place after the last newline of `text[place..end]`.
fn last_newline(text: &[u8], place: usize, end: usize) -> Option<usize> {
    let last = text[place..end].iter().rposition(|&byte| byte == b'\n' || byte == b'\r')?;
    Some(place + last + 1)
}

/// Length of a contraction's letters after the apostrophe at `place`, case ignored: `s t re ve m ll d`. The letter `ſ`
/// (U+017F) is an `s` under case folding.
fn contraction(text: &[u8], place: usize) -> Option<usize> {
    let lower = |i: usize| text.get(place + i).map_or(0, u8::to_ascii_lowercase);
    match (lower(1), lower(2)) {
        (b's' | b't' | b'm' | b'd', _) => Some(1),
        (b'r' | b'v', b'e') | (b'l', b'l') | (0xC5, 0xBF) => Some(2),
        _ => None,
    }
}

const NOT_SYMBOL: u8 = char_class::LETTER | char_class::NUMBER | WHITE_SPACE;

/// End of a group of digits whose first ends at `place`.
fn numbers(text: &[u8], mut place: usize, max_digits: u8) -> usize {
    for _ in 1..max_digits {
        let (flags, len) = char_class::at(text, place);
        if flags & NUMBER == 0 {
            break;
        }
        place += len;
    }
    place
}

/// End of ` ?[^\s\p{L}\p{N}]+` at `place`, and of the run of `tail` bytes behind it, if it matches.
#[inline]
fn symbols(text: &[u8], place: usize, tail: &[u8]) -> Option<usize> {
    let head = place + usize::from(text[place] == b' ');
    let (flags, len) = char_class::at(text, head);
    if len == 0 || flags & NOT_SYMBOL != 0 {
        return None;
    }
    let mut end = run_without(text, head + len, NOT_SYMBOL);
    while text.get(end).is_some_and(|byte| tail.contains(byte)) {
        end += 1;
    }
    Some(end)
}

#[cfg(test)]
mod tests;
