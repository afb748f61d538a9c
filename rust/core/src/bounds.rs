//! How many stages a definition may have, and how long they may make a text.
//!
//! A file can ask for a long text in place of each character, and for that again and again. Each writing that a file can make
//! long is checked as it goes, and the text after each stage, so that no more than a bounded multiple is ever held. Each check
//! is also a look at whether to stop. (What a decoder makes is bounded beforehand: it is given tokens one by one.)

use crate::error::{Error, Result};
use crate::progress::Progress;

/// Bytes allowed for each byte of the text.
const BYTES_PER_BYTE: usize = 64;
/// Bytes allowed whatever the length of the text.
const SPARE_BYTES: usize = 1 << 20;

/// Normalizers, pre-tokenizers, post-processors or decoders in one definition, however nested: each is time for every text.
const MAX_STAGES: usize = 1 << 8;

/// # Errors
/// [`Error::Unsupported`] if there are too many stages at `place`.
pub(crate) fn check_stages(n_stages: usize, place: &str) -> Result<()> {
    if n_stages <= MAX_STAGES {
        return Ok(());
    }
    let problem = format!("a sequence of more than {MAX_STAGES} is not supported");
    Err(Error::unsupported("tokenizer", place, problem))
}

/// The limit for one text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Growth<'p> {
    stage: &'static str,
    n_bytes: usize,
    progress: &'p Progress,
}

impl<'p> Growth<'p> {
    /// For a text of `n_bytes` before what is called `stage` in errors.
    pub(crate) fn of(stage: &'static str, n_bytes: usize, progress: &'p Progress) -> Self {
        Self { stage, n_bytes, progress }
    }

    /// # Errors
    /// [`Error::GrowthLimit`] if `n_written` bytes are too many; [`Error::Interrupted`].
    #[inline]
    pub(crate) fn check(self, n_written: usize) -> Result<()> {
        self.progress.check()?;
        let limit = self.n_bytes.saturating_mul(BYTES_PER_BYTE).saturating_add(SPARE_BYTES);
        if n_written <= limit {
            Ok(())
        } else {
            Err(Error::GrowthLimit { stage: self.stage, n_bytes: self.n_bytes, limit })
        }
    }
}
