//! Splitting by a pattern, with Hugging Face's five behaviours.

use std::ops::Range;

use crate::error::Result;
use crate::pre_tokenizer::SplitBehavior;
use crate::pre_tokenizer::char_test::CharTest;
use crate::pre_tokenizer::pattern::Matcher;
use crate::progress::Progress;

/// What a split looks for, ready to run.
#[derive(Debug)]
pub(super) enum Finder {
    /// The matches of a pattern.
    Pattern(Matcher),
    /// Characters, each a match.
    Chars(CharTest),
}

impl Finder {
    fn for_each_match(
        &self,
        text: &str,
        progress: &Progress,
        each: impl FnMut(Range<usize>) -> Result<()>,
    ) -> Result<()> {
        match self {
            Self::Pattern(matcher) => matcher.for_each_match(text, progress, each),
            Self::Chars(kind) => kind.for_each_match(text, progress, each),
        }
    }
}

/// Appends the pre-tokens of `text`, moved by `base`, to `out`.
pub(super) fn split(
    text: &str,
    finder: &Finder,
    behavior: SplitBehavior,
    invert: bool,
    base: usize,
    progress: &Progress,
    out: &mut Vec<Range<usize>>,
) -> Result<()> {
    let first = out.len();
    let mut was_match = false;
    let mut starts_anew = true;
    let mut carry: Option<usize> = None;
    for_each_span(text, finder, progress, |range, is_match| {
        // An empty match keeps its neighbours apart, and that is all it does.
        if range.is_empty() {
            starts_anew = true;
            return;
        }
        let is_match = is_match != invert;
        match behavior {
            SplitBehavior::Removed => {
                if !is_match {
                    out.push(range);
                }
            }
            SplitBehavior::Isolated => out.push(range),
            SplitBehavior::Contiguous => match out.last_mut() {
                Some(last) if !starts_anew && is_match == was_match => last.end = range.end,
                _ => out.push(range),
            },
            SplitBehavior::MergedWithPrevious => match out.last_mut() {
                Some(last) if !starts_anew && is_match && !was_match => last.end = range.end,
                _ => out.push(range),
            },
            SplitBehavior::MergedWithNext => {
                if is_match {
                    if let Some(start) = carry.replace(range.start) {
                        out.push(start..range.start);
                    }
                } else {
                    let start = carry.take().unwrap_or(range.start);
                    out.push(start..range.end);
                }
            }
        }
        was_match = is_match;
        starts_anew = false;
    })?;
    if let Some(start) = carry {
        out.push(start..text.len());
    }
    for range in &mut out[first..] {
        *range = range.start + base..range.end + base;
    }
    Ok(())
}

/// Calls `each` for every match and every stretch between matches, in order; only a match may be empty.
fn for_each_span(
    text: &str,
    finder: &Finder,
    progress: &Progress,
    mut each: impl FnMut(Range<usize>, bool),
) -> Result<()> {
    let mut end = 0;
    finder.for_each_match(text, progress, |range| {
        if range.start > end {
            each(end..range.start, false);
        }
        end = range.end;
        each(range, true);
        Ok(())
    })?;
    if end < text.len() {
        each(end..text.len(), false);
    }
    Ok(())
}
