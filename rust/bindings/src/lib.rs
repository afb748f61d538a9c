//! merganser._core: the Python face of merganser-core. Converts, releases the GIL, maps errors; no logic.
//!
//! Everything here is wrapped by a documented façade in `python/merganser`; users never import it.
#![forbid(unsafe_code)]

mod call;
mod convert;
mod decode_stream;
mod documents;
mod encoding;
mod errors;
mod kernels;
mod sampling;
mod tokenizer;
mod training;

use pyo3::prelude::*;

/// The extension module.
#[pymodule]
mod _core {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::decode_stream::DecodeStream;
    #[pymodule_export]
    use crate::documents::{PyDocumentReader, document_format};
    #[pymodule_export]
    use crate::kernels::{
        activation_backward, activation_forward, adam_update, d_scores, exponentials,
        multiply_few_rows, norm_backward, norm_forward,
    };
    #[pymodule_export]
    use crate::sampling::{n_best, sample, sample_batch};
    #[pymodule_export]
    use crate::tokenizer::Tokenizer;
    #[pymodule_export]
    use crate::training::bpe::{stages_to_continue, train_bpe};
    #[pymodule_export]
    use crate::training::sentencepiece::{Sentences, train_sentencepiece};
    #[pymodule_export]
    use crate::training::stage_texts;
    #[pymodule_export]
    use crate::training::superwords::Superwords;
    #[pymodule_export]
    use crate::training::trained::Trained;
    #[pymodule_export]
    use crate::training::unigram::train_unigram;
    #[pymodule_export]
    use crate::training::word_counts::{WordCounter, WordCounts};
    #[pymodule_export]
    use crate::training::wordpiece::train_wordpiece;

    /// The Unicode version of every character class and of normalization.
    #[pymodule_export]
    const UNICODE_VERSION: &str = merganser_core::char_class::UNICODE_VERSION;
    /// NumPy's C interface is fetched now: later an interrupt could strike in the middle of it.
    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) {
        numpy::PyArray1::<u16>::from_vec(module.py(), Vec::new());
    }

    /// The version of the package.
    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");
}
