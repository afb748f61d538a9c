//! [`Fit`]: whether the different words fit the memory given, and if not, how rare a word would have to be left out.
//!
//! Who learns only at the end of a long count that the words do not fit wants to know what to ask for next time. So words that
//! no longer fit are still added up, by how often they occur.

use crate::error::{Error, Result};
use crate::train::word_counts::Builder;

/// Counts from here on are not told apart.
const MAX_COUNT: usize = 1 << 12;

/// See the module's head.
#[derive(Debug)]
pub(super) struct Fit {
    max_memory: usize,
    n_bytes: usize,
    /// Bytes of the words of each count.
    of_count: Vec<usize>,
}

impl Fit {
    pub(super) fn new(max_memory: usize) -> Self {
        Self { max_memory, n_bytes: 0, of_count: vec![0; MAX_COUNT + 1] }
    }

    /// Takes another word; whether all so far fit.
    pub(super) fn take(&mut self, word: &[u8], count: u64) -> bool {
        let n_bytes = Builder::n_bytes_of(word);
        self.n_bytes = self.n_bytes.saturating_add(n_bytes);
        let place = usize::try_from(count).map_or(MAX_COUNT, |count| count.min(MAX_COUNT));
        self.of_count[place] = self.of_count[place].saturating_add(n_bytes);
        self.n_bytes <= self.max_memory
    }

    /// The least `min_count` with which the words fit.
    fn min_count(&self) -> Option<usize> {
        let mut n_left = self.n_bytes;
        for (min_count, n_bytes) in self.of_count.iter().enumerate() {
            if n_left <= self.max_memory {
                return Some(min_count);
            }
            n_left -= n_bytes;
        }
        None
    }

    /// # Errors
    /// [`Error::Config`] if the words do not fit.
    pub(super) fn check(self) -> Result<()> {
        let Self { max_memory, n_bytes, .. } = self;
        if n_bytes <= max_memory {
            return Ok(());
        }
        let what_to_do = match self.min_count() {
            Some(min_count) => {
                format!("with min_count={min_count} those that are left would fit; or allow more")
            }
            None => "allow more".to_owned(),
        };
        Err(Error::Config(format!(
            "the different words alone take {n_bytes} bytes, more than max_memory={max_memory}; {what_to_do}"
        )))
    }
}
