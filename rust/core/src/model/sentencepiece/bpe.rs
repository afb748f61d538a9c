//! [`ScoredBpe`]: byte-pair encoding as SentencePiece does it: of all neighbours that together spell a piece, the two whose
//! piece has the best score are joined, of equals the leftmost.
//!
//! Symbols are numbers: pieces by id, then the characters that occur in pieces without being one. Which two symbols spell
//! which piece is one table, ranked by score, so that joining is BPE by ranks (`super::super::bpe::long` has the argument
//! why a heap of (rank, place) without versions is right; that pairs share a rank changes nothing: what stands at a place
//! with a rank was queued with it).
//!
//! A piece that is not in use takes part in joining and is taken apart in the end, the way it was last about to be made
//! anywhere in the text. Without such pieces nothing crosses a place that no piece spans, and texts are cut there.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use super::{POLL_CHARS, char_len};
use crate::definition::{PieceKind, SentencePieceEntry};
use crate::error::{Error, Result};
use crate::model::Random;
use crate::model::bpe::cuts::Cuts;
use crate::model::bpe::pairs::PairTable;
use crate::model::piece_trie::PieceTrie;
use crate::model::viterbi::Step;
use crate::progress::Progress;
use crate::vocab::SeededMap;

/// No symbol, no rank.
const NONE: u32 = u32::MAX;

/// A character that occurs in no piece.
const STRANGER: u32 = NONE - 1;

/// A piece is taken apart so many times at the most, as in SentencePiece.
const MAX_DEPTH: usize = 100;

/// The tables.
#[derive(Debug)]
pub(super) struct ScoredBpe {
    /// The symbol of each character.
    chars: PieceTrie,
    user_defined: PieceTrie,
    pairs: PairTable,
    /// Whether each piece is not in use; empty when all are.
    is_unused: Vec<bool>,
    /// The bytes of each symbol's text.
    lengths: Vec<usize>,
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
    start: Vec<usize>,
    next: Vec<u32>,
    previous: Vec<u32>,
    parts: Parts,
}

