//! [`Lattice`]: all segmentations of a text, for the n best and for sampling (Kudo 2018, "Subword Regularization").

use super::heap::BinaryHeap;
use super::{POLL_CHARS, narrow};
use crate::error::{Error, Result};
use crate::model::Random;
use crate::model::viterbi::{Step, Viterbi};
use crate::progress::Progress;

/// So many hypotheses are followed at a time, and so many are kept when there are too many, as in SentencePiece.
const MAX_AGENDA: usize = 10_000;
const MIN_AGENDA: usize = 512;

/// The scores of the pieces by id.
#[derive(Debug)]
pub(super) struct Lattice {
    pub(super) scores: Vec<f32>,
}

/// A piece that lies on the text.
#[derive(Debug, Clone, Copy)]
struct Node {
    step: Step,
    score: f32,
    /// The score of the best path up to its end.
    best: f32,
}

/// The pieces that lie on a text, and by place those that end there.
pub(super) struct Laid {
    nodes: Vec<Node>,
    ends: Vec<Vec<u32>>,
}

/// A path from a node to the end of the text.
#[derive(Debug, Clone, Copy)]
struct Hypothesis {
    /// Its first node; `None`: all of the text is covered.
    node: Option<u32>,
    next: Option<u32>,
    score: f32,
}

impl Lattice {
    /// Lays all pieces on `text`.
    pub(super) fn lay(&self, viterbi: &Viterbi, text: &str, progress: &Progress) -> Result<Laid> {
        let mut laid = Laid { nodes: Vec::new(), ends: vec![Vec::new(); text.len() + 1] };
        let unk_score = narrow(viterbi.unk_score);
        let unk_id = viterbi.unk_id.unwrap_or_default();
        let mut n_chars = 0_u32;
        for (start, c) in text.char_indices() {
            n_chars = n_chars.wrapping_add(1);
            if n_chars.is_multiple_of(POLL_CHARS) {
                progress.check()?;
            }
            let before = laid.best_at(start);
            let mut is_piece = false;
            let rest = text.as_bytes().get(start..).unwrap_or_default();
            let mut push = |id: u32, length: usize, score: f32| {
                let node = u32::try_from(laid.nodes.len()).unwrap_or(u32::MAX);
                let step = Step { id, start, end: start + length };
                laid.nodes.push(Node { step, score, best: before + score });
                laid.ends[start + length].push(node);
            };
            viterbi.trie.for_each_prefix(rest, |length, id| {
                is_piece |= length == c.len_utf8();
                push(id, length, self.scores[id as usize]);
            });
            if !is_piece {
                push(unk_id, c.len_utf8(), unk_score);
            }
            if laid.nodes.len() >= u32::MAX as usize / 2 {
                return Err(Error::Config("the text has too many segmentations".to_owned()));
            }
        }
        Ok(laid)
    }
}

impl Laid {
    /// The score of the best path to `place`.
    fn best_at(&self, place: usize) -> f32 {
        let mut scores = self.ends[place].iter().map(|&node| self.nodes[node as usize].best);
        let first = scores.next().unwrap_or_default();
        scores.fold(first, f32::max)
    }

