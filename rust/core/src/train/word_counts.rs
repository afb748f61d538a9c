//! [`WordCounts`]: how often each pre-token occurs; a value that can be summed, scaled, filtered, saved.
//!
//! Sorted by bytes, so that the same words and counts are the same value whatever they were counted from and by how many
//! threads.

pub(crate) mod coding;
mod file;

use crate::error::{Error, Result};
use crate::progress::Progress;

/// Words between two looks at whether to stop.
const POLL_WORDS: usize = 1 << 14;

/// Pre-tokens and their counts, sorted by bytes, no pre-token twice, no count zero.
///
/// ```
/// use merganser_core::progress::Progress;
/// use merganser_core::train::WordCounts;
/// let counts = WordCounts::from_pairs([("the", 2), (" cat", 1), ("the", 1)])?;
/// assert_eq!(counts.iter().collect::<Vec<_>>(), [(&b" cat"[..], 1), (b"the", 3)]);
/// assert_eq!(counts.scaled(1, 2, &Progress::default())?.total(), 2, "1/2 is even 0, 3/2 is even 2");
/// # Ok::<(), merganser_core::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WordCounts {
    bytes: Vec<u8>,
    /// Where each word ends in `bytes`, and its count.
    words: Vec<(usize, u64)>,
}

/// Takes words in their order.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    counts: WordCounts,
    total: u64,
}

impl Builder {
    /// Takes a word that is greater than the last.
    pub(crate) fn push(&mut self, word: &[u8], count: u64) -> Result<()> {
        self.total = self.total.checked_add(count).ok_or_else(overflow)?;
        self.counts.bytes.extend_from_slice(word);
        self.counts.words.push((self.counts.bytes.len(), count));
        Ok(())
    }

    /// The last word taken.
    pub(crate) fn last(&self) -> Option<&[u8]> {
        self.counts.last()
    }

    /// Bytes that a word takes in memory.
    pub(crate) fn n_bytes_of(word: &[u8]) -> usize {
        word.len() + size_of::<(usize, u64)>()
    }

    /// The words taken.
    pub(crate) fn finish(self) -> WordCounts {
        let WordCounts { mut bytes, mut words } = self.counts;
        bytes.shrink_to_fit();
        words.shrink_to_fit();
        WordCounts { bytes, words }
    }
}

impl WordCounts {
    /// Counts from pairs, in any order; a word given twice gets the sum.
    ///
    /// # Errors
    /// [`Error::Config`] when a count, or the total, exceeds 64 bits.
    pub fn from_pairs<W: AsRef<[u8]>>(pairs: impl IntoIterator<Item = (W, u64)>) -> Result<Self> {
        let mut pairs: Vec<(W, u64)> = pairs.into_iter().collect();
        pairs.sort_unstable_by(|a, b| a.0.as_ref().cmp(b.0.as_ref()));
        let pairs = pairs.iter().map(|(word, count)| (word.as_ref(), *count));
        Self::from_sorted(pairs, &Progress::default())
    }

    /// Counts from pairs sorted by bytes.
    fn from_sorted<'a>(
        pairs: impl Iterator<Item = (&'a [u8], u64)>,
        progress: &Progress,
    ) -> Result<Self> {
        let mut builder = Builder::default();
        for (index, (word, count)) in pairs.enumerate() {
            if index.is_multiple_of(POLL_WORDS) {
                progress.check()?;
            }
            if count == 0 || word.is_empty() {
                continue;
            }
            if builder.last() == Some(word) {
                builder.total = builder.total.checked_add(count).ok_or_else(overflow)?;
                if let Some((_, sum)) = builder.counts.words.last_mut() {
                    *sum += count;
                }
            } else {
                builder.push(word, count)?;
            }
        }
        Ok(builder.finish())
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
    /// [`Error::Config`] when the total exceeds 64 bits; [`Error::Interrupted`].
    pub fn plus(&self, other: &Self, progress: &Progress) -> Result<Self> {
        let (mut left, mut right) = (self.iter().peekable(), other.iter().peekable());
        let both = std::iter::from_fn(|| match (left.peek(), right.peek()) {
            (Some((a, _)), Some((b, _))) if b < a => right.next(),
            (Some(_), _) => left.next(),
            _ => right.next(),
        });
        Self::from_sorted(both, progress)
    }

    /// Each count times `numerator / denominator`, rounded to the nearest integer, halves to the even one; words whose
    /// count becomes zero are left out.
    ///
    /// # Errors
    /// [`Error::Config`] when the denominator is zero, or a count or the total exceeds 64 bits; [`Error::Interrupted`].
    pub fn scaled(&self, numerator: u64, denominator: u64, progress: &Progress) -> Result<Self> {
        if denominator == 0 {
            return Err(Error::Config("a weight must be a number".to_owned()));
        }
        let (numerator, denominator) = (u128::from(numerator), u128::from(denominator));
        let mut builder = Builder::default();
        for (index, (word, count)) in self.iter().enumerate() {
            if index.is_multiple_of(POLL_WORDS) {
                progress.check()?;
            }
            let product = u128::from(count) * numerator;
            let (whole, rest) = (product / denominator, product % denominator);
            let is_up = match (rest * 2).cmp(&denominator) {
                std::cmp::Ordering::Less => false,
                std::cmp::Ordering::Equal => whole % 2 == 1,
                std::cmp::Ordering::Greater => true,
            };
            let count = u64::try_from(whole).ok().and_then(|whole| whole.checked_add(is_up.into()));
            match count.ok_or_else(overflow)? {
                0 => {}
                count => builder.push(word, count)?,
            }
        }
        Ok(builder.finish())
    }

    /// The words that occur at least so often.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    pub fn at_least(&self, min_count: u64, progress: &Progress) -> Result<Self> {
        // What occurs zero times is left out.
        let kept = self.iter().map(|(word, n)| (word, if n < min_count { 0 } else { n }));
        Self::from_sorted(kept, progress)
    }

    /// Indices of all words, most frequent first; of equals in the order of their bytes.
    pub(crate) fn by_count(&self) -> Vec<usize> {
        let mut order: Vec<(u64, usize)> =
            self.words.iter().map(|&(_, count)| count).zip(0..).collect();
        order.sort_unstable_by_key(|&(count, index)| (std::cmp::Reverse(count), index));
        order.into_iter().map(|(_, index)| index).collect()
    }

    /// The `n` words that occur most often; ties go to the smaller bytes.
    pub fn most_common(&self, n: usize) -> Vec<(&[u8], u64)> {
        let mut words: Vec<(&[u8], u64)> = self.iter().collect();
        let order = |a: &(&[u8], u64), b: &(&[u8], u64)| b.1.cmp(&a.1).then(a.0.cmp(b.0));
        if n < words.len() {
            words.select_nth_unstable_by(n, order);
            words.truncate(n);
        }
        words.sort_unstable_by(order);
        words
    }
}

pub(crate) fn overflow() -> Error {
    Error::Config("the counts add up to more than 64 bits hold".to_owned())
}
