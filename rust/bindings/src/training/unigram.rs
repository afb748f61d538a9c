//! `_core.train_unigram`.

use merganser_core::train::PieceRules;
use merganser_core::train::unigram::{self, LearnOptions, SeedKind, UnigramOptions};
use pyo3::prelude::*;

use super::stages;
use super::trained::Trained;
use super::word_counts::WordCounts;
use crate::call::long;

/// How pieces are learned, as Python gives it: a dictionary of named values.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own, named in Python")]
pub(crate) struct Learning {
    character_coverage: f64,
    required_characters: String,
    required_pieces: Vec<String>,
    max_piece_length: u8,
    split_by_unicode_script: bool,
    split_by_number: bool,
    split_digits: bool,
    split_by_whitespace: bool,
    bpe_seeds: bool,
    seed_size: usize,
    shrinking_factor: f64,
    n_sub_iterations: usize,
    line_end: Option<char>,
    allow_smaller: bool,
    n_threads: Option<usize>,
}

impl From<Learning> for LearnOptions {
    fn from(learning: Learning) -> Self {
        Self {
            character_coverage: learning.character_coverage,
            required_chars: learning.required_characters,
            required_pieces: learning.required_pieces,
            rules: PieceRules {
                max_length: learning.max_piece_length.into(),
                split_by_unicode_script: learning.split_by_unicode_script,
                split_by_number: learning.split_by_number,
                split_digits: learning.split_digits,
                split_by_whitespace: learning.split_by_whitespace,
                ..PieceRules::default()
            },
            seeds: if learning.bpe_seeds { SeedKind::Bpe } else { SeedKind::Substrings },
            seed_size: learning.seed_size,
            shrinking_factor: learning.shrinking_factor,
            n_sub_iterations: learning.n_sub_iterations,
            line_end: learning.line_end,
            allow_smaller: learning.allow_smaller,
            n_threads: learning.n_threads,
            ..Self::default()
        }
    }
}

#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "one parameter an option, named in Python")]
#[expect(clippy::needless_pass_by_value, reason = "Python hands over objects")]
pub(crate) fn train_unigram(
    py: Python<'_>,
    counts: &WordCounts,
    vocab_size: usize,
    special_tokens: Vec<String>,
    unk_token: Option<String>,
    byte_fallback: bool,
    learning: Learning,
    pre_tokenizer: &str,
    normalizer: Option<&str>,
    progress: Option<Bound<'_, PyAny>>,
) -> PyResult<Trained> {
    let options = UnigramOptions {
        vocab_size,
        special_tokens,
        unk_token,
        byte_fallback,
        stages: stages(normalizer, pre_tokenizer)?,
        learn: learning.into(),
    };
    long(py, progress.as_ref(), |progress| unigram::train(&counts.0, &options, progress))
        .map(Trained)
}
