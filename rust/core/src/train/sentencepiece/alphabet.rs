//! The characters that are in the vocabulary.

use std::collections::BTreeSet;

use super::SentencePieceOptions;
use crate::error::Result;
use crate::progress::Progress;
use crate::train::bpe::count_characters;
use crate::train::piece_rules::CUT;
use crate::train::{Dropped, WordCounts};

/// See the module's head.
#[derive(Debug)]
pub(super) struct Alphabet {
    /// Each with how often it occurs, the most frequent first; of equals by code point.
    pub(super) characters: Vec<(char, u64)>,
    pub(super) dropped: Option<Dropped>,
}

impl Alphabet {
    /// Those that are required, the most frequent first, and then the most frequent, until the share asked for is covered. Cuts
    /// count as characters that are covered, and NULs do not count; neither is in the vocabulary.
    ///
    /// # Errors
    /// As [`count_characters`]. `line_end` is no character of the text.
    pub(super) fn new(
        counts: &WordCounts,
        options: &SentencePieceOptions,
        line_end: Option<char>,
        progress: &Progress,
    ) -> Result<Self> {
        let mut counted = count_characters(counts, progress)?;
        counted.retain(|&(c, _)| c != '\0' && Some(c) != line_end);
        let total: u64 = counted.iter().map(|&(_, count)| count).sum();
        let mut missing: BTreeSet<char> =
            options.required_chars.chars().filter(|&c| c != '\0').collect();
        let (required, others): (Vec<_>, Vec<_>) =
            counted.into_iter().partition(|&(c, _)| missing.remove(&c));
        let unseen = missing.into_iter().map(|c| (c, 0));
        let (mut covered, mut is_covered) = (0, false);
        let mut characters = Vec::new();
        let (mut n_different, mut n_occurrences) = (0, 0);
        for (c, count) in required.into_iter().chain(unseen).chain(others) {
            is_covered = is_covered || share(covered, total) >= options.character_coverage;
            if is_covered {
                n_different += u64::from(c != CUT);
                n_occurrences += if c == CUT { 0 } else { u128::from(count) };
                continue;
            }
            covered += count;
            if c != CUT {
                characters.push((c, count));
            }
        }
        characters.sort_by_key(|&(c, count)| (std::cmp::Reverse(count), c));
        let coverage = options.character_coverage;
        let dropped = Dropped::beyond_coverage(coverage, n_different, n_occurrences);
        Ok(Self { characters, dropped })
    }

    pub(super) fn chars(&self) -> Vec<char> {
        self.characters.iter().map(|&(c, _)| c).collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "as SentencePiece divides")]
#[expect(clippy::cast_possible_truncation, reason = "as SentencePiece keeps shares")]
fn share(part: u64, total: u64) -> f32 {
    (part as f64 / total as f64) as f32
}
