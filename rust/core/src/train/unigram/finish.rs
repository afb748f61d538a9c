//! The end of training: which of the pieces left are the vocabulary.

use rustc_hash::{FxHashMap, FxHashSet};

use super::LearnOptions;
use super::corpus::Corpus;
use super::pieces::Pieces;
use crate::error::{Error, Result};
use crate::train::math::single;
use crate::train::{WordCounts, n_neighbours};

/// How many seeds there can be at the most: a substring that is one is a suffix of a word, or parts two suffixes.
pub(crate) fn most_seeds(counts: &WordCounts, is_byte_level: bool, seed_size: usize) -> usize {
    n_neighbours(counts, is_byte_level).saturating_mul(2).min(seed_size)
}

/// The characters, which are in the vocabulary at the end, the most frequent first.
pub(super) struct Alphabet {
    chars: Vec<char>,
}

impl Alphabet {
    pub(super) fn of(corpus: &Corpus, options: &LearnOptions) -> Self {
        let forbidden: FxHashSet<&str> = options.forbidden.iter().map(String::as_str).collect();
        let is_allowed = |c: &char| !forbidden.contains(&*c.encode_utf8(&mut [0; 4]));
        let chars = corpus.by_count.iter().map(|&symbol| corpus.alphabet[symbol as usize]);
        Self { chars: chars.filter(is_allowed).collect() }
    }

    fn n_required(&self, options: &LearnOptions) -> usize {
        let longer: FxHashSet<&String> =
            options.required_pieces.iter().filter(|piece| piece.chars().count() > 1).collect();
        self.chars.len() + longer.len()
    }

    pub(super) fn check_room(&self, counts: &WordCounts, options: &LearnOptions) -> Result<()> {
        let least = self.n_required(options);
        if options.n_pieces() >= least {
            return Ok(());
        }
        Err(Error::Config(format!(
            "vocab_size must be at least {}, for {} characters, {} required pieces and {} other tokens, and these word counts \
             give no more than {} tokens, got {}; ask for more, or for a smaller character_coverage",
            least + options.n_other_tokens,
            self.chars.len(),
            least - self.chars.len(),
            options.n_other_tokens,
            least
                + options.n_other_tokens
                + most_seeds(counts, options.is_byte_level, options.seed_size),
            options.vocab_size,
        )))
    }

    /// The vocabulary: what is required, and then the best-scored pieces.
    pub(super) fn finish(
        &self,
        pieces: &Pieces,
        options: &LearnOptions,
    ) -> Result<Vec<(String, f64)>> {
        /// How far apart the scores of characters are that have lost theirs.
        const STEP: f64 = 0.0001;
        let mut best: Vec<(&str, f64)> = (0..pieces.len())
            .filter_map(|piece| Some((&*pieces.texts[piece], pieces.score(piece)?)))
            .collect();
        best.sort_unstable_by(|a, b| single(b.1).total_cmp(&single(a.1)).then(a.0.cmp(b.0)));
        let scores: FxHashMap<&str, f64> = best.iter().copied().collect();
        let mut next = pieces.worst_score();
        let mut chosen: Vec<(String, f64)> = Vec::new();
        let chars = self.chars.iter().map(char::to_string);
        let mut taken: FxHashSet<String> = FxHashSet::default();
        for text in chars.chain(options.required_pieces.iter().cloned()) {
            if !taken.insert(text.clone()) {
                continue;
            }
            let score = scores.get(text.as_str()).copied().unwrap_or_else(|| {
                next += STEP;
                next - STEP
            });
            chosen.push((text, score));
        }
        let forbidden: FxHashSet<&str> = options.forbidden.iter().map(String::as_str).collect();
        let others =
            best.iter().filter(|(text, _)| !taken.contains(*text) && !forbidden.contains(text));
        let n_more = options.n_pieces().saturating_sub(chosen.len());
        chosen.extend(others.take(n_more).map(|&(text, score)| (text.to_owned(), score)));
        if chosen.len() < options.n_pieces() && !options.allow_smaller {
            return Err(Error::Config(format!(
                "vocab_size {} cannot be reached: these word counts give at least {} and at most {} tokens; ask for as many, \
                 count more text, or pass allow_smaller=True",
                options.vocab_size,
                self.n_required(options) + options.n_other_tokens,
                chosen.len() + options.n_other_tokens,
            )));
        }
        chosen.sort_unstable_by(|a, b| single(b.1).total_cmp(&single(a.1)).then(a.0.cmp(&b.0)));
        Ok(chosen)
    }
}
