//! [`Cells`]: every word as its current tokens, in one flat array.
//!
//! A word of n symbols has n cells and a border after it. The first cell of a token holds its id; a token of more than one
//! cell has a mark and its length in its second cell and in its last (which may be the same), so that both neighbours of a
//! token are one look away, whatever the token:
//!
//! ```text
//! cells of "hello", tokens "hel" "lo":   hel  MARK|3  MARK|3  lo  MARK|2  BORDER
//! ```
//!
//! Invariant: a cell inside a token never holds an id. So a place found earlier is stale exactly when its cell no longer
//! holds the id it was found with, or the next token is another.
//!
//! Words lie in the order of their counts, largest first. A place therefore gives its count through the few *runs* of words
//! of equal count, and places in ascending order ([`CountAt`]) through a look at the run of the one before.

use crate::error::{Error, Result};

/// Set in every cell that is not a token's first.
const MARK: u32 = 1 << 31;
pub(super) const BORDER: u32 = u32::MAX;
/// Symbols, and a border for each word, take fewer cells than this.
pub(super) const MAX_CELLS: usize = (MARK - 1) as usize;
/// Symbols and tokens are numbered below this.
pub(super) const MAX_TOKENS: usize = 1 << 30;
/// Places whose cells are fetched at once, so that the processor waits for all of them together.
pub(super) const LOOK_AHEAD: usize = 64;
/// Every how many cells the run is noted.
const NOTE: usize = 64;

/// Words of one count, side by side.
#[derive(Debug, Clone, Copy)]
struct Run {
    end: u32,
    count: i64,
}

#[derive(Debug)]
pub(super) struct Cells {
    flat: Vec<u32>,
    runs: Vec<Run>,
    /// The run that cell `NOTE * i` belongs to.
    notes: Vec<u32>,
    /// Sum over the words of symbols times count, or the largest number there is.
    n_symbols: i64,
}

impl Cells {
    pub(super) fn new(capacity: usize) -> Self {
        let mut flat = Vec::with_capacity(capacity.saturating_add(1).min(MARK as usize));
        flat.push(BORDER);
        Self { flat, runs: Vec::new(), notes: Vec::new(), n_symbols: 0 }
    }

    /// Adds a word; counts must not grow from one word to the next.
    ///
    /// # Errors
    /// [`Error::Config`] when the words together exceed 2 GiB or a count exceeds 63 bits.
    pub(super) fn push(
        &mut self,
        symbols: impl IntoIterator<Item = u32>,
        count: u64,
    ) -> Result<()> {
        let start = self.flat.len();
        self.flat.extend(symbols);
        let n = self.flat.len() - start;
        if n == 0 {
            return Ok(());
        }
        self.flat.push(BORDER);
        let end =
            u32::try_from(self.flat.len()).ok().filter(|&end| end < MARK).ok_or_else(|| {
                Error::Config("the different words together must stay below 2 GiB".to_owned())
            })?;
        let count = i64::try_from(count).map_err(|_| overflow())?;
        let n_symbols = count.saturating_mul(i64::try_from(n).unwrap_or(i64::MAX));
        self.n_symbols = self.n_symbols.saturating_add(n_symbols);
        match self.runs.last_mut() {
            Some(run) if run.count == count => run.end = end,
            _ => self.runs.push(Run { end, count }),
        }
        let run = u32::try_from(self.runs.len() - 1).map_err(|_| overflow())?;
        self.notes.resize(self.flat.len().div_ceil(NOTE), run);
        Ok(())
    }

    /// One more than the last place.
    #[expect(clippy::cast_possible_truncation, reason = "below 2 GiB cells: checked by `push`")]
    pub(super) fn len(&self) -> u32 {
        self.flat.len() as u32
    }

    /// The token that starts at `place`, or a value that is no id.
    #[inline]
    pub(super) fn token(&self, place: u32) -> u32 {
        self.flat[place as usize]
    }

    /// Whether a token starts at `place`.
    pub(super) fn is_token(&self, place: u32) -> bool {
        self.token(place) & MARK == 0
    }

    /// The place after the token at `place`: of the next token, or of a border.
    #[inline]
    pub(super) fn next(&self, place: u32) -> u32 {
        match self.flat[place as usize + 1] {
            BORDER => place + 1,
            cell if cell & MARK != 0 => place + (cell & !MARK),
            _ => place + 1,
        }
    }

    /// The place of the token before the one at `place`, in the same word.
    #[inline]
    pub(super) fn previous(&self, place: u32) -> Option<u32> {
        match self.flat[place as usize - 1] {
            BORDER => None,
            cell if cell & MARK != 0 => Some(place - (cell & !MARK)),
            _ => Some(place - 1),
        }
    }

    /// Makes one token of those at `place` and `middle`, which ends before `end`.
    #[inline]
    pub(super) fn join(&mut self, place: u32, middle: u32, end: u32, product: u32) {
        let mark = MARK | (end - place);
        self.flat[place as usize] = product;
        self.flat[middle as usize] = MARK;
        self.flat[place as usize + 1] = mark;
        self.flat[end as usize - 1] = mark;
    }

    /// Writes those of `places` at which `token` starts into `found`, which must be as long, and returns how many there are.
    pub(super) fn starts_of(&self, token: u32, places: &[u32], found: &mut [u32]) -> usize {
        let mut n_found = 0;
        for &place in places {
            found[n_found] = place;
            n_found += usize::from(self.token(place) == token);
        }
        n_found
    }

    /// Sum over the words of symbols times count, as they were at the start.
    pub(super) fn n_symbols(&self) -> i64 {
        self.n_symbols
    }

    /// How many tokens have another to their right. Each new token takes one such place away at least, so no more can be made.
    pub(super) fn n_neighbours(&self) -> usize {
        let is_first = |place: &u32| self.is_token(*place);
        (0..self.len()).filter(is_first).filter(|&place| self.is_token(self.next(place))).count()
    }

    /// How often each token occurs, by id.
    pub(super) fn token_counts(&self, n_tokens: usize) -> Vec<u64> {
        let mut totals = vec![0_u64; n_tokens];
        let mut counts = CountAt::default();
        for place in (0..self.len()).filter(|&place| self.is_token(place)) {
            let total = &mut totals[self.token(place) as usize];
            *total = total.saturating_add(counts.at(self, place).unsigned_abs());
        }
        totals
    }
}

/// The count of the word that a place is in, quick for places in ascending order.
#[derive(Debug, Default)]
pub(super) struct CountAt {
    end: u32,
    count: i64,
}

impl CountAt {
    #[inline]
    pub(super) fn at(&mut self, cells: &Cells, place: u32) -> i64 {
        if place >= self.end {
            let mut run = cells.notes[place as usize / NOTE] as usize;
            while cells.runs[run].end <= place {
                run += 1;
            }
            let Run { end, count } = cells.runs[run];
            (self.end, self.count) = (end, count);
        }
        self.count
    }
}

pub(super) fn overflow() -> Error {
    Error::Config("the pair counts add up to more than 63 bits hold".to_owned())
}
