//! [`Progress`]: how far a long call is, and whether it should stop.
//!
//! One thread works, another looks: the caller of a long call reads the counters and may ask it to stop; the call polls
//! often enough to stop within a tenth of a second.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};

use crate::error::{Error, Result};

/// What a long call is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Turning text into ids; counts bytes.
    Encode = 0,
    /// Counting pre-tokens; counts bytes.
    Count = 1,
    /// Learning merges; counts merges.
    Merge = 2,
    /// Collecting candidates; counts characters of the different words.
    Seed = 3,
    /// Expectation maximisation; counts segments that words may be cut into, each time one is looked at, in this phase and in
    /// `Prune`, with which it takes turns.
    Em = 4,
    /// Dropping tokens; goes on with the count of `Em`.
    Prune = 5,
    /// Bringing the words counted together; counts words, and before them the chunks of text that they are cut from.
    Gather = 6,
}

/// Bytes of text between two looks at whether to stop.
const POLL_BYTES: usize = 1 << 20;

/// Shared between the thread that works and the one that looks.
#[derive(Debug, Default)]
pub struct Progress {
    is_stopped: AtomicBool,
    phase: AtomicU8,
    done: AtomicU64,
    total: AtomicU64,
}

impl Progress {
    /// Asks the call to stop.
    pub fn stop(&self) {
        self.is_stopped.store(true, Relaxed);
    }

    /// Starts a phase of `total` steps.
    pub fn begin(&self, phase: Phase, total: u64) {
        self.begin_at(phase, 0, total);
    }

    /// Starts a phase of `total` steps of which some are done.
    pub fn begin_at(&self, phase: Phase, done: u64, total: u64) {
        self.phase.store(phase as u8, Relaxed);
        self.total.store(total, Relaxed);
        self.done.store(done, Relaxed);
    }

    /// Counts steps.
    ///
    /// # Errors
    /// [`Error::Interrupted`] if the call was asked to stop.
    pub fn advance(&self, steps: u64) -> Result<()> {
        self.done.fetch_add(steps, Relaxed);
        self.check()
    }

    /// Looks at whether to stop, and counts nothing.
    ///
    /// # Errors
    /// [`Error::Interrupted`] if the call was asked to stop.
    pub fn check(&self) -> Result<()> {
        if self.is_stopped.load(Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// The characters of a text and their places, ended early when the call was asked to stop: who has gone through them looks
    /// with [`Progress::check`] at whether they were all.
    pub fn char_indices(&self, text: &str) -> impl Iterator<Item = (usize, char)> {
        let mut next_poll = 0;
        text.char_indices().take_while(move |&(place, _)| {
            if place < next_poll {
                return true;
            }
            next_poll = place + POLL_BYTES;
            self.check().is_ok()
        })
    }

    /// The bytes of a text, many at a time, ended early as [`Progress::char_indices`] is.
    pub fn chunks<'t>(&self, text: &'t str) -> impl Iterator<Item = &'t [u8]> {
        text.as_bytes().chunks(POLL_BYTES).take_while(|_| self.check().is_ok())
    }

    /// Phase, steps done, and steps in all (0: unknown).
    pub fn snapshot(&self) -> (Phase, u64, u64) {
        let phase = match self.phase.load(Relaxed) {
            1 => Phase::Count,
            2 => Phase::Merge,
            3 => Phase::Seed,
            4 => Phase::Em,
            5 => Phase::Prune,
            6 => Phase::Gather,
            _ => Phase::Encode,
        };
        (phase, self.done.load(Relaxed), self.total.load(Relaxed))
    }
}
