//! Python values in and out.

use std::borrow::Cow;

use merganser_core::added_tokens::OnSpecial;
use merganser_core::tokenizer::EncodeOptions;
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyUnicodeEncodeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::errors::python::{ConfigError, TextError, UnknownTokenError};

/// The text of a `str`, or of `bytes` that are UTF-8; borrowed from the object.
pub(crate) fn text<'a>(value: &'a Bound<'_, PyAny>) -> PyResult<&'a str> {
    if let Ok(string) = value.cast::<PyString>() {
        return string.to_str().map_err(|error| lone_surrogate(value.py(), &error));
    }
    let Ok(bytes) = value.cast::<PyBytes>() else {
        let kind = value.get_type().qualname()?;
        return Err(PyTypeError::new_err(format!("text must be str or bytes, got {kind}")));
    };
    std::str::from_utf8(bytes.as_bytes()).map_err(|error| {
        TextError::new_err(format!("invalid UTF-8 at byte {}", error.valid_up_to()))
    })
}

fn lone_surrogate(py: Python<'_>, error: &PyErr) -> PyErr {
    let value = error.value(py);
    if !error.is_instance_of::<PyUnicodeEncodeError>(py) {
        return error.clone_ref(py);
    }
    let place = || -> PyResult<(usize, u32)> {
        let start: usize = value.getattr("start")?.extract()?;
        let character = value.getattr("object")?.get_item(start)?;
        let code = py.import("builtins")?.call_method1("ord", (character,))?.extract()?;
        Ok((start, code))
    };
    match place() {
        Ok((start, code)) => TextError::new_err(format!(
            "lone surrogate U+{code:04X} at character {start}: not valid Unicode text"
        )),
        Err(error) => error,
    }
}

/// The texts of a list, numbered from `first` on; the number is named where one is not text.
pub(crate) fn texts<'a>(values: &'a [Bound<'_, PyAny>], first: usize) -> PyResult<Vec<&'a str>> {
    (first..)
        .zip(values)
        .map(|(index, value)| text(value).map_err(|error| in_batch(value.py(), index, &error)))
        .collect()
}

pub(crate) fn in_batch(py: Python<'_>, index: usize, error: &PyErr) -> PyErr {
    let message = format!("text {index}: {}", error.value(py));
    PyErr::from_type(error.get_type(py), message)
}

pub(crate) fn options(
    add_special_tokens: bool,
    on_special: &Bound<'_, PyAny>,
) -> PyResult<EncodeOptions> {
    let name = on_special.cast::<PyString>().ok().and_then(|name| name.to_str().ok());
    let on_special = match name {
        Some("raise") => OnSpecial::Raise,
        Some("encode") => OnSpecial::Encode,
        Some("text") => OnSpecial::Text,
        _ => {
            return Err(ConfigError::new_err(format!(
                "on_special must be \"raise\", \"encode\" or \"text\", got {}",
                on_special.repr()?
            )));
        }
    };
    Ok(EncodeOptions { add_special_tokens, on_special })
}

/// Ids from a sequence of integers or an array of an integer type.
pub(crate) fn ids<'a>(value: &'a Bound<'_, PyAny>) -> PyResult<Cow<'a, [u32]>> {
    if let Ok(array) = value.extract::<PyReadonlyArray1<'_, u32>>() {
        return Ok(Cow::Owned(array.as_array().iter().copied().collect()));
    }
    if let Ok(array) = value.extract::<PyReadonlyArray1<'_, u16>>() {
        return Ok(Cow::Owned(array.as_array().iter().map(|&id| u32::from(id)).collect()));
    }
    let items = match value.try_iter() {
        Ok(items) if !value.is_instance_of::<PyString>() && !value.is_instance_of::<PyBytes>() => {
            items
        }
        Err(error) if !error.is_instance_of::<PyTypeError>(value.py()) => return Err(error),
        _ => return Err(no_ids(value)),
    };
    let mut ids = Vec::new();
    for (position, item) in items.enumerate() {
        let item = item?;
        match item.extract::<u32>() {
            Ok(id) => ids.push(id),
            Err(error) if error.is_instance_of::<PyOverflowError>(value.py()) => {
                let message =
                    format!("token id {item} at position {position} is not in the vocabulary");
                return Err(UnknownTokenError::new_err(message));
            }
            Err(error) if !error.is_instance_of::<PyTypeError>(value.py()) => return Err(error),
            Err(_) => {
                let kind = item.get_type().qualname()?;
                return Err(PyTypeError::new_err(format!(
                    "ids must be the integers of one sequence, got {kind} at position {position}"
                )));
            }
        }
    }
    Ok(Cow::Owned(ids))
}

fn no_ids(value: &Bound<'_, PyAny>) -> PyErr {
    value.get_type().qualname().map_or_else(
        |error| error,
        |kind| PyTypeError::new_err(format!("ids must be integers, got {kind}")),
    )
}

/// Ids as an array of 16 or 32 bits.
pub(crate) fn id_array(py: Python<'_>, ids: Vec<u32>, is_wide: bool) -> Bound<'_, PyAny> {
    if is_wide {
        return PyArray1::from_vec(py, ids).into_any();
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the caller checked that the vocabulary fits"
    )]
    let narrow: Vec<u16> = py.detach(|| ids.into_iter().map(|id| id as u16).collect());
    PyArray1::from_vec(py, narrow).into_any()
}

/// Offsets of texts of these lengths: `n + 1` values from 0 on.
pub(crate) fn offset_array<'py>(py: Python<'py>, lengths: &[usize]) -> PyResult<Bound<'py, PyAny>> {
    let mut offsets = Vec::with_capacity(lengths.len() + 1);
    let mut end = 0_i64;
    offsets.push(end);
    for &length in lengths {
        end += i64::try_from(length)?;
        offsets.push(end);
    }
    Ok(PyArray1::from_vec(py, offsets).into_any())
}
