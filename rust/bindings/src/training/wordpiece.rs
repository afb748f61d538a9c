//! `_core.train_wordpiece`.

use merganser_core::train::wordpiece::{self, Criterion, WordPieceOptions};
use pyo3::prelude::*;

use super::stages;
use super::trained::Trained;
use super::word_counts::WordCounts;
use crate::call::long;
use crate::errors::python::ConfigError;

#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "one parameter an option, named in Python")]
#[expect(clippy::needless_pass_by_value, reason = "Python hands over objects")]
pub(crate) fn train_wordpiece(
    py: Python<'_>,
    counts: &WordCounts,
    vocab_size: usize,
    criterion: &str,
    min_frequency: Option<u64>,
    special_tokens: Vec<String>,
    unk_token: String,
    continuing_subword_prefix: String,
    limit_alphabet: Option<usize>,
    character_coverage: f64,
    max_token_length: Option<usize>,
    max_input_chars_per_word: usize,
    allow_smaller: bool,
    pre_tokenizer: &str,
    normalizer: Option<&str>,
    progress: Option<Bound<'_, PyAny>>,
) -> PyResult<Trained> {
    let options = WordPieceOptions {
        vocab_size,
        criterion: criterion_named(criterion)?,
        min_frequency,
        special_tokens,
        unk_token,
        continuing_subword_prefix,
        limit_alphabet,
        character_coverage,
        max_token_length,
        max_input_chars_per_word,
        allow_smaller,
        stages: stages(normalizer, pre_tokenizer)?,
    };
    long(py, progress.as_ref(), |progress| wordpiece::train(&counts.0, &options, progress))
        .map(Trained)
}

fn criterion_named(name: &str) -> PyResult<Criterion> {
    match name {
        "likelihood" => Ok(Criterion::Likelihood),
        "frequency" => Ok(Criterion::Frequency),
        other => Err(ConfigError::new_err(format!(
            "criterion must be \"likelihood\" or \"frequency\", got {other:?}"
        ))),
    }
}
