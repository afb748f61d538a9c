//! [`Definition`]: the data a tokenizer is made of, apart from the machine that runs it.
//!
//! Every file format is read *into* a definition and written *from* one, and a tokenizer is compiled from one.
//! Token texts are spelled as Hugging Face's `tokenizer.json` spells them: a byte-level vocabulary writes each byte as
//! one printable character (see [`crate::pre_tokenizer::byte_level`]), so that all formats share one spelling.

mod adding;

use std::collections::BTreeSet;

use compact_str::CompactString;

use crate::added_tokens::AddedToken;
use crate::decoder::Decoder;
use crate::normalizer::Normalizer;
use crate::padding::Padding;
use crate::post_processor::PostProcessor;
use crate::pre_tokenizer::{PreTokenizer, byte_level};
use crate::truncation::Truncation;

/// All that decides what a tokenizer does; two equal definitions give the same ids on every text.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// Rewrites a part of the text before it is split.
    pub normalizer: Option<Normalizer>,
    /// Splits a part into pre-tokens; `None`: the whole part is one pre-token.
    pub pre_tokenizer: Option<PreTokenizer>,
    /// Turns a pre-token into ids.
    pub model: Model,
    /// Adds special ids around a finished sequence.
    pub post_processor: Option<PostProcessor>,
    /// Turns tokens back into text.
    pub decoder: Option<Decoder>,
    /// Special and added tokens: found in the text before anything else. Ordered by id.
    pub added_tokens: Vec<AddedToken>,
    /// How long a finished sequence may be.
    pub truncation: Option<Truncation>,
    /// To what length sequences are filled up.
    pub padding: Option<Padding>,
    /// How the vocabulary was trained, as a JSON object: carried along, changes nothing.
    pub training: Option<String>,
}

impl Definition {
    /// Whether the model can work on the bytes of pre-tokens themselves: byte-level BPE without anything that looks at
    /// characters. Otherwise it works on text, in which a `ByteLevel` stage has spelled each byte.
    pub fn runs_on_bytes(&self) -> bool {
        let Model::Bpe(bpe) = &self.model else { return false };
        let is_none = |text: &Option<String>| text.as_ref().is_none_or(String::is_empty);
        bpe.dropout.is_none_or(|dropout| dropout <= 0.0)
            && is_none(&bpe.continuing_subword_prefix)
            && is_none(&bpe.end_of_word_suffix)
            && self.pre_tokenizer.as_ref().is_some_and(PreTokenizer::ends_byte_level)
            && ((bpe.unk_token.is_none() && !bpe.byte_fallback) || bpe.has_all_bytes())
    }
}

impl BpeDefinition {
    /// Whether every byte, as byte-level BPE spells it, is a token: then nothing is unknown.
    fn has_all_bytes(&self) -> bool {
        let bytes =
            self.vocab.iter().filter_map(|(text, _)| match byte_level::bytes_of(text)?[..] {
                [byte] => Some(byte),
                _ => None,
            });
        bytes.collect::<BTreeSet<u8>>().len() == 256
    }
}

/// The model of a [`Definition`], one variant a family.
#[derive(Debug, Clone, PartialEq)]
pub enum Model {
    /// Byte-pair encoding as Hugging Face's library does it.
    Bpe(BpeDefinition),
    /// WordPiece.
    WordPiece(WordPieceDefinition),
    /// Unigram as Hugging Face's library does it.
    Unigram(UnigramDefinition),
    /// A pre-token is a token, or unknown.
    WordLevel(WordLevelDefinition),
    /// BPE or Unigram as SentencePiece does it.
    SentencePiece(SentencePieceDefinition),
}

/// The data of a BPE model.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BpeDefinition {
    /// Token text and id, ordered by id; texts and ids are each unique.
    pub vocab: Vec<(String, u32)>,
    /// Left and right id of each merge, best rank first; a pair may stand twice, and then the later rank holds.
    pub merges: Vec<(u32, u32)>,
    /// Whether a pre-token that is itself in the vocabulary becomes that token without any merging.
    pub ignore_merges: bool,
    /// The probability with which a merge is left out (BPE-dropout).
    pub dropout: Option<f32>,
    /// The token of a character that has none.
    pub unk_token: Option<String>,
    /// Whether unknown characters next to each other become one unk token.
    pub fuse_unk: bool,
    /// Whether a character without a token becomes the tokens `<0x00>` to `<0xFF>` of its bytes.
    pub byte_fallback: bool,
    /// What the text of a symbol has before it when it does not start the pre-token.
    pub continuing_subword_prefix: Option<String>,
    /// What the text of a symbol has after it when it ends the pre-token.
    pub end_of_word_suffix: Option<String>,
}

/// The data of a WordPiece model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordPieceDefinition {
    /// Token text and id, ordered by id; texts and ids are each unique.
    pub vocab: Vec<(String, u32)>,
    /// The token of a pre-token that cannot be written.
    pub unk_token: String,
    /// What the text of a token has before it when it does not start a pre-token.
    pub continuing_subword_prefix: String,
    /// A pre-token of more characters is unknown.
    pub max_input_chars_per_word: usize,
}

