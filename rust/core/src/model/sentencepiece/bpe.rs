//! [`ScoredBpe`]: byte-pair encoding as SentencePiece does it: of all neighbours that together spell a piece, the two whose
//! piece has the best score are joined, of equals the leftmost.
//!
//! Symbols are numbers: pieces by id, then the characters that occur in pieces without being one. Pieces are ranked by score,
//! so that joining is BPE by ranks (`super::super::bpe::long` has the argument why a heap of (rank, place) without versions
//! is right; that pairs share a rank changes nothing: what stands at a place with a rank was queued with it).
//!
//! A piece that is not in use takes part in joining and is taken apart in the end, the way it was last about to be made
//! anywhere in the text. Without such pieces nothing crosses a place that no piece spans, and texts are cut there.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::spellings::Spellings;
use super::{POLL_CHARS, char_len};
use crate::definition::{PieceKind, SentencePieceEntry};
use crate::error::{Error, Result};
use crate::model::Random;
use crate::model::bpe::cuts::Cuts;
use crate::model::piece_trie::PieceTrie;
use crate::model::viterbi::Step;
use crate::progress::Progress;
use crate::vocab::{SeededMap, index};

/// No symbol, no rank.
const NONE: u32 = u32::MAX;

/// A character that occurs in no piece.
const STRANGER: u32 = NONE - 1;

/// SentencePiece takes a piece that is not in use apart 101 times at the most: one of so many characters wholly.
const MAX_UNUSED_CHARS: usize = 102;

/// The tables.
#[derive(Debug)]
pub(super) struct ScoredBpe {
    /// The symbol of each character.
    chars: PieceTrie,
    user_defined: PieceTrie,
    spellings: Spellings,
    /// Of each piece: 0 for the best score, equal ones for equal scores.
    ranks: Vec<u32>,
    /// Whether each piece is not in use; empty when all are.
    is_unused: Vec<bool>,
    cuts: Cuts,
    n_pieces: u32,
    /// A user-defined piece found in the text is this and its id, and so has no pair.
    frozen: u32,
    unk_id: u32,
}

/// How a piece was about to be made: left and right symbol of each unused one.
type Parts = SeededMap<u32, (u32, u32)>;

/// Whether to leave out a merge: with what probability, and the numbers that decide.
type Dropout<'r> = Option<(f64, &'r mut Random)>;

/// The symbols of a text, in a list over their places; a symbol joined into the one before it is [`NONE`].
struct Symbols {
    symbol: Vec<u32>,
    /// Where each starts in the text, and where the last one ends.
    start: Vec<usize>,
    next: Vec<u32>,
    previous: Vec<u32>,
    /// The piece that a symbol and the next one spell, or [`NONE`].
    product: Vec<u32>,
    parts: Parts,
}

impl ScoredBpe {
    /// # Errors
    /// [`Error::Unsupported`] for a piece that SentencePiece would take apart in part, [`Error::Vocab`] when the pieces together
    /// exceed 4 GiB.
    pub(super) fn new(
        pieces: &[SentencePieceEntry],
        unk_id: u32,
        user_defined: PieceTrie,
    ) -> Result<Self> {
        let is_too_long = |piece: &SentencePieceEntry| {
            piece.kind == PieceKind::Unused && piece.text.chars().nth(MAX_UNUSED_CHARS).is_some()
        };
        if let Some(id) = pieces.iter().position(is_too_long) {
            let problem = format!("a piece not in use may have {MAX_UNUSED_CHARS} characters");
            return Err(Error::unsupported("sentencepiece", format!("pieces[{id}]"), problem));
        }
        let is_mergeable =
            |kind| matches!(kind, PieceKind::Normal | PieceKind::UserDefined | PieceKind::Unused);
        let mergeable = pieces.iter().zip(0_u32..).filter(|(piece, _)| is_mergeable(piece.kind));
        let mergeable = mergeable.map(|(piece, id)| (piece.text.as_str(), id));
        let n_pieces = u32::try_from(pieces.len()).unwrap_or(STRANGER);
        let others = other_chars(mergeable.clone(), n_pieces);
        let symbols = mergeable.chain(others.iter().copied());
        let is_char = |(piece, _): &(&str, u32)| piece.len() == char_len(piece);
        let mut is_unused: Vec<bool> =
            pieces.iter().map(|piece| piece.kind == PieceKind::Unused).collect();
        if !is_unused.contains(&true) {
            is_unused = Vec::new();
        }
        Ok(Self {
            cuts: Cuts::new(symbols.clone().map(|(text, _)| text.as_bytes())),
            chars: PieceTrie::new(symbols.clone().filter(is_char)),
            user_defined,
            spellings: Spellings::new(symbols, n_pieces)?,
            ranks: rank(pieces),
            is_unused,
            n_pieces,
            frozen: n_pieces + index(others.len()),
            unk_id,
        })
    }

