//! [`Encoding`]: ids with all that can be said of them, made when asked.
//!
//! Plain encoding gives ids alone and pays for nothing of this.

use crate::traced::Span;

/// One finished sequence: all lists are equally long.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoding {
    /// The ids.
    pub ids: Vec<u32>,
    /// Which segment each id belongs to, as the post-processor numbers them.
    pub type_ids: Vec<u32>,
    /// The bytes of the raw text each id stands for; empty at 0 for ids that stand for none.
    pub offsets: Vec<Span>,
    /// The pre-token each id came from, counted over its sequence; `None` for ids that came from none.
    pub word_ids: Vec<Option<u32>>,
    /// 0 or 1: the text of a pair each id came from; `None` for ids that came from none.
    pub sequence_ids: Vec<Option<u8>>,
    /// Whether the post-processor or padding added the id.
    pub special_tokens_mask: Vec<bool>,
    /// Whether the id is anything but padding.
    pub attention_mask: Vec<bool>,
    /// What truncation cut off, in sequences of the same length.
    pub overflowing: Vec<Encoding>,
}

impl Encoding {
    /// Number of ids.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Appends an id that came from a text.
    pub fn push(&mut self, id: u32, offsets: Span, word_id: Option<u32>, sequence_id: u8) {
        self.ids.push(id);
        self.type_ids.push(u32::from(sequence_id));
        self.offsets.push(offsets);
        self.word_ids.push(word_id);
        self.sequence_ids.push(Some(sequence_id));
        self.special_tokens_mask.push(false);
        self.attention_mask.push(true);
    }
}
