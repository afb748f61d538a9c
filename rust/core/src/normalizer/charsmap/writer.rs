//! Writes a character map: keys and the texts that stand for them become a double array, and texts.
//!
//! Keys that go on alike share what is left of them: the trie is first made a minimal acyclic automaton, by going through the
//! sorted keys and looking up each finished state among those there are (Daciuk et al. 2000, "Incremental Construction of
//! Minimal Acyclic Finite-State Automata", section 3). Each state with its own base in the array, all ways to it lead there.
//!
//! States with many ways are placed first, each in the first block that has room; those with one fill the gaps. No two
//! states have one base, so a unit is met from one only. A unit that no state uses gets the label that would lead to it from
//! a base without a state, so that no search takes it for one of its own: each block keeps such a base.

use rustc_hash::FxHashMap;

use super::{BLOCK, IS_VALUE};
use crate::error::{Error, Result};
use crate::vocab::index;

/// The states of the automaton. A way is a byte and the state that it leads to; the byte 0 stands for the end of a key, and
/// leads to the place of its text.
type Ways = Vec<(u8, u32)>;

/// Keys, sorted, and their texts, as what `Charsmap::new` reads, and SentencePiece. Without keys it is empty.
///
/// # Errors
/// [`Error::Config`] for keys that are empty, not sorted or given twice, for a NUL, or for more than an array of 2^21 units
/// holds.
pub(crate) fn write(map: &[(String, &str)]) -> Result<Vec<u8>> {
    let Some((first, _)) = map.first() else { return Ok(Vec::new()) };
    let has_nul = map.iter().any(|(key, text)| key.contains('\0') || text.contains('\0'));
    if first.is_empty() || has_nul || !map.is_sorted_by(|a, b| a.0 < b.0) {
        let problem =
            "keys of a character map must be sorted, and have something in them, but no NUL";
        return Err(Error::Config(problem.to_owned()));
    }
    let mut different: Vec<&str> = map.iter().map(|&(_, text)| text).collect();
    different.sort_unstable();
    different.dedup();
    let mut places: FxHashMap<&str, u32> = FxHashMap::default();
    let mut texts = Vec::new();
    for text in different {
        places.insert(text, u32::try_from(texts.len()).map_err(|_| too_large())?);
        texts.extend_from_slice(text.as_bytes());
        texts.push(0);
    }
    let place = |text: &str| places.get(text).copied().unwrap_or_default();
    let (states, root) = automaton(map.iter().map(|(key, text)| (key.as_bytes(), place(text))));
    let units = units(&states, root)?;
    let mut bytes = Vec::with_capacity(4 + 4 * units.len() + texts.len());
    bytes.extend(u32::try_from(4 * units.len()).map_err(|_| too_large())?.to_le_bytes());
    bytes.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
    bytes.extend(texts);
    Ok(bytes)
}

fn too_large() -> Error {
    Error::Config("a character map must fit an array of 2^21 units".to_owned())
}

/// The states of the minimal automaton of sorted keys, and which is the root.
fn automaton<'k>(keys: impl Iterator<Item = (&'k [u8], u32)>) -> (Vec<Ways>, u32) {
    let mut states: Vec<Ways> = Vec::new();
    let mut known: FxHashMap<Ways, u32> = FxHashMap::default();
    let mut settle = |ways: Ways| {
        *known.entry(ways).or_insert_with_key(|ways| {
            states.push(ways.clone());
            index(states.len() - 1)
        })
    };
    // The states along the last key, each without the way that is still open; `path[i]` follows `path_bytes[i]`.
    let mut open: Vec<Ways> = vec![Ways::new()];
    let mut last: &[u8] = &[];
    for (key, value) in keys {
        let n_common = key.iter().zip(last).take_while(|(a, b)| a == b).count();
        close(&mut open, last, n_common, &mut settle);
        open.resize_with(key.len() + 1, Ways::new);
        if let Some(end) = open.last_mut() {
            end.push((0, value));
        }
        last = key;
    }
    close(&mut open, last, 0, &mut settle);
    let root = settle(open.pop().unwrap_or_default());
    (states, root)
}

