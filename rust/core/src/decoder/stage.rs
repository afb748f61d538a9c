//! The stages of decoders. Each gives for the tokens it is fed what `tokenizers` gives for the list of all.
//!
//! After a stage that makes all tokens one ([`Stage::Fuse`], [`Stage::Bytes`]) that token stays open to the end. Stages that
//! commonly come after it work on what there is of a token; the others wait until a token is complete.

use memchr::memmem;

use super::pieces::Pieces;
use super::words::{self, REPLACEMENT, replaced, tightened};
use crate::error::Result;
use crate::pre_tokenizer::byte_level;
use crate::pre_tokenizer::pattern::Matcher;
use crate::progress::Progress;

/// A stage, ready to run.
#[derive(Debug)]
pub(super) enum Stage {
    /// All tokens become one, of the bytes that they spell; `is_spelled`: in the byte-level alphabet.
    Bytes { is_spelled: bool },
    /// Tokens get a space before them, or lose the prefix, but for the first.
    WordPiece { prefix: String, tightens: bool },
    /// Metaspaces become spaces; `drops_first`: in the first token they go.
    Metaspace { replacement: String, drops_first: bool },
    /// Runs of byte tokens become text, or as many U+FFFD.
    ByteFallback,
    /// The suffix becomes a space, in the last token nothing.
    Bpe { suffix: String },
    /// All tokens become one.
    Fuse,
    /// So many `content` at the ends of each token go, at the most.
    Strip { content: String, start: usize, stop: usize },
    /// Each occurrence becomes `content`; the pattern is not empty.
    Literal { pattern: String, content: String },
    /// Each match becomes `content`.
    Regex { pattern: Matcher, content: String },
    /// Repeated tokens and padding go.
    Ctc { pad_token: String, word_delimiter_token: String, tightens: bool },
    /// A space between tokens: what `tokenizers` does without a decoder.
    Spaces,
}

/// How far a stage has come.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Tokens that have ended, so the index of the next.
    n_tokens: usize,
    /// What there is of the open token, for a stage that needs it whole.
    open: Vec<u8>,
    /// What is not certain yet.
    held: Vec<u8>,
    /// Characters stripped at the start of the open token.
    n_stripped: usize,
    /// Whether the start of the open token is behind.
    is_inside: bool,
}

/// What bytes that are not UTF-8 become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// U+FFFD, by the rule of the stage.
    Text,
    /// They stay as they are.
    Bytes,
}

impl Stage {
    /// Takes a token, or what there is of it.
    pub(super) fn feed(
        &self,
        state: &mut State,
        (piece, ends): (&[u8], bool),
        form: Form,
        out: &mut Pieces,
    ) -> Result<()> {
        match self {
            Self::Fuse => out.push(piece),
            Self::Metaspace { replacement, drops_first } => {
                let space = if state.n_tokens == 0 && *drops_first { "" } else { " " };
                out.push(&replaced(piece, replacement, space));
                state.end_if(ends, out);
            }
            Self::Strip { content, start, stop } => {
                state.strip(piece, content.as_bytes(), *start, *stop, out);
                state.end_if(ends, out);
            }
            Self::Literal { pattern, content } => {
                state.replace(piece, ends, pattern, content, out);
                state.end_if(ends, out);
            }
            _ if !ends => state.open.extend_from_slice(piece),
            _ if state.open.is_empty() => self.whole(state, piece, form, out)?,
            _ => {
                let mut token = std::mem::take(&mut state.open);
                token.extend_from_slice(piece);
                self.whole(state, &token, form, out)?;
            }
        }
        Ok(())
    }

    /// Takes a whole token.
    fn whole(&self, state: &mut State, token: &[u8], form: Form, out: &mut Pieces) -> Result<()> {
        match self {
            Self::Bytes { is_spelled } => {
                match std::str::from_utf8(token).ok().filter(|_| *is_spelled) {
                    Some(text) => {
                        let bytes = byte_level::bytes_of(text);
                        state.held.extend(bytes.unwrap_or_else(|| token.to_vec()));
                    }
                    None => state.held.extend_from_slice(token),
                }
                let certain = words::settled(&state.held);
                state.give_bytes(certain, form, out);
                return Ok(());
            }
            Self::WordPiece { prefix, tightens } => {
                let word = match token.strip_prefix(prefix.as_bytes()) {
                    _ if state.n_tokens == 0 => token.to_vec(),
                    Some(rest) => rest.to_vec(),
                    None => [b" ", token].concat(),
                };
                out.push(&if *tightens { tightened(&word) } else { word });
            }
            Self::ByteFallback => {
                if let Some(byte) = words::byte_of(token) {
                    state.held.push(byte);
                } else {
                    state.give_run(form, out);
                    out.token(token);
                }
                return Ok(());
            }
            Self::Bpe { suffix } => {
                state.give_word(suffix, " ", out);
                let found = memmem::find(token, suffix.as_bytes()).unwrap_or(token.len());
                let (certain, rest) = token.split_at_checked(found).unwrap_or_default();
                out.push(certain);
                state.held.extend_from_slice(rest);
                state.n_tokens += 1;
                return Ok(());
            }
            Self::Regex { pattern, content } => replace_matches(token, pattern, content, out)?,
            Self::Ctc { pad_token, word_delimiter_token, tightens } => {
                if !state.is_repeated(token) {
                    let mut word = replaced(token, pad_token, "");
                    if *tightens {
                        word = replaced(&tightened(&word), word_delimiter_token, " ");
                    }
                    if !word.is_empty() {
                        out.token(&word);
                    }
                }
                return Ok(());
            }
            Self::Spaces => {
                out.push(if state.n_tokens == 0 { b"" } else { b" " });
                out.push(token);
            }
            Self::Fuse | Self::Metaspace { .. } | Self::Strip { .. } | Self::Literal { .. } => {}
        }
        state.end_if(true, out);
        Ok(())
    }

