//! Which of two pairs comes first: scores are fractions of integers and are compared as such.
//!
//! The score of a pair (a, b) is count(ab) / (weight(a) * weight(b)): a weight is the token's count for the likelihood
//! criterion and one for that of frequency. Counts have 64 bits, so the denominator has 128 and a product of both 192.

use std::cmp::Ordering;

/// The best pair of a row, or a bound on it: count and right token of the pair, and the weight the token had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) count: u64,
    pub(super) right: u32,
    /// Weight of `right`, at least one.
    pub(super) weight: u64,
    /// Index of the pair.
    pub(super) pair: u32,
}

impl Bound {
    /// The order of pairs with one left token: the larger score, of equals the larger count, then the smaller right id.
    pub(super) fn rank(&self, other: &Self) -> Ordering {
        let cross = |one: &Self, other: &Self| u128::from(one.count) * u128::from(other.weight);
        cross(self, other)
            .cmp(&cross(other, self))
            .then(self.count.cmp(&other.count))
            .then(other.right.cmp(&self.right))
    }

    /// The order of pairs with different left tokens: the larger score, of equals the larger count, then the smaller left id.
    /// Each bound comes with its left token and the token's weight.
    pub(super) fn rank_over_rows(one: (&Self, u32, u64), other: (&Self, u32, u64)) -> Ordering {
        let chances = |bound: &Self, weight| u128::from(bound.weight) * u128::from(weight);
        wide_product(one.0.count, chances(other.0, other.2))
            .cmp(&wide_product(other.0.count, chances(one.0, one.2)))
            .then(one.0.count.cmp(&other.0.count))
            .then(other.1.cmp(&one.1))
    }
}

/// All 192 bits of a product, the upper 128 first.
#[expect(clippy::cast_possible_truncation, reason = "the number is cut into its halves")]
fn wide_product(factor: u64, other: u128) -> (u128, u64) {
    let low = u128::from(factor) * u128::from(other as u64);
    let high = u128::from(factor) * (other >> 64) + (low >> 64);
    (high, low as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_product_keeps_every_bit() {
        let max = u64::MAX;
        assert_eq!(wide_product(3, 5), (0, 15));
        assert_eq!(wide_product(max, 1 << 64), (u128::from(max), 0));
        // (2^64 - 1) (2^128 - 1) = 2^192 - 2^128 - 2^64 + 1
        assert_eq!(wide_product(max, u128::MAX), (u128::MAX - (1 << 64) - 1 + 1, 1));
    }

    #[test]
    fn rank_tells_scores_apart_that_floats_do_not() {
        let bound = |count, weight| Bound { count, right: 0, weight, pair: 0 };
        let (one, other) = (bound(1 << 62, u64::MAX), bound((1 << 62) - 1, u64::MAX));
        assert_eq!(one.rank(&other), Ordering::Greater);
        // 2^62 / ((2^64 - 1) (2^64 - 1)) against the same over (2^64 - 1) (2^64 - 2).
        let rows = Bound::rank_over_rows((&one, 0, u64::MAX), (&one, 1, u64::MAX - 1));
        assert_eq!(rows, Ordering::Less);
    }
}
