//! [`Queue`]: the pairs by count, largest first, with entries that may be out of date.
//!
//! A pair's count only falls once it is queued, so an entry is never below the truth: when the first entry's count is still the
//! pair's, it is the largest of all, and when not, the pair goes back with its present count. Counts below [`N_BUCKETS`], which
//! most pairs have, need no order before their turn: each count has a bucket, and a bucket becomes a heap when the counts
//! above it are used up. Most buckets never are.
//!
//! Equal counts are ordered by the caller's rule, which must be a total order of pairs.

const N_BUCKETS: usize = 1 << 14;

/// Count and slot.
type Entry = (i64, u32);

#[derive(Debug)]
pub(super) struct Queue {
    /// A heap of counts from `N_BUCKETS` on, and of those that came above the present level.
    high: Vec<Entry>,
    /// A heap of the pairs whose count is `level`.
    at_level: Vec<Entry>,
    level: usize,
    buckets: Vec<Vec<u32>>,
}

/// What the queue asks about slots.
pub(super) trait Ranking {
    /// The present count of a slot's pair.
    fn count(&self, slot: u32) -> i64;
    /// Whether `a` goes before `b` when their counts are equal.
    fn is_before(&self, a: u32, b: u32) -> bool;
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            high: Vec::new(),
            at_level: Vec::new(),
            level: N_BUCKETS,
            buckets: vec![Vec::new(); N_BUCKETS],
        }
    }

    pub(super) fn push(&mut self, slot: u32, ranking: &impl Ranking) {
        let count = ranking.count(slot);
        match usize::try_from(count) {
            Ok(count) if count < self.level => self.buckets[count].push(slot),
            Ok(level) if level == self.level && level < N_BUCKETS => {
                push(&mut self.at_level, (count, slot), ranking);
            }
            Ok(_) => push(&mut self.high, (count, slot), ranking),
            Err(_) => {}
        }
    }

    /// The pair of the largest count, if that is `least` or more (`least` being at least 1).
    pub(super) fn pop(&mut self, least: i64, ranking: &impl Ranking) -> Option<u32> {
        loop {
            let top = pop(&mut self.high, ranking).or_else(|| pop(&mut self.at_level, ranking));
            let Some((count, slot)) = top else {
                if self.level == 0 || i64::try_from(self.level - 1).is_ok_and(|next| next < least) {
                    return None;
                }
                self.next_level(ranking);
                continue;
            };
            let present = ranking.count(slot);
            if present == count {
                return (count >= least).then_some(slot);
            }
            if present >= least {
                self.push(slot, ranking);
            }
        }
    }

    /// Makes a heap of the pairs in the next bucket that are still of its count; the others go on down.
    fn next_level(&mut self, ranking: &impl Ranking) {
        self.level -= 1;
        for slot in std::mem::take(&mut self.buckets[self.level]) {
            let present = ranking.count(slot);
            match usize::try_from(present) {
                Ok(count) if count < self.level => self.buckets[count].push(slot),
                Ok(_) => self.at_level.push((present, slot)),
                Err(_) => {}
            }
        }
        for place in (0..self.at_level.len() / 2).rev() {
            sift_down(&mut self.at_level, place, ranking);
        }
    }
}

fn is_before(a: Entry, b: Entry, ranking: &impl Ranking) -> bool {
    a.0 > b.0 || (a.0 == b.0 && a.1 != b.1 && ranking.is_before(a.1, b.1))
}

fn push(heap: &mut Vec<Entry>, entry: Entry, ranking: &impl Ranking) {
    heap.push(entry);
    let mut place = heap.len() - 1;
    while place > 0 {
        let parent = (place - 1) / 2;
        if !is_before(heap[place], heap[parent], ranking) {
            break;
        }
        heap.swap(place, parent);
        place = parent;
    }
}

fn pop(heap: &mut Vec<Entry>, ranking: &impl Ranking) -> Option<Entry> {
    let last = heap.len().checked_sub(1)?;
    heap.swap(0, last);
    let top = heap.pop();
    sift_down(heap, 0, ranking);
    top
}

fn sift_down(heap: &mut [Entry], mut place: usize, ranking: &impl Ranking) {
    loop {
        let mut best = place;
        for child in [2 * place + 1, 2 * place + 2] {
            if child < heap.len() && is_before(heap[child], heap[best], ranking) {
                best = child;
            }
        }
        if best == place {
            return;
        }
        heap.swap(place, best);
        place = best;
    }
}
