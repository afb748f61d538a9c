//! [`Affixes`]: characters as symbols, which may have a prefix when they do not start their word and a suffix when they end it.
//!
//! A character with affixes is another symbol than the character. A plain one is an id of its own whether or not words need
//! it, as in `tokenizers`.

use super::alphabet::Characters;
use super::char_map::CharMap;
use super::tokens::Tokens;
use crate::error::{Error, Result};

/// Plain, with the prefix, with the suffix, with both: one more than the id, or 0.
type Forms = [u32; 4];

#[derive(Debug)]
pub(super) struct Affixes<'a> {
    prefix: &'a str,
    suffix: &'a str,
    forms: CharMap<Forms>,
}

impl<'a> Affixes<'a> {
    /// Prepares the tokens for affixes, if there are any.
    pub(super) fn new(options: &'a Characters, tokens: &mut Tokens<'_>) -> Self {
        let (prefix, suffix) = (&options.continuing_subword_prefix, &options.end_of_word_suffix);
        if !prefix.is_empty() || !suffix.is_empty() {
            tokens.join_affixed(prefix.as_bytes());
        }
        Self { prefix, suffix, forms: CharMap::default() }
    }

    pub(super) fn are_any(&self) -> bool {
        !self.prefix.is_empty() || !self.suffix.is_empty()
    }

    pub(super) fn add_plain(&mut self, c: char, tokens: &mut Tokens<'_>) -> Result<()> {
        let id = Self::add(c.encode_utf8(&mut [0; 4]), tokens)?;
        self.forms.entry(c)[0] = id + 1;
        Ok(())
    }

    /// Adds the symbols that a word needs.
    pub(super) fn add_word(&mut self, word: &str, tokens: &mut Tokens<'_>) -> Result<()> {
        let last = word.char_indices().next_back().map(|(place, _)| place);
        for (place, c) in word.char_indices() {
            let form = self.form(place > 0, Some(place) == last);
            let ids = self.forms.get(c);
            if ids[0] == 0 || ids[form] != 0 {
                continue;
            }
            let prefix = if form & 1 == 0 { "" } else { self.prefix };
            let suffix = if form & 2 == 0 { "" } else { self.suffix };
            let id = Self::add(&format!("{prefix}{c}{suffix}"), tokens)?;
            self.forms.entry(c)[form] = id + 1;
        }
        Ok(())
    }

    fn form(&self, is_continuing: bool, is_last: bool) -> usize {
        usize::from(is_continuing && !self.prefix.is_empty())
            + 2 * usize::from(is_last && !self.suffix.is_empty())
    }

    fn add(text: &str, tokens: &mut Tokens<'_>) -> Result<u32> {
        if tokens.is_unmade(text.as_bytes()) {
            return Err(Error::Config(format!(
                "special_tokens must not be a symbol of the alphabet, got {text:?}"
            )));
        }
        if let Some(id) = tokens.id_of(text.as_bytes()) {
            return Ok(id);
        }
        Ok(tokens.push(text.as_bytes(), 1))
    }

    /// The symbol of each character; `None` of one that has no token.
    pub(super) fn symbols_of(&self, word: &str, symbols: &mut Vec<Option<u32>>) {
        let last = word.char_indices().next_back().map(|(place, _)| place);
        symbols.extend(word.char_indices().map(|(place, c)| {
            let ids = self.forms.get(c);
            let form = self.form(place > 0, Some(place) == last);
            if ids[0] == 0 { None } else { ids[form].checked_sub(1) }
        }));
    }
}
