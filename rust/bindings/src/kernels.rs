//! The transformer's kernels over contiguous NumPy arrays.
//!
//! Arguments that a kernel cannot work on raise TypeError or ValueError before anything is written: Python then leaves the work
//! to NumPy.

use merganser_kernels::{Activation, Adam, Layout, Norm, NormGradients};
use numpy::ndarray::Dimension;
use numpy::{
    PyReadonlyArray, PyReadonlyArray1, PyReadonlyArray2, PyReadwriteArray, PyReadwriteArray1,
    PyReadwriteArray2, PyUntypedArrayMethods,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Refuses arrays that do not fit.
fn fit(is_fit: bool) -> PyResult<()> {
    if is_fit { Ok(()) } else { Err(PyValueError::new_err("arrays do not fit")) }
}

/// The numbers of an array, row by row: `as_slice` gives them column by column, too.
fn numbers<'a, D: Dimension>(array: &'a PyReadonlyArray<'_, f32, D>) -> PyResult<&'a [f32]> {
    fit(array.is_c_contiguous())?;
    Ok(array.as_slice()?)
}

/// The numbers of an array that is written to, row by row.
fn numbers_mut<'a, D: Dimension>(
    array: &'a mut PyReadwriteArray<'_, f32, D>,
) -> PyResult<&'a mut [f32]> {
    fit(array.is_c_contiguous())?;
    Ok(array.as_slice_mut()?)
}

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
    let (rows, matrix) = (numbers(&rows)?, numbers(&matrix)?);
    let out = numbers_mut(&mut out)?;
    fit(matrix.len() == shape.0 * shape.1 && rows.len() * shape.1 == out.len() * shape.0)?;
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
    let (x, out) = (numbers(&x)?, numbers_mut(&mut out)?);
    fit(x.len() == out.len())?;
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
    let (x, d_out, d_x) = (numbers(&x)?, numbers(&d_out)?, numbers_mut(&mut d_x)?);
    fit([x.len(); 2] == [d_out.len(), d_x.len()])?;
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
    let bias = bias.as_ref().map(numbers).transpose()?;
    let norm = Norm { weight: numbers(&weight)?, bias, epsilon };
    let (x, out) = (numbers(&x)?, numbers_mut(&mut out)?);
    let (x_hat, inverse) = (numbers_mut(&mut x_hat)?, numbers_mut(&mut inverse)?);
    let width = norm.weight.len();
    fit(norm.bias.is_none_or(|bias| bias.len() == width))?;
    fit([x.len(); 3] == [inverse.len() * width, out.len(), x_hat.len()])?;
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
        d_x: numbers_mut(&mut d_x)?,
        d_weight: numbers_mut(&mut d_weight)?,
        d_bias: d_bias.as_mut().map(numbers_mut).transpose()?,
    };
    let (d_out, x_hat) = (numbers(&d_out)?, numbers(&x_hat)?);
    let (inverse, weight) = (numbers(&inverse)?, numbers(&weight)?);
    let width = weight.len();
    fit(
        to.d_weight.len() == width && to.d_bias.as_ref().is_none_or(|d_bias| d_bias.len() == width)
    )?;
    fit([inverse.len() * width; 3] == [d_out.len(), x_hat.len(), to.d_x.len()])?;
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
        (numbers_mut(&mut rows)?, numbers_mut(&mut sums)?, numbers_mut(&mut highest)?);
    fit([sums.len() * width, sums.len()] == [rows.len(), highest.len()])?;
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
    let (rows, r, powers) = (numbers_mut(&mut rows)?, numbers(&r)?, numbers(&powers)?);
    fit([rows.len(); 2] == [r.len() * width, powers.len()])?;
    py.detach(|| {
        for ((row, r), powers) in rows.chunks_mut(width).zip(r).zip(powers.chunks(width)) {
            merganser_kernels::d_scores(row, *r, powers);
        }
    });
    Ok(())
}

/// Makes an update of Adam's in place.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "one parameter a factor")]
#[expect(clippy::needless_pass_by_value, reason = "Python hands over arrays")]
pub(crate) fn adam_update(
    py: Python<'_>,
    mut param: PyReadwriteArray1<'_, f32>,
    gradient: PyReadonlyArray1<'_, f32>,
    mut first: PyReadwriteArray1<'_, f32>,
    mut second: PyReadwriteArray1<'_, f32>,
    gradient_scale: f32,
    keep: f32,
    decay: f32,
    first_share: f32,
    second_keep: f32,
    second_share: f32,
    root_scale: f32,
    epsilon: f32,
    rate: f32,
) -> PyResult<()> {
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
    let (param, gradient) = (numbers_mut(&mut param)?, numbers(&gradient)?);
    let (first, second) = (numbers_mut(&mut first)?, numbers_mut(&mut second)?);
    fit([param.len(); 3] == [gradient.len(), first.len(), second.len()])?;
    py.detach(|| adam.update(param, gradient, first, second));
    Ok(())
}
