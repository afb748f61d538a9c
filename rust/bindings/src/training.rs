//! `_core.WordCounts`, `_core.WordCounter` and the trainers.

use std::sync::Mutex;

use merganser_core::definition::{BpeDefinition, Definition, Model};
use merganser_core::normalizer::Normalizer;
use merganser_core::pipeline::Pipeline;
use merganser_core::pre_tokenizer::{PreTokenizer, known};
use merganser_core::train::bpe::BpeOptions;
use merganser_core::train::{WordCounter as CoreCounter, WordCounts as CoreCounts, bpe};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::call::{long, short};
use crate::convert;
use crate::errors::python::{ConfigError, InternalError};
use crate::tokenizer::Tokenizer;

#[pyclass(frozen, module = "merganser._core")]
pub(crate) struct WordCounts(CoreCounts);

#[pymethods]
impl WordCounts {
    #[staticmethod]
    #[expect(clippy::needless_pass_by_value, reason = "Python hands over a list")]
    fn from_pairs(py: Python<'_>, pairs: Vec<(Bound<'_, PyBytes>, u64)>) -> PyResult<Self> {
        let pairs: Vec<(&[u8], u64)> =
            pairs.iter().map(|(word, count)| (word.as_bytes(), *count)).collect();
        py.detach(|| short(|| CoreCounts::from_pairs(pairs))).map(Self)
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    #[getter]
    fn total(&self) -> u64 {
        self.0.total()
    }

    fn count_of(&self, word: &[u8]) -> u64 {
        self.0.count_of(word)
    }

    fn plus(&self, py: Python<'_>, other: &Self) -> PyResult<Self> {
        py.detach(|| short(|| self.0.plus(&other.0))).map(Self)
    }

    fn equals(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    fn pairs<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.0.iter().map(|(word, count)| (PyBytes::new(py, word), count)))
    }
}

#[pyclass(frozen, module = "merganser._core")]
pub(crate) struct WordCounter(Mutex<Option<Box<CoreCounter>>>);

impl WordCounter {
    fn with<T>(
        &self,
        work: impl FnOnce(&mut Option<Box<CoreCounter>>) -> PyResult<T>,
    ) -> PyResult<T> {
        let mut counter = self
            .0
            .try_lock()
            .map_err(|_| ConfigError::new_err("a WordCounter serves one thread at a time"))?;
        work(&mut counter)
    }
}

#[pymethods]
impl WordCounter {
    #[new]
    #[expect(clippy::needless_pass_by_value, reason = "Python hands over a list")]
    fn new(
        pre_tokenizer: &str,
        normalizer: Option<&str>,
        special_tokens: Vec<String>,
        n_threads: Option<usize>,
    ) -> PyResult<Self> {
        let definition = Definition {
            normalizer: normalizer_named(normalizer)?,
            pre_tokenizer: Some(pre_tokenizer_named(pre_tokenizer)?),
            model: Model::Bpe(BpeDefinition { ..BpeDefinition::default() }),
            post_processor: None,
            decoder: None,
            added_tokens: bpe::special_tokens(&special_tokens),
            truncation: None,
            padding: None,
        };
        let pipeline = short(|| Pipeline::new(&definition, true))?;
        Ok(Self(Mutex::new(Some(Box::new(CoreCounter::new(pipeline, n_threads))))))
    }

    #[expect(clippy::needless_pass_by_value, reason = "Python hands over a list")]
    fn count(&self, py: Python<'_>, texts: Vec<Bound<'_, PyAny>>) -> PyResult<()> {
        self.with(|counter| {
            let Some(counter) = counter else {
                return Err(finished());
            };
            let texts = convert::texts(&texts, counter.n_texts())?;
            long(py, None, |progress| counter.count(&texts, progress))
        })
    }

    fn finish(&self, py: Python<'_>) -> PyResult<WordCounts> {
        self.with(|counter| {
            let Some(counter) = counter.take() else {
                return Err(finished());
            };
            py.detach(|| short(|| counter.finish())).map(WordCounts)
        })
    }
}

fn finished() -> PyErr {
    InternalError::new_err("this WordCounter is finished")
}

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
        normalizer: normalizer_named(normalizer)?,
        pre_tokenizer: Some(pre_tokenizer_named(pre_tokenizer)?),
    };
    long(py, progress.as_ref(), |progress| {
        Tokenizer::new(bpe::train(&counts.0, &options, progress)?)
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
