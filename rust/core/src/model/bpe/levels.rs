//! [`Levels`]: merges that join words apart from those below them, for tokenizers whose tokens may be several words.
//!
//! Their pre-tokens are long, and hold words that repeat although the whole does not. The *lower* level is all merges before
//! the first whose product holds a space after a character that is no white space; the *upper* level is the rest. Merges come by
//! rank, so the lower ones are all done before the first upper one, and none is left for later: no upper product is a part of a
//! lower merge, or there are no levels. So a pre-token is first encoded by the lower level alone, from cut to cut ([`Cuts`]), its
//! parts known from the cache; then upper merges join its tokens. They too have cuts: places where two tokens of the lower level
//! meet that stand side by side in no product of the upper level.

use super::NONE;
use super::cuts::Cuts;
use super::pairs::{PairTable, mixed};
use crate::vocab::{SeededMap, SeededSet, Vocab};

/// See the module's head.
#[derive(Debug)]
pub(super) struct Levels {
    /// The merges of the lower level.
    pub(super) pairs: PairTable,
    pub(super) cuts: Cuts,
    /// Pairs of lower tokens inside a product of the upper level, hashed to bits.
    borders: Vec<u64>,
}

const N_BITS_LOG2: u32 = 20;

impl Levels {
    /// The levels of merges, each pair with its rank and product; `None` if there is one level only.
    pub(super) fn new(
        products: &SeededMap<(u32, u32), (u32, u32)>,
        vocab: &Vocab,
        byte_ids: &[u32; 256],
    ) -> Option<Self> {
        let joins_words = |id: u32| vocab.bytes(id).is_some_and(joins_words);
        let first =
            products.values().filter(|&&(_, id)| joins_words(id)).map(|&(rank, _)| rank).min()?;
        let mut upper: Vec<_> = products
            .iter()
            .filter(|&(_, &(rank, _))| rank >= first)
            .map(|(&pair, &(rank, id))| (rank, pair, id))
            .collect();
        upper.sort_unstable();
        // First and last token of the lower level in each product of the upper one.
        let mut ends: SeededMap<u32, (u32, u32)> = SeededMap::with_capacity(upper.len());
        let all: SeededSet<u32> = upper.iter().map(|&(_, _, id)| id).collect();
        let mut borders = vec![0_u64; 1 << (N_BITS_LOG2 - 6)];
        for (_, (left, right), id) in upper {
            let ends_of = |id: u32| match ends.get(&id) {
                Some(&ends) => Some(ends),
                None if all.contains(&id) => None,
                None => Some((id, id)),
            };
            let ((before, x), (y, after)) = (ends_of(left)?, ends_of(right)?);
            let bit = bit_of(x, y);
            borders[bit / 64] |= 1 << (bit % 64);
            if ends.insert(id, (before, after)).is_some() {
                return None;
            }
        }
        let is_lower = |id: u32| !all.contains(&id);
        let mut lower: SeededMap<(u32, u32), (u32, u32)> = SeededMap::default();
        for (&(left, right), &(rank, id)) in products {
            if rank < first {
                if !(is_lower(left) && is_lower(right) && is_lower(id)) {
                    return None;
                }
                lower.insert((left, right), (rank, id));
            }
        }
        if !byte_ids.iter().all(|&id| id == NONE || is_lower(id)) {
            return None;
        }
        let cuts = Cuts::new(lower.values().filter_map(|&(_, id)| vocab.bytes(id)));
        Some(Self { pairs: PairTable::with_bytes(&lower, byte_ids), cuts, borders })
    }

    /// Whether an upper merge may join tokens of the lower level across the place where these two meet.
    pub(super) fn may_join(&self, left: u32, right: u32) -> bool {
        let bit = bit_of(left, right);
        self.borders[bit / 64] >> (bit % 64) & 1 == 1
    }
}

fn bit_of(left: u32, right: u32) -> usize {
    (mixed(left, right) >> (u64::BITS - N_BITS_LOG2)) as usize
}

/// Whether a space stands behind a whole character that is no white space.
fn joins_words(token: &[u8]) -> bool {
    memchr::memchr_iter(b' ', token).any(|space| {
        let before = &token[..space];
        let first = before.iter().rposition(|byte| byte & 0xC0 != 0x80);
        let character = first.and_then(|first| std::str::from_utf8(&before[first..]).ok());
        character.is_some_and(|character| !character.trim().is_empty())
    })
}

#[cfg(test)]
mod tests {
    use rustc_hash::FxHashSet;

    use super::super::Bpe;
    use crate::definition::BpeDefinition;

    fn has_levels(texts: &[&str], merges: &[(u32, u32)]) -> bool {
        let vocab = texts.iter().map(|&text| text.to_owned()).zip(0..).collect();
        let definition =
            BpeDefinition { vocab, merges: merges.to_vec(), ..BpeDefinition::default() };
        Bpe::new(&definition, &FxHashSet::default()).unwrap().has_levels()
    }

    #[test]
    fn levels_need_words_joined_after_all_that_is_made_of_them() {
        let texts = ["a", "b", "Ġ", "Ġb", "aĠb", "ab", "aĠbb"];
        assert!(has_levels(&texts, &[(2, 1), (0, 1), (0, 3)]));
        assert!(has_levels(&texts, &[(2, 1), (0, 3), (4, 1)]));
        assert!(!has_levels(&texts, &[(2, 1), (0, 1)]), "no words are joined");
        assert!(!has_levels(&texts, &[(2, 1), (4, 1), (0, 3)]), "a part is made after the whole");
        assert!(!has_levels(&texts, &[(2, 1), (0, 3), (4, 1), (0, 3)]), "its last rank counts");
        let twice = ["a", "b", "Ġ", "Ġb", "aĠ", "aĠb"];
        assert!(!has_levels(&twice, &[(2, 1), (0, 2), (0, 3), (4, 1)]), "two merges make a token");
    }

    #[test]
    fn white_space_of_several_bytes_is_no_word() {
        // U+00A0, joined to a space in either order, and U+3000, whose bytes other than the first join the space first.
        let no_break = ["Â", "ł", "Ġ", "Âł", "ÂłĠ", "łĠ"];
        assert!(!has_levels(&no_break, &[(0, 1), (3, 2)]));
        assert!(!has_levels(&no_break, &[(1, 2), (0, 5)]));
        let ideographic = ["ã", "Ģ", "Ġ", "ĢĠ", "ĢĢĠ", "ãĢĢĠ"];
        assert!(!has_levels(&ideographic, &[(1, 2), (1, 3), (0, 4)]));
        // U+00E9 is a word.
        let letter = ["Ã", "©", "Ġ", "Ã©", "Ã©Ġ", "©Ġ"];
        assert!(has_levels(&letter, &[(0, 1), (3, 2)]));
        assert!(has_levels(&letter, &[(1, 2), (0, 5)]));
    }
}
