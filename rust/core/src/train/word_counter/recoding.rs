//! [`Recoding`]: counting not the words themselves but what is made of each.

use std::fmt::Debug;

use crate::compiled::word_cache::WordCache;
use crate::error::Result;
use crate::model::bpe::LongScratch;
use crate::progress::Progress;

/// What is made of a word before it is counted.
pub(crate) trait Recoding: Debug + Send + Sync {
    /// Hands to `each` what is counted of a word.
    ///
    /// # Errors
    /// Of its own, and those of `each`.
    fn recode(
        &self,
        word: &str,
        scratch: &mut RecodingScratch,
        progress: &Progress,
        each: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()>;
}

/// Memory that recoding reuses from word to word, of one thread.
#[derive(Debug, Default)]
pub(crate) struct RecodingScratch {
    pub(crate) words: WordCache,
    pub(crate) long: LongScratch,
    pub(crate) ids: Vec<u32>,
    pub(crate) bytes: Vec<u8>,
}