    /// Gives what is left when no token comes any more.
    pub(super) fn finish(&self, state: &mut State, form: Form, out: &mut Pieces) {
        match self {
            Self::Fuse => out.end(),
            Self::Bytes { .. } => {
                state.give_bytes(state.held.len(), form, out);
                out.end();
            }
            Self::ByteFallback => state.give_run(form, out),
            Self::Bpe { suffix } => state.give_word(suffix, "", out),
            _ => {}
        }
        *state = State::default();
    }
}

impl State {
    /// Ends the open token, if that is so.
    fn end_if(&mut self, ends: bool, out: &mut Pieces) {
        if ends {
            self.n_tokens += 1;
            self.held.clear();
            (self.n_stripped, self.is_inside) = (0, false);
            out.end();
        }
    }

    /// Gives the first bytes that are held; in text, U+FFFD stands for each sequence of them that begins a character but does
    /// not go on, as `String::from_utf8_lossy` has it.
    fn give_bytes(&mut self, n_bytes: usize, form: Form, out: &mut Pieces) {
        let bytes = self.held.get(..n_bytes).unwrap_or_default();
        match form {
            Form::Bytes => out.push(bytes),
            Form::Text => out.push(String::from_utf8_lossy(bytes).as_bytes()),
        }
        self.held.drain(..n_bytes);
    }

    /// Gives the bytes of a run of byte tokens: one token if they are UTF-8, otherwise a token of U+FFFD a byte.
    fn give_run(&mut self, form: Form, out: &mut Pieces) {
        if self.held.is_empty() {
            return;
        }
        if form == Form::Bytes || std::str::from_utf8(&self.held).is_ok() {
            out.token(&self.held);
        } else {
            self.held.iter().for_each(|_| out.token(REPLACEMENT));
        }
        self.held.clear();
    }

    /// Gives the rest of the token before, from its first suffix on.
    fn give_word(&mut self, suffix: &str, space: &str, out: &mut Pieces) {
        if self.n_tokens > 0 {
            out.token(&replaced(&self.held, suffix, space));
            self.held.clear();
        }
    }

    /// Gives `piece` without `content` at the ends of the token, of which the last ones are held back.
    fn strip(&mut self, piece: &[u8], content: &[u8], start: usize, stop: usize, out: &mut Pieces) {
        self.held.extend_from_slice(piece);
        let mut rest = self.held.as_slice();
        while !self.is_inside {
            match rest.strip_prefix(content) {
                Some(stripped) if self.n_stripped < start => {
                    rest = stripped;
                    self.n_stripped += 1;
                }
                _ if rest.is_empty() => break,
                _ => self.is_inside = true,
            }
        }
        let mut certain = rest;
        for _ in 0..stop {
            let Some(stripped) = certain.strip_suffix(content) else { break };
            certain = stripped;
        }
        out.push(certain);
        let n_held = rest.len() - certain.len();
        self.held.drain(..self.held.len() - n_held);
    }

    /// Gives `piece` with each occurrence of the pattern replaced; an end that may begin one is held back.
    fn replace(
        &mut self,
        piece: &[u8],
        ends: bool,
        pattern: &str,
        content: &str,
        out: &mut Pieces,
    ) {
        self.held.extend_from_slice(piece);
        let last = memmem::find_iter(&self.held, pattern).last();
        let tail = self.held.get(last.map_or(0, |at| at + pattern.len())..).unwrap_or_default();
        let n_held = if ends { 0 } else { words::overlap(tail, pattern.as_bytes()) };
        let certain = self.held.len() - n_held;
        let text = self.held.get(..certain).unwrap_or_default();
        out.push(&replaced(text, pattern, content));
        self.held.drain(..certain);
    }

    /// Whether the token is the one before once more.
    fn is_repeated(&mut self, token: &[u8]) -> bool {
        let is_repeated = self.n_tokens > 0 && self.held == token;
        self.n_tokens += 1;
        self.held.clear();
        self.held.extend_from_slice(token);
        is_repeated
    }
}

/// Gives `token` with each match replaced; what is not UTF-8 stays.
fn replace_matches(token: &[u8], pattern: &Matcher, content: &str, out: &mut Pieces) -> Result<()> {
    for chunk in token.utf8_chunks() {
        let text = chunk.valid();
        let mut end = 0;
        pattern.for_each_match(text, &Progress::default(), |found| {
            out.push(text.as_bytes().get(end..found.start).unwrap_or_default());
            out.push(content.as_bytes());
            end = found.end;
            Ok(())
        })?;
        out.push(text.as_bytes().get(end..).unwrap_or_default());
        out.push(chunk.invalid());
    }
    Ok(())
}
