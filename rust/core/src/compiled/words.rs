//! Splitters for the pre-tokenizers of models that work on text: BERT's, white space, and Metaspace.
//!
//! Each goes through the text once. A pre-token is a stretch of the text, and before it, where Metaspace writes one, a mark:
//! the character that stands for a space there, or for none. Marks are never written into a copy of the text: who takes the
//! pre-tokens joins them. Invariant: the same pre-tokens as [`crate::pre_tokenizer::generic`] on every text.

use std::ops::Range;

use crate::char_class::{self, PUNCTUATION, WHITE_SPACE, WORD};
use crate::error::Result;
use crate::pre_tokenizer::{Metaspace, PreTokenizer, PrependScheme};
use crate::traced::Traced;

use super::splitter;

/// A recognised pre-tokenizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WordScheme {
    /// Words and punctuation, without white space.
    Bert,
    /// The matches of `\w+|[^\w\s]+`.
    Whitespace,
    /// What is between white space.
    WhitespaceSplit,
    /// Metaspace, split before each.
    Metaspace(Metaspace),
    /// The same on what is between white space.
    SplitMetaspace(Metaspace),
}

/// Stretches whose pre-tokens do not depend on what stands around them, see [`WordScheme::chunking`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunking {
    /// What is between spaces and line ends.
    WhiteSpace,
    /// Each space with what follows it up to the next.
    Spaces,
}

/// A pre-token: a stretch of the text, and the mark before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The mark, and the place of the character that it stands for or before.
    pub mark: Option<(char, usize)>,
    /// The stretch, which may be empty after a mark.
    pub range: Range<usize>,
}

impl WordScheme {
    /// Recognises a pre-tokenizer of a model that works on text; `None`: it runs in the generic form.
    pub fn recognise(pre_tokenizer: Option<&PreTokenizer>) -> Option<Self> {
        match pre_tokenizer? {
            PreTokenizer::Bert => Some(Self::Bert),
            PreTokenizer::Whitespace => Some(Self::Whitespace),
            PreTokenizer::WhitespaceSplit => Some(Self::WhitespaceSplit),
            PreTokenizer::Metaspace(metaspace) if metaspace.split => {
                Some(Self::Metaspace(*metaspace))
            }
            PreTokenizer::Sequence(stages) => match &stages[..] {
                [PreTokenizer::WhitespaceSplit, PreTokenizer::Metaspace(metaspace)]
                    if metaspace.split =>
                {
                    Some(Self::SplitMetaspace(*metaspace))
                }
                [only] => Self::recognise(Some(only)),
                _ => None,
            },
            _ => None,
        }
    }

    /// Calls `each` with the pre-tokens of `part[stretch]`. The part begins at `base` of the raw text; the stretch lies between
    /// two places that [`WordScheme::safe_cut`] gives, or its ends.
    ///
    /// # Errors
    /// Those of `each`, at once.
    #[inline]
    pub fn for_each(
        self,
        part: &Traced<'_>,
        base: usize,
        stretch: Range<usize>,
        mut each: impl FnMut(Word) -> Result<()>,
    ) -> Result<()> {
        let text = part.text().get(..stretch.end).unwrap_or_default();
        let bytes = text.as_bytes();
        let unmarked = |range| Word { mark: None, range };
        match self {
            Self::Bert => words(text, stretch.start, |place, flags, len| {
                if flags & PUNCTUATION != 0 {
                    return each(unmarked(place..place + len)).map(|()| place + len);
                }
                let end = splitter::run_without(bytes, place + len, WHITE_SPACE | PUNCTUATION);
                each(unmarked(place..end)).map(|()| end)
            }),
            Self::Whitespace => words(text, stretch.start, |place, flags, len| {
                let end = match flags & WORD {
                    0 => splitter::run_without(bytes, place + len, WHITE_SPACE | WORD),
                    _ => splitter::run_of(bytes, place + len, WORD),
                };
                each(unmarked(place..end)).map(|()| end)
            }),
            Self::WhitespaceSplit => words(text, stretch.start, |place, _, len| {
                let end = splitter::run_without(bytes, place + len, WHITE_SPACE);
                each(unmarked(place..end)).map(|()| end)
            }),
            Self::SplitMetaspace(metaspace) => words(text, stretch.start, |place, _, len| {
                let end = splitter::run_without(bytes, place + len, WHITE_SPACE);
                marked(metaspace, text, place..end, is_first(part, base, place), &mut each)?;
                Ok(end)
            }),
            Self::Metaspace(metaspace) if stretch.start == 0 => {
                marked(metaspace, text, stretch, is_first(part, base, 0), &mut each)
            }
            Self::Metaspace(metaspace) => {
                let metaspace = Metaspace { prepend_scheme: PrependScheme::Never, ..metaspace };
                marked(metaspace, text, stretch, false, &mut each)
            }
        }
    }

