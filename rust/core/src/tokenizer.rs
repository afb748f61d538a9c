//! [`Tokenizer`]: the stages in order, immutable once built.
//!
//! text -> [`Pipeline`] -> model -> post-processor -> ids, and back by token bytes. Every path (one text, a batch, any number
//! of threads, cache cold or warm, compiled or generic) gives the same ids.

mod batch;
mod decode;
mod finish;
mod pre_token;
mod sampling;
mod scratch;
mod tokens;

use std::ops::Range;

use rustc_hash::FxHashSet;

use crate::added_tokens::OnSpecial;
use crate::compiled::splitter::MAX_BATCH;
use crate::compiled::word_cache::Key;
use crate::definition::Definition;
use crate::encoding::Encoding;
use crate::error::{Error, Result};
use crate::model::{Runner, Token};
use crate::pipeline::{Pipeline, TextPart, TracedPiece};
use crate::post_processor::PostProcessor;
use crate::progress::Progress;
use crate::traced::Traced;
use crate::vocab::{BytesIndex, Vocab};

pub use batch::Batch;
pub use decode::DecodeStream;
use decode::Decoding;
pub use finish::{Input, Source};
use scratch::{Scratch, ScratchPool};

/// A tokenizer, ready to run. It never changes, and threads may share it.
#[derive(Debug)]
pub struct Tokenizer {
    definition: Definition,
    vocab: Vocab,
    special_ids: FxHashSet<u32>,
    pipeline: Pipeline,
    model: Runner,
    /// Finds the ids of a model that works on text; one on bytes has an index of its own.
    text_index: Option<BytesIndex>,
    around: (Vec<u32>, Vec<u32>),
    /// The unk token in whose place an encoding tells the unknown text.
    told_unk: Option<u32>,
    decoding: Decoding,
    scratch: ScratchPool,
}

/// What a caller may choose when encoding.
#[derive(Debug, Clone, Copy)]
pub struct EncodeOptions {
    /// Whether the post-processor adds its special ids.
    pub add_special_tokens: bool,
    /// What becomes of a special token's text inside the text.
    pub on_special: OnSpecial,
}

impl Tokenizer {
    /// Compiles a definition.
    ///
    /// # Errors
    /// [`Error::Vocab`] when it contradicts itself, [`Error::Unsupported`] or [`Error::Format`] for a pattern that is not
    /// supported or not valid.
    pub fn new(definition: Definition) -> Result<Self> {
        Self::build(definition, true)
    }

    /// As [`Tokenizer::new`], but with every stage in its generic form: slow, and the same ids.
    ///
    /// # Errors
    /// As [`Tokenizer::new`].
    pub fn new_generic(definition: Definition) -> Result<Self> {
        Self::build(definition, false)
    }

    fn build(definition: Definition, may_compile: bool) -> Result<Self> {
        let special = definition.added_tokens.iter().filter(|token| token.is_special);
        let special_ids = special.map(|token| token.id).collect();
        let (model, mut vocab) = Runner::new(&definition, &special_ids)?;
        let pipeline = Pipeline::new(&definition, may_compile)?;
        let model_ids = vocab.iter().map(|(id, _)| id).collect::<Vec<_>>();
        for token in &definition.added_tokens {
            if vocab.bytes(token.id).is_none() {
                vocab.insert(token.id, token.content.as_bytes())?;
            }
        }
        let around = definition.post_processor.as_ref().map(PostProcessor::around_single);
        let around = around.transpose()?.unwrap_or_default();
        for &id in around.0.iter().chain(&around.1) {
            if vocab.bytes(id).is_none() {
                return Err(Error::Vocab(format!(
                    "the post-processor adds id {id}, which is not in the vocabulary"
                )));
            }
        }
        let text_index = match &model {
            Runner::Bytes(_) => None,
            Runner::Text(_) => Some({
                // Of texts that stand twice the later id counts.
                BytesIndex::new(&vocab, model_ids.into_iter().rev())
            }),
        };
        let told_unk = definition.model.told_unk();
        let decoding = Decoding::new(&definition)?;
        let scratch = ScratchPool::default();
        Ok(Self {
            definition,
            vocab,
            special_ids,
            pipeline,
            model,
            text_index,
            around,
            told_unk,
            decoding,
            scratch,
        })
    }

