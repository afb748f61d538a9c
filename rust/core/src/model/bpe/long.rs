//! Merging a long pre-token: candidate merges in a heap ordered by (rank, place).
//!
//! Symbols form a doubly linked list over their start places. A candidate whose symbols have changed since it was queued is
//! recognised because its pair no longer has its rank (a rank belongs to one pair), and dropped.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::NONE;
use super::pairs::PairTable;
use crate::error::Result;
use crate::progress::Progress;

/// Memory that merging reuses between long pre-tokens.
#[derive(Debug, Default)]
pub struct LongScratch {
    next: Vec<u32>,
    previous: Vec<u32>,
    heap: BinaryHeap<Reverse<u64>>,
}

/// Scratch beyond this many places is given back after use, so that one huge text does not hold memory for ever.
const KEEP_PLACES: usize = 1 << 20;

/// Between two looks at whether to stop.
const POLL_CANDIDATES: u32 = 1 << 16;

#[expect(clippy::cast_possible_truncation, reason = "takes the two halves apart")]
const fn unpack(candidate: u64) -> (u32, u32) {
    ((candidate >> 32) as u32, candidate as u32)
}

const fn pack(rank: u32, place: u32) -> Reverse<u64> {
    Reverse((rank as u64) << 32 | place as u64)
}

/// Merges `symbols`, `n` ids, in place: an id that was merged into its left neighbour becomes [`NONE`].
///
/// `is_current(rank, pair)` says whether a candidate of this rank holds for a pair of that rank and product.
pub(super) fn merge_long(
    pairs: &PairTable,
    is_current: impl Fn(u32, (u32, u32)) -> bool,
    progress: &Progress,
    scratch: &mut LongScratch,
    symbols: &mut [u32],
    n: u32,
) -> Result<()> {
    let LongScratch { next, previous, heap } = scratch;
    next.clear();
    previous.clear();
    for place in 0..n {
        if place.is_multiple_of(POLL_CANDIDATES) {
            progress.check()?;
        }
        next.push(place + 1);
        previous.push(place.checked_sub(1).unwrap_or(NONE));
    }
    let mut candidates = std::mem::take(heap).into_vec();
    candidates.clear();
    for place in 0..n - 1 {
        if place.is_multiple_of(POLL_CANDIDATES) {
            progress.check()?;
        }
        let (rank, _) = pairs.get(symbols[place as usize], symbols[place as usize + 1]);
        if rank != NONE {
            candidates.push(pack(rank, place));
        }
    }
    *heap = BinaryHeap::from(candidates);
    let mut n_popped = 0_u32;
    while let Some(Reverse(candidate)) = heap.pop() {
        n_popped = n_popped.wrapping_add(1);
        if n_popped.is_multiple_of(POLL_CANDIDATES) {
            progress.check()?;
        }
        let (rank, place) = unpack(candidate);
        let left = place as usize;
        if symbols[left] == NONE || next[left] == n {
            continue;
        }
        let right = next[left] as usize;
        let (current, product) = pairs.get(symbols[left], symbols[right]);
        if current == NONE || !is_current(rank, (current, product)) {
            continue;
        }
        symbols[left] = product;
        symbols[right] = NONE;
        let after = next[right];
        next[left] = after;
        if after < n {
            previous[after as usize] = place;
            let (rank, _) = pairs.get(product, symbols[after as usize]);
            if rank != NONE {
                heap.push(pack(rank, place));
            }
        }
        let before = previous[left];
        if before != NONE {
            let (rank, _) = pairs.get(symbols[before as usize], product);
            if rank != NONE {
                heap.push(pack(rank, before));
            }
        }
    }
    if next.capacity() > KEEP_PLACES {
        *scratch = LongScratch::default();
    }
    Ok(())
}
