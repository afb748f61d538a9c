//! Training WordPiece from word counts, by either of the two criteria that go by the name.
//!
//! Words are spelled in characters, all but the first with the continuing-subword prefix; again and again a pair of
//! neighbouring tokens becomes a token, everywhere:
//!
//! - [`Criterion::Likelihood`]: the pair with the largest count(ab) / (count(a) count(b)), of those that occur often enough
//!   (Schuster and Nakajima 2012, "Japanese and Korean voice search", section 3, as commonly stated);
//! - [`Criterion::Frequency`]: the pair with the largest count(ab): byte-pair encoding with a prefix, which is what Hugging
//!   Face's library trains under the name.
//!
//! Ties go to the larger count, then the smaller left and right id. Ids: special tokens, the characters by code point, those
//! that continue words, tokens as they are made. A pair whose product is spelled like a token there is, is never joined, so that
//! text cannot become a special token. The likelihood of a pair can *rise* as its tokens get rarer: `wordpiece/pairs.rs` says how
//! the best is kept all the same.

mod alphabet;
mod floor;
mod joining;
mod pairs;
mod score;
mod tournament;
mod words;

use rustc_hash::FxHashSet;

use crate::decoder::Decoder;
use crate::definition::{Definition, Model, WordPieceDefinition};
use crate::error::{Error, Result};
use crate::post_processor::{PostProcessor, Template};
use crate::pre_tokenizer::PreTokenizer;
use crate::progress::{Phase, Progress};
use crate::train::{Report, Stages, Trained, WordCounts, check_special_tokens, n_neighbours};

use alphabet::{Alphabet, Limits};
use joining::{Joining, Rules, Start};

/// Which pair comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Criterion {
    /// The largest count(ab) / (count(a) count(b)).
    Likelihood,
    /// The largest count(ab).
    Frequency,
}

/// What a caller may choose when training.
#[derive(Debug, Clone)]
pub struct WordPieceOptions {
    /// Tokens in all: special tokens, alphabet and what is learned.
    pub vocab_size: usize,
    /// Which pair comes next.
    pub criterion: Criterion,
    /// A pair that occurs less often is not joined; `None`: 0 by frequency, and by likelihood the largest floor found under
    /// which the vocabulary still fills (see `wordpiece/floor.rs`).
    pub min_frequency: Option<u64>,
    /// Texts of the special tokens; they get the first ids.
    pub special_tokens: Vec<String>,
    /// The special token of words that cannot be written.
    pub unk_token: String,
    /// What the spelling of a token has before it when it does not begin a word.
    pub continuing_subword_prefix: String,
    /// The most different characters that get tokens: the most frequent ones.
    pub limit_alphabet: Option<usize>,
    /// The share of all characters that must have a token, in steps of a billionth.
    pub character_coverage: f64,
    /// The most characters of a token, prefix not counted.
    pub max_token_length: Option<usize>,
    /// A word of more characters is unknown.
    pub max_input_chars_per_word: usize,
    /// Whether a vocabulary smaller than asked is a result rather than an error.
    pub allow_smaller: bool,
    /// The stages that the words were counted with, for the definition.
    pub stages: Stages,
}

/// Trains a vocabulary.
///
/// # Errors
/// [`Error::Config`] when `vocab_size` is below special tokens and alphabet, or above what the counts can give, when options
/// contradict each other, or when a word is not UTF-8; [`Error::Interrupted`].
pub fn train(
    counts: &WordCounts,
    options: &WordPieceOptions,
    progress: &Progress,
) -> Result<Trained> {
    check_special(options)?;
    progress.begin(Phase::Merge, 0);
    let limits = Limits {
        max_chars: options.max_input_chars_per_word,
        limit_alphabet: options.limit_alphabet,
        coverage: options.character_coverage,
        prefix: &options.continuing_subword_prefix,
    };
    let n_special = options.special_tokens.len();
    let mut alphabet = Alphabet::new(counts, limits, n_special, progress)?;
    check_alphabet(counts, options, &alphabet.tokens)?;
    let (words, token_counts) = alphabet.spell(counts, n_special, progress)?;
    let tokens = [&options.special_tokens[..], &alphabet.tokens].concat();
    let n_alphabet = alphabet.tokens.len();
    let start = Start::new(tokens, token_counts, words, progress)?;
    let (tokens, min_frequency) = learn(&start, options, progress)?;
    if tokens.len() < options.vocab_size && !options.allow_smaller {
        return Err(Error::Config(format!(
            "vocab_size {} cannot be reached: these word counts give from {} to {} tokens (min_frequency \
             {min_frequency}); ask for that many, lower min_frequency, count more text, or pass allow_smaller=True",
            options.vocab_size,
            start.tokens.len(),
            tokens.len(),
        )));
    }
    let report = Report {
        n_alphabet: n_alphabet as u64,
        n_learned: (tokens.len() - n_special - n_alphabet) as u64,
        min_frequency: Some(min_frequency),
        dropped: alphabet.dropped,
        ..Report::of(counts)
    };
    Ok(Trained { definition: define(options, tokens), report })
}

