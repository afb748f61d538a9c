//! Normalizers: rewrite a part of the text before it is split.
//!
//! Each leaves the text borrowed when nothing changes, and says of each character it writes where it came from
//! ([`crate::traced`]).

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use crate::error::{Error, Result};
use crate::pre_tokenizer::Pattern;
use crate::progress::Progress;
use crate::traced::Traced;

/// A normalizer, one variant a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Normalizer {
    /// Unicode normalization form C (UAX #15).
    Nfc,
    /// Form D.
    Nfd,
    /// Form KC.
    Nfkc,
    /// Form KD.
    Nfkd,
    /// Lower case, character by character.
    Lowercase,
    /// Leaves out marks (general category M).
    StripAccents,
    /// Leaves out white space at the ends.
    Strip {
        /// At the start.
        left: bool,
        /// At the end.
        right: bool,
    },
    /// Every match of the pattern becomes the content.
    Replace {
        /// What to look for.
        pattern: Pattern,
        /// What stands there instead.
        content: String,
    },
    /// The text with this before it, if it is not empty.
    Prepend(String),
    /// BERT's.
    Bert(BertNormalizer),
    /// SentencePiece's `nmt` clean-up.
    Nmt,
    /// Every byte as its printable character (see [`crate::pre_tokenizer::byte_level`]).
    ByteLevel,
    /// SentencePiece's precompiled character map as Hugging Face's library applies it: by graphemes, then by characters.
    Precompiled(Vec<u8>),
    /// SentencePiece's own: the character map by longest match on bytes, and its treatment of white space.
    SentencePiece(SentencePiece),
    /// Each in turn.
    Sequence(Vec<Normalizer>),
}

/// The data of [`Normalizer::Bert`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the file format's own flags")]
pub struct BertNormalizer {
    /// Whether control characters go and white space becomes spaces.
    pub clean_text: bool,
    /// Whether Chinese characters get spaces around them.
    pub handle_chinese_chars: bool,
    /// Whether marks go; `None`: as `lowercase` says.
    pub strip_accents: Option<bool>,
    /// Whether the text becomes lower case.
    pub lowercase: bool,
}

/// The data of [`Normalizer::SentencePiece`]: the `normalizer_spec` of a model, and the trainer's word on white space.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the file format's own flags")]
pub struct SentencePiece {
    /// The name of the rules, for information.
    pub name: String,
    /// The precompiled character map; empty: none.
    pub charsmap: Vec<u8>,
    /// Whether a space is put before the text.
    pub add_dummy_prefix: bool,
    /// Whether runs of spaces become one, and none are left at the ends.
    pub remove_extra_whitespaces: bool,
    /// Whether spaces become U+2581.
    pub escape_whitespaces: bool,
    /// Whether the dummy prefix stands at the end instead.
    pub treat_whitespace_as_suffix: bool,
    /// Pieces that are matched before anything else and left as they are (user-defined ones), longest first.
    pub user_defined: Vec<String>,
}

/// A normalizer with its patterns and tables built, ready to run.
#[derive(Debug)]
pub struct Normalization {
    stages: Vec<Normalizer>,
}

impl Normalization {
    /// Builds the patterns and tables.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a pattern that means something else elsewhere, [`Error::Format`] for an invalid pattern or
    /// table.
    pub fn new(normalizer: Option<&Normalizer>) -> Result<Self> {
        let mut stages = Vec::new();
        if let Some(normalizer) = normalizer {
            push_stages(normalizer, &mut stages)?;
        }
        Ok(Self { stages })
    }

    /// Whether no text ever changes.
    pub fn is_identity(&self) -> bool {
        self.stages.is_empty()
    }

    /// Normalizes `text`.
    ///
    /// # Errors
    /// [`Error::PatternLimit`] when a pattern needs too many steps, [`Error::Interrupted`].
    pub fn normalize(&self, text: &mut Traced<'_>, progress: &Progress) -> Result<()> {
        for stage in &self.stages {
            progress.check()?;
            match stage {
                Normalizer::Nfc => nfc(text),
                _ => return Err(unsupported(stage)),
            }
        }
        Ok(())
    }
}

fn push_stages(normalizer: &Normalizer, stages: &mut Vec<Normalizer>) -> Result<()> {
    match normalizer {
        Normalizer::Sequence(inner) => {
            inner.iter().try_for_each(|inner| push_stages(inner, stages))
        }
        Normalizer::Nfc => {
            stages.push(Normalizer::Nfc);
            Ok(())
        }
        other => Err(unsupported(other)),
    }
}

fn unsupported(normalizer: &Normalizer) -> Error {
    Error::unsupported("tokenizer", "normalizer", format!("{normalizer:?} is not supported"))
}

fn nfc(text: &mut Traced<'_>) {
    if !text.text().is_ascii() && is_nfc_quick(text.text().chars()) != IsNormalized::Yes {
        text.rewrite(|text, out| {
            for c in text.nfc() {
                out.insert(0, c);
            }
        });
    }
}
