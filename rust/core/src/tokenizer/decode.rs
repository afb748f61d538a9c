//! From ids back to text: whole, or id by id as a language model writes.
//!
//! Both run the same stages ([`crate::decoder::chain`]); where the text is the bytes of the tokens one after the other, as of
//! byte-level BPE, they are copied without them.

use std::ops::Deref;

use super::Tokenizer;
use super::tokens::Spelling;
use crate::decoder::Decoder;
use crate::decoder::chain::{Chain, Form, Run};
use crate::decoder::sentencepiece::{SentencePieceDecoding, SentencePieceState};
use crate::definition::{Definition, Model, PieceKind};
use crate::error::{Error, Result};
use crate::model::Runner;
use crate::normalizer::Normalizer;
use crate::pre_tokenizer::byte_level;
use crate::progress::Progress;

/// Ids between two looks at whether to stop.
const POLL_IDS: usize = 1 << 12;

/// The decoder of a tokenizer, ready to run.
#[derive(Debug)]
pub(super) struct Decoding {
    chain: Chain,
    sentencepiece: Option<SentencePieceDecoding>,
    pub(super) spelling: Spelling,
}

/// How far decoding has come.
#[derive(Debug)]
struct State {
    run: Run,
    sentencepiece: SentencePieceState,
    skips_special: bool,
    n_ids: usize,
}

impl Decoding {
    pub(super) fn new(definition: &Definition) -> Result<Self> {
        let sentencepiece = match &definition.decoder {
            Some(Decoder::SentencePiece { unk_surface, strips_dummy_prefix }) => {
                let strips_all = matches!(
                    &definition.normalizer,
                    Some(Normalizer::SentencePiece(normalizer)) if normalizer.remove_extra_whitespaces
                );
                Some(SentencePieceDecoding {
                    unk_surface: unk_surface.clone(),
                    strips_first: *strips_dummy_prefix || strips_all,
                    strips_all,
                })
            }
            _ => None,
        };
        let chain = Chain::new(definition.decoder.as_ref())?;
        Ok(Self { chain, sentencepiece, spelling: Spelling::new(definition) })
    }
}

impl Tokenizer {
    /// The text that `ids` stand for, as `tokenizers` and SentencePiece give it: what is not UTF-8 becomes U+FFFD.
    ///
    /// # Errors
    /// [`Error::UnknownToken`] with the position of the first id that is not in the vocabulary, [`Error::PatternLimit`] for a
    /// decoder with a pattern, [`Error::Interrupted`].
    pub fn decode(
        &self,
        ids: &[u32],
        skip_special_tokens: bool,
        progress: &Progress,
    ) -> Result<String> {
        let text = self.decode_as(Form::Text, ids, skip_special_tokens, progress)?;
        Ok(into_text(text))
    }

