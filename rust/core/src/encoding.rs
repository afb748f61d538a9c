//! [`Encoding`]: ids with all that can be said of them, made when asked.
//!
//! Plain encoding gives ids alone and pays for nothing of this.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::traced::Span;

/// Ids that the overflowing sequences of one encoding may have together. A stride next to `max_length` repeats nearly every
/// id `max_length` times, and the stretches of a pair combine each with each: without a bound, memory would be quadratic.
const MAX_OVERFLOWING_IDS: usize = 1 << 26;

/// One finished sequence: all lists are equally long.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoding {
    /// The ids.
    pub ids: Vec<u32>,
    /// Which segment each id belongs to, as the post-processor numbers them.
    pub type_ids: Vec<u32>,
    /// The bytes of the raw text each id stands for; empty at 0 for ids that stand for none.
    pub offsets: Vec<Span>,
    /// The pre-token each id came from, counted over its sequence; `None` for ids that came from none.
    pub word_ids: Vec<Option<u32>>,
    /// 0 or 1: the text of a pair each id came from; `None` for ids that came from none.
    pub sequence_ids: Vec<Option<u8>>,
    /// Whether the post-processor or padding added the id.
    pub special_tokens_mask: Vec<bool>,
    /// Whether the id is anything but padding.
    pub attention_mask: Vec<bool>,
    /// The text that the token was found in, where the vocabulary spells it otherwise: that of an added token, and what became
    /// the unk token of Unigram or SentencePiece, as the normalizer left it.
    pub found: Vec<Option<Box<str>>>,
    /// What truncation cut off, in sequences of the same length. They overflow into nothing themselves.
    pub overflowing: Vec<Encoding>,
}

impl Encoding {
    /// Number of ids.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Appends an id that came from a text; `found` as in [`Encoding::found`].
    pub(crate) fn push(
        &mut self,
        id: u32,
        offsets: Span,
        (word_id, sequence_id): (u32, u8),
        found: Option<&str>,
    ) {
        self.ids.push(id);
        self.type_ids.push(u32::from(sequence_id));
        self.offsets.push(offsets);
        self.word_ids.push(Some(word_id));
        self.sequence_ids.push(Some(sequence_id));
        self.special_tokens_mask.push(false);
        self.attention_mask.push(true);
        self.found.push(found.map(Box::from));
    }

    /// Ids that came from no text: those of a post-processor, or padding.
    pub(crate) fn added(ids: Vec<u32>, type_id: u32, is_padding: bool) -> Self {
        let n_ids = ids.len();
        Self {
            ids,
            type_ids: vec![type_id; n_ids],
            offsets: vec![(0, 0); n_ids],
            word_ids: vec![None; n_ids],
            sequence_ids: vec![None; n_ids],
            special_tokens_mask: vec![true; n_ids],
            attention_mask: vec![!is_padding; n_ids],
            found: vec![None; n_ids],
            overflowing: Vec::new(),
        }
    }

    /// A stretch of it, without what overflows.
    fn stretch(&self, range: Range<usize>) -> Self {
        fn cut<T: Clone>(list: &[T], range: &Range<usize>) -> Vec<T> {
            list.get(range.clone()).unwrap_or_default().to_vec()
        }
        Self {
            ids: cut(&self.ids, &range),
            type_ids: cut(&self.type_ids, &range),
            offsets: cut(&self.offsets, &range),
            word_ids: cut(&self.word_ids, &range),
            sequence_ids: cut(&self.sequence_ids, &range),
            special_tokens_mask: cut(&self.special_tokens_mask, &range),
            attention_mask: cut(&self.attention_mask, &range),
            found: cut(&self.found, &range),
            overflowing: Vec::new(),
        }
    }

    /// Keeps the first of `stretches`, the others overflow.
    ///
    /// # Errors
    /// [`Error::Config`] when they would take too much memory.
    pub(crate) fn cut_into(&mut self, stretches: &[Range<usize>]) -> Result<()> {
        check_overflowing(stretches.iter().map(Range::len).sum())?;
        let mut stretches = stretches.iter().map(|range| self.stretch(range.clone()));
        let first = stretches.next().unwrap_or_default();
        let overflowing = stretches.collect();
        *self = Self { overflowing, ..first };
        Ok(())
    }

    /// Appends the lists of `other`, but not what overflows.
    pub(crate) fn extend(&mut self, other: &Self) {
        self.ids.extend_from_slice(&other.ids);
        self.type_ids.extend_from_slice(&other.type_ids);
        self.offsets.extend_from_slice(&other.offsets);
        self.word_ids.extend_from_slice(&other.word_ids);
        self.sequence_ids.extend_from_slice(&other.sequence_ids);
        self.special_tokens_mask.extend_from_slice(&other.special_tokens_mask);
        self.attention_mask.extend_from_slice(&other.attention_mask);
        self.found.extend_from_slice(&other.found);
    }

    /// The parts one after the other. What overflows from one part is put together with every stretch of the others.
    ///
    /// # Errors
    /// [`Error::Config`] when that would take too much memory.
    pub(crate) fn join(parts: Vec<Self>) -> Result<Self> {
        let mut parts = parts.into_iter();
        let mut whole = parts.next().unwrap_or_default();
        for mut part in parts {
            let others = std::mem::take(&mut part.overflowing);
            let own = std::mem::take(&mut whole.overflowing);
            let n_ids = |stretches: &[Self]| stretches.iter().map(Self::len).sum::<usize>();
            let n_all = n_ids(&own)
                .saturating_mul(others.len() + 1)
                .saturating_add(n_ids(&others).saturating_mul(own.len() + 1))
                .saturating_add(part.len().saturating_mul(own.len()))
                .saturating_add(whole.len().saturating_mul(others.len()));
            check_overflowing(n_all)?;
            let joined = |left: &Self, right: &Self| {
                let mut joined = left.clone();
                joined.extend(right);
                joined
            };
            let mut overflowing = Vec::with_capacity((own.len() + 1) * (others.len() + 1));
            for left in &own {
                overflowing.push(joined(left, &part));
                overflowing.extend(others.iter().map(|right| joined(left, right)));
            }
            overflowing.extend(others.iter().map(|right| joined(&whole, right)));
            whole.extend(&part);
            whole.overflowing = overflowing;
        }
        Ok(whole)
    }
}

fn check_overflowing(n_ids: usize) -> Result<()> {
    if n_ids <= MAX_OVERFLOWING_IDS {
        return Ok(());
    }
    Err(Error::Config(format!(
        "truncation leaves overflowing sequences of {n_ids} ids in all, more than the limit of \
         {MAX_OVERFLOWING_IDS}; lower stride or raise max_length"
    )))
}
