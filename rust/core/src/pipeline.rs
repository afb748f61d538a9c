//! [`Pipeline`]: what happens to text before the model sees it, for encoding and for counting alike.
//!
//! text -> added tokens -> normalizer -> pre-tokenizer -> pre-tokens.

mod units;

use std::borrow::Cow;
use std::ops::Range;

use crate::added_tokens::{AddedTokens, OnSpecial, Part};
use crate::compiled::CompiledPreTokenizer;
use crate::definition::Definition;
use crate::error::Result;
use crate::normalizer::Normalizer;
use crate::pre_tokenizer::GenericPreTokenizer;
use crate::progress::Progress;

pub use units::Unit;

/// The stages before the model, ready to run.
#[derive(Debug)]
pub struct Pipeline {
    added: AddedTokens,
    normalizer: Option<Normalizer>,
    pre_tokenizer: PreTokenizing,
}

#[derive(Debug)]
enum PreTokenizing {
    Compiled(CompiledPreTokenizer),
    Generic(GenericPreTokenizer),
}

/// What [`Pipeline::for_each_part`] hands out.
#[derive(Debug, Clone, Copy)]
pub enum TextPart<'a> {
    /// The id of an added token.
    Token(u32),
    /// Normalized text for the pre-tokenizer.
    Text(&'a str),
}

impl Pipeline {
    /// Builds the stages of a definition; `may_compile` is false only to hold the compiled form to the generic one.
    ///
    /// # Errors
    /// [`crate::Error::Unsupported`] or [`crate::Error::Format`] for a pattern that is not supported or not valid.
    pub fn new(definition: &Definition, may_compile: bool) -> Result<Self> {
        let normalizer = definition.normalizer.clone();
        let normalize = |text: &str| match &normalizer {
            Some(normalizer) => normalizer.normalize(text).into_owned(),
            None => text.to_owned(),
        };
        let added = AddedTokens::new(definition.added_tokens.clone(), normalize)?;
        let pre_tokenizer = definition.pre_tokenizer.as_ref();
        let compiled = CompiledPreTokenizer::recognise(pre_tokenizer).filter(|_| may_compile);
        let pre_tokenizer = match compiled {
            Some(compiled) => PreTokenizing::Compiled(compiled),
            None => PreTokenizing::Generic(GenericPreTokenizer::new(pre_tokenizer)?),
        };
        Ok(Self { added, normalizer, pre_tokenizer })
    }

    /// The added tokens.
    pub fn added(&self) -> &AddedTokens {
        &self.added
    }

    /// Calls `each` with every added token, and every stretch between them, normalized, with its place in `text` (exact
    /// where no normalizer has changed the text).
    ///
    /// # Errors
    /// [`crate::Error::DisallowedSpecial`] under [`OnSpecial::Raise`], and those of `each`.
    pub fn for_each_part(
        &self,
        text: &str,
        on_special: OnSpecial,
        mut each: impl FnMut(TextPart<'_>, usize) -> Result<()>,
    ) -> Result<()> {
        for part in self.added.cut_raw(text, on_special)? {
            let range = match part {
                Part::Token { index, start } => {
                    each(TextPart::Token(self.added.tokens()[index].id), start)?;
                    continue;
                }
                Part::Text(range) => range,
            };
            let base = range.start;
            let raw = text.get(range).unwrap_or_default();
            let normalized = match &self.normalizer {
                Some(normalizer) => normalizer.normalize(raw),
                None => Cow::Borrowed(raw),
            };
            let parts = self.added.cut_normalized(&normalized, on_special);
            for part in parts.map_err(|error| error.moved_by(base))? {
                match part {
                    Part::Token { index, start } => {
                        each(TextPart::Token(self.added.tokens()[index].id), base + start)?;
                    }
                    Part::Text(range) => {
                        let start = base + range.start;
                        each(TextPart::Text(normalized.get(range).unwrap_or_default()), start)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Calls `each(text, bounds)` with the pre-tokens of `part[stretch]`, many at a time: `[a, b, c]` for `text[a..b]` and
    /// `text[b..c]`; `progress` counts their bytes. The stretch is the whole part, or between two boundaries of a compiled pre-tokenizer.
    ///
    /// # Errors
    /// [`crate::Error::PatternLimit`], [`crate::Error::Interrupted`], and those of `each`, whose offsets into its text become offsets into `part`.
    #[inline]
    pub fn for_each_batch(
        &self,
        part: &str,
        stretch: Range<usize>,
        progress: &Progress,
        mut each: impl FnMut(&str, &[usize]) -> Result<()>,
    ) -> Result<()> {
        let mut each = |text: &str, bounds: &[usize]| {
            each(text, bounds)?;
            progress.advance((bounds[bounds.len() - 1] - bounds[0]) as u64)
        };
        match &self.pre_tokenizer {
            PreTokenizing::Compiled(compiled)
                if compiled.add_prefix_space && stretch.start == 0 && !part.starts_with(' ') =>
            {
                // A later stretch never needs the space: it does not start the part.
                let spaced = [" ", part].concat();
                let stretch = 0..stretch.end + 1;
                let done =
                    compiled.scheme.for_each(&spaced, stretch, |bounds| each(&spaced, bounds));
                done.map_err(|error| error.map_offset(|place| place.saturating_sub(1)))
            }
            PreTokenizing::Compiled(compiled) => {
                compiled.scheme.for_each(part, stretch, |bounds| each(part, bounds))
            }
            PreTokenizing::Generic(generic) => {
                let pre_tokens = generic.pre_tokenize(part, progress)?;
                for range in &pre_tokens.ranges {
                    each(&pre_tokens.text, &[range.start, range.end])
                        .map_err(|error| error.map_offset(|place| pre_tokens.source_of(place)))?;
                }
                Ok(())
            }
        }
    }
}