    /// The bytes that `ids` stand for: as [`Tokenizer::decode`], but byte tokens and byte-level tokens give their very bytes.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn decode_bytes(
        &self,
        ids: &[u32],
        skip_special_tokens: bool,
        progress: &Progress,
    ) -> Result<Vec<u8>> {
        self.decode_as(Form::Bytes, ids, skip_special_tokens, progress)
    }

    fn decode_as(
        &self,
        form: Form,
        ids: &[u32],
        skips_special: bool,
        progress: &Progress,
    ) -> Result<Vec<u8>> {
        let mut text = Vec::with_capacity(ids.len() * 4);
        if self.concatenates(form) {
            for (position, &id) in ids.iter().enumerate() {
                if position % POLL_IDS == 0 {
                    progress.check()?;
                }
                let token = self.vocab.bytes(id).ok_or_else(|| self.unknown(id, position))?;
                if !(skips_special && self.special_ids.contains(&id)) {
                    text.extend_from_slice(token);
                }
            }
            return Ok(text);
        }
        let mut state = self.start_decoding(form, skips_special);
        for some in ids.chunks(POLL_IDS) {
            progress.check()?;
            some.iter().try_for_each(|&id| self.feed(&mut state, id))?;
            self.decoding.chain.run(&mut state.run, false, &mut text)?;
        }
        self.end_decoding(&mut state, &mut text)?;
        Ok(text)
    }

    /// Whether the tokens' bytes in `vocab`, one after the other, are the text but for what is not UTF-8.
    fn concatenates(&self, form: Form) -> bool {
        let is_plain = self.decoding.chain.is_concatenation()
            || self.definition.decoder.is_none() && form == Form::Bytes;
        is_plain && matches!(self.model, Runner::Bytes(_))
    }

    fn start_decoding(&self, form: Form, skips_special: bool) -> State {
        let run = self.decoding.chain.start(form);
        State { run, sentencepiece: SentencePieceState::default(), skips_special, n_ids: 0 }
    }

    /// Feeds the stages with the token of an id.
    fn feed(&self, state: &mut State, id: u32) -> Result<()> {
        let unknown = || self.unknown(id, state.n_ids);
        let bytes = self.vocab.bytes(id).ok_or_else(unknown)?;
        state.n_ids += 1;
        if state.skips_special && self.special_ids.contains(&id) {
            return Ok(());
        }
        let form = state.run.form();
        let tokens = state.run.tokens();
        if let Some(sentencepiece) = &self.decoding.sentencepiece {
            let kind = self.kind(id);
            sentencepiece.feed(&mut state.sentencepiece, (kind, bytes), form, tokens);
            return Ok(());
        }
        match (&self.model, self.decoding.chain.takes_bytes()) {
            (Runner::Bytes(_), false) => {
                tokens.token(self.token_text(id).unwrap_or_default().as_bytes());
            }
            (Runner::Text(_), true) if self.added_token(id).is_none() => {
                let spelled = std::str::from_utf8(bytes).ok().and_then(byte_level::bytes_of);
                tokens.token(spelled.as_deref().unwrap_or(bytes));
            }
            _ => tokens.token(bytes),
        }
        Ok(())
    }

    fn end_decoding(&self, state: &mut State, text: &mut Vec<u8>) -> Result<()> {
        if self.decoding.sentencepiece.is_some() {
            let form = state.run.form();
            state.sentencepiece.finish(form, state.run.tokens());
        }
        state.n_ids = 0;
        self.decoding.chain.run(&mut state.run, true, text)
    }

    /// What a piece of a SentencePiece model is.
    fn kind(&self, id: u32) -> PieceKind {
        match &self.definition.model {
            Model::SentencePiece(model) => {
                model.pieces.get(id as usize).map_or(PieceKind::UserDefined, |piece| piece.kind)
            }
            _ => PieceKind::Normal,
        }
    }

    fn unknown(&self, id: u32, position: usize) -> Error {
        Error::UnknownToken { id, position, vocab_size: self.vocab.size() }
    }
}

/// Decodes ids one by one: what [`DecodeStream::push`] and [`DecodeStream::finish`] give, one after the other, is what
/// [`Tokenizer::decode`] gives of all ids, and no part of it is taken back.
///
/// The tokenizer is borrowed, or held by anything that points to one.
///
/// ```
/// # use merganser_core::{Tokenizer, format::tiktoken, tokenizer::DecodeStream};
/// # fn show(tokenizer: &Tokenizer) -> merganser_core::Result<()> {
/// let mut stream = DecodeStream::new(tokenizer, true);
/// let mut text = stream.push(72)?;
/// text += &stream.push(105)?;
/// text += &stream.finish()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct DecodeStream<T> {
    tokenizer: T,
    state: State,
}

impl<T: Deref<Target = Tokenizer>> DecodeStream<T> {
    /// Before the first id.
    pub fn new(tokenizer: T, skip_special_tokens: bool) -> Self {
        let state = tokenizer.start_decoding(Form::Text, skip_special_tokens);
        Self { tokenizer, state }
    }

    /// Takes the next id, and gives the text that is certain now, whatever comes.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`]; an unknown id changes nothing.
    pub fn push(&mut self, id: u32) -> Result<String> {
        let mut text = Vec::new();
        self.tokenizer.feed(&mut self.state, id)?;
        self.tokenizer.decoding.chain.run(&mut self.state.run, false, &mut text)?;
        Ok(into_text(text))
    }

    /// Gives the rest of the text; the next id begins another.
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn finish(&mut self) -> Result<String> {
        let mut text = Vec::new();
        self.tokenizer.end_decoding(&mut self.state, &mut text)?;
        Ok(into_text(text))
    }
}

fn into_text(text: Vec<u8>) -> String {
    String::from_utf8(text)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