    /// The data it was built from.
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// The bytes of every id, added tokens included.
    pub fn vocab(&self) -> &Vocab {
        &self.vocab
    }

    /// The id of an added token by its text, or else of an ordinary token by its bytes.
    pub fn token_id(&self, token: &[u8]) -> Option<u32> {
        let mut added = self.definition.added_tokens.iter();
        let found = added.find(|added| added.content.as_bytes() == token);
        found.map(|added| added.id).or_else(|| match (&self.model, &self.text_index) {
            (Runner::Bytes(model), _) => model.token_id(token),
            (_, Some(index)) => index.get(&self.vocab, token),
            _ => None,
        })
    }

    /// The ids of one text, truncated and padded as the definition says.
    ///
    /// # Errors
    /// [`Error::DisallowedSpecial`] for a special token's text unless `options` allow it, [`Error::Unencodable`],
    /// [`Error::PatternLimit`], [`Error::Config`] when the definition's truncation or padding cannot be kept,
    /// [`Error::Interrupted`].
    pub fn encode(
        &self,
        text: &str,
        options: EncodeOptions,
        progress: &Progress,
    ) -> Result<Vec<u32>> {
        let mut ids = Vec::with_capacity(text.len() / 3 + 8);
        let mut scratch = self.scratch.take(1);
        self.encode_into(text, options, progress, &mut scratch[0], &mut ids)?;
        self.scratch.give_back(scratch);
        if let Some(padding) = &self.definition.padding {
            let n_ids = ids.len();
            self.pad_ids(padding, &mut ids, &mut [n_ids])?;
        }
        Ok(ids)
    }

