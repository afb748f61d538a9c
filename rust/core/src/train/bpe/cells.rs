//! [`Cells`]: every word of the counts as its current tokens, in one flat array.
//!
//! A word of n bytes has n cells and a border after it. The first cell of a token holds its id; if it has more than one cell
//! its last holds [`MARK`] and its length, so that both neighbours of a token are one step away:
//!
//! ```text
//! cells of "hello", tokens "hel" "lo":   hel  ·  MARK|3  lo  MARK|2  BORDER
//! ```
//!
//! Invariant: a cell inside a token never holds an id. A place found earlier is stale exactly when its cell no longer holds
//! the id it was found with.

use crate::error::{Error, Result};
use crate::train::WordCounts;

/// Set in every cell that is not a token's first.
const MARK: u32 = 1 << 31;
const BORDER: u32 = u32::MAX;
/// Every how many cells the word is noted, to find the count of a place.
const NOTE: usize = 64;

#[derive(Debug)]
pub(super) struct Cells {
    flat: Vec<u32>,
    /// First cell and count of each word.
    words: Vec<(u32, i64)>,
    /// The word that cell `NOTE * i` belongs to.
    notes: Vec<u32>,
}

impl Cells {
    /// The words of `counts` as bytes.
    ///
    /// # Errors
    /// [`Error::Config`] when the words together exceed 2 GiB or a count exceeds 63 bits.
    pub(super) fn new(counts: &WordCounts, byte_ids: &[u32; 256]) -> Result<Self> {
        let too_large =
            || Error::Config("the different words together must stay below 2 GiB".to_owned());
        let mut cells = Self { flat: vec![BORDER], words: Vec::new(), notes: Vec::new() };
        for (word, count) in counts.iter() {
            let start = cells.flat.len();
            if start + word.len() + 1 >= MARK as usize {
                return Err(too_large());
            }
            let index = u32::try_from(cells.words.len()).map_err(|_| too_large())?;
            let count = i64::try_from(count)
                .map_err(|_| Error::Config("a count must fit in 63 bits".to_owned()))?;
            cells.words.push((u32::try_from(start).map_err(|_| too_large())?, count));
            cells.flat.extend(word.iter().map(|&byte| byte_ids[usize::from(byte)]));
            cells.flat.push(BORDER);
            cells.notes.resize(cells.flat.len().div_ceil(NOTE), index);
        }
        Ok(cells)
    }

    /// One more than the last place.
    #[expect(clippy::cast_possible_truncation, reason = "below 2 GiB cells: checked by `new`")]
    pub(super) fn len(&self) -> u32 {
        self.flat.len() as u32
    }

    /// Whether `place` is between words.
    pub(super) fn is_border(&self, place: u32) -> bool {
        self.flat[place as usize] == BORDER
    }

    /// The token that starts at `place`, or a value that is no id.
    pub(super) fn token(&self, place: u32) -> u32 {
        self.flat[place as usize]
    }

    /// The place after the token of `len` bytes at `place`, in the same word.
    pub(super) fn next(&self, place: u32, len: u32) -> Option<u32> {
        let next = place + len;
        (self.flat[next as usize] != BORDER).then_some(next)
    }

    /// The place of the token before the one at `place`, in the same word.
    pub(super) fn previous(&self, place: u32) -> Option<u32> {
        match self.flat[place as usize - 1] {
            BORDER => None,
            cell if cell & MARK != 0 => Some(place - (cell & !MARK)),
            _ => Some(place - 1),
        }
    }

    /// Makes one token of the two at `place` and `middle`, `len` bytes in all.
    pub(super) fn join(&mut self, place: u32, len: u32, middle: u32, product: u32) {
        self.flat[place as usize] = product;
        self.flat[middle as usize] = MARK;
        self.flat[(place + len - 1) as usize] = MARK | len;
    }

    /// How often the word occurs that `place` is in.
    pub(super) fn count_at(&self, place: u32) -> i64 {
        let mut word = self.notes[place as usize / NOTE] as usize;
        while self.words.get(word + 1).is_some_and(|&(start, _)| start <= place) {
            word += 1;
        }
        self.words[word].1
    }
}
