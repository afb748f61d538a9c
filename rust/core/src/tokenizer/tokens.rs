//! What a single token is: as the vocabulary spells it, and the bytes of text it stands for.

use std::borrow::Cow;

use super::Tokenizer;
use crate::added_tokens::AddedToken;
use crate::decoder::{Decoder, byte_of};
use crate::definition::{BpeDefinition, Definition, Model, UnigramDefinition, WordPieceDefinition};
use crate::model::Runner;
use crate::normalizer::Normalizer;
use crate::pre_tokenizer::metaspace::METASPACE;
use crate::pre_tokenizer::{Pattern, PreTokenizer, byte_level};

/// How a model on text spells what its tokens stand for.
#[derive(Debug, Default)]
pub(super) struct Spelling {
    /// What a token has before it inside a word.
    prefix: String,
    /// What a token has after it at the end of a word.
    suffix: String,
    /// What stands for a space.
    metaspace: Option<char>,
    /// Whether bytes are spelled `<0x41>`.
    has_byte_tokens: bool,
    /// Whether each byte is spelled as a character of the byte-level alphabet.
    is_byte_level: bool,
}

impl Spelling {
    pub(super) fn new(definition: &Definition) -> Self {
        let decoders = definition.decoder.as_ref().map(stages).unwrap_or_default();
        let mut spelling = Self {
            metaspace: definition.pre_tokenizer.as_ref().and_then(metaspace_of),
            has_byte_tokens: decoders
                .iter()
                .any(|decoder| matches!(decoder, Decoder::ByteFallback)),
            is_byte_level: decoders.iter().any(|decoder| matches!(decoder, Decoder::ByteLevel(_))),
            ..Self::default()
        };
        for decoder in decoders {
            match decoder {
                Decoder::Metaspace(metaspace) => spelling.metaspace = Some(metaspace.replacement),
                Decoder::Replace { pattern: Pattern::Literal(pattern), content }
                    if content == " " && pattern.chars().count() == 1 =>
                {
                    spelling.metaspace = pattern.chars().next();
                }
                _ => {}
            }
        }
        match &definition.model {
            Model::Bpe(BpeDefinition {
                continuing_subword_prefix,
                end_of_word_suffix,
                byte_fallback,
                ..
            }) => {
                spelling.prefix = continuing_subword_prefix.clone().unwrap_or_default();
                spelling.suffix = end_of_word_suffix.clone().unwrap_or_default();
                spelling.has_byte_tokens |= byte_fallback;
            }
            Model::WordPiece(WordPieceDefinition { continuing_subword_prefix, .. }) => {
                spelling.prefix.clone_from(continuing_subword_prefix);
            }
            Model::Unigram(UnigramDefinition { byte_fallback, .. }) => {
                spelling.has_byte_tokens |= byte_fallback;
            }
            Model::SentencePiece(model) => {
                spelling.has_byte_tokens |= model.byte_fallback;
                spelling.metaspace = match &definition.normalizer {
                    Some(Normalizer::SentencePiece(normalizer))
                        if !normalizer.escape_whitespaces =>
                    {
                        None
                    }
                    _ => Some(METASPACE),
                };
            }
            Model::WordLevel(_) => {}
        }
        spelling
    }

    /// The bytes that a token stands for.
    fn bytes_of<'t>(&self, token: &'t [u8]) -> Cow<'t, [u8]> {
        if self.has_byte_tokens
            && let Some(byte) = byte_of(token)
        {
            return Cow::Owned(vec![byte]);
        }
        let token = token.strip_prefix(self.prefix.as_bytes()).unwrap_or(token);
        let token = token.strip_suffix(self.suffix.as_bytes()).unwrap_or(token);
        let Ok(text) = std::str::from_utf8(token) else { return Cow::Borrowed(token) };
        if self.is_byte_level
            && let Some(bytes) = byte_level::bytes_of(text)
        {
            return Cow::Owned(bytes);
        }
        match self.metaspace {
            Some(metaspace) if text.contains(metaspace) => {
                Cow::Owned(text.replace(metaspace, " ").into_bytes())
            }
            _ => Cow::Borrowed(token),
        }
    }
}

fn stages(decoder: &Decoder) -> Vec<&Decoder> {
    match decoder {
        Decoder::Sequence(inner) => inner.iter().flat_map(stages).collect(),
        decoder => vec![decoder],
    }
}

fn metaspace_of(pre_tokenizer: &PreTokenizer) -> Option<char> {
    match pre_tokenizer {
        PreTokenizer::Metaspace(metaspace) => Some(metaspace.replacement),
        PreTokenizer::Sequence(inner) => inner.iter().find_map(metaspace_of),
        _ => None,
    }
}

impl Tokenizer {
    /// The text of a token as the vocabulary spells it: of byte-level BPE a character a byte, `Ġ` for a space.
    pub fn token_text(&self, id: u32) -> Option<&str> {
        let added = self.added_token(id).map(|token| token.content.as_str());
        added.or_else(|| self.definition.model.token(id))
    }

    /// The bytes of text that a token stands for inside a text: of WordPiece's `##ing` it is `ing`, of `▁a` it is ` a`, of the
    /// byte token `<0x41>` it is `A`. An added token stands for its content.
    pub fn token_bytes(&self, id: u32) -> Option<Cow<'_, [u8]>> {
        let bytes = self.vocab.bytes(id)?;
        Some(match &self.model {
            Runner::Bytes(_) => Cow::Borrowed(bytes),
            Runner::Text(_) if self.added_token(id).is_some() => Cow::Borrowed(bytes),
            Runner::Text(_) => self.decoding.spelling.bytes_of(bytes),
        })
    }

    /// The added token with this id.
    pub(super) fn added_token(&self, id: u32) -> Option<&AddedToken> {
        let tokens = &self.definition.added_tokens;
        let found = tokens.binary_search_by_key(&id, |token| token.id).ok()?;
        tokens.get(found)
    }
}
