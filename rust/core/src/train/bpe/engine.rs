//! [`Engine`]: merging the best pair, again and again, over words of any symbols.
//!
//! What may be merged, in which order equal counts come, and what a product is, the caller's [`Rules`] say. The engine keeps
//! the counts: replacing (a, b) by N between x and y takes one from (x, a) and from (b, y) and gives one to (x, N) and to
//! (N, y), and no other pair changes. A step walks over the places of (a, b) in ascending order, collects these changes by x and
//! by y, and then looks up each pair once.

use std::cmp::Ordering;

use super::cells::{Cells, CountAt, LOOK_AHEAD};
use super::learn::Merge;
use super::pairs::{Pair, Pairs, Slot, is_at};
use super::queue::{Queue, Ranking};
use crate::error::Result;
use crate::progress::Progress;
use crate::train::neighbours::Neighbours;

/// What tells one kind of BPE from another.
pub(super) trait Rules {
    /// How many tokens there are.
    fn n_tokens(&self) -> usize;

    /// Whether a pair may become a token: asked once for each pair, when it comes up.
    fn may_merge(&mut self, pair: Pair) -> bool;

    /// Which of two pairs that occur equally often is merged first; equal only if they are the same.
    fn order(&self, a: Pair, b: Pair) -> Ordering;

    /// Makes the token of a pair, and returns its id: the next one, or that of a token that is there.
    fn make(&mut self, pair: Pair) -> u32;
}

/// Places between two looks at whether to stop.
const POLL_PLACES: usize = 1 << 16;

#[derive(Debug)]
pub(super) struct Engine<R> {
    pub(super) rules: R,
    pub(super) cells: Cells,
    pairs: Pairs,
    queue: Queue,
    lefts: Neighbours<i64>,
    rights: Neighbours<i64>,
    /// A pair that occurs less often is not merged.
    least: i64,
    /// A pair that occurs less often is not even kept until all that are kept are used up.
    least_kept: i64,
    /// Buffers of a step.
    places: Vec<u32>,
    came_up: Vec<CameUp>,
}

/// A place of a pair with the product, and the token that the product has beside it.
#[derive(Debug, Clone, Copy)]
struct CameUp {
    place: u32,
    token: u32,
    is_left: bool,
}

struct By<'a, R> {
    pairs: &'a Pairs,
    rules: &'a R,
}

impl<R: Rules> Ranking for By<'_, R> {
    fn count(&self, slot: u32) -> i64 {
        self.pairs.get(slot).count
    }

    fn is_before(&self, a: u32, b: u32) -> bool {
        self.rules.order(self.pairs.get(a).pair, self.pairs.get(b).pair) == Ordering::Less
    }
}

/// The first time, pairs are kept that are at least one in so many symbols of all text.
const FIRST_SHARE: i64 = 1 << 18;
/// Each time the pairs are counted again, so many times rarer ones are kept.
const RARER: i64 = 16;

impl<R: Rules> Engine<R> {
    /// An engine that merges no pair that occurs less than `min_frequency` times, unless by [`Engine::force`].
    pub(super) fn new(
        rules: R,
        cells: Cells,
        min_frequency: u64,
        progress: &Progress,
    ) -> Result<Self> {
        let mut engine = Self {
            rules,
            cells,
            pairs: Pairs::default(),
            queue: Queue::new(),
            lefts: Neighbours::default(),
            rights: Neighbours::default(),
            least: i64::try_from(min_frequency).unwrap_or(i64::MAX).max(1),
            least_kept: 1,
            places: Vec::new(),
            came_up: Vec::new(),
        };
        let least_kept = (engine.cells.n_symbols() / FIRST_SHARE).max(engine.least);
        engine.count_again(least_kept, progress)?;
        Ok(engine)
    }

    /// Counts all pairs anew, and keeps those that occur `least_kept` times.
    fn count_again(&mut self, least_kept: i64, progress: &Progress) -> Result<()> {
        self.least_kept = least_kept;
        // First the old ones go, so that memory holds one of both.
        self.pairs = Pairs::default();
        self.queue = Queue::new();
        let n_tokens = self.rules.n_tokens();
        let rules = &mut self.rules;
        self.pairs = Pairs::new(&self.cells, n_tokens, self.least_kept, progress, |pair| {
            rules.may_merge(pair)
        })?;
        for (slot, _) in self.pairs.slots() {
            self.queue.push(slot, &By { pairs: &self.pairs, rules: &self.rules });
        }
        Ok(())
    }

    /// Merges the most frequent pair; `None` when no pair is left.
    pub(super) fn step(&mut self, progress: &Progress) -> Result<Option<Merge>> {
        loop {
            let by = By { pairs: &self.pairs, rules: &self.rules };
            if let Some(slot) = self.queue.pop(self.least_kept.max(self.least), &by) {
                let Slot { pair, count, .. } = *self.pairs.get(slot);
                let product = self.merge(pair, Some(slot), progress)?;
                return Ok(Some(Merge { pair, product, count: count.unsigned_abs() }));
            }
            if self.least_kept <= self.least {
                return Ok(None);
            }
            self.count_again((self.least_kept / RARER).max(self.least), progress)?;
        }
    }

