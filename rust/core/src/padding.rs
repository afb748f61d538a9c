//! Padding: how the sequences of a batch become equally long.

use crate::encoding::Encoding;
use crate::error::{Error, Result};
use crate::truncation::Side;

/// Ids that a padded batch may have in all: a length that is far off must not take the machine's memory.
const MAX_PADDED_IDS: usize = 1 << 30;

/// How sequences are filled up to a length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Padding {
    /// To what length.
    pub strategy: PaddingStrategy,
    /// The side that is filled.
    pub side: Side,
    /// The length is rounded up to a multiple of this.
    pub multiple_of: Option<usize>,
    /// The id that fills.
    pub id: u32,
    /// Its type id.
    pub type_id: u32,
    /// Its text.
    pub token: String,
}

/// To what length sequences are filled up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaddingStrategy {
    /// That of the longest of the batch.
    BatchLongest,
    /// This one.
    Fixed(usize),
}

impl Padding {
    /// Fills the sequences of a batch, and what overflows from each, up to one length.
    ///
    /// # Errors
    /// [`Error::Config`] when the batch would become too large.
    pub(crate) fn pad(&self, batch: &mut [Encoding]) -> Result<()> {
        let n_sequences = batch.iter().map(|encoding| 1 + encoding.overflowing.len()).sum();
        let length = self.length(batch.iter().map(Encoding::len), n_sequences)?;
        for encoding in batch {
            for overflowing in &mut encoding.overflowing {
                self.pad_one(overflowing, length);
            }
            self.pad_one(encoding, length);
        }
        Ok(())
    }

    fn pad_one(&self, encoding: &mut Encoding, length: usize) {
        let n_missing = length.saturating_sub(encoding.len());
        if n_missing == 0 {
            return;
        }
        let mut filling = Encoding::added(vec![self.id; n_missing], self.type_id, true);
        match self.side {
            Side::Right => encoding.extend(&filling),
            Side::Left => {
                filling.extend(encoding);
                filling.overflowing = std::mem::take(&mut encoding.overflowing);
                *encoding = filling;
            }
        }
    }

    /// Fills the texts of a batch, whose ids stand one after the other, `lengths[i]` of each.
    ///
    /// # Errors
    /// As [`Padding::pad`].
    pub(crate) fn pad_ids(&self, ids: &mut Vec<u32>, lengths: &mut [usize]) -> Result<()> {
        let length = self.length(lengths.iter().copied(), lengths.len())?;
        if lengths.iter().all(|&n_ids| n_ids >= length) {
            return Ok(());
        }
        let n_padded = lengths.iter().map(|&n_ids| n_ids.max(length)).sum();
        let mut padded = Vec::with_capacity(n_padded);
        let mut rest = ids.as_slice();
        for n_ids in lengths {
            let Some((text, others)) = rest.split_at_checked(*n_ids) else { break };
            let filling = std::iter::repeat_n(self.id, length.saturating_sub(*n_ids));
            match self.side {
                Side::Right => {
                    padded.extend_from_slice(text);
                    padded.extend(filling);
                }
                Side::Left => {
                    padded.extend(filling);
                    padded.extend_from_slice(text);
                }
            }
            *n_ids = length.max(*n_ids);
            rest = others;
        }
        *ids = padded;
        Ok(())
    }

    /// The length to fill up to.
    fn length(&self, lengths: impl Iterator<Item = usize>, n_sequences: usize) -> Result<usize> {
        let length = match self.strategy {
            PaddingStrategy::Fixed(length) => length,
            PaddingStrategy::BatchLongest => lengths.max().unwrap_or(0),
        };
        // As in `tokenizers`, a multiple of 0 asks for nothing.
        let multiple_of = self.multiple_of.filter(|&multiple_of| multiple_of > 0).unwrap_or(1);
        let rounded = length.checked_next_multiple_of(multiple_of);
        rounded.filter(|length| length.saturating_mul(n_sequences) <= MAX_PADDED_IDS).ok_or_else(
            || {
                Error::Config(format!(
                    "padding {n_sequences} sequences to length {length} and a multiple of {multiple_of} makes more \
                     ids than the limit of {MAX_PADDED_IDS}"
                ))
            },
        )
    }
}