/// The data of a Unigram model.
#[derive(Debug, Clone, PartialEq)]
pub struct UnigramDefinition {
    /// Piece and score (a natural logarithm of a probability) of each id from 0 on.
    pub vocab: Vec<(String, f64)>,
    /// The id of characters that no piece covers.
    pub unk_id: Option<u32>,
    /// Whether an unknown piece becomes the tokens `<0x00>` to `<0xFF>` of its bytes.
    pub byte_fallback: bool,
}

/// The data of a word-level model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordLevelDefinition {
    /// Token text and id, ordered by id; texts and ids are each unique.
    pub vocab: Vec<(String, u32)>,
    /// The token of a pre-token that is not in the vocabulary.
    pub unk_token: String,
}

/// The data of a SentencePiece model, apart from its normalizer ([`crate::normalizer::SentencePiece`]).
#[derive(Debug, Clone, PartialEq)]
pub struct SentencePieceDefinition {
    /// How a text is segmented.
    pub algorithm: SentencePieceAlgorithm,
    /// The pieces by id.
    pub pieces: Vec<SentencePieceEntry>,
    /// Whether an unknown piece becomes the byte pieces of its bytes.
    pub byte_fallback: bool,
    /// What an unknown piece decodes to.
    pub unk_surface: String,
    /// The rest of the file, field by field as it stood, so that it is written back whole: the trainer's settings, and what
    /// later versions of the format add.
    pub carried: Vec<u8>,
}

impl SentencePieceDefinition {
    /// The id of the unknown piece.
    pub(crate) fn unk_id(&self) -> Option<u32> {
        let mut ids = self.pieces.iter().zip(0..);
        ids.find(|(piece, _)| piece.kind == PieceKind::Unknown).map(|(_, id)| id)
    }
}

/// How SentencePiece segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SentencePieceAlgorithm {
    /// The best path through the lattice of pieces.
    Unigram,
    /// Merging the best-scored pair, again and again.
    Bpe,
    /// Every character a piece.
    Char,
    /// Every white-space-separated word a piece.
    Word,
}

/// A piece of a SentencePiece model.
#[derive(Debug, Clone, PartialEq)]
pub struct SentencePieceEntry {
    /// Its text.
    pub text: CompactString,
    /// Its score: a log probability, or minus the rank of a merge.
    pub score: f32,
    /// What it is.
    pub kind: PieceKind,
}

/// What a SentencePiece piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PieceKind {
    /// Produced from text.
    Normal,
    /// The unknown token.
    Unknown,
    /// Never produced from text (`<s>`).
    Control,
    /// Always kept whole.
    UserDefined,
    /// One byte, `<0x41>`.
    Byte,
    /// Not used in segmentation.
    Unused,
}

impl Model {
    /// The text of a token.
    pub fn token(&self, id: u32) -> Option<&str> {
        match self {
            Self::Bpe(BpeDefinition { vocab, .. })
            | Self::WordPiece(WordPieceDefinition { vocab, .. })
            | Self::WordLevel(WordLevelDefinition { vocab, .. }) => {
                let found = vocab.binary_search_by_key(&id, |&(_, id)| id).ok()?;
                vocab.get(found).map(|(text, _)| text.as_str())
            }
            Self::Unigram(UnigramDefinition { vocab, .. }) => {
                vocab.get(id as usize).map(|(text, _)| text.as_str())
            }
            Self::SentencePiece(SentencePieceDefinition { pieces, .. }) => {
                pieces.get(id as usize).map(|piece| piece.text.as_str())
            }
        }
    }

    /// The id of unknown text, where that text itself is told in place of the token: of Unigram and SentencePiece, as in
    /// their libraries.
    pub(crate) fn told_unk(&self) -> Option<u32> {
        match self {
            Self::Unigram(unigram) => unigram.unk_id,
            Self::SentencePiece(model) => model.unk_id(),
            _ => None,
        }
    }

    /// Text and id of every token, by id.
    pub fn tokens(&self) -> Box<dyn Iterator<Item = (&str, u32)> + '_> {
        match self {
            Self::Bpe(BpeDefinition { vocab, .. })
            | Self::WordPiece(WordPieceDefinition { vocab, .. })
            | Self::WordLevel(WordLevelDefinition { vocab, .. }) => {
                Box::new(vocab.iter().map(|(text, id)| (text.as_str(), *id)))
            }
            Self::Unigram(UnigramDefinition { vocab, .. }) => {
                Box::new(vocab.iter().map(|(text, _)| text.as_str()).zip(0..))
            }
            Self::SentencePiece(SentencePieceDefinition { pieces, .. }) => {
                Box::new(pieces.iter().map(|piece| piece.text.as_str()).zip(0..))
            }
        }
    }
}
