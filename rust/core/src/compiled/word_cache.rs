//! [`WordCache`]: the ids of pre-tokens seen before.
//!
//! Running text repeats itself: a few thousand pre-tokens make nine tenths of it. The cache maps a pre-token of up to
//! [`MAX_BYTES`] bytes that has up to [`MAX_IDS`] ids to those ids. It has a fixed number of two-entry sets, so its memory is
//! bounded ([`N_BYTES`]) and its contents can never change a result, only how fast it comes.

/// Longest pre-token that is cached.
pub const MAX_BYTES: usize = 15;
/// Most ids of a pre-token that is cached.
pub const MAX_IDS: usize = 3;
/// Memory of one cache.
pub const N_BYTES: usize = N_SETS * size_of::<Set>();

const N_SETS: usize = 1 << 15;
const SET_SHIFT: u32 = 64 - N_SETS.trailing_zeros();

/// A pre-token as a number: its bytes, little-endian, and its length in the top byte, so that `a` and `a\0` differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key(u128);

#[derive(Debug, Clone, Copy)]
struct Entry {
    key: Key,
    ids: [u32; MAX_IDS],
    n_ids: u32,
}

#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Set([Entry; 2]);

/// See the module's head.
#[derive(Debug)]
pub struct WordCache {
    sets: Vec<Set>,
}

impl Key {
    /// The key of the empty pre-token, which never occurs.
    pub const EMPTY: Self = Self(0);

    /// The key of `text[start..end]`; `None` if it is too long to be cached.
    #[inline]
    pub fn new(text: &[u8], start: usize, end: usize) -> Option<Self> {
        let len = end - start;
        if len > MAX_BYTES {
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

    /// The bytes of the pre-token, in a buffer of 16.
    pub fn bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }

    /// Length of the pre-token in bytes.
    pub fn len(self) -> usize {
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

    /// The cache's set. Its multipliers are fixed: however many keys collide, a set has two entries to look at.
    #[inline]
    fn set(self) -> usize {
        (self.hash((0x9E37_79B9_7F4A_7C15, 0xD1B5_4A32_D192_ED03)) >> SET_SHIFT) as usize
    }
}

impl Default for WordCache {
    fn default() -> Self {
        let entry = Entry { key: Key::EMPTY, ids: [0; MAX_IDS], n_ids: 0 };
        Self { sets: vec![Set([entry; 2]); N_SETS] }
    }
}

impl WordCache {
    /// The ids of a pre-token, if they are known.
    #[inline]
    pub fn get(&self, key: Key) -> Option<&[u32]> {
        let [first, second] = &self.sets[key.set()].0;
        let entry = if first.key == key {
            first
        } else if second.key == key {
            second
        } else {
            return None;
        };
        entry.ids.get(..entry.n_ids as usize)
    }

    /// Remembers the ids of a pre-token, if there are few enough, in place of the set's older entry.
    pub fn insert(&mut self, key: Key, new: &[u32]) {
        if new.len() > MAX_IDS {
            return;
        }
        let mut ids = [0; MAX_IDS];
        ids[..new.len()].copy_from_slice(new);
        let Set(entries) = &mut self.sets[key.set()];
        entries[1] = entries[0];
        entries[0] = Entry { key, ids, n_ids: u32::try_from(new.len()).unwrap_or_default() };
    }
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
        for i in 0..200_000_u32 {
            let text = i.to_string();
            let key = Key::new(text.as_bytes(), 0, text.len()).unwrap();
            cache.insert(key, &[i, i + 1]);
            assert_eq!(cache.get(key), Some(&[i, i + 1][..]));
        }
        for i in 0..200_000_u32 {
            let text = i.to_string();
            let key = Key::new(text.as_bytes(), 0, text.len()).unwrap();
            assert!(cache.get(key).is_none_or(|ids| ids == [i, i + 1]));
        }
    }
}
