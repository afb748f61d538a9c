//! [`Chain`]: the stages of a decoder in order.

use super::Decoder;
use super::pieces::Pieces;
use super::stage::{Stage, State};
use crate::bounds::check_stages;
use crate::error::{Error, Result};
use crate::pre_tokenizer::pattern::Matcher;
use crate::pre_tokenizer::{Pattern, PrependScheme};

pub(crate) use super::stage::Form;

/// How many times as long a decoder may make a text. A file can ask for a long text in place of each character, and for that
/// again and again.
const MAX_GROWTH: usize = 1 << 12;

/// A decoder, ready to run.
#[derive(Debug)]
pub(crate) struct Chain {
    stages: Vec<Stage>,
    takes_bytes: bool,
}

/// How far the stages have come, and the tokens between them.
#[derive(Debug)]
pub(crate) struct Run {
    states: Vec<State>,
    pieces: Pieces,
    others: Pieces,
    form: Form,
}

impl Chain {
    /// The stages of `decoder`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] or [`Error::Format`] for a pattern that is not supported or not valid, a SentencePiece decoder
    /// inside a sequence, too many stages, and stages that make a text too long.
    pub(crate) fn new(decoder: Option<&Decoder>) -> Result<Self> {
        let growth = decoder.map_or(1, growth);
        if growth > MAX_GROWTH {
            let problem = format!(
                "decoders may make a text {MAX_GROWTH} times as long, all together, and here {growth} times"
            );
            return Err(Error::unsupported("tokenizer", "decoder", problem));
        }
        let mut stages = Vec::new();
        match decoder {
            Some(Decoder::SentencePiece { .. }) => {}
            Some(decoder) => push_stages(decoder, "decoder", &mut stages)?,
            None => stages.push(Stage::Spaces),
        }
        // The tokenizer knows the bytes of each token.
        let takes_bytes = match stages.first_mut() {
            Some(Stage::Bytes { is_spelled }) => {
                *is_spelled = false;
                true
            }
            _ => false,
        };
        Ok(Self { stages, takes_bytes })
    }

    /// Whether tokens are fed as the bytes that they spell rather than as they are spelled.
    pub(crate) fn takes_bytes(&self) -> bool {
        self.takes_bytes
    }

    /// Whether the text is what the tokens are fed as, one after the other.
    pub(crate) fn is_concatenation(&self) -> bool {
        self.takes_bytes && self.stages.len() == 1
    }

    /// The state before the first token.
    pub(crate) fn start(&self, form: Form) -> Run {
        let states = self.stages.iter().map(|_| State::default()).collect();
        Run { states, pieces: Pieces::default(), others: Pieces::default(), form }
    }

    /// Runs the stages over the tokens fed since the last time and appends what is certain now to `text`; `is_end`: no token
    /// comes any more, and the state is that before the first token again.
    ///
    /// # Errors
    /// [`Error::PatternLimit`].
    pub(crate) fn run(&self, run: &mut Run, is_end: bool, text: &mut Vec<u8>) -> Result<()> {
        let Run { states, pieces, others, form } = run;
        for (stage, state) in self.stages.iter().zip(states) {
            others.clear();
            for piece in pieces.iter() {
                stage.feed(state, piece, *form, others)?;
            }
            if is_end {
                stage.finish(state, *form, others);
            }
            std::mem::swap(pieces, others);
        }
        text.extend_from_slice(pieces.text());
        pieces.clear();
        Ok(())
    }
}

impl Run {
    /// Where tokens are fed.
    pub(crate) fn tokens(&mut self) -> &mut Pieces {
        &mut self.pieces
    }

    /// What bytes that are not UTF-8 become.
    pub(crate) fn form(&self) -> Form {
        self.form
    }
}

/// How many times as long `decoder` makes a text at the most, an empty token counted for one byte.
fn growth(decoder: &Decoder) -> usize {
    match decoder {
        Decoder::Replace { pattern: Pattern::Literal(pattern), content } => {
            content.len().div_ceil(pattern.len().max(1)).max(1)
        }
        // It may match before each character, and keep it.
        Decoder::Replace { pattern: Pattern::Regex(_), content } => content.len() + 1,
        // U+FFFD, of three bytes, for one that is not UTF-8.
        Decoder::ByteLevel(_) => 3,
        // A space before each token.
        Decoder::WordPiece { .. } => 2,
        // Nothing is found around every character, and becomes a space.
        Decoder::Bpe { suffix } if suffix.is_empty() => 3,
        Decoder::Ctc { word_delimiter_token, cleanup: true, .. }
            if word_delimiter_token.is_empty() =>
        {
            3
        }
        Decoder::Sequence(inner) => inner.iter().map(growth).fold(1, usize::saturating_mul),
        _ => 1,
    }
}

fn push_stages(decoder: &Decoder, place: &str, stages: &mut Vec<Stage>) -> Result<()> {
    let unsupported = |problem: &str| Err(Error::unsupported("tokenizer", place, problem));
    stages.push(match decoder {
        Decoder::ByteLevel(_) => Stage::Bytes { is_spelled: true },
        Decoder::WordPiece { prefix, cleanup } => {
            Stage::WordPiece { prefix: prefix.clone(), tightens: *cleanup }
        }
        Decoder::Metaspace(metaspace) => Stage::Metaspace {
            replacement: metaspace.replacement.to_string(),
            drops_first: metaspace.prepend_scheme != PrependScheme::Never,
        },
        Decoder::ByteFallback => Stage::ByteFallback,
        Decoder::Bpe { suffix } => Stage::Bpe { suffix: suffix.clone() },
        Decoder::Fuse => Stage::Fuse,
        Decoder::Strip { content, start, stop } => {
            Stage::Strip { content: content.to_string(), start: *start, stop: *stop }
        }
        Decoder::Replace { pattern: Pattern::Literal(pattern), content } if pattern.is_empty() => {
            return unsupported(&format!(
                "Replace of an empty text by {content:?} is not supported"
            ));
        }
        Decoder::Replace { pattern: Pattern::Literal(pattern), content } => {
            Stage::Literal { pattern: pattern.clone(), content: content.clone() }
        }
        Decoder::Replace { pattern: Pattern::Regex(pattern), content } => Stage::Regex {
            pattern: Matcher::regex(pattern, &format!("{place}.pattern.Regex"))?,
            content: content.clone(),
        },
        Decoder::Ctc { pad_token, word_delimiter_token, cleanup } => Stage::Ctc {
            pad_token: pad_token.clone(),
            word_delimiter_token: word_delimiter_token.clone(),
            tightens: *cleanup,
        },
        Decoder::SentencePiece { .. } => {
            return unsupported("SentencePiece's decoder inside a sequence is not supported");
        }
        Decoder::Sequence(decoders) => {
            for (i, inner) in decoders.iter().enumerate() {
                push_stages(inner, &format!("{place}.decoders[{i}]"), stages)?;
                check_stages(stages.len(), place)?;
            }
            return Ok(());
        }
    });
    Ok(())
}
