//! `_core.WordCounts`, `_core.WordCounter` and the trainers, a file each.

pub(crate) mod bpe;
pub(crate) mod word_counts;

use merganser_core::normalizer::Normalizer;
use merganser_core::pre_tokenizer::{PreTokenizer, known};
use merganser_core::train::Stages;
use pyo3::prelude::*;

use crate::errors::python::ConfigError;

/// The stages of these names.
fn stages(normalizer: Option<&str>, pre_tokenizer: &str) -> PyResult<Stages> {
    Ok(Stages {
        normalizer: normalizer_named(normalizer)?,
        pre_tokenizer: Some(pre_tokenizer_named(pre_tokenizer)?),
    })
}

fn pre_tokenizer_named(name: &str) -> PyResult<PreTokenizer> {
    known::by_name(name).ok_or_else(|| {
        ConfigError::new_err(format!(
            "pre_tokenizer must be \"gpt2\", \"cl100k\" or \"o200k\", got {name:?}"
        ))
    })
}

fn normalizer_named(name: Option<&str>) -> PyResult<Option<Normalizer>> {
    match name {
        None => Ok(None),
        Some("nfc") => Ok(Some(Normalizer::Nfc)),
        Some(other) => {
            Err(ConfigError::new_err(format!("normalizer must be None or \"nfc\", got {other:?}")))
        }
    }
}
