//! [`Front`]: the counts of one thread on their way to the shards that all threads share.
//!
//! Running text repeats itself: some thousand words make nine tenths of it. A front has them in sets of two that fit the
//! processor's nearest memory, and a word that finds no place there takes the rarer one's, which goes to its shard together
//! with others: the lock of a shard is taken once for many words, and memory holds each word once whatever the number of
//! threads.

use std::sync::{Mutex, PoisonError};

use crate::compiled::word_cache::Key;
use crate::error::Result;
use crate::train::word_counts::overflow;
use crate::vocab::random_odd;

use super::recoding::RecodingScratch;
use super::table::Shard;

/// Which of the shards a word is in: the top bits of its hash.
pub(super) const SHARD_BITS: u32 = 4;
/// How many shards there are.
pub(super) const N_SHARDS: usize = 1 << SHARD_BITS;

/// Sets of a front.
const N_SETS: usize = 1 << 13;
/// Where the bits that number a set stand in a hash: apart from those of shards and most of those of slots.
const SET_SHIFT: u32 = 40;
/// Short words of a parcel.
const PARCEL_WORDS: usize = 256;
/// Bytes of the long words of a parcel.
const PARCEL_BYTES: usize = 1 << 13;

/// Hashes words with multipliers that nobody knows, so that no text is bad for the tables.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hasher {
    multipliers: (u64, u64),
}

/// A short word and its count in a front; the empty key: none.
#[derive(Debug, Clone, Copy)]
struct Entry {
    key: Key,
    count: u64,
}

#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Set([Entry; 2]);

/// Words for one shard.
#[derive(Debug, Default)]
struct Parcel {
    short: Vec<(Key, u64)>,
    /// Hash, length and count of each long word.
    long: Vec<(u64, usize, u64)>,
    bytes: Vec<u8>,
}

/// See the module's head.
#[derive(Debug)]
pub(super) struct Front {
    hasher: Hasher,
    sets: Vec<Set>,
    parcels: Vec<Parcel>,
    /// Of what recodes the words, if something does.
    pub(super) scratch: Option<Box<RecodingScratch>>,
}

/// The shards of a counter.
pub(super) type Shards = [Mutex<Shard>; N_SHARDS];

impl Hasher {
    pub(super) fn new() -> Self {
        Self { multipliers: (random_odd(), random_odd()) }
    }

    #[inline]
    fn short(self, key: Key) -> u64 {
        key.hash(self.multipliers)
    }

    /// Folds sixteen bytes at a time, each fold a product of two numbers of which one is secret.
    fn long(self, word: &[u8]) -> u64 {
        let (blocks, rest) = word.as_chunks::<16>();
        let mut last = [0; 16];
        last[..rest.len()].copy_from_slice(rest);
        let mut state = (word.len() as u64) ^ self.multipliers.1;
        for block in blocks.iter().chain([&last]) {
            let (low, high) = Key::from_halves(split(block)).halves();
            state = fold(low ^ state, high ^ self.multipliers.0).wrapping_mul(self.multipliers.1);
        }
        state
    }
}

fn split(block: &[u8; 16]) -> (u64, u64) {
    let number = u128::from_le_bytes(*block);
    let mask = u128::from(u64::MAX);
    let half = |number: u128| u64::try_from(number & mask).unwrap_or_default();
    (half(number), half(number >> 64))
}

fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a).wrapping_mul(u128::from(b));
    let (low, high) = split(&product.to_le_bytes());
    low ^ high
}

#[inline]
fn shard_of(hash: u64) -> usize {
    (hash >> (u64::BITS - SHARD_BITS)) as usize
}

impl Front {
    pub(super) fn new(hasher: Hasher) -> Self {
        let empty = Entry { key: Key::EMPTY, count: 0 };
        let parcels = std::iter::repeat_with(Parcel::default).take(N_SHARDS).collect();
        Self { hasher, sets: vec![Set([empty; 2]); N_SETS], parcels, scratch: None }
    }

    /// Counts the word `text[start..end]`, `count` times.
    #[inline]
    pub(super) fn add(
        &mut self,
        shards: &Shards,
        text: &[u8],
        (start, end): (usize, usize),
        count: u64,
    ) -> Result<()> {
        let Some(key) = Key::new(text, start, end) else {
            return self.add_long(shards, text.get(start..end).unwrap_or_default(), count);
        };
        let hash = self.hasher.short(key);
        let Set([first, second]) = &mut self.sets[(hash >> SET_SHIFT) as usize & (N_SETS - 1)];
        if first.key == key {
            first.count = first.count.checked_add(count).ok_or_else(overflow)?;
            return Ok(());
        }
        if second.key == key {
            second.count = second.count.checked_add(count).ok_or_else(overflow)?;
            if second.count > first.count {
                std::mem::swap(first, second);
            }
            return Ok(());
        }
        let rarer = std::mem::replace(second, Entry { key, count });
        if rarer.key == Key::EMPTY { Ok(()) } else { self.send(shards, rarer) }
    }

    /// Puts a word into the parcel for its shard.
    fn send(&mut self, shards: &Shards, entry: Entry) -> Result<()> {
        let shard = shard_of(self.hasher.short(entry.key));
        let parcel = &mut self.parcels[shard];
        parcel.short.push((entry.key, entry.count));
        if parcel.short.len() < PARCEL_WORDS {
            return Ok(());
        }
        self.deliver(shards, shard)
    }

    fn add_long(&mut self, shards: &Shards, word: &[u8], count: u64) -> Result<()> {
        let hash = self.hasher.long(word);
        let shard = shard_of(hash);
        let parcel = &mut self.parcels[shard];
        parcel.long.push((hash, word.len(), count));
        parcel.bytes.extend_from_slice(word);
        if parcel.bytes.len() < PARCEL_BYTES {
            return Ok(());
        }
        self.deliver(shards, shard)
    }

    /// Adds a parcel to its shard.
    fn deliver(&mut self, shards: &Shards, index: usize) -> Result<()> {
        let Parcel { short, long, bytes } = &mut self.parcels[index];
        let hasher = self.hasher;
        let mut shard = shards[index].lock().unwrap_or_else(PoisonError::into_inner);
        shard.add_short(short, |key| hasher.short(key))?;
        shard.add_long(long, bytes)?;
        drop(shard);
        short.clear();
        long.clear();
        if bytes.capacity() > PARCEL_BYTES * 4 {
            *bytes = Vec::new();
        }
        bytes.clear();
        Ok(())
    }

    /// Delivers all that is here.
    pub(super) fn empty(&mut self, shards: &Shards) -> Result<()> {
        for set in 0..self.sets.len() {
            for way in 0..2 {
                let Set(entries) = &mut self.sets[set];
                let entry =
                    std::mem::replace(&mut entries[way], Entry { key: Key::EMPTY, count: 0 });
                if entry.key != Key::EMPTY {
                    self.send(shards, entry)?;
                }
            }
        }
        (0..N_SHARDS).try_for_each(|shard| self.deliver(shards, shard))
    }
}
