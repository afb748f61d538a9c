//! [`Traced`]: text on its way through the stages, and, when asked, where in the raw text each byte of it came from.
//!
//! A normalizer or pre-tokenizer that rewrites text says of each character it writes which character it stands in for, or
//! that it is new ([`Rewriter`]). So one implementation serves both uses: without tracing that is a push to a string, with
//! tracing every byte carries the span of the raw text it goes back to.
//!
//! The spans are those of Hugging Face's `NormalizedString`: a character that replaces another has its span, the rest of what
//! it replaces is dropped, and a new character shares the span of the character before it (an empty one where the text begins).

use std::borrow::Cow;
use std::ops::Range;

use crate::error::Result;
use crate::progress::Progress;

/// A byte range of the raw text: start and end.
pub type Span = (usize, usize);

/// See the module's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traced<'a> {
    text: Cow<'a, str>,
    /// The span of each byte; `None`: not asked for.
    spans: Option<Vec<Span>>,
    /// Where in the raw text a traced text begins.
    base: usize,
}

impl<'a> Traced<'a> {
    /// Text whose origin nobody asks for.
    pub fn untraced(text: &'a str) -> Self {
        Self { text: Cow::Borrowed(text), spans: None, base: 0 }
    }

    /// Text that stands at `base` in the raw text.
    ///
    /// # Errors
    /// [`crate::Error::Interrupted`].
    pub fn raw(text: &'a str, base: usize, progress: &Progress) -> Result<Self> {
        let mut raw = Self::untraced(text);
        raw.trace(base, progress)?;
        Ok(raw)
    }

    /// From here on keeps the spans, if it does not already: the text must still be the raw text at `base`.
    ///
    /// # Errors
    /// [`crate::Error::Interrupted`].
    pub fn trace(&mut self, base: usize, progress: &Progress) -> Result<()> {
        if self.is_traced() {
            return Ok(());
        }
        let mut spans = Vec::with_capacity(self.text.len());
        for (start, c) in progress.char_indices(&self.text) {
            let start = base + start;
            spans.extend(std::iter::repeat_n((start, start + c.len_utf8()), c.len_utf8()));
        }
        progress.check()?;
        self.spans = Some(spans);
        self.base = base;
        Ok(())
    }