impl ScoredBpe {
    pub(super) fn new(pieces: &[SentencePieceEntry], unk_id: u32, user_defined: PieceTrie) -> Self {
        let is_mergeable =
            |kind| matches!(kind, PieceKind::Normal | PieceKind::UserDefined | PieceKind::Unused);
        let used: Vec<(&str, u32)> = pieces
            .iter()
            .zip(0_u32..)
            .filter(|(piece, _)| is_mergeable(piece.kind))
            .map(|(piece, id)| (piece.text.as_str(), id))
            .collect();
        let mergeable = || used.iter().copied();
        let n_pieces = u32::try_from(pieces.len()).unwrap_or(STRANGER);
        let (symbols, frozen) = name_symbols(mergeable(), n_pieces);
        let ranks = rank(pieces);
        let pairs = PairTable::of_distinct(find_pairs(&used, &symbols, &ranks).into_iter());
        let spans = mergeable().map(|(piece, _)| piece.as_bytes());
        let mut is_unused: Vec<bool> =
            pieces.iter().map(|piece| piece.kind == PieceKind::Unused).collect();
        if !is_unused.contains(&true) {
            is_unused = Vec::new();
        }
        let is_char = |(piece, _): &(&str, u32)| piece.len() == char_len(piece);
        let chars = symbols.iter().copied().filter(is_char);
        let mut lengths = vec![0; frozen as usize];
        for &(text, symbol) in &symbols {
            lengths[symbol as usize] = text.len();
        }
        Self {
            lengths,
            cuts: Cuts::new(spans),
            chars: PieceTrie::new(chars),
            user_defined,
            pairs,
            is_unused,
            n_pieces,
            frozen,
            unk_id,
        }
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
            parts: Parts::default(),
        };
        let mut heap = BinaryHeap::new();
        let mut from = 0;
        while from < text.len() {
            progress.check()?;
            let to = self.next_cut(text, from, true);
            self.split(text.get(from..to).unwrap_or_default(), from, progress, &mut symbols)?;
            self.join(&mut symbols, &mut heap, &mut dropout, progress)?;
            self.give_out(&symbols, to, each);
            from = to;
        }
        Ok(())
    }

    /// Splits `text`, which begins at `base`, into characters and user-defined pieces.
    fn split(
        &self,
        text: &str,
        base: usize,
        progress: &Progress,
        symbols: &mut Symbols,
    ) -> Result<()> {
        symbols.symbol.clear();
        symbols.start.clear();
        let mut start = 0;
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
            symbols.start.push(base + start);
            start += length;
        }
        let n = u32::try_from(symbols.symbol.len())
            .map_err(|_| Error::Config("the text has 2³² characters or more".to_owned()))?;
        symbols.next.clear();
        symbols.next.extend(1..=n);
        symbols.previous.clear();
        symbols.previous.extend((0..n).map(|i| i.checked_sub(1).unwrap_or(NONE)));
        Ok(())
    }

    fn join(
        &self,
        symbols: &mut Symbols,
        heap: &mut BinaryHeap<Reverse<(u32, u32)>>,
        dropout: &mut Dropout<'_>,
        progress: &Progress,
    ) -> Result<()> {
        heap.clear();
        for place in 0..symbols.next.len() {
            heap.extend(self.candidate(symbols, place));
        }
        let mut n_popped = 0_u32;
        while let Some(Reverse((rank, place))) = heap.pop() {
            n_popped = n_popped.wrapping_add(1);
            if n_popped.is_multiple_of(POLL_CHARS) {
                progress.check()?;
            }
            let left = place as usize;
            let right = symbols.next[left] as usize;
            let Some(&right_symbol) = symbols.symbol.get(right) else { continue };
            let (current, product) = self.pairs.get(symbols.symbol[left], right_symbol);
            if symbols.symbol[left] == NONE || current != rank {
                continue;
            }
            if let Some((probability, random)) = dropout
                && random.next_f64() < *probability
            {
                continue;
            }
            symbols.symbol[left] = product;
            symbols.symbol[right] = NONE;
            let after = symbols.next[right];
            symbols.next[left] = after;
            if let Some(previous) = symbols.previous.get_mut(after as usize) {
                *previous = place;
            }
            if symbols.previous[left] != NONE {
                heap.extend(self.candidate(symbols, symbols.previous[left] as usize));
            }
            heap.extend(self.candidate(symbols, left));
        }
        Ok(())
    }

    /// The join of the symbol at `place` with the next one, if it has one.
    fn candidate(&self, symbols: &mut Symbols, place: usize) -> Option<Reverse<(u32, u32)>> {
        let right = *symbols.symbol.get(symbols.next[place] as usize)?;
        let left = symbols.symbol[place];
        let (rank, product) = self.pairs.get(left, right);
        if rank == NONE {
            return None;
        }
        if self.is_unused.get(product as usize) == Some(&true) {
            symbols.parts.insert(product, (left, right));
        }
        Some(Reverse((rank, u32::try_from(place).ok()?)))
    }

    /// Gives out the symbols that are left, up to `end`, those not in use taken apart.
    fn give_out(&self, symbols: &Symbols, end: usize, each: &mut impl FnMut(Step)) {
        let mut place = 0;
        let mut stack = Vec::new();
        while let (Some(&symbol), Some(&next)) =
            (symbols.symbol.get(place), symbols.next.get(place))
        {
            let mut start = symbols.start[place];
            let stop = symbols.start.get(next as usize).copied().unwrap_or(end);
            stack.push((symbol, 0));
            while let Some((symbol, depth)) = stack.pop() {
                let is_unused = self.is_unused.get(symbol as usize) == Some(&true);
                if is_unused
                    && depth <= MAX_DEPTH
                    && let Some(&(left, right)) = symbols.parts.get(&symbol)
                {
                    stack.push((right, depth + 1));
                    stack.push((left, depth + 1));
                    continue;
                }
                let whole = stop - start;
                let length = if stack.is_empty() { whole } else { self.lengths[symbol as usize] };
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

/// Numbers for all that can be joined: pieces by id, then the characters in them that are none, from `n_pieces` on; and the
/// first number that is free.
fn name_symbols<'a>(
    pieces: impl Iterator<Item = (&'a str, u32)> + Clone,
    n_pieces: u32,
) -> (Vec<(&'a str, u32)>, u32) {
    let mut symbols: Vec<_> = pieces.clone().collect();
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
    let mut n_symbols = n_pieces;
    for (piece, _) in pieces {
        for (start, c) in piece.char_indices() {
            if is_new(c) {
                let text = piece.get(start..start + c.len_utf8()).unwrap_or_default();
                symbols.push((text, n_symbols));
                n_symbols += 1;
            }
        }
    }
    (symbols, n_symbols)
}

/// The rank of each piece: 0 for the best score, equal ones for equal scores.
fn rank(pieces: &[SentencePieceEntry]) -> Vec<u32> {
    let mut scores: Vec<f32> = pieces.iter().map(|piece| piece.score).collect();
    scores.sort_unstable_by(|a, b| b.total_cmp(a));
    scores.dedup_by(|a, b| a.to_bits() == b.to_bits());
    let rank_of = |score: f32| scores.partition_point(|other| other.total_cmp(&score).is_gt());
    pieces.iter().map(|piece| u32::try_from(rank_of(piece.score)).unwrap_or(NONE)).collect()
}

/// Every two symbols that together spell a piece, with its rank and id. Pieces, with which the symbols begin, differ, so no two
/// spell more than one.
fn find_pairs(
    pieces: &[(&str, u32)],
    symbols: &[(&str, u32)],
    ranks: &[u32],
) -> Vec<((u32, u32), (u32, u32))> {
    let prefixes = Prefixes::new(symbols.iter().map(|(text, _)| text.bytes()));
    let suffixes = Prefixes::new(symbols.iter().map(|(text, _)| text.bytes().rev()));
    let mut pairs = Vec::new();
    let symbol = |at: u32| symbols[at as usize];
    for (at, &(piece, id)) in pieces.iter().enumerate() {
        // Short ends meet long beginnings.
        let mut starts = prefixes.of(at).iter().rev().map(|&at| symbol(at)).peekable();
        for (end, right) in suffixes.of(at).iter().map(|&at| symbol(at)) {
            let n_bytes = piece.len() - end.len();
            while starts.next_if(|(start, _)| start.len() > n_bytes).is_some() {}
            if let Some((_, left)) = starts.next_if(|(start, _)| start.len() == n_bytes) {
                pairs.push(((left, right), (ranks[id as usize], id)));
            }
        }
    }
    pairs
}

/// For each of different texts, those of them that it begins with and that are shorter, by their numbers, short ones first.
///
/// In the order of the alphabet a text comes after what it begins with, and between the two stands only what begins with that,
/// too: what the texts so far have left open is a stack.
struct Prefixes {
    numbers: Vec<u32>,
    ranges: Vec<Range<usize>>,
}

impl Prefixes {
    fn new<T: Iterator<Item = u8>>(texts: impl Iterator<Item = T>) -> Self {
        let mut arena = Vec::new();
        let mut places = Vec::new();
        for text in texts {
            let start = arena.len();
            arena.extend(text);
            places.push(start..arena.len());
        }
        let text = |at: u32| &arena[places[at as usize].clone()];
        let mut order: Vec<u32> = (0..).take(places.len()).collect();
        order.sort_unstable_by(|&a, &b| text(a).cmp(text(b)));
        let mut prefixes = Self { numbers: Vec::new(), ranges: vec![0..0; places.len()] };
        let mut open: Vec<u32> = Vec::new();
        for at in order {
            while open.pop_if(|before| !text(at).starts_with(text(*before))).is_some() {}
            let start = prefixes.numbers.len();
            prefixes.numbers.extend_from_slice(&open);
            prefixes.ranges[at as usize] = start..prefixes.numbers.len();
            open.push(at);
        }
        prefixes
    }

    fn of(&self, at: usize) -> &[u32] {
        &self.numbers[self.ranges[at].clone()]
    }
}
