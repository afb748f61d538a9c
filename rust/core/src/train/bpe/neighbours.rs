//! [`Neighbours`]: what one step does to the counts of the tokens beside it, collected by token.
//!
//! One array by token for each side, whose entries count only if they bear the number of the present step, so that a step
//! costs no clearing and each pair is looked up once a step rather than once a place.

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Change {
    step: u32,
    /// Places at which the pair with the product came up.
    pub(super) n_places: u32,
    /// What the pair with the product gained.
    pub(super) given: i64,
    /// What the pair with the part lost.
    pub(super) taken: i64,
    /// Where the places of the pair with the product go.
    pub(super) slot: Option<u32>,
}

#[derive(Debug, Default)]
pub(super) struct Neighbours {
    step: u32,
    changes: Vec<Change>,
    pub(super) touched: Vec<u32>,
}

impl Neighbours {
    pub(super) fn begin(&mut self, n_tokens: usize) {
        self.step += 1;
        self.touched.clear();
        self.changes.resize(n_tokens, Change::default());
    }

    #[inline]
    pub(super) fn of(&mut self, token: u32) -> &mut Change {
        let change = &mut self.changes[token as usize];
        if change.step != self.step {
            *change = Change { step: self.step, ..Change::default() };
            self.touched.push(token);
        }
        change
    }

    /// What was noted of a touched token.
    pub(super) fn changes_of(&self, token: u32) -> &Change {
        &self.changes[token as usize]
    }

    #[inline]
    pub(super) fn give(&mut self, token: u32, count: i64) {
        let change = self.of(token);
        change.given += count;
        change.n_places += 1;
    }
}
