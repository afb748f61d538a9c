//! [`Pipeline`]: what happens to text before the model sees it, for encoding and for counting alike.
//!
//! text -> added tokens -> normalizer -> pre-tokenizer -> pre-tokens.

mod batches;
mod cutting;
mod units;

use std::ops::Range;

use crate::added_tokens::{AddedTokens, OnSpecial, Part};
use crate::compiled::CompiledPreTokenizer;
use crate::compiled::splitter::Scheme;
use crate::compiled::words::{Chunking, Word, WordScheme};
use crate::definition::Definition;
use crate::error::Result;
use crate::normalizer::Normalization;
use crate::pre_tokenizer::GenericPreTokenizer;
use crate::progress::Progress;
use crate::traced::{Span, Traced};

use batches::Batches;
pub use cutting::Cutting;
pub use units::Unit;

/// The stages before the model, ready to run.
#[derive(Debug)]
pub struct Pipeline {
    added: AddedTokens,
    normalization: Normalization,
    pre_tokenizer: PreTokenizing,
}

#[derive(Debug)]
enum PreTokenizing {
    Compiled(CompiledPreTokenizer),
    /// For whole texts; the generic form traces.
    Words(WordScheme, GenericPreTokenizer),
    Generic(GenericPreTokenizer),
}

/// What [`Pipeline::for_each_part`] hands out.
#[derive(Debug)]
pub enum TextPart<'a> {
    /// The id of an added token, the raw text it stands for (exact where the text is traced or unchanged), and the text that
    /// it was found in, raw or normalized.
    Token(u32, Span, &'a str),
    /// Normalized text for the pre-tokenizer.
    Text(&'a Traced<'a>),
}

/// What [`Pipeline::for_each_traced`] hands out.
#[derive(Debug)]
pub enum TracedPiece<'a> {
    /// The id of an added token, the raw text it stands for, and the text that it was found in.
    Token(u32, Span, &'a str),
    /// A pre-token: a range of a traced text.
    PreToken(&'a Traced<'a>, Range<usize>),
}

impl Pipeline {
    /// Builds the stages of a definition; `may_compile` is false only to hold the compiled form to the generic one.
    ///
    /// # Errors
    /// [`crate::Error::Unsupported`] or [`crate::Error::Format`] for a pattern that is not supported or not valid.
    pub fn new(definition: &Definition, may_compile: bool) -> Result<Self> {
        let normalization = Normalization::new(definition.normalizer.as_ref())?;
        let added = AddedTokens::new(definition.added_tokens.clone(), |text| {
            let mut text = Traced::untraced(text);
            normalization.normalize(&mut text, &Progress::default())?;
            Ok(text.into_text().into_owned())
        })?;
        let pre_tokenizer = definition.pre_tokenizer.as_ref();
        let runs_on_bytes = definition.runs_on_bytes();
        let generic = || GenericPreTokenizer::new(pre_tokenizer, !runs_on_bytes);
        let bytes = CompiledPreTokenizer::recognise(pre_tokenizer).filter(|_| runs_on_bytes);
        let pre_tokenizer = match (bytes, WordScheme::recognise(pre_tokenizer)) {
            (Some(compiled), _) if may_compile => PreTokenizing::Compiled(compiled),
            (_, Some(scheme)) if may_compile => PreTokenizing::Words(scheme, generic()?),
            _ => PreTokenizing::Generic(generic()?),
        };
        Ok(Self { added, normalization, pre_tokenizer })
    }

    /// The added tokens.
    pub fn added(&self) -> &AddedTokens {
        &self.added
    }

    /// Whether places in a part are places in the raw text, moved by where the part begins.
    pub fn keeps_places(&self) -> bool {
        self.normalization.is_identity()
            && match &self.pre_tokenizer {
                PreTokenizing::Compiled(_) => true,
                PreTokenizing::Words(_, generic) | PreTokenizing::Generic(generic) => {
                    !generic.rewrites()
                }
            }
    }

    /// The stretches of a text, between added tokens, that can be normalized and split each by itself; `None`: there are none.
    pub fn chunking(&self) -> Option<Chunking> {
        let PreTokenizing::Words(scheme, _) = &self.pre_tokenizer else {
            return None;
        };
        let tokens = self.added.tokens();
        let is_raw = self.normalization.is_local() && !tokens.iter().any(|t| t.is_normalized);
        if is_raw { scheme.chunking(tokens.is_empty()) } else { None }
    }

