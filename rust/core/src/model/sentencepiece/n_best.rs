//! The best segmentations in the order of SentencePiece: A* from the end of the text, with the scores of the best paths as
//! its estimate (Kudo 2018, section 3.3), in sums of 32 bits.

use super::heap::BinaryHeap;
use super::{POLL_CHARS, narrow};
use crate::error::Result;
use crate::model::lattice::{Laid, Node};
use crate::model::viterbi::Step;
use crate::progress::Progress;

/// So many hypotheses are followed at a time, and so many are kept when there are too many, as in SentencePiece.
const MAX_AGENDA: usize = 10_000;
const MIN_AGENDA: usize = 512;

/// A path from a node to the end of the text.
#[derive(Debug, Clone, Copy)]
struct Hypothesis {
    /// Its first node; `None`: all of the text is covered.
    node: Option<u32>,
    next: Option<u32>,
    score: f32,
}

/// The `n` best paths with their scores.
///
/// # Errors
/// [`crate::Error::Interrupted`].
pub(super) fn n_best(laid: &Laid, n: usize, progress: &Progress) -> Result<Vec<(Vec<Step>, f32)>> {
    let end = laid.ends.len() - 1;
    let mut results = Vec::new();
    let mut hypotheses = vec![Hypothesis { node: None, next: None, score: 0.0 }];
    let mut agenda = BinaryHeap::default();
    agenda.push(narrow(laid.best_at(end)), 0);
    let mut n_popped = 0_u32;
    while let Some((score, top)) = agenda.pop() {
        n_popped = n_popped.wrapping_add(1);
        if n_popped.is_multiple_of(POLL_CHARS) {
            progress.check()?;
        }
        let chosen = hypotheses[top as usize];
        let is_start = chosen.next.is_none();
        let place = match chosen.node {
            Some(node) => laid.nodes[node as usize].step.start,
            None if is_start => end,
            None => {
                results.push((path(laid, &hypotheses, chosen.next), score));
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
        for &node in &laid.ends[place] {
            let Node { score, best, .. } = laid.nodes[node as usize];
            expand(Some(node), narrow(score), narrow(best));
        }
        if agenda.len() >= MAX_AGENDA {
            shrink(&mut agenda, &mut hypotheses, MIN_AGENDA.min(n * 10));
        }
    }
    Ok(results)
}

fn path(laid: &Laid, hypotheses: &[Hypothesis], mut at: Option<u32>) -> Vec<Step> {
    let mut steps = Vec::new();
    while let Some(Hypothesis { node, next, .. }) = at.map(|at| hypotheses[at as usize]) {
        steps.extend(node.map(|node| laid.nodes[node as usize].step));
        at = next;
    }
    steps
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
