//! [`Viterbi`]: the best path through the lattice of pieces (Kudo 2018, "Subword Regularization", section 3.2).
//!
//! The best path to each place is kept as its last piece. Pieces are laid on the text from left to right, short ones first,
//! and a path must be better, not as good, to replace one: so the reference libraries order ties, and the floating-point
//! sums run from the start of the text as theirs do. Sums from the start of a word would round otherwise, and decide
//! differently between paths that are almost as good. SentencePiece's, which are of 32 bits, begin again from 0 where they
//! have come further from it than [`RESTART`].
//!
//! Where no piece of this text reaches across a place, every path goes through it. There the path so far is settled and its
//! memory given back; only the sum is carried on. So memory is that of the longest stretch that pieces bridge. On texts
//! that never let go, the paths to all places still open are traced back to where they meet, which settles them as well.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::model::piece_trie::PieceTrie;
use crate::progress::Progress;

/// Characters between two looks at whether to stop.
const POLL_CHARS: u32 = 1 << 14;

/// A sum in 32 bits further from 0 than this is taken from those of all open places, so that they stay fine: the rule of
/// SentencePiece 0.2.3.
const RESTART: f64 = 100_000.0;

/// Open places from which on the paths are traced back.
const MAX_OPEN: usize = 1 << 16;

/// The lattice's pieces and scores.
#[derive(Debug)]
pub(crate) struct Viterbi {
    /// The pieces, with their ids.
    pub(crate) trie: PieceTrie,
    /// The score of each id.
    pub(crate) scores: Vec<f64>,
    /// The score of a character that is no piece.
    pub(crate) unk_score: f64,
    /// Its id; `None`: such a character is an error.
    pub(crate) unk_id: Option<u32>,
    /// Whether sums are kept in 32 bits, as SentencePiece does.
    pub(crate) rounds: bool,
}

/// A piece on the best path: `text[start..end]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    /// Its id.
    pub(crate) id: u32,
    /// Where it begins.
    pub(crate) start: usize,
    /// Where it ends.
    pub(crate) end: usize,
}

/// The best path to a place: its sum, its last piece and the length of that, 0 while there is no path
#[derive(Debug, Clone, Copy)]
struct Best {
    score: f64,
    id: u32,
    length: u32,
}

const NO_PATH: Best = Best { score: 0.0, id: 0, length: 0 };

/// The places that are still open: those from `base` on.
struct Open<'t> {
    text: &'t str,
    base: usize,
    /// The best path to `base + i`; the first has no last piece.
    best: Vec<Best>,
    path: Vec<Step>,
}

impl Viterbi {
    /// Calls `each` with the pieces of the best path, in order.
    ///
    /// # Errors
    /// [`Error::Unencodable`] at a character that is no piece when there is no id for it; [`Error::Interrupted`].
    pub(crate) fn best_path(
        &self,
        text: &str,
        progress: &Progress,
        mut each: impl FnMut(Step),
    ) -> Result<()> {
        let mut open = Open { text, base: 0, best: vec![NO_PATH], path: Vec::new() };
        let mut max_open = MAX_OPEN;
        let mut n_chars = 0_u32;
        for (start, c) in text.char_indices() {
            n_chars = n_chars.wrapping_add(1);
            if n_chars.is_multiple_of(POLL_CHARS) {
                progress.check()?;
            }
            if start - open.base + 1 == open.best.len() {
                open.settle(start, &mut each);
            } else if open.best.len() > max_open {
                let meeting = open.find_meeting(start);
                open.settle(meeting, &mut each);
                max_open = MAX_OPEN.max(2 * open.best.len());
            }
            if self.rounds {
                self.restart(&mut open, start);
            }
            self.extend(&mut open, start, c.len_utf8())?;
        }
        open.settle(text.len(), &mut each);
        Ok(())
    }

    /// Takes the sum at `start` from those of all places from there on when it is far from 0.
    #[inline]
    fn restart(&self, open: &mut Open<'_>, start: usize) {
        let ahead = open.best.get_mut(start - open.base..).unwrap_or_default();
        if let Some(&Best { score, .. }) = ahead.first()
            && score.abs() > RESTART
        {
            for best in ahead {
                best.score = self.round(best.score - score);
            }
        }
    }

    /// Lays every piece that begins at `start`.
    #[inline]
    fn extend(&self, open: &mut Open<'_>, start: usize, char_len: usize) -> Result<()> {
        let at = start - open.base;
        let till_here = open.best[at].score;
        let mut is_piece = false;
        let bytes = &open.text.as_bytes()[start..];
        let best = &mut open.best;
        self.trie.for_each_prefix(bytes, |length, id| {
            let score = self.round(self.scores[id as usize] + till_here);
            is_piece |= length == char_len;
            Self::offer(best, at + length, score, id, length);
        });
        if !is_piece {
            let score = self.round(self.unk_score + till_here);
            let end = at + char_len;
            match self.unk_id {
                Some(id) => Self::offer(best, end, score, id, char_len),
                None if best.get(end).is_none_or(|now| now.length == 0 || score > now.score) => {
                    return Err(Error::Unencodable { byte_offset: start });
                }
                None => {}
            }
        }
        Ok(())
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "a piece is shorter than 4 GiB")]
    fn offer(best: &mut Vec<Best>, end: usize, score: f64, id: u32, length: usize) {
        if end >= best.len() {
            best.resize(end + 1, NO_PATH);
        }
        let now = &mut best[end];
        if now.length == 0 || score > now.score {
            *now = Best { score, id, length: length as u32 };
        }
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "what rounding is")]
    pub(crate) fn round(&self, score: f64) -> f64 {
        if self.rounds { f64::from(score as f32) } else { score }
    }
}

impl Open<'_> {
    /// Gives out the path to `place`, which every path goes through, and closes the places before it.
    fn settle(&mut self, place: usize, each: &mut impl FnMut(Step)) {
        let mut end = place;
        self.path.clear();
        while end > self.base {
            let Best { id, length, .. } = self.best[end - self.base];
            if length == 0 {
                break;
            }
            let start = end - length as usize;
            self.path.push(Step { id, start, end });
            end = start;
        }
        self.path.drain(..).rev().for_each(each);
        self.best.drain(..place - self.base);
        self.base = place;
    }

    /// The last place that the paths to all places from `place` on have in common.
    fn find_meeting(&self, place: usize) -> usize {
        let has_path = |&end: &usize| end == self.base || self.best[end - self.base].length > 0;
        let mut ends: BTreeSet<usize> =
            (place..self.base + self.best.len()).filter(has_path).collect();
        while ends.len() > 1
            && let Some(last) = ends.pop_last()
        {
            ends.insert(last - self.best[last - self.base].length as usize);
        }
        ends.pop_last().unwrap_or(self.base)
    }
}
