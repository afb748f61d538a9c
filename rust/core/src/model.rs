//! Models: turn a pre-token into ids.
//!
//! [`Bpe`] is the fast path of the commonest family and works on bytes. Every model, that one too, is a [`Tokenize`]: it
//! gives the tokens of one pre-token with their places in it.

pub mod bpe;
pub(crate) mod lattice;
pub(crate) mod piece_trie;
mod random;
mod sampling;
pub mod sentencepiece;
pub mod unigram;
pub(crate) mod viterbi;
pub mod word_level;
pub mod wordpiece;

use std::fmt::Debug;

use rustc_hash::FxHashSet;

use crate::definition::{Definition, Model};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::vocab::Vocab;
use bpe::{Bpe, CharacterBpe, LongScratch};
pub use random::Random;
pub use sampling::Sampling;
pub(crate) use sampling::check_n_best;
use sentencepiece::SentencePiece;
use unigram::Unigram;
use word_level::WordLevel;
use wordpiece::WordPiece;

/// A token of a pre-token: `pre_token[start..end]` became `id`, or, of several byte tokens of SentencePiece, these together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// Its id.
    pub id: u32,
    /// Where it begins in the pre-token, in bytes.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

/// A model ready to run, one that works on text.
pub trait Tokenize: Debug + Send + Sync {
    /// Appends the tokens of a pre-token, which is not empty.
    ///
    /// # Errors
    /// [`crate::Error::Unencodable`] with the offset, in the pre-token, of the first text that the vocabulary has no token for;
    /// [`crate::Error::Config`] for a pre-token of 4 GiB or more; [`crate::Error::Interrupted`].
    fn tokenize(&self, pre_token: &str, progress: &Progress, tokens: &mut Vec<Token>)
    -> Result<()>;

    /// The token that a pre-token becomes as a whole, whatever its parts would become.
    fn whole(&self, _pre_token: &str) -> Option<u32> {
        None
    }

    /// The first place after `from` at which a pre-token may be cut, so that its parts become what they become together, but
    /// for [`Tokenize::whole`]; its end if there is none.
    fn next_cut(&self, pre_token: &str, _from: usize) -> usize {
        pre_token.len()
    }

    /// [`Tokenize::tokenize`] for a part between cuts.
    ///
    /// # Errors
    /// As [`Tokenize::tokenize`].
    fn tokenize_part(
        &self,
        part: &str,
        progress: &Progress,
        tokens: &mut Vec<Token>,
    ) -> Result<()> {
        self.tokenize(part, progress, tokens)
    }

    /// What its kind is called.
    fn kind(&self) -> &'static str;

    /// Appends the tokens of a segmentation of a pre-token drawn at random.
    ///
    /// # Errors
    /// As [`Tokenize::tokenize`]; [`Error::Config`] when the model has one segmentation of a text, or `sampling` is not for
    /// this model or out of range.
    fn sample(
        &self,
        _pre_token: &str,
        _sampling: Sampling,
        _random: &mut Random,
        _progress: &Progress,
        _tokens: &mut Vec<Token>,
    ) -> Result<()> {
        Err(no_sampling(self.kind()))
    }

    /// The `n` best segmentations of a pre-token with their scores, best first; fewer if there are not so many.
    ///
    /// # Errors
    /// As [`Tokenize::tokenize`]; [`Error::Config`] when the model does not score segmentations.
    fn n_best(
        &self,
        _pre_token: &str,
        _n: usize,
        _progress: &Progress,
    ) -> Result<Vec<(Vec<Token>, f64)>> {
        Err(no_n_best(self.kind()))
    }
}

/// The model of a tokenizer.
#[derive(Debug)]
pub enum Runner {
    /// Byte-level BPE, on bytes.
    Bytes(Bpe),
    /// Any other, on text.
    Text(Box<dyn Tokenize>),
}

