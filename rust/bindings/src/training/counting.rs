//! [`Counting`]: what `_core.WordCounter` and `_core.Sentences` have in common: one thread at a time, until they are finished.

use std::path::PathBuf;
use std::sync::Mutex;

use merganser_core::Result;
use merganser_core::documents::DocumentBatch;
use merganser_core::progress::Progress;
use merganser_core::train::{Spilling, WordCounter};
use pyo3::prelude::*;

use crate::call::long;
use crate::convert;
use crate::documents::PyDocumentReader;
use crate::errors::python::{ConfigError, InternalError};

/// Bytes of documents read at a time.
const BATCH_BYTES: usize = 4 << 20;

/// A counter until it is finished.
pub(super) struct Counting<C> {
    counter: Mutex<Option<Box<C>>>,
    /// The messages when another thread is at work, and when the counter is finished.
    busy: &'static str,
    finished: &'static str,
}

impl<C> Counting<C> {
    pub(super) fn new(counter: C, busy: &'static str, finished: &'static str) -> Self {
        Self { counter: Mutex::new(Some(Box::new(counter))), busy, finished }
    }

    pub(super) fn with<T>(&self, work: impl FnOnce(&mut C) -> PyResult<T>) -> PyResult<T> {
        let mut counter = self.counter.try_lock().map_err(|_| ConfigError::new_err(self.busy))?;
        work(counter.as_mut().ok_or_else(|| InternalError::new_err(self.finished))?)
    }

    /// Takes the counter out; others find it busy while `work` lasts.
    pub(super) fn finish<T>(&self, work: impl FnOnce(Box<C>) -> PyResult<T>) -> PyResult<T> {
        let mut counter = self.counter.try_lock().map_err(|_| ConfigError::new_err(self.busy))?;
        work(counter.take().ok_or_else(|| InternalError::new_err(self.finished))?)
    }
}

/// Where to and from when tables are spilled, if their memory is bounded.
pub(super) fn spilling(max_memory: Option<usize>, folder: Option<PathBuf>) -> Option<Spilling> {
    let spilling = max_memory.zip(folder);
    spilling.map(|(max_memory, folder)| Spilling { max_memory, folder })
}

/// Counts texts.
pub(super) fn count_words(
    py: Python<'_>,
    counter: &mut WordCounter,
    texts: &[Bound<'_, PyAny>],
) -> PyResult<()> {
    let texts = convert::texts(texts, counter.n_texts())?;
    long(py, None, |progress| counter.count(&texts, progress))
}

/// As [`count_next`].
pub(super) fn count_next_words(
    py: Python<'_>,
    counter: &mut WordCounter,
    reader: &PyDocumentReader,
    n_used: usize,
) -> PyResult<Option<usize>> {
    let takes_pieces = counter.takes_pieces();
    count_next(py, reader, n_used, takes_pieces, |read, progress| match read {
        Read::Piece(text, is_last) => counter.count_piece(text, is_last, progress),
        Read::Texts(texts) => counter.count(texts, progress).map(|()| 0),
    })
}

/// What was read of a file.
pub(super) enum Read<'a> {
    /// A piece of a document, and whether it is the last.
    Piece(&'a str, bool),
    /// Whole documents.
    Texts(&'a [&'a str]),
}

/// Lets `count` have the next documents of a file or, if it `takes_pieces`, the next piece of one that is a single document;
/// `None`: there are none. `n_used` says how much of the last piece was counted, and `count` how much of this one.
pub(super) fn count_next(
    py: Python<'_>,
    reader: &PyDocumentReader,
    n_used: usize,
    takes_pieces: bool,
    count: impl FnOnce(Read<'_>, &Progress) -> Result<usize> + Send,
) -> PyResult<Option<usize>> {
    if reader.is_whole(py) && takes_pieces {
        let Some(is_last) = reader.fill_piece(py, n_used, BATCH_BYTES)? else {
            return Ok(None);
        };
        return long(py, None, |progress| {
            let reader = reader.lock();
            count(Read::Piece(reader.piece(), is_last), progress).map(Some)
        });
    }
    let mut batch = DocumentBatch::default();
    if !reader.fill(py, BATCH_BYTES, &mut batch)? {
        return Ok(None);
    }
    let texts: Vec<&str> = batch.iter().collect();
    long(py, None, |progress| count(Read::Texts(&texts), progress).map(Some))
}