    /// The ids of one text with where each comes from, without those of the post-processor.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_traced(
        &self,
        text: &str,
        on_special: OnSpecial,
        sequence_id: u8,
        progress: &Progress,
    ) -> Result<Encoding> {
        let mut encoding = Encoding::default();
        let mut scratch = self.scratch.take(1);
        let mut tokens = Vec::new();
        let mut word_id = 0;
        self.pipeline.for_each_traced(text, on_special, progress, |piece| {
            match piece {
                TracedPiece::Token(id, span, found) => {
                    let found = Some(found).filter(|&found| self.token_text(id) != Some(found));
                    encoding.push(id, span, (word_id, sequence_id), found);
                }
                TracedPiece::PreToken(text, range) => {
                    tokens.clear();
                    let pre_token = text.text().get(range.clone()).unwrap_or_default();
                    let long = &mut scratch[0].long;
                    let span = |from: usize, to: usize| {
                        text.span(range.start + from..range.start + to)
                            .unwrap_or_else(|| text.place(range.start + from))
                    };
                    self.model.tokenize(pre_token, progress, long, &mut tokens).map_err(
                        |error| error.map_offset(|place| span(place, pre_token.len()).0),
                    )?;
                    for &Token { id, start, end } in &tokens {
                        let found = pre_token.get(start..end).filter(|_| self.told_unk == Some(id));
                        encoding.push(id, span(start, end), (word_id, sequence_id), found);
                    }
                }
            }
            word_id += 1;
            Ok(())
        })?;
        self.scratch.give_back(scratch);
        Ok(encoding)
    }

    fn encode_into(
        &self,
        text: &str,
        options: EncodeOptions,
        progress: &Progress,
        scratch: &mut Scratch,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        let (before, after) = self.around(options);
        ids.extend(before);
        let first = ids.len();
        let done =
            self.pipeline.for_each_part(
                text,
                options.on_special,
                progress,
                |part, base| match part {
                    TextPart::Token(id, ..) => {
                        ids.push(id);
                        Ok(())
                    }
                    TextPart::Text(part) => {
                        let stretch = 0..part.text().len();
                        self.encode_part(part, base, stretch, progress, scratch, ids)
                            .map_err(|error| error.moved_by(base))
                    }
                },
            );
        if let Err(error) = done {
            return Err(self.locate(error, text, options, progress));
        }
        if let Some(truncation) = &self.definition.truncation {
            truncation.truncate_ids(ids, first, before.len() + after.len())?;
        }
        ids.extend(after);
        Ok(())
    }

    /// The ids that the post-processor puts before and after a single text.
    fn around(&self, options: EncodeOptions) -> (&[u32], &[u32]) {
        if options.add_special_tokens {
            (&self.around.0, &self.around.1)
        } else {
            Default::default()
        }
    }

    /// The error with its offset exact: where stages rewrite the text, the same error is met again with every byte traced.
    fn locate(
        &self,
        error: Error,
        text: &str,
        options: EncodeOptions,
        progress: &Progress,
    ) -> Error {
        if matches!(error, Error::Interrupted) || self.pipeline.keeps_places() {
            return error;
        }
        self.encode_traced(text, options.on_special, 0, progress).err().unwrap_or(error)
    }

    fn encode_part(
        &self,
        part: &Traced<'_>,
        base: usize,
        stretch: Range<usize>,
        progress: &Progress,
        scratch: &mut Scratch,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        self.pipeline.for_each_batch(part, base, stretch, progress, |text, bounds| {
            self.encode_pre_tokens(text, bounds, progress, scratch, ids)
        })
    }

    /// Appends the ids of the pre-tokens `text[bounds[i]..bounds[i + 1]]`.
    ///
    /// Ids of known pre-tokens are gathered four at a time in a buffer, of which as many count as there are, so that nothing
    /// depends on how many a pre-token has.
    fn encode_pre_tokens(
        &self,
        text: &str,
        bounds: &[usize],
        progress: &Progress,
        scratch: &mut Scratch,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        let mut keys = [None; MAX_BATCH];
        for (key, bound) in keys.iter_mut().zip(bounds.windows(2)) {
            *key = Key::new(text.as_bytes(), bound[0], bound[1]);
            if let Some(key) = *key {
                scratch.words.prefetch(key);
            }
        }
        let mut known = [0; 256];
        let mut n_known = 0;
        for (&key, bound) in keys.iter().zip(bounds.windows(2)) {
            let (from, to) = (bound[0], bound[1]);
            if let Some(value) = key.and_then(|key| scratch.words.get(key)) {
                if n_known + value.len() > known.len() {
                    ids.extend_from_slice(&known[..n_known]);
                    n_known = 0;
                }
                known[n_known..n_known + value.len()].copy_from_slice(value);
                n_known += value[value.len() - 1] as usize;
                continue;
            }
            ids.extend_from_slice(&known[..n_known]);
            n_known = 0;
            self.encode_rare(text, from..to, key, progress, scratch, ids)?;
        }
        ids.extend_from_slice(&known[..n_known]);
        Ok(())
    }

    #[inline(never)]
    fn encode_rare(
        &self,
        text: &str,
        pre_token: Range<usize>,
        key: Option<Key>,
        progress: &Progress,
        scratch: &mut Scratch,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        let bytes = &text.as_bytes()[pre_token.clone()];
        if let Some(known) = scratch.words.get_long(bytes) {
            ids.extend_from_slice(known);
            return Ok(());
        }
        let first = ids.len();
        match &self.model {
            Runner::Bytes(model) => {
                pre_token::encode_bytes(model, text.as_bytes(), pre_token, progress, scratch, ids)?;
            }
            Runner::Text(model) => {
                pre_token::encode_text(model.as_ref(), text, pre_token, progress, scratch, ids)?;
            }
        }
        if !key.is_some_and(|key| scratch.words.insert(key, &ids[first..])) {
            scratch.words.insert_long(bytes, &ids[first..]);
        }
        Ok(())
    }

    /// The pre-tokens of a text, added tokens whole.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn pre_tokenize(
        &self,
        text: &str,
        on_special: OnSpecial,
        progress: &Progress,
    ) -> Result<Vec<String>> {
        let mut pieces = Vec::new();
        self.pipeline.for_each_part(text, on_special, progress, |part, base| match part {
            TextPart::Token(id, ..) => {
                let bytes = self.vocab.bytes(id).unwrap_or_default();
                pieces.push(String::from_utf8_lossy(bytes).into_owned());
                Ok(())
            }
            TextPart::Text(part) => self
                .pipeline
                .for_each_batch(part, base, 0..part.text().len(), progress, |text, bounds| {
                    let pieces_of =
                        bounds.windows(2).filter_map(|bound| text.get(bound[0]..bound[1]));
                    pieces.extend(pieces_of.map(str::to_owned));
                    Ok(())
                })
                .map_err(|error| error.moved_by(base)),
        })?;
        Ok(pieces)
    }
}
