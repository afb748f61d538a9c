//! The fast path: recognised pipelines, compiled when a tokenizer is loaded.
//!
//! One meaning, two speeds: [`crate::pre_tokenizer`] says what a pre-tokenizer means; here the patterns that real
//! tokenizers use are recognised and run by hand-written splitters without a regular-expression engine, linear in the text.
//! A pipeline that is not recognised runs in the generic form; none is ever approximated.

pub mod splitter;
pub mod word_cache;
pub mod words;

use crate::error::Result;
use crate::pre_tokenizer::byte_level::GPT2_PATTERN;
use crate::pre_tokenizer::{Pattern, PreTokenizer, PreTokens, Split, SplitBehavior, known};
use crate::traced::Traced;
use splitter::Scheme;

/// A recognised pre-tokenizer of a model that works on bytes. For the others see [`words`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompiledPreTokenizer {
    /// How the text is split.
    pub scheme: Scheme,
    /// Whether text that does not start with a space gets one first.
    pub add_prefix_space: bool,
}

impl CompiledPreTokenizer {
    /// Recognises a pre-tokenizer; `None`: it runs in the generic form.
    pub fn recognise(pre_tokenizer: Option<&PreTokenizer>) -> Option<Self> {
        match pre_tokenizer? {
            PreTokenizer::ByteLevel(options) => Some(Self {
                scheme: if options.use_regex { Scheme::Gpt2 } else { Scheme::Whole },
                add_prefix_space: options.add_prefix_space,
            }),
            PreTokenizer::Sequence(stages) => match &stages[..] {
                [PreTokenizer::Split(split), PreTokenizer::ByteLevel(options)]
                    if !options.use_regex && !options.add_prefix_space =>
                {
                    Some(Self { scheme: scheme_of(split)?, add_prefix_space: false })
                }
                [only] => Self::recognise(Some(only)),
                _ => None,
            },
            _ => None,
        }
    }
}

impl CompiledPreTokenizer {
    /// Whether `text`, a whole part, gets a space before it.
    pub fn needs_prefix_space(&self, text: &str) -> bool {
        self.add_prefix_space && !text.is_empty() && !text.starts_with(' ')
    }

    /// Splits a whole part into traced pre-tokens.
    ///
    /// # Errors
    /// None of its own: as [`Scheme::for_each`].
    pub fn pre_tokenize<'a>(&self, text: Traced<'a>) -> Result<PreTokens<'a>> {
        let mut text = text;
        if self.needs_prefix_space(text.text()) {
            text.rewrite(|text, out| {
                out.replace(0, ' ');
                out.keep(text, 0..text.len());
            });
        }
        let mut ranges = Vec::new();
        self.scheme.for_each(text.text(), 0..text.text().len(), |bounds| {
            ranges.extend(bounds.windows(2).map(|bound| bound[0]..bound[1]));
            Ok(())
        })?;
        Ok(PreTokens { text, ranges })
    }
}

/// The scheme of a split whose matches and gaps are exactly the splitter's pre-tokens: every known pattern matches at every
/// place, so that there are no gaps, and an inverted `Removed` keeps what `Isolated` keeps.
fn scheme_of(split: &Split) -> Option<Scheme> {
    let Pattern::Regex(pattern) = &split.pattern else {
        return None;
    };
    let keeps_matches = match split.behavior {
        SplitBehavior::Isolated => true,
        SplitBehavior::Removed => split.invert,
        _ => false,
    };
    keeps_matches.then(|| recognise_pattern(pattern)).flatten()
}

fn recognise_pattern(pattern: &str) -> Option<Scheme> {
    match pattern {
        GPT2_PATTERN | known::GPT2_ORIGINAL_PATTERN => Some(Scheme::Gpt2),
        known::CL100K_PATTERN => Some(Scheme::Cl100k { max_digits: 3 }),
        known::QWEN2_PATTERN => Some(Scheme::Cl100k { max_digits: 1 }),
        known::O200K_PATTERN => Some(Scheme::O200k),
        known::LINES_PATTERN => Some(Scheme::Lines),
        _ => None,
    }
}
