//! Adding tokens to a definition, with the ids that Hugging Face's library gives them.

use rustc_hash::FxHashMap;

use super::Definition;
use crate::added_tokens::AddedToken;
use crate::error::{Error, Result};

impl Definition {
    /// Adds tokens, whatever ids they come with, and says how many of them are new or other than before.
    ///
    /// A text of the vocabulary keeps its id. Others get the next id: that after the largest of an added token, or the size of
    /// the model's vocabulary. An empty text is left out.
    ///
    /// # Errors
    /// [`Error::Vocab`] when the next id is taken, as in a vocabulary whose ids have gaps.
    pub fn add_tokens(&mut self, tokens: Vec<AddedToken>) -> Result<usize> {
        let mut ids: FxHashMap<&str, u32> = self.model.tokens().collect();
        let n_model = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        let texts: FxHashMap<u32, &str> = ids.iter().map(|(&text, &id)| (id, text)).collect();
        let mut added = self.added_tokens.clone();
        let old = self.added_tokens.iter().map(|token| (token.content.as_str(), token.id));
        ids.extend(old);
        let mut n_added = 0;
        for mut token in tokens {
            if token.content.is_empty() {
                continue;
            }
            let newer = added.iter().find(|other| other.content == token.content);
            let known =
                newer.map(|other| other.id).or_else(|| ids.get(token.content.as_str()).copied());
            token.id = match known {
                Some(id) => id,
                None => next_id(&added, n_model, &texts, &token.content)?,
            };
            match added.binary_search_by_key(&token.id, |other| other.id) {
                Ok(at) if added.get(at) == Some(&token) => continue,
                Ok(at) => added[at] = token,
                Err(at) => added.insert(at, token),
            }
            n_added += 1;
        }
        self.added_tokens = added;
        Ok(n_added)
    }
}

fn next_id(
    added: &[AddedToken],
    n_model: u32,
    texts: &FxHashMap<u32, &str>,
    content: &str,
) -> Result<u32> {
    let after_added = match added.last() {
        Some(last) => last.id.checked_add(1),
        None => Some(0),
    };
    let Some(after_added) = after_added else {
        return Err(Error::Vocab(format!("no id is left for the added token {content:?}")));
    };
    let id = after_added.max(n_model);
    match texts.get(&id) {
        None => Ok(id),
        Some(text) => Err(Error::Vocab(format!(
            "the added token {content:?} would get id {id}, which is that of the token {text:?}: ids have gaps"
        ))),
    }
}
