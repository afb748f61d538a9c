//! Pruning: which pieces the vocabulary can do without (Kudo 2018, section 3.2).
//!
//! A piece that goes is replaced, wherever the best segmentations of the words use it, by the best segmentation of the piece
//! itself into others. What that takes from the likelihood of the text is its loss; those with the smallest losses go.
//! The lattice of a piece is part of that of any word it lies on, so nothing is looked up.
//!
//! Scores and losses are compared as numbers of 32 bits, so that the last bits of a sum decide nothing; equals go by length
//! and by id.

use super::corpus::to_f64;
use super::edges::{Edge, Edges};
use super::pieces::Pieces;
use crate::error::Result;
use crate::model::unigram::UNK_PENALTY;
use crate::progress::Progress;
use crate::train::math::{ln, single};

/// Keeps as many pieces as asked, those with the largest losses, and takes the edges of the others out. Characters, and pieces
/// that nothing can replace, go only when no best segmentation uses them.
///
/// # Errors
/// [`crate::Error::Interrupted`].
pub(super) fn shrink(
    edges: &mut Edges,
    pieces: &mut Pieces,
    n_kept: usize,
    n_threads: usize,
    progress: &Progress,
) -> Result<()> {
    let scores = edge_scores(pieces);
    let mut used =
        edges.sum(pieces.len(), n_threads, progress, |edges, count, scratch, sums| {
            count_best(edges, count, &scores, scratch, sums);
        })?;
    pieces.count_unknown(&mut used);
    let mut kept: Vec<bool> = (0..pieces.len()).map(|piece| pieces.is_required(piece)).collect();
    let mut losses = Vec::new();
    let total = used.iter().sum();
    let mut scratch = Best::default();
    for piece in (0..pieces.len()).filter(|&piece| pieces.is_alive(piece) && used[piece] > 0.0) {
        if pieces.is_char(piece) {
            kept[piece] = true;
        } else if !kept[piece]
            && let Some((instead, score)) = scratch.replacement(edges, pieces, piece, &scores)
            && scores[piece] >= score
        {
            losses.push((single(loss(piece, instead, &used, total)), piece));
        }
    }
    losses.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let n_more = n_kept.saturating_sub(kept.iter().filter(|&&kept| kept).count());
    for &(_, piece) in losses.iter().take(n_more) {
        kept[piece] = true;
    }
    pieces.keep_only(&kept);
    let new_ids = pieces.renumber();
    edges.renumber(&new_ids, pieces.len());
    Ok(())
}

/// Lets the pieces go that no best segmentation can use, since others spell the same with a better score.
pub(super) fn drop_unreachable(edges: &Edges, pieces: &mut Pieces) {
    let scores = edge_scores(pieces);
    let mut scratch = Best::default();
    let kept: Vec<bool> = (0..pieces.len())
        .map(|piece| {
            pieces.is_char(piece)
                || pieces.is_required(piece)
                || scratch
                    .replacement(edges, pieces, piece, &scores)
                    .is_none_or(|(_, score)| scores[piece] >= score)
        })
        .collect();
    pieces.keep_only(&kept);
}

/// How much the likelihood falls, per token, when `instead` stand for `piece`.
fn loss(piece: usize, instead: &[usize], used: &[f64], total: f64) -> f64 {
    let frequency = used[piece];
    let n_more = to_f64(instead.len() as u128) - 1.0;
    let new_total = ln(total + frequency * n_more);
    let of_others: f64 = instead.iter().map(|&other| ln(used[other] + frequency) - new_total).sum();
    frequency / total * (ln(frequency) - ln(total) - of_others)
}

/// The score of each piece on a lattice. A character that is no piece has that of the unknown character.
fn edge_scores(pieces: &Pieces) -> Vec<f32> {
    let unknown = single(pieces.worst_score() - UNK_PENALTY);
    let of_gone = |piece| if pieces.is_char(piece) { unknown } else { f32::NEG_INFINITY };
    (0..pieces.len())
        .map(|piece| pieces.score(piece).map_or_else(|| of_gone(piece), single))
        .collect()
}

/// The best path to each place of a part: its score and its last edge.
#[derive(Debug, Default)]
struct Best {
    paths: Vec<(f32, Option<Edge>)>,
    /// The pieces of the best path, last first.
    instead: Vec<usize>,
}

impl Best {
    /// The best path over the first `n_chars` places of `edges`, leaving out `without` when it covers all of them. Of equal
    /// paths, the one whose last piece is the longest.
    #[inline]
    fn find(&mut self, edges: &[Edge], n_chars: usize, without: usize, scores: &[f32]) {
        self.paths.clear();
        self.paths.resize(n_chars + 1, (f32::NEG_INFINITY, None));
        self.paths[0].0 = 0.0;
        let mut place = usize::MAX;
        for &edge in edges {
            place = place.wrapping_add(usize::from(edge.length() == 1));
            if place == n_chars {
                break;
            }
            let end = place + edge.length();
            if end > n_chars || (edge.length() == n_chars && edge.piece() == without) {
                continue;
            }
            let score = self.paths[place].0 + scores[edge.piece()];
            let path = &mut self.paths[end];
            // Edges to a place come with their length falling: a later one must be better.
            if score > path.0 {
                *path = (score, Some(edge));
            }
        }
    }

    /// The pieces of the path that was found, last first.
    fn pieces(&self, n_chars: usize) -> impl Iterator<Item = usize> {
        let mut end = n_chars;
        std::iter::from_fn(move || {
            let (_, edge) = self.paths.get(end)?;
            end -= (*edge)?.length();
            (*edge).map(Edge::piece)
        })
    }

    /// The best segmentation of a piece into others and its score; `None` if the piece occurs nowhere.
    fn replacement(
        &mut self,
        edges: &Edges,
        pieces: &Pieces,
        piece: usize,
        scores: &[f32],
    ) -> Option<(&[usize], f32)> {
        let n_chars = usize::from(pieces.n_chars(piece));
        self.find(edges.occurrence(piece)?, n_chars, piece, scores);
        let mut instead = std::mem::take(&mut self.instead);
        instead.clear();
        instead.extend(self.pieces(n_chars).map(|piece| pieces.counted_as(piece)));
        self.instead = instead;
        Some((&self.instead, self.paths[n_chars].0))
    }
}

/// Adds `count` for each piece of a part's best path.
#[expect(clippy::cast_precision_loss, reason = "a frequency here is an approximate number")]
fn count_best(edges: &[Edge], count: u64, scores: &[f32], best: &mut Best, sums: &mut [f64]) {
    let n_chars = edges.iter().filter(|edge| edge.length() == 1).count();
    best.find(edges, n_chars, usize::MAX, scores);
    for piece in best.pieces(n_chars) {
        sums[piece] += count as f64;
    }
}
