//! [`Borders`]: how often two tokens stand side by side at the most, in memory that does not grow with the text.
//!
//! Pairs are counted by their hash, so a count is that of a pair or more: never less, which is all that a cut needs.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::model::bpe::pairs::mixed;

const N_COUNTS_LOG2: u32 = 22;

/// See the module's head. Threads share it; sums do not depend on which of them counted what.
#[derive(Debug)]
pub(super) struct Borders {
    counts: Vec<AtomicU64>,
}

fn place_of((left, right): (u32, u32)) -> usize {
    (mixed(left, right) >> (u64::BITS - N_COUNTS_LOG2)) as usize
}

impl Borders {
    pub(super) fn new() -> Self {
        Self {
            counts: std::iter::repeat_with(AtomicU64::default).take(1 << N_COUNTS_LOG2).collect(),
        }
    }

    /// Counts a pair once more.
    pub(super) fn add(&self, pair: (u32, u32)) {
        self.counts[place_of(pair)].fetch_add(1, Relaxed);
    }

    /// No less than how often a pair was counted.
    pub(super) fn most(&self, pair: (u32, u32)) -> u64 {
        self.counts[place_of(pair)].load(Relaxed)
    }

    /// The count that `n` of the counts reach, if not more do; 0 if fewer than `n` pairs were counted.
    pub(super) fn reached_by(&self, n: usize) -> u64 {
        let mut counts: Vec<u64> = self
            .counts
            .iter()
            .map(|count| count.load(Relaxed))
            .filter(|&count| count > 0)
            .collect();
        match n.checked_sub(1) {
            Some(place) if place < counts.len() => {
                *counts.select_nth_unstable_by(place, |a, b| b.cmp(a)).1
            }
            _ => 0,
        }
    }
}
