//! [`Automaton`]: the two tries of a WordPiece vocabulary with what to do where they have no way on.
//!
//! One trie holds the tokens as they may start a pre-token, the other, without the prefix, those that may continue one. A
//! node stands for the text read since it was at a root. Its failure pops are the tokens that greedy matching makes of the
//! beginning of that text, as soon as no longer token can match; its failure link is the node of the rest in the trie of
//! continuing tokens. A node without a link stands for text that cannot begin any writing.
//!
//! Nodes are numbered by depth, both roots first; the children of a node stand side by side, ordered by byte. So links and
//! pops of a node come from nodes before it. Pops are shared: the pops of a node are those of its parent and of other nodes,
//! joined; a join is a pair of two lists, so that tokens of a megabyte cost no more than their length.

use crate::error::{Error, Result};
use crate::model::Token;

/// Where a pre-token starts.
pub(super) const START: u32 = 0;
/// Where what follows a token starts.
pub(super) const CONTINUING: u32 = 1;

/// No node, or no list.
const NONE: u32 = u32::MAX;

/// Tokens in a row.
#[derive(Debug, Clone, Copy)]
enum List {
    Token { id: u32, n_bytes: u32 },
    Joined(u32, u32),
}

#[derive(Debug, Clone, Copy)]
struct Node {
    /// Its first child; its last stands before the first child of the next node.
    first_child: u32,
    /// Failure link, or [`NONE`].
    link: u32,
    /// Failure pops, a [`List`], or [`NONE`].
    pops: u32,
}

#[derive(Debug)]
pub(super) struct Automaton {
    /// One more than there are nodes: the last ends the children of the one before.
    nodes: Vec<Node>,
    /// The byte that leads to each node.
    bytes: Vec<u8>,
    lists: Vec<List>,
}

/// The tokens under a node: a range of the ordered tokens, all of which begin with the same `depth` bytes.
struct Group {
    parent: u32,
    first: usize,
    end: usize,
    depth: usize,
}

impl Automaton {
    /// From texts and ids; `prefix` marks those that continue a pre-token.
    pub(super) fn new(starting: Vec<(&[u8], u32)>, prefix: &[u8]) -> Result<Self> {
        let n_starting = starting.len();
        let mut tokens = starting;
        let continuing =
            tokens.iter().filter_map(|&(text, id)| Some((text.strip_prefix(prefix)?, id)));
        let continuing = continuing.collect::<Vec<_>>();
        tokens.extend(continuing);
        let (starting, continuing) = tokens.split_at_mut(n_starting);
        starting.sort_unstable();
        continuing.sort_unstable();
        let too_large = || Error::Vocab("the tokens together exceed 2 GiB".to_owned());
        let n_bytes = tokens.iter().map(|(text, _)| text.len()).sum::<usize>();
        if u32::try_from(n_bytes).is_ok_and(|n_bytes| n_bytes < NONE / 2) {
            let mut automaton = Self { nodes: Vec::new(), bytes: Vec::new(), lists: Vec::new() };
            automaton.build(&tokens, n_starting);
            Ok(automaton)
        } else {
            Err(too_large())
        }
    }

    fn build(&mut self, tokens: &[(&[u8], u32)], n_starting: usize) {
        let group = |first, end| Group { parent: NONE, first, end, depth: 0 };
        let mut groups = vec![group(0, n_starting), group(n_starting, tokens.len())];
        self.bytes = vec![0; 2];
        let mut next = Vec::new();
        while !groups.is_empty() {
            for group in groups.drain(..) {
                self.add_node(tokens, group, &mut next);
            }
            std::mem::swap(&mut groups, &mut next);
        }
        self.nodes.push(Node { first_child: self.n_known(), link: NONE, pops: NONE });
    }

    /// How many nodes are known, though their children may not be.
    #[expect(clippy::cast_possible_truncation, reason = "checked when it is built")]
    fn n_known(&self) -> u32 {
        self.bytes.len() as u32
    }

    #[expect(clippy::cast_possible_truncation, reason = "checked when it is built")]
    fn add_node(&mut self, tokens: &[(&[u8], u32)], group: Group, next: &mut Vec<Group>) {
        let Group { parent, mut first, end, depth } = group;
        let this = self.nodes.len() as u32;
        self.nodes.push(Node { first_child: self.n_known(), link: NONE, pops: NONE });
        let mut own = None;
        // Of texts that begin alike the shortest stands first, and only one is as short as that. The empty text is no token.
        while let Some(&(text, id)) =
            tokens[..end].get(first).filter(|(text, _)| text.len() == depth)
        {
            own = (depth > 0).then_some(List::Token { id, n_bytes: text.len() as u32 });
            first += 1;
        }
        if let Some(own) = own {
            let pops = self.add_list(own);
            self.set(this, CONTINUING, pops);
        } else if parent != NONE {
            let (link, pops) = self.link_through(parent, self.bytes[this as usize]);
            self.set(this, link, pops);
        }
        while first < end {
            let byte = tokens[first].0[depth];
            let after = tokens[first..end].partition_point(|(text, _)| text[depth] == byte) + first;
            self.bytes.push(byte);
            next.push(Group { parent: this, first, end: after, depth: depth + 1 });
            first = after;
        }
    }

    fn set(&mut self, node: u32, link: u32, pops: u32) {
        let node = &mut self.nodes[node as usize];
        (node.link, node.pops) = (link, pops);
    }

    #[expect(clippy::cast_possible_truncation, reason = "at most two lists a step of a token")]
    fn add_list(&mut self, list: List) -> u32 {
        self.lists.push(list);
        self.lists.len() as u32 - 1
    }

    /// Link and pops of the child of `parent` by `byte`, which is no token.
    fn link_through(&mut self, parent: u32, byte: u8) -> (u32, u32) {
        let Node { mut link, mut pops, .. } = self.nodes[parent as usize];
        while link != NONE {
            if let Some(child) = self.child(link, byte) {
                return (child, pops);
            }
            let through = self.nodes[link as usize];
            if through.link != NONE {
                pops = self.add_list(List::Joined(pops, through.pops));
            }
            link = through.link;
        }
        (NONE, NONE)
    }

    /// The node that `byte` leads to.
    pub(super) fn child(&self, node: u32, byte: u8) -> Option<u32> {
        let first = self.nodes[node as usize].first_child;
        let end = self.nodes[node as usize + 1].first_child;
        let bytes = &self.bytes[first as usize..end as usize];
        let found = bytes.binary_search(&byte).ok()?;
        u32::try_from(found).ok().map(|found| first + found)
    }

    /// Appends the failure pops of a node, the first of which starts at `start`, and moves `start` behind them; the failure
    /// link.
    pub(super) fn fail(
        &self,
        node: u32,
        start: &mut usize,
        tokens: &mut Vec<Token>,
    ) -> Option<u32> {
        let Node { link, pops, .. } = self.nodes[node as usize];
        if link == NONE {
            return None;
        }
        let mut pending = Vec::new();
        let mut list = pops;
        loop {
            match self.lists[list as usize] {
                List::Joined(left, right) => {
                    pending.push(right);
                    list = left;
                }
                List::Token { id, n_bytes } => {
                    let end = *start + n_bytes as usize;
                    tokens.push(Token { id, start: *start, end });
                    *start = end;
                    match pending.pop() {
                        Some(right) => list = right,
                        None => return Some(link),
                    }
                }
            }
        }
    }
}
