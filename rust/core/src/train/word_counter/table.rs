//! [`Shard`]: the counts of the words of one part of the hash's range.
//!
//! Words of up to fifteen bytes, nearly all of English, are two machine words in an open-addressing table of 24 bytes a
//! slot. Longer ones lie in an arena, and a table of 16 bytes a slot says where. Nothing is allocated for a word of its own.

use crate::compiled::word_cache::Key;
use crate::error::Result;
use crate::train::word_counts::overflow;

/// Slots of a table at first.
const MIN_SLOTS: usize = 1 << 8;
/// How many items ahead a slot is fetched.
const AHEAD: usize = 8;

/// See the module's head. The hashes that it is given share their top bits, which [`super::outbox`] looks at.
#[derive(Debug, Default)]
pub(super) struct Shard {
    short: ShortTable,
    long: LongTable,
}

/// A short word and its count; both halves zero: empty.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    key: (u64, u64),
    count: u64,
}

#[derive(Debug, Default)]
struct ShortTable {
    slots: Vec<Slot>,
    n_used: usize,
}

/// A long word: where it lies in the arena, and its count.
#[derive(Debug, Clone, Copy)]
struct LongWord {
    hash: u64,
    start: usize,
    n_bytes: usize,
    count: u64,
}

#[derive(Debug, Default)]
struct LongTable {
    /// Index of a word plus one; zero: empty.
    slots: Vec<u32>,
    words: Vec<LongWord>,
    arena: Vec<u8>,
}

/// The words of a shard, sorted by bytes.
#[derive(Debug, Default)]
pub(super) struct SortedShard {
    /// Ordinals of keys, and counts.
    pub(super) short: Vec<(u128, u64)>,
    long: Vec<LongWord>,
    arena: Vec<u8>,
}

/// The bits of a hash that number slots: those below the top ones.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "shifted down to the table's size")]
fn slot_of(hash: u64, n_slots: usize) -> usize {
    ((hash << super::outbox::SHARD_BITS) >> (u64::BITS - n_slots.trailing_zeros())) as usize
}

impl Shard {
    /// Adds short words; `hash` is that of the whole counter.
    pub(super) fn add_short(
        &mut self,
        items: &[(Key, u64)],
        hash: impl Fn(Key) -> u64,
    ) -> Result<()> {
        for (i, &(key, count)) in items.iter().enumerate() {
            if let Some(&(next, _)) = items.get(i + AHEAD)
                && let Some(slot) =
                    self.short.slots.get(slot_of(hash(next), self.short.slots.len().max(2)))
            {
                merganser_simd::prefetch(slot);
            }
            self.short.add(key, count, hash(key), &hash)?;
        }
        Ok(())
    }

    /// Adds long words that lie in `bytes` one after another.
    pub(super) fn add_long(&mut self, items: &[(u64, usize, u64)], bytes: &[u8]) -> Result<()> {
        let mut start = 0;
        for (i, &(hash, n_bytes, count)) in items.iter().enumerate() {
            if let Some(&(next, ..)) = items.get(i + AHEAD)
                && let Some(slot) = self.long.slots.get(slot_of(next, self.long.slots.len().max(2)))
            {
                merganser_simd::prefetch(slot);
            }
            let word = bytes.get(start..start + n_bytes).unwrap_or_default();
            self.long.add(word, count, hash)?;
            start += n_bytes;
        }
        Ok(())
    }

    /// Bytes that the tables take.
    pub(super) fn n_bytes(&self) -> usize {
        self.short.slots.capacity() * size_of::<Slot>()
            + self.long.slots.capacity() * size_of::<u32>()
            + self.long.words.capacity() * size_of::<LongWord>()
            + self.long.arena.capacity()
    }

    /// How many words there are.
    pub(super) fn n_words(&self) -> usize {
        self.short.n_used + self.long.words.len()
    }

