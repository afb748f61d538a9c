//! Post-processors: add special ids around a finished sequence. They never touch the ids inside.
//!
//! A processor turns parts into parts, of which the finished sequence is the concatenation: at first there is a part a text, and
//! what truncation cut from it rides along. Plain encoding needs only the ids [`PostProcessor::around_single`] one.

use crate::bounds::check_stages;
use crate::encoding::Encoding;
use crate::error::{Error, Result};

/// A post-processor, one variant a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostProcessor {
    /// Changes offsets only, never ids; kept so that a file is written back as it was read.
    ByteLevel(ByteLevelOptions),
    /// RoBERTa's `<s> A </s>`.
    Roberta {
        /// Text and id of the token after the sequence.
        sep: (String, u32),
        /// Text and id of the token before the sequence.
        cls: (String, u32),
        /// Whether offsets leave out the space (offsets only).
        trim_offsets: bool,
        /// As the pre-tokenizer's (offsets only).
        add_prefix_space: bool,
    },
    /// BERT's `[CLS] A [SEP] B [SEP]`.
    Bert {
        /// Text and id of the token after each sequence.
        sep: (String, u32),
        /// Text and id of the token before the first.
        cls: (String, u32),
    },
    /// A sequence between special tokens, as a template says.
    Template(Template),
    /// Each in turn.
    Sequence(Vec<PostProcessor>),
}

/// What a post-processor may come to: in a template, pieces times the names and the most ids of a name, and that times the
/// post-processors, which may add ids around each piece.
const MAX_TEMPLATE: usize = 1 << 16;
/// Places in a template for the same text, which is copied to each.
const MAX_COPIES: usize = 16;

/// The options of everything that Hugging Face calls `ByteLevel`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteLevelOptions {
    /// Whether a part that does not start with a space gets one.
    pub add_prefix_space: bool,
    /// Whether offsets leave out the space.
    pub trim_offsets: bool,
    /// Whether the part is split by the GPT-2 pattern.
    pub use_regex: bool,
}

impl ByteLevelOptions {
    /// Bytes as they stand: no space is put before them, and nothing is split.
    pub const PLAIN: Self = Self { add_prefix_space: false, trim_offsets: true, use_regex: false };
}

/// The data of [`PostProcessor::Template`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// For one sequence.
    pub single: Vec<TemplatePiece>,
    /// For a pair of sequences.
    pub pair: Vec<TemplatePiece>,
    /// Name, ids and token texts of each special token named by a piece, ordered by name.
    pub special_tokens: Vec<TemplateSpecial>,
}

/// A place in a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplatePiece {
    /// The sequence `A` or `B`.
    Sequence {
        /// Whether it is `B`.
        is_pair: bool,
        /// Its type id.
        type_id: u32,
    },
    /// A special token.
    Special {
        /// Its name in [`Template::special_tokens`].
        name: String,
        /// Its type id.
        type_id: u32,
    },
}

/// A special token of a template: one name may stand for several tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateSpecial {
    /// The name pieces use.
    pub name: String,
    /// Ids, in order.
    pub ids: Vec<u32>,
    /// Texts, in order.
    pub tokens: Vec<String>,
}

/// One time that the white space at the ends of tokens is left out of their offsets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trim {
    /// Whether a single space before the first token is one that the pre-tokenizer has put there, and stays.
    pub(crate) adds_prefix_space: bool,
    /// Whether the part's first token is the first of its text: no special token stands before it yet.
    pub(crate) is_at_start: bool,
}

impl PostProcessor {
    /// The ids that stand before and after a single sequence.
    ///
    /// # Errors
    /// As [`PostProcessor::process`].
    pub(crate) fn around_single(&self) -> Result<(Vec<u32>, Vec<u32>)> {
        self.check_size()?;
        let mut probe = Encoding::default();
        probe.push(0, (0, 0), (0, 0), None);
        let mut whole = Encoding::join(self.process(vec![probe], true)?)?;
        let places = whole.sequence_ids.iter().zip(0..).filter(|(sequence, _)| sequence.is_some());
        let [place] = places.map(|(_, place)| place).collect::<Vec<usize>>()[..] else {
            return Err(unsupported("a template that does not hold the sequence A exactly once"));
        };
        let after = whole.ids.split_off(place + 1);
        whole.ids.truncate(place);
        Ok((whole.ids, after))
    }

