//! [`WordCounts`]: how often each pre-token occurs.
//!
//! Words are sorted by bytes, so that equal counts are equal values, whatever the order they were counted in.

use crate::error::{Error, Result};

/// Pre-tokens and their counts, sorted by bytes, no pre-token twice, no count zero.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WordCounts {
    bytes: Vec<u8>,
    /// Where each word ends in `bytes`, and its count.
    words: Vec<(usize, u64)>,
}

impl WordCounts {
    /// Counts from pairs, in any order; a word given twice gets the sum.
    ///
    /// # Errors
    /// [`Error::Config`] when a count, or the total, exceeds 64 bits.
    pub fn from_pairs<W: AsRef<[u8]>>(pairs: impl IntoIterator<Item = (W, u64)>) -> Result<Self> {
        let mut pairs: Vec<(W, u64)> = pairs.into_iter().collect();
        pairs.sort_unstable_by(|a, b| a.0.as_ref().cmp(b.0.as_ref()));
        let mut counts = Self::default();
        let mut total = 0_u64;
        for (word, count) in &pairs {
            let word = word.as_ref();
            total = total.checked_add(*count).ok_or_else(overflow)?;
            if *count == 0 || word.is_empty() {
                continue;
            }
            if counts.last() == Some(word) {
                if let Some((_, sum)) = counts.words.last_mut() {
                    *sum += count;
                }
            } else {
                counts.bytes.extend_from_slice(word);
                counts.words.push((counts.bytes.len(), *count));
            }
        }
        Ok(counts)
    }

    fn last(&self) -> Option<&[u8]> {
        self.get(self.words.len().checked_sub(1)?).map(|(word, _)| word)
    }

    /// How many different words.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether there is no word.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The sum of all counts.
    pub fn total(&self) -> u64 {
        self.words.iter().map(|&(_, count)| count).sum()
    }

    /// Word `index` and its count.
    pub fn get(&self, index: usize) -> Option<(&[u8], u64)> {
        let &(end, count) = self.words.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.words[before].0);
        Some((&self.bytes[start..end], count))
    }

    /// The count of a word; 0 if it does not occur.
    pub fn count_of(&self, word: &[u8]) -> u64 {
        let (mut low, mut high) = (0, self.words.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            match self.get(middle) {
                Some((found, count)) if found == word => return count,
                Some((found, _)) if found < word => low = middle + 1,
                _ => high = middle,
            }
        }
        0
    }

    /// Words and counts, sorted by bytes.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], u64)> {
        (0..self.len()).map(|index| self.get(index).unwrap_or_default())
    }

    /// The counts of both texts together.
    ///
    /// # Errors
    /// [`Error::Config`] when the total exceeds 64 bits.
    pub fn plus(&self, other: &Self) -> Result<Self> {
        Self::from_pairs(self.iter().chain(other.iter()))
    }
}

pub(super) fn overflow() -> Error {
    Error::Config("the counts add up to more than 64 bits hold".to_owned())
}
