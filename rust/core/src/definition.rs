//! [`Definition`]: the data a tokenizer is made of, apart from the machine that runs it.
//!
//! Every file format is read *into* a definition and written *from* one, and a tokenizer is compiled from one.
//! Token texts are spelled as Hugging Face's `tokenizer.json` spells them: a byte-level vocabulary writes each byte as
//! one printable character (see [`crate::pre_tokenizer::byte_level`]), so that all formats share one spelling.

use crate::added_tokens::AddedToken;
use crate::decoder::Decoder;
use crate::normalizer::Normalizer;
use crate::post_processor::PostProcessor;
use crate::pre_tokenizer::PreTokenizer;

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
}

/// The model of a [`Definition`], one variant a family.
#[derive(Debug, Clone, PartialEq)]
pub enum Model {
    /// Byte-pair encoding.
    Bpe(BpeDefinition),
}

/// The data of a BPE model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BpeDefinition {
    /// Token text and id, ordered by id; texts and ids are each unique.
    pub vocab: Vec<(String, u32)>,
    /// Left and right id of each merge, best rank first; a pair may stand twice, and then the later rank holds.
    pub merges: Vec<(u32, u32)>,
    /// Whether a pre-token that is itself in the vocabulary becomes that token without any merging.
    pub ignore_merges: bool,
}
