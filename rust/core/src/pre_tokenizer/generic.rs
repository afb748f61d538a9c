//! The generic form of every pre-tokenizer: a list of stages, each of which sees what the one before it left.
//!
//! A stage splits the pre-tokens there are, or rewrites them, or both one after the other. All pre-tokens are ranges of one
//! text, which is written anew by a stage that rewrites.

use std::num::NonZeroUsize;
use std::ops::Range;

use super::char_test::CharTest;
use super::pattern::Matcher;
use super::split::{self, Finder};
use super::{
    Metaspace, Pattern, PreTokenizer, PrependScheme, Split, SplitBehavior, byte_level,
    fixed_length, metaspace, scripts,
};
use crate::bounds::{Growth, check_stages};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::traced::{Rewriter, Traced};

/// `\w+|[^\w\s]+`, with `\w` as Unicode has it (UTS #18), which is what `tokenizers` means here, and here only.
const WORDS_PATTERN: &str = r"[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}\s]+";

/// A pre-tokenizer with its patterns built, ready to run.
#[derive(Debug)]
pub struct GenericPreTokenizer {
    stages: Vec<Stage>,
    /// Whether a stage asks where its text stands in the raw text when a stage before has rewritten it.
    traces_itself: bool,
}

#[derive(Debug)]
enum Stage {
    PrefixSpace,
    Spell,
    MarkSpaces(Metaspace),
    Split { finder: Finder, behavior: SplitBehavior, invert: bool },
    Scripts,
    FixedLength(NonZeroUsize),
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
    /// [`crate::Error::Unsupported`] for a pattern that means something else elsewhere and for too many stages,
    /// [`crate::Error::Format`] for an invalid pattern, and for a length of 0.
    pub fn new(pre_tokenizer: Option<&PreTokenizer>, spells_bytes: bool) -> Result<Self> {
        let mut stages = Vec::new();
        if let Some(pre_tokenizer) = pre_tokenizer {
            push_stages(pre_tokenizer, "pre_tokenizer", spells_bytes, &mut stages)?;
        }
        let last_first = stages.iter().rposition(Stage::asks_for_place).unwrap_or_default();
        let traces_itself = stages.iter().take(last_first).any(Stage::rewrites);
        Ok(Self { stages, traces_itself })
    }

    /// Whether a stage may rewrite the text, so that places in it are not places in the part.
    pub fn rewrites(&self) -> bool {
        self.stages.iter().any(Stage::rewrites)
    }

    /// Whether a stage must know where its text stands in the raw text even after a normalizer.
    pub fn needs_spans(&self) -> bool {
        self.stages.iter().any(Stage::asks_for_place)
    }

    /// Splits `text`, which begins at `base` of the raw text. Where [`GenericPreTokenizer::needs_spans`], it is traced or is
    /// itself raw text.
    ///
    /// # Errors
    /// [`crate::Error::PatternLimit`] when a pattern needs too many steps, [`crate::Error::GrowthLimit`] when the text becomes
    /// too long, [`crate::Error::Interrupted`].
    pub fn pre_tokenize<'a>(
        &self,
        text: Traced<'a>,
        base: usize,
        progress: &Progress,
    ) -> Result<PreTokens<'a>> {
        let mut text = text;
        if self.traces_itself {
            text.trace(base, progress)?;
        }
        let whole = 0..text.text().len();
        let ranges = if whole.is_empty() { Vec::new() } else { vec![whole] };
        let mut pre_tokens = PreTokens { text, ranges };
        let growth = Growth::of("pre-tokenizer", pre_tokens.text.text().len(), progress);
        for stage in &self.stages {
            growth.check(pre_tokens.text.text().len())?;
            stage.run(&mut pre_tokens, base, progress)?;
        }
        growth.check(pre_tokens.text.text().len())?;
        Ok(pre_tokens)
    }
}

impl Stage {
    fn rewrites(&self) -> bool {
        matches!(self, Self::PrefixSpace | Self::Spell | Self::MarkSpaces(_))
    }

    fn asks_for_place(&self) -> bool {
        matches!(self, Self::MarkSpaces(Metaspace { prepend_scheme: PrependScheme::First, .. }))
    }

    fn run(&self, pre_tokens: &mut PreTokens<'_>, base: usize, progress: &Progress) -> Result<()> {
        match self {
            Self::PrefixSpace => byte_level::add_prefix_spaces(pre_tokens),
            Self::Spell => byte_level::spell_pre_tokens(pre_tokens, progress),
            Self::MarkSpaces(metaspace) => metaspace::mark_spaces(*metaspace, base, pre_tokens),
            Self::Scripts => pre_tokens.split_each(|text, start, out| {
                scripts::split(text, start, progress, out);
                progress.check()
            })?,
            Self::FixedLength(length) => pre_tokens.split_each(|text, start, out| {
                fixed_length::split(text, *length, start, progress, out);
                progress.check()
            })?,
            Self::Split { finder, behavior, invert } => {
                let done = pre_tokens.split_each(|text, start, out| {
                    split::split(text, finder, *behavior, *invert, start, progress, out)
                        .map_err(|error| error.moved_by(start))
                });
                done.map_err(|error| {
                    error.map_offset(|place| pre_tokens.place_in_part(place, base))
                })?;
            }
        }
        Ok(())
    }
}

