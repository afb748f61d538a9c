//! The one merge that makes each token under tiktoken's rule (the head of [`super`] proves that it
//! is one).
//!
//! Tokens are taken from the shortest to the longest. A token's bytes are joined by the merges of
//! the tokens before it, lowest rank first and leftmost of equals; those are all that can apply
//! inside it. If two parts remain, they are its merge; if more, it has none. Looking pairs of ids
//! up instead of concatenations makes a token of `n` bytes cost `n log n`, whatever the vocabulary.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::format::SeededMap;

/// The merge of each of `tokens`, which are ordered by rank and hold all 256 single bytes.
pub(super) fn derive_merges(tokens: &[(Vec<u8>, u32)]) -> Vec<Option<(u32, u32)>> {
    let mut byte_ids = [0; 256];
    for (bytes, id) in tokens {
        if let &[byte] = bytes.as_slice() {
            byte_ids[usize::from(byte)] = *id;
        }
    }
    let mut by_length: Vec<u32> = (0..u32::try_from(tokens.len()).unwrap_or(u32::MAX)).collect();
    by_length.sort_by_key(|&i| tokens.get(i as usize).map(|(bytes, _)| bytes.len()));

    let mut merges = vec![None; tokens.len()];
    let mut products = SeededMap::with_capacity(tokens.len());
    let mut joiner = Joiner::default();
    for i in by_length {
        let i = i as usize;
        let Some((bytes, id)) = tokens.get(i).filter(|(bytes, _)| bytes.len() > 1) else {
            continue;
        };
        let merge = joiner.final_pair(bytes, &byte_ids, &products);
        if let Some(pair) = merge {
            products.insert(key(pair), *id);
        }
        if let Some(slot) = merges.get_mut(i) {
            *slot = merge;
        }
    }
    merges
}

fn key((left, right): (u32, u32)) -> u64 {
    u64::from(left) << 32 | u64::from(right)
}

/// A join that may be made: lowest rank first, then leftmost.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    product: u32,
    position: usize,
    pair: (u32, u32),
}

/// The parts of a token as a linked list over byte positions, kept between tokens to save
/// allocations.
#[derive(Default)]
struct Joiner {
    ids: Vec<u32>,
    /// The position of the part before; the first part's is its own.
    previous: Vec<usize>,
    /// The position of the part after; the length for the last part.
    next: Vec<usize>,
    candidates: BinaryHeap<Reverse<Candidate>>,
}

impl Joiner {
    /// The two parts that `bytes` are joined to by `products`, if two remain.
    fn final_pair(
        &mut self,
        bytes: &[u8],
        byte_ids: &[u32; 256],
        products: &SeededMap<u64, u32>,
    ) -> Option<(u32, u32)> {
        self.ids.clear();
        self.ids.extend(bytes.iter().map(|&byte| byte_ids[usize::from(byte)]));
        self.previous.clear();
        self.previous.extend((0..bytes.len()).map(|i| i.saturating_sub(1)));
        self.next.clear();
        self.next.extend(1..=bytes.len());
        self.candidates.clear();
        for position in 0..bytes.len() {
            self.push_candidate(position, products);
        }
        let mut n_parts = bytes.len();
        while n_parts > 2 {
            let Reverse(candidate) = self.candidates.pop()?;
            let position = candidate.position;
            if self.pair_at(position) != Some(candidate.pair) {
                continue;
            }
            let absorbed = self.next[position];
            self.ids[position] = candidate.product;
            self.next[position] = self.next[absorbed];
            // A part that is gone has no part after it, so that its old candidates fail the check
            // above.
            self.next[absorbed] = bytes.len();
            if let Some(previous) = self.previous.get_mut(self.next[position]) {
                *previous = position;
            }
            n_parts -= 1;
            self.push_candidate(position, products);
            if position > 0 {
                self.push_candidate(self.previous[position], products);
            }
        }
        self.pair_at(0)
    }

    fn pair_at(&self, position: usize) -> Option<(u32, u32)> {
        let right = self.ids.get(*self.next.get(position)?)?;
        Some((*self.ids.get(position)?, *right))
    }

    fn push_candidate(&mut self, position: usize, products: &SeededMap<u64, u32>) {
        if let Some(pair) = self.pair_at(position)
            && let Some(&product) = products.get(&key(pair))
        {
            self.candidates.push(Reverse(Candidate { product, position, pair }));
        }
    }
}
