//! Full encodings as tuples of arrays, and how truncation and padding come from Python.

use merganser_core::encoding::Encoding;
use merganser_core::padding::{Padding, PaddingStrategy};
use merganser_core::tokenizer::{Input, Source};
use merganser_core::truncation::{Side, Truncation, TruncationStrategy};
use numpy::{PyArray1, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::convert;
use crate::errors::python::ConfigError;

/// `max_length`, `strategy`, `stride`, `side`.
pub(crate) type TruncationFields = (usize, String, usize, String);
/// `length`, `side`, `multiple_of`, `id`, `type_id`, `token`.
pub(crate) type PaddingFields = (Option<usize>, String, Option<usize>, u32, u32, String);

pub(crate) fn truncation(
    (max_length, strategy, stride, side): &TruncationFields,
) -> PyResult<Truncation> {
    let strategy = match strategy.as_str() {
        "longest_first" => TruncationStrategy::LongestFirst,
        "only_first" => TruncationStrategy::OnlyFirst,
        "only_second" => TruncationStrategy::OnlySecond,
        other => {
            return Err(ConfigError::new_err(format!(
                "strategy must be \"longest_first\", \"only_first\" or \"only_second\", got {other:?}"
            )));
        }
    };
    Ok(Truncation { max_length: *max_length, strategy, stride: *stride, side: parse_side(side)? })
}

pub(crate) fn padding(
    (length, side, multiple_of, id, type_id, token): &PaddingFields,
) -> PyResult<Padding> {
    Ok(Padding {
        strategy: length.map_or(PaddingStrategy::BatchLongest, PaddingStrategy::Fixed),
        side: parse_side(side)?,
        multiple_of: *multiple_of,
        id: *id,
        type_id: *type_id,
        token: token.clone(),
    })
}

pub(crate) fn truncation_fields(truncation: &Truncation) -> TruncationFields {
    let strategy = match truncation.strategy {
        TruncationStrategy::LongestFirst => "longest_first",
        TruncationStrategy::OnlyFirst => "only_first",
        TruncationStrategy::OnlySecond => "only_second",
    };
    let side = side_name(truncation.side).to_owned();
    (truncation.max_length, strategy.to_owned(), truncation.stride, side)
}

pub(crate) fn padding_fields(padding: &Padding) -> PaddingFields {
    let length = match padding.strategy {
        PaddingStrategy::BatchLongest => None,
        PaddingStrategy::Fixed(length) => Some(length),
    };
    let side = side_name(padding.side).to_owned();
    (length, side, padding.multiple_of, padding.id, padding.type_id, padding.token.clone())
}

fn parse_side(side: &str) -> PyResult<Side> {
    match side {
        "left" => Ok(Side::Left),
        "right" => Ok(Side::Right),
        other => {
            Err(ConfigError::new_err(format!("side must be \"left\" or \"right\", got {other:?}")))
        }
    }
}

fn side_name(side: Side) -> &'static str {
    match side {
        Side::Left => "left",
        Side::Right => "right",
    }
}

/// A text, or the words of one.
pub(crate) enum Part<'a> {
    Text(&'a str),
    Words(Vec<&'a str>),
}

/// Texts and pairs as they come from Python: each `str`, `bytes`, or a tuple of words.
pub(crate) fn parts<'a>(
    inputs: &'a [(Bound<'_, PyAny>, Option<Bound<'_, PyAny>>)],
) -> PyResult<Vec<(Part<'a>, Option<Part<'a>>)>> {
    let both = |(text, pair): &'a (Bound<'_, PyAny>, Option<Bound<'_, PyAny>>)| {
        Ok((part(text)?, pair.as_ref().map(part).transpose()?))
    };
    let named = |(index, input): (usize, &'a (Bound<'_, PyAny>, Option<Bound<'_, PyAny>>))| {
        both(input).map_err(|error| convert::in_batch(input.0.py(), index, &error))
    };
    inputs.iter().enumerate().map(named).collect()
}

fn part<'a>(value: &'a Bound<'_, PyAny>) -> PyResult<Part<'a>> {
    match value.cast::<PyTuple>() {
        Ok(words) => {
            Ok(Part::Words(words.as_slice().iter().map(convert::text).collect::<PyResult<_>>()?))
        }
        Err(_) => convert::text(value).map(Part::Text),
    }
}

/// What the core takes, and how many bytes it is.
pub(crate) fn sources<'a>(parts: &'a [(Part<'a>, Option<Part<'a>>)]) -> (Vec<Input<'a>>, usize) {
    let inputs = parts.iter().map(|(text, pair)| (text.source(), pair.as_ref().map(Part::source)));
    let all = parts.iter().flat_map(|(text, pair)| std::iter::once(text).chain(pair));
    (inputs.collect(), all.map(Part::n_bytes).sum())
}

impl Part<'_> {
    fn source(&self) -> Source<'_> {
        match self {
            Self::Text(text) => Source::Text(text),
            Self::Words(words) => Source::Words(words),
        }
    }

    fn n_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Words(words) => words.iter().map(|word| word.len()).sum(),
        }
    }
}

/// Ids, type ids, offsets of shape (n, 2), word ids and sequence ids (-1 for none), special tokens mask, attention mask,
/// places and texts of those found in other text than theirs, and the same of what overflows.
pub(crate) fn arrays(py: Python<'_>, mut encoding: Encoding) -> PyResult<Bound<'_, PyTuple>> {
    let overflowing = std::mem::take(&mut encoding.overflowing);
    let overflowing = overflowing.into_iter().map(|one| with_overflowing(py, one, Vec::new()));
    let overflowing = overflowing.collect::<PyResult<Vec<_>>>()?;
    with_overflowing(py, encoding, overflowing)
}

fn with_overflowing<'py>(
    py: Python<'py>,
    encoding: Encoding,
    overflowing: Vec<Bound<'py, PyTuple>>,
) -> PyResult<Bound<'py, PyTuple>> {
    let n_ids = encoding.len();
    let mut offsets = Vec::with_capacity(2 * n_ids);
    for (start, end) in encoding.offsets {
        offsets.extend([i64::try_from(start)?, i64::try_from(end)?]);
    }
    let word_ids = encoding.word_ids.into_iter().map(|id| id.map_or(-1, i64::from));
    let found = encoding.found.iter().enumerate();
    let found = found.filter_map(|(place, text)| Some((place, text.as_deref()?)));
    let found = found.collect::<Vec<_>>();
    let sequence_ids = encoding.sequence_ids.into_iter().map(|id| id.map_or(-1, i64::from));
    (
        PyArray1::from_vec(py, encoding.ids),
        PyArray1::from_vec(py, encoding.type_ids),
        PyArray1::from_vec(py, offsets).reshape([n_ids, 2])?,
        PyArray1::from_iter(py, word_ids),
        PyArray1::from_iter(py, sequence_ids),
        PyArray1::from_vec(py, encoding.special_tokens_mask),
        PyArray1::from_vec(py, encoding.attention_mask),
        found,
        PyList::new(py, overflowing)?,
    )
        .into_pyobject(py)
}
