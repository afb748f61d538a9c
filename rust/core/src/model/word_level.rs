//! Word level: a pre-token is a token, or unknown.

use rustc_hash::FxHashSet;

use crate::definition::WordLevelDefinition;
use crate::error::{Error, Result};
use crate::model::{Token, Tokenize};
use crate::progress::Progress;
use crate::vocab::{BytesIndex, Vocab};

/// A word-level model ready to run.
#[derive(Debug)]
pub struct WordLevel {
    vocab: Vocab,
    index: BytesIndex,
    unk_id: Option<u32>,
}

impl WordLevel {
    /// Builds the index. Text never becomes one of `special_ids`, but an unknown pre-token may.
    ///
    /// # Errors
    /// [`Error::Vocab`] when the definition contradicts itself.
    pub fn new(definition: &WordLevelDefinition, special_ids: &FxHashSet<u32>) -> Result<Self> {
        let WordLevelDefinition { vocab: tokens, unk_token } = definition;
        let mut vocab = Vocab::default();
        let mut ordinary = Vec::with_capacity(tokens.len());
        for (text, id) in tokens {
            if !special_ids.contains(id) {
                vocab.insert(*id, text.as_bytes())?;
                ordinary.push(*id);
            }
        }
        let index = BytesIndex::new(&vocab, ordinary.into_iter());
        let unk_id = tokens.iter().find(|(text, _)| text == unk_token).map(|&(_, id)| id);
        Ok(Self { vocab, index, unk_id })
    }
}

impl Tokenize for WordLevel {
    fn kind(&self) -> &'static str {
        "WordLevel"
    }

    fn tokenize(&self, pre_token: &str, _: &Progress, tokens: &mut Vec<Token>) -> Result<()> {
        let id = self.index.get(&self.vocab, pre_token.as_bytes()).or(self.unk_id);
        let id = id.ok_or(Error::Unencodable { byte_offset: 0 })?;
        tokens.push(Token { id, start: 0, end: pre_token.len() });
        Ok(())
    }
}