    /// Whether pre-tokens depend on where the text stands in the raw text.
    pub fn needs_spans(self) -> bool {
        matches!(
            self,
            Self::Metaspace(Metaspace { prepend_scheme: PrependScheme::First, .. })
                | Self::SplitMetaspace(Metaspace { prepend_scheme: PrependScheme::First, .. })
        )
    }

    /// The stretches of a text whose pre-tokens do not depend on what stands around them; `None`: they do. `is_whole` says
    /// that a stretch which does not begin with a space begins the raw text.
    pub fn chunking(self, is_whole: bool) -> Option<Chunking> {
        if self.needs_spans() && !is_whole {
            return None;
        }
        match self {
            Self::SplitMetaspace(_) if self.needs_spans() => None,
            Self::Bert | Self::Whitespace | Self::WhitespaceSplit | Self::SplitMetaspace(_) => {
                Some(Chunking::WhiteSpace)
            }
            Self::Metaspace(_) => Some(Chunking::Spaces),
        }
    }

    /// The first place at or after `from`, which is not 0, where the text may be cut, or the end of the text.
    pub fn safe_cut(self, text: &str, from: usize) -> usize {
        match self {
            Self::Metaspace(_) => {
                let rest = text.as_bytes().get(from..).unwrap_or_default();
                memchr::memchr(b' ', rest).map_or(text.len(), |space| from + space)
            }
            _ => splitter::after_newline(text, from),
        }
    }
}

/// Whether what starts at `place` of the part goes back to the start of the raw text.
fn is_first(part: &Traced<'_>, base: usize, place: usize) -> bool {
    part.span(place..place + 1).map_or(base + place, |(start, _)| start) == 0
}

/// Calls `word`, which returns where the word ends, with place, flags and length of the first character of every word.
#[inline]
fn words(
    text: &str,
    mut place: usize,
    mut word: impl FnMut(usize, u8, usize) -> Result<usize>,
) -> Result<()> {
    loop {
        let (flags, len) = char_class::at(text.as_bytes(), place);
        if len == 0 {
            return Ok(());
        }
        place = if flags & WHITE_SPACE == 0 { word(place, flags, len)? } else { place + len };
    }
}

/// Calls `each` with the pre-tokens of `text[range]`, which is not empty unless the text is.
#[inline]
fn marked(
    metaspace: Metaspace,
    text: &str,
    range: Range<usize>,
    is_first: bool,
    each: &mut impl FnMut(Word) -> Result<()>,
) -> Result<()> {
    let Metaspace { replacement, prepend_scheme, .. } = metaspace;
    let bytes = text.as_bytes();
    let mut buffer = [0; 4];
    let sign = replacement.encode_utf8(&mut buffer).as_bytes();
    let is_space = |place: usize| bytes.get(place) == Some(&b' ');
    let is_marked = |place: usize| {
        is_space(place) || bytes.get(place..).is_some_and(|rest| rest.starts_with(sign))
    };
    let is_prepended = match prepend_scheme {
        PrependScheme::Never => false,
        PrependScheme::Always => true,
        PrependScheme::First => is_first,
    };
    let is_prepended = is_prepended && !is_marked(range.start);
    let mut mark = is_prepended.then_some((replacement, range.start));
    let mut start = range.start;
    while start < range.end {
        let first = start + usize::from(is_space(start));
        if first > start {
            mark = Some((replacement, start));
        }
        let mut end = start + 1;
        loop {
            let rest = bytes.get(end..range.end).unwrap_or_default();
            end += memchr::memchr2(b' ', sign[0], rest).unwrap_or(rest.len());
            if end >= range.end || is_marked(end) {
                break;
            }
            end += 1;
        }
        each(Word { mark: mark.take(), range: first..end })?;
        start = end;
    }
    Ok(())
}
