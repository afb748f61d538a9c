//! What a single token is: as the vocabulary spells it, and the bytes of text it stands for.

use std::borrow::Cow;

use super::Tokenizer;
use crate::added_tokens::AddedToken;

impl Tokenizer {
    /// The text of a token as the vocabulary spells it: of byte-level BPE a character a byte, `Ġ` for a space.
    pub fn token_text(&self, id: u32) -> Option<&str> {
        let added = self.added_token(id).map(|token| token.content.as_str());
        added.or_else(|| self.definition.model.token(id))
    }

    /// The bytes of text that a token stands for inside a text.
    pub fn token_bytes(&self, id: u32) -> Option<Cow<'_, [u8]>> {
        self.vocab.bytes(id).map(Cow::Borrowed)
    }

    /// The added token with this id.
    pub(super) fn added_token(&self, id: u32) -> Option<&AddedToken> {
        let tokens = &self.definition.added_tokens;
        let found = tokens.binary_search_by_key(&id, |token| token.id).ok()?;
        tokens.get(found)
    }
}
