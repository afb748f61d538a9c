//! Training vocabularies: text -> [`WordCounts`] -> a trainer -> [`crate::Definition`].
//!
//! Trainers see counts, never text: they are pure and deterministic, and counting can be done anywhere and summed.

pub mod bpe;
mod math;
mod neighbours;
mod piece_rules;
pub mod sentencepiece;
pub mod unigram;
pub mod word_counter;
pub mod word_counts;
pub mod wordpiece;

pub use piece_rules::PieceRules;
pub use word_counter::{Counted, Spilling, WordCounter};
pub use word_counts::WordCounts;

use std::fmt::Display;

use rustc_hash::FxHashSet;

use crate::added_tokens::AddedToken;
use crate::definition::{Definition, Model};
use crate::error::{Error, Result};
use crate::normalizer::Normalizer;
use crate::pre_tokenizer::PreTokenizer;

/// The stages that words were counted with: they go into the definition that is trained from the counts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stages {
    /// Rewrites a text before it is split.
    pub normalizer: Option<Normalizer>,
    /// Splits a text into words; `None`: the whole text is one word.
    pub pre_tokenizer: Option<PreTokenizer>,
}

impl Stages {
    /// The tokenizer of these stages and a model, with the texts of its special tokens; all else is left to add.
    pub(crate) fn definition(&self, model: Model, special: &[String]) -> Definition {
        Definition {
            normalizer: self.normalizer.clone(),
            pre_tokenizer: self.pre_tokenizer.clone(),
            model,
            post_processor: None,
            decoder: None,
            added_tokens: special_tokens(special),
            truncation: None,
            padding: None,
            training: None,
        }
    }
}

/// Special tokens with the ids 0, 1, 2 and so on.
pub fn special_tokens(contents: &[String]) -> Vec<AddedToken> {
    (0..).zip(contents).map(|(id, content)| AddedToken::special(id, content)).collect()
}

/// Checks special tokens one after the other: none is empty or stands twice, nor does `check` find fault with it.
fn check_special_tokens(
    special: &[String],
    mut check: impl FnMut(&str) -> Result<()>,
) -> Result<()> {
    let mut seen = FxHashSet::default();
    special.iter().try_for_each(|text| {
        if text.is_empty() || !seen.insert(text) {
            return Err(Error::Config(format!(
                "special_tokens must be different and not empty, got {text:?}"
            )));
        }
        check(text)
    })
}

/// How many characters, or bytes, of the different words have another to their right: each token that is made by joining two
/// takes one such place away at least, so no more can be made.
fn n_neighbours(counts: &WordCounts, are_bytes: bool) -> usize {
    let is_first = |&&byte: &&u8| are_bytes || byte & 0xC0 != 0x80;
    let n_symbols = |word: &[u8]| word.iter().filter(is_first).count();
    counts.iter().map(|(word, _)| n_symbols(word).saturating_sub(1)).sum()
}

/// What a trainer gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// The tokenizer.
    pub definition: Definition,
    /// What the trainer saw, made and left out.
    pub report: Report,
}

/// What a trainer saw, made and left out; the same for the same counts and options.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// Different words.
    pub n_words: u64,
    /// Words in all.
    pub n_occurrences: u64,
    /// Tokens there were before training: bytes or characters.
    pub n_alphabet: u64,
    /// Tokens that training made.
    pub n_learned: u64,
    /// How often a pair had to occur, where the trainer says so: by it or by the caller chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_frequency: Option<u64>,
    /// What was left out, and how much of it.
    pub dropped: Vec<Dropped>,
    /// The second phase, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub superwords: Option<SuperwordReport>,
}

/// What the second phase of BPE saw and made.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SuperwordReport {
    /// Tokens when the second phase began.
    pub start: u64,
    /// Tokens that the second made.
    pub n_learned: u64,
    /// Different runs of tokens that could be joined.
    pub n_runs: u64,
    /// How often they occurred in all.
    pub n_occurrences: u64,
    /// Text was parted only where tokens stand side by side less often than this.
    pub least: u64,
}

/// Something that a trainer left out.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Dropped {
    /// What and why, for people: `"characters beyond character_coverage 0.9995"`.
    pub what: String,
    /// How many different ones.
    pub n_different: u64,
    /// How often they occur in all.
    pub n_occurrences: u64,
}

impl Dropped {
    /// What was left out, if there is any.
    fn some(what: impl Into<String>, n_different: u64, n_occurrences: u128) -> Option<Self> {
        let n_occurrences = u64::try_from(n_occurrences).unwrap_or(u64::MAX);
        (n_different > 0).then(|| Self { what: what.into(), n_different, n_occurrences })
    }

    /// Characters that were left out for being rare, if there are any.
    fn beyond_coverage(
        coverage: impl Display,
        n_different: u64,
        n_occurrences: u128,
    ) -> Option<Self> {
        let what = format!("characters beyond character_coverage {coverage}");
        Self::some(what, n_different, n_occurrences)
    }
}

impl Report {
    /// As a JSON object.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The part that the counts decide.
    pub fn of(counts: &WordCounts) -> Self {
        Self { n_words: counts.len() as u64, n_occurrences: counts.total(), ..Self::default() }
    }
}
