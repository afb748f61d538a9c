//! Normalizers: rewrite a part of the text before it is split.
//!
//! Each borrows its input when nothing changes.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// A normalizer, one variant a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Normalizer {
    /// Unicode normalization form C (UAX #15).
    Nfc,
    /// Each in turn.
    Sequence(Vec<Normalizer>),
}

impl Normalizer {
    /// The normalized text; borrowed when it equals `text`.
    pub fn normalize<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self {
            Self::Nfc => {
                if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
                    Cow::Borrowed(text)
                } else {
                    Cow::Owned(text.nfc().collect())
                }
            }
            Self::Sequence(normalizers) => {
                normalizers.iter().fold(Cow::Borrowed(text), |text, normalizer| match text {
                    Cow::Borrowed(text) => normalizer.normalize(text),
                    Cow::Owned(text) => Cow::Owned(normalizer.normalize(&text).into_owned()),
                })
            }
        }
    }
}
