//! `_core.Tokenizer`.

use std::borrow::Cow;

use merganser_core::added_tokens::AddedToken;
use merganser_core::definition::Model;
use merganser_core::format::{hf_json, sentencepiece, tekken, tiktoken, vocab_merges, vocab_txt};
use merganser_core::progress::Progress;
use merganser_core::{Definition, Error, Result, Tokenizer as CoreTokenizer};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};

use crate::call::{long, short};
use crate::convert;
use crate::decode_stream::DecodeStream;
use crate::encoding::{self, PaddingFields, TruncationFields};
use crate::errors::python::ConfigError;
use crate::errors::to_py_err;

/// Text from this size on is encoded with the GIL released.
const DETACH_BYTES: usize = 1 << 12;
/// Text from this size on is encoded on a thread of its own, so that Ctrl-C is heard.
const LONG_BYTES: usize = 1 << 18;
/// The largest vocabulary whose ids fit 16 bits.
const MAX_NARROW: usize = 1 << 16;

/// Boxed: the core aligns some tables to more than Python aligns its objects to.
#[pyclass(frozen, module = "merganser._core")]
pub(crate) struct Tokenizer(Box<CoreTokenizer>);

impl Tokenizer {
    pub(crate) fn new(definition: Definition) -> Result<Self> {
        Ok(Self(Box::new(CoreTokenizer::new(definition)?)))
    }

    pub(crate) fn core(&self) -> &CoreTokenizer {
        &self.0
    }

    pub(crate) fn run<T: Send>(
        &self,
        py: Python<'_>,
        n_bytes: usize,
        work: impl FnOnce(&CoreTokenizer, &Progress) -> Result<T> + Send,
    ) -> PyResult<T> {
        if n_bytes >= LONG_BYTES {
            long(py, None, |progress| work(&self.0, progress))
        } else if n_bytes >= DETACH_BYTES {
            py.detach(|| short(|| work(&self.0, &Progress::default())))
        } else {
            short(|| work(&self.0, &Progress::default()))
        }
    }

    /// The definition with `change` made to it, compiled.
    fn changed<T: Send>(
        &self,
        py: Python<'_>,
        change: impl FnOnce(&mut Definition) -> Result<T> + Send,
    ) -> PyResult<(Self, T)> {
        py.detach(|| {
            short(|| {
                let mut definition = self.0.definition().clone();
                let value = change(&mut definition)?;
                Ok((Self::new(definition)?, value))
            })
        })
    }
}

#[pymethods]
impl Tokenizer {
    #[staticmethod]
    fn from_json(py: Python<'_>, data: &[u8]) -> PyResult<Self> {
        py.detach(|| short(|| Self::new(hf_json::read(data)?)))
    }

    #[staticmethod]
    #[expect(clippy::needless_pass_by_value, reason = "Python hands over a list")]
    fn from_tiktoken(
        py: Python<'_>,
        data: &[u8],
        pattern: Option<&str>,
        special_tokens: Option<Vec<(String, u32)>>,
    ) -> PyResult<Self> {
        py.detach(|| short(|| Self::new(tiktoken::read(data, pattern, special_tokens.as_deref())?)))
    }

    #[staticmethod]
    fn from_tekken(py: Python<'_>, data: &[u8]) -> PyResult<Self> {
        py.detach(|| short(|| Self::new(tekken::read(data)?)))
    }

    #[staticmethod]
    #[expect(clippy::needless_pass_by_value, reason = "Python hands over a list")]
    fn from_vocab_merges(
        py: Python<'_>,
        vocab: &[u8],
        merges: &[u8],
        special_tokens: Vec<String>,
    ) -> PyResult<Self> {
        py.detach(|| short(|| Self::new(vocab_merges::read(vocab, merges, &special_tokens)?)))
    }

    #[staticmethod]
    fn from_sentencepiece(py: Python<'_>, data: &[u8]) -> PyResult<Self> {
        py.detach(|| short(|| Self::new(sentencepiece::read(data)?)))
    }

    #[staticmethod]
    fn from_vocab_txt(
        py: Python<'_>,
        data: &[u8],
        lowercase: bool,
        strip_accents: Option<bool>,
        handle_chinese_chars: bool,
    ) -> PyResult<Self> {
        let casing = vocab_txt::Casing { lowercase, strip_accents, handle_chinese_chars };
        py.detach(|| short(|| Self::new(vocab_txt::read(data, casing)?)))
    }

