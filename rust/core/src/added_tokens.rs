//! Special and added tokens: found in the text before anything else.
//!
//! Two passes, as in Hugging Face's library: tokens with `is_normalized == false` are looked for in the raw text, the others
//! in what the normalizer makes of the rest. Each pass is leftmost-longest. What is between goes on to the pre-tokenizer.

use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};

use crate::char_class;
use crate::error::{Error, Result};

/// The longest content of an added token: building an automaton costs the square of it.
const MAX_CONTENT_BYTES: usize = 1 << 11;

/// A token that is matched in the text as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the file format's five independent flags")]
pub struct AddedToken {
    /// Its id.
    pub id: u32,
    /// The text that is matched.
    pub content: String,
    /// Whether it must not touch a word character (`\w`) on either side.
    pub is_single_word: bool,
    /// Whether it swallows white space on its left.
    pub strips_left: bool,
    /// Whether it swallows white space on its right.
    pub strips_right: bool,
    /// Whether it is looked for in the normalized text rather than in the raw text.
    pub is_normalized: bool,
    /// Whether it is special: never produced from ordinary text unless the caller allows it.
    pub is_special: bool,
}

impl AddedToken {
    /// A special token looked for in the raw text, with no further conditions.
    pub fn special(id: u32, content: &str) -> Self {
        Self {
            id,
            content: content.to_owned(),
            is_single_word: false,
            strips_left: false,
            strips_right: false,
            is_normalized: false,
            is_special: true,
        }
    }
}

/// What becomes of a special token's text inside ordinary text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnSpecial {
    /// An error, so that text never becomes a control token unnoticed.
    Raise,
    /// It is encoded as the special token.
    Encode,
    /// It is ordinary text, as if the special token did not exist.
    Text,
}

/// A stretch of text between or at added tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Ordinary text.
    Text(Range<usize>),
    /// An added token.
    Token {
        /// Index in [`AddedTokens::tokens`].
        index: usize,
        /// Its content, with the white space that it swallows.
        range: Range<usize>,
    },
}

/// The added tokens of a tokenizer, ready to be found.
#[derive(Debug)]
pub struct AddedTokens {
    tokens: Vec<AddedToken>,
    raw: Pass,
    normalized: Pass,
}

/// The tokens of one pass: one automaton with the special tokens, one without.
#[derive(Debug)]
struct Pass {
    all: Option<Finder>,
    ordinary: Option<Finder>,
}

#[derive(Debug)]
struct Finder {
    automaton: AhoCorasick,
    /// Index in the list of tokens of each pattern.
    indices: Vec<usize>,
}

impl AddedTokens {
    /// Builds the automata; `normalize` is the tokenizer's normalizer.
    ///
    /// # Errors
    /// [`Error::Vocab`] when a token is too long, or all together are too large for an automaton, and those of `normalize`.
    pub fn new(
        tokens: Vec<AddedToken>,
        normalize: impl Fn(&str) -> Result<String>,
    ) -> Result<Self> {
        let pass = |is_normalized: bool| -> Result<Pass> {
            let finder = |with_special: bool| {
                let indices = (0..tokens.len())
                    .filter(|&i| {
                        tokens[i].is_normalized == is_normalized
                            && (with_special || !tokens[i].is_special)
                    })
                    .collect();
                Finder::new(indices, |i| {
                    if is_normalized {
                        normalize(&tokens[i].content)
                    } else {
                        Ok(tokens[i].content.clone())
                    }
                })
            };
            Ok(Pass { all: finder(true)?, ordinary: finder(false)? })
        };
        let (raw, normalized) = (pass(false)?, pass(true)?);
        Ok(Self { tokens, raw, normalized })
    }

    /// The tokens, in the definition's order.
    pub fn tokens(&self) -> &[AddedToken] {
        &self.tokens
    }

    /// Cuts raw text at the tokens that are looked for there.
    ///
    /// # Errors
    /// [`Error::DisallowedSpecial`] under [`OnSpecial::Raise`].
    pub fn cut_raw(&self, text: &str, on_special: OnSpecial) -> Result<Vec<Part>> {
        self.cut(&self.raw, text, on_special)
    }

