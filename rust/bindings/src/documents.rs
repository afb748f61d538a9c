//! `_core.DocumentReader`: documents of one file as Python strings.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use merganser_core::Error;
use merganser_core::documents::{
    DocumentBatch, DocumentFormat, DocumentReader, InvalidBytes, ReadOptions,
};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};

use crate::call::{check_signals, short};
use crate::errors::to_py_err;

/// The format that a path's name tells: "text", "jsonl" or "parquet".
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "pyo3 extracts owned paths")]
pub(crate) fn document_format(path: PathBuf) -> &'static str {
    match DocumentFormat::of_path(&path) {
        DocumentFormat::Text => "text",
        DocumentFormat::JsonLines => "jsonl",
        DocumentFormat::Parquet => "parquet",
    }
}

/// Reads the documents of one file, batch by batch; `None` as path reads standard input.
#[pyclass(frozen, name = "DocumentReader", module = "merganser._core")]
pub(crate) struct PyDocumentReader {
    /// Boxed: it holds vectors aligned to 32 bytes, and Python aligns its objects to 16.
    reader: Mutex<Box<DocumentReader>>,
}

const _: () = assert!(align_of::<PyDocumentReader>() <= 16, "Python aligns objects to 16 bytes");

#[pymethods]
impl PyDocumentReader {
    #[new]
    #[expect(clippy::needless_pass_by_value, reason = "pyo3 extracts owned paths")]
    fn new(
        py: Python<'_>,
        path: Option<PathBuf>,
        format: &str,
        text_field: String,
        separator: Option<String>,
        errors: &str,
    ) -> PyResult<Self> {
        let options = ReadOptions {
            format: Some(parse_format(format)?),
            separator,
            text_field,
            invalid_bytes: parse_errors(errors)?,
        };
        let reader = py.detach(|| short(|| open(path.as_deref(), &options)))?;
        Ok(Self { reader: Mutex::new(Box::new(reader)) })
    }

    /// The next documents, `None` at the end; stops for Ctrl-C.
    fn next_batch<'py>(
        &self,
        py: Python<'py>,
        max_bytes: usize,
    ) -> PyResult<Option<Bound<'py, PyList>>> {
        let mut batch = DocumentBatch::default();
        if !self.fill(py, max_bytes, &mut batch)? {
            return Ok(None);
        }
        let documents: Vec<_> = batch.iter().map(|text| PyString::new(py, text)).collect();
        PyList::new(py, documents).map(Some)
    }

    #[getter]
    fn n_documents(&self, py: Python<'_>) -> u64 {
        py.detach(|| self.lock().n_documents())
    }

    #[getter]
    fn n_replaced(&self, py: Python<'_>) -> u64 {
        py.detach(|| self.lock().n_replaced())
    }

    #[getter]
    fn n_bytes_read(&self, py: Python<'_>) -> u64 {
        py.detach(|| self.lock().n_bytes_read())
    }
}

impl PyDocumentReader {
    /// Replaces what is in `batch` by the next documents, with the GIL released; `false` at the end.
    ///
    /// # Errors
    ///
    /// The reader's errors as Python exceptions; what a signal handler raised, when one ran.
    pub(crate) fn fill(
        &self,
        py: Python<'_>,
        max_bytes: usize,
        batch: &mut DocumentBatch,
    ) -> PyResult<bool> {
        let mut raised = None;
        let outcome = py.detach(|| {
            let mut should_stop = || {
                raised = Python::attach(check_signals).err();
                raised.is_some()
            };
            short(|| self.lock().next_batch_or_stop(max_bytes, batch, &mut should_stop))
        });
        raised.map_or(outcome, Err)
    }

    /// Whether the file is one document, for [`Self::fill_piece`].
    pub(crate) fn is_whole(&self, py: Python<'_>) -> bool {
        py.detach(|| self.lock().is_whole())
    }

    /// As [`Self::fill`], of a file that is one document: the next piece, and whether it is the last.
    ///
    /// # Errors
    ///
    /// As [`Self::fill`].
    pub(crate) fn fill_piece(
        &self,
        py: Python<'_>,
        n_used: usize,
        min_bytes: usize,
    ) -> PyResult<Option<bool>> {
        let mut raised = None;
        let outcome = py.detach(|| {
            let mut should_stop = || {
                raised = Python::attach(check_signals).err();
                raised.is_some()
            };
            short(|| self.lock().fill_piece(n_used, min_bytes, &mut should_stop))
        });
        raised.map_or(outcome, Err)
    }

    /// Only without the GIL: who holds the lock takes the GIL to look for signals.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Box<DocumentReader>> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open(path: Option<&Path>, options: &ReadOptions) -> merganser_core::Result<DocumentReader> {
    match path {
        Some(path) => DocumentReader::open(path, options),
        None => DocumentReader::stdin(options),
    }
}

fn parse_format(format: &str) -> PyResult<DocumentFormat> {
    match format {
        "text" => Ok(DocumentFormat::Text),
        "jsonl" => Ok(DocumentFormat::JsonLines),
        "parquet" => Ok(DocumentFormat::Parquet),
        _ => Err(to_py_err(&Error::Config(format!(
            "format must be \"text\", \"jsonl\" or \"parquet\", got {format:?}"
        )))),
    }
}

fn parse_errors(errors: &str) -> PyResult<InvalidBytes> {
    match errors {
        "strict" => Ok(InvalidBytes::Refuse),
        "replace" => Ok(InvalidBytes::Replace),
        _ => Err(to_py_err(&Error::Config(format!(
            "errors must be \"strict\" or \"replace\", got {errors:?}"
        )))),
    }
}
