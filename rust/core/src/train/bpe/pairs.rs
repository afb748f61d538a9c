//! [`Pairs`]: the pairs of adjacent tokens, their counts and the places where each was seen to begin.
//!
//! No hash table: **a pair comes up in the step that makes the newer of its two tokens**, since from then on tokens only go.
//! So all the pairs of one step lie side by side, those with the new token on the right first, then those with it on the left,
//! both in the order of the other token, and (x, y) is found by binary search in the step of max(x, y). The pairs of the tokens
//! that there were at the start lie in rows by their left token.
//!
//! Only pairs that occur `least_kept` times are kept. A count only falls once a pair has come up, so the others are not wanted
//! until all that are kept are used up; then [`Pairs::new`] counts again, with a smaller limit.
//!
//! Places lie in one arena. Those of a pair that was merged are dead; when half of the arena is, the living move together.

use super::cells::{Cells, CountAt, LOOK_AHEAD, overflow};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::vocab::index;

/// A pair of tokens, left and right.
pub(super) type Pair = (u32, u32);

#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    pub(super) pair: Pair,
    pub(super) count: i64,
    start: u32,
    n_places: u32,
}

/// The slots of one step: `start..middle` have its product on the right, `middle..end` on the left.
#[derive(Debug, Clone, Copy)]
struct Step {
    start: u32,
    middle: u32,
    end: u32,
}

#[derive(Debug, Default)]
pub(super) struct Pairs {
    slots: Vec<Slot>,
    /// What the slots of a row or of half a step are searched by: the token that differs.
    keys: Vec<u32>,
    /// Where the row of each first symbol starts, and where the last ends.
    rows: Vec<u32>,
    steps: Vec<Step>,
    arena: Vec<u32>,
    /// Places of pairs that were merged.
    n_dead: usize,
}

/// So many dead places are never minded.
const SMALL: usize = 1 << 16;

impl Pairs {
    /// Every pair of adjacent tokens of `cells`, of which there are `n_tokens`, that occurs `least` times and `may_merge`.
    ///
    /// # Errors
    /// [`Error::Config`] when one occurs more often than 63 bits hold. Pairs that come up later occur no more often than the
    /// one of symbols where their tokens meet.
    pub(super) fn new(
        cells: &Cells,
        n_tokens: usize,
        least: i64,
        progress: &Progress,
        mut may_merge: impl FnMut(Pair) -> bool,
    ) -> Result<Self> {
        let (mut arena, ends) = places_by_left(cells, n_tokens);
        let mut slots: Vec<Slot> = Vec::new();
        let mut keys = Vec::new();
        let mut rows = vec![0];
        let mut by_right = ByRight::new(n_tokens);
        let (mut read, mut write) = (0, 0);
        for (left, end) in (0..).zip(ends) {
            progress.check()?;
            by_right.take(cells, &arena[read..end])?;
            read = end;
            for &right in &by_right.touched {
                let tally = &mut by_right.tallies[right as usize];
                let is_kept = tally.count >= least && may_merge((left, right));
                tally.start = if is_kept { write } else { u32::MAX };
                if is_kept {
                    let n_places = tally.n_places;
                    slots.push(Slot {
                        pair: (left, right),
                        count: tally.count,
                        start: write,
                        n_places,
                    });
                    keys.push(right);
                    write += n_places;
                }
            }
            by_right.put(&mut arena);
            rows.push(index(slots.len()));
        }
        arena.truncate(write as usize);
        arena.shrink_to_fit();
        Ok(Self { slots, keys, rows, steps: Vec::new(), arena, n_dead: 0 })
    }

    /// The slot of a pair.
    pub(super) fn find(&self, (left, right): Pair) -> Option<u32> {
        let newer = left.max(right) as usize;
        let n_first = self.rows.len() - 1;
        let (start, end, key) = if newer < n_first {
            (self.rows[left as usize], self.rows[left as usize + 1], right)
        } else {
            let step = self.steps.get(newer - n_first)?;
            if right as usize == newer {
                (step.start, step.middle, left)
            } else {
                (step.middle, step.end, right)
            }
        };
        let found = self.keys[start as usize..end as usize].binary_search(&key);
        found.ok().map(|place| start + index(place))
    }

