//! `_core.Sentences` and `_core.train_sentencepiece`.

use std::path::PathBuf;

use merganser_core::definition::SentencePieceAlgorithm;
use merganser_core::format::sentencepiece::trained;
use merganser_core::train::sentencepiece::{
    self, Meta, SentencePieceOptions, Sentences as CoreSentences, UnigramLearning,
};
use merganser_core::train::{Dropped, PieceRules, Trained as CoreTrained};
use pyo3::prelude::*;

use super::counting::{Counting, Read, count_next, spilling};
use super::trained::Trained;
use super::word_counts::{Found, WordCounts, found};
use crate::call::{long, short};
use crate::convert;
use crate::documents::PyDocumentReader;
use crate::errors::python::ConfigError;

/// The options, as Python gives them: a dictionary of named values.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
#[expect(clippy::struct_excessive_bools, reason = "SentencePiece's own flags")]
pub(crate) struct Options {
    model_type: String,
    vocab_size: usize,
    normalization_rule_name: String,
    add_dummy_prefix: bool,
    remove_extra_whitespaces: bool,
    max_sentencepiece_length: usize,
    split_by_unicode_script: bool,
    split_by_number: bool,
    split_by_whitespace: bool,
    split_digits: bool,
    treat_whitespace_as_suffix: bool,
    allow_whitespace_only_pieces: bool,
    character_coverage: f32,
    required_chars: String,
    byte_fallback: bool,
    control_symbols: Vec<String>,
    user_defined_symbols: Vec<String>,
    unk: (Option<u32>, String),
    bos: (Option<u32>, String),
    eos: (Option<u32>, String),
    pad: (Option<u32>, String),
    unk_surface: String,
    hard_vocab_limit: bool,
    max_sentence_length: Option<usize>,
    seed_sentencepiece_size: usize,
    shrinking_factor: f32,
    num_sub_iterations: usize,
    n_threads: Option<usize>,
}

impl TryFrom<Options> for SentencePieceOptions {
    type Error = PyErr;

    fn try_from(options: Options) -> PyResult<Self> {
        let meta = |(id, piece)| Meta { id, piece };
        Ok(Self {
            algorithm: match options.model_type.as_str() {
                "unigram" => SentencePieceAlgorithm::Unigram,
                "bpe" => SentencePieceAlgorithm::Bpe,
                "char" => SentencePieceAlgorithm::Char,
                "word" => SentencePieceAlgorithm::Word,
                other => {
                    return Err(ConfigError::new_err(format!(
                        "model_type must be \"unigram\", \"bpe\", \"char\" or \"word\", got {other:?}"
                    )));
                }
            },
            vocab_size: options.vocab_size,
            normalization_rule_name: options.normalization_rule_name,
            add_dummy_prefix: options.add_dummy_prefix,
            remove_extra_whitespaces: options.remove_extra_whitespaces,
            rules: PieceRules {
                max_length: options.max_sentencepiece_length,
                split_by_unicode_script: options.split_by_unicode_script,
                split_by_number: options.split_by_number,
                split_by_whitespace: options.split_by_whitespace,
                split_digits: options.split_digits,
                treat_whitespace_as_suffix: options.treat_whitespace_as_suffix,
                allow_whitespace_only_pieces: options.allow_whitespace_only_pieces,
            },
            character_coverage: options.character_coverage,
            required_chars: options.required_chars,
            byte_fallback: options.byte_fallback,
            control_symbols: options.control_symbols,
            user_defined_symbols: options.user_defined_symbols,
            unk: meta(options.unk),
            bos: meta(options.bos),
            eos: meta(options.eos),
            pad: meta(options.pad),
            unk_surface: options.unk_surface,
            hard_vocab_limit: options.hard_vocab_limit,
            max_sentence_length: options.max_sentence_length,
            unigram: UnigramLearning {
                seed_size: options.seed_sentencepiece_size,
                shrinking_factor: options.shrinking_factor,
                n_sub_iterations: options.num_sub_iterations,
            },
            n_threads: options.n_threads,
        })
    }
}

/// What sentences were left out: what and why, how many different ones, how many in all.
type Left = Vec<(String, u64, u64)>;

/// Counts the words of sentences.
#[pyclass(frozen, module = "merganser._core")]
pub(crate) struct Sentences(Counting<CoreSentences>);

#[pymethods]
impl Sentences {
    #[new]
    fn new(
        py: Python<'_>,
        options: Options,
        max_memory: Option<usize>,
        spill_folder: Option<PathBuf>,
    ) -> PyResult<Self> {
        let options = options.try_into()?;
        let spilling = spilling(max_memory, spill_folder);
        let sentences = py.detach(|| short(|| CoreSentences::new(&options, spilling)))?;
        Ok(Self(Counting::new(
            sentences,
            "Sentences serve one thread at a time",
            "these Sentences are finished",
        )))
    }

    #[expect(clippy::needless_pass_by_value, reason = "Python hands over a list")]
    fn count(&self, py: Python<'_>, texts: Vec<Bound<'_, PyAny>>) -> PyResult<()> {
        self.0.with(|sentences| {
            let texts = convert::texts(&texts, sentences.n_texts())?;
            long(py, None, |progress| sentences.count(&texts, progress))
        })
    }

    /// Counts the next documents of a file, or the next piece of one that is a single document; `None`: there are none.
    /// `n_used` says how much of the last piece was counted.
    fn count_next(
        &self,
        py: Python<'_>,
        reader: &PyDocumentReader,
        n_used: usize,
    ) -> PyResult<Option<usize>> {
        self.0.with(|sentences| {
            count_next(py, reader, n_used, true, |read, progress| match read {
                Read::Piece(text, is_last) => sentences.count_piece(text, is_last, progress),
                Read::Texts(texts) => sentences.count(texts, progress).map(|()| 0),
            })
        })
    }

    #[getter]
    fn n_texts(&self) -> PyResult<usize> {
        self.0.with(|sentences| Ok(sentences.n_texts()))
    }

    #[getter]
    fn n_bytes(&self) -> PyResult<u64> {
        self.0.with(|sentences| Ok(sentences.n_bytes()))
    }

    /// The words, as a `WordCounter` finds them, and the sentences that were left out.
    fn finish(
        &self,
        py: Python<'_>,
        min_count: u64,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<(Found, Left)> {
        let sentences = self.0.finish(Ok)?;
        let (counted, dropped) =
            long(py, progress, |progress| sentences.finish(min_count, progress))?;
        let left = dropped.into_iter();
        let left = left.map(|one| (one.what, one.n_different, one.n_occurrences)).collect();
        Ok((found(counted), left))
    }
}

#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "Python hands over objects")]
pub(crate) fn train_sentencepiece(
    py: Python<'_>,
    counts: &WordCounts,
    left: Left,
    options: Options,
    progress: Option<Bound<'_, PyAny>>,
) -> PyResult<Trained> {
    let options = options.try_into()?;
    let left = left.into_iter();
    let dropped =
        left.map(|(what, n_different, n_occurrences)| Dropped { what, n_different, n_occurrences });
    let dropped = dropped.collect();
    let trained = long(py, progress.as_ref(), |progress| {
        let learned = sentencepiece::learn(&counts.0, dropped, &options, progress)?;
        Ok(CoreTrained { definition: trained(&learned, &options)?, report: learned.report })
    })?;
    Ok(Trained(trained))
}
