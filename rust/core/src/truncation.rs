//! Truncation: how long a finished sequence may be, and what gives way.
//!
//! The ids of the post-processor are never cut: they are counted first, and what is left of `max_length` is for the text.

use std::ops::Range;

use crate::encoding::Encoding;
use crate::error::{Error, Result};

/// How sequences are cut to a length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truncation {
    /// Ids that a finished sequence may have at the most, those of the post-processor counted.
    pub max_length: usize,
    /// Which sequence of a pair gives way.
    pub strategy: TruncationStrategy,
    /// Ids that each overflowing stretch repeats of the one before.
    pub stride: usize,
    /// The side that is cut off.
    pub side: Side,
}

/// Which sequence of a pair is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TruncationStrategy {
    /// The longer one, until both are equally long, then both.
    LongestFirst,
    /// The first.
    OnlyFirst,
    /// The second.
    OnlySecond,
}

/// A side of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Where the sequence begins.
    Left,
    /// Where it ends.
    Right,
}

impl Truncation {
    /// Cuts the sequences of one text or of a pair, to which a post-processor will add `n_added` ids.
    ///
    /// # Errors
    /// [`Error::Config`] when `max_length` cannot be kept: it is smaller than `n_added`, the sequence that is to give way is
    /// missing or too short, the stride leaves no progress (whether or not anything must be cut), or what overflows takes too much memory.
    pub(crate) fn truncate(&self, sequences: &mut [Encoding], n_added: usize) -> Result<()> {
        let lengths =
            (sequences.first().map_or(0, Encoding::len), sequences.get(1).map(Encoding::len));
        let kept = self.lengths_kept(lengths, n_added)?;
        for (sequence, n_kept) in sequences.iter_mut().zip([kept.0, kept.1]) {
            if n_kept < sequence.len() {
                sequence.cut_into(&self.stretches(sequence.len(), n_kept)?)?;
            }
        }
        Ok(())
    }

    /// Cuts `ids[first..]`, the ids of a single text. What overflows is dropped.
    ///
    /// # Errors
    /// As [`Truncation::truncate`].
    pub(crate) fn truncate_ids(
        &self,
        ids: &mut Vec<u32>,
        first: usize,
        n_added: usize,
    ) -> Result<()> {
        let n_ids = ids.len().saturating_sub(first);
        let (n_kept, _) = self.lengths_kept((n_ids, None), n_added)?;
        if n_kept < n_ids {
            match self.side {
                Side::Right => ids.truncate(first + n_kept),
                Side::Left => drop(ids.drain(first..first + n_ids - n_kept)),
            }
        }
        Ok(())
    }

    /// How many ids of each sequence stay.
    fn lengths_kept(
        &self,
        (n_first, n_second): (usize, Option<usize>),
        n_added: usize,
    ) -> Result<(usize, usize)> {
        let n_pair = n_second.unwrap_or(0);
        let Some(max_length) = self.max_length.checked_sub(n_added) else {
            return Err(Error::Config(format!(
                "max_length must be at least {n_added}, the number of ids that the post-processor adds, got {}",
                self.max_length
            )));
        };
        if self.stride > 0 && self.stride >= max_length {
            return Err(self.too_wide(max_length));
        }
        if max_length == 0 {
            return Ok((0, 0));
        }
        let n_removed = (n_first + n_pair).saturating_sub(max_length);
        if n_removed == 0 {
            return Ok((n_first, n_pair));
        }
        let shortened = |n_ids: usize, name: &str| match n_ids.checked_sub(n_removed) {
            None | Some(0) => Err(Error::Config(format!(
                "truncation must take {n_removed} ids from the {name} sequence to keep max_length {}, but it has \
                 only {n_ids} and must keep one",
                self.max_length
            ))),
            Some(n_kept) => Ok(n_kept),
        };
        match (self.strategy, n_second) {
            (TruncationStrategy::LongestFirst, None) => Ok((max_length, 0)),
            (TruncationStrategy::LongestFirst, Some(n_second)) => {
                Ok(longest_first(n_first, n_second, max_length))
            }
            (TruncationStrategy::OnlyFirst, _) => Ok((shortened(n_first, "first")?, n_pair)),
            (TruncationStrategy::OnlySecond, Some(n_second)) => {
                Ok((n_first, shortened(n_second, "second")?))
            }
            (TruncationStrategy::OnlySecond, None) => Err(Error::Config(
                "truncation of the second sequence needs a pair of texts, got one text".to_owned(),
            )),
        }
    }

    /// The stretches that `n_ids` are cut into, first the one that stays, then those that overflow.
    fn stretches(&self, n_ids: usize, n_kept: usize) -> Result<Vec<Range<usize>>> {
        if n_kept == 0 {
            return Ok(vec![0..0, 0..n_ids]);
        }
        let step = self.check_stride(n_kept)?;
        let mut stretches = Vec::with_capacity(n_ids / step + 1);
        let mut start = 0;
        loop {
            let end = (start + n_kept).min(n_ids);
            stretches.push(match self.side {
                Side::Right => start..end,
                Side::Left => n_ids - end..n_ids - start,
            });
            if end == n_ids {
                return Ok(stretches);
            }
            start += step;
        }
    }

    /// By how many ids stretches of `n_kept`, which are some, advance.
    fn check_stride(&self, n_kept: usize) -> Result<usize> {
        let step = n_kept.checked_sub(self.stride).filter(|&step| step > 0);
        step.ok_or_else(|| self.too_wide(n_kept))
    }

    fn too_wide(&self, n_kept: usize) -> Error {
        Error::Config(format!(
            "stride must be less than the {n_kept} ids that truncation to max_length {} leaves of a sequence, got {}",
            self.max_length, self.stride
        ))
    }
}

/// The lengths that both sequences of a pair are cut to: only the longer one gives way as long as that is enough, then both
/// get half.
fn longest_first(n_first: usize, n_second: usize, max_length: usize) -> (usize, usize) {
    let shorter = n_first.min(n_second);
    let (short, long) = if shorter <= max_length / 2 {
        (shorter, max_length - shorter)
    } else {
        (max_length / 2, max_length - max_length / 2)
    };
    if n_first > n_second { (long, short) } else { (short, long) }
}
