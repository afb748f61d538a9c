//! Finished sequences: truncated, with the post-processor's ids, padded, as [`Encoding`]s.
//!
//! The order is that of `tokenizers`: the texts are cut to what the post-processor leaves of `max_length`, its ids come around
//! them, and the whole is filled up.

use super::{EncodeOptions, Tokenizer};
use crate::encoding::Encoding;
use crate::error::{Error, Result};
use crate::padding::Padding;
use crate::parallel;
use crate::post_processor::Trim;
use crate::pre_tokenizer::byte_level;
use crate::progress::{Phase, Progress};
use crate::traced::Span;
use crate::truncation::Truncation;

/// What counts as one text.
#[derive(Debug, Clone, Copy)]
pub enum Source<'t> {
    /// A text.
    Text(&'t str),
    /// Words, each a text of its own: its offsets count in it, and its ids have its number as word id.
    Words(&'t [&'t str]),
}

/// A text, or a pair of texts.
pub type Input<'t> = (Source<'t>, Option<Source<'t>>);

impl<'t> Source<'t> {
    fn n_bytes(self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Words(words) => words.iter().map(|word| word.len()).sum(),
        }
    }

    /// The text that the offsets of an id of this word count in.
    fn text_of(self, word_id: Option<u32>) -> Option<&'t str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Words(words) => words.get(usize::try_from(word_id?).ok()?).copied(),
        }
    }
}

/// Texts of fewer bytes than this are worked on by one thread together.
const UNIT_BYTES: usize = 1 << 15;

impl Tokenizer {
    /// One text or pair of texts, finished as the arguments say; the definition's own truncation and padding do not count.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`], and [`Error::Config`] when the post-processor has no place for a pair.
    pub fn encoding(
        &self,
        text: &str,
        pair: Option<&str>,
        options: EncodeOptions,
        truncation: Option<&Truncation>,
        padding: Option<&Padding>,
        progress: &Progress,
    ) -> Result<Encoding> {
        let input = (Source::Text(text), pair.map(Source::Text));
        let mut encoding = self.unpadded(input, options, truncation, progress)?;
        if let Some(padding) = padding {
            self.check_padding(padding)?;
            padding.pad(std::slice::from_mut(&mut encoding))?;
        }
        Ok(encoding)
    }

