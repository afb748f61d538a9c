//! Pre-tokenizers: split a part of the text into pre-tokens, within which alone the model works.
//!
//! Here is what the pre-tokenizers are. [`generic`] says what each means, plainly, by a real regular-expression engine with
//! a step limit. [`crate::compiled`] holds the fast splitters for what it recognises, and tests hold the two equal.

pub mod byte_level;
pub mod char_test;
pub mod fixed_length;
pub mod generic;
pub mod known;
pub mod metaspace;
pub mod pattern;
pub mod scripts;
pub mod split;

use crate::post_processor::ByteLevelOptions;

pub use generic::{GenericPreTokenizer, PreTokens};

/// A pre-tokenizer, one variant a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PreTokenizer {
    /// A prefix space if asked, then a split by the GPT-2 pattern if asked; marks the model as one over bytes.
    ByteLevel(ByteLevelOptions),
    /// A split by a pattern.
    Split(Split),
    /// SentencePiece's way: spaces become `replacement`, one is put before the text, and it is split before each.
    Metaspace(Metaspace),
    /// BERT's: split at white space, which goes, and around punctuation.
    Bert,
    /// The matches of `\w+|[^\w\s]+`.
    Whitespace,
    /// Split at white space, which goes.
    WhitespaceSplit,
    /// A split by punctuation.
    Punctuation(SplitBehavior),
    /// Numeric characters apart from others.
    Digits {
        /// Whether each is a pre-token of its own.
        individual_digits: bool,
    },
    /// Split at this character, which goes.
    CharDelimiterSplit(char),
    /// Split where the script changes.
    UnicodeScripts,
    /// Pre-tokens of so many characters.
    FixedLength(usize),
    /// Each in turn, on the pre-tokens of the one before.
    Sequence(Vec<PreTokenizer>),
}

/// The data of [`PreTokenizer::Metaspace`] and of the decoder of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metaspace {
    /// What stands for a space; U+2581 as a rule.
    pub replacement: char,
    /// Where one is put before the text.
    pub prepend_scheme: PrependScheme,
    /// Whether the text is split before each.
    pub split: bool,
}

/// Before which pre-tokens a metaspace is put, unless they begin with one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrependScheme {
    /// The one that begins the raw text.
    First,
    /// None.
    Never,
    /// All.
    Always,
}

/// The data of [`PreTokenizer::Split`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// What to look for.
    pub pattern: Pattern,
    /// What becomes of a match.
    pub behavior: SplitBehavior,
    /// Whether matches and the text between them change roles.
    pub invert: bool,
}

/// What a split looks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// This very text.
    Literal(String),
    /// A regular expression.
    Regex(String),
}

/// What becomes of a match. With the pattern `-` on `a-b--c`:
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SplitBehavior {
    /// `a` `b` `c`
    Removed,
    /// `a` `-` `b` `-` `-` `c`
    Isolated,
    /// `a-` `b-` `-` `c`
    MergedWithPrevious,
    /// `a` `-b` `-` `-c`
    MergedWithNext,
    /// `a` `-` `b` `--` `c`
    Contiguous,
}

impl PreTokenizer {
    /// Whether any stage is `ByteLevel`.
    pub fn is_byte_level(&self) -> bool {
        match self {
            Self::ByteLevel(_) => true,
            Self::Sequence(inner) => inner.iter().any(Self::is_byte_level),
            _ => false,
        }
    }

    /// Whether the last stage is `ByteLevel` and no other is, so that no stage sees its spelling.
    pub fn ends_byte_level(&self) -> bool {
        match self {
            Self::ByteLevel(_) => true,
            Self::Sequence(inner) => inner.split_last().is_some_and(|(last, before)| {
                last.ends_byte_level() && !before.iter().any(Self::is_byte_level)
            }),
            _ => false,
        }
    }
}
