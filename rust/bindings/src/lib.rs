//! merganser._core

mod documents;
mod errors;

use pyo3::prelude::*;

/// What Python sees.
#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    documents::register(module)
}
