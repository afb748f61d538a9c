//! Pre-tokenizers: split a part of the text into pre-tokens, within which alone the model works.
//!
//! This is the generic form, which says what a pre-tokenizer means: plain, by a real regular-expression engine with a
//! step limit. [`crate::compiled`] holds the fast splitters for the patterns it recognises, and tests hold the two equal.

pub mod byte_level;
pub mod known;
pub mod pattern;
pub mod split;

use std::borrow::Cow;
use std::ops::Range;

use crate::error::Result;
use crate::post_processor::ByteLevelOptions;
use crate::pre_tokenizer::pattern::Matcher;
use crate::progress::Progress;

/// A pre-tokenizer, one variant a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PreTokenizer {
    /// A prefix space if asked, then a split by the GPT-2 pattern if asked; marks the model as one over bytes.
    ByteLevel(ByteLevelOptions),
    /// A split by a pattern.
    Split(Split),
    /// Each in turn, on the pre-tokens of the one before.
    Sequence(Vec<PreTokenizer>),
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

/// The outcome of pre-tokenizing a part: the text, rewritten where a stage inserted spaces, and the pre-tokens in it.
#[derive(Debug)]
pub struct PreTokens<'a> {
    /// The text the ranges index.
    pub text: Cow<'a, str>,
    /// Increasing, disjoint, on character boundaries, none empty.
    pub ranges: Vec<Range<usize>>,
    /// Where the stretches of a rewritten text came from, in order; empty while the text is as it was.
    origins: Vec<Origin>,
}

/// A stretch of a rewritten text, which ends where the next begins.
#[derive(Debug, Clone, Copy)]
struct Origin {
    start: usize,
    /// Whether it begins with a space that was inserted.
    has_space: bool,
    /// Where the rest began before.
    source: usize,
}

impl PreTokens<'_> {
    /// Where a place in the text was before any rewriting; an inserted space counts as the character after it.
    pub fn source_of(&self, place: usize) -> usize {
        let after = self.origins.partition_point(|origin| origin.start <= place);
        match after.checked_sub(1).and_then(|i| self.origins.get(i)) {
            Some(origin) => {
                origin.source + (place - origin.start).saturating_sub(usize::from(origin.has_space))
            }
            None => place,
        }
    }

    fn starts_with_inserted_space(&self, place: usize) -> bool {
        let found = self.origins.binary_search_by_key(&place, |origin| origin.start);
        found.is_ok_and(|i| self.origins[i].has_space)
    }
}

impl GenericPreTokenizer {
    /// Builds the patterns.
    ///
    /// # Errors
    /// [`crate::Error::Unsupported`] for a pattern that means something else elsewhere, [`crate::Error::Format`] for an
    /// invalid one.
    pub fn new(pre_tokenizer: Option<&PreTokenizer>) -> Result<Self> {
        let mut stages = Vec::new();
        if let Some(pre_tokenizer) = pre_tokenizer {
            push_stages(pre_tokenizer, "pre_tokenizer", &mut stages)?;
        }
        Ok(Self { stages })
    }

    /// Splits `text`.
    ///
    /// # Errors
    /// [`crate::Error::PatternLimit`] when a pattern needs too many steps, [`crate::Error::Interrupted`].
    pub fn pre_tokenize<'a>(&self, text: &'a str, progress: &Progress) -> Result<PreTokens<'a>> {
        let mut pre_tokens =
            PreTokens { text: Cow::Borrowed(text), ranges: Vec::new(), origins: Vec::new() };
        if !text.is_empty() {
            pre_tokens.ranges.push(0..text.len());
        }
        for stage in &self.stages {
            match stage {
                Stage::PrefixSpace => byte_level::add_prefix_spaces(&mut pre_tokens),
                Stage::Split { matcher, behavior, invert } => {
                    let mut ranges = Vec::with_capacity(pre_tokens.ranges.len());
                    for range in &pre_tokens.ranges {
                        let piece = pre_tokens.text.get(range.clone()).unwrap_or_default();
                        let (base, out) = (range.start, &mut ranges);
                        split::split(piece, matcher, *behavior, *invert, base, progress, out)
                            .map_err(|error| {
                                error.map_offset(|place| pre_tokens.source_of(base + place))
                            })?;
                    }
                    pre_tokens.ranges = ranges;
                }
            }
        }
        Ok(pre_tokens)
    }
}

fn push_stages(pre_tokenizer: &PreTokenizer, place: &str, stages: &mut Vec<Stage>) -> Result<()> {
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
                push_stages(inner, &format!("{place}.pretokenizers[{i}]"), stages)?;
            }
        }
    }
    Ok(())
}

impl PreTokenizer {
    /// Whether the model behind works on bytes: whether any stage is `ByteLevel`.
    pub fn is_byte_level(&self) -> bool {
        match self {
            Self::ByteLevel(_) => true,
            Self::Split(_) => false,
            Self::Sequence(inner) => inner.iter().any(Self::is_byte_level),
        }
    }
}
