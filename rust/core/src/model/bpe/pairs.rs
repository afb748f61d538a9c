//! [`PairTable`]: from a pair of ids to the rank and product of its merge.
//!
//! Pairs of single bytes, with which every pre-token starts, have a table of their own indexed by the two bytes. All
//! others share one open-addressing table, whose hash is a multiplication by a number of its own.

use super::NONE;
use crate::vocab::{SeededMap, random_odd};

#[derive(Debug, Clone, Copy)]
struct Entry {
    pair: u64,
    rank: u32,
    product: u32,
}

const EMPTY: Entry = Entry { pair: u64::MAX, rank: NONE, product: NONE };

#[derive(Debug)]
pub(crate) struct PairTable {
    entries: Vec<Entry>,
    multiplier: u64,
    shift: u32,
    bytes: Vec<(u32, u32)>,
}

const fn key(left: u32, right: u32) -> u64 {
    (left as u64) << 32 | right as u64
}

/// A hash of a pair, mixed in its highest bits.
pub(crate) const fn mixed(left: u32, right: u32) -> u64 {
    let pair = key(left, right);
    (pair ^ pair >> 29).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

impl PairTable {
    /// From the rank and product of each pair.
    pub(crate) fn new(products: &SeededMap<(u32, u32), (u32, u32)>) -> Self {
        let n_slots = (products.len() * 2 + 2).next_power_of_two();
        let mut table = Self {
            entries: vec![EMPTY; n_slots],
            multiplier: random_odd(),
            shift: 64 - n_slots.trailing_zeros(),
            bytes: Vec::new(),
        };
        for (&(left, right), &(rank, product)) in products {
            let mut slot = table.slot(key(left, right));
            while table.entries[slot].pair != EMPTY.pair {
                slot = table.next(slot);
            }
            table.entries[slot] = Entry { pair: key(left, right), rank, product };
        }
        table
    }

    /// As [`PairTable::new`], with the table of the tokens of single bytes.
    pub(super) fn with_bytes(
        products: &SeededMap<(u32, u32), (u32, u32)>,
        byte_ids: &[u32; 256],
    ) -> Self {
        let mut table = Self::new(products);
        table.bytes = (0..=u16::MAX)
            .map(|pair| {
                let [left, right] = pair.to_be_bytes();
                table.get(byte_ids[usize::from(left)], byte_ids[usize::from(right)])
            })
            .collect();
        table
    }

    #[expect(clippy::cast_possible_truncation, reason = "shifted down to the table's size")]
    fn slot(&self, pair: u64) -> usize {
        (pair.wrapping_mul(self.multiplier) >> self.shift) as usize
    }

    fn next(&self, slot: usize) -> usize {
        (slot + 1) & (self.entries.len() - 1)
    }

    /// Rank and product of merging `left` and `right`; [`NONE`] twice when they have no merge.
    #[inline]
    pub(crate) fn get(&self, left: u32, right: u32) -> (u32, u32) {
        let pair = key(left, right);
        let mut slot = self.slot(pair);
        loop {
            let entry = self.entries[slot];
            if entry.pair == pair || entry.pair == EMPTY.pair {
                return (entry.rank, entry.product);
            }
            slot = self.next(slot);
        }
    }

    /// [`PairTable::get`] of the tokens of two bytes.
    #[inline]
    pub(crate) fn of_bytes(&self, left: u8, right: u8) -> (u32, u32) {
        self.bytes[usize::from(u16::from_be_bytes([left, right]))]
    }
}