    /// The first place after `from` that nothing crosses. Unknown characters stay together when they become one token.
    pub(super) fn next_cut(&self, text: &str, from: usize, has_byte_fallback: bool) -> usize {
        if !self.is_unused.is_empty() {
            return text.len();
        }
        let mut place = from;
        loop {
            place = self.cuts.next(text.as_bytes(), place);
            let is_known =
                |c: &str| self.chars.get(c.as_bytes()).is_some_and(|s| s < self.n_pieces);
            let (before, after) = text.split_at_checked(place).unwrap_or((text, ""));
            let last = before.char_indices().next_back().map_or(0, |(start, _)| start);
            let first = after.get(..char_len(after)).unwrap_or_default();
            if after.is_empty()
                || has_byte_fallback
                || is_known(first)
                || is_known(before.get(last..).unwrap_or_default())
            {
                return place;
            }
        }
    }

    /// Calls `each` with the pieces of `text`.
    pub(super) fn segment(
        &self,
        text: &str,
        mut dropout: Dropout<'_>,
        progress: &Progress,
        each: &mut impl FnMut(Step),
    ) -> Result<()> {
        let mut symbols = Symbols {
            symbol: Vec::new(),
            start: Vec::new(),
            next: Vec::new(),
            previous: Vec::new(),
            product: Vec::new(),
            parts: Parts::default(),
        };
        let mut heap = BinaryHeap::new();
        let mut from = 0;
        while from < text.len() {
            progress.check()?;
            let to = self.next_cut(text, from, true);
            let known = text.get(..to).unwrap_or_default();
            self.split(known, from, progress, &mut symbols)?;
            self.join(known.as_bytes(), &mut symbols, &mut heap, &mut dropout, progress)?;
            self.give_out(&symbols, each);
            from = to;
        }
        Ok(())
    }

    /// Splits `text` after `start` into characters and user-defined pieces.
    fn split(
        &self,
        text: &str,
        mut start: usize,
        progress: &Progress,
        symbols: &mut Symbols,
    ) -> Result<()> {
        symbols.symbol.clear();
        symbols.start.clear();
        while let Some(rest) = text.get(start..).filter(|rest| !rest.is_empty()) {
            if symbols.symbol.len().is_multiple_of(POLL_CHARS as usize) {
                progress.check()?;
            }
            let whole = self.user_defined.longest(rest.as_bytes());
            let (length, symbol) = whole.map_or_else(
                || {
                    let length = char_len(rest);
                    let c = rest.get(..length).unwrap_or_default();
                    (length, self.chars.get(c.as_bytes()).unwrap_or(STRANGER))
                },
                |(length, id)| (length, self.frozen + id),
            );
            symbols.symbol.push(symbol);
            symbols.start.push(start);
            start += length;
        }
        symbols.start.push(start);
        let n = u32::try_from(symbols.symbol.len())
            .map_err(|_| Error::Config("the text has 2³² characters or more".to_owned()))?;
        symbols.next.clear();
        symbols.next.extend(1..=n);
        symbols.previous.clear();
        symbols.previous.extend((0..n).map(|i| i.checked_sub(1).unwrap_or(NONE)));
        symbols.product.clear();
        symbols.product.resize(n as usize, NONE);
        Ok(())
    }

    fn join(
        &self,
        text: &[u8],
        symbols: &mut Symbols,
        heap: &mut BinaryHeap<Reverse<(u32, u32)>>,
        dropout: &mut Dropout<'_>,
        progress: &Progress,
    ) -> Result<()> {
        heap.clear();
        for place in 0..symbols.next.len() {
            heap.extend(self.candidate(text, symbols, place));
        }
        let mut n_popped = 0_u32;
        while let Some(Reverse((rank, place))) = heap.pop() {
            n_popped = n_popped.wrapping_add(1);
            if n_popped.is_multiple_of(POLL_CHARS) {
                progress.check()?;
            }
            let left = place as usize;
            let product = symbols.product[left];
            if self.ranks.get(product as usize) != Some(&rank) {
                continue;
            }
            if let Some((probability, random)) = dropout
                && random.next_f64() < *probability
            {
                continue;
            }
            let right = symbols.next[left] as usize;
            symbols.symbol[left] = product;
            symbols.symbol[right] = NONE;
            symbols.product[right] = NONE;
            let after = symbols.next[right];
            symbols.next[left] = after;
            if let Some(previous) = symbols.previous.get_mut(after as usize) {
                *previous = place;
            }
            if symbols.previous[left] != NONE {
                heap.extend(self.candidate(text, symbols, symbols.previous[left] as usize));
            }
            heap.extend(self.candidate(text, symbols, left));
        }
        Ok(())
    }

