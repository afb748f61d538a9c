//! [`Edges`]: the lattice of every part of a word, all of them in one flat array.
//!
//! An edge is a piece that lies on a part: its id and its length, in 32 bits. The edges that begin at a place stand
//! together, short ones first, and the first is always a single character's, so that it also marks where the next place
//! begins:
//!
//! ```text
//! "low":   l  lo  low   o  ow   w
//! ```
//!
//! The pieces are looked for once, at the start; afterwards edges of pieces that go are taken out. Single characters stay
//! even when they are no pieces any more: then their edges stand for the unknown character.

use super::corpus::{Corpus, Part};
use crate::error::{Error, Result};
use crate::model::piece_trie::PieceTrie;
use crate::parallel;
use crate::progress::Progress;

/// Parts of the work that are summed up one after the other: a fixed number, so that sums do not depend on the threads.
const N_STRIPES: usize = 16;

/// More pieces than an edge can tell apart.
pub(super) const MAX_PIECES: usize = 1 << LENGTH_SHIFT;
const LENGTH_SHIFT: u32 = 24;

/// Parts between two looks at whether to stop.
const POLL_EDGES: usize = 1 << 16;

/// A piece on a lattice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edge(u32);

impl Edge {
    #[expect(clippy::cast_possible_truncation, reason = "a piece has at most 255 characters")]
    pub(super) fn new(piece: u32, n_chars: usize) -> Self {
        Self(piece | (n_chars as u32) << LENGTH_SHIFT)
    }

    #[inline]
    pub(super) fn piece(self) -> usize {
        (self.0 & ((1 << LENGTH_SHIFT) - 1)) as usize
    }

    /// Its length in characters.
    #[inline]
    pub(super) fn length(self) -> usize {
        (self.0 >> LENGTH_SHIFT) as usize
    }
}

/// The edges of a part: where they end in the flat array, and how often the part occurs.
#[derive(Debug, Clone, Copy)]
struct Lattice {
    end: u32,
    count: u64,
}

#[derive(Debug)]
pub(super) struct Edges {
    flat: Vec<Edge>,
    lattices: Vec<Lattice>,
    /// For each piece the first place it lies at: the index of that place's first edge.
    places: Vec<u32>,
}

/// No place.
const NOWHERE: u32 = u32::MAX;

impl Edges {
    /// Lays every piece on every part. The first pieces are the single characters, by symbol.
    ///
    /// # Errors
    /// [`Error::Config`] when there are 2^32 edges or more; [`Error::Interrupted`].
    pub(super) fn new(corpus: &Corpus, pieces: &[Box<str>], progress: &Progress) -> Result<Self> {
        let trie =
            PieceTrie::build(pieces.iter().map(|piece| piece.as_bytes()).zip(0..), progress)?;
        let mut edges = Self {
            flat: Vec::new(),
            lattices: Vec::with_capacity(corpus.parts.len()),
            places: vec![NOWHERE; pieces.len()],
        };
        let mut text = String::new();
        let mut start = 0;
        let mut n_polled = 0;
        for &Part { end, count, .. } in &corpus.parts {
            text.clear();
            corpus.spell(&corpus.text[start..end as usize], &mut text);
            start = end as usize + 1;
            for place in text.char_indices().map(|(place, _)| place) {
                let bytes = &text.as_bytes()[place..];
                let first = edges.len()?;
                let mut n_chars = 0;
                let mut n_bytes = 0;
                trie.for_each_prefix(bytes, |length, piece| {
                    let starts = bytes[n_bytes..length].iter().filter(|&&byte| byte & 0xC0 != 0x80);
                    n_chars += starts.count();
                    n_bytes = length;
                    edges.flat.push(Edge::new(piece, n_chars));
                    let known = &mut edges.places[piece as usize];
                    *known = first.min(*known);
                });
            }
            let end = edges.len()?;
            edges.lattices.push(Lattice { end, count });
            if edges.flat.len() - n_polled > POLL_EDGES {
                n_polled = edges.flat.len();
                progress.check()?;
            }
        }
        edges.flat.shrink_to_fit();
        Ok(edges)
    }

    fn len(&self) -> Result<u32> {
        u32::try_from(self.flat.len()).ok().filter(|&n_edges| n_edges < NOWHERE).ok_or_else(|| {
            Error::Config("the different words have too many segmentations".to_owned())
        })
    }