    pub(super) fn get(&self, slot: u32) -> &Slot {
        &self.slots[slot as usize]
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = (u32, &Slot)> {
        (0..).zip(&self.slots)
    }

    /// Changes the count of a pair that is kept; one that is not is nobody's concern.
    pub(super) fn change(&mut self, pair: Pair, by: i64) {
        if let Some(slot) = self.find(pair) {
            self.slots[slot as usize].count += by;
        }
    }

    /// Takes the places of a pair that is merged, in ascending order; it occurs no more.
    pub(super) fn take_places(&mut self, slot: u32, places: &mut Vec<u32>) {
        let Slot { start, n_places, .. } = self.slots[slot as usize];
        places.clear();
        places.extend_from_slice(&self.arena[start as usize..(start + n_places) as usize]);
        self.n_dead += places.len();
        let slot = &mut self.slots[slot as usize];
        (slot.count, slot.n_places) = (0, 0);
    }

    /// A new pair with room for `n_places`, which [`Pairs::put`] fills; `key` is the token of it that the step did not make.
    pub(super) fn add(&mut self, pair: Pair, key: u32, count: i64, n_places: u32) -> u32 {
        let slot = index(self.slots.len());
        self.slots.push(Slot { pair, count, start: index(self.arena.len()), n_places: 0 });
        self.keys.push(key);
        self.arena.resize(self.arena.len() + n_places as usize, u32::MAX);
        slot
    }

    #[inline]
    pub(super) fn put(&mut self, slot: u32, place: u32) {
        let slot = &mut self.slots[slot as usize];
        self.arena[(slot.start + slot.n_places) as usize] = place;
        slot.n_places += 1;
    }

    pub(super) fn n_slots(&self) -> u32 {
        index(self.slots.len())
    }

    /// Notes that a step made a token, whose pairs are the slots from `start` on, with those from `middle` on having it on
    /// the left.
    pub(super) fn end_step(&mut self, start: u32, middle: u32) {
        self.steps.push(Step { start, middle, end: index(self.slots.len()) });
    }

    /// Makes sure of room for `n_places` more: moves the living places together when half of the arena is dead, or when
    /// it would outgrow 32 bits.
    ///
    /// # Errors
    /// [`Error::Config`] when it outgrows them all the same.
    pub(super) fn reserve(&mut self, cells: &Cells, n_places: usize) -> Result<()> {
        let is_full = |len: usize| len.saturating_add(n_places) >= u32::MAX as usize;
        let is_half_dead = self.n_dead >= SMALL.max(self.arena.len() / 2);
        if is_half_dead || is_full(self.arena.len()) {
            self.tidy(cells);
        }
        if is_full(self.arena.len()) || is_full(self.slots.len()) {
            return Err(Error::Config(
                "the different words together are too long to train on".to_owned(),
            ));
        }
        Ok(())
    }

    /// Moves the living places together.
    fn tidy(&mut self, cells: &Cells) {
        let mut write = 0;
        let mut live = [0; LOOK_AHEAD];
        for slot in &mut self.slots {
            let places = slot.start as usize..(slot.start + slot.n_places) as usize;
            slot.start = index(write);
            if slot.count > 0 {
                for first in places.clone().step_by(LOOK_AHEAD) {
                    let stretch = first..places.end.min(first + LOOK_AHEAD);
                    let n_live = cells.starts_of(slot.pair.0, &self.arena[stretch], &mut live);
                    for &place in &live[..n_live] {
                        if is_at(cells, slot.pair, place) {
                            self.arena[write] = place;
                            write += 1;
                        }
                    }
                }
            }
            slot.n_places = index(write) - slot.start;
        }
        self.arena.truncate(write);
        self.n_dead = 0;
    }
}

/// Whether a pair begins at a place.
#[inline]
pub(super) fn is_at(cells: &Cells, (left, right): Pair, place: u32) -> bool {
    cells.token(place) == left && cells.token(cells.next(place)) == right
}

/// The places of tokens that have a next one, ordered by the token, and where each token's places end.
fn places_by_left(cells: &Cells, n_tokens: usize) -> (Vec<u32>, Vec<usize>) {
    let begins_pair = |place: u32| cells.is_token(place) && cells.is_token(cells.next(place));
    let mut ends = vec![0_usize; n_tokens];
    for place in (0..cells.len()).filter(|&place| begins_pair(place)) {
        ends[cells.token(place) as usize] += 1;
    }
    let mut sum = 0;
    for end in &mut ends {
        (sum, *end) = (sum + *end, sum);
    }
    let mut arena = vec![0; sum];
    for place in (0..cells.len()).filter(|&place| begins_pair(place)) {
        let end = &mut ends[cells.token(place) as usize];
        arena[*end] = place;
        *end += 1;
    }
    (arena, ends)
}

#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    count: i64,
    n_places: u32,
    start: u32,
}

/// The places of one left token, grouped by the token to the right.
struct ByRight {
    /// Each place and the token to its right.
    places: Vec<(u32, u32)>,
    tallies: Vec<Tally>,
    touched: Vec<u32>,
}

impl ByRight {
    fn new(n_tokens: usize) -> Self {
        Self { places: Vec::new(), tallies: vec![Tally::default(); n_tokens], touched: Vec::new() }
    }

    fn take(&mut self, cells: &Cells, places: &[u32]) -> Result<()> {
        self.places.clear();
        self.places.extend(places.iter().map(|&place| (place, cells.token(cells.next(place)))));
        self.touched.clear();
        let mut counts = CountAt::default();
        for &(place, right) in &self.places {
            let tally = &mut self.tallies[right as usize];
            if tally.n_places == 0 {
                self.touched.push(right);
            }
            tally.n_places += 1;
            let count = tally.count.checked_add(counts.at(cells, place));
            tally.count = count.ok_or_else(overflow)?;
        }
        self.touched.sort_unstable();
        Ok(())
    }

    /// Writes the places back, each right token's from the start that its tally has; those that have none are left out.
    fn put(&mut self, arena: &mut [u32]) {
        for &(place, right) in &self.places {
            let tally = &mut self.tallies[right as usize];
            if tally.start != u32::MAX {
                arena[tally.start as usize] = place;
                tally.start += 1;
            }
        }
        for &right in &self.touched {
            self.tallies[right as usize] = Tally::default();
        }
    }
}
