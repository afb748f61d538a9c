//! BPE-dropout (Provilkov et al. 2020, arXiv 1910.13267): merges left out at random, as `tokenizers` does it.
//!
//! Each candidate that comes out of the heap is passed over with the given probability. Those passed over go back when the
//! next is not, whether or not that one still holds; at the end of the heap they are lost.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::NONE;
use super::pairs::PairTable;
use crate::error::Result;
use crate::model::Random;
use crate::progress::Progress;

/// Candidates between two looks at whether to stop.
const POLL_CANDIDATES: u32 = 1 << 16;

/// Merges `symbols` in place: an id that was merged into its left neighbour becomes [`NONE`].
///
/// `is_current(rank, pair)` says whether a candidate of this rank holds for a pair of that rank and product.
pub(super) fn merge_at_random(
    pairs: &PairTable,
    is_current: impl Fn(u32, (u32, u32)) -> bool,
    (dropout, random): (f64, &mut Random),
    progress: &Progress,
    symbols: &mut [u32],
) -> Result<()> {
    let n = symbols.len();
    let mut next = (1..=n).collect::<Vec<_>>();
    let mut previous = (0..n).map(|place| place.checked_sub(1)).collect::<Vec<_>>();
    let mut heap = BinaryHeap::new();
    for (place, pair) in symbols.windows(2).enumerate() {
        let (rank, _) = pairs.get(pair[0], pair[1]);
        if rank != NONE {
            heap.push(Reverse((rank, place)));
        }
    }
    let mut passed_over = Vec::new();
    let mut n_popped = 0_u32;
    while let Some(Reverse((rank, place))) = heap.pop() {
        n_popped = n_popped.wrapping_add(1);
        if n_popped.is_multiple_of(POLL_CANDIDATES) {
            progress.check()?;
        }
        if random.next_f64() < dropout {
            passed_over.push(Reverse((rank, place)));
            continue;
        }
        heap.extend(passed_over.drain(..));
        let right = next[place];
        if symbols[place] == NONE || right == n {
            continue;
        }
        let (current, product) = pairs.get(symbols[place], symbols[right]);
        if current == NONE || !is_current(rank, (current, product)) {
            continue;
        }
        symbols[place] = product;
        symbols[right] = NONE;
        next[place] = next[right];
        if let Some(after) = previous.get_mut(next[place]) {
            *after = Some(place);
        }
        let mut push = |left: usize, right: usize| {
            let (rank, _) = pairs.get(symbols[left], symbols[right]);
            if rank != NONE {
                heap.push(Reverse((rank, left)));
            }
        };
        if let Some(before) = previous[place] {
            push(before, place);
        }
        if next[place] < n {
            push(place, next[place]);
        }
    }
    Ok(())
}