impl PreTokens<'_> {
    /// Writes the text anew from its pre-tokens: `write` gets the number of each, the text and the range. What is between
    /// them goes.
    pub(super) fn rewrite(
        &mut self,
        mut write: impl FnMut(usize, &str, Range<usize>, &mut Rewriter<'_>),
    ) {
        let Self { text, ranges } = self;
        text.rewrite(|text, out| {
            for (i, range) in ranges.iter_mut().enumerate() {
                let start = out.text().len();
                write(i, text, range.clone(), out);
                *range = start..out.text().len();
            }
        });
    }

    /// Splits each pre-token: `split` gets its text and where it starts, and appends ranges.
    fn split_each(
        &mut self,
        mut split: impl FnMut(&str, usize, &mut Vec<Range<usize>>) -> Result<()>,
    ) -> Result<()> {
        let mut ranges = Vec::with_capacity(self.ranges.len());
        for range in &self.ranges {
            let text = self.text.text().get(range.clone()).unwrap_or_default();
            split(text, range.start, &mut ranges)?;
        }
        self.ranges = ranges;
        Ok(())
    }

    /// The place in the part, which begins at `base` of the raw text, of a place in the text (where it is not traced, the same
    /// place).
    fn place_in_part(&self, place: usize, base: usize) -> usize {
        self.text.span(place..place + 1).map_or(place, |(start, _)| start.saturating_sub(base))
    }
}

/// Appends the stages of a pre-tokenizer, which stands at `place` of its definition.
fn push_stages(
    pre_tokenizer: &PreTokenizer,
    place: &str,
    spells_bytes: bool,
    stages: &mut Vec<Stage>,
) -> Result<()> {
    let chars =
        |test, behavior| Stage::Split { finder: Finder::Chars(test), behavior, invert: false };
    let pattern = |matcher, behavior, invert| Stage::Split {
        finder: Finder::Pattern(matcher),
        behavior,
        invert,
    };
    let literal = |c: char| Matcher::literal(c.encode_utf8(&mut [0; 4]));
    match pre_tokenizer {
        PreTokenizer::ByteLevel(options) => {
            if options.add_prefix_space {
                stages.push(Stage::PrefixSpace);
            }
            if options.use_regex {
                let matcher = Matcher::regex(byte_level::GPT2_PATTERN, place)?;
                stages.push(pattern(matcher, SplitBehavior::Isolated, false));
            }
            if spells_bytes {
                stages.push(Stage::Spell);
            }
        }
        PreTokenizer::Split(Split { pattern: looked_for, behavior, invert }) => {
            let matcher = match looked_for {
                // Nothing is found everywhere, as a regular expression finds it.
                Pattern::Literal(text) if text.is_empty() => Matcher::regex(text, place)?,
                Pattern::Literal(text) => Matcher::literal(text),
                Pattern::Regex(text) => Matcher::regex(text, &format!("{place}.pattern.Regex"))?,
            };
            stages.push(pattern(matcher, *behavior, *invert));
        }
        PreTokenizer::Metaspace(metaspace) => {
            stages.push(Stage::MarkSpaces(*metaspace));
            if metaspace.split {
                let matcher = literal(metaspace.replacement);
                stages.push(pattern(matcher, SplitBehavior::MergedWithNext, false));
            }
        }
        PreTokenizer::Bert => {
            stages.push(chars(CharTest::WhiteSpace, SplitBehavior::Removed));
            stages.push(chars(CharTest::Punctuation, SplitBehavior::Isolated));
        }
        PreTokenizer::Whitespace => {
            let matcher = Matcher::regex(WORDS_PATTERN, place)?;
            stages.push(pattern(matcher, SplitBehavior::Removed, true));
        }
        PreTokenizer::WhitespaceSplit => {
            stages.push(chars(CharTest::WhiteSpace, SplitBehavior::Removed));
        }
        PreTokenizer::Punctuation(behavior) => {
            stages.push(chars(CharTest::Punctuation, *behavior));
        }
        PreTokenizer::Digits { individual_digits } => {
            let behavior = if *individual_digits {
                SplitBehavior::Isolated
            } else {
                SplitBehavior::Contiguous
            };
            stages.push(chars(CharTest::Numeric, behavior));
        }
        PreTokenizer::CharDelimiterSplit(delimiter) => {
            stages.push(pattern(literal(*delimiter), SplitBehavior::Removed, false));
        }
        PreTokenizer::UnicodeScripts => stages.push(Stage::Scripts),
        PreTokenizer::FixedLength(length) => {
            let length = NonZeroUsize::new(*length).ok_or_else(|| {
                Error::format("tokenizer", format!("{place}.length"), "must be at least 1, got 0")
            })?;
            stages.push(Stage::FixedLength(length));
        }
        PreTokenizer::Sequence(pre_tokenizers) => {
            for (i, inner) in pre_tokenizers.iter().enumerate() {
                push_stages(inner, &format!("{place}.pretokenizers[{i}]"), spells_bytes, stages)?;
                check_stages(stages.len(), place)?;
            }
        }
    }
    Ok(())
}
