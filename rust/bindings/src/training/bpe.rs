//! `_core.train_bpe`.

use merganser_core::train::bpe::{self, Alphabet, Bounds, BpeOptions};
use pyo3::prelude::*;

use super::stages;
use super::trained::Trained;
use super::word_counts::WordCounts;
use crate::call::long;

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
) -> PyResult<Trained> {
    let options = BpeOptions {
        min_frequency,
        special_tokens,
        alphabet: Alphabet::Bytes(initial_alphabet.to_vec()),
        bounds: Bounds { max_length: max_token_length, ..Bounds::default() },
        allow_smaller,
        ..BpeOptions::new(vocab_size, stages(normalizer, pre_tokenizer)?)
    };
    long(py, progress.as_ref(), |progress| bpe::train(&counts.0, &options, progress)).map(Trained)
}
