//! `_core.WordCounts` and `_core.WordCounter`.

use std::path::PathBuf;

use merganser_core::pipeline::Pipeline;
use merganser_core::train::{Counted, WordCounter as CoreCounter, WordCounts as CoreCounts};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use super::counting::{Counting, count_next_words, count_words, spilling};
use super::stages;
use crate::call::{long, short};
use crate::documents::PyDocumentReader;
use crate::tokenizer::Tokenizer;

/// Words between two looks for Ctrl-C while Python's objects are made of them.
const POLL_WORDS: usize = 1 << 16;

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
        long(py, None, |progress| self.0.plus(&other.0, progress)).map(Self)
    }

    fn scaled(&self, py: Python<'_>, numerator: u64, denominator: u64) -> PyResult<Self> {
        long(py, None, |progress| self.0.scaled(numerator, denominator, progress)).map(Self)
    }

    fn at_least(&self, py: Python<'_>, min_count: u64) -> PyResult<Self> {
        long(py, None, |progress| self.0.at_least(min_count, progress)).map(Self)
    }

    fn most_common<'py>(&self, py: Python<'py>, n: usize) -> PyResult<Bound<'py, PyList>> {
        let words = py.detach(|| self.0.most_common(n));
        listed(py, words.into_iter())
    }

    fn to_bytes<'py>(&self, py: Python<'py>, description: &str) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = long(py, None, |progress| self.0.to_bytes(description, progress))?;
        Ok(PyBytes::new(py, &bytes))
    }

    #[staticmethod]
    fn from_bytes(py: Python<'_>, data: &[u8]) -> PyResult<(Self, String)> {
        let (counts, description) =
            long(py, None, |progress| CoreCounts::from_bytes(data, progress))?;
        Ok((Self(counts), description))
    }

    fn equals(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    fn pairs<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        listed(py, self.0.iter())
    }
}

/// Words and counts as a list; looks for Ctrl-C on the way.
fn listed<'w, 'py>(
    py: Python<'py>,
    words: impl Iterator<Item = (&'w [u8], u64)>,
) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for (index, (word, count)) in words.enumerate() {
        if index.is_multiple_of(POLL_WORDS) {
            py.check_signals()?;
        }
        list.append((PyBytes::new(py, word), count))?;
    }
    Ok(list)
}

/// The counts of words that occur often enough; how many words were left out, how often they occurred, and how many bytes
/// were spilled.
pub(super) type Found = (WordCounts, u64, u64, u64);

pub(super) fn found(counted: Counted) -> Found {
    let Counted { counts, n_dropped, n_dropped_occurrences, n_spilled_bytes } = counted;
    (WordCounts(counts), n_dropped, n_dropped_occurrences, n_spilled_bytes)
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
        let spilling = spilling(max_memory, spill_folder);
        Ok(Self::of(CoreCounter::new(pipeline, n_threads, spilling)))
    }

    /// Counts what the model of a tokenizer sees: its added tokens are left out as it finds them.
    #[staticmethod]
    fn like(
        tokenizer: &Tokenizer,
        n_threads: Option<usize>,
        max_memory: Option<usize>,
        spill_folder: Option<PathBuf>,
    ) -> PyResult<Self> {
        let pipeline = short(|| Pipeline::new(tokenizer.core().definition(), true))?;
        let spilling = spilling(max_memory, spill_folder);
        Ok(Self::of(CoreCounter::new(pipeline, n_threads, spilling)))
    }

    #[expect(clippy::needless_pass_by_value, reason = "Python hands over a list")]
    fn count(&self, py: Python<'_>, texts: Vec<Bound<'_, PyAny>>) -> PyResult<()> {
        self.0.with(|counter| count_words(py, counter, &texts))
    }

    /// Counts the next documents of a file, or the next piece of one that is a single document; `None`: there are none.
    /// `n_used` says how much of the last piece was counted.
    fn count_next(
        &self,
        py: Python<'_>,
        reader: &PyDocumentReader,
        n_used: usize,
    ) -> PyResult<Option<usize>> {
        self.0.with(|counter| count_next_words(py, counter, reader, n_used))
    }

    #[getter]
    fn n_texts(&self) -> PyResult<usize> {
        self.0.with(|counter| Ok(counter.n_texts()))
    }

    #[getter]
    fn n_bytes(&self) -> PyResult<u64> {
        self.0.with(|counter| Ok(counter.n_bytes()))
    }

    fn finish(
        &self,
        py: Python<'_>,
        min_count: u64,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Found> {
        self.0.finish(|counter| {
            long(py, progress, |progress| counter.finish(min_count, progress)).map(found)
        })
    }
}
