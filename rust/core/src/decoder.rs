//! Decoders: how tokens become text again.
//!
//! A decoder runs as a [`chain::Chain`] of stages, each of which turns tokens into tokens; the text is what comes out, one after
//! the other. A stage takes tokens as they come and gives what is certain, so decoding a whole sequence and decoding it id by
//! id are one and the same.

pub(crate) mod chain;
mod pieces;
pub(crate) mod sentencepiece;
mod stage;
mod words;

pub(crate) use words::byte_of;

use crate::post_processor::ByteLevelOptions;
use crate::pre_tokenizer::{Metaspace, Pattern};

/// A decoder, one variant a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoder {
    /// Each token stands for its bytes; their concatenation is the text. The options change nothing here and are kept
    /// so that a file is written back as it was read.
    ByteLevel(ByteLevelOptions),
    /// Tokens without the prefix get a space before them, but for the first.
    WordPiece {
        /// The continuing-subword prefix, which goes.
        prefix: String,
        /// Whether spaces before punctuation and in English contractions go.
        cleanup: bool,
    },
    /// Metaspaces become spaces, and one at the start goes.
    Metaspace(Metaspace),
    /// Runs of byte tokens become the text they spell.
    ByteFallback,
    /// The suffix of the end of a word becomes a space, but for the last token's.
    Bpe {
        /// The end-of-word suffix.
        suffix: String,
    },
    /// All tokens become one.
    Fuse,
    /// Leaves out a character at the ends of each token.
    Strip {
        /// The character.
        content: char,
        /// So many at the start, at the most.
        start: usize,
        /// So many at the end, at the most.
        stop: usize,
    },
    /// Every match of the pattern becomes the content.
    Replace {
        /// What to look for.
        pattern: Pattern,
        /// What stands there instead.
        content: String,
    },
    /// Connectionist temporal classification (Graves et al. 2006): repeated tokens and padding go.
    Ctc {
        /// The blank.
        pad_token: String,
        /// What becomes a space.
        word_delimiter_token: String,
        /// Whether spaces before punctuation and in English contractions go.
        cleanup: bool,
    },
    /// SentencePiece's own.
    SentencePiece {
        /// What an unknown piece becomes.
        unk_surface: String,
        /// Whether the dummy prefix goes.
        strips_dummy_prefix: bool,
    },
    /// Each in turn.
    Sequence(Vec<Decoder>),
}
