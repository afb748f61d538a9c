//! `_core.train_bpe`.

use merganser_core::train::bpe::{self, BpeOptions};
use pyo3::prelude::*;

use super::stages;
use super::word_counts::WordCounts;
use crate::call::long;
use crate::tokenizer::Tokenizer;

#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "one parameter an option, named in Python")]
#[expect(clippy::needless_pass_by_value, reason = "Python hands over a list")]
pub(crate) fn train_bpe(
    py: Python<'_>,
    counts: &WordCounts,
    vocab_size: usize,
    min_frequency: u64,
    special_tokens: Vec<String>,
    initial_alphabet: &[u8],
    max_token_length: Option<usize>,
    allow_smaller: bool,
    pre_tokenizer: &str,
    normalizer: Option<&str>,
    progress: Option<Bound<'_, PyAny>>,
) -> PyResult<Tokenizer> {
    let options = BpeOptions {
        vocab_size,
        min_frequency,
        special_tokens,
        initial_alphabet: initial_alphabet.to_vec(),
        max_token_length,
        allow_smaller,
        stages: stages(normalizer, pre_tokenizer)?,
    };
    long(py, progress.as_ref(), |progress| {
        Tokenizer::new(bpe::train(&counts.0, &options, progress)?.definition)
    })
}