    /// Each of `texts` finished as the arguments say, in one batch. `n_threads` of `None`: as many as the machine gives.
    ///
    /// # Errors
    /// As [`Tokenizer::encoding`], of the first text that has one, inside [`Error::InBatch`].
    pub fn encodings(
        &self,
        texts: &[Input<'_>],
        options: EncodeOptions,
        truncation: Option<&Truncation>,
        padding: Option<&Padding>,
        n_threads: Option<usize>,
        progress: &Progress,
    ) -> Result<Vec<Encoding>> {
        let n_bytes = |&(text, pair): &Input<'_>| text.n_bytes() + pair.map_or(0, Source::n_bytes);
        let n_all = texts.iter().map(n_bytes).sum::<usize>();
        progress.begin(Phase::Encode, n_all as u64);
        let mut units = Vec::new();
        let (mut start, mut n_unit) = (0, 0);
        for (i, text) in texts.iter().enumerate() {
            n_unit += n_bytes(text);
            if n_unit >= UNIT_BYTES || i + 1 == texts.len() {
                units.push(start..i + 1);
                (start, n_unit) = (i + 1, 0);
            }
        }
        let n_threads = parallel::n_threads(n_threads).min(units.len().max(1));
        let done = parallel::map(&mut vec![(); n_threads], units.len(), |(), unit| {
            let finish = |i: usize| {
                self.unpadded(texts[i], options, truncation, progress)
                    .map_err(|error| error.in_batch(i))
            };
            units[unit].clone().map(finish).collect::<Result<Vec<_>>>()
        })?;
        let mut encodings = done.into_iter().flatten().collect::<Vec<_>>();
        if let Some(padding) = padding {
            self.check_padding(padding)?;
            padding.pad(&mut encodings)?;
        }
        Ok(encodings)
    }

    fn unpadded(
        &self,
        (text, pair): Input<'_>,
        options: EncodeOptions,
        truncation: Option<&Truncation>,
        progress: &Progress,
    ) -> Result<Encoding> {
        let mut parts = vec![self.traced(text, options, 0, progress)?];
        if let Some(pair) = pair {
            parts.push(self.traced(pair, options, 1, progress)?);
        }
        let processor = self.definition.post_processor.as_ref();
        if let Some(truncation) = truncation {
            let n_added = match (pair, processor) {
                (Some(_), Some(processor)) if options.add_special_tokens => {
                    processor.n_added_to_pair()?
                }
                _ => {
                    let (before, after) = self.around(options);
                    before.len() + after.len()
                }
            };
            truncation.truncate(&mut parts, n_added)?;
        }
        if let Some(processor) = processor {
            let texts = [(text, false), (pair.unwrap_or(Source::Text("")), true)];
            for ((source, is_second), part) in texts.into_iter().zip(&mut parts) {
                let trims = processor.trims(options.add_special_tokens, is_second);
                self.trim_offsets(part, source, &trims);
                for stretch in &mut part.overflowing {
                    self.trim_offsets(stretch, source, &trims);
                }
            }
            parts = processor.process(parts, options.add_special_tokens)?;
        }
        Encoding::join(parts)
    }

    /// The ids of one text, and where each comes from.
    fn traced(
        &self,
        source: Source<'_>,
        options: EncodeOptions,
        sequence_id: u8,
        progress: &Progress,
    ) -> Result<Encoding> {
        let words = match source {
            Source::Text(text) => {
                return self.encode_traced(text, options.on_special, sequence_id, progress);
            }
            Source::Words(words) => words,
        };
        let mut encoding = Encoding::default();
        for (word_id, word) in (0_u32..).zip(words) {
            let mut part = self.encode_traced(word, options.on_special, sequence_id, progress)?;
            part.word_ids.fill(Some(word_id));
            encoding.extend(&part);
        }
        Ok(encoding)
    }

    /// Leaves the white space at the ends of tokens out of their offsets, as often as `trims` says.
    fn trim_offsets(&self, part: &mut Encoding, source: Source<'_>, trims: &[Trim]) {
        if trims.is_empty() {
            return;
        }
        let places = part.ids.iter().zip(&part.found).zip(&part.word_ids);
        for (i, (((&id, found), &word_id), span)) in places.zip(&mut part.offsets).enumerate() {
            let Some(text) = source.text_of(word_id) else {
                continue;
            };
            let (leading, trailing) = self.spaces_around(id, found.as_deref());
            for trim in trims {
                let is_first = i == 0 && trim.is_at_start || span.0 == 0;
                let is_prefix = is_first && trim.adds_prefix_space && leading == 1;
                *span = trimmed(text, *span, if is_prefix { 0 } else { leading }, trailing);
            }
        }
    }

    /// How many characters of white space a token has at either end: as it was `found`, or as it is spelled.
    fn spaces_around(&self, id: u32, found: Option<&str>) -> (usize, usize) {
        let token = found.or_else(|| self.token_text(id)).unwrap_or_default();
        let spelled_space = byte_level::ALPHABET[usize::from(b' ')];
        let is_space = |c: &char| *c == spelled_space || c.is_whitespace();
        let leading = token.chars().take_while(is_space).count();
        (leading, token.chars().rev().take_while(is_space).count())
    }

    /// Pads ids that stand one text after the other.
    pub(super) fn pad_ids(
        &self,
        padding: &Padding,
        ids: &mut Vec<u32>,
        lengths: &mut [usize],
    ) -> Result<()> {
        self.check_padding(padding)?;
        padding.pad_ids(ids, lengths)
    }

    fn check_padding(&self, padding: &Padding) -> Result<()> {
        match self.vocab.bytes(padding.id) {
            Some(_) => Ok(()),
            None => Err(Error::Config(format!(
                "the padding id {} is not in the vocabulary",
                padding.id
            ))),
        }
    }
}

/// `span` without so many characters at either end, as far as it has them.
fn trimmed(text: &str, (start, end): Span, leading: usize, trailing: usize) -> Span {
    let inside = text.get(start..end).unwrap_or_default();
    let start = start + inside.char_indices().nth(leading).map_or(inside.len(), |(at, _)| at);
    let before = text.get(..end).unwrap_or_default();
    // Where the text before the end has fewer characters, nothing goes, as in `tokenizers`.
    let trimmed = match trailing.checked_sub(1) {
        None => Some(end),
        Some(nth_back) => before.char_indices().nth_back(nth_back).map(|(at, _)| at),
    };
    (start, trimmed.map_or(end, |end| end.max(start)))
}
