//! [`Pairs`]: all pairs that may still be joined, and which of them is the best.
//!
//! The pairs of one left token are its *row*, those of one right token its *column*. Each row has a bound that none of its
//! pairs exceeds; the rows meet in a tournament by bound and weight of their token. A joining lowers the weights of two tokens
//! and the counts of pairs:
//!
//! - a lower weight of the left token raises the whole row alike: only its place in the tournament changes;
//! - a lower weight of the right token raises its column: each pair there is compared with the bound of its row;
//! - a lower count lowers one pair, and the bound stays one.
//!
//! So the pair that the winning row's bound speaks of is the best of all if it still has the count and weight that the bound
//! says; if it has not, the row is looked through for its best pair, which is the new bound, and the tournament is asked again.

use std::cmp::Ordering;

use rustc_hash::FxHashMap;

use crate::train::wordpiece::score::Bound;
use crate::train::wordpiece::tournament::Tournament;
use crate::vocab::index;

/// A pair of neighbouring tokens. A count of zero: out for good.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) left: u32,
    pub(super) right: u32,
    pub(super) count: u64,
    /// Where in [`Pairs::places`] the places are that it was seen to begin at; some may be stale.
    pub(super) first_place: usize,
    pub(super) n_places: u32,
}

#[derive(Debug)]
pub(super) struct Pairs {
    /// A pair below is out: counts do not rise again.
    least: u64,
    by_index: Vec<Pair>,
    index: FxHashMap<(u32, u32), u32>,
    pub(super) places: Vec<u32>,
    /// By token: what its count counts for in a score.
    weights: Vec<u64>,
    /// Pairs by left and by right token; some may be out.
    rows: Vec<Vec<u32>>,
    columns: Vec<Vec<u32>>,
    bounds: Vec<Option<Bound>>,
    tournament: Tournament,
}

impl Pairs {
    /// No pairs of tokens with these weights, which are at least one; `n_tokens` is the most that there will be.
    pub(super) fn new(weights: Vec<u64>, n_tokens: usize) -> Self {
        Self {
            least: 1,
            by_index: Vec::new(),
            index: FxHashMap::default(),
            places: Vec::new(),
            rows: vec![Vec::new(); weights.len()],
            columns: vec![Vec::new(); weights.len()],
            bounds: vec![None; weights.len()],
            tournament: Tournament::new(n_tokens.max(weights.len())),
            weights,
        }
    }

    /// Forgets all pairs; from now on they must occur `least` times.
    pub(super) fn restart(&mut self, least: u64) {
        self.least = least;
        self.by_index.clear();
        self.index.clear();
        self.places.clear();
        self.rows.iter_mut().for_each(Vec::clear);
        self.columns.iter_mut().for_each(Vec::clear);
        self.bounds.fill(None);
        self.tournament.clear();
    }

    /// How often a pair must occur to be kept.
    pub(super) fn least(&self) -> u64 {
        self.least
    }

    /// A token more.
    pub(super) fn push_token(&mut self, weight: u64) {
        self.weights.push(weight);
        self.rows.push(Vec::new());
        self.columns.push(Vec::new());
        self.bounds.push(None);
    }

    pub(super) fn get(&self, pair: u32) -> &Pair {
        &self.by_index[pair as usize]
    }

    pub(super) fn find(&self, left: u32, right: u32) -> Option<u32> {
        self.index.get(&(left, right)).copied()
    }

    /// A new pair, with room for its places, if it occurs often enough.
    pub(super) fn insert(
        &mut self,
        left: u32,
        right: u32,
        count: u64,
        n_places: u32,
    ) -> Option<u32> {
        if count < self.least {
            return None;
        }
        let pair = index(self.by_index.len());
        let first_place = self.places.len();
        self.places.resize(first_place + n_places as usize, 0);
        // `n_places` counts up again as places are filled in.
        self.by_index.push(Pair { left, right, count, first_place, n_places: 0 });
        self.index.insert((left, right), pair);
        self.rows[left as usize].push(pair);
        self.columns[right as usize].push(pair);
        self.raise(pair);
        Some(pair)
    }

    /// Notes a place where a pair begins, if it is one.
    pub(super) fn add_place(&mut self, pair: Option<u32>, place: u32) {
        if let Some(pair) = pair {
            let pair = &mut self.by_index[pair as usize];
            self.places[pair.first_place + pair.n_places as usize] = place;
            pair.n_places += 1;
        }
    }

    /// Takes occurrences from a pair, if it is one.
    pub(super) fn take(&mut self, left: u32, right: u32, count: u64) {
        let Some(index) = self.find(left, right) else { return };
        let pair = &mut self.by_index[index as usize];
        pair.count -= count;
        if pair.count < self.least {
            self.remove(index);
        }
    }

    /// Puts a pair out.
    pub(super) fn remove(&mut self, pair: u32) {
        let pair = &mut self.by_index[pair as usize];
        pair.count = 0;
        self.index.remove(&(pair.left, pair.right));
    }

    /// Sets the weight of a token, which falls.
    pub(super) fn lower_weight(&mut self, token: u32, weight: u64) {
        if self.weights[token as usize] == weight {
            return;
        }
        self.weights[token as usize] = weight;
        self.play(token);
        let mut column = std::mem::take(&mut self.columns[token as usize]);
        column.retain(|&pair| self.get(pair).count > 0);
        for &pair in &column {
            self.raise(pair);
        }
        self.columns[token as usize] = column;
    }

    /// The best pair of all.
    pub(super) fn best(&mut self) -> Option<u32> {
        loop {
            let row = self.tournament.winner()?;
            let bound = self.bounds[row as usize]?;
            if self.bound_of(bound.pair) == bound {
                return Some(bound.pair);
            }
            self.look_through(row);
        }
    }

    /// Sets the bound of a row to its best pair.
    fn look_through(&mut self, row: u32) {
        let mut pairs = std::mem::take(&mut self.rows[row as usize]);
        pairs.retain(|&pair| self.get(pair).count > 0);
        self.bounds[row as usize] =
            pairs.iter().map(|&pair| self.bound_of(pair)).max_by(Bound::rank);
        self.rows[row as usize] = pairs;
        self.play(row);
    }

    fn bound_of(&self, pair: u32) -> Bound {
        let &Pair { right, count, .. } = self.get(pair);
        Bound { count, right, weight: self.weights[right as usize], pair }
    }

    /// Raises the bound of a pair's row to the pair, if it is below.
    fn raise(&mut self, pair: u32) {
        let row = self.get(pair).left;
        let bound = self.bound_of(pair);
        let before = &mut self.bounds[row as usize];
        if before.is_none_or(|before| bound.rank(&before) == Ordering::Greater) {
            *before = Some(bound);
            self.play(row);
        }
    }

    fn play(&mut self, row: u32) {
        let Self { bounds, weights, tournament, .. } = self;
        let entry = |row: u32| {
            let bound = bounds[row as usize].as_ref()?;
            Some((bound, row, weights[row as usize]))
        };
        let is_in = bounds[row as usize].is_some();
        tournament.update(row, is_in, |one, other| match (entry(one), entry(other)) {
            (Some(one), Some(other)) => Bound::rank_over_rows(one, other) == Ordering::Greater,
            (one, _) => one.is_some(),
        });
    }
}
