//! Normalizers: rewrite a part of the text before it is split.
//!
//! Each leaves the text borrowed when nothing changes, and says of each character it writes where it came from
//! ([`crate::traced`]). What they make of a text, and the spans, are those of Hugging Face's library; [`SentencePiece`]'s are
//! those of SentencePiece. Text can grow to a bounded multiple of what came in ([`crate::bounds`]).

mod bert;
mod byte_level;
mod char_sets;
mod characters;
pub(crate) mod charsmap;
mod ends;
mod precompiled;
mod replace;
mod sentencepiece;
mod unicode;

use crate::bounds::{Growth, check_stages};
use crate::error::Result;
use crate::normalizer::precompiled::Precompiled;
use crate::normalizer::replace::Replace;
use crate::normalizer::unicode::Form;
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
    stages: Vec<Stage>,
}

/// One that is no sequence, built.
#[derive(Debug)]
enum Stage {
    Form(Form),
    Lowercase,
    StripAccents,
    Strip { left: bool, right: bool },
    Replace(Replace),
    Prepend(String),
    Bert(BertNormalizer),
    Nmt,
    ByteLevel,
    Precompiled(Box<Precompiled>),
    SentencePiece(Box<sentencepiece::Compiled>),
}

impl Normalization {
    /// Builds the patterns and tables.
    ///
    /// # Errors
    /// [`crate::Error::Unsupported`] for a pattern that means something else elsewhere and for too many stages,
    /// [`crate::Error::Format`] for an invalid pattern or table.
    pub fn new(normalizer: Option<&Normalizer>) -> Result<Self> {
        let mut stages = Vec::new();
        let mut left: Vec<&Normalizer> = normalizer.into_iter().collect();
        while let Some(next) = left.pop() {
            match next {
                Normalizer::Sequence(inner) => left.extend(inner.iter().rev()),
                single => {
                    check_stages(stages.len() + 1, "normalizer")?;
                    stages.push(Stage::new(single)?);
                }
            }
        }
        Ok(Self { stages })
    }

    /// Whether no text ever changes.
    pub fn is_identity(&self) -> bool {
        self.stages.is_empty()
    }

    /// Whether what becomes of a stretch between two ASCII spaces or line ends depends on it alone, and they become white
    /// space: characters are replaced one by one, or combined with marks that follow them.
    pub fn is_local(&self) -> bool {
        let is_local =
            |stage: &Stage| stage.keeps_lines() || matches!(stage, Stage::Bert(_) | Stage::Nmt);
        self.stages.iter().all(is_local)
    }

    /// Whether, besides, newlines stay what they are.
    pub fn keeps_lines(&self) -> bool {
        self.stages.iter().all(Stage::keeps_lines)
    }

    /// Normalizes `text`.
    ///
    /// # Errors
    /// [`crate::Error::PatternLimit`] when a pattern needs too many steps, [`crate::Error::GrowthLimit`] when the text
    /// becomes too long, [`crate::Error::Interrupted`].
    pub fn normalize(&self, text: &mut Traced<'_>, progress: &Progress) -> Result<()> {
        let growth = Growth::of("normalizer", text.text().len(), progress);
        for stage in &self.stages {
            // A stage that was stopped has left the text half done.
            stage.normalize(text, growth, progress)?;
            growth.check(text.text().len())?;
        }
        Ok(())
    }
}

impl Stage {
    /// Whether it replaces characters one by one, or combines them with marks that follow, and newlines by themselves.
    fn keeps_lines(&self) -> bool {
        matches!(self, Self::Form(_) | Self::Lowercase | Self::StripAccents)
    }

    /// A sequence, which has stages of its own, is one that does nothing.
    fn new(normalizer: &Normalizer) -> Result<Self> {
        Ok(match normalizer {
            Normalizer::Nfc => Self::Form(Form::C),
            Normalizer::Nfd => Self::Form(Form::D),
            Normalizer::Nfkc => Self::Form(Form::Kc),
            Normalizer::Nfkd => Self::Form(Form::Kd),
            Normalizer::Lowercase => Self::Lowercase,
            Normalizer::StripAccents => Self::StripAccents,
            &Normalizer::Strip { left, right } => Self::Strip { left, right },
            Normalizer::Replace { pattern, content } => {
                Self::Replace(Replace::new(pattern, content)?)
            }
            Normalizer::Prepend(prefix) => Self::Prepend(prefix.clone()),
            Normalizer::Bert(options) => Self::Bert(*options),
            Normalizer::Nmt => Self::Nmt,
            Normalizer::ByteLevel => Self::ByteLevel,
            Normalizer::Precompiled(charsmap) => {
                Self::Precompiled(Box::new(Precompiled::new(charsmap)?))
            }
            Normalizer::SentencePiece(spec) => {
                Self::SentencePiece(Box::new(sentencepiece::Compiled::new(spec)?))
            }
            Normalizer::Sequence(_) => Self::Strip { left: false, right: false },
        })
    }

    fn normalize(
        &self,
        text: &mut Traced<'_>,
        growth: Growth<'_>,
        progress: &Progress,
    ) -> Result<()> {
        match self {
            Self::Form(form) => unicode::normalize(text, *form, progress),
            Self::Lowercase => characters::lowercase(text, progress),
            Self::StripAccents => characters::strip_accents(text, progress),
            Self::Strip { left, right } => ends::strip(text, *left, *right),
            Self::Replace(replace) => return replace.normalize(text, growth, progress),
            Self::Prepend(prefix) => ends::prepend(text, prefix),
            Self::Bert(options) => bert::normalize(text, *options, progress),
            Self::Nmt => characters::nmt(text, progress),
            Self::ByteLevel => byte_level::normalize(text, progress),
            Self::Precompiled(map) => return map.normalize(text, growth),
            Self::SentencePiece(compiled) => return compiled.normalize(text, growth),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
