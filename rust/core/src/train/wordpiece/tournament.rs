//! [`Tournament`]: the best of many contestants, kept while single ones change.
//!
//! A complete binary tree in an array: each contestant is a leaf, each node above holds the better of its two children. A
//! change climbs from its leaf and ends where the winner was another before and still is.

/// No contestant.
const NONE: u32 = u32::MAX;

#[derive(Debug)]
pub(super) struct Tournament {
    /// Node 1 is the root, node i has the children 2 i and 2 i + 1; the second half are the leaves.
    nodes: Vec<u32>,
}

impl Tournament {
    /// A tournament that contestants below `n_contestants` may enter.
    pub(super) fn new(n_contestants: usize) -> Self {
        Self { nodes: vec![NONE; 2 * n_contestants.next_power_of_two()] }
    }

    /// Puts everybody out.
    pub(super) fn clear(&mut self) {
        self.nodes.fill(NONE);
    }

    /// The best of all; `None` when nobody is in.
    pub(super) fn winner(&self) -> Option<u32> {
        self.nodes.get(1).copied().filter(|&winner| winner != NONE)
    }

    /// Plays the games of a contestant again, which is in or, now, out. `beats` says whether its first argument is better.
    pub(super) fn update(
        &mut self,
        contestant: u32,
        is_in: bool,
        beats: impl Fn(u32, u32) -> bool,
    ) {
        let mut node = self.nodes.len() / 2 + contestant as usize;
        self.nodes[node] = if is_in { contestant } else { NONE };
        while node > 1 {
            node /= 2;
            let (left, right) = (self.nodes[2 * node], self.nodes[2 * node + 1]);
            let winner =
                if right == NONE || left != NONE && beats(left, right) { left } else { right };
            let before = std::mem::replace(&mut self.nodes[node], winner);
            if before == winner && winner != contestant {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn winner_is_the_largest_whatever_changes() {
        let mut values: Vec<Option<u32>> = vec![None; 37];
        let mut tournament = Tournament::new(values.len());
        let mut state = 1_u32;
        for _ in 0..5000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let place = (state >> 8) as usize % values.len();
            values[place] = (!state.is_multiple_of(3)).then_some(state >> 20);
            let key = |place: u32| (values[place as usize], std::cmp::Reverse(place));
            let is_in = values[place].is_some();
            tournament
                .update(u32::try_from(place).unwrap(), is_in, |one, other| key(one) > key(other));
            let places = (0..37).filter(|&place: &u32| values[place as usize].is_some());
            assert_eq!(tournament.winner(), places.max_by_key(|&place| key(place)));
        }
    }
}