    /// Merges a pair however often it occurs.
    pub(super) fn force(&mut self, pair: Pair, progress: &Progress) -> Result<Merge> {
        if self.least_kept > 1 {
            self.count_again(1, progress)?;
        }
        let slot = self.pairs.find(pair);
        let count = slot.map_or(0, |slot| self.pairs.get(slot).count);
        let product = self.merge(pair, slot, progress)?;
        Ok(Merge { pair, product, count: count.unsigned_abs() })
    }

    /// Makes the product of a pair and puts it in the pair's place everywhere.
    fn merge(&mut self, pair: Pair, slot: Option<u32>, progress: &Progress) -> Result<u32> {
        let n_tokens = self.rules.n_tokens();
        let product = self.rules.make(pair);
        let mut places = std::mem::take(&mut self.places);
        places.clear();
        if let Some(slot) = slot {
            self.pairs.take_places(slot, &mut places);
        }
        self.pairs.reserve(&self.cells, 2 * places.len())?;
        self.lefts.begin(self.rules.n_tokens());
        self.rights.begin(self.rules.n_tokens());
        self.came_up.clear();
        let mut counts = CountAt::default();
        let mut live = [0; LOOK_AHEAD];
        for batch in places.chunks(POLL_PLACES) {
            progress.check()?;
            for stretch in batch.chunks(LOOK_AHEAD) {
                let n_live = self.cells.starts_of(pair.0, stretch, &mut live);
                for &place in &live[..n_live] {
                    if is_at(&self.cells, pair, place) {
                        let count = counts.at(&self.cells, place);
                        self.join(pair, place, product, count);
                    }
                }
            }
        }
        self.places = places;
        if (product as usize) < n_tokens {
            self.count_again(self.least_kept, progress)?;
            return Ok(product);
        }
        self.lose(pair);
        self.gain(product);
        self.keep_places();
        Ok(product)
    }

    /// Joins the pair at a place and notes what it does to the pairs beside it.
    #[inline]
    fn join(&mut self, (a, b): Pair, place: u32, product: u32, count: i64) {
        let middle = self.cells.next(place);
        let end = self.cells.next(middle);
        let before = self.cells.previous(place);
        let is_last = !self.cells.is_token(end);
        self.cells.join(place, middle, end, product);
        if let Some(before) = before {
            let x = self.cells.token(before);
            if x == product {
                // The one before was joined just now, and had `a` beside it since then.
                self.rights.of(a).given -= count;
            } else {
                self.lefts.of(x).taken += count;
            }
            self.lefts.give(x, count);
            self.came_up.push(CameUp { place: before, token: x, is_left: true });
        }
        if !is_last {
            let y = self.cells.token(end);
            if y == product {
                self.lefts.of(b).given -= count;
                self.lefts.give(product, count);
            } else {
                self.rights.of(y).taken += count;
                self.rights.give(y, count);
            }
            self.came_up.push(CameUp { place, token: y, is_left: y == product });
        }
    }

    /// Takes from the pairs with the parts what was noted; the merged pair itself is done with.
    fn lose(&mut self, (a, b): Pair) {
        for (x, change) in self.lefts.iter() {
            if change.taken != 0 && (x, a) != (a, b) {
                self.pairs.change((x, a), -change.taken);
            }
        }
        for (y, change) in self.rights.iter() {
            if change.taken != 0 && (b, y) != (a, b) {
                self.pairs.change((b, y), -change.taken);
            }
        }
    }

    /// The pairs of a new token: none was there before.
    fn gain(&mut self, product: u32) {
        let start = self.pairs.n_slots();
        self.gain_on(product, true);
        let middle = self.pairs.n_slots();
        self.gain_on(product, false);
        self.pairs.end_step(start, middle);
    }

    /// The pairs of a new token with what it has to its left, or to its right.
    fn gain_on(&mut self, product: u32, is_left: bool) {
        let Self { rules, pairs, queue, lefts, rights, least_kept, .. } = self;
        let side = if is_left { lefts } else { rights };
        side.sort();
        side.number(|token, change| {
            let pair = if is_left { (token, product) } else { (product, token) };
            if change.given < *least_kept || !rules.may_merge(pair) {
                return None;
            }
            let slot = pairs.add(pair, token, change.given, change.n_places);
            queue.push(slot, &By { pairs, rules });
            Some(slot)
        });
    }

    /// Writes down where the pairs with the product came up.
    fn keep_places(&mut self) {
        for &CameUp { place, token, is_left } in &self.came_up {
            let side = if is_left { &mut self.lefts } else { &mut self.rights };
            if let Some(slot) = side.of(token).slot {
                self.pairs.put(slot, place);
            }
        }
    }
}