    fn to_json(&self, py: Python<'_>, pretty: bool) -> PyResult<String> {
        let definition = self.0.definition();
        py.detach(|| {
            short(|| {
                Ok(if pretty {
                    hf_json::write_pretty(definition)
                } else {
                    hf_json::write(definition)
                })
            })
        })
    }

    fn to_tiktoken<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let data = py.detach(|| short(|| tiktoken::write(self.0.definition())))?;
        Ok(PyBytes::new(py, &data))
    }

    fn to_tekken<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let data = py.detach(|| short(|| tekken::write(self.0.definition())))?;
        Ok(PyBytes::new(py, &data))
    }

    fn to_vocab_merges<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        let (vocab, merges) = py.detach(|| short(|| vocab_merges::write(self.0.definition())))?;
        Ok((PyBytes::new(py, &vocab), PyBytes::new(py, &merges)))
    }

    fn to_sentencepiece<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let data = py.detach(|| short(|| sentencepiece::write(self.0.definition())))?;
        Ok(PyBytes::new(py, &data))
    }

    #[getter]
    fn family(&self) -> &'static str {
        match self.0.definition().model {
            Model::Bpe(_) => "BPE",
            Model::WordPiece(_) => "WordPiece",
            Model::Unigram(_) => "Unigram",
            Model::WordLevel(_) => "WordLevel",
            Model::SentencePiece(_) => "SentencePiece",
        }
    }

    /// The nearest tokenizer that Hugging Face's library has the words for, and in what it differs.
    fn to_hugging_face(&self, py: Python<'_>) -> PyResult<(Self, Vec<String>)> {
        py.detach(|| {
            short(|| {
                let (definition, differences) =
                    sentencepiece::to_hugging_face(self.0.definition())?;
                Ok((Self::new(definition)?, differences))
            })
        })
    }

    /// What the file does not say (lower case, accents, Chinese characters) is left behind.
    fn to_vocab_txt<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let (data, _) = py.detach(|| short(|| vocab_txt::write(self.0.definition())))?;
        Ok(PyBytes::new(py, &data))
    }

    #[getter]
    fn training(&self) -> Option<&str> {
        self.0.definition().training.as_deref()
    }

    #[getter]
    fn fingerprint(&self, py: Python<'_>) -> PyResult<String> {
        py.detach(|| short(|| Ok(hf_json::fingerprint(self.0.definition()))))
    }

    #[getter]
    fn vocab_size(&self) -> usize {
        self.0.vocab().size()
    }

    #[getter]
    fn n_tokens(&self) -> usize {
        self.0.vocab().n_tokens()
    }

    #[getter]
    fn added_tokens(&self) -> Vec<(String, u32, bool)> {
        let tokens = self.0.definition().added_tokens.iter();
        tokens.map(|token| (token.content.clone(), token.id, token.is_special)).collect()
    }

    /// Id, content, `single_word`, `lstrip`, `rstrip`, `normalized`, `special` of each added token.
    #[getter]
    fn added_token_flags(&self) -> Vec<(u32, &str, bool, bool, bool, bool, bool)> {
        let tokens = self.0.definition().added_tokens.iter();
        tokens
            .map(|token| {
                (
                    token.id,
                    token.content.as_str(),
                    token.is_single_word,
                    token.strips_left,
                    token.strips_right,
                    token.is_normalized,
                    token.is_special,
                )
            })
            .collect()
    }

    fn vocab<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let vocab = PyDict::new(py);
        for (id, bytes) in self.0.vocab().iter() {
            let bytes = self.0.token_bytes(id).unwrap_or(Cow::Borrowed(bytes));
            vocab.set_item(PyBytes::new(py, &bytes), id)?;
        }
        Ok(vocab)
    }

    fn token_bytes<'py>(&self, py: Python<'py>, id: u32) -> PyResult<Bound<'py, PyBytes>> {
        let Some(bytes) = self.0.token_bytes(id) else {
            let vocab_size = self.0.vocab().size();
            return Err(to_py_err(&Error::UnknownToken { id, position: 0, vocab_size }));
        };
        Ok(PyBytes::new(py, &bytes))
    }

    fn token_text(&self, id: u32) -> PyResult<&str> {
        self.0.token_text(id).ok_or_else(|| {
            to_py_err(&Error::UnknownToken { id, position: 0, vocab_size: self.0.vocab().size() })
        })
    }

    /// Text and id of each token of the model.
    fn model_tokens(&self) -> Vec<(&str, u32)> {
        self.0.definition().model.tokens().collect()
    }

    #[getter]
    fn truncation(&self) -> Option<TruncationFields> {
        self.0.definition().truncation.as_ref().map(encoding::truncation_fields)
    }

    #[getter]
    fn padding(&self) -> Option<PaddingFields> {
        self.0.definition().padding.as_ref().map(encoding::padding_fields)
    }

    #[expect(clippy::needless_pass_by_value, reason = "Python hands over a tuple")]
    fn with_truncation(&self, py: Python<'_>, fields: Option<TruncationFields>) -> PyResult<Self> {
        let truncation = fields.as_ref().map(encoding::truncation).transpose()?;
        let (changed, ()) = self.changed(py, |definition| {
            definition.truncation = truncation;
            Ok(())
        })?;
        Ok(changed)
    }

    #[expect(clippy::needless_pass_by_value, reason = "Python hands over a tuple")]
    fn with_padding(&self, py: Python<'_>, fields: Option<PaddingFields>) -> PyResult<Self> {
        let padding = fields.as_ref().map(encoding::padding).transpose()?;
        let (changed, ()) = self.changed(py, |definition| {
            definition.padding = padding;
            Ok(())
        })?;
        Ok(changed)
    }

    /// `tokens`: content, `single_word`, `lstrip`, `rstrip`, `normalized`, `special`. Also how many are new or changed.
    fn with_added_tokens(
        &self,
        py: Python<'_>,
        tokens: Vec<(String, bool, bool, bool, bool, bool)>,
    ) -> PyResult<(Self, usize)> {
        let tokens = tokens.into_iter().map(
            |(content, is_single_word, strips_left, strips_right, is_normalized, is_special)| {
                AddedToken {
                    id: 0,
                    content,
                    is_single_word,
                    strips_left,
                    strips_right,
                    is_normalized,
                    is_special,
                }
            },
        );
        let tokens = tokens.collect();
        self.changed(py, |definition| definition.add_tokens(tokens))
    }

    fn token_to_id(&self, token: &[u8]) -> Option<u32> {
        self.0.token_id(token)
    }

    fn encode<'py>(
        &self,
        py: Python<'py>,
        text: &Bound<'py, PyAny>,
        add_special_tokens: bool,
        on_special: &Bound<'_, PyAny>,
        n_threads: Option<usize>,
    ) -> PyResult<Bound<'py, PyList>> {
        let text = convert::text(text)?;
        let options = convert::options(add_special_tokens, on_special)?;
        let ids = self.run(py, text.len(), |tokenizer, progress| {
            tokenizer.encode_with_threads(text, options, n_threads, progress)
        })?;
        PyList::new(py, ids)
    }

    fn encode_array<'py>(
        &self,
        py: Python<'py>,
        text: &Bound<'py, PyAny>,
        add_special_tokens: bool,
        on_special: &Bound<'_, PyAny>,
        is_wide: Option<bool>,
        n_threads: Option<usize>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let text = convert::text(text)?;
        let options = convert::options(add_special_tokens, on_special)?;
        let is_wide = self.is_wide(is_wide)?;
        let ids = self.run(py, text.len(), |tokenizer, progress| {
            tokenizer.encode_with_threads(text, options, n_threads, progress)
        })?;
        Ok(convert::id_array(py, ids, is_wide))
    }

    fn count<'py>(
        &self,
        py: Python<'py>,
        text: &Bound<'py, PyAny>,
        add_special_tokens: bool,
        on_special: &Bound<'_, PyAny>,
    ) -> PyResult<usize> {
        let text = convert::text(text)?;
        let options = convert::options(add_special_tokens, on_special)?;
        self.run(py, text.len(), |tokenizer, progress| {
            Ok(tokenizer.encode(text, options, progress)?.len())
        })
    }

    #[expect(clippy::needless_pass_by_value, reason = "Python hands over a list")]
    fn encode_batch<'py>(
        &self,
        py: Python<'py>,
        texts: Vec<Bound<'py, PyAny>>,
        add_special_tokens: bool,
        on_special: &Bound<'_, PyAny>,
        is_wide: Option<bool>,
        n_threads: Option<usize>,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let texts = convert::texts(&texts, 0)?;
        let options = convert::options(add_special_tokens, on_special)?;
        let is_wide = self.is_wide(is_wide)?;
        let n_bytes = texts.iter().map(|text| text.len()).sum();
        let batch = self.run(py, n_bytes, |tokenizer, progress| {
            tokenizer.encode_batch(&texts, options, n_threads, progress)
        })?;
        let offsets = convert::offset_array(py, &batch.lengths)?;
        Ok((convert::id_array(py, batch.ids, is_wide), offsets))
    }

    #[expect(clippy::too_many_arguments, reason = "one parameter an option, named in Python")]
    #[expect(clippy::needless_pass_by_value, reason = "Python hands over tuples")]
    fn encoding<'py>(
        &self,
        py: Python<'py>,
        text: &Bound<'py, PyAny>,
        pair: Option<Bound<'py, PyAny>>,
        add_special_tokens: bool,
        on_special: &Bound<'_, PyAny>,
        truncation: Option<TruncationFields>,
        padding: Option<PaddingFields>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let text = convert::text(text)?;
        let pair = pair.as_ref().map(convert::text).transpose()?;
        let options = convert::options(add_special_tokens, on_special)?;
        let truncation = truncation.as_ref().map(encoding::truncation).transpose()?;
        let padding = padding.as_ref().map(encoding::padding).transpose()?;
        let n_bytes = text.len() + pair.map_or(0, str::len);
        let encoding = self.run(py, n_bytes, |tokenizer, progress| {
            tokenizer.encoding(text, pair, options, truncation.as_ref(), padding.as_ref(), progress)
        })?;
        encoding::arrays(py, encoding)
    }

    #[expect(clippy::too_many_arguments, reason = "one parameter an option, named in Python")]
    #[expect(clippy::needless_pass_by_value, reason = "Python hands over lists and tuples")]
    fn encodings<'py>(
        &self,
        py: Python<'py>,
        inputs: Vec<(Bound<'py, PyAny>, Option<Bound<'py, PyAny>>)>,
        add_special_tokens: bool,
        on_special: &Bound<'_, PyAny>,
        truncation: Option<TruncationFields>,
        padding: Option<PaddingFields>,
        n_threads: Option<usize>,
    ) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let options = convert::options(add_special_tokens, on_special)?;
        let truncation = truncation.as_ref().map(encoding::truncation).transpose()?;
        let padding = padding.as_ref().map(encoding::padding).transpose()?;
        let parts = encoding::parts(&inputs)?;
        let (inputs, n_bytes) = encoding::sources(&parts);
        let encodings = self.run(py, n_bytes, |tokenizer, progress| {
            let (truncation, padding) = (truncation.as_ref(), padding.as_ref());
            tokenizer.encodings(&inputs, options, truncation, padding, n_threads, progress)
        })?;
        encodings.into_iter().map(|encoding| encoding::arrays(py, encoding)).collect()
    }

    fn decode(
        &self,
        py: Python<'_>,
        ids: &Bound<'_, PyAny>,
        skip_special_tokens: bool,
    ) -> PyResult<String> {
        let ids = convert::ids(ids)?;
        self.run(py, ids.len() * size_of::<u32>(), |tokenizer, progress| {
            tokenizer.decode(&ids, skip_special_tokens, progress)
        })
    }

    fn decode_bytes<'py>(
        &self,
        py: Python<'py>,
        ids: &Bound<'py, PyAny>,
        skip_special_tokens: bool,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let ids = convert::ids(ids)?;
        let bytes = self.run(py, ids.len() * size_of::<u32>(), |tokenizer, progress| {
            tokenizer.decode_bytes(&ids, skip_special_tokens, progress)
        })?;
        Ok(PyBytes::new(py, &bytes))
    }

    fn decode_stream(this: Py<Self>, skip_special_tokens: bool) -> DecodeStream {
        DecodeStream::new(this, skip_special_tokens)
    }

    fn pre_tokenize(
        &self,
        py: Python<'_>,
        text: &Bound<'_, PyAny>,
        on_special: &Bound<'_, PyAny>,
    ) -> PyResult<Vec<String>> {
        let text = convert::text(text)?;
        let on_special = convert::options(false, on_special)?.on_special;
        self.run(py, text.len(), |tokenizer, progress| {
            tokenizer.pre_tokenize(text, on_special, progress)
        })
    }
}

impl Tokenizer {
    /// Whether ids are of 32 bits, as asked or as the vocabulary needs.
    pub(crate) fn is_wide(&self, asked: Option<bool>) -> PyResult<bool> {
        let vocab_size = self.0.vocab().size();
        match asked {
            Some(false) if vocab_size > MAX_NARROW => Err(ConfigError::new_err(format!(
                "dtype uint16 holds ids below {MAX_NARROW}, and vocab_size is {vocab_size}"
            ))),
            Some(is_wide) => Ok(is_wide),
            None => Ok(vocab_size > MAX_NARROW),
        }
    }
}
