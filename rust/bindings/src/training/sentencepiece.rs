//! `_core.Sentences` and `_core.train_sentencepiece`.

use std::sync::Mutex;

use merganser_core::definition::SentencePieceAlgorithm;
use merganser_core::documents::DocumentBatch;
use merganser_core::format::sentencepiece::trained;
use merganser_core::train::sentencepiece::{
    self, Meta, SentencePieceOptions, Sentences as CoreSentences, UnigramLearning,
};
use merganser_core::train::{Dropped, PieceRules, Trained as CoreTrained};
use pyo3::prelude::*;

use super::trained::Trained;
use super::word_counts::WordCounts;
use crate::call::{long, short};
use crate::convert;
use crate::documents::PyDocumentReader;
use crate::errors::python::{ConfigError, InternalError};

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

/// Bytes of documents read at a time.
const BATCH_BYTES: usize = 4 << 20;

/// What sentences were left out: what and why, how many different ones, how many in all.
type Left = Vec<(String, u64, u64)>;

/// Counts the words of sentences.
#[pyclass(frozen, module = "merganser._core")]
pub(crate) struct Sentences(Mutex<Option<Box<(CoreSentences, usize)>>>);

#[pymethods]
impl Sentences {
    #[new]
    fn new(py: Python<'_>, options: Options) -> PyResult<Self> {
        let options = options.try_into()?;
        let sentences = py.detach(|| short(|| CoreSentences::new(&options)))?;
        Ok(Self(Mutex::new(Some(Box::new((sentences, 0))))))
    }

    #[expect(clippy::needless_pass_by_value, reason = "Python hands over a list")]
    fn count(&self, py: Python<'_>, texts: Vec<Bound<'_, PyAny>>) -> PyResult<()> {
        let mut sentences = self.0.try_lock().map_err(|_| busy())?;
        let Some(sentences) = &mut *sentences else { return Err(finished()) };
        let texts = convert::texts(&texts, sentences.1)?;
        sentences.1 += texts.len();
        long(py, None, |progress| sentences.0.count(&texts, progress))
    }

    /// Counts the next documents of a file, or the next piece of one that is a single document; `None`: there are none.
    /// `n_used` says how much of the last piece was counted.
    fn count_next(
        &self,
        py: Python<'_>,
        reader: &PyDocumentReader,
        n_used: usize,
    ) -> PyResult<Option<usize>> {
        let mut sentences = self.0.try_lock().map_err(|_| busy())?;
        let Some(sentences) = &mut *sentences else { return Err(finished()) };
        let (counter, n_texts) = &mut **sentences;
        if reader.is_whole(py) {
            let Some(is_last) = reader.fill_piece(py, n_used, BATCH_BYTES)? else {
                return Ok(None);
            };
            *n_texts += usize::from(is_last);
            return long(py, None, |progress| {
                let reader = reader.lock();
                counter.count_piece(reader.piece(), is_last, progress).map(Some)
            });
        }
        let mut batch = DocumentBatch::default();
        if !reader.fill(py, BATCH_BYTES, &mut batch)? {
            return Ok(None);
        }
        let texts: Vec<&str> = batch.iter().collect();
        *n_texts += texts.len();
        long(py, None, |progress| counter.count(&texts, progress).map(|()| Some(0)))
    }

    #[getter]
    fn n_texts(&self) -> PyResult<usize> {
        let sentences = self.0.try_lock().map_err(|_| busy())?;
        sentences.as_ref().map(|sentences| sentences.1).ok_or_else(finished)
    }

    #[getter]
    fn n_bytes(&self) -> PyResult<u64> {
        let sentences = self.0.try_lock().map_err(|_| busy())?;
        sentences.as_ref().map(|sentences| sentences.0.n_bytes()).ok_or_else(finished)
    }

    /// The words, and the sentences that were left out.
    fn finish(&self, py: Python<'_>) -> PyResult<(WordCounts, Left)> {
        let taken = self.0.try_lock().map_err(|_| busy())?.take();
        let Some(sentences) = taken else { return Err(finished()) };
        let (counts, dropped) = long(py, None, |progress| sentences.0.finish(progress))?;
        let left = dropped.into_iter();
        let left = left.map(|one| (one.what, one.n_different, one.n_occurrences)).collect();
        Ok((WordCounts(counts), left))
    }
}

fn busy() -> PyErr {
    ConfigError::new_err("Sentences serve one thread at a time")
}

fn finished() -> PyErr {
    InternalError::new_err("these Sentences are finished")
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
