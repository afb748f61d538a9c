//! Memory that encoding reuses from call to call.
//!
//! A pool is shared by the calls on one tokenizer. It is only ever tried, never waited for: a call that finds the pool
//! locked, or is in a process forked while it was, works with fresh scratch and the same result.

use std::sync::Mutex;

use crate::compiled::word_cache::WordCache;
use crate::model::Token;
use crate::model::bpe::LongScratch;

/// Scratch kept for later calls, at the most: memory is bounded by so many caches.
const MAX_KEPT: usize = 32;

#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) words: WordCache,
    pub(super) long: LongScratch,
    pub(super) tokens: Vec<Token>,
}

#[derive(Debug, Default)]
pub(super) struct ScratchPool(Mutex<Vec<Scratch>>);

impl ScratchPool {
    /// Scratch from the pool, or new, for each of `n` threads.
    pub(super) fn take(&self, n: usize) -> Vec<Scratch> {
        let mut taken = match self.0.try_lock() {
            Ok(mut kept) => {
                let first = kept.len().saturating_sub(n);
                kept.split_off(first)
            }
            Err(_) => Vec::new(),
        };
        taken.resize_with(n, Scratch::default);
        taken
    }

    /// Keeps scratch for later calls.
    pub(super) fn give_back(&self, scratch: Vec<Scratch>) {
        if let Ok(mut kept) = self.0.try_lock() {
            let free = MAX_KEPT.saturating_sub(kept.len());
            kept.extend(scratch.into_iter().take(free));
        }
    }
}
