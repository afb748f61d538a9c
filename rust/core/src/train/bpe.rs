//! Training BPE (Sennrich, Haddow, Birch 2016, section 3.2) from word counts, over bytes or characters.
//!
//! Repeatedly the most frequent pair of adjacent tokens becomes a new token; ties go to the smaller (left id, right id). Ids:
//! special tokens first, then the alphabet, then merges as they are made. The result equals that of Hugging Face's trainer on
//! the same counts, token for token, but for one rule of ours: a pair that spells a special token is never merged, so that
//! text cannot become a special token, and a symbol of the alphabet cannot be one.
//!
//! Why counts can be kept up to date instead of taken anew: merging (a, b) between x and y takes from (x, a) and (b, y) and
//! gives to (x, ab) and (ab, y), nothing else. A stretch of text that becomes a token takes its steps as if it stood alone,
//! since nothing is joined across its ends; so equal stretches take equal steps, each token has one merge that makes it, and
//! a merged pair never comes back. `DESIGN.md` has the rest.
//!
//! [`engine`] merges, over [`cells`] (the words), [`pairs`] (counts and places) and [`queue`]; [`tokens`] and [`bounds`] say what
//! may be merged; [`alphabet`] lays the words out.

mod affixes;
mod alphabet;
mod bounds;
mod cells;
mod char_map;
mod continued;
mod definition;
mod engine;
mod learn;
mod pairs;
mod pieces;
mod prune;
mod queue;
mod seeds;
mod superwords;
mod texts;
mod tokens;

pub(crate) use alphabet::count_characters;
pub use alphabet::{Alphabet, Characters, Uncovered};
pub use bounds::{Bounds, TextRule};
pub use pieces::{PiecesOptions, learn_pieces};
pub use superwords::{SuperwordOptions, Superwords};

use crate::definition::Definition;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::train::{Report, Stages, Trained, WordCounts};
use learn::{Learned, Merge, learn};
use prune::prune;

/// What a caller may choose when training.
#[derive(Debug, Clone)]
pub struct BpeOptions {
    /// Tokens in all: special tokens, alphabet and merges.
    pub vocab_size: usize,
    /// A pair that occurs less often is not merged.
    pub min_frequency: u64,
    /// Texts of the special tokens; they get the first ids.
    pub special_tokens: Vec<String>,
    /// What words are made of.
    pub alphabet: Alphabet,
    /// What a token may be.
    pub bounds: Bounds<'static>,
    /// Tokens that must be in: they are made before all others.
    pub seed_tokens: Vec<Vec<u8>>,
    /// Tokens that no merge makes.
    pub forbidden_tokens: Vec<Vec<u8>>,
    /// Drops the tokens that occur less often when training ends, if no other token needs them.
    pub prune: Option<u64>,
    /// A byte-level BPE tokenizer to go on from: its tokens keep their ids and count for `vocab_size`, its merges come
    /// first. `special_tokens` and `alphabet` are its own then.
    pub continue_from: Option<Box<Definition>>,
    /// Whether a vocabulary smaller than asked is a result rather than an error.
    pub allow_smaller: bool,
    /// The stages that the words were counted with.
    pub stages: Stages,
}

impl BpeOptions {
    /// Byte-level BPE with all bytes and no rules.
    pub fn new(vocab_size: usize, stages: Stages) -> Self {
        Self {
            vocab_size,
            min_frequency: 0,
            special_tokens: Vec::new(),
            alphabet: Alphabet::Bytes((0..=u8::MAX).collect()),
            bounds: Bounds::default(),
            seed_tokens: Vec::new(),
            forbidden_tokens: Vec::new(),
            prune: None,
            continue_from: None,
            allow_smaller: false,
            stages,
        }
    }
}

/// Trains a vocabulary.
///
/// # Errors
/// [`Error::Config`] when `vocab_size` is below special tokens and alphabet, or above what the counts can give, or options
/// contradict each other; [`Error::Interrupted`].
pub fn train(counts: &WordCounts, options: &BpeOptions, progress: &Progress) -> Result<Trained> {
    let mut learned = learn(counts, options, options.vocab_size, progress)?;
    check_reached(&learned, options.vocab_size, options.min_frequency, options.allow_smaller)?;
    if let Some(least) = options.prune {
        learned = prune(learned, least);
    }
    let n_tokens = learned.texts.len();
    trained(counts, &learned, options, n_tokens)
}

/// Trains vocabularies of several sizes in one run: each is the beginning of the larger ones.
///
/// # Errors
/// As [`train`], for any of the sizes.
pub fn train_nested(
    counts: &WordCounts,
    options: &BpeOptions,
    vocab_sizes: &[usize],
    progress: &Progress,
) -> Result<Vec<Trained>> {
    if options.prune.is_some() {
        return Err(Error::Config(
            "prune drops tokens from one vocabulary: vocab_sizes would no longer be nested"
                .to_owned(),
        ));
    }
    let largest = vocab_sizes.iter().copied().max().unwrap_or(options.vocab_size);
    let learned = learn(counts, options, largest, progress)?;
    let one = |&n_tokens: &usize| {
        if n_tokens < learned.n_required {
            let seeds =
                if options.seed_tokens.is_empty() { "" } else { " and what seed_tokens need" };
            return Err(Error::Config(format!(
                "vocab_sizes must be at least {} (the alphabet and {} special tokens{seeds}), got {n_tokens}; up to {} can be had",
                learned.n_required,
                options.special_tokens.len(),
                learned.texts.len(),
            )));
        }
        check_reached(&learned, n_tokens, options.min_frequency, options.allow_smaller)?;
        trained(counts, &learned, options, n_tokens.min(learned.texts.len()))
    };
    vocab_sizes.iter().map(one).collect()
}

fn check_reached(
    learned: &Learned,
    n_tokens: usize,
    min_frequency: u64,
    allow_smaller: bool,
) -> Result<()> {
    if learned.texts.len() < n_tokens && !allow_smaller {
        return Err(Error::Config(format!(
            "vocab_size {n_tokens} cannot be reached: these word counts give at most {} tokens, and at least {} \
             (min_frequency {min_frequency}); ask for so many, count more text, or pass allow_smaller=True",
            learned.texts.len(),
            learned.n_first,
        )));
    }
    Ok(())
}

/// The merges that the first `n_tokens` tokens have.
fn n_merges_of(learned: &Learned, n_tokens: usize) -> usize {
    // A merge that makes a token of the alphabet belongs to the token made next.
    let is_beyond = |merge: &Merge| merge.product as usize >= n_tokens;
    let n_merges = if n_tokens < learned.texts.len() {
        learned.merges.iter().position(is_beyond)
    } else {
        None
    };
    n_merges.unwrap_or(learned.merges.len())
}

/// The tokenizer of the first `n_tokens` tokens.
fn trained(
    counts: &WordCounts,
    learned: &Learned,
    options: &BpeOptions,
    n_tokens: usize,
) -> Result<Trained> {
    let n_merges = n_merges_of(learned, n_tokens);
    let report = Report {
        n_alphabet: learned.n_alphabet as u64,
        n_learned: (n_tokens - learned.n_first) as u64,
        dropped: learned.dropped.clone(),
        ..Report::of(counts)
    };
    let definition = match &options.continue_from {
        None => definition::definition(learned, options, n_tokens, n_merges),
        Some(base) => continued::definition(learned, base, n_tokens, n_merges)?,
    };
    Ok(Trained { definition, report })
}
