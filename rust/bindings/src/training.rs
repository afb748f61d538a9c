//! `_core.WordCounts`, `_core.WordCounter` and the trainers, a file each.

pub(crate) mod bpe;
mod counting;
pub(crate) mod sentencepiece;
pub(crate) mod superwords;
pub(crate) mod trained;
pub(crate) mod unigram;
pub(crate) mod word_counts;
pub(crate) mod wordpiece;

use merganser_core::train::Stages;
use pyo3::prelude::*;

use crate::call::short;

/// The stages that these texts mean, each a name or JSON as in `tokenizer.json`.
fn stages(normalizer: Option<&str>, pre_tokenizer: &str) -> PyResult<Stages> {
    short(|| Stages::parse(normalizer, Some(pre_tokenizer)))
}

/// The texts that stand for the same normalizer and pre-tokenizer in any spelling.
#[pyfunction]
pub(crate) fn stage_texts(
    normalizer: Option<&str>,
    pre_tokenizer: &str,
) -> PyResult<(Option<String>, String)> {
    let stages = stages(normalizer, pre_tokenizer)?;
    Ok((stages.normalizer_text(), stages.pre_tokenizer_text()))
}
