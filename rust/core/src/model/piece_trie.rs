//! [`PieceTrie`]: finds every piece that a text begins with, in one walk over the text.
//!
//! A double array (Aoe 1989, "An Efficient Digital Search Algorithm by Using a Double-Array Structure") over bytes: the child
//! of a node by a byte is the cell `base ^ byte`, and is one only if the cell names the node as its parent. The children of
//! a node lie within one block of 256 cells, and only the last few blocks are searched for room, so that building takes time
//! and memory in proportion to the pieces, whatever they are.

use crate::error::Result;
use crate::progress::Progress;

/// No value, no parent.
const NONE: u32 = u32::MAX;

/// How many blocks are searched for room.
const N_OPEN: usize = 8;

#[derive(Debug, Clone, Copy)]
struct Cell {
    base: u32,
    parent: u32,
    value: u32,
}

const FREE: Cell = Cell { base: 0, parent: NONE, value: NONE };

/// Pieces and their values, ready to be found.
#[derive(Debug)]
pub(crate) struct PieceTrie {
    cells: Vec<Cell>,
}

/// A block that is searched for room: where it starts, and a bit for each of its cells that is free.
struct Block {
    start: u32,
    free: [u64; 4],
}

impl Block {
    fn is_free(&self, cell: u8) -> bool {
        self.free[usize::from(cell >> 6)] >> (cell & 63) & 1 == 1
    }

    /// Takes a cell for each child, if there is a base for all.
    fn take(&mut self, children: &[(u8, usize)]) -> Option<u32> {
        let first = children.first().map_or(0, |&(byte, _)| byte);
        let fits = |base: &u8| children.iter().all(|&(byte, _)| self.is_free(base ^ byte));
        let base = self.free_cells().map(|cell| cell ^ first).find(fits)?;
        for &(byte, _) in children {
            let cell = base ^ byte;
            self.free[usize::from(cell >> 6)] &= !(1 << (cell & 63));
        }
        Some(self.start ^ u32::from(base))
    }

    fn free_cells(&self) -> impl Iterator<Item = u8> {
        [0_u8, 64, 128, 192].into_iter().zip(self.free).flat_map(|(first, mut bits)| {
            std::iter::from_fn(move || {
                let bit = u8::try_from(bits.trailing_zeros()).ok().filter(|&bit| bit < 64)?;
                bits &= bits - 1;
                Some(first + bit)
            })
        })
    }
}

/// Nodes that share a prefix of `depth` bytes: a range of the sorted pieces.
struct Task {
    node: u32,
    depth: usize,
    from: usize,
    to: usize,
}

impl PieceTrie {
    /// From pieces and their values; of equal pieces the last counts, and empty ones are never found.
    pub(crate) fn new<P: AsRef<[u8]>>(pieces: impl Iterator<Item = (P, u32)>) -> Self {
        Self::build(pieces, &Progress::default())
            .unwrap_or_else(|_| Self { cells: vec![FREE; 256] })
    }

    /// As [`PieceTrie::new`], and looks at whether to stop.
    ///
    /// # Errors
    /// [`crate::Error::Interrupted`] alone.
    pub(crate) fn build<P: AsRef<[u8]>>(
        pieces: impl Iterator<Item = (P, u32)>,
        progress: &Progress,
    ) -> Result<Self> {
        let pieces: Vec<(P, u32)> = pieces.collect();
        let mut sorted: Vec<(&[u8], u32)> =
            pieces.iter().map(|(piece, value)| (piece.as_ref(), *value)).collect();
        sorted.sort_by(|a, b| a.0.cmp(b.0));
        // The root lies in a block of its own, as a cell that is nobody's child.
        let mut trie = Self { cells: vec![FREE; 256] };
        let mut open = Vec::new();
        let mut tasks = vec![Task { node: 0, depth: 0, from: 0, to: sorted.len() }];
        let mut children: Vec<(u8, usize)> = Vec::new();
        while let Some(Task { node, depth, mut from, to }) = tasks.pop() {
            progress.check()?;
            while let Some(&(piece, value)) = sorted.get(from).filter(|_| from < to) {
                if piece.len() > depth {
                    break;
                }
                trie.cells[node as usize].value = value;
                from += 1;
            }
            children.clear();
            for (at, &(piece, _)) in sorted.iter().enumerate().take(to).skip(from) {
                let byte = piece[depth];
                if children.last().is_none_or(|&(last, _)| last != byte) {
                    children.push((byte, at));
                }
            }
            if children.is_empty() {
                continue;
            }
            let base = trie.find_room(&children, &mut open);
            trie.cells[node as usize].base = base;
            for (i, &(byte, start)) in children.iter().enumerate() {
                let cell = base ^ u32::from(byte);
                trie.cells[cell as usize].parent = node;
                let stop = children.get(i + 1).map_or(to, |&(_, next)| next);
                tasks.push(Task { node: cell, depth: depth + 1, from: start, to: stop });
            }
        }
        // An empty piece would stand at the root, and nothing is looked up there.
        Ok(trie)
    }

