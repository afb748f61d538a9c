//! Memory that encoding reuses from call to call.
//!
//! A pool is shared by the calls on one tokenizer. It is only ever tried, never waited for: a call that finds the pool
//! locked, or is in a process forked while it was, works with fresh scratch and the same result.

use std::sync::Mutex;

use crate::compiled::word_cache::WordCache;
use crate::model::bpe::LongScratch;

/// Scratch kept for later calls, at the most: memory is bounded by so many caches.
const MAX_KEPT: usize = 32;

#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) words: WordCache,
    pub(super) long: LongScratch,
}

#[derive(Debug, Default)]
pub(super) struct ScratchPool(Mutex<Vec<Box<Scratch>>>);

impl ScratchPool {
    /// Scratch from the pool, or new.
    pub(super) fn take(&self) -> Box<Scratch> {
        self.0.try_lock().ok().and_then(|mut kept| kept.pop()).unwrap_or_default()
    }

    /// Keeps scratch for a later call.
    pub(super) fn give_back(&self, scratch: Box<Scratch>) {
        if let Ok(mut kept) = self.0.try_lock()
            && kept.len() < MAX_KEPT
        {
            kept.push(scratch);
        }
    }
}
