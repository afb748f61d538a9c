//! [`Bounds`]: what a token may be.

use std::fmt;

use crate::char_class::{NUMBER, flags_of};
use crate::pre_tokenizer::scripts;

/// Whether a text may be a token.
pub type TextRule<'a> = &'a (dyn Fn(&[u8]) -> bool + Sync);

/// What a token that training makes may be. Each rule is looked at once for each pair that comes up, so a pair that would
/// break it is never merged, and its parts stay what they are.
#[derive(Clone, Copy, Default)]
pub struct Bounds<'a> {
    /// The longest token, in bytes or characters, whichever the alphabet is of.
    pub max_length: Option<usize>,
    /// `max_length` as `tokenizers` 0.23.3 has it: a product must be *shorter*, and pairs of two symbols are not looked at.
    pub is_max_length_exclusive: bool,
    /// A token is whole characters, or a part of one.
    pub whole_characters: bool,
    /// A token that holds a numeric character holds nothing else, and at most so many.
    pub max_digits: Option<usize>,
    /// A token has characters of one script, beside those that belong to none; and whole ones, if it has more than one.
    pub one_script: bool,
    /// A rule of the caller's on the bytes of a token.
    pub is_valid: Option<TextRule<'a>>,
}

impl fmt::Debug for Bounds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bounds")
            .field("max_length", &self.max_length)
            .field("is_max_length_exclusive", &self.is_max_length_exclusive)
            .field("whole_characters", &self.whole_characters)
            .field("max_digits", &self.max_digits)
            .field("one_script", &self.one_script)
            .finish_non_exhaustive()
    }
}

impl Bounds<'_> {
    /// Whether a product of these lengths is short enough.
    pub(super) fn admit_length(&self, left: u32, right: u32) -> bool {
        let Some(max) = self.max_length else { return true };
        let length = left as usize + right as usize;
        if self.is_max_length_exclusive {
            length < max || (left, right) == (1, 1)
        } else {
            length <= max
        }
    }

    /// Whether any rule looks at the text.
    pub(super) fn look_at_text(&self) -> bool {
        self.whole_characters
            || self.max_digits.is_some()
            || self.one_script
            || self.is_valid.is_some()
    }

    /// Whether `text` may be a token.
    pub(super) fn admit_text(&self, text: &[u8]) -> bool {
        if self.is_valid.is_some_and(|is_valid| !is_valid(text)) {
            return false;
        }
        let Ok(whole) = std::str::from_utf8(text) else {
            let is_free = !self.whole_characters && !self.one_script;
            return (is_free || is_part_of_character(text))
                && self.max_digits.is_none_or(|max| admit_digits_in_parts(text, max));
        };
        (!self.one_script || is_of_one_script(whole))
            && self.max_digits.is_none_or(|max| admit_digits(whole, max))
    }
}

/// Whether `text`, which is not UTF-8, is a stretch of the bytes of one character.
fn is_part_of_character(text: &[u8]) -> bool {
    let is_tail = |byte: &u8| byte & 0xC0 == 0x80;
    match text.split_first() {
        Some((0xC2..=0xF4, tail)) => tail.iter().all(is_tail),
        _ => text.iter().all(is_tail),
    }
}

fn admit_digits(text: &str, max: usize) -> bool {
    let is_digit = |c: char| flags_of(u32::from(c)) & NUMBER != 0;
    let n_digits = text.chars().filter(|&c| is_digit(c)).count();
    n_digits == 0 || (n_digits <= max && text.chars().all(is_digit))
}

/// [`admit_digits`] where characters may be cut: whatever is whole is looked at, and a part counts as no digit.
fn admit_digits_in_parts(text: &[u8], max: usize) -> bool {
    let has_digit = |part: &str| part.chars().any(|c| flags_of(u32::from(c)) & NUMBER != 0);
    max > 0 && !text.utf8_chunks().any(|chunk| has_digit(chunk.valid()))
}

/// Common and inherited characters belong to none.
fn is_of_one_script(text: &str) -> bool {
    let mut found = text.chars().filter_map(scripts::own_script_of);
    let first = found.next();
    found.all(|script| Some(script) == first)
}
