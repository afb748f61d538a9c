//! `_core.train_bpe`.

use merganser_core::Definition;
use merganser_core::train::Stages;
use merganser_core::train::bpe::{
    Alphabet, Bounds, BpeOptions, Characters, Uncovered, train, train_nested,
};
use pyo3::prelude::*;

use super::stages;
use super::trained::Trained;
use super::word_counts::WordCounts;
use crate::call::long;
use crate::tokenizer::Tokenizer;

/// The options as Python has them: a dictionary of all, each checked there for its type and range.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
#[expect(clippy::struct_excessive_bools, reason = "one field an option, named in Python")]
pub(crate) struct Options {
    vocab_sizes: Vec<usize>,
    min_frequency: u64,
    special_tokens: Vec<String>,
    characters: Option<CharacterOptions>,
    initial_bytes: Vec<u8>,
    seed_tokens: Vec<Vec<u8>>,
    forbidden_tokens: Vec<Vec<u8>>,
    max_token_length: Option<usize>,
    max_digits: Option<usize>,
    whole_characters: bool,
    one_script: bool,
    prune: Option<u64>,
    like_tokenizers: bool,
    allow_smaller: bool,
    pre_tokenizer: String,
    normalizer: Option<String>,
}

#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct CharacterOptions {
    initial: Vec<char>,
    coverage: f64,
    limit: Option<usize>,
    byte_fallback: bool,
    unk_token: Option<String>,
    continuing_subword_prefix: String,
    end_of_word_suffix: String,
}

impl Options {
    fn into_core(self, continue_from: Option<&Definition>) -> PyResult<BpeOptions> {
        let like_tokenizers = self.like_tokenizers;
        let alphabet = match self.characters {
            None => Alphabet::Bytes(self.initial_bytes),
            Some(given) => Alphabet::Characters(Characters {
                initial: given.initial,
                coverage: given.coverage,
                limit: given.limit,
                byte_fallback: given.byte_fallback,
                unk_token: given.unk_token,
                continuing_subword_prefix: given.continuing_subword_prefix,
                end_of_word_suffix: given.end_of_word_suffix,
                uncovered: if like_tokenizers { Uncovered::Vanishes } else { Uncovered::Parts },
            }),
        };
        let vocab_size = self.vocab_sizes.iter().copied().max().unwrap_or_default();
        let stages = stages(self.normalizer.as_deref(), &self.pre_tokenizer)?;
        Ok(BpeOptions {
            min_frequency: self.min_frequency,
            special_tokens: self.special_tokens,
            alphabet,
            bounds: Bounds {
                max_length: self.max_token_length,
                is_max_length_exclusive: like_tokenizers,
                whole_characters: self.whole_characters,
                max_digits: self.max_digits,
                one_script: self.one_script,
                is_valid: None,
            },
            seed_tokens: self.seed_tokens,
            forbidden_tokens: self.forbidden_tokens,
            prune: self.prune,
            continue_from: continue_from.map(|base| Box::new(base.clone())),
            allow_smaller: self.allow_smaller,
            ..BpeOptions::new(vocab_size, stages)
        })
    }
}

/// A tokenizer for each of the sizes.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "Python hands over an object")]
pub(crate) fn train_bpe(
    py: Python<'_>,
    counts: &WordCounts,
    options: Options,
    continue_from: Option<&Tokenizer>,
    progress: Option<Bound<'_, PyAny>>,
) -> PyResult<Vec<Trained>> {
    let sizes = options.vocab_sizes.clone();
    let options =
        options.into_core(continue_from.map(|tokenizer| tokenizer.core().definition()))?;
    let trained = long(py, progress.as_ref(), |progress| match sizes[..] {
        [_] => Ok(vec![train(&counts.0, &options, progress)?]),
        _ => train_nested(&counts.0, &options, &sizes, progress),
    })?;
    Ok(trained.into_iter().map(Trained).collect())
}

/// The texts of the stages of a tokenizer that another may go on from.
#[pyfunction]
pub(crate) fn stages_to_continue(tokenizer: &Tokenizer) -> (Option<String>, String) {
    let definition = tokenizer.core().definition();
    let stages = Stages {
        normalizer: definition.normalizer.clone(),
        pre_tokenizer: definition.pre_tokenizer.clone(),
    };
    (stages.normalizer_text(), stages.pre_tokenizer_text())
}