    /// The text as it is now.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text as it is now, borrowed if no stage has changed it.
    pub fn into_text(self) -> Cow<'a, str> {
        self.text
    }

    /// Whether the spans are kept.
    pub fn is_traced(&self) -> bool {
        self.spans.is_some()
    }

    /// The stretch of the raw text that `text[range]` goes back to: from where its first byte begins to where its last ends.
    /// An empty range, and one of untraced text, has none.
    pub fn span(&self, range: Range<usize>) -> Option<Span> {
        let spans = self.spans.as_ref()?.get(range)?;
        Some((spans.first()?.0, spans.last()?.1))
    }

    /// The empty stretch of the raw text where `text[at]` begins, or where the text ends.
    pub fn place(&self, at: usize) -> Span {
        let before = || at.checked_sub(1).and_then(|before| self.span(before..at));
        let place = self.span(at..at + 1).map(|(start, _)| start);
        let place = place.or_else(|| before().map(|(_, end)| end)).unwrap_or_default();
        (place, place)
    }

    /// A part of it as a text of its own.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Traced<'_> {
        let spans =
            self.spans.as_ref().map(|spans| spans.get(range.clone()).unwrap_or_default().to_vec());
        let base = self.place(range.start).0;
        Traced { text: Cow::Borrowed(self.text.get(range).unwrap_or_default()), spans, base }
    }

    /// Replaces the text by what `rewrite`, which sees the text as it is, writes. For when something changes: the text is
    /// owned from then on.
    pub fn rewrite(&mut self, rewrite: impl FnOnce(&str, &mut Rewriter<'_>)) {
        let mut rewriter = self.rewriter();
        rewrite(&self.text, &mut rewriter);
        *self = rewriter.finish(self.base);
    }

    /// As [`Traced::rewrite`]; after an error the text is as it was.
    ///
    /// # Errors
    /// Those of `rewrite`.
    pub fn try_rewrite(
        &mut self,
        rewrite: impl FnOnce(&str, &mut Rewriter<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut rewriter = self.rewriter();
        rewrite(&self.text, &mut rewriter)?;
        *self = rewriter.finish(self.base);
        Ok(())
    }

    fn rewriter(&self) -> Rewriter<'_> {
        let n_bytes = self.text.len() + 16;
        let origin = |spans| Origin { text: &self.text, spans, base: self.base, at: 0 };
        let spans = self.spans.as_deref().map(|spans| (origin(spans), Vec::with_capacity(n_bytes)));
        Rewriter { text: String::with_capacity(n_bytes), spans }
    }

    /// Replaces each character of a text that is all ASCII by `map` of it, which must be ASCII too; when asked to stop, leaves
    /// the text half done. The spans stay.
    pub fn map_ascii(&mut self, progress: &Progress, map: impl Fn(u8) -> u8) {
        let mut bytes = Vec::with_capacity(self.text.len());
        for chunk in progress.chunks(&self.text) {
            bytes.extend(chunk.iter().map(|&byte| map(byte)));
        }
        // Both conditions are the caller's; without them the text is repaired rather than lost.
        let text = String::from_utf8(bytes);
        self.text = Cow::Owned(
            text.unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
        );
    }

    /// Replaces the text by `text`. `places`, which is looked at only if the spans are kept, holds for each of its bytes, and
    /// for its end, the place in the text before at which it begins; each ends where the next begins.
    pub fn replace_text(&mut self, text: String, places: &[usize]) {
        if let Some(old) = &self.spans {
            let end = old.last().map_or(0, |span| span.1);
            let raw = |place: usize| old.get(place).map_or(end, |span| span.0);
            let ends = places.iter().skip(1);
            self.spans =
                Some(places.iter().zip(ends).map(|(&from, &to)| (raw(from), raw(to))).collect());
        }
        self.text = Cow::Owned(text);
    }
}

/// Where the new text is written; places are bytes of the text before.
#[derive(Debug)]
pub struct Rewriter<'t> {
    text: String,
    /// What the spans are made from, and those of what is written.
    spans: Option<(Origin<'t>, Vec<Span>)>,
}

/// The text before, for who keeps the spans.
#[derive(Debug)]
struct Origin<'t> {
    text: &'t str,
    spans: &'t [Span],
    base: usize,
    /// The first character that [`Rewriter::change`] has not used up.
    at: usize,
}

impl Origin<'_> {
    /// Uses up `n_chars` characters.
    fn skip(&mut self, n_chars: usize) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        self.at += rest.chars().take(n_chars).map(char::len_utf8).sum::<usize>();
    }
}

