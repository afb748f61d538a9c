//! Merging a short pre-token: the rank of each adjacent pair in an array, the first smallest of which is merged.

use super::pairs::PairTable;
use super::{NONE, SHORT};

/// Merges up to [`SHORT`] `symbols` in place; returns how many are left.
///
/// `first_pair(i)` is rank and product of the pair at `i` before any merge. `on_merge(i, n)` is told that of `n` symbols that
/// at `i + 1` was merged into that at `i`.
#[inline]
pub(super) fn merge_short(
    pairs: &PairTable,
    symbols: &mut [u32],
    first_pair: impl Fn(usize) -> (u32, u32),
    mut on_merge: impl FnMut(usize, usize),
) -> usize {
    // ranks[i] is the rank of the pair at (i, i + 1), products[i] its product.
    let mut ranks = [NONE; SHORT];
    let mut products = [NONE; SHORT];
    let mut n = symbols.len();
    for i in 0..n.saturating_sub(1) {
        (ranks[i], products[i]) = first_pair(i);
    }
    loop {
        let Some((best, &rank)) =
            ranks[..n.saturating_sub(1)].iter().enumerate().min_by_key(|&(_, &rank)| rank)
        else {
            return n;
        };
        if rank == NONE {
            return n;
        }
        on_merge(best, n);
        symbols[best] = products[best];
        symbols.copy_within(best + 2..n, best + 1);
        ranks.copy_within(best + 1..n, best);
        products.copy_within(best + 1..n, best);
        n -= 1;
        if best > 0 {
            (ranks[best - 1], products[best - 1]) = pairs.get(symbols[best - 1], symbols[best]);
        }
        if best + 1 < n {
            (ranks[best], products[best]) = pairs.get(symbols[best], symbols[best + 1]);
        }
    }
}
