//! [`WordCache`]: the ids of pre-tokens seen before.
//!
//! Running text repeats itself: a few thousand pre-tokens make nine tenths of it. Most have up to fifteen bytes and three ids;
//! they are in sets of four entries found by the pre-token as a number. The others, up to [`LONG_BYTES`] bytes and
//! [`LONG_IDS`] ids, have one place each, found by hash. The sets grow with what they hold up to [`MAX_SETS`], so that a first
//! short text does not pay for a long one's memory. Memory is bounded (4.75 MiB), and what is in the cache can never change a
//! result, only how fast it comes.

use std::hash::Hasher;

use rustc_hash::FxHasher;

/// Longest pre-token that is a [`Key`].
const KEY_BYTES: usize = 15;
/// Most ids of an entry in a set.
const SHORT_IDS: usize = 3;
/// Longest pre-token that is cached.
const LONG_BYTES: usize = 126;
/// Most ids of a pre-token that is cached.
const LONG_IDS: usize = 16;
const WAYS: usize = 4;
const MIN_SETS: usize = 1 << 9;
const MAX_SETS: usize = 1 << 15;
/// The sets grow by this factor.
const GROWTH: usize = 4;
const N_LONG: usize = 1 << 12;

/// A pre-token as a number: its bytes, little-endian, and its length in the top byte, so that `a` and `a\0` differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key(u128);

#[derive(Debug, Clone, Copy)]
struct Entry {
    key: Key,
    /// The ids, and behind them how many there are.
    value: [u32; SHORT_IDS + 1],
}

#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Set([Entry; WAYS]);

#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct LongEntry {
    n_bytes: u8,
    n_ids: u8,
    bytes: [u8; LONG_BYTES],
    ids: [u32; LONG_IDS],
}

/// See the module's head.
#[derive(Debug)]
pub struct WordCache {
    sets: Vec<Set>,
    /// How far the hash is shifted to number a set.
    shift: u32,
    /// Insertions since the sets last grew.
    n_inserted: usize,
    /// Empty until something long is inserted.
    long: Vec<LongEntry>,
}

impl Key {
    /// The key of the empty pre-token, which never occurs.
    pub const EMPTY: Self = Self(0);

    /// The key of `text[start..end]`; `None` if it is too long to be cached.
    #[inline]
    pub fn new(text: &[u8], start: usize, end: usize) -> Option<Self> {
        let len = end - start;
        if len > KEY_BYTES {
            return None;
        }
        let bytes = match text.get(start..start + 16).and_then(|bytes| bytes.try_into().ok()) {
            Some(bytes) => u128::from_le_bytes(bytes),
            None => Self::near_end(text, start),
        };
        let mask = (1_u128 << (8 * len)) - 1;
        Some(Self(bytes & mask | (len as u128) << 120))
    }

    #[cold]
    fn near_end(text: &[u8], start: usize) -> u128 {
        let mut bytes = [0; 16];
        let rest = &text[start..];
        let n = rest.len().min(16);
        bytes[..n].copy_from_slice(&rest[..n]);
        u128::from_le_bytes(bytes)
    }

    /// The key of the same bytes as a part of a pre-token, where that is something else.
    #[must_use]
    pub fn of_part(self) -> Self {
        Self(self.0 | 1 << 127)
    }

    /// The bytes of the pre-token, in a buffer of 16.
    pub fn bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }

    /// The key as a number whose order is that of the bytes.
    pub fn ordinal(self) -> u128 {
        self.0.swap_bytes()
    }

    /// The key of an [`Key::ordinal`].
    pub fn from_ordinal(ordinal: u128) -> Self {
        Self(ordinal.swap_bytes())
    }

    /// The low and the high half.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "takes halves")]
    pub fn halves(self) -> (u64, u64) {
        (self.0 as u64, (self.0 >> 64) as u64)
    }

    /// The key of its halves.
    #[inline]
    pub fn from_halves((low, high): (u64, u64)) -> Self {
        Self(u128::from(low) | u128::from(high) << 64)
    }

    /// Length of the pre-token.
    pub fn n_bytes(self) -> usize {
        usize::from(self.0.to_le_bytes()[15])
    }

    /// A hash whose top bits are well mixed: the two halves, each times its multiplier. With odd multipliers that nobody
    /// knows, no keys are bad for it; see [`crate::vocab`].
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "takes halves")]
    pub fn hash(self, (low, high): (u64, u64)) -> u64 {
        let halves = (self.0 as u64, (self.0 >> 64) as u64);
        halves.0.wrapping_mul(low).wrapping_add(halves.1.wrapping_mul(high))
    }
}

impl Default for WordCache {
    fn default() -> Self {
        Self {
            sets: empty_sets(MIN_SETS),
            shift: shift_of(MIN_SETS),
            n_inserted: 0,
            long: Vec::new(),
        }
    }
}

fn empty_sets(n: usize) -> Vec<Set> {
    vec![Set([Entry { key: Key::EMPTY, value: [0; SHORT_IDS + 1] }; WAYS]); n]
}

const fn shift_of(n_sets: usize) -> u32 {
    u64::BITS - n_sets.trailing_zeros()
}

impl WordCache {
    /// The set of a key. The multipliers are fixed: however many keys collide, a set has four entries to look at.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "shifted down to the number of sets")]
    fn set(&self, key: Key) -> usize {
        (key.hash((0x9E37_79B9_7F4A_7C15, 0xD1B5_4A32_D192_ED03)) >> self.shift) as usize
    }

