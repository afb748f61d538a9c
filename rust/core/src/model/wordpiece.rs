//! WordPiece: a pre-token becomes the longest token that it begins with, what follows the longest token that has the
//! continuing-subword prefix, and so on to the end; a pre-token where this comes to a stop is unknown as a whole.
//!
//! LinMaxMatch (Song et al. 2021, "Fast WordPiece Tokenization", arXiv 2012.15524, section 3): linear time whatever the
//! vocabulary. One pass walks a trie; where it has no way on, what was read so far since the last token is itself written in
//! tokens known beforehand (the *failure pops* of the node), and what is left over is a node again (its *failure link*). See
//! [`Automaton`].

mod automaton;

use rustc_hash::FxHashSet;

use crate::definition::WordPieceDefinition;
use crate::error::{Error, Result};
use crate::model::{Token, Tokenize};
use crate::progress::Progress;

use automaton::{Automaton, CONTINUING, START};

/// Bytes between two looks at whether to stop.
const POLL_BYTES: usize = 1 << 20;

/// A WordPiece model ready to run.
#[derive(Debug)]
pub struct WordPiece {
    automaton: Automaton,
    unk_id: Option<u32>,
    max_chars: usize,
}

impl WordPiece {
    /// Builds the automaton. Text never becomes one of `special_ids`, but an unknown pre-token may.
    ///
    /// # Errors
    /// [`Error::Vocab`] when the tokens together are too large.
    pub fn new(definition: &WordPieceDefinition, special_ids: &FxHashSet<u32>) -> Result<Self> {
        let WordPieceDefinition { vocab, unk_token, continuing_subword_prefix, .. } = definition;
        let ordinary = vocab.iter().filter(|(_, id)| !special_ids.contains(id));
        let tokens = ordinary.map(|(text, id)| (text.as_bytes(), *id)).collect();
        Ok(Self {
            automaton: Automaton::new(tokens, continuing_subword_prefix.as_bytes())?,
            unk_id: vocab.iter().find(|(text, _)| text == unk_token).map(|&(_, id)| id),
            max_chars: definition.max_input_chars_per_word,
        })
    }

    /// Appends the tokens of a pre-token; `false` if it cannot be written, and then some were appended all the same.
    fn matches(
        &self,
        pre_token: &[u8],
        progress: &Progress,
        tokens: &mut Vec<Token>,
    ) -> Result<bool> {
        let mut node = START;
        let mut start = 0;
        for bytes in pre_token.chunks(POLL_BYTES) {
            progress.check()?;
            for &byte in bytes {
                loop {
                    if let Some(child) = self.automaton.child(node, byte) {
                        node = child;
                        break;
                    }
                    let Some(rest) = self.automaton.fail(node, &mut start, tokens) else {
                        return Ok(false);
                    };
                    node = rest;
                }
            }
        }
        while node != CONTINUING {
            let Some(rest) = self.automaton.fail(node, &mut start, tokens) else {
                return Ok(false);
            };
            node = rest;
        }
        Ok(true)
    }
}

impl Tokenize for WordPiece {
    fn kind(&self) -> &'static str {
        "WordPiece"
    }

    fn tokenize(
        &self,
        pre_token: &str,
        progress: &Progress,
        tokens: &mut Vec<Token>,
    ) -> Result<()> {
        let first = tokens.len();
        let is_short =
            pre_token.len() <= self.max_chars || pre_token.chars().nth(self.max_chars).is_none();
        if is_short && self.matches(pre_token.as_bytes(), progress, tokens)? {
            return Ok(());
        }
        tokens.truncate(first);
        let id = self.unk_id.ok_or(Error::Unencodable { byte_offset: 0 })?;
        tokens.push(Token { id, start: 0, end: pre_token.len() });
        Ok(())
    }
}
