//! Dropping tokens that are rare when training ends.

use super::learn::{Learned, Merge};
use super::texts::Texts;
use crate::vocab::index;

/// Drops the products that occur less than `least` times and that no kept merge needs, from the newest to the oldest; what a
/// dropped one occurred counts for its two parts. The others are numbered anew. Each product must have one merge that makes it.
///
/// Counts are those that training ended with: where a dropped product parts, an occurrence of a part may since join with its
/// other neighbour, which is not looked into.
pub(super) fn prune(learned: Learned, least: u64) -> Learned {
    let n_tokens = learned.texts.len();
    let mut counts = learned.token_counts;
    let mut is_needed = vec![false; n_tokens];
    let mut is_kept = vec![true; n_tokens];
    for merge in learned.merges.iter().rev() {
        let product = merge.product as usize;
        let parts = [merge.pair.0 as usize, merge.pair.1 as usize];
        if product >= learned.n_required && !is_needed[product] && counts[product] < least {
            is_kept[product] = false;
            for part in parts {
                counts[part] = counts[part].saturating_add(counts[product]);
            }
        } else {
            for part in parts {
                is_needed[part] = true;
            }
        }
    }
    let mut ids = vec![0; n_tokens];
    let mut texts = Texts::default();
    for (id, text) in learned.texts.iter().enumerate().filter(|&(id, _)| is_kept[id]) {
        ids[id] = index(texts.len());
        texts.push(text);
    }
    let id = |old: u32| ids[old as usize];
    let merges = learned.merges.into_iter().filter(|merge| is_kept[merge.product as usize]);
    let merges = merges.map(|merge| Merge {
        pair: (id(merge.pair.0), id(merge.pair.1)),
        product: id(merge.product),
        ..merge
    });
    Learned { texts, merges: merges.collect(), token_counts: Vec::new(), ..learned }
}
