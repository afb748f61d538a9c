//! Pre-tokenizers: split a part of the text into pre-tokens, within which alone the model works.
//!
//! This is the generic form, which says what a pre-tokenizer means: plain, by a real regular-expression engine with a
//! step limit. [`crate::compiled`] holds the fast splitters for the patterns it recognises, and tests hold the two equal.

pub mod byte_level;
pub mod known;
pub mod pattern;
pub mod split;

use std::ops::Range;

use crate::error::{Error, Result};
use crate::post_processor::ByteLevelOptions;
use crate::pre_tokenizer::pattern::Matcher;
use crate::progress::Progress;
use crate::traced::Traced;

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

/// A pre-tokenizer with its patterns built, ready to run.
#[derive(Debug)]
pub struct GenericPreTokenizer {
    stages: Vec<Stage>,
}

#[derive(Debug)]
enum Stage {
    PrefixSpace,
    Split { matcher: Matcher, behavior: SplitBehavior, invert: bool },
}

/// The outcome of pre-tokenizing a part.
#[derive(Debug)]
pub struct PreTokens<'a> {
    /// The text the ranges index: the part, rewritten where a stage rewrites.
    pub text: Traced<'a>,
    /// Increasing, disjoint, on character boundaries, none empty.
    pub ranges: Vec<Range<usize>>,
}

impl GenericPreTokenizer {
    /// Builds the patterns. `spells_bytes`: whether a `ByteLevel` stage rewrites the text in its alphabet, for a model that
    /// works on text; otherwise the model works on the bytes themselves.
    ///
    /// # Errors
    /// [`crate::Error::Unsupported`] for a pattern that means something else elsewhere, [`crate::Error::Format`] for an
    /// invalid one.
    pub fn new(pre_tokenizer: Option<&PreTokenizer>, spells_bytes: bool) -> Result<Self> {
        let mut stages = Vec::new();
        if let Some(pre_tokenizer) = pre_tokenizer {
            push_stages(pre_tokenizer, "pre_tokenizer", spells_bytes, &mut stages)?;
        }
        Ok(Self { stages })
    }

    /// Whether a stage may rewrite the text, so that places in it are not places in the part.
    pub fn rewrites(&self) -> bool {
        self.stages.iter().any(|stage| matches!(stage, Stage::PrefixSpace))
    }

    /// Whether a stage must know where its text stands in the raw text even after a normalizer.
    pub fn needs_spans(&self) -> bool {
        false
    }

    /// Splits `text`, which begins at `base` of the raw text.
    ///
    /// # Errors
    /// [`crate::Error::PatternLimit`] when a pattern needs too many steps, [`crate::Error::Interrupted`].
    pub fn pre_tokenize<'a>(
        &self,
        text: Traced<'a>,
        base: usize,
        progress: &Progress,
    ) -> Result<PreTokens<'a>> {
        let whole = 0..text.text().len();
        let ranges = if whole.is_empty() { Vec::new() } else { vec![whole] };
        let mut pre_tokens = PreTokens { text, ranges };
        for stage in &self.stages {
            match stage {
                Stage::PrefixSpace => byte_level::add_prefix_spaces(&mut pre_tokens),
                Stage::Split { matcher, behavior, invert } => {
                    let mut ranges = Vec::with_capacity(pre_tokens.ranges.len());
                    for range in &pre_tokens.ranges {
                        let piece = pre_tokens.text.text().get(range.clone()).unwrap_or_default();
                        let (start, out) = (range.start, &mut ranges);
                        split::split(piece, matcher, *behavior, *invert, start, progress, out)
                            .map_err(|error| {
                                error.map_offset(|place| {
                                    pre_tokens.place_in_part(start + place, base)
                                })
                            })?;
                    }
                    pre_tokens.ranges = ranges;
                }
            }
        }
        Ok(pre_tokens)
    }
}

impl PreTokens<'_> {
    /// The place in the part, which begins at `base` of the raw text, of a place in the text (where it is not traced, the same
    /// place).
    fn place_in_part(&self, place: usize, base: usize) -> usize {
        self.text.span(place..place + 1).map_or(place, |(start, _)| start.saturating_sub(base))
    }
}

fn push_stages(
    pre_tokenizer: &PreTokenizer,
    place: &str,
    spells_bytes: bool,
    stages: &mut Vec<Stage>,
) -> Result<()> {
    match pre_tokenizer {
        PreTokenizer::ByteLevel(options) => {
            if options.add_prefix_space {
                stages.push(Stage::PrefixSpace);
            }
            if options.use_regex {
                let matcher = Matcher::regex(byte_level::GPT2_PATTERN, place)?;
                stages.push(Stage::Split {
                    matcher,
                    behavior: SplitBehavior::Isolated,
                    invert: false,
                });
            }
            if spells_bytes {
                return Err(Error::unsupported(
                    "tokenizer",
                    place,
                    "ByteLevel before such a model is not supported",
                ));
            }
        }
        PreTokenizer::Split(Split { pattern, behavior, invert }) => {
            let matcher = match pattern {
                Pattern::Literal(text) => Matcher::literal(text),
                Pattern::Regex(text) => Matcher::regex(text, &format!("{place}.pattern.Regex"))?,
            };
            stages.push(Stage::Split { matcher, behavior: *behavior, invert: *invert });
        }
        PreTokenizer::Sequence(pre_tokenizers) => {
            for (i, inner) in pre_tokenizers.iter().enumerate() {
                push_stages(inner, &format!("{place}.pretokenizers[{i}]"), spells_bytes, stages)?;
            }
        }
        other => {
            return Err(Error::unsupported(
                "tokenizer",
                place,
                format!("{other:?} is not supported"),
            ));
        }
    }
    Ok(())
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
