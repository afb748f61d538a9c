//! [`Alphabet`]: the tokens of single characters, and those of bytes.

use rustc_hash::FxHashSet;

use crate::definition::BpeDefinition;
use crate::model::bpe::NONE;
use crate::model::byte_token;
use crate::vocab::SeededMap;

/// Characters on a page of a [`CharacterTable`].
const PAGE: usize = 256;

/// Ids by character: pages, of which one that is empty is shared.
#[derive(Debug, Default)]
struct CharacterTable {
    /// Place of each page in `ids`, in pages.
    pages: Vec<usize>,
    ids: Vec<u32>,
}

impl CharacterTable {
    fn insert(&mut self, character: char, id: u32) {
        let (page, place) = split(character);
        if self.ids.is_empty() {
            self.ids.resize(PAGE, NONE);
        }
        if self.pages.len() <= page {
            self.pages.resize(page + 1, 0);
        }
        if self.pages[page] == 0 {
            self.pages[page] = self.ids.len() / PAGE;
            self.ids.resize(self.ids.len() + PAGE, NONE);
        }
        self.ids[self.pages[page] * PAGE + place] = id;
    }

    fn get(&self, character: char) -> Option<u32> {
        let (page, place) = split(character);
        let page = self.pages.get(page)?;
        self.ids.get(page * PAGE + place).copied().filter(|&id| id != NONE)
    }
}

fn split(character: char) -> (usize, usize) {
    let code = character as usize;
    (code / PAGE, code % PAGE)
}

/// The symbols that characters start as.
#[derive(Debug)]
pub(super) struct Alphabet {
    prefix: String,
    suffix: String,
    /// By whether the character comes first (2) and comes last (1); without prefix and suffix only the first is filled.
    tables: [CharacterTable; 4],
    /// The tokens of bytes, under byte fallback.
    byte_ids: Option<Box<[u32; 256]>>,
    /// Whether every byte has one.
    has_all_bytes: bool,
}

impl Alphabet {
    /// The tokens of one character with what belongs around it.
    pub(super) fn new(definition: &BpeDefinition, special_ids: &FxHashSet<u32>) -> Self {
        let BpeDefinition { vocab, continuing_subword_prefix, end_of_word_suffix, .. } = definition;
        let mut alphabet = Self {
            prefix: continuing_subword_prefix.clone().unwrap_or_default(),
            suffix: end_of_word_suffix.clone().unwrap_or_default(),
            tables: Default::default(),
            byte_ids: None,
            has_all_bytes: false,
        };
        let forms = if alphabet.is_plain() { 0..1 } else { 0..4 };
        for (text, id) in vocab {
            for form in forms.clone() {
                let is_ordinary = !special_ids.contains(id) || is_one_character(text);
                if let Some(character) = alphabet.character_of(text, form).filter(|_| is_ordinary) {
                    alphabet.tables[form].insert(character, *id);
                }
            }
        }
        if definition.byte_fallback {
            let bytes: SeededMap<_, _> = (0..256).map(|byte| (byte_token(byte), byte)).collect();
            let mut ids = Box::new([NONE; 256]);
            for (text, id) in vocab {
                if let Some(&byte) = bytes.get(text) {
                    ids[byte] = *id;
                }
            }
            alphabet.has_all_bytes = ids.iter().all(|&id| id != NONE);
            alphabet.byte_ids = Some(ids);
        }
        alphabet
    }

    fn is_plain(&self) -> bool {
        self.prefix.is_empty() && self.suffix.is_empty()
    }

    fn form(&self, is_first: bool, is_last: bool) -> usize {
        if self.is_plain() { 0 } else { usize::from(is_first) * 2 + usize::from(is_last) }
    }

    /// What belongs before and after a character.
    fn around(&self, form: usize) -> (&str, &str) {
        let prefix = if form & 2 == 0 { self.prefix.as_str() } else { "" };
        (prefix, if form & 1 == 0 { "" } else { &self.suffix })
    }

    /// The only character of a text but for what belongs around it.
    fn character_of(&self, text: &str, form: usize) -> Option<char> {
        let (prefix, suffix) = self.around(form);
        let mut characters = text.strip_prefix(prefix)?.strip_suffix(suffix)?.chars();
        characters.next().filter(|_| characters.next().is_none())
    }

    /// The symbol of a character.
    pub(super) fn get(&self, character: char, is_first: bool, is_last: bool) -> Option<u32> {
        self.tables[self.form(is_first, is_last)].get(character)
    }

    /// Whether a character never becomes unk, when nothing belongs around it.
    pub(super) fn is_known(&self, character: char) -> bool {
        self.has_all_bytes || self.get(character, false, false).is_some()
    }

    /// Gives out the tokens of the bytes of a character and what belongs around it, each with the bytes of text it stands for:
    /// what belongs around stands for none. `false`, and none, if one is missing.
    pub(super) fn push_bytes(
        &self,
        character: char,
        is_first: bool,
        is_last: bool,
        mut push: impl FnMut(u32, usize),
    ) -> bool {
        let Some(byte_ids) = &self.byte_ids else { return false };
        let (prefix, suffix) = self.around(self.form(is_first, is_last));
        let mut buffer = [0; 4];
        let character = character.encode_utf8(&mut buffer);
        let ids = || {
            let around = |text: &'_ str| text.bytes().map(|byte| (byte, 0)).collect::<Vec<_>>();
            let own = character.bytes().map(|byte| (byte, 1));
            let bytes = around(prefix).into_iter().chain(own).chain(around(suffix));
            bytes.map(|(byte, n_bytes)| (byte_ids[usize::from(byte)], n_bytes))
        };
        let has_all = ids().all(|(id, _)| id != NONE);
        if has_all {
            ids().for_each(|(id, n_bytes)| push(id, n_bytes));
        }
        has_all
    }

    /// The tokens that byte fallback gives out.
    pub(super) fn byte_tokens(&self) -> impl Iterator<Item = u32> {
        self.byte_ids.iter().flat_map(|ids| ids.iter().copied()).filter(|&id| id != NONE)
    }
}

fn is_one_character(text: &str) -> bool {
    text.chars().nth(1).is_none()
}

/// The id of a text.
pub(super) fn id_of(vocab: &[(String, u32)], text: &str) -> Option<u32> {
    vocab.iter().find(|(known, _)| known == text).map(|&(_, id)| id)
}
