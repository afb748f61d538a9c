//! [`Neighbours`]: what one step does to the counts of the tokens on one side of what it joins, collected by token.
//!
//! One array by token, whose entries count only if they bear the number of the present step, so that a step costs neither
//! hashing nor clearing, and each pair is looked up once a step rather than once a place.

use std::ops::AddAssign;

/// What is noted of one neighbour.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Change<C> {
    step: u32,
    /// Places at which the pair with the product came up.
    pub(super) n_places: u32,
    /// What the pair with the product gained.
    pub(super) given: C,
    /// What the pair with the part lost.
    pub(super) taken: C,
    /// Where the pair with the product is kept, if it is.
    pub(super) slot: Option<u32>,
}

/// Counts are of type `C`.
#[derive(Debug, Default)]
pub(super) struct Neighbours<C> {
    step: u32,
    changes: Vec<Change<C>>,
    touched: Vec<u32>,
}

impl<C: Copy + Default + AddAssign> Neighbours<C> {
    /// Forgets all changes and makes room for tokens below `n_tokens`.
    pub(super) fn begin(&mut self, n_tokens: usize) {
        self.step += 1;
        self.touched.clear();
        self.changes.resize(n_tokens, Change::default());
    }

    /// The changes of a neighbour.
    #[inline]
    pub(super) fn of(&mut self, token: u32) -> &mut Change<C> {
        let change = &mut self.changes[token as usize];
        if change.step != self.step {
            *change = Change { step: self.step, ..Change::default() };
            self.touched.push(token);
        }
        change
    }

    /// Gives `count` to the pair with the product, which came up at a place.
    #[inline]
    pub(super) fn give(&mut self, token: u32, count: C) {
        let change = self.of(token);
        change.given += count;
        change.n_places += 1;
    }

    /// Puts the neighbours in the order of their ids; before that, they are in that of first need.
    pub(super) fn sort(&mut self) {
        self.touched.sort_unstable();
    }

    /// Notes the slot of each neighbour.
    pub(super) fn number(&mut self, mut slot_of: impl FnMut(u32, Change<C>) -> Option<u32>) {
        for &token in &self.touched {
            let change = &mut self.changes[token as usize];
            change.slot = slot_of(token, *change);
        }
    }

    /// Every neighbour that has changes.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, Change<C>)> {
        self.touched.iter().map(|&token| (token, self.changes[token as usize]))
    }
}