    /// Refuses what would add ids in number, or take time, beyond all measure of its file.
    fn check_size(&self) -> Result<()> {
        let processors = self.flat();
        check_stages(processors.len(), "post_processor")?;
        processors.iter().try_for_each(|processor| match processor {
            Self::Template(template) => template.check_size(processors.len()),
            _ => Ok(()),
        })
    }

    /// The processors that are no sequence, in order.
    fn flat(&self) -> Vec<&Self> {
        match self {
            Self::Sequence(processors) => processors.iter().flat_map(Self::flat).collect(),
            single => vec![single],
        }
    }

    /// How many ids are added to a pair of sequences.
    ///
    /// # Errors
    /// As [`PostProcessor::process`].
    pub(crate) fn n_added_to_pair(&self) -> Result<usize> {
        let parts = self.process(vec![Encoding::default(), Encoding::default()], true)?;
        Ok(parts.iter().map(Encoding::len).sum())
    }

    /// The parts of the finished sequence: one or two sequences, and special ids around them unless these are not wanted.
    /// Offsets stay as they are; see [`PostProcessor::trims`].
    ///
    /// # Errors
    /// [`Error::Config`] for a pair when a template has no place for one of its texts; [`Error::Unsupported`] for a template
    /// after a processor that has made more than two parts.
    pub(crate) fn process(
        &self,
        mut parts: Vec<Encoding>,
        adds_special: bool,
    ) -> Result<Vec<Encoding>> {
        match self {
            Self::ByteLevel(_) => Ok(parts),
            Self::Bert { sep, cls } => {
                Ok(if adds_special { bert(&parts, cls.1, sep.1) } else { parts })
            }
            Self::Roberta { sep, cls, .. } => {
                for part in &mut parts {
                    part.type_ids.fill(0);
                }
                Ok(if adds_special { roberta(&parts, cls.1, sep.1) } else { parts })
            }
            Self::Template(template) => template.process(&parts, adds_special),
            Self::Sequence(processors) => processors
                .iter()
                .try_fold(parts, |parts, processor| processor.process(parts, adds_special)),
        }
    }

    /// How the offsets of the first or second text are trimmed, in order. The tokens that are trimmed are the same each time.
    pub(crate) fn trims(&self, adds_special: bool, is_second: bool) -> Vec<Trim> {
        let mut trims = Vec::new();
        self.push_trims(adds_special, is_second, &mut true, &mut trims);
        trims
    }

    fn push_trims(
        &self,
        adds_special: bool,
        is_second: bool,
        is_at_start: &mut bool,
        trims: &mut Vec<Trim>,
    ) {
        let mut trim = |trims_offsets: bool, adds_prefix_space: bool, is_at_start: bool| {
            if trims_offsets {
                trims.push(Trim { adds_prefix_space, is_at_start });
            }
        };
        match self {
            Self::ByteLevel(options) => {
                trim(options.trim_offsets, options.add_prefix_space, *is_at_start);
            }
            Self::Roberta { trim_offsets, add_prefix_space, .. } => {
                trim(*trim_offsets, *add_prefix_space, *is_at_start);
                *is_at_start &= !adds_special;
            }
            Self::Bert { .. } => *is_at_start &= !adds_special || is_second,
            Self::Template(_) => {}
            Self::Sequence(processors) => {
                for processor in processors {
                    processor.push_trims(adds_special, is_second, is_at_start, trims);
                }
            }
        }
    }
}

/// `[CLS] A [SEP]`, and then `B [SEP]` with type id 1.
fn bert(parts: &[Encoding], cls: u32, sep: u32) -> Vec<Encoding> {
    let wrapped = |i: usize, part: &Encoding| match i {
        0 => wrap(&[cls], part, &[sep], 0),
        _ => wrap(&[], part, &[sep], 1),
    };
    wrap_each(parts, wrapped)
}

/// `<s> A </s>`, and then `</s> B </s>`: every type id is 0.
fn roberta(parts: &[Encoding], cls: u32, sep: u32) -> Vec<Encoding> {
    let wrapped = |i: usize, part: &Encoding| {
        let mut wrapped = wrap(&[if i == 0 { cls } else { sep }], part, &[sep], 0);
        wrapped.type_ids.fill(0);
        wrapped
    };
    wrap_each(parts, wrapped)
}

/// Each part and each stretch that overflows from it, wrapped.
fn wrap_each(parts: &[Encoding], wrapped: impl Fn(usize, &Encoding) -> Encoding) -> Vec<Encoding> {
    let whole = |(i, part): (usize, &Encoding)| Encoding {
        overflowing: part.overflowing.iter().map(|stretch| wrapped(i, stretch)).collect(),
        ..wrapped(i, part)
    };
    parts.iter().enumerate().map(whole).collect()
}

