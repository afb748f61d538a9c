//! How long a normalizer may make a text.
//!
//! A file can ask for a long text in place of each character, and for that again and again. Each writing that a file can make
//! long is checked as it goes, and the text after each stage, so that no more than a bounded multiple is ever held. Each check
//! is also a look at whether to stop.

use crate::error::{Error, Result};
use crate::progress::Progress;

/// Bytes allowed for each byte of the text.
const BYTES_PER_BYTE: usize = 64;
/// Bytes allowed whatever the length of the text.
const SPARE_BYTES: usize = 1 << 20;

/// The limit for one text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Growth<'p> {
    n_bytes: usize,
    progress: &'p Progress,
}

impl<'p> Growth<'p> {
    /// For a text of `n_bytes` before the first stage.
    pub(super) fn of(n_bytes: usize, progress: &'p Progress) -> Self {
        Self { n_bytes, progress }
    }

    /// # Errors
    /// [`Error::NormalizedLimit`] if `n_written` bytes are too many; [`Error::Interrupted`].
    #[inline]
    pub(super) fn check(self, n_written: usize) -> Result<()> {
        self.progress.check()?;
        let limit = self.n_bytes.saturating_mul(BYTES_PER_BYTE).saturating_add(SPARE_BYTES);
        if n_written <= limit {
            Ok(())
        } else {
            Err(Error::NormalizedLimit { n_bytes: self.n_bytes, limit })
        }
    }
}
