//! `_core.DecodeStream`.

use std::ops::Deref;
use std::sync::Mutex;

use merganser_core::tokenizer::DecodeStream as CoreStream;
use merganser_core::{Result, Tokenizer as CoreTokenizer};
use pyo3::prelude::*;

use crate::call::short;
use crate::errors::python::ConfigError;
use crate::tokenizer::Tokenizer;

/// A Python object that keeps its tokenizer.
struct Held(Py<Tokenizer>);

impl Deref for Held {
    type Target = CoreTokenizer;

    fn deref(&self) -> &CoreTokenizer {
        self.0.get().core()
    }
}

#[pyclass(frozen, module = "merganser._core")]
pub(crate) struct DecodeStream(Mutex<Box<CoreStream<Held>>>);

impl DecodeStream {
    pub(crate) fn new(tokenizer: Py<Tokenizer>, skip_special_tokens: bool) -> Self {
        Self(Mutex::new(Box::new(CoreStream::new(Held(tokenizer), skip_special_tokens))))
    }

    fn with<T>(&self, work: impl FnOnce(&mut CoreStream<Held>) -> Result<T>) -> PyResult<T> {
        let mut stream = self
            .0
            .try_lock()
            .map_err(|_| ConfigError::new_err("a stream serves one thread at a time"))?;
        short(|| work(&mut stream))
    }
}

#[pymethods]
impl DecodeStream {
    fn push(&self, id: u32) -> PyResult<String> {
        self.with(|stream| stream.push(id))
    }

    fn finish(&self) -> PyResult<String> {
        self.with(CoreStream::finish)
    }
}