fn wrap(before: &[u32], part: &Encoding, after: &[u32], type_id: u32) -> Encoding {
    let mut wrapped = Encoding::added(before.to_vec(), type_id, false);
    wrapped.extend(part);
    wrapped.extend(&Encoding::added(after.to_vec(), type_id, false));
    wrapped
}

fn unsupported(what: &str) -> Error {
    Error::unsupported("tokenizer", "post_processor", format!("{what} is not supported"))
}

impl TemplatePiece {
    /// Whether it is the place of the second text, or of the first.
    fn is_text(&self, is_second: bool) -> bool {
        matches!(self, Self::Sequence { is_pair, .. } if *is_pair == is_second)
    }
}

impl Template {
    /// BERT's: `[CLS] A [SEP] B [SEP]`, with B and what follows it of type 1. Each token comes with its id.
    pub fn bert(cls: (&str, u32), sep: (&str, u32)) -> Self {
        let special =
            |name: &str, type_id| TemplatePiece::Special { name: name.to_owned(), type_id };
        let sequence = |is_pair: bool| TemplatePiece::Sequence { is_pair, type_id: is_pair.into() };
        let named = |(name, id): (&str, u32)| TemplateSpecial {
            name: name.to_owned(),
            ids: vec![id],
            tokens: vec![name.to_owned()],
        };
        let single = vec![special(cls.0, 0), sequence(false), special(sep.0, 0)];
        let pair = [single.clone(), vec![sequence(true), special(sep.0, 1)]].concat();
        Self { single, pair, special_tokens: vec![named(cls), named(sep)] }
    }

    /// One part a piece. As in `tokenizers`, what overflows keeps the type ids that it had.
    fn process(&self, parts: &[Encoding], adds_special: bool) -> Result<Vec<Encoding>> {
        let pieces = match parts {
            [_] => &self.single,
            [_, _] => {
                self.check_pair()?;
                &self.pair
            }
            _ => return Err(unsupported("a template after another that adds special tokens")),
        };
        let mut processed = Vec::with_capacity(pieces.len());
        for piece in pieces {
            match piece {
                TemplatePiece::Sequence { is_pair, type_id } => {
                    let Some(part) = parts.get(usize::from(*is_pair)) else {
                        return Err(unsupported("a single template with the sequence B"));
                    };
                    let mut part = part.clone();
                    part.type_ids.fill(*type_id);
                    processed.push(part);
                }
                TemplatePiece::Special { name, type_id } if adds_special => {
                    let special = self.special_tokens.iter().find(|special| special.name == *name);
                    let ids = special.map(|special| special.ids.clone()).unwrap_or_default();
                    processed.push(Encoding::added(ids, *type_id, false));
                }
                TemplatePiece::Special { .. } => {}
            }
        }
        Ok(processed)
    }

    /// Refuses a template that is too large, or copies a text too often, where there are `n_processors`.
    fn check_size(&self, n_processors: usize) -> Result<()> {
        let n_copies = [&self.single, &self.pair].map(|pieces| {
            [false, true].map(|wanted| pieces.iter().filter(|piece| piece.is_text(wanted)).count())
        });
        let n_copies = n_copies.into_iter().flatten().max().unwrap_or(0);
        if n_copies > MAX_COPIES {
            return Err(unsupported(&format!(
                "a template with {n_copies} places for one text, more than {MAX_COPIES},"
            )));
        }
        let n_names = self.special_tokens.len();
        let most_ids =
            self.special_tokens.iter().map(|special| special.ids.len()).max().unwrap_or(0);
        let n_pieces = self.single.len().max(self.pair.len());
        let size = n_pieces.saturating_mul(n_names + most_ids + 1);
        if size.saturating_mul(n_processors) <= MAX_TEMPLATE {
            return Ok(());
        }
        Err(unsupported(&format!(
            "a template of {n_pieces} pieces with {n_names} names of up to {most_ids} ids, among {n_processors} post-processors,"
        )))
    }

    fn check_pair(&self) -> Result<()> {
        for (letter, wanted) in [("A", false), ("B", true)] {
            if !self.pair.iter().any(|piece| piece.is_text(wanted)) {
                return Err(Error::Config(format!(
                    "the post-processor's template for a pair has no place for the text {letter}"
                )));
            }
        }
        Ok(())
    }
}
