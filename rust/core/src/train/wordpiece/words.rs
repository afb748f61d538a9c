//! [`Words`]: every word of two characters or more as its current tokens, in one flat array.
//!
//! A word of n characters has n cells and a border after it. The first cell of a token holds its id; if it has more than one
//! cell its last holds [`MARK`] and its length, so that both neighbours of a token are one step away:
//!
//! ```text
//! cells of "hello", tokens "hel" "##lo":   hel  ·  MARK|3  ##lo  MARK|2  BORDER
//! ```
//!
//! Invariant: a cell inside a token never holds an id. A place found earlier is stale exactly when its cell no longer holds
//! the id it was found with.

use std::ops::Range;

use crate::error::{Error, Result};

/// Set in every cell that is not the first of a token.
const MARK: u32 = 1 << 31;
const BORDER: u32 = u32::MAX;
/// Every how many cells the run is noted, to find the count of a place.
const NOTE: usize = 16;

#[derive(Debug, Clone)]
pub(super) struct Words {
    cells: Vec<u32>,
    /// First cell and count of each run of words that occur equally often: few, if words come ordered by count.
    runs: Vec<(u32, u64)>,
    /// The run that cell `NOTE * i` belongs to.
    notes: Vec<u32>,
}

impl Words {
    pub(super) fn new() -> Self {
        Self { cells: vec![BORDER], runs: Vec::new(), notes: vec![0] }
    }

    /// Adds a word, by the ids of its characters.
    ///
    /// # Errors
    /// [`Error::Config`] when the words together exceed 2^31 characters.
    pub(super) fn push(&mut self, tokens: &[u32], count: u64) -> Result<()> {
        let start = self.cells.len();
        if start + tokens.len() + 1 >= MARK as usize {
            let problem = "the different words together must stay below 2**31 characters";
            return Err(Error::Config(problem.to_owned()));
        }
        if self.runs.last().is_none_or(|&(_, last)| last != count) {
            self.runs.push((narrow(start), count));
        }
        self.cells.extend_from_slice(tokens);
        self.cells.push(BORDER);
        self.notes.resize(self.cells.len().div_ceil(NOTE), narrow(self.runs.len() - 1));
        Ok(())
    }

    /// One more than the last place.
    pub(super) fn n_cells(&self) -> u32 {
        narrow(self.cells.len())
    }

    /// Places and count of each run of words.
    pub(super) fn runs(&self) -> impl Iterator<Item = (Range<u32>, u64)> {
        let ends = self.runs.iter().skip(1).map(|&(start, _)| start).chain([self.n_cells()]);
        self.runs.iter().zip(ends).map(|(&(start, count), end)| (start..end, count))
    }

    /// Whether `place` is between words.
    pub(super) fn is_border(&self, place: u32) -> bool {
        self.cells[place as usize] == BORDER
    }

    /// The token that starts at `place`, or a value that is no id.
    pub(super) fn token(&self, place: u32) -> u32 {
        self.cells[place as usize]
    }

    /// The place after the token of `len` characters at `place`, in the same word.
    pub(super) fn next(&self, place: u32, len: u32) -> Option<u32> {
        let next = place + len;
        (self.cells[next as usize] != BORDER).then_some(next)
    }

    /// The place of the token before the one at `place`, in the same word.
    pub(super) fn previous(&self, place: u32) -> Option<u32> {
        match self.cells[place as usize - 1] {
            BORDER => None,
            cell if cell & MARK != 0 => Some(place - (cell & !MARK)),
            _ => Some(place - 1),
        }
    }

    /// Makes one token of the two at `place` and `middle`, `len` characters in all.
    pub(super) fn join(&mut self, place: u32, len: u32, middle: u32, product: u32) {
        self.cells[place as usize] = product;
        self.cells[middle as usize] = MARK;
        self.cells[(place + len - 1) as usize] = MARK | len;
    }

    /// How often the word occurs that `place` is in.
    pub(super) fn count_at(&self, place: u32) -> u64 {
        let mut run = self.notes[place as usize / NOTE] as usize;
        while self.runs.get(run + 1).is_some_and(|&(start, _)| start <= place) {
            run += 1;
        }
        self.runs[run].1
    }
}

#[expect(clippy::cast_possible_truncation, reason = "`push` keeps places below 2^31")]
fn narrow(number: usize) -> u32 {
    number as u32
}
