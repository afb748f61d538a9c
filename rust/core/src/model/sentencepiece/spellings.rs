//! [`Spellings`]: which piece two symbols side by side spell.
//!
//! The hash of a text follows from those of its parts: it is a polynomial in a secret base, with the bytes as coefficients,
//! modulo the prime 2⁶¹ − 1 (Karp and Rabin 1987, "Efficient randomized pattern-matching algorithms"). So a look-up that
//! finds nothing reads no text, however long the symbols are; what the hash finds is compared. A table of all pairs that
//! spell a piece would grow with the square of the pieces where these nest.

use crate::error::Result;
use crate::vocab::{Vocab, random_odd};

const PRIME: u64 = (1 << 61) - 1;

/// No piece.
const EMPTY: u32 = u32::MAX;

/// The texts of the symbols, and the pieces by their hashes.
#[derive(Debug)]
pub(super) struct Spellings {
    texts: Vocab,
    /// Of each symbol's text.
    hashes: Vec<u64>,
    /// The base to the number of bytes.
    powers: Vec<u64>,
    /// Pieces, each at the first free slot from the one that its hash names.
    slots: Vec<u32>,
    multiplier: u64,
}

impl Spellings {
    /// From the text of every symbol; those below `n_pieces` are pieces, which differ.
    ///
    /// # Errors
    /// [`crate::Error::Vocab`] when the texts together exceed 4 GiB.
    pub(super) fn new<'a>(
        symbols: impl Iterator<Item = (&'a str, u32)> + Clone,
        n_pieces: u32,
    ) -> Result<Self> {
        let base = random_odd() % PRIME;
        let mut texts = Vocab::default();
        for (text, symbol) in symbols.clone() {
            texts.insert(symbol, text.as_bytes())?;
        }
        let hash = |text: &[u8]| {
            text.iter().fold(0, |hash, &byte| multiply_add(hash, base, u64::from(byte) + 1))
        };
        let longest = symbols.clone().map(|(text, _)| text.len()).max().unwrap_or(0);
        let powers = std::iter::successors(Some(1), |&power| Some(multiply_add(power, base, 0)));
        let ids = (0..).take(texts.size());
        let mut spellings = Self {
            hashes: ids.map(|symbol| texts.bytes(symbol).map_or(0, hash)).collect(),
            powers: powers.take(longest + 1).collect(),
            slots: vec![EMPTY; (texts.n_tokens() * 3 / 2 + 1).next_power_of_two()],
            texts,
            multiplier: random_odd(),
        };
        for (_, piece) in symbols.filter(|&(_, symbol)| symbol < n_pieces) {
            let mut slot = spellings.slot(spellings.hashes[piece as usize]);
            while spellings.slots[slot] != EMPTY {
                slot = spellings.next(slot);
            }
            spellings.slots[slot] = piece;
        }
        Ok(spellings)
    }

    /// The bytes of a symbol's text.
    pub(super) fn length(&self, symbol: u32) -> usize {
        self.texts.bytes(symbol).map_or(0, <[u8]>::len)
    }

    /// The piece that two symbols spell, which together are `text`, the right one its last `n_right` bytes.
    #[inline]
    pub(super) fn get(&self, left: u32, right: u32, text: &[u8], n_right: usize) -> Option<u32> {
        let (left, right) = (self.hashes.get(left as usize)?, self.hashes.get(right as usize)?);
        let hash = multiply_add(*left, self.powers[n_right], *right);
        let mut slot = self.slot(hash);
        loop {
            let piece = self.slots[slot];
            if piece == EMPTY {
                return None;
            }
            if self.hashes[piece as usize] == hash && self.texts.bytes(piece) == Some(text) {
                return Some(piece);
            }
            slot = self.next(slot);
        }
    }

    fn slot(&self, hash: u64) -> usize {
        (hash.wrapping_mul(self.multiplier) >> 32) as usize & (self.slots.len() - 1)
    }

    fn next(&self, slot: usize) -> usize {
        (slot + 1) & (self.slots.len() - 1)
    }
}

/// `a * b + c` modulo [`PRIME`], of numbers below it.
#[expect(clippy::cast_possible_truncation, reason = "below twice the prime")]
const fn multiply_add(a: u64, b: u64, c: u64) -> u64 {
    let whole = a as u128 * b as u128 + c as u128;
    let folded = (whole & PRIME as u128) as u64 + (whole >> 61) as u64;
    if folded >= PRIME { folded - PRIME } else { folded }
}
