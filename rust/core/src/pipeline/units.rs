//! A batch of texts cut into units that can be worked on in any order.
//!
//! A run of short texts is one unit. A long text is cut at added tokens and, where the pre-tokenizer is compiled and no
//! normalizer changes the text, at places that are boundaries whatever stands around them.

use std::ops::Range;

use super::{Pipeline, PreTokenizing, TextPart};
use crate::added_tokens::OnSpecial;
use crate::error::Result;
use crate::progress::Progress;

/// A text longer than this is cut, and about this much text makes a unit.
const UNIT_BYTES: usize = 1 << 18;

/// What one thread does without a break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unit {
    /// Whole texts.
    Texts(Range<usize>),
    /// An added token inside a long text.
    Token(u32),
    /// A stretch of a part of text `index`.
    Piece {
        /// Index of the text.
        index: usize,
        /// The part, as bytes of the text.
        part: Range<usize>,
        /// The stretch, as bytes of the part.
        stretch: Range<usize>,
    },
    /// The long text whose units came before is complete.
    EndOfText,
}

impl Pipeline {
    /// Cuts `texts` into units. A long text with an error is left whole, so that the error is met where it would be met
    /// without cutting, after those of earlier texts.
    pub fn units(&self, texts: &[&str], on_special: OnSpecial) -> Vec<Unit> {
        let may_cut = self.normalization.is_identity()
            && !matches!(self.pre_tokenizer, PreTokenizing::Generic(_));
        let mut units = Vec::new();
        let (mut first, mut n_bytes) = (0, 0);
        for (index, text) in texts.iter().enumerate() {
            if may_cut && text.len() > UNIT_BYTES {
                if first < index {
                    units.push(Unit::Texts(first..index));
                }
                let n_before = units.len();
                if self.cut_long(text, index, on_special, &mut units).is_err() {
                    units.truncate(n_before);
                    units.push(Unit::Texts(index..index + 1));
                }
                (first, n_bytes) = (index + 1, 0);
                continue;
            }
            n_bytes += text.len();
            if n_bytes >= UNIT_BYTES {
                units.push(Unit::Texts(first..index + 1));
                (first, n_bytes) = (index + 1, 0);
            }
        }
        if first < texts.len() {
            units.push(Unit::Texts(first..texts.len()));
        }
        units
    }

    fn cut_long(
        &self,
        text: &str,
        index: usize,
        on_special: OnSpecial,
        units: &mut Vec<Unit>,
    ) -> Result<()> {
        self.for_each_part(text, on_special, &Progress::default(), |part, base| {
            match part {
                TextPart::Token(id, ..) => units.push(Unit::Token(id)),
                TextPart::Text(text) => {
                    let text = text.text();
                    let part = base..base + text.len();
                    let mut start = 0;
                    while start < text.len() {
                        let end = self.safe_cut(text, start + UNIT_BYTES);
                        units.push(Unit::Piece { index, part: part.clone(), stretch: start..end });
                        start = end;
                    }
                }
            }
            Ok(())
        })?;
        units.push(Unit::EndOfText);
        Ok(())
    }

    /// The first place at or after `from` where a part may be cut, or its end.
    fn safe_cut(&self, text: &str, from: usize) -> usize {
        match &self.pre_tokenizer {
            PreTokenizing::Compiled(compiled) => compiled.scheme.safe_cut(text, from),
            PreTokenizing::Words(scheme, _) => scheme.safe_cut(text, from),
            PreTokenizing::Generic(_) => text.len(),
        }
    }
}