    /// The join of the symbol at `place` with the next one, if it has one.
    fn candidate(
        &self,
        text: &[u8],
        symbols: &mut Symbols,
        place: usize,
    ) -> Option<Reverse<(u32, u32)>> {
        symbols.product[place] = NONE;
        let next = symbols.next[place] as usize;
        let (left, right) = (symbols.symbol[place], *symbols.symbol.get(next)?);
        let (middle, end) = (symbols.start[next], symbols.start[symbols.next[next] as usize]);
        let both = text.get(symbols.start[place]..end)?;
        let product = self.spellings.get(left, right, both, end - middle)?;
        symbols.product[place] = product;
        if self.is_unused.get(product as usize) == Some(&true) {
            symbols.parts.insert(product, (left, right));
        }
        Some(Reverse((self.ranks[product as usize], u32::try_from(place).ok()?)))
    }

    /// Gives out the symbols that are left, those not in use taken apart.
    fn give_out(&self, symbols: &Symbols, each: &mut impl FnMut(Step)) {
        let mut place = 0;
        let mut stack = Vec::new();
        while let (Some(&symbol), Some(&next)) =
            (symbols.symbol.get(place), symbols.next.get(place))
        {
            let mut start = symbols.start[place];
            let stop = symbols.start[next as usize];
            stack.push(symbol);
            while let Some(symbol) = stack.pop() {
                let is_unused = self.is_unused.get(symbol as usize) == Some(&true);
                if is_unused && let Some(&(left, right)) = symbols.parts.get(&symbol) {
                    stack.push(right);
                    stack.push(left);
                    continue;
                }
                let whole = stop - start;
                let length = if stack.is_empty() { whole } else { self.spellings.length(symbol) };
                each(Step { id: self.id(symbol), start, end: start + length });
                start += length;
            }
            place = next as usize;
        }
    }
}

impl ScoredBpe {
    /// The id that a symbol becomes.
    fn id(&self, symbol: u32) -> u32 {
        match symbol {
            STRANGER => self.unk_id,
            _ if symbol >= self.frozen => symbol - self.frozen,
            _ if symbol >= self.n_pieces => self.unk_id,
            _ => symbol,
        }
    }
}

/// The characters in pieces that are none themselves, with numbers from `n_pieces` on.
fn other_chars<'a>(
    pieces: impl Iterator<Item = (&'a str, u32)> + Clone,
    n_pieces: u32,
) -> Vec<(&'a str, u32)> {
    // A bit for each character.
    let mut seen = vec![0_u64; char::MAX as usize / 64 + 1];
    let mut is_new = |c: char| {
        let (word, bit) = (&mut seen[c as usize / 64], 1 << (c as usize % 64));
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    };
    for (piece, _) in pieces.clone() {
        if let Some(c) = piece.chars().next().filter(|c| c.len_utf8() == piece.len()) {
            is_new(c);
        }
    }
    let mut others = Vec::new();
    for (piece, _) in pieces {
        for (start, c) in piece.char_indices() {
            if is_new(c) {
                let text = piece.get(start..start + c.len_utf8()).unwrap_or_default();
                others.push((text, n_pieces + index(others.len())));
            }
        }
    }
    others
}

/// The rank of each piece: 0 for the best score, equal ones for equal scores.
fn rank(pieces: &[SentencePieceEntry]) -> Vec<u32> {
    let mut scores: Vec<f32> = pieces.iter().map(|piece| piece.score).collect();
    scores.sort_unstable_by(|a, b| b.total_cmp(a));
    scores.dedup_by(|a, b| a.to_bits() == b.to_bits());
    let rank_of = |score: f32| scores.partition_point(|other| other.total_cmp(&score).is_gt());
    pieces.iter().map(|piece| u32::try_from(rank_of(piece.score)).unwrap_or(NONE)).collect()
}
