//! [`Unigram`]: the best-scored segmentation into pieces, as Hugging Face's library finds it.
//!
//! Pieces that became the unk token, next to each other, are one. What it spells is looked up once more, and becomes byte
//! tokens when the vocabulary has one for each byte.

use rustc_hash::FxHashSet;

use crate::definition::UnigramDefinition;
use crate::error::{Error, Result};
use crate::model::lattice::{self, Laid};
use crate::model::piece_trie::PieceTrie;
use crate::model::viterbi::{Step, Viterbi};
use crate::model::{Random, Sampling, Token, Tokenize, byte_token, check_n_best};
use crate::progress::Progress;

/// How much worse an unknown character is than the worst piece.
pub(crate) const UNK_PENALTY: f64 = 10.0;

/// A Unigram model, ready to run.
#[derive(Debug)]
pub struct Unigram {
    viterbi: Viterbi,
    /// The tokens of the bytes; `None`: no byte fallback.
    bytes: Option<Box<[Option<u32>; 256]>>,
}

impl Unigram {
    /// Builds the tables. The model never makes one of `special_ids` from text, but for unk in place of what it does not know.
    ///
    /// # Errors
    /// [`Error::Vocab`] when a score is not finite or the unk id is not in the vocabulary.
    pub fn new(definition: &UnigramDefinition, special_ids: &FxHashSet<u32>) -> Result<Self> {
        let UnigramDefinition { vocab, unk_id, byte_fallback } = definition;
        if let Some((id, (_, score))) =
            vocab.iter().enumerate().find(|(_, (_, score))| !score.is_finite())
        {
            return Err(Error::Vocab(format!("the score of id {id} must be finite, got {score}")));
        }
        if let Some(id) = unk_id.filter(|&id| id as usize >= vocab.len()) {
            return Err(Error::Vocab(format!(
                "the unk id must be below the {} ids of the vocabulary, got {id}",
                vocab.len()
            )));
        }
        let pieces = vocab.iter().map(|(piece, _)| piece.as_str()).zip(0..);
        let trie = PieceTrie::new(pieces.filter(|(_, id)| !special_ids.contains(id)));
        let worst = vocab.iter().map(|&(_, score)| score).fold(f64::INFINITY, f64::min);
        let bytes = byte_fallback
            .then(|| Box::new(std::array::from_fn(|byte| trie.get(byte_token(byte).as_bytes()))));
        let viterbi = Viterbi {
            trie,
            scores: vocab.iter().map(|&(_, score)| score).collect(),
            unk_score: worst - UNK_PENALTY,
            unk_id: *unk_id,
            rounds: false,
        };
        Ok(Self { viterbi, bytes })
    }

    /// Appends the tokens of a path.
    fn put(&self, text: &str, path: Vec<Step>, tokens: &mut Vec<Token>) {
        let mut unknown = None;
        for step in path {
            self.push(text, step, &mut unknown, tokens);
        }
        if let Some(last) = unknown {
            self.push_unknown(text, last, tokens);
        }
    }

    /// Appends the token of a piece; what is unknown waits in `unknown` for more of it.
    #[inline]
    fn push(&self, text: &str, step: Step, unknown: &mut Option<Step>, tokens: &mut Vec<Token>) {
        if self.viterbi.unk_id == Some(step.id) {
            let start = unknown.map_or(step.start, |before| before.start);
            *unknown = Some(Step { start, ..step });
            return;
        }
        if let Some(before) = unknown.take() {
            self.push_unknown(text, before, tokens);
        }
        tokens.push(Token { id: step.id, start: step.start, end: step.end });
    }

    /// The tokens of an unknown stretch.
    fn push_unknown(&self, text: &str, step: Step, tokens: &mut Vec<Token>) {
        let Step { id, start, end } = step;
        let spelling = text.as_bytes().get(start..end).unwrap_or_default();
        if let Some(id) = self.viterbi.trie.get(spelling) {
            tokens.push(Token { id, start, end });
            return;
        }
        let first = tokens.len();
        let of_byte = |&byte: &u8| self.bytes.as_ref().and_then(|ids| ids[usize::from(byte)]);
        for id in spelling.iter().map_while(of_byte) {
            tokens.push(Token { id, start, end });
        }
        if tokens.len() - first < spelling.len() {
            tokens.truncate(first);
            tokens.push(Token { id, start, end });
        }
    }
}

impl Tokenize for Unigram {
    fn kind(&self) -> &'static str {
        "Unigram"
    }

    fn tokenize(
        &self,
        pre_token: &str,
        progress: &Progress,
        tokens: &mut Vec<Token>,
    ) -> Result<()> {
        let mut unknown = None;
        let each = |step| self.push(pre_token, step, &mut unknown, tokens);
        self.viterbi.best_path(pre_token, progress, each)?;
        if let Some(last) = unknown {
            self.push_unknown(pre_token, last, tokens);
        }
        Ok(())
    }

    fn sample(
        &self,
        pre_token: &str,
        sampling: Sampling,
        random: &mut Random,
        progress: &Progress,
        tokens: &mut Vec<Token>,
    ) -> Result<()> {
        let (alpha, n_best) = sampling.of_unigram()?;
        let Viterbi { scores, .. } = &self.viterbi;
        let path = match n_best {
            None => lattice::sample(&self.viterbi, scores, pre_token, (alpha, random), progress)?,
            Some(n) => {
                let laid = Laid::whole(&self.viterbi, scores, pre_token, progress)?;
                random.choose_scored(laid.n_best(n, progress)?, alpha)
            }
        };
        self.put(pre_token, path, tokens);
        Ok(())
    }

    fn n_best(
        &self,
        pre_token: &str,
        n: usize,
        progress: &Progress,
    ) -> Result<Vec<(Vec<Token>, f64)>> {
        check_n_best("n", n)?;
        let laid = Laid::whole(&self.viterbi, &self.viterbi.scores, pre_token, progress)?;
        let best = laid.n_best(n, progress)?;
        let tokens_of = |path| {
            let mut tokens = Vec::new();
            self.put(pre_token, path, &mut tokens);
            tokens
        };
        Ok(best.into_iter().map(|(path, score)| (tokens_of(path), score)).collect())
    }
}
