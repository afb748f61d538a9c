//! The transformer's kernels over NumPy arrays. Shapes are checked in Python.

use merganser_kernels::{Layout, multiply};
use numpy::{PyReadonlyArray2, PyReadwriteArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;

/// Writes `rows @ matrix` to `out`, or `rows @ matrix.T`.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "Python hands over arrays")]
pub(crate) fn multiply_few_rows(
    py: Python<'_>,
    rows: PyReadonlyArray2<'_, f32>,
    matrix: PyReadonlyArray2<'_, f32>,
    mut out: PyReadwriteArray2<'_, f32>,
    is_transposed: bool,
    n_threads: usize,
) -> PyResult<()> {
    let layout = if is_transposed { Layout::ByOutput } else { Layout::ByInput };
    let shape = (rows.shape()[1], out.shape()[1]);
    let (rows, matrix) = (rows.as_slice()?, matrix.as_slice()?);
    let out = out.as_slice_mut()?;
    py.detach(|| multiply(rows, matrix, layout, out, shape, n_threads));
    Ok(())
}
