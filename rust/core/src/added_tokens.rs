//! Special and added tokens: found in the text before anything else.
//!
//! Two passes, as in Hugging Face's library: tokens with `is_normalized == false` are looked for in the raw text, the others
//! in what the normalizer makes of the rest. Each pass is leftmost-longest. What is between goes on to the pre-tokenizer.

/// A token that is matched in the text as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedToken {
    /// Its id.
    pub id: u32,
    /// The text that is matched.
    pub content: String,
    /// Whether it must not touch a word character (`\w`) on either side.
    pub is_single_word: bool,
    /// Whether it swallows white space on its left.
    pub strips_left: bool,
    /// Whether it swallows white space on its right.
    pub strips_right: bool,
    /// Whether it is looked for in the normalized text rather than in the raw text.
    pub is_normalized: bool,
    /// Whether it is special: never produced from ordinary text unless the caller allows it.
    pub is_special: bool,
}
