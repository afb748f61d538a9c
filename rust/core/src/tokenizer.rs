//! [`Tokenizer`]: the stages in order, immutable once built.
//!
//! text -> added tokens -> normalizer -> pre-tokenizer -> model -> post-processor -> ids, and back by token bytes.
//! Every path (one text, a batch, any number of threads, cache cold or warm, compiled or generic) gives the same ids.

mod batch;
mod scratch;

use std::borrow::Cow;
use std::ops::Range;

use crate::added_tokens::{AddedTokens, OnSpecial, Part};
use crate::compiled::CompiledPreTokenizer;
use crate::compiled::splitter::Scheme;
use crate::compiled::word_cache::Key;
use crate::definition::{Definition, Model};
use crate::error::{Error, Result};
use crate::model::bpe::Bpe;
use crate::normalizer::Normalizer;
use crate::pre_tokenizer::GenericPreTokenizer;
use crate::progress::Progress;
use crate::vocab::Vocab;

pub use batch::Batch;
use scratch::{Scratch, ScratchPool};

/// Bytes of text between two looks at [`Progress`].
const POLL_BYTES: usize = 1 << 16;

/// A tokenizer, ready to run. It never changes, and threads may share it.
#[derive(Debug)]
pub struct Tokenizer {
    definition: Definition,
    vocab: Vocab,
    added: AddedTokens,
    normalizer: Option<Normalizer>,
    pre_tokenizer: PreTokenizing,
    model: Bpe,
    around: (Vec<u32>, Vec<u32>),
    scratch: ScratchPool,
}

