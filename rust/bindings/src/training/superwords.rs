//! `_core.Superwords`: the second phase of BPE, pass by pass over the text.

use merganser_core::train::Stages;
use merganser_core::train::bpe::{Bounds, SuperwordOptions, Superwords as CoreSuperwords};
use pyo3::prelude::*;

use super::counting::{Counting, count_next_words, count_words};
use super::stages;
use super::trained::Trained;
use crate::call::{long, short};
use crate::documents::PyDocumentReader;

/// The options as Python has them: a dictionary of all, each checked there for its type and range.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Options {
    n_documents: usize,
    n_bytes: u64,
    vocab_sizes: Vec<usize>,
    pre_tokenizer: String,
    max_words: Option<usize>,
    stops: Vec<Vec<u8>>,
    min_frequency: u64,
    forbidden_tokens: Vec<Vec<u8>>,
    max_token_length: Option<usize>,
    max_digits: Option<usize>,
    whole_characters: bool,
    one_script: bool,
    allow_smaller: bool,
}

impl Options {
    fn into_core(self) -> PyResult<SuperwordOptions> {
        let Stages { pre_tokenizer, .. } = stages(None, &self.pre_tokenizer)?;
        Ok(SuperwordOptions {
            vocab_sizes: self.vocab_sizes,
            pre_tokenizer,
            max_words: self.max_words,
            stops: self.stops,
            min_frequency: self.min_frequency,
            bounds: Bounds {
                max_length: self.max_token_length,
                max_digits: self.max_digits,
                whole_characters: self.whole_characters,
                one_script: self.one_script,
                ..Bounds::default()
            },
            forbidden_tokens: self.forbidden_tokens,
            allow_smaller: self.allow_smaller,
        })
    }
}

#[pyclass(frozen, module = "merganser._core")]
pub(crate) struct Superwords(Counting<CoreSuperwords>);

#[pymethods]
impl Superwords {
    /// Goes on from what the first phase gave for `n_documents` of `n_bytes`.
    #[new]
    fn new(
        py: Python<'_>,
        first: &Trained,
        options: Options,
        n_threads: Option<usize>,
    ) -> PyResult<Self> {
        let read = (options.n_documents, options.n_bytes);
        let options = options.into_core()?;
        let phase =
            py.detach(|| short(|| CoreSuperwords::new(&first.0, read, options, n_threads)))?;
        Ok(Self(Counting::new(
            phase,
            "Superwords serve one thread at a time",
            "these Superwords are finished",
        )))
    }

    #[expect(clippy::needless_pass_by_value, reason = "Python hands over a list")]
    fn count(&self, py: Python<'_>, texts: Vec<Bound<'_, PyAny>>) -> PyResult<()> {
        self.0.with(|phase| count_words(py, phase.counter(), &texts))
    }

    /// As `WordCounter.count_next`.
    fn count_next(
        &self,
        py: Python<'_>,
        reader: &PyDocumentReader,
        n_used: usize,
    ) -> PyResult<Option<usize>> {
        self.0.with(|phase| count_next_words(py, phase.counter(), reader, n_used))
    }

    /// A tokenizer for each of the sizes, or `None` if the same text is to be counted once more.
    fn end_pass(
        &self,
        py: Python<'_>,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<Vec<Trained>>> {
        self.0.with(|phase| {
            let trained = long(py, progress, |progress| phase.end_pass(progress))?;
            Ok(trained.map(|trained| trained.into_iter().map(Trained).collect()))
        })
    }
}
