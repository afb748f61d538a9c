//! Segmentations other than the one that encoding gives, of `_core.Tokenizer`.

use merganser_core::model::Sampling;
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::convert;
use crate::tokenizer::Tokenizer;

/// Dropout, alpha, number of the best.
type SamplingFields = (Option<f64>, Option<f64>, Option<usize>);

fn sampling_of((dropout, alpha, n_best): SamplingFields) -> Sampling {
    Sampling { dropout, alpha, n_best }
}

#[pyfunction]
pub(crate) fn sample<'py>(
    py: Python<'py>,
    tokenizer: &Tokenizer,
    text: &Bound<'py, PyAny>,
    add_special_tokens: bool,
    on_special: &Bound<'_, PyAny>,
    sampling: SamplingFields,
    seed: u64,
) -> PyResult<Bound<'py, PyList>> {
    let text = convert::text(text)?;
    let options = convert::options(add_special_tokens, on_special)?;
    let ids = tokenizer.run(py, text.len(), |tokenizer, progress| {
        tokenizer.sample(text, options, sampling_of(sampling), seed, progress)
    })?;
    PyList::new(py, ids)
}

#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "one parameter an option, named in Python")]
#[expect(clippy::needless_pass_by_value, reason = "Python hands over a list")]
pub(crate) fn sample_batch<'py>(
    py: Python<'py>,
    tokenizer: &Tokenizer,
    texts: Vec<Bound<'py, PyAny>>,
    add_special_tokens: bool,
    on_special: &Bound<'_, PyAny>,
    sampling: SamplingFields,
    seed: u64,
    is_wide: Option<bool>,
    n_threads: Option<usize>,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let texts = convert::texts(&texts, 0)?;
    let options = convert::options(add_special_tokens, on_special)?;
    let is_wide = tokenizer.is_wide(is_wide)?;
    let n_bytes = texts.iter().map(|text| text.len()).sum();
    let sampling = sampling_of(sampling);
    let batch = tokenizer.run(py, n_bytes, |tokenizer, progress| {
        tokenizer.sample_batch(&texts, options, sampling, seed, n_threads, progress)
    })?;
    let offsets = convert::offset_array(py, &batch.lengths)?;
    Ok((convert::id_array(py, batch.ids, is_wide), offsets))
}

#[pyfunction]
pub(crate) fn n_best(
    py: Python<'_>,
    tokenizer: &Tokenizer,
    text: &Bound<'_, PyAny>,
    n: usize,
    add_special_tokens: bool,
    on_special: &Bound<'_, PyAny>,
) -> PyResult<Vec<(Vec<u32>, f64)>> {
    let text = convert::text(text)?;
    let options = convert::options(add_special_tokens, on_special)?;
    tokenizer.run(py, text.len().saturating_mul(n), |tokenizer, progress| {
        tokenizer.n_best(text, n, options, progress)
    })
}