    /// How many there are: the steps of [`Edges::sum`].
    pub(super) fn n_edges(&self) -> u64 {
        self.flat.len() as u64
    }

    /// The edges from a place where `piece` lies on; `None` if it does not occur.
    pub(super) fn occurrence(&self, piece: usize) -> Option<&[Edge]> {
        self.flat.get(self.places[piece] as usize..)
    }

    /// Gives pieces new ids, in the same order, and takes out the edges of those that have none.
    #[expect(clippy::cast_possible_truncation, reason = "there are fewer than 2^32 edges")]
    pub(super) fn renumber(&mut self, new_ids: &[Option<u32>], n_new: usize) {
        self.places.clear();
        self.places.resize(n_new, NOWHERE);
        self.places.shrink_to_fit();
        let (mut from, mut to, mut first) = (0, 0, 0_u32);
        for lattice in &mut self.lattices {
            let end = lattice.end as usize;
            while from < end {
                let edge = self.flat[from];
                from += 1;
                if let Some(id) = new_ids[edge.piece()] {
                    if edge.length() == 1 {
                        first = to as u32;
                    }
                    self.flat[to] = Edge::new(id, edge.length());
                    to += 1;
                    let known = &mut self.places[id as usize];
                    *known = first.min(*known);
                }
            }
            lattice.end = to as u32;
        }
        self.flat.truncate(to);
    }

    /// Sums of `n_sums` numbers over all lattices. `add` is given the edges and the count of a lattice, and sums to add to;
    /// the result is the same for any number of threads.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    pub(super) fn sum<S: Default + Send>(
        &self,
        n_sums: usize,
        n_threads: usize,
        progress: &Progress,
        add: impl Fn(&[Edge], u64, &mut S, &mut [f64]) + Sync,
    ) -> Result<Vec<f64>> {
        let stripes = self.stripes();
        let n_threads = n_threads.clamp(1, stripes.len());
        let mut totals = vec![0.0; n_sums];
        let mut states: Vec<(S, Vec<f64>)> = Vec::new();
        states.resize_with(n_threads, || (S::default(), vec![0.0; n_sums]));
        for round in stripes.chunks(n_threads) {
            // A state a stripe: which thread takes which does not matter.
            let tasks: Vec<_> = states.iter_mut().zip(round).map(std::sync::Mutex::new).collect();
            parallel::map(&mut vec![(); round.len()], tasks.len(), |(), i| {
                let mut task = tasks[i]
                    .lock()
                    .map_err(|_| Error::Internal("a worker thread panicked".to_owned()))?;
                let ((state, sums), stripe) = &mut *task;
                self.sum_stripe(stripe.clone(), progress, |edges, count| {
                    add(edges, count, state, sums);
                })
            })?;
            drop(tasks);
            for (_, sums) in states.iter_mut().take(round.len()) {
                for (total, sum) in totals.iter_mut().zip(sums) {
                    *total += std::mem::take(sum);
                }
            }
        }
        Ok(totals)
    }

    fn sum_stripe(
        &self,
        stripe: std::ops::Range<usize>,
        progress: &Progress,
        mut each: impl FnMut(&[Edge], u64),
    ) -> Result<()> {
        let mut start = stripe.start.checked_sub(1).map_or(0, |i| self.lattices[i].end as usize);
        let first = start;
        let mut n_polled = start;
        for &Lattice { end, count } in &self.lattices[stripe] {
            let end = end as usize;
            each(&self.flat[start..end], count);
            start = end;
            if start - n_polled > POLL_EDGES {
                n_polled = start;
                progress.check()?;
            }
        }
        progress.advance((start - first) as u64)
    }

    /// Ranges of lattices with about as many edges each.
    fn stripes(&self) -> Vec<std::ops::Range<usize>> {
        let border = |i: usize| {
            let edge = self.flat.len() / N_STRIPES * i;
            self.lattices.partition_point(|lattice| (lattice.end as usize) <= edge)
        };
        let borders: Vec<usize> = (0..N_STRIPES).map(border).chain([self.lattices.len()]).collect();
        borders.windows(2).map(|pair| pair[0]..pair[1].max(pair[0])).collect()
    }
}