    /// Cuts normalized text at the tokens that are looked for there.
    ///
    /// # Errors
    /// [`Error::DisallowedSpecial`] under [`OnSpecial::Raise`]; its offset is one into the normalized text.
    pub fn cut_normalized(&self, text: &str, on_special: OnSpecial) -> Result<Vec<Part>> {
        self.cut(&self.normalized, text, on_special)
    }

    fn cut(&self, pass: &Pass, text: &str, on_special: OnSpecial) -> Result<Vec<Part>> {
        let finder = match on_special {
            OnSpecial::Text => &pass.ordinary,
            OnSpecial::Raise | OnSpecial::Encode => &pass.all,
        };
        let whole = |end: usize| {
            if end == 0 { Vec::new() } else { vec![Part::Text(0..end)] }
        };
        let Some(finder) = finder else {
            return Ok(whole(text.len()));
        };
        let mut parts = Vec::new();
        // Up to where parts are settled, and up to where white space is known to reach.
        let (mut end, mut white_end) = (0, 0);
        for found in finder.automaton.find_iter(text) {
            let index = finder.indices[found.pattern().as_usize()];
            let token = &self.tokens[index];
            let bytes = text.as_bytes();
            let (before, after) = (&bytes[..found.start()], &bytes[found.end()..]);
            if token.is_single_word && (ends_with_word(before) || starts_with_word(after)) {
                continue;
            }
            if token.is_special && on_special == OnSpecial::Raise {
                return Err(Error::DisallowedSpecial {
                    token: token.content.clone(),
                    byte_offset: found.start(),
                });
            }
            let mut start = found.start();
            if token.strips_left {
                // What a token before has swallowed is not looked at again: the whole text costs linear time.
                let free = before.get(end..).unwrap_or_default();
                start = (start - white_space_at_end(free)).max(end);
            }
            let mut stop = found.end();
            if token.strips_right {
                if stop >= white_end {
                    white_end = stop + white_space_at_start(after);
                }
                stop = white_end;
            }
            // A token that lies in what the one before has swallowed is not there, as in `tokenizers`.
            if stop <= start {
                continue;
            }
            if start > end {
                parts.push(Part::Text(end..start));
            }
            parts.push(Part::Token { index, range: start..stop });
            end = stop;
        }
        if parts.is_empty() {
            return Ok(whole(text.len()));
        }
        if end < text.len() {
            parts.push(Part::Text(end..text.len()));
        }
        Ok(parts)
    }
}

impl Finder {
    fn new(indices: Vec<usize>, content: impl Fn(usize) -> Result<String>) -> Result<Option<Self>> {
        // An empty content (a normalizer may leave nothing) matches nowhere.
        let contents = indices.iter().map(|&i| content(i)).collect::<Result<Vec<_>>>()?;
        if let Some(long) = contents.iter().find(|content| content.len() > MAX_CONTENT_BYTES) {
            return Err(Error::Vocab(format!(
                "an added token must have at most {MAX_CONTENT_BYTES} bytes, got {}",
                long.len()
            )));
        }
        let (indices, contents): (Vec<usize>, Vec<String>) =
            indices.into_iter().zip(contents).filter(|(_, text)| !text.is_empty()).unzip();
        if indices.is_empty() {
            return Ok(None);
        }
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(contents)
            .map_err(|problem| Error::Vocab(format!("added tokens: {problem}")))?;
        Ok(Some(Self { automaton, indices }))
    }
}

fn starts_with_word(text: &[u8]) -> bool {
    char_class::at(text, 0).0 & char_class::WORD != 0
}

fn ends_with_word(text: &[u8]) -> bool {
    last_flags(text) & char_class::WORD != 0
}

fn last_flags(text: &[u8]) -> u8 {
    text.len()
        .checked_sub(char_class::last_len(text))
        .map_or(0, |start| char_class::at(text, start).0)
}

fn white_space_at_start(text: &[u8]) -> usize {
    let mut place = 0;
    loop {
        let (flags, len) = char_class::at(text, place);
        if flags & char_class::WHITE_SPACE == 0 {
            return place;
        }
        place += len;
    }
}

fn white_space_at_end(text: &[u8]) -> usize {
    let mut end = text.len();
    while last_flags(&text[..end]) & char_class::WHITE_SPACE != 0 {
        end -= char_class::last_len(&text[..end]);
    }
    text.len() - end
}
