//! Metaspace: SentencePiece's marking of spaces, which keeps them through to the decoder (Kudo and Richardson 2018,
//! "SentencePiece", section 3.2).

use std::ops::Range;

use memchr::memchr_iter;

use crate::pre_tokenizer::{Metaspace, PreTokens, PrependScheme};
use crate::traced::Traced;

/// What SentencePiece writes for a space.
pub const METASPACE: char = '\u{2581}';

/// Writes each space of the pre-tokens as the replacement, and one before those that the scheme says. The text begins at
/// `base` of the raw text if it is not traced.
pub(super) fn mark_spaces(metaspace: Metaspace, base: usize, pre_tokens: &mut PreTokens<'_>) {
    let Metaspace { replacement, prepend_scheme, .. } = metaspace;
    let PreTokens { text, ranges } = &*pre_tokens;
    let starts_marked = |range: &Range<usize>| {
        let rest = text.text().get(range.clone()).unwrap_or_default();
        rest.starts_with([' ', replacement])
    };
    let is_marked: Vec<bool> = match prepend_scheme {
        PrependScheme::Never => vec![false; ranges.len()],
        PrependScheme::Always => ranges.iter().map(|range| !starts_marked(range)).collect(),
        PrependScheme::First => ranges
            .iter()
            .map(|range| begins_raw_text(text, range.start, base) && !starts_marked(range))
            .collect(),
    };
    let has_space = |range: &Range<usize>| {
        let bytes = text.text().as_bytes().get(range.clone()).unwrap_or_default();
        replacement != ' ' && memchr::memchr(b' ', bytes).is_some()
    };
    if !is_marked.contains(&true) && !ranges.iter().any(has_space) {
        return;
    }
    pre_tokens.rewrite(|i, text, range, out| {
        if is_marked[i] {
            out.replace(range.start, replacement);
        }
        let bytes = text.as_bytes().get(range.clone()).unwrap_or_default();
        let mut end = range.start;
        for space in memchr_iter(b' ', bytes) {
            let space = range.start + space;
            out.keep(text, end..space);
            out.replace(space, replacement);
            end = space + 1;
        }
        out.keep(text, end..range.end);
    });
}

/// Whether what starts at `place` goes back to the start of the raw text.
fn begins_raw_text(text: &Traced<'_>, place: usize, base: usize) -> bool {
    text.span(place..place + 1).map_or(base + place, |(start, _)| start) == 0
}
