//! SentencePiece's precompiled character map: a double array of keys, and the texts that stand for them.
//!
//! ```text
//! n: u32 | n bytes of units, a u32 each | texts, each ended by a NUL
//! ```
//!
//! A double array (Aoe 1989, "An Efficient Digital Search Algorithm by Using a Double-Array Structure"; the units are those of
//! darts-clone) is a trie in one array: from the node at i, byte b leads to the unit at i ^ offset(i) ^ b, if that unit's label
//! is b. A key that ends at a node has its value, the place of its text, in the unit at i ^ offset(i).
//!
//! A map is refused unless every unit leads into the array, every value to the beginning of a character of the texts, and no
//! key is longer than [`MAX_KEY`] (a trie with a loop has endless ones). So a search never leaves the array, and its steps are
//! bounded, whatever the units are.

mod writer;

use crate::error::{Error, Result};
pub(crate) use writer::write;

/// What a key may have in bytes; each place of a text is searched that far.
pub(super) const MAX_KEY: usize = 256;
/// Units come in blocks of this many.
const BLOCK: usize = 256;
/// A unit with this bit holds a value.
const IS_VALUE: u32 = 1 << 31;

/// See the module's head.
#[derive(Debug)]
pub(super) struct Charsmap {
    units: Vec<u32>,
    texts: String,
}

/// A key that the text begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyMatch {
    /// The length of the key.
    pub(super) n_bytes: usize,
    value: usize,
}

impl Charsmap {
    /// # Errors
    /// [`Error::Format`] for what is not a character map, or could do harm.
    pub(super) fn new(bytes: &[u8]) -> Result<Self> {
        let broken = |problem: &str| Error::format("precompiled_charsmap", "", problem);
        let (head, rest) = bytes
            .split_first_chunk::<4>()
            .ok_or_else(|| broken("must begin with the size of its trie in four bytes"))?;
        let n_bytes = u32::from_le_bytes(*head) as usize;
        if n_bytes == 0 || !n_bytes.is_multiple_of(4 * BLOCK) || n_bytes >= rest.len() {
            let problem = format!(
                "the size of its trie must be a multiple of {} and less than the {} bytes behind it, got {n_bytes}",
                4 * BLOCK,
                rest.len(),
            );
            return Err(broken(&problem));
        }
        let (units, texts) = rest.split_at(n_bytes);
        let units: Vec<u32> =
            units.as_chunks().0.iter().map(|unit| u32::from_le_bytes(*unit)).collect();
        let texts = std::str::from_utf8(texts).map_err(|_| broken("its texts must be UTF-8"))?;
        if !texts.ends_with('\0') {
            return Err(broken("its texts must end with a NUL"));
        }
        match units.iter().enumerate().position(|(i, &unit)| !is_sound(&units, texts, i, unit)) {
            Some(i) => Err(broken(&format!("unit {i} of its trie leads nowhere"))),
            None if !has_short_keys(&units) => {
                Err(broken(&format!("its keys must have no more than {MAX_KEY} bytes")))
            }
            None => Ok(Self { units, texts: texts.to_owned() }),
        }
    }

    /// The keys that `text` begins with, the shortest first.
    pub(super) fn matches(&self, text: &[u8]) -> impl Iterator<Item = KeyMatch> {
        let unit = |i: usize| self.units.get(i).copied().unwrap_or(IS_VALUE);
        let mut node = offset(unit(0));
        let mut bytes = text.iter().enumerate();
        std::iter::from_fn(move || {
            for (i, &byte) in bytes.by_ref() {
                node ^= usize::from(byte);
                let found = unit(node);
                if label(found) != u32::from(byte) {
                    bytes = [].iter().enumerate();
                    return None;
                }
                node ^= offset(found);
                if has_value(found) {
                    return Some(KeyMatch { n_bytes: i + 1, value: value(unit(node)) });
                }
            }
            None
        })
    }

    /// What stands for a key.
    pub(super) fn text(&self, found: KeyMatch) -> &str {
        let rest = self.texts.get(found.value..).unwrap_or_default();
        let end = memchr::memchr(0, rest.as_bytes()).unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default()
    }
}

/// Whether all that `unit`, the one at `i`, leads to is there.
fn is_sound(units: &[u32], texts: &str, i: usize, unit: u32) -> bool {
    if i == 0 && (label(unit) != 0 || has_value(unit) || offset(unit) == 0) {
        return false;
    }
    if unit & IS_VALUE != 0 {
        return value(unit) < texts.len() && texts.is_char_boundary(value(unit));
    }
    let children = i ^ offset(unit);
    let holds_value = || units.get(children).is_some_and(|unit| unit & IS_VALUE != 0);
    (children | 0xFF) < units.len() && (!has_value(unit) || holds_value())
}

/// Whether no way from the root is longer than [`MAX_KEY`]. A unit is met by one byte only, so from one base: the place
/// that its parent's offset gives. It leads to another, and these steps are taken from all bases at once.
fn has_short_keys(units: &[u32]) -> bool {
    let mut steps: Vec<(usize, usize)> = Vec::new();
    for (i, &unit) in units.iter().enumerate().filter(|(_, unit)| *unit & IS_VALUE == 0) {
        steps.push((i ^ label(unit) as usize, i ^ offset(unit)));
    }
    steps.sort_unstable();
    let mut bases = vec![units.first().copied().map_or(0, offset)];
    for _ in 0..=MAX_KEY {
        let mut next = Vec::new();
        for base in bases {
            let from = steps.partition_point(|step| step.0 < base);
            let same = steps.iter().skip(from).take_while(|step| step.0 == base);
            next.extend(same.map(|step| step.1));
        }
        next.sort_unstable();
        next.dedup();
        bases = next;
        if bases.is_empty() {
            return true;
        }
    }
    false
}

fn has_value(unit: u32) -> bool {
    unit >> 8 & 1 == 1
}

fn value(unit: u32) -> usize {
    (unit & !IS_VALUE) as usize
}

/// The byte that leads to a unit; no byte if it holds a value.
fn label(unit: u32) -> u32 {
    unit & (IS_VALUE | 0xFF)
}

fn offset(unit: u32) -> usize {
    ((unit >> 10) as usize) << ((unit & (1 << 9)) >> 6)
}