    /// Where a text may be cut without a change of its pre-tokens: no added token lies across, no pre-token does, and none
    /// depends on where its text begins. `None`: not anywhere known.
    pub fn cutting(&self) -> Option<Cutting> {
        let is_spaced = |token: &crate::added_tokens::AddedToken| {
            let may_reach_out = token.is_normalized || token.strips_left || token.strips_right;
            may_reach_out || token.content.bytes().any(|byte| byte.is_ascii_whitespace())
        };
        let cutting = match &self.pre_tokenizer {
            PreTokenizing::Compiled(CompiledPreTokenizer { add_prefix_space: true, .. })
            | PreTokenizing::Generic(_) => None,
            PreTokenizing::Compiled(CompiledPreTokenizer { scheme, .. }) => match scheme {
                Scheme::Whole => None,
                Scheme::Lines => self.normalization.keeps_lines().then_some(Cutting::Lines),
                _ => self.normalization.is_local().then_some(Cutting::Words),
            },
            PreTokenizing::Words(..) => self.chunking().map(|_| Cutting::Words),
        };
        cutting.filter(|_| !self.added.tokens().iter().any(is_spaced))
    }

    /// Calls `each` with the pre-tokens of a stretch that [`Pipeline::chunking`] tells: a text and the ends of one in it.
    /// `buffer` is for those that do not stand in the stretch as they are.
    ///
    /// # Errors
    /// Those of the normalizer and of `each`; [`crate::Error::Interrupted`].
    pub fn for_each_in_chunk(
        &self,
        chunk: &str,
        buffer: &mut String,
        progress: &Progress,
        mut each: impl FnMut(&str, Range<usize>) -> Result<()>,
    ) -> Result<()> {
        let PreTokenizing::Words(scheme, _) = &self.pre_tokenizer else {
            return Ok(());
        };
        let mut part = Traced::untraced(chunk);
        self.normalization.normalize(&mut part, progress)?;
        let text = part.text();
        scheme.for_each(&part, 0, 0..text.len(), |word| {
            let Some((mark, _)) = word.mark else {
                return each(text, word.range);
            };
            buffer.clear();
            buffer.push(mark);
            buffer.push_str(text.get(word.range).unwrap_or_default());
            each(buffer, 0..buffer.len())
        })
    }