#[derive(Debug)]
enum PreTokenizing {
    Compiled(CompiledPreTokenizer),
    Generic(GenericPreTokenizer),
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
        let Model::Bpe(bpe) = &definition.model;
        let model = Bpe::new(bpe)?;
        let normalizer = definition.normalizer.clone();
        let normalize = |text: &str| match &normalizer {
            Some(normalizer) => normalizer.normalize(text).into_owned(),
            None => text.to_owned(),
        };
        let added = AddedTokens::new(definition.added_tokens.clone(), normalize)?;
        let mut vocab = model.vocab().clone();
        for token in added.tokens() {
            if vocab.bytes(token.id).is_none() {
                vocab.insert(token.id, token.content.as_bytes())?;
            }
        }
        let pre_tokenizer = definition.pre_tokenizer.as_ref();
        let compiled = CompiledPreTokenizer::recognise(pre_tokenizer).filter(|_| may_compile);
        let pre_tokenizer = match compiled {
            Some(compiled) => PreTokenizing::Compiled(compiled),
            None => PreTokenizing::Generic(GenericPreTokenizer::new(pre_tokenizer)?),
        };
        let around = definition
            .post_processor
            .as_ref()
            .map(|p| p.around_single());
        let around = around.unwrap_or_default();
        for &id in around.0.iter().chain(&around.1) {
            if vocab.bytes(id).is_none() {
                return Err(Error::Vocab(format!(
                    "the post-processor adds id {id}, which is not in the vocabulary"
                )));
            }
        }
        Ok(Self {
            definition,
            vocab,
            added,
            normalizer,
            pre_tokenizer,
            model,
            around,
            scratch: ScratchPool::default(),
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

    /// Whether the pre-tokenizer runs in compiled form.
    pub fn is_compiled(&self) -> bool {
        matches!(self.pre_tokenizer, PreTokenizing::Compiled(_))
    }

    /// The id of an added token by its text, or else of an ordinary token by its bytes.
    pub fn token_id(&self, token: &[u8]) -> Option<u32> {
        let added = self
            .added
            .tokens()
            .iter()
            .find(|added| added.content.as_bytes() == token);
        added
            .map(|added| added.id)
            .or_else(|| self.model.token_id(token))
    }

    /// The ids of one text.
    ///
    /// # Errors
    /// [`Error::DisallowedSpecial`] for a special token's text unless `options` allow it, [`Error::Unencodable`],
    /// [`Error::PatternLimit`], [`Error::Interrupted`].
    pub fn encode(
        &self,
        text: &str,
        options: EncodeOptions,
        progress: &Progress,
    ) -> Result<Vec<u32>> {
        // About four bytes a token in English; a batch of short texts must not over-allocate.
        let mut ids = Vec::with_capacity(text.len() / 3 + 8);
        self.scratch
            .with(|scratch| self.encode_into(text, options, progress, scratch, &mut ids))?;
        Ok(ids)
    }

    fn encode_into(
        &self,
        text: &str,
        options: EncodeOptions,
        progress: &Progress,
        scratch: &mut Scratch,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        if options.add_special_tokens {
            ids.extend(&self.around.0);
        }
        self.for_each_part(text, options.on_special, |part, base| match part {
            EncodePart::Token(id) => {
                ids.push(id);
                Ok(())
            }
            EncodePart::Text(part) => self
                .encode_part(part, 0..part.len(), progress, scratch, ids)
                .map_err(|error| error.moved_by(base)),
        })?;
        if options.add_special_tokens {
            ids.extend(&self.around.1);
        }
        Ok(())
    }

    /// Calls `each` with every added token, and every stretch between them, normalized, with its place in `text` (exact
    /// where no normalizer has changed it).
    fn for_each_part(
        &self,
        text: &str,
        on_special: OnSpecial,
        mut each: impl FnMut(EncodePart<'_>, usize) -> Result<()>,
    ) -> Result<()> {
        for part in self.added.cut_raw(text, on_special)? {
            let range = match part {
                Part::Token { index, start } => {
                    each(EncodePart::Token(self.added.tokens()[index].id), start)?;
                    continue;
                }
                Part::Text(range) => range,
            };
            let base = range.start;
            let raw = text.get(range).unwrap_or_default();
            let normalized = match &self.normalizer {
                Some(normalizer) => normalizer.normalize(raw),
                None => Cow::Borrowed(raw),
            };
            let parts = self.added.cut_normalized(&normalized, on_special);
            for part in parts.map_err(|error| error.moved_by(base))? {
                match part {
                    Part::Token { index, start } => {
                        each(
                            EncodePart::Token(self.added.tokens()[index].id),
                            base + start,
                        )?;
                    }
                    Part::Text(range) => {
                        let start = base + range.start;
                        each(
                            EncodePart::Text(normalized.get(range).unwrap_or_default()),
                            start,
                        )?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Encodes `part[stretch]`: the whole part, or a stretch between two boundaries of a compiled pre-tokenizer.
    fn encode_part(
        &self,
        part: &str,
        stretch: Range<usize>,
        progress: &Progress,
        scratch: &mut Scratch,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        let mut emit = Emitter {
            model: &self.model,
            scratch,
            ids,
            progress,
            polled: stretch.start,
        };
        match &self.pre_tokenizer {
            PreTokenizing::Compiled(compiled)
                if compiled.add_prefix_space && stretch.start == 0 && !part.starts_with(' ') =>
            {
                // A later stretch never needs the space: it does not start the part.
                let spaced = [" ", part].concat();
                emit.compiled(compiled.scheme, &spaced, 0..stretch.end + 1)
            }
            PreTokenizing::Compiled(compiled) => emit.compiled(compiled.scheme, part, stretch),
            PreTokenizing::Generic(generic) => {
                let pre_tokens = generic.pre_tokenize(part)?;
                for range in pre_tokens.ranges {
                    emit.pre_token(pre_tokens.text.as_bytes(), range.start, range.end)?;
                }
                Ok(())
            }
        }
    }

    /// The bytes that `ids` stand for.
    ///
    /// # Errors
    /// [`Error::UnknownToken`] with the position of the first id that is not in the vocabulary.
    pub fn decode(&self, ids: &[u32], skip_special_tokens: bool) -> Result<Vec<u8>> {
        let special = |id: u32| {
            skip_special_tokens
                && self
                    .added
                    .tokens()
                    .iter()
                    .any(|token| token.is_special && token.id == id)
        };
        let mut bytes = Vec::with_capacity(ids.len() * 4);
        for (position, &id) in ids.iter().enumerate() {
            let Some(token) = self.vocab.bytes(id) else {
                let vocab_size = self.vocab.size();
                return Err(Error::UnknownToken {
                    id,
                    position,
                    vocab_size,
                });
            };
            if !special(id) {
                bytes.extend_from_slice(token);
            }
        }
        Ok(bytes)
    }

    /// The pre-tokens of a text, added tokens whole.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn pre_tokenize(&self, text: &str, on_special: OnSpecial) -> Result<Vec<String>> {
        let mut pieces = Vec::new();
        self.for_each_part(text, on_special, |part, base| match part {
            EncodePart::Token(id) => {
                let bytes = self.vocab.bytes(id).unwrap_or_default();
                pieces.push(String::from_utf8_lossy(bytes).into_owned());
                Ok(())
            }
            EncodePart::Text(part) => self
                .pre_tokenize_part(part, &mut pieces)
                .map_err(|error| error.moved_by(base)),
        })?;
        Ok(pieces)
    }

    fn pre_tokenize_part(&self, part: &str, pieces: &mut Vec<String>) -> Result<()> {
        match &self.pre_tokenizer {
            PreTokenizing::Generic(generic) => {
                let pre_tokens = generic.pre_tokenize(part)?;
                pieces.extend(
                    pre_tokens
                        .ranges
                        .into_iter()
                        .filter_map(|r| pre_tokens.text.get(r))
                        .map(str::to_owned),
                );
                Ok(())
            }
            PreTokenizing::Compiled(compiled) => {
                let needs_space = compiled.add_prefix_space && !part.starts_with(' ');
                let part = if needs_space {
                    Cow::Owned([" ", part].concat())
                } else {
                    Cow::Borrowed(part)
                };
                compiled.scheme.for_each(&part, 0..part.len(), |from, to| {
                    pieces.extend(part.get(from..to).map(str::to_owned));
                    Ok(())
                })
            }
        }
    }
}

/// The hot loop's state: pre-tokens in, ids out.
struct Emitter<'a> {
    model: &'a Bpe,
    scratch: &'a mut Scratch,
    ids: &'a mut Vec<u32>,
    progress: &'a Progress,
    /// Up to where progress has been told.
    polled: usize,
}

impl Emitter<'_> {
    fn compiled(&mut self, scheme: Scheme, text: &str, stretch: Range<usize>) -> Result<()> {
        let end = stretch.end;
        let bytes = text.as_bytes();
        scheme.for_each(text, stretch, |from, to| self.pre_token(bytes, from, to))?;
        self.progress.advance((end - self.polled) as u64)
    }

    #[inline]
    fn pre_token(&mut self, text: &[u8], from: usize, to: usize) -> Result<()> {
        if to - self.polled >= POLL_BYTES {
            self.progress.advance((to - self.polled) as u64)?;
            self.polled = to;
        }
        let key = Key::new(text, from, to);
        if let Some(known) = key.and_then(|key| self.scratch.words.get(key)) {
            self.ids.extend_from_slice(known);
            return Ok(());
        }
        self.unknown(&text[from..to], key)
            .map_err(|error| error.moved_by(from))
    }

    #[inline(never)]
    fn unknown(&mut self, pre_token: &[u8], key: Option<Key>) -> Result<()> {
        let first = self.ids.len();
        self.model
            .encode_pre_token(pre_token, &mut self.scratch.long, self.ids)?;
        if let Some(key) = key {
            self.scratch.words.insert(key, &self.ids[first..]);
        }
        Ok(())
    }
}

/// What [`Tokenizer::for_each_part`] hands out.
enum EncodePart<'a> {
    Token(u32),
    Text(&'a str),
}
