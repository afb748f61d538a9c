//! Kinds of character at which pre-tokenizers split, each character a match.

use std::ops::Range;

use crate::char_class::{self, NUMBER, PUNCTUATION, WHITE_SPACE};
use crate::error::Result;
use crate::progress::Progress;

/// Bytes between two looks at whether to stop.
const POLL_BYTES: usize = 1 << 16;

/// A kind of character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CharTest {
    /// `\s`.
    WhiteSpace,
    /// See [`PUNCTUATION`].
    Punctuation,
    /// General category N, and the digits new in Unicode 17.0, which the standard library of `tokenizers` already knows.
    Numeric,
}

impl CharTest {
    fn holds(self, text: &[u8], place: usize, flags: u8) -> bool {
        match self {
            Self::WhiteSpace => flags & WHITE_SPACE != 0,
            Self::Punctuation => flags & PUNCTUATION != 0,
            Self::Numeric => flags & NUMBER != 0 || is_new_numeric(&text[place..]),
        }
    }

    /// Calls `each` for every such character from left to right.
    ///
    /// # Errors
    /// [`crate::Error::Interrupted`], and those of `each`, at once.
    pub fn for_each_match(
        self,
        text: &str,
        progress: &Progress,
        mut each: impl FnMut(Range<usize>) -> Result<()>,
    ) -> Result<()> {
        let bytes = text.as_bytes();
        let (mut place, mut next_poll) = (0, 0);
        while place < bytes.len() {
            if place >= next_poll {
                progress.check()?;
                next_poll = place + POLL_BYTES;
            }
            let (flags, len) = char_class::at(bytes, place);
            if self.holds(bytes, place, flags) {
                each(place..place + len)?;
            }
            place += len;
        }
        Ok(())
    }
}

/// Whether `text` starts with a character from U+11DE0 to U+11DE9 or from U+16FF4 to U+16FF6.
fn is_new_numeric(text: &[u8]) -> bool {
    matches!(text, [0xF0, 0x91, 0xB7, 0xA0..=0xA9, ..] | [0xF0, 0x96, 0xBF, 0xB4..=0xB6, ..])
}
