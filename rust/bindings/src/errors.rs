//! Maps each variant of the core's error to one Python class of `merganser.errors`, in one place.

use merganser_core::Error;
use pyo3::exceptions::{PyKeyboardInterrupt, PyOSError};
use pyo3::{PyErr, import_exception};

import_exception!(merganser.errors, ConfigError);
import_exception!(merganser.errors, VocabError);
import_exception!(merganser.errors, FormatError);
import_exception!(merganser.errors, UnsupportedError);
import_exception!(merganser.errors, UnknownTokenError);
import_exception!(merganser.errors, DisallowedSpecialError);
import_exception!(merganser.errors, TextError);
import_exception!(merganser.errors, PatternLimitError);
import_exception!(merganser.errors, InternalError);

/// The Python exception of a core error.
pub(crate) fn to_py_err(error: &Error) -> PyErr {
    with_message(error, error.to_string())
}

fn with_message(error: &Error, message: String) -> PyErr {
    match error {
        Error::InBatch { error, .. } => with_message(error, message),
        Error::Config(_) => ConfigError::new_err(message),
        Error::Vocab(_) => VocabError::new_err(message),
        Error::Format { .. } => FormatError::new_err(message),
        Error::Unsupported { .. } => UnsupportedError::new_err(message),
        Error::UnknownToken { .. } | Error::Unencodable { .. } => {
            UnknownTokenError::new_err(message)
        }
        Error::DisallowedSpecial { .. } => DisallowedSpecialError::new_err(message),
        Error::InvalidText { .. } => TextError::new_err(message),
        Error::PatternLimit { .. } => PatternLimitError::new_err(message),
        Error::Io(io) => PyOSError::new_err((io.code, io.problem.clone(), io.path.clone())),
        Error::Interrupted => PyKeyboardInterrupt::new_err(()),
        _ => InternalError::new_err(message),
    }
}