    /// The ids of a pre-token, if they are known: so many (the last) of the first three values.
    #[inline]
    pub fn get(&self, key: Key) -> Option<&[u32; SHORT_IDS + 1]> {
        let Set(entries) = &self.sets[self.set(key)];
        entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// Appends the ids of a pre-token, if [`WordCache::get`] knows them.
    #[inline]
    pub fn append(&self, key: Key, ids: &mut Vec<u32>) -> bool {
        let value = self.get(key);
        value.map(|value| ids.extend_from_slice(&value[..value[SHORT_IDS] as usize])).is_some()
    }

    /// Starts to fetch what [`WordCache::get`] will look at.
    #[inline]
    pub fn prefetch(&self, key: Key) {
        merganser_simd::prefetch(&self.sets[self.set(key)]);
    }

    /// The ids of a pre-token that is too long, or has too many ids, for [`WordCache::get`].
    pub fn get_long(&self, pre_token: &[u8]) -> Option<&[u32]> {
        let entry = self.long.get(place_of(pre_token))?;
        let bytes = entry.bytes.get(..usize::from(entry.n_bytes))?;
        if bytes == pre_token { entry.ids.get(..usize::from(entry.n_ids)) } else { None }
    }

    /// Remembers the ids of a pre-token in place of older ones; whether there are few enough.
    pub fn insert(&mut self, key: Key, ids: &[u32]) -> bool {
        let is_short = ids.len() <= SHORT_IDS;
        if is_short {
            let mut value = [0; SHORT_IDS + 1];
            value[..ids.len()].copy_from_slice(ids);
            value[SHORT_IDS] = u32::try_from(ids.len()).unwrap_or_default();
            self.n_inserted += 1;
            if self.n_inserted > self.sets.len() * WAYS / 2 && self.sets.len() < MAX_SETS {
                self.grow();
            }
            self.put(Entry { key, value });
        }
        is_short
    }

    fn put(&mut self, entry: Entry) {
        let set = self.set(entry.key);
        let Set(entries) = &mut self.sets[set];
        entries.copy_within(..WAYS - 1, 1);
        entries[0] = entry;
    }

    #[cold]
    fn grow(&mut self) {
        let n_sets = (self.sets.len() * GROWTH).min(MAX_SETS);
        let sets = std::mem::replace(&mut self.sets, empty_sets(n_sets));
        self.shift = shift_of(n_sets);
        self.n_inserted = 0;
        // Oldest first, so that the newest stay in front.
        for entry in sets.iter().flat_map(|Set(entries)| entries.iter().rev()) {
            if entry.key != Key::EMPTY {
                self.n_inserted += 1;
                self.put(*entry);
            }
        }
    }

    /// Remembers the ids of a pre-token for [`WordCache::get_long`] in place of another's, if they are not too many.
    pub fn insert_long(&mut self, pre_token: &[u8], ids: &[u32]) {
        let lengths = (u8::try_from(pre_token.len()), u8::try_from(ids.len()));
        if let (Ok(n_bytes @ 1..), Ok(n_ids)) = lengths
            && pre_token.len() <= LONG_BYTES
            && ids.len() <= LONG_IDS
        {
            if self.long.is_empty() {
                let (bytes, ids) = ([0; LONG_BYTES], [0; LONG_IDS]);
                self.long = vec![LongEntry { n_bytes: 0, n_ids: 0, bytes, ids }; N_LONG];
            }
            let entry = &mut self.long[place_of(pre_token)];
            entry.bytes[..pre_token.len()].copy_from_slice(pre_token);
            entry.ids[..ids.len()].copy_from_slice(ids);
            (entry.n_bytes, entry.n_ids) = (n_bytes, n_ids);
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "only the low bits are needed")]
fn place_of(pre_token: &[u8]) -> usize {
    let mut hasher = FxHasher::default();
    hasher.write(pre_token);
    hasher.finish() as usize % N_LONG
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_lengths_and_places_apart() {
        let text = b"a\0b a\0 and something longer than that";
        let key = |start, end| Key::new(text, start, end).unwrap();
        assert_ne!(key(0, 1), key(0, 2));
        assert_eq!(key(0, 1), key(4, 5));
        assert_eq!(key(0, 2), key(4, 6));
        assert_eq!(Key::new(text, 0, 16), None);
        assert_eq!(Key::new(b"xyz", 1, 3), Key::new(b"yz", 0, 2));
    }

    #[test]
    fn cache_returns_what_was_inserted_or_nothing() {
        let mut cache = WordCache::default();
        let n = 200_000_u32;
        let text = |i: u32| if i.is_multiple_of(2) { i.to_string() } else { format!("{i:0>20}") };
        let ids = |i: u32| [i, i + 1, 7, 8][..2 + i as usize % 3].to_vec();
        let get = |cache: &WordCache, i: u32| {
            let text = text(i);
            let short = Key::new(text.as_bytes(), 0, text.len()).and_then(|key| cache.get(key));
            let short = short.map(|value| value[..value[SHORT_IDS] as usize].to_vec());
            short.or_else(|| cache.get_long(text.as_bytes()).map(<[u32]>::to_vec))
        };
        for i in 0..n {
            let text = text(i);
            let key = Key::new(text.as_bytes(), 0, text.len());
            if !key.is_some_and(|key| cache.insert(key, &ids(i))) {
                cache.insert_long(text.as_bytes(), &ids(i));
            }
            assert_eq!(get(&cache, i), Some(ids(i)));
        }
        assert!((0..n).all(|i| get(&cache, i).is_none_or(|found| found == ids(i))));
        assert!((0..n).filter(|&i| get(&cache, i).is_some()).count() > MAX_SETS);
    }
}