    /// The `n` best paths with their scores.
    pub(super) fn n_best(&self, n: usize, progress: &Progress) -> Result<Vec<(Vec<Step>, f32)>> {
        let end = self.ends.len() - 1;
        let mut results = Vec::new();
        let mut hypotheses = vec![Hypothesis { node: None, next: None, score: 0.0 }];
        let mut agenda = BinaryHeap::default();
        agenda.push(self.best_at(end), 0);
        let mut n_popped = 0_u32;
        while let Some((score, top)) = agenda.pop() {
            n_popped = n_popped.wrapping_add(1);
            if n_popped.is_multiple_of(POLL_CHARS) {
                progress.check()?;
            }
            let chosen = hypotheses[top as usize];
            let is_start = chosen.next.is_none();
            let place = match chosen.node {
                Some(node) => self.nodes[node as usize].step.start,
                None if is_start => end,
                None => {
                    results.push((self.path(&hypotheses, chosen.next), score));
                    if results.len() == n {
                        break;
                    }
                    continue;
                }
            };
            let mut expand = |node: Option<u32>, score: f32, best: f32| {
                let id = u32::try_from(hypotheses.len()).unwrap_or(u32::MAX);
                let score = score + chosen.score;
                hypotheses.push(Hypothesis { node, next: Some(top), score });
                agenda.push(best + chosen.score, id);
            };
            if place == 0 {
                expand(None, 0.0, 0.0);
            }
            for &node in &self.ends[place] {
                let Node { score, best, .. } = self.nodes[node as usize];
                expand(Some(node), score, best);
            }
            if agenda.len() >= MAX_AGENDA {
                shrink(&mut agenda, &mut hypotheses, MIN_AGENDA.min(n * 10));
            }
        }
        Ok(results)
    }

    fn path(&self, hypotheses: &[Hypothesis], mut at: Option<u32>) -> Vec<Step> {
        let mut steps = Vec::new();
        while let Some(Hypothesis { node, next, .. }) = at.map(|at| hypotheses[at as usize]) {
            steps.extend(node.map(|node| self.nodes[node as usize].step));
            at = next;
        }
        steps
    }

    /// A random path, each with a probability in proportion to the `alpha`-th power of its own: forward sums, then pieces
    /// drawn from the end.
    pub(super) fn sample(&self, alpha: f64, random: &mut Random) -> Vec<Step> {
        let mut sums = vec![0.0_f64; self.ends.len()];
        let log = |sums: &[f64], node: u32| {
            let Node { step, score, .. } = self.nodes[node as usize];
            sums[step.start] + alpha * f64::from(score)
        };
        for place in 1..self.ends.len() {
            let logs = || self.ends[place].iter().map(|&node| log(&sums, node));
            let largest = logs().fold(f64::NEG_INFINITY, f64::max);
            if largest.is_finite() {
                sums[place] = largest + logs().map(|log| (log - largest).exp()).sum::<f64>().ln();
            }
        }
        let mut path = Vec::new();
        let mut place = self.ends.len() - 1;
        while let Some(ends) = self.ends.get(place).filter(|ends| !ends.is_empty()) {
            let logs: Vec<f64> = ends.iter().map(|&node| log(&sums, node)).collect();
            let Node { step, .. } = self.nodes[ends[random.choose(&logs)] as usize];
            path.push(step);
            place = step.start;
        }
        path.reverse();
        path
    }
}

/// Keeps the best `n` of the agenda, and of the hypotheses what these need.
fn shrink(agenda: &mut BinaryHeap, hypotheses: &mut Vec<Hypothesis>, n: usize) {
    let mut kept = BinaryHeap::default();
    for _ in 0..n {
        if let Some((key, value)) = agenda.pop() {
            kept.push(key, value);
        }
    }
    // A hypothesis goes on to one made before it: old numbers to new in one walk.
    let mut is_needed = vec![false; hypotheses.len()];
    for value in kept.values() {
        let mut at = Some(value);
        while let Some(here) = at.filter(|&at| !is_needed[at as usize]) {
            is_needed[here as usize] = true;
            at = hypotheses[here as usize].next;
        }
    }
    let mut new_ids = vec![0_u32; hypotheses.len()];
    let kept_ids = new_ids.iter_mut().zip(&is_needed).filter(|(_, is_needed)| **is_needed);
    for (n_kept, (new_id, _)) in (0_u32..).zip(kept_ids) {
        *new_id = n_kept;
    }
    let mut at = 0;
    hypotheses.retain_mut(|hypothesis| {
        hypothesis.next = hypothesis.next.map(|next| new_ids[next as usize]);
        at += 1;
        is_needed[at - 1]
    });
    kept.map_values(|value| new_ids[value as usize]);
    *agenda = kept;
}
