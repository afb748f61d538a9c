//! [`Tokens`]: the tokens there are and the rules for more, which is all that the engine asks.

use std::cmp::Ordering;

use super::bounds::Bounds;
use super::engine::Rules;
use super::pairs::Pair;
use super::texts::Texts;
use crate::vocab::{SeededMap, SeededSet, index};

/// Which of two pairs that occur equally often is merged first.
#[derive(Debug, Clone, Copy)]
pub(super) enum Order {
    /// The one of the smaller (left id, right id): `tokenizers`.
    Ids,
    /// The one whose text has fewer characters; of equals the first by its bytes: SentencePiece.
    Texts,
}

/// The tokens by id, first those that words are made of at the start.
#[derive(Debug)]
pub(super) struct Tokens<'a> {
    pub(super) texts: Texts,
    /// Bytes or characters of each.
    lengths: Vec<u32>,
    bounds: Bounds<'a>,
    order: Order,
    /// Texts that no merge makes, and their lengths in bytes.
    unmade: SeededSet<Vec<u8>>,
    unmade_lengths: Vec<bool>,
    /// What the text of the right part loses in a product.
    prefix: Vec<u8>,
    /// Ids by text, if a product may be a token that is there.
    by_text: Option<SeededMap<Vec<u8>, u32>>,
    buffer: Vec<u8>,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(bounds: Bounds<'a>, order: Order) -> Self {
        Self {
            texts: Texts::default(),
            lengths: Vec::new(),
            bounds,
            order,
            unmade: SeededSet::default(),
            unmade_lengths: Vec::new(),
            prefix: Vec::new(),
            by_text: None,
            buffer: Vec::new(),
        }
    }

    /// Adds a token that words are made of.
    pub(super) fn push(&mut self, text: &[u8], length: u32) -> u32 {
        let id = index(self.texts.len());
        self.texts.push(text);
        self.lengths.push(length);
        if let Some(by_text) = &mut self.by_text {
            by_text.entry(text.to_vec()).or_insert(id);
        }
        id
    }

    /// Makes products of parts with affixes: `prefix` goes from the right part, and a product that is spelled like a token is
    /// that token.
    pub(super) fn join_affixed(&mut self, prefix: &[u8]) {
        self.prefix = prefix.to_vec();
        let texts = self.texts.iter().map(<[u8]>::to_vec);
        self.by_text = Some(texts.zip(0..).collect());
    }

    /// The id of a token, where products may be tokens that are there.
    pub(super) fn id_of(&self, text: &[u8]) -> Option<u32> {
        self.by_text.as_ref()?.get(text).copied()
    }

    /// Forbids a text: no merge makes it.
    pub(super) fn forbid(&mut self, text: Vec<u8>) {
        let length = text.len();
        if self.unmade_lengths.len() <= length {
            self.unmade_lengths.resize(length + 1, false);
        }
        self.unmade_lengths[length] = true;
        self.unmade.insert(text);
    }

    /// Whether a product may be a token that is there.
    pub(super) fn may_make_again(&self) -> bool {
        self.by_text.is_some()
    }

    pub(super) fn is_unmade(&self, text: &[u8]) -> bool {
        self.unmade.contains(text)
    }

    /// Writes the text of a product into the buffer.
    fn spell(&mut self, (left, right): Pair) {
        let right = self.texts.get(right);
        self.buffer.clear();
        self.buffer.extend_from_slice(self.texts.get(left));
        self.buffer.extend_from_slice(right.strip_prefix(&self.prefix[..]).unwrap_or(right));
    }
}

impl Rules for Tokens<'_> {
    fn n_tokens(&self) -> usize {
        self.texts.len()
    }

    fn may_merge(&mut self, pair: Pair) -> bool {
        let (left, right) = (pair.0 as usize, pair.1 as usize);
        if !self.bounds.admit_length(self.lengths[left], self.lengths[right]) {
            return false;
        }
        let length = self.texts.get(pair.0).len() + self.texts.get(pair.1).len();
        let may_be_unmade = self.unmade_lengths.get(length).copied().unwrap_or_default()
            || (!self.prefix.is_empty() && !self.unmade.is_empty());
        if !may_be_unmade && !self.bounds.look_at_text() {
            return true;
        }
        self.spell(pair);
        !(may_be_unmade && self.unmade.contains(&self.buffer))
            && self.bounds.admit_text(&self.buffer)
    }

    fn order(&self, a: Pair, b: Pair) -> Ordering {
        let length =
            |(left, right): Pair| self.lengths[left as usize] + self.lengths[right as usize];
        let text = |(left, right): Pair| self.texts.get(left).iter().chain(self.texts.get(right));
        match self.order {
            Order::Ids => a.cmp(&b),
            Order::Texts => {
                length(a).cmp(&length(b)).then_with(|| text(a).cmp(text(b))).then_with(|| a.cmp(&b))
            }
        }
    }

    fn make(&mut self, pair: Pair) -> u32 {
        self.spell(pair);
        if let Some(id) = self.id_of(&self.buffer) {
            return id;
        }
        let length = self.lengths[pair.0 as usize] + self.lengths[pair.1 as usize];
        let text = std::mem::take(&mut self.buffer);
        let id = self.push(&text, length);
        self.buffer = text;
        id
    }
}