impl Rewriter<'_> {
    fn finish<'n>(self, base: usize) -> Traced<'n> {
        let spans = self.spans.map(|(_, new)| new);
        Traced { text: Cow::Owned(self.text), spans, base }
    }

    /// What is written so far.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Writes `c` in place of (or as) the character that begins at `at`.
    #[inline]
    pub fn replace(&mut self, at: usize, c: char) {
        self.text.push(c);
        if let Some((old, new)) = &mut self.spans {
            let span = old.spans.get(at).copied().unwrap_or_default();
            new.extend(std::iter::repeat_n(span, c.len_utf8()));
        }
    }

    /// Writes `c` as new, before the character that begins at `at`.
    #[inline]
    pub fn insert(&mut self, at: usize, c: char) {
        self.text.push(c);
        if let Some((old, new)) = &mut self.spans {
            let span = at.checked_sub(1).and_then(|before| old.spans.get(before)).copied();
            let span = span.unwrap_or((old.base, old.base));
            new.extend(std::iter::repeat_n(span, c.len_utf8()));
        }
    }

    /// Writes `text[range]` of the text before as it is.
    #[inline]
    pub fn keep(&mut self, text: &str, range: Range<usize>) {
        self.text.push_str(text.get(range.clone()).unwrap_or_default());
        if let Some((old, new)) = &mut self.spans {
            new.extend_from_slice(old.spans.get(range).unwrap_or_default());
        }
    }

    /// As [`Rewriter::keep`], with the letters A to Z in lower case.
    #[inline]
    pub fn keep_lowercase(&mut self, text: &str, range: Range<usize>) {
        let start = self.text.len();
        self.keep(text, range);
        if let Some(written) = self.text.get_mut(start..) {
            written.make_ascii_lowercase();
        }
    }

    /// Writes `c` with its `change`, as `NormalizedString` calls it, using up the characters of the text before in order:
    /// 0 says that it stands for the next one; -n that the n after that are dropped too; more than 0 that it is new.
    #[inline]
    pub fn change(&mut self, c: char, change: isize) {
        if let Some((old, _)) = &mut self.spans {
            let at = old.at;
            if change > 0 {
                self.insert(at, c);
            } else {
                old.skip(1 + change.unsigned_abs());
                self.replace(at, c);
            }
        } else {
            self.text.push(c);
        }
    }

    /// [`Rewriter::change`] by 0 for each character of `text[range]`, at once where they stand for themselves.
    #[inline]
    pub fn keep_next(&mut self, text: &str, range: Range<usize>) {
        match &mut self.spans {
            Some((old, _)) if old.at != range.start => {
                let chars = text.get(range).unwrap_or_default().chars();
                chars.for_each(|c| self.change(c, 0));
            }
            Some((old, _)) => {
                old.at = range.end;
                self.keep(text, range);
            }
            None => self.keep(text, range),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Upper case, with a dash after each character but the last, and without spaces.
    fn shout(text: &str, out: &mut Rewriter<'_>) {
        for (at, c) in text.char_indices().filter(|&(_, c)| c != ' ') {
            if !out.text().is_empty() {
                out.insert(at, '-');
            }
            out.replace(at, c.to_ascii_uppercase());
        }
    }

    #[test]
    fn rewriting_traces_each_byte_and_writes_the_same_untraced() {
        let mut traced = Traced::raw("é b", 10, &Progress::default()).unwrap();
        traced.rewrite(shout);
        assert_eq!(traced.text(), "é-B");
        assert_eq!(traced.span(0..2), Some((10, 12)));
        assert_eq!(traced.span(2..3), Some((12, 13)), "a new character shares the one before it");
        assert_eq!(traced.span(3..4), Some((13, 14)));
        assert_eq!(traced.span(0..4), Some((10, 14)));
        assert_eq!(traced.span(1..1), None);
        let mut untraced = Traced::untraced("é b");
        untraced.rewrite(shout);
        assert_eq!(untraced.text(), "é-B");
        assert_eq!(untraced.span(0..2), None);
    }

    #[test]
    fn what_is_inserted_where_a_text_begins_stands_there() {
        let mut traced = Traced::raw("abc", 5, &Progress::default()).unwrap();
        traced.rewrite(|text, out| {
            out.insert(0, '-');
            out.keep(text, 0..3);
        });
        assert_eq!(traced.span(0..1), Some((5, 5)));
        assert_eq!(traced.span(0..2), Some((5, 6)));
        let mut slice = traced.slice(2..4);
        slice.rewrite(|_, out| out.insert(0, '+'));
        assert_eq!(slice.span(0..1), Some((6, 6)));
    }

    #[test]
    fn slices_keep_their_spans() {
        let traced = Traced::raw("abc", 5, &Progress::default()).unwrap();
        assert_eq!(traced.slice(1..3).span(0..1), Some((6, 7)));
        assert_eq!(traced.slice(1..3).text(), "bc");
    }
}
