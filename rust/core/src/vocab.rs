//! [`Vocab`]: id to bytes and bytes to id, for every token of a tokenizer.
//!
//! All token bytes lie in one arena; ids index a dense table of spans. Gaps between ids are allowed up to [`max_id`],
//! so that memory stays proportional to the number of tokens whatever a file claims.
//!
//! Tables keyed by what files or texts hold hash with a seed of their own ([`SeededMap`], [`random_odd`]): with a fixed
//! hash, keys could be made that all collide, and a table would take quadratic time. Seeds never show in a result:
//! such tables are looked up, and where one is walked the order makes no difference.

use std::hash::{BuildHasher, RandomState};

use crate::error::{Error, Result};

/// An index that is known to fit 32 bits, as an id or a place of so many.
pub(crate) fn index(i: usize) -> u32 {
    u32::try_from(i).unwrap_or(u32::MAX)
}

/// A map whose hash differs from table to table.
#[expect(
    clippy::disallowed_types,
    reason = "seeded against hostile keys; no result depends on its order"
)]
pub(crate) type SeededMap<K, V> = std::collections::HashMap<K, V>;

/// A set of such keys.
#[expect(
    clippy::disallowed_types,
    reason = "seeded against hostile keys; no result depends on its order"
)]
pub(crate) type SeededSet<K> = std::collections::HashSet<K>;

/// An unpredictable odd number. The top bits of a number times it are a hash that no keys are bad for (Dietzfelbinger et
/// al. 1997, "A reliable randomized algorithm for the closest-pair problem").
pub(crate) fn random_odd() -> u64 {
    RandomState::new().hash_one(0_u8) | 1
}

/// Ids may leave gaps, but the largest must stay below this for `n_tokens` tokens.
pub fn max_id(n_tokens: usize) -> usize {
    n_tokens.saturating_mul(2).saturating_add(1 << 20)
}

#[derive(Debug, Clone, Copy)]
struct Span {
    start: u32,
    len: u32,
}

const GAP: Span = Span { start: 0, len: u32::MAX };

/// The byte string of every id.
#[derive(Debug, Clone, Default)]
pub struct Vocab {
    arena: Vec<u8>,
    spans: Vec<Span>,
    n_tokens: usize,
}

impl Vocab {
    /// Adds a token.
    ///
    /// # Errors
    /// [`Error::Vocab`] when the id is taken by other bytes, or the tokens together exceed 4 GiB.
    pub fn insert(&mut self, id: u32, bytes: &[u8]) -> Result<()> {
        if let Some(taken) = self.bytes(id) {
            if taken == bytes {
                return Ok(());
            }
            return Err(Error::Vocab(format!(
                "id {id} stands for both {:?} and {:?}",
                String::from_utf8_lossy(taken),
                String::from_utf8_lossy(bytes)
            )));
        }
        let too_large = |_| Error::Vocab("the tokens together exceed 4 GiB".to_owned());
        let start = u32::try_from(self.arena.len()).map_err(too_large)?;
        let len = u32::try_from(bytes.len()).map_err(too_large)?;
        let index = id as usize;
        if index >= self.spans.len() {
            self.spans.resize(index + 1, GAP);
        }
        self.spans[index] = Span { start, len };
        self.arena.extend_from_slice(bytes);
        self.n_tokens += 1;
        Ok(())
    }

    /// The bytes of `id`, if it is in the vocabulary.
    #[inline]
    pub fn bytes(&self, id: u32) -> Option<&[u8]> {
        let span = self.spans.get(id as usize)?;
        if span.len == GAP.len {
            return None;
        }
        self.arena.get(span.start as usize..span.start as usize + span.len as usize)
    }

    /// One more than the largest id: the rows an embedding matrix needs.
    pub fn size(&self) -> usize {
        self.spans.len()
    }

    /// How many ids stand for a token.
    pub fn n_tokens(&self) -> usize {
        self.n_tokens
    }

    /// Every id with its bytes, ids increasing.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &[u8])> {
        (0_u32..).zip(&self.spans).filter_map(|(id, _)| Some((id, self.bytes(id)?)))
    }
}

/// From bytes to id: open addressing over ids, compared through a [`Vocab`].
#[derive(Debug, Clone)]
pub struct BytesIndex {
    slots: Vec<u32>,
    mask: usize,
    seed: RandomState,
}

const EMPTY: u32 = u32::MAX;

impl BytesIndex {
    /// An index of `ids`, whose bytes are distinct.
    pub fn new(vocab: &Vocab, ids: impl ExactSizeIterator<Item = u32>) -> Self {
        let n_slots = (ids.len() * 2 + 1).next_power_of_two();
        let mut index =
            Self { slots: vec![EMPTY; n_slots], mask: n_slots - 1, seed: RandomState::new() };
        for id in ids {
            let mut slot = index.slot(vocab.bytes(id).unwrap_or_default());
            while index.slots[slot] != EMPTY {
                slot = (slot + 1) & index.mask;
            }
            index.slots[slot] = id;
        }
        index
    }

    /// The id whose bytes are `bytes`.
    #[inline]
    pub fn get(&self, vocab: &Vocab, bytes: &[u8]) -> Option<u32> {
        let mut slot = self.slot(bytes);
        loop {
            match self.slots[slot] {
                EMPTY => return None,
                id if vocab.bytes(id) == Some(bytes) => return Some(id),
                _ => slot = (slot + 1) & self.mask,
            }
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "only some bits of the hash are needed")]
    fn slot(&self, bytes: &[u8]) -> usize {
        self.seed.hash_one(bytes) as usize & self.mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn insert_keeps_gaps_and_refuses_conflicts() {
        let mut vocab = Vocab::default();
        vocab.insert(3, b"abc").unwrap();
        vocab.insert(0, b"").unwrap();
        vocab.insert(3, b"abc").unwrap();
        assert_eq!((vocab.size(), vocab.n_tokens()), (4, 2));
        assert_eq!(vocab.bytes(1), None);
        assert_eq!(vocab.bytes(4), None);
        assert_eq!(vocab.bytes(0), Some(&b""[..]));
        assert!(matches!(vocab.insert(3, b"abd"), Err(Error::Vocab(_))));
        let index = BytesIndex::new(&vocab, [0, 3].into_iter());
        assert_eq!(index.get(&vocab, b"abc"), Some(3));
        assert_eq!(index.get(&vocab, b"ab"), None);
    }
}
