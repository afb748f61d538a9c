//! `_core.WordCounts` and `_core.WordCounter`.

use std::sync::Mutex;

use merganser_core::definition::{BpeDefinition, Definition, Model};
use merganser_core::pipeline::Pipeline;
use merganser_core::train::{WordCounter as CoreCounter, WordCounts as CoreCounts, bpe};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use super::stages;
use crate::call::{long, short};
use crate::convert;
use crate::errors::python::{ConfigError, InternalError};

#[pyclass(frozen, module = "merganser._core")]
pub(crate) struct WordCounts(pub(super) CoreCounts);

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
        let stages = stages(normalizer, pre_tokenizer)?;
        let definition = Definition {
            normalizer: stages.normalizer,
            pre_tokenizer: stages.pre_tokenizer,
            model: Model::Bpe(BpeDefinition { ..BpeDefinition::default() }),
            post_processor: None,
            decoder: None,
            added_tokens: bpe::special_tokens(&special_tokens),
            truncation: None,
            padding: None,
            training: None,
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