/// Finishes the states behind the first `n_kept` bytes of the last key.
fn close(open: &mut Vec<Ways>, last: &[u8], n_kept: usize, settle: &mut impl FnMut(Ways) -> u32) {
    while open.len() > n_kept + 1 {
        let Some(ways) = open.pop() else { return };
        let byte = open.len().checked_sub(1).and_then(|i| last.get(i).copied());
        let state = settle(ways);
        if let (Some(parent), Some(byte)) = (open.last_mut(), byte) {
            parent.push((byte, state));
        }
    }
}

/// A stretch of units, all that one base can lead to.
#[derive(Debug, Clone, Default)]
struct Block {
    used: Bits,
    /// The bases that states have.
    bases: Bits,
    /// States of several ways that did not fit.
    n_misses: u32,
}

/// A block with so many misses is left to states of one way.
const MAX_MISSES: u32 = 16;
/// Offsets must fit 21 bits.
const MAX_UNITS: usize = 1 << 21;

#[derive(Debug, Clone, Copy, Default)]
struct Bits([u64; BLOCK / 64]);

impl Bits {
    fn set(&mut self, i: usize) {
        self.0[i / 64] |= 1 << (i % 64);
    }

    fn count(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// The first bit that is not set.
    fn first_unset(&self) -> Option<usize> {
        let word = self.0.iter().position(|&word| word != u64::MAX)?;
        Some(word * 64 + self.0[word].trailing_ones() as usize)
    }

    /// The bits with bit `i` in the place of bit `i ^ byte`: words change places, then ever smaller parts of each.
    fn moved_by(&self, byte: u8) -> Self {
        const HALVES: [u64; 6] = [
            0x5555_5555_5555_5555,
            0x3333_3333_3333_3333,
            0x0F0F_0F0F_0F0F_0F0F,
            0x00FF_00FF_00FF_00FF,
            0x0000_FFFF_0000_FFFF,
            0x0000_0000_FFFF_FFFF,
        ];
        let mut moved = [0; 4];
        for (i, word) in moved.iter_mut().enumerate() {
            *word = self.0[i ^ usize::from(byte >> 6)];
            for (bit, half) in
                HALVES.into_iter().enumerate().filter(|(bit, _)| byte >> bit & 1 == 1)
            {
                *word = (*word & half) << (1 << bit) | *word >> (1 << bit) & half;
            }
        }
        Self(moved)
    }

    fn or(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word |= other);
        self
    }
}

impl Block {
    /// The base in the block at which these ways have room. The last base is left without a state.
    fn base_for(&self, ways: &Ways) -> Option<usize> {
        if self.bases.count() as usize >= BLOCK - 1 {
            return None;
        }
        let taken =
            ways.iter().fold(self.bases, |taken, &(byte, _)| taken.or(&self.used.moved_by(byte)));
        taken.first_unset()
    }
}

/// Lays the states out.
fn units(states: &[Ways], root: u32) -> Result<Vec<u32>> {
    let mut order: Vec<usize> = (0..states.len()).collect();
    order.sort_by_key(|&state| std::cmp::Reverse(states[state].len()));
    let mut blocks: Vec<Block> = vec![Block::default()];
    // The unit of the root, to which an offset of 0 would lead back.
    blocks[0].used.set(0);
    blocks[0].bases.set(0);
    let mut bases = vec![0_usize; states.len()];
    let mut first = 0;
    let mut fills_gaps = false;
    for state in order {
        let ways = &states[state];
        if ways.len() == 1 && !std::mem::replace(&mut fills_gaps, true) {
            first = 0;
        }
        let is_open = |block: &Block| fills_gaps || block.n_misses < MAX_MISSES;
        while first + 1 < blocks.len()
            && (!is_open(&blocks[first]) || blocks[first].used.count() as usize == BLOCK)
        {
            first += 1;
        }
        let mut at = first;
        let base = loop {
            if at == blocks.len() {
                blocks.push(Block::default());
            }
            let block = &mut blocks[at];
            if (fills_gaps || block.n_misses < MAX_MISSES)
                && let Some(base) = block.base_for(ways)
            {
                break base;
            }
            block.n_misses += 1;
            at += 1;
        };
        blocks[at].bases.set(base);
        for &(byte, _) in ways {
            blocks[at].used.set(base ^ usize::from(byte));
        }
        bases[state] = at * BLOCK + base;
    }
    if blocks.len() * BLOCK > MAX_UNITS {
        return Err(too_large());
    }
    Ok(filled(states, root, &bases, &blocks))
}