    /// The words, sorted; the shard is empty afterwards.
    pub(super) fn take_sorted(&mut self) -> SortedShard {
        let SortedShard { mut short, mut long, arena } = self.take();
        short.sort_unstable_by_key(|&(ordinal, _)| ordinal);
        let bytes = |word: &LongWord| arena.get(word.start..word.start + word.n_bytes);
        long.sort_unstable_by(|a, b| bytes(a).cmp(&bytes(b)));
        SortedShard { short, long, arena }
    }

    /// The words in any order; the shard is empty afterwards.
    pub(super) fn take(&mut self) -> SortedShard {
        let ShortTable { mut slots, .. } = std::mem::take(&mut self.short);
        slots.retain(|slot| slot.key != (0, 0));
        slots.shrink_to_fit();
        let short = slots
            .into_iter()
            .map(|slot| (Key::from_halves(slot.key).ordinal(), slot.count))
            .collect();
        let LongTable { words: long, arena, .. } = std::mem::take(&mut self.long);
        SortedShard { short, long, arena }
    }
}

impl SortedShard {
    /// Long word `index` and its count.
    pub(super) fn long(&self, index: usize) -> Option<(&[u8], u64)> {
        let word = self.long.get(index)?;
        Some((self.arena.get(word.start..word.start + word.n_bytes)?, word.count))
    }
}

impl ShortTable {
    #[inline]
    fn add(
        &mut self,
        key: Key,
        count: u64,
        hash: u64,
        hash_of: &impl Fn(Key) -> u64,
    ) -> Result<()> {
        if self.n_used * 8 >= self.slots.len() * 7 {
            self.grow(hash_of);
        }
        let key = key.halves();
        let mask = self.slots.len() - 1;
        let mut place = slot_of(hash, self.slots.len());
        loop {
            let slot = &mut self.slots[place];
            if slot.key == key {
                slot.count = slot.count.checked_add(count).ok_or_else(overflow)?;
                return Ok(());
            }
            if slot.key == (0, 0) {
                *slot = Slot { key, count };
                self.n_used += 1;
                return Ok(());
            }
            place = (place + 1) & mask;
        }
    }

    #[cold]
    fn grow(&mut self, hash_of: &impl Fn(Key) -> u64) {
        let n_slots = (self.slots.len() * 2).max(MIN_SLOTS);
        let old = std::mem::replace(&mut self.slots, vec![Slot::default(); n_slots]);
        for slot in old.into_iter().filter(|slot| slot.key != (0, 0)) {
            let mut place = slot_of(hash_of(Key::from_halves(slot.key)), n_slots);
            while self.slots[place].key != (0, 0) {
                place = (place + 1) & (n_slots - 1);
            }
            self.slots[place] = slot;
        }
    }
}

impl LongTable {
    fn add(&mut self, word: &[u8], count: u64, hash: u64) -> Result<()> {
        if self.words.len() * 4 >= self.slots.len() * 3 {
            self.grow();
        }
        let mask = self.slots.len() - 1;
        let mut place = slot_of(hash, self.slots.len());
        while let Some(index) = self.slots[place].checked_sub(1) {
            let known = &mut self.words[index as usize];
            if known.hash == hash
                && self.arena.get(known.start..known.start + known.n_bytes) == Some(word)
            {
                known.count = known.count.checked_add(count).ok_or_else(overflow)?;
                return Ok(());
            }
            place = (place + 1) & mask;
        }
        let start = self.arena.len();
        self.arena.extend_from_slice(word);
        self.words.push(LongWord { hash, start, n_bytes: word.len(), count });
        self.slots[place] = u32::try_from(self.words.len()).map_err(|_| too_many())?;
        Ok(())
    }

    #[cold]
    fn grow(&mut self) {
        let n_slots = (self.slots.len() * 2).max(MIN_SLOTS);
        self.slots = vec![0; n_slots];
        for (index, word) in (1_u32..).zip(&self.words) {
            let mut place = slot_of(word.hash, n_slots);
            while self.slots[place] != 0 {
                place = (place + 1) & (n_slots - 1);
            }
            self.slots[place] = index;
        }
    }
}

#[cold]
fn too_many() -> crate::Error {
    let problem = "more than 2**32 different words in one table; pass max_memory to spill them";
    crate::Error::Config(problem.to_owned())
}
