//! SentencePiece's own decoder (`SentencePieceProcessor::Decode` of its version 0.2).
//!
//! Metaspaces become spaces, control pieces nothing, the unknown piece its surface, and runs of byte pieces the characters that
//! they spell, a byte that belongs to none U+FFFD. One space at the start of the text goes if training put one there, whatever
//! side it stands on; and all of them if extra spaces were removed.

use super::chain::Form;
use super::pieces::Pieces;
use super::words::{self, REPLACEMENT, replaced};
use crate::definition::PieceKind;

const METASPACE: &str = "\u{2581}";

/// SentencePiece's decoder, ready to run.
#[derive(Debug)]
pub(crate) struct SentencePieceDecoding {
    pub(crate) unk_surface: String,
    /// Whether a metaspace at the start of the text goes.
    pub(crate) strips_first: bool,
    /// Whether pieces go on losing it until one leaves some text.
    pub(crate) strips_all: bool,
}

/// How far it has come.
#[derive(Debug, Default)]
pub(crate) struct SentencePieceState {
    /// Whether there is some text.
    has_text: bool,
    /// Whether the space at the start is behind.
    has_stripped: bool,
    /// Bytes of byte pieces that may yet become a character.
    held: Vec<u8>,
}

impl SentencePieceDecoding {
    /// Takes a piece.
    pub(crate) fn feed(
        &self,
        state: &mut SentencePieceState,
        (kind, piece): (PieceKind, &[u8]),
        form: Form,
        out: &mut Pieces,
    ) {
        if kind == PieceKind::Byte
            && let Some(byte) = words::byte_of(piece)
        {
            state.held.push(byte);
            let certain = words::settled(&state.held);
            state.give(certain, form, out);
            return;
        }
        state.give(state.held.len(), form, out);
        let surface = match kind {
            PieceKind::Control => Vec::new(),
            PieceKind::Unknown => self.unk_surface.clone().into_bytes(),
            _ => {
                let is_start = !state.has_text && !state.has_stripped && self.strips_first;
                let stripped = piece.strip_prefix(METASPACE.as_bytes()).filter(|_| is_start);
                state.has_stripped |= stripped.is_some() && !self.strips_all;
                replaced(stripped.unwrap_or(piece), METASPACE, " ")
            }
        };
        state.has_text |= !surface.is_empty();
        out.push(&surface);
    }
}

impl SentencePieceState {
    /// Gives what is left when no piece comes any more.
    pub(crate) fn finish(&mut self, form: Form, out: &mut Pieces) {
        self.give(self.held.len(), form, out);
        *self = Self::default();
    }

    /// Gives the first bytes that are held.
    fn give(&mut self, n_bytes: usize, form: Form, out: &mut Pieces) {
        self.has_text |= n_bytes > 0;
        let bytes = self.held.get(..n_bytes).unwrap_or_default();
        if form == Form::Bytes {
            out.push(bytes);
        } else {
            for chunk in bytes.utf8_chunks() {
                out.push(chunk.valid().as_bytes());
                chunk.invalid().iter().for_each(|_| out.push(REPLACEMENT));
            }
        }
        self.held.drain(..n_bytes);
    }
}
