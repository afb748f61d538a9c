//! Every match of a pattern becomes a fixed text, whose span is that of the match's last character.

use crate::bounds::Growth;
use crate::error::Result;
use crate::pre_tokenizer::Pattern;
use crate::pre_tokenizer::pattern::Matcher;
use crate::progress::Progress;
use crate::traced::Traced;

/// A pattern, built, and what stands for its matches.
#[derive(Debug)]
pub(super) struct Replace {
    matcher: Matcher,
    content: String,
}

impl Replace {
    /// # Errors
    /// Those of [`Matcher::regex`].
    pub(super) fn new(pattern: &Pattern, content: &str) -> Result<Self> {
        let matcher = match pattern {
            // A regular expression to the reference, which the empty one is: it matches between all characters.
            Pattern::Literal(text) if !text.is_empty() => Matcher::literal(text),
            Pattern::Literal(text) | Pattern::Regex(text) => {
                Matcher::regex(text, "normalizer.pattern")?
            }
        };
        Ok(Self { matcher, content: content.to_owned() })
    }

    pub(super) fn normalize(
        &self,
        text: &mut Traced<'_>,
        growth: Growth<'_>,
        progress: &Progress,
    ) -> Result<()> {
        let mut matches = Vec::new();
        if !text.text().is_empty() {
            self.matcher.for_each_match(text.text(), progress, |range| {
                matches.push(range);
                Ok(())
            })?;
        }
        if matches.is_empty() {
            return Ok(());
        }
        text.try_rewrite(|text, out| {
            let mut kept = 0;
            for range in matches {
                out.keep(text, kept..range.start);
                self.content.chars().for_each(|c| out.insert(range.end, c));
                kept = range.end;
                growth.check(out.text().len())?;
            }
            out.keep(text, kept..text.len());
            Ok(())
        })
    }
}
