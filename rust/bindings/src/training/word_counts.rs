//! `_core.WordCounts` and `_core.WordCounter`.

use std::path::PathBuf;

use merganser_core::pipeline::Pipeline;
use merganser_core::train::{Spilling, WordCounter as CoreCounter, WordCounts as CoreCounts};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use super::counting::{Counting, Read, count_next};
use super::stages;
use crate::call::{long, short};
use crate::convert;
use crate::documents::PyDocumentReader;
use crate::tokenizer::Tokenizer;

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

    fn scaled(&self, py: Python<'_>, numerator: u64, denominator: u64) -> PyResult<Self> {
        py.detach(|| short(|| self.0.scaled(numerator, denominator))).map(Self)
    }

    fn at_least(&self, py: Python<'_>, min_count: u64) -> Self {
        Self(py.detach(|| self.0.at_least(min_count)))
    }

    fn most_common<'py>(&self, py: Python<'py>, n: usize) -> PyResult<Bound<'py, PyList>> {
        let words = py.detach(|| self.0.most_common(n));
        PyList::new(py, words.into_iter().map(|(word, count)| (PyBytes::new(py, word), count)))
    }

    fn to_bytes<'py>(&self, py: Python<'py>, description: &str) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &py.detach(|| self.0.to_bytes(description)))
    }

    #[staticmethod]
    fn from_bytes(py: Python<'_>, data: &[u8]) -> PyResult<(Self, String)> {
        let (counts, description) = py.detach(|| short(|| CoreCounts::from_bytes(data)))?;
        Ok((Self(counts), description))
    }

    fn equals(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    fn pairs<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.0.iter().map(|(word, count)| (PyBytes::new(py, word), count)))
    }
}

#[pyclass(frozen, module = "merganser._core")]
pub(crate) struct WordCounter(Counting<CoreCounter>);

impl WordCounter {
    fn of(counter: CoreCounter) -> Self {
        Self(Counting::new(
            counter,
            "a WordCounter serves one thread at a time",
            "this WordCounter is finished",
        ))
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
        max_memory: Option<usize>,
        spill_folder: Option<PathBuf>,
    ) -> PyResult<Self> {
        let pipeline = {
            let stages = stages(normalizer, pre_tokenizer)?;
            short(|| stages.pipeline(&special_tokens))?
        };
        let spilling = max_memory.zip(spill_folder);
        let spilling = spilling.map(|(max_memory, folder)| Spilling { max_memory, folder });
        let counter = CoreCounter::new(pipeline, n_threads, spilling);
        Ok(Self::of(counter))
    }

    /// Counts what the model of a tokenizer sees: its added tokens are left out as it finds them.
    #[staticmethod]
    fn like(tokenizer: &Tokenizer, n_threads: Option<usize>) -> PyResult<Self> {
        let pipeline = short(|| Pipeline::new(tokenizer.core().definition(), true))?;
        let counter = CoreCounter::new(pipeline, n_threads, None);
        Ok(Self::of(counter))
    }

    #[expect(clippy::needless_pass_by_value, reason = "Python hands over a list")]
    fn count(&self, py: Python<'_>, texts: Vec<Bound<'_, PyAny>>) -> PyResult<()> {
        self.0.with(|counter| {
            let texts = convert::texts(&texts, counter.n_texts())?;
            long(py, None, |progress| counter.count(&texts, progress))
        })
    }

    /// Counts the next documents of a file, or the next piece of one that is a single document; `None`: there are none.
    /// `n_used` says how much of the last piece was counted.
    fn count_next(
        &self,
        py: Python<'_>,
        reader: &PyDocumentReader,
        n_used: usize,
    ) -> PyResult<Option<usize>> {
        self.0.with(|counter| {
            let takes_pieces = counter.takes_pieces();
            count_next(py, reader, n_used, takes_pieces, |read, progress| match read {
                Read::Piece(text, is_last) => counter.count_piece(text, is_last, progress),
                Read::Texts(texts) => counter.count(texts, progress).map(|()| 0),
            })
        })
    }

    #[getter]
    fn n_texts(&self) -> PyResult<usize> {
        self.0.with(|counter| Ok(counter.n_texts()))
    }

    #[getter]
    fn n_bytes(&self) -> PyResult<u64> {
        self.0.with(|counter| Ok(counter.n_bytes()))
    }

    /// The counts of words that occur so often; how many words were left out, how often they occurred, and how many bytes
    /// were spilled.
    fn finish(&self, py: Python<'_>, min_count: u64) -> PyResult<(WordCounts, u64, u64, u64)> {
        self.0.finish(|counter| {
            let found = long(py, None, |progress| counter.finish(min_count, progress))?;
            let n_occurrences = found.n_dropped_occurrences;
            Ok((WordCounts(found.counts), found.n_dropped, n_occurrences, found.n_spilled_bytes))
        })
    }
}
