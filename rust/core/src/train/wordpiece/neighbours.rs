//! [`Neighbours`]: what one step takes from and gives to the pairs on one side of the token that it makes, by neighbour.

/// The sums of one neighbour.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    /// The step in which these sums were begun.
    step: u32,
    /// How often the neighbour stood beside what was joined.
    pub(super) taken: u64,
    /// How often it stands beside the product.
    pub(super) given: u64,
    /// At how many places it does.
    pub(super) n_places: u32,
    /// The pair of neighbour and product, if it is kept.
    pub(super) pair: Option<u32>,
}

/// Dense by token, so that a step finds sums without hashing; emptied by counting steps.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    step: u32,
    sums: Vec<Sums>,
    touched: Vec<u32>,
}

impl Neighbours {
    /// Forgets all sums and makes room for tokens below `n_tokens`.
    pub(super) fn begin(&mut self, n_tokens: usize) {
        self.step += 1;
        self.sums.resize(n_tokens, Sums::default());
        self.touched.clear();
    }

    /// The sums of a neighbour.
    pub(super) fn of(&mut self, token: u32) -> &mut Sums {
        let sums = &mut self.sums[token as usize];
        if sums.step != self.step {
            *sums = Sums { step: self.step, ..Sums::default() };
            self.touched.push(token);
        }
        sums
    }

    /// Notes the pair of each neighbour.
    pub(super) fn number_pairs(&mut self, mut pair_of: impl FnMut(u32, Sums) -> Option<u32>) {
        for &token in &self.touched {
            let sums = &mut self.sums[token as usize];
            sums.pair = pair_of(token, *sums);
        }
    }

    /// Every neighbour that has sums, in the order of first need.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, Sums)> {
        self.touched.iter().map(|&token| (token, self.sums[token as usize]))
    }
}
