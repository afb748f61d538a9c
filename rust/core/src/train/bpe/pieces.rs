//! Merges as SentencePiece 0.2.3 learns them: over characters, ordered by text.
//!
//! Of pairs that occur equally often the one with fewer characters comes first, and of these the first by its bytes. Its trainer
//! drops a pair whose text another merge has made already; by the argument that each token has one merge there is none. It also
//! goes on with pairs that no longer occur when all others are used up; here the pieces end there, and the caller sees it.

use super::alphabet::{Characters, Uncovered, lay_out_in};
use super::bounds::{Bounds, TextRule};
use super::engine::{Engine, Rules};
use super::learn::run;
use super::tokens::{Order, Tokens};
use crate::error::Result;
use crate::progress::{Phase, Progress};
use crate::train::WordCounts;

/// What a caller may choose.
#[derive(Clone, Copy)]
pub struct PiecesOptions<'a> {
    /// How many pieces to make.
    pub n_pieces: usize,
    /// The characters that pieces are made of; another parts its word.
    pub characters: &'a [char],
    /// Whether a text may be a piece.
    pub is_valid: TextRule<'a>,
}

/// Learns pieces of two characters and more: text of each, and how often its pair occurred, in the order in which they were
/// made.
///
/// # Errors
/// [`crate::Error::Config`] when a word is not UTF-8 or counts overflow; [`crate::Error::Interrupted`].
pub fn learn_pieces(
    counts: &WordCounts,
    options: PiecesOptions<'_>,
    progress: &Progress,
) -> Result<Vec<(String, u64)>> {
    progress.begin(Phase::Merge, 0);
    let bounds = Bounds { is_valid: Some(options.is_valid), ..Bounds::default() };
    let mut tokens = Tokens::new(bounds, Order::Texts);
    let mut alphabet = options.characters.to_vec();
    alphabet.sort_unstable();
    alphabet.dedup();
    let plain = Characters { uncovered: Uncovered::Parts, ..Characters::default() };
    let cells = lay_out_in(&alphabet, counts, &plain, &mut tokens, progress)?;
    let n_first = tokens.n_tokens();
    let mut engine = Engine::new(tokens, cells, 1, progress)?;
    progress.begin(Phase::Merge, options.n_pieces as u64);
    let merges = run(&mut engine, n_first.saturating_add(options.n_pieces), progress)?;
    let text = |id| String::from_utf8_lossy(engine.rules.texts.get(id)).into_owned();
    Ok(merges.iter().map(|merge| (text(merge.product), merge.count)).collect())
}
