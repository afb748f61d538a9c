//! [`BinaryHeap`]: a heap that breaks ties as the C++ standard library of GCC does.
//!
//! Of hypotheses with equal scores SentencePiece takes the one that `std::priority_queue` gives, which follows from where the
//! heap's algorithms move things. They are those of Knuth, "The Art of Computer Programming", volume 3, section 5.2.3: a
//! value taken from the end sinks to a leaf along the greater children, of equals the right one, and rises again.

/// Values with their keys; the greatest key first.
#[derive(Debug, Default)]
pub(super) struct BinaryHeap {
    items: Vec<(f32, u32)>,
}

impl BinaryHeap {
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn push(&mut self, key: f32, value: u32) {
        self.items.push((key, value));
        self.rise(self.items.len() - 1, (key, value));
    }

    pub(super) fn pop(&mut self) -> Option<(f32, u32)> {
        let last = self.items.pop()?;
        let Some(&first) = self.items.first() else { return Some(last) };
        let len = self.items.len();
        let mut hole = 0;
        while 2 * hole + 2 < len {
            let right = 2 * hole + 2;
            let child =
                if self.items[right].0 < self.items[right - 1].0 { right - 1 } else { right };
            self.items[hole] = self.items[child];
            hole = child;
        }
        if 2 * hole + 2 == len {
            self.items[hole] = self.items[len - 1];
            hole = len - 1;
        }
        self.rise(hole, last);
        Some(first)
    }

    fn rise(&mut self, mut hole: usize, item: (f32, u32)) {
        while hole > 0 {
            let parent = (hole - 1) / 2;
            if self.items[parent].0 >= item.0 {
                break;
            }
            self.items[hole] = self.items[parent];
            hole = parent;
        }
        self.items[hole] = item;
    }

    /// Its values, in no order.
    pub(super) fn values(&self) -> impl Iterator<Item = u32> {
        self.items.iter().map(|&(_, value)| value)
    }

    /// Puts other values in their place.
    pub(super) fn map_values(&mut self, map: impl Fn(u32) -> u32) {
        for (_, value) in &mut self.items {
            *value = map(*value);
        }
    }
}