/// The units of states that have their bases.
fn filled(states: &[Ways], root: u32, bases: &[usize], blocks: &[Block]) -> Vec<u32> {
    let mut units = Vec::with_capacity(blocks.len() * BLOCK);
    for block in blocks {
        let free = block.bases.first_unset().unwrap_or_default();
        units.extend((0..BLOCK).map(|unit| index(unit ^ free)));
    }
    let leading_to = |unit: usize, byte: u8, state: u32| {
        let has_value = states[state as usize].first().is_some_and(|&(byte, _)| byte == 0);
        let offset = index(unit ^ bases[state as usize]);
        u32::from(byte) | u32::from(has_value) << 8 | offset << 10
    };
    units[0] = leading_to(0, 0, root) & !(1 << 8);
    for (ways, &base) in states.iter().zip(bases) {
        for &(byte, to) in ways {
            let unit = base ^ usize::from(byte);
            units[unit] = if byte == 0 { to | IS_VALUE } else { leading_to(unit, byte, to) };
        }
    }
    units
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::normalizer::charsmap::Charsmap;

    fn written(map: &BTreeMap<String, String>) -> Vec<u8> {
        let sorted: Vec<_> = map.iter().map(|(key, text)| (key.clone(), text.as_str())).collect();
        write(&sorted).unwrap()
    }

    /// All keys that a text begins with, with their texts, one key at a time.
    fn naive<'m>(map: &'m BTreeMap<String, String>, text: &str) -> Vec<(usize, &'m str)> {
        let mut found: Vec<_> = map
            .iter()
            .filter(|(key, _)| text.starts_with(key.as_str()))
            .map(|(key, text)| (key.len(), text.as_str()))
            .collect();
        found.sort_unstable();
        found
    }

    proptest! {
        #[test]
        fn written_maps_match_naive(
            map in prop::collection::btree_map("[ab\u{1}é漢각-갤]{1,4}", "[xyé ]{0,2}", 1..60),
            text in "[ab\0\u{1}é漢각-갤]{0,8}",
        ) {
            let charsmap = Charsmap::new(&written(&map)).unwrap();
            for text in map.keys().map(String::as_str).chain([text.as_str()]) {
                let found: Vec<_> = charsmap
                    .matches(text.as_bytes())
                    .map(|found| (found.n_bytes, charsmap.text(found)))
                    .collect();
                prop_assert_eq!(found, naive(&map, text));
            }
        }
    }

    #[test]
    fn keys_that_go_on_alike_share_units() {
        let keys = |firsts: std::ops::Range<char>| {
            let key = |first: char| (format!("{first}longer than a few"), "x".to_owned());
            firsts.map(key).collect::<BTreeMap<_, _>>()
        };
        let n_bytes = |map: &BTreeMap<String, String>| written(map).len();
        assert_eq!(n_bytes(&keys('a'..'c')), n_bytes(&keys('a'..'q')));
    }

    #[test]
    fn maps_that_no_file_can_hold_are_refused() {
        for map in [
            [("", "a"), ("b", "a")],
            [("a\0", "a"), ("b", "a")],
            [("a", "a"), ("b", "\0")],
            [("b", ""), ("b", "")],
        ] {
            assert!(matches!(
                write(&map.map(|(key, text)| (key.to_owned(), text))),
                Err(Error::Config(_))
            ));
        }
        assert!(write(&[]).unwrap().is_empty());
    }
}