    /// A base at which all children find a free cell, which are theirs from then on.
    fn find_room(&mut self, children: &[(u8, usize)], open: &mut Vec<Block>) -> u32 {
        let found = open.iter_mut().find_map(|block| block.take(children));
        found.unwrap_or_else(|| {
            let mut block = Block { start: to_u32(self.cells.len()), free: [u64::MAX; 4] };
            self.cells.resize(self.cells.len() + 256, FREE);
            if open.len() == N_OPEN {
                open.remove(0);
            }
            let base = block.take(children).unwrap_or(block.start);
            open.push(block);
            base
        })
    }

    /// Calls `each(length, value)` for every piece that `text` begins with, short ones first.
    #[inline]
    pub(crate) fn for_each_prefix(&self, text: &[u8], mut each: impl FnMut(usize, u32)) {
        let mut node = 0;
        let mut base = self.cells[0].base;
        for (i, &byte) in text.iter().enumerate() {
            let child = base ^ u32::from(byte);
            match self.cells.get(child as usize) {
                Some(cell) if cell.parent == node => {
                    if cell.value != NONE {
                        each(i + 1, cell.value);
                    }
                    (node, base) = (child, cell.base);
                }
                _ => return,
            }
        }
    }

    /// The value of the piece that is `text`.
    pub(crate) fn get(&self, text: &[u8]) -> Option<u32> {
        let mut found = None;
        self.for_each_prefix(text, |length, value| {
            if length == text.len() {
                found = Some(value);
            }
        });
        found
    }

    /// Length and value of the longest piece that `text` begins with.
    pub(crate) fn longest(&self, text: &[u8]) -> Option<(usize, u32)> {
        let mut found = None;
        self.for_each_prefix(text, |length, value| found = Some((length, value)));
        found
    }
}

/// Cells are numbered in 32 bits: pieces of 4 GiB together would be needed to exceed them.
fn to_u32(cell: usize) -> u32 {
    u32::try_from(cell).unwrap_or(NONE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn prefixes_match_naive(
            pieces in prop::collection::vec("[ab▁é]{0,5}", 0..40),
            text in "[ab▁éc]{0,12}",
        ) {
            let trie = PieceTrie::new(pieces.iter().map(String::as_str).zip(0..));
            let mut found = Vec::new();
            trie.for_each_prefix(text.as_bytes(), |length, value| found.push((length, value)));
            let mut expected = Vec::new();
            for length in 1..=text.len() {
                let same = pieces.iter().rposition(|piece| piece.as_bytes() == &text.as_bytes()[..length]);
                expected.extend(same.map(|value| (length, u32::try_from(value).unwrap())));
            }
            prop_assert_eq!(trie.longest(text.as_bytes()).is_some(), !expected.is_empty());
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn memory_stays_in_proportion_when_every_node_has_many_children() {
        let pieces: Vec<String> = ('a'..='z')
            .flat_map(|a| {
                ('a'..='z').flat_map(move |b| ('a'..='z').map(move |c| format!("{a}{b}{c}")))
            })
            .collect();
        let trie = PieceTrie::new(pieces.iter().map(String::as_str).zip(0..));
        assert!(trie.cells.len() < 16 * pieces.len());
        assert_eq!(trie.get(b"xyz"), Some(23 * 676 + 24 * 26 + 25));
        assert_eq!(trie.get(b"xy"), None);
    }
}
