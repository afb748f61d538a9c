//! Training as SentencePiece 0.2.3 does it (Kudo and Richardson 2018, "SentencePiece", section 3): its normalization, its
//! words, its alphabet, its order of pieces.
//!
//! Sentences, the lines of the text, are normalized, cut at special and user-defined pieces, and split into words before each
//! space ([`sentences`]). The alphabet is the most frequent characters, as many as cover a share of all; a rarer one parts its
//! word. Pieces are learned from the words: for BPE by [`bpe::learn_pieces`], for Unigram by [`unigram::learn`]; for `Char`
//! they are the alphabet, for `Word` the words. Ids that special pieces do not have go to the learned ones in their order.
//!
//! BPE, Char and Word give the pieces of SentencePiece, in the same order and with the same scores. Unigram is close to it.
//! `format::sentencepiece::trained` makes a tokenizer of what is learned, which a file holds as SentencePiece's own.
//!
//! [`bpe::learn_pieces`]: crate::train::bpe::learn_pieces
//! [`unigram::learn`]: crate::train::unigram::learn

mod alphabet;
mod learn;
mod metas;
mod rules;
mod sentences;

use crate::definition::{SentencePieceAlgorithm, SentencePieceEntry};
use crate::train::{PieceRules, Report};

pub use learn::learn;
pub(crate) use rules::charsmap_of;
pub use sentences::Sentences;

/// What a caller may choose.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "SentencePiece's own flags")]
pub struct SentencePieceOptions {
    /// What kind of pieces is learned, and how a text is segmented with them.
    pub algorithm: SentencePieceAlgorithm,
    /// Pieces in all.
    pub vocab_size: usize,
    /// `"nmt_nfkc"`, `"nfkc"`, `"nmt_nfkc_cf"`, `"nfkc_cf"` or `"identity"`.
    pub normalization_rule_name: String,
    /// Whether a space is put before each sentence.
    pub add_dummy_prefix: bool,
    /// Whether runs of spaces become one, and none are left at the ends.
    pub remove_extra_whitespaces: bool,
    /// What a piece may be.
    pub rules: PieceRules,
    /// The share of all characters that are in the vocabulary, the most frequent first.
    pub character_coverage: f32,
    /// Characters that are in the vocabulary whether or not they occur.
    pub required_chars: String,
    /// Whether an unknown character becomes the pieces of its bytes.
    pub byte_fallback: bool,
    /// Pieces that are never made from text.
    pub control_symbols: Vec<String>,
    /// Pieces that are kept whole wherever they occur.
    pub user_defined_symbols: Vec<String>,
    /// The unknown piece.
    pub unk: Meta,
    /// The piece before a text.
    pub bos: Meta,
    /// The piece behind a text.
    pub eos: Meta,
    /// The piece that fills up.
    pub pad: Meta,
    /// What an unknown piece decodes to.
    pub unk_surface: String,
    /// Whether fewer pieces than asked for are an error.
    pub hard_vocab_limit: bool,
    /// Sentences of more bytes are left out.
    pub max_sentence_length: Option<usize>,
    /// How Unigram learns.
    pub unigram: UnigramLearning,
    /// Threads; `None`: as many as the machine gives.
    pub n_threads: Option<usize>,
}

/// A piece with a fixed place in the vocabulary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// Its id; `None`: there is none.
    pub id: Option<u32>,
    /// Its text.
    pub piece: String,
}

/// How Unigram learns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnigramLearning {
    /// How many substrings to start from.
    pub seed_size: usize,
    /// The share of the pieces that a round of pruning keeps.
    pub shrinking_factor: f32,
    /// Steps of expectation maximisation in a round.
    pub n_sub_iterations: usize,
}

/// A vocabulary.
#[derive(Debug, Clone, PartialEq)]
pub struct Learned {
    /// All pieces by id.
    pub pieces: Vec<SentencePieceEntry>,
    /// What was seen, made and left out.
    pub report: Report,
}
