//! The transformer's kernels over contiguous NumPy arrays. Shapes are checked in Python.

use merganser_kernels::{Activation, Adam, Layout, Norm, NormGradients};
use numpy::{
    PyReadonlyArray1, PyReadonlyArray2, PyReadwriteArray1, PyReadwriteArray2, PyUntypedArrayMethods,
};
use pyo3::exceptions::PyValueError;
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
    py.detach(|| merganser_kernels::multiply(rows, matrix, layout, out, shape, n_threads));
    Ok(())
}

/// Writes the values of a pointwise function to `out`.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "Python hands over arrays")]
pub(crate) fn activation_forward(
    py: Python<'_>,
    name: &str,
    x: PyReadonlyArray1<'_, f32>,
    mut out: PyReadwriteArray1<'_, f32>,
    n_threads: usize,
) -> PyResult<()> {
    let activation = activation(name)?;
    let (x, out) = (x.as_slice()?, out.as_slice_mut()?);
    py.detach(|| activation.forward(x, out, n_threads));
    Ok(())
}

/// Writes the slopes of a pointwise function, times `d_out`, to `d_x`.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "Python hands over arrays")]
pub(crate) fn activation_backward(
    py: Python<'_>,
    name: &str,
    x: PyReadonlyArray1<'_, f32>,
    d_out: PyReadonlyArray1<'_, f32>,
    mut d_x: PyReadwriteArray1<'_, f32>,
    n_threads: usize,
) -> PyResult<()> {
    let activation = activation(name)?;
    let (x, d_out, d_x) = (x.as_slice()?, d_out.as_slice()?, d_x.as_slice_mut()?);
    py.detach(|| activation.backward(x, d_out, d_x, n_threads));
    Ok(())
}

fn activation(name: &str) -> PyResult<Activation> {
    match name {
        "gelu" => Ok(Activation::Gelu),
        "gelu_tanh" => Ok(Activation::GeluTanh),
        "silu" => Ok(Activation::Silu),
        _ => Err(PyValueError::new_err(format!("no kernel for the activation {name:?}"))),
    }
}

/// Normalises rows: layer norm, or RMS norm without a bias.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "one parameter an array")]
#[expect(clippy::needless_pass_by_value, reason = "Python hands over arrays")]
pub(crate) fn norm_forward(
    py: Python<'_>,
    x: PyReadonlyArray2<'_, f32>,
    weight: PyReadonlyArray1<'_, f32>,
    bias: Option<PyReadonlyArray1<'_, f32>>,
    epsilon: f32,
    mut out: PyReadwriteArray2<'_, f32>,
    mut x_hat: PyReadwriteArray2<'_, f32>,
    mut inverse: PyReadwriteArray1<'_, f32>,
    n_threads: usize,
) -> PyResult<()> {
    let bias = bias.as_ref().map(|bias| bias.as_slice()).transpose()?;
    let norm = Norm { weight: weight.as_slice()?, bias, epsilon };
    let (x, out) = (x.as_slice()?, out.as_slice_mut()?);
    let (x_hat, inverse) = (x_hat.as_slice_mut()?, inverse.as_slice_mut()?);
    py.detach(|| norm.forward(x, out, x_hat, inverse, n_threads));
    Ok(())
}

/// Writes the gradients of a norm; of RMS norm without `d_bias`.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "one parameter an array")]
#[expect(clippy::needless_pass_by_value, reason = "Python hands over arrays")]
pub(crate) fn norm_backward(
    py: Python<'_>,
    d_out: PyReadonlyArray2<'_, f32>,
    x_hat: PyReadonlyArray2<'_, f32>,
    inverse: PyReadonlyArray1<'_, f32>,
    weight: PyReadonlyArray1<'_, f32>,
    mut d_x: PyReadwriteArray2<'_, f32>,
    mut d_weight: PyReadwriteArray1<'_, f32>,
    mut d_bias: Option<PyReadwriteArray1<'_, f32>>,
) -> PyResult<()> {
    let to = NormGradients {
        d_x: d_x.as_slice_mut()?,
        d_weight: d_weight.as_slice_mut()?,
        d_bias: d_bias.as_mut().map(|d_bias| d_bias.as_slice_mut()).transpose()?,
    };
    let (d_out, x_hat) = (d_out.as_slice()?, x_hat.as_slice()?);
    let (inverse, weight) = (inverse.as_slice()?, weight.as_slice()?);
    py.detach(|| merganser_kernels::norm_gradients(d_out, x_hat, inverse, weight, to));
    Ok(())
}

/// Replaces rows by `exp(x - greatest of the row)` and writes their sums and the greatest.
///
/// Rows come in groups of `n_queries`. The first of a group sees `n_seen` numbers, each next one more, and what a row does not
/// see becomes 0.
#[pyfunction]
pub(crate) fn exponentials(
    py: Python<'_>,
    mut rows: PyReadwriteArray2<'_, f32>,
    mut sums: PyReadwriteArray1<'_, f32>,
    mut highest: PyReadwriteArray1<'_, f32>,
    n_queries: usize,
    n_seen: usize,
) -> PyResult<()> {
    let width = rows.shape()[1].max(1);
    let (rows, sums, highest) =
        (rows.as_slice_mut()?, sums.as_slice_mut()?, highest.as_slice_mut()?);
    py.detach(|| {
        for (index, (row, (sum, highest))) in
            rows.chunks_mut(width).zip(sums.iter_mut().zip(highest)).enumerate()
        {
            (*sum, *highest) =
                merganser_kernels::exponentials(row, n_seen + index % n_queries.max(1));
        }
    });
    Ok(())
}

/// Replaces the gradients of attention weights by those of scores.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "Python hands over arrays")]
pub(crate) fn d_scores(
    py: Python<'_>,
    mut rows: PyReadwriteArray2<'_, f32>,
    r: PyReadonlyArray1<'_, f32>,
    powers: PyReadonlyArray2<'_, f32>,
) -> PyResult<()> {
    let width = rows.shape()[1].max(1);
    let (rows, r, powers) = (rows.as_slice_mut()?, r.as_slice()?, powers.as_slice()?);
    py.detach(|| {
        for ((row, r), powers) in rows.chunks_mut(width).zip(r).zip(powers.chunks(width)) {
            merganser_kernels::d_scores(row, *r, powers);
        }
    });
    Ok(())
}

/// Makes an update of Adam's in place. The factors are those of `Adam`, in its order.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "Python hands over arrays")]
pub(crate) fn adam_update(
    py: Python<'_>,
    mut param: PyReadwriteArray1<'_, f32>,
    gradient: PyReadonlyArray1<'_, f32>,
    mut first: PyReadwriteArray1<'_, f32>,
    mut second: PyReadwriteArray1<'_, f32>,
    factors: [f32; 9],
) -> PyResult<()> {
    let [
        gradient_scale,
        keep,
        decay,
        first_share,
        second_keep,
        second_share,
        root_scale,
        epsilon,
        rate,
    ] = factors;
    let adam = Adam {
        gradient_scale,
        keep,
        decay,
        first_share,
        second_keep,
        second_share,
        root_scale,
        epsilon,
        rate,
    };
    let (param, gradient) = (param.as_slice_mut()?, gradient.as_slice()?);
    let (first, second) = (first.as_slice_mut()?, second.as_slice_mut()?);
    py.detach(|| adam.update(param, gradient, first, second));
    Ok(())
}