/// All tokens, and the floor under which they were learned.
fn learn(
    start: &Start,
    options: &WordPieceOptions,
    progress: &Progress,
) -> Result<(Vec<String>, u64)> {
    let max_length = options.max_token_length.and_then(|length| u32::try_from(length).ok());
    let rules = Rules {
        criterion: options.criterion,
        least: options.min_frequency.unwrap_or(0).max(1),
        vocab_size: options.vocab_size,
        max_length: max_length.unwrap_or(u32::MAX),
        prefix: &options.continuing_subword_prefix,
    };
    if options.min_frequency.is_none() && options.criterion == Criterion::Likelihood {
        return floor::learn_under_largest(rules, start, progress);
    }
    progress.begin(Phase::Merge, (options.vocab_size - start.tokens.len()) as u64);
    let tokens = Joining::new(rules, start, progress)?.run(progress)?;
    Ok((tokens, options.min_frequency.unwrap_or(0)))
}

/// Ids stay below the marks of [`words`].
const MAX_VOCAB_SIZE: usize = 1 << 30;

fn check_special(options: &WordPieceOptions) -> Result<()> {
    check_special_tokens(&options.special_tokens, |_| Ok(()))?;
    if options.stages.pre_tokenizer.as_ref().is_some_and(PreTokenizer::ends_byte_level) {
        // Encoding would spell words in bytes, and know hardly one of these tokens.
        return Err(Error::Config(
            "WordPiece is made of characters, and needs a pre_tokenizer that is not byte-level"
                .to_owned(),
        ));
    }
    if !options.special_tokens.contains(&options.unk_token) {
        return Err(Error::Config(format!(
            "unk_token must be one of special_tokens, got {:?}",
            options.unk_token
        )));
    }
    if options.vocab_size > MAX_VOCAB_SIZE {
        return Err(Error::Config(format!(
            "vocab_size must be at most {MAX_VOCAB_SIZE}, got {}",
            options.vocab_size
        )));
    }
    let coverage = options.character_coverage;
    if !(coverage > 0.0 && coverage <= 1.0) {
        return Err(Error::Config(format!(
            "character_coverage must be above 0 and at most 1, got {coverage}"
        )));
    }
    Ok(())
}

fn check_alphabet(
    counts: &WordCounts,
    options: &WordPieceOptions,
    alphabet: &[String],
) -> Result<()> {
    let special: FxHashSet<&String> = options.special_tokens.iter().collect();
    if let Some(text) = alphabet.iter().find(|token| special.contains(token)) {
        return Err(Error::Config(format!(
            "special_tokens must not be a character of the text, as WordPiece spells it, got {text:?}"
        )));
    }
    let n_special = options.special_tokens.len();
    let n_first = n_special + alphabet.len();
    if options.vocab_size < n_first {
        return Err(Error::Config(format!(
            "vocab_size must be at least {n_first} ({} characters, as they begin and continue words, and {n_special} \
             special tokens), and these word counts give no more than {} tokens, got {}; limit_alphabet or \
             character_coverage leaves rare characters out",
            alphabet.len(),
            n_first + n_neighbours(counts, false),
            options.vocab_size
        )));
    }
    Ok(())
}

/// A tokenizer as BERT's: what `[CLS]` and `[SEP]` are for, they do if both are special tokens.
fn define(options: &WordPieceOptions, tokens: Vec<String>) -> Definition {
    let named = |name: &'static str| {
        (0_u32..)
            .zip(&options.special_tokens)
            .find(|(_, text)| *text == name)
            .map(|(id, _)| (name, id))
    };
    let ends = named("[CLS]").zip(named("[SEP]"));
    let prefix = &options.continuing_subword_prefix;
    let model = Model::WordPiece(WordPieceDefinition {
        vocab: tokens.into_iter().zip(0..).collect(),
        unk_token: options.unk_token.clone(),
        continuing_subword_prefix: prefix.clone(),
        max_input_chars_per_word: options.max_input_chars_per_word,
    });
    Definition {
        post_processor: ends.map(|(cls, sep)| PostProcessor::Template(Template::bert(cls, sep))),
        decoder: Some(Decoder::WordPiece { prefix: prefix.clone(), cleanup: true }),
        ..options.stages.definition(model, &options.special_tokens)
    }
}