    /// Calls `each` with every added token, and every stretch between them, normalized, with its place in `text` (exact
    /// where no normalizer has changed the text).
    ///
    /// # Errors
    /// [`crate::Error::DisallowedSpecial`] under [`OnSpecial::Raise`], those of the normalizer, and those of `each`.
    pub fn for_each_part(
        &self,
        text: &str,
        on_special: OnSpecial,
        progress: &Progress,
        each: impl FnMut(TextPart<'_>, usize) -> Result<()>,
    ) -> Result<()> {
        let is_traced = match &self.pre_tokenizer {
            PreTokenizing::Compiled(_) => false,
            PreTokenizing::Words(_, generic) | PreTokenizing::Generic(generic) => {
                generic.needs_spans() && !self.normalization.is_identity()
            }
        };
        self.cut(text, on_special, is_traced, progress, each)
    }

    /// Calls `each` with every added token and every pre-token of `text`, traced back to it.
    ///
    /// # Errors
    /// As [`Pipeline::for_each_part`]; offsets are those of the raw text.
    pub fn for_each_traced(
        &self,
        text: &str,
        on_special: OnSpecial,
        progress: &Progress,
        mut each: impl FnMut(TracedPiece<'_>) -> Result<()>,
    ) -> Result<()> {
        self.cut(text, on_special, true, progress, |part, base| match part {
            TextPart::Token(id, span, found) => each(TracedPiece::Token(id, span, found)),
            TextPart::Text(part) => {
                let pre_tokens = match &self.pre_tokenizer {
                    PreTokenizing::Compiled(compiled) => compiled.pre_tokenize(part.clone())?,
                    PreTokenizing::Words(_, generic) | PreTokenizing::Generic(generic) => {
                        generic.pre_tokenize(part.clone(), base, progress)?
                    }
                };
                for range in &pre_tokens.ranges {
                    each(TracedPiece::PreToken(&pre_tokens.text, range.clone()))?;
                    progress.advance(range.len() as u64)?;
                }
                Ok(())
            }
        })
    }

    fn cut(
        &self,
        text: &str,
        on_special: OnSpecial,
        is_traced: bool,
        progress: &Progress,
        mut each: impl FnMut(TextPart<'_>, usize) -> Result<()>,
    ) -> Result<()> {
        let id_of = |index: usize| self.added.tokens()[index].id;
        for part in self.added.cut_raw(text, on_special)? {
            let range = match part {
                Part::Token { index, range } => {
                    let span = (range.start, range.end);
                    let found = text.get(range.clone()).unwrap_or_default();
                    each(TextPart::Token(id_of(index), span, found), range.start)?;
                    continue;
                }
                Part::Text(range) => range,
            };
            let base = range.start;
            let raw = text.get(range).unwrap_or_default();
            let mut normalized =
                if is_traced { Traced::raw(raw, base, progress)? } else { Traced::untraced(raw) };
            let done = self.normalization.normalize(&mut normalized, progress);
            done.map_err(|error| error.moved_by(base))?;
            let parts = self.added.cut_normalized(normalized.text(), on_special);
            let place = |place: usize| {
                normalized.span(place..place + 1).map_or(base + place, |(start, _)| start)
            };
            for part in parts.map_err(|error| error.map_offset(place))? {
                match part {
                    Part::Token { index, range } => {
                        let span = normalized.span(range.clone());
                        let span = span.unwrap_or((base + range.start, base + range.end));
                        let found = normalized.text().get(range.clone()).unwrap_or_default();
                        each(TextPart::Token(id_of(index), span, found), base + range.start)?;
                    }
                    Part::Text(range) if range == (0..normalized.text().len()) => {
                        each(TextPart::Text(&normalized), base)?;
                    }
                    Part::Text(range) => {
                        let start = base + range.start;
                        each(TextPart::Text(&normalized.slice(range)), start)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Calls `each(text, bounds)` with the pre-tokens of `part[stretch]`, many at a time: `[a, b, c]` for `text[a..b]` and
    /// `text[b..c]`; `progress` counts their bytes. The part begins at `base` of the raw text; the stretch is the whole part, or
    /// between two boundaries of a compiled pre-tokenizer.
    ///
    /// # Errors
    /// [`crate::Error::PatternLimit`], [`crate::Error::Interrupted`], and those of `each`, whose offsets into its text become
    /// offsets into `part` where [`Pipeline::keeps_places`].
    #[inline]
    pub fn for_each_batch(
        &self,
        part: &Traced<'_>,
        base: usize,
        stretch: Range<usize>,
        progress: &Progress,
        mut each: impl FnMut(&str, &[usize]) -> Result<()>,
    ) -> Result<()> {
        let mut each = |text: &str, bounds: &[usize]| {
            each(text, bounds)?;
            progress.advance((bounds[bounds.len() - 1] - bounds[0]) as u64)
        };
        match &self.pre_tokenizer {
            PreTokenizing::Compiled(compiled) => {
                let text = part.text();
                if compiled.needs_prefix_space(text) && stretch.start == 0 {
                    // A later stretch never needs the space: it does not start the part.
                    let spaced = [" ", text].concat();
                    let stretch = 0..stretch.end + 1;
                    let done =
                        compiled.scheme.for_each(&spaced, stretch, |bounds| each(&spaced, bounds));
                    return done.map_err(|error| error.map_offset(|place| place.saturating_sub(1)));
                }
                compiled.scheme.for_each(text, stretch, |bounds| each(text, bounds))
            }
            PreTokenizing::Words(scheme, _) => {
                let mut batches = Batches::new(part.text(), each);
                scheme.for_each(part, base, stretch, |word| batches.push(word))?;
                batches.flush()
            }
            PreTokenizing::Generic(generic) => {
                let pre_tokens = generic.pre_tokenize(part.clone(), base, progress)?;
                let mut batches = Batches::new(pre_tokens.text.text(), each);
                for range in pre_tokens.ranges {
                    batches.push(Word { mark: None, range })?;
                }
                batches.flush()
            }
        }
    }
}
