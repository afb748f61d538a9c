//! Each error of the core as one exception of `merganser.errors`; the only place that knows both.

use merganser_core::Error;
use merganser_core::error::IoError;
use pyo3::exceptions::{PyKeyboardInterrupt, PyOSError};
use pyo3::prelude::*;

pub(crate) mod python {
    //! The classes, imported when first raised.

    use pyo3::import_exception;

    import_exception!(merganser.errors, ConfigError);
    import_exception!(merganser.errors, DisallowedSpecialError);
    import_exception!(merganser.errors, FormatError);
    import_exception!(merganser.errors, InternalError);
    import_exception!(merganser.errors, PatternLimitError);
    import_exception!(merganser.errors, TextError);
    import_exception!(merganser.errors, UnknownTokenError);
    import_exception!(merganser.errors, UnsupportedError);
    import_exception!(merganser.errors, VocabError);
}

/// The Python exception for an error of the core, its message unchanged.
pub(crate) fn to_py_err(error: &Error) -> PyErr {
    match error {
        Error::Io(error) => os_error(error),
        Error::Interrupted => PyKeyboardInterrupt::new_err(()),
        _ => with_message(error, error.to_string()),
    }
}

fn with_message(error: &Error, message: String) -> PyErr {
    match error {
        Error::InBatch { error, .. } => with_message(error, message),
        Error::Config(_) => python::ConfigError::new_err(message),
        Error::Vocab(_) => python::VocabError::new_err(message),
        Error::Format { .. } => python::FormatError::new_err(message),
        Error::Unsupported { .. } => python::UnsupportedError::new_err(message),
        Error::UnknownToken { .. } | Error::Unencodable { .. } => {
            python::UnknownTokenError::new_err(message)
        }
        Error::DisallowedSpecial { .. } => python::DisallowedSpecialError::new_err(message),
        Error::InvalidText { .. } | Error::InvalidFileText { .. } => {
            python::TextError::new_err(message)
        }
        Error::PatternLimit { .. } | Error::GrowthLimit { .. } => {
            python::PatternLimitError::new_err(message)
        }
        // A bug of ours; so is a variant that nobody mapped, as the enum may grow.
        _ => python::InternalError::new_err(message),
    }
}

/// `OSError(errno, words, path)` picks its own subclass: `FileNotFoundError`, `PermissionError`.
fn os_error(error: &IoError) -> PyErr {
    match error.code {
        Some(code) => PyOSError::new_err((code, error.problem.clone(), error.path.clone())),
        None => PyOSError::new_err(error.to_string()),
    }
}