impl Runner {
    /// Builds the tables of the model, and the bytes of its tokens: those that a token of byte-level BPE stands for, and those
    /// of the text that spells any other. `special_ids` are never made from text.
    ///
    /// # Errors
    /// [`crate::Error::Vocab`] when the definition contradicts itself, [`crate::Error::Unsupported`].
    pub fn new(definition: &Definition, special_ids: &FxHashSet<u32>) -> Result<(Self, Vocab)> {
        match &definition.model {
            Model::Bpe(bpe) if definition.runs_on_bytes() => {
                let bpe = Bpe::new(bpe, special_ids)?;
                let vocab = bpe.vocab().clone();
                Ok((Self::Bytes(bpe), vocab))
            }
            model => {
                let mut vocab = Vocab::default();
                for (text, id) in model.tokens() {
                    vocab.insert(id, text.as_bytes())?;
                }
                Ok((Self::Text(text_model(model, special_ids)?), vocab))
            }
        }
    }

    /// Appends the tokens of a pre-token.
    ///
    /// # Errors
    /// As [`Tokenize::tokenize`].
    pub fn tokenize(
        &self,
        pre_token: &str,
        progress: &Progress,
        scratch: &mut LongScratch,
        tokens: &mut Vec<Token>,
    ) -> Result<()> {
        match self {
            Self::Text(model) => model.tokenize(pre_token, progress, tokens),
            Self::Bytes(model) => {
                let mut ids = Vec::new();
                match model.whole(pre_token.as_bytes()) {
                    Some(id) => ids.push(id),
                    None => model.merge(pre_token.as_bytes(), progress, scratch, &mut ids)?,
                }
                let mut start = 0;
                tokens.extend(ids.into_iter().map(|id| {
                    let end = start + model.vocab().bytes(id).map_or(0, <[u8]>::len);
                    let token = Token { id, start, end };
                    start = end;
                    token
                }));
                Ok(())
            }
        }
    }

    /// Appends the ids of a segmentation of a pre-token drawn at random.
    ///
    /// # Errors
    /// As [`Tokenize::sample`].
    pub fn sample(
        &self,
        pre_token: &str,
        sampling: Sampling,
        random: &mut Random,
        progress: &Progress,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        match self {
            Self::Bytes(model) => {
                let dropout = sampling.of_bpe(None)?;
                model.merge_some(pre_token.as_bytes(), dropout, random, progress, ids)
            }
            Self::Text(model) => {
                let mut tokens = Vec::new();
                model.sample(pre_token, sampling, random, progress, &mut tokens)?;
                ids.extend(tokens.iter().map(|token| token.id));
                Ok(())
            }
        }
    }

    /// The ids of the `n` best segmentations of a pre-token with their scores, best first.
    ///
    /// # Errors
    /// As [`Tokenize::n_best`].
    pub fn n_best(
        &self,
        pre_token: &str,
        n: usize,
        progress: &Progress,
    ) -> Result<Vec<(Vec<u32>, f64)>> {
        let Self::Text(model) = self else { return Err(no_n_best("BPE")) };
        let ids = |tokens: Vec<Token>| tokens.iter().map(|token| token.id).collect();
        let best = model.n_best(pre_token, n, progress)?;
        Ok(best.into_iter().map(|(tokens, score)| (ids(tokens), score)).collect())
    }
}

fn no_sampling(kind: &str) -> Error {
    Error::Config(format!("only BPE and Unigram can be sampled from, and the model is {kind}"))
}

fn no_n_best(kind: &str) -> Error {
    Error::Config(format!("only Unigram has n-best segmentations, and the model is {kind}"))
}

fn text_model(model: &Model, special_ids: &FxHashSet<u32>) -> Result<Box<dyn Tokenize>> {
    Ok(match model {
        Model::Bpe(model) => Box::new(CharacterBpe::new(model, special_ids)?),
        Model::WordPiece(model) => Box::new(WordPiece::new(model, special_ids)?),
        Model::WordLevel(model) => Box::new(WordLevel::new(model, special_ids)?),
        Model::Unigram(model) => Box::new(Unigram::new(model, special_ids)?),
        Model::SentencePiece(model) => Box::new(SentencePiece::new(model)?),
    })
}

/// The token of a byte, `<0x41>`.
pub(crate) fn byte_token(byte: usize) -> String {
    format!("<0x{byte:02X}>")
}
