//! Expectation maximisation: how often each piece is expected to occur, and the scores that follow (Kudo 2018, section 3.2).
//!
//! The expectation of an edge is the share of all segmentations of its word, weighted by their probabilities, that use it:
//! the probability of what is before it times its own times that of what is after it, over that of the word. Probabilities
//! are kept as such, not as logarithms: one multiplication and one addition an edge and a direction. Each is multiplied by a
//! power of two for each of its characters, which cancels and keeps those of words of usual length within the range of numbers.
//! Longer words carry the powers of two that they were scaled by.

use super::edges::{Edge, Edges};
use super::pieces::Pieces;
use crate::error::Result;
use crate::model::unigram::UNK_PENALTY;
use crate::progress::Progress;
use crate::train::math::{digamma, exp, power_of_2, single};

/// The power of two that is about one over the probability of a character.
const SCALE: i64 = 6;

/// The longest part whose probabilities are trusted to stay within range.
const SHORT: usize = 64;

/// The smallest probability of a part, scaled, at which nothing that matters has become 0.
const LEAST: f64 = 1e-100;

/// A piece that is expected less often goes.
const LEAST_EXPECTED: f64 = 0.5;

/// One step: expectations of all pieces under their scores, and new scores.
///
/// The new score is that of a Bayesian estimate with a sparse prior, ψ(expected) - ψ(sum), as in Liang and Klein (2007),
/// "Structured Bayesian Nonparametric Models with Variational Inference": it takes from what is rare.
///
/// # Errors
/// [`crate::Error::Interrupted`].
pub(super) fn step(
    edges: &Edges,
    pieces: &mut Pieces,
    n_threads: usize,
    progress: &Progress,
) -> Result<()> {
    let weights = weights(pieces);
    let mut expected = edges.sum(
        pieces.len(),
        n_threads,
        progress,
        |edges, count, scratch: &mut Scratch, sums| {
            scratch.add(edges, count, &weights, sums);
        },
    )?;
    pieces.count_unknown(&mut expected);
    let is_kept = |piece: usize| {
        pieces.is_alive(piece)
            && (single(expected[piece]) >= single(LEAST_EXPECTED) || pieces.is_required(piece))
    };
    let expected: Vec<Option<f64>> = (0..pieces.len())
        .map(|piece| is_kept(piece).then(|| expected[piece].max(LEAST_EXPECTED)))
        .collect();
    let sum = digamma(expected.iter().flatten().sum());
    pieces.rescore(|piece| expected[piece].map(|expected| digamma(expected) - sum));
    Ok(())
}

/// The probability of each piece, scaled by its length. A character that is no piece has that of the unknown character.
fn weights(pieces: &Pieces) -> Vec<f64> {
    let unknown = exp(pieces.worst_score() - UNK_PENALTY) * power_of_2(SCALE);
    (0..pieces.len())
        .map(|piece| match pieces.score(piece) {
            Some(score) => exp(score) * power_of_2(SCALE * i64::from(pieces.n_chars(piece))),
            None if pieces.is_char(piece) => unknown,
            None => 0.0,
        })
        .collect()
}

/// Room for the probabilities of one part at a time.
#[derive(Debug, Default)]
struct Scratch {
    /// Of what is before each place, and of what is after it.
    before: Vec<f64>,
    after: Vec<f64>,
    /// For a long part, the power of two that each `before` is to be multiplied with.
    exponents: Vec<i64>,
}

impl Scratch {
    /// Adds the expectations of the pieces in a part that occurs `count` times.
    #[expect(clippy::cast_precision_loss, reason = "an expectation is an approximate number")]
    fn add(&mut self, edges: &[Edge], count: u64, weights: &[f64], sums: &mut [f64]) {
        let count = count as f64;
        let n_chars = edges.iter().filter(|edge| edge.length() == 1).count();
        if n_chars > SHORT || !self.add_short(edges, n_chars, count, weights, sums) {
            self.add_long(edges, n_chars, count, weights, sums);
        }
    }

    /// Returns whether the probabilities were in range; otherwise nothing was added.
    fn add_short(
        &mut self,
        edges: &[Edge],
        n_chars: usize,
        count: f64,
        weights: &[f64],
        sums: &mut [f64],
    ) -> bool {
        self.before.clear();
        self.before.resize(n_chars + 1, 0.0);
        let before = &mut self.before[..];
        before[0] = 1.0;
        let mut place = usize::MAX;
        for &edge in edges {
            place = place.wrapping_add(usize::from(edge.length() == 1));
            before[place + edge.length()] += before[place] * weights[edge.piece()];
        }
        let whole = before[n_chars];
        if !(LEAST..f64::INFINITY).contains(&whole) {
            return false;
        }
        self.after.clear();
        self.after.resize(n_chars + 1, 0.0);
        let after = &mut self.after[..];
        after[n_chars] = count / whole;
        let mut place = n_chars - 1;
        let mut sum = 0.0;
        for &edge in edges.iter().rev() {
            let piece = edge.piece();
            let rest = weights[piece] * after[place + edge.length()];
            sums[piece] += before[place] * rest;
            sum += rest;
            if edge.length() == 1 {
                after[place] = sum;
                sum = 0.0;
                place = place.wrapping_sub(1);
            }
        }
        true
    }

    /// For a part of any length. Both probabilities are brought back to about 1 wherever they leave it, and with them all
    /// those that they are still to be added to.
    fn add_long(
        &mut self,
        edges: &[Edge],
        n_chars: usize,
        count: f64,
        weights: &[f64],
        sums: &mut [f64],
    ) {
        self.before.clear();
        self.before.resize(n_chars + 1, 0.0);
        self.before[0] = 1.0;
        self.exponents.clear();
        let mut exponent = 0;
        let mut place = usize::MAX;
        for &edge in edges {
            if edge.length() == 1 {
                place = place.wrapping_add(1);
                exponent += center(&mut self.before[place..]);
                self.exponents.push(exponent);
            }
            self.before[place + edge.length()] += self.before[place] * weights[edge.piece()];
        }
        let (whole, whole_exponent) = (self.before[n_chars], exponent);

        self.after.clear();
        self.after.resize(n_chars + 1, 0.0);
        self.after[n_chars] = 1.0;
        let mut exponent = 0;
        let mut place = n_chars - 1;
        let mut sum = 0.0;
        for &edge in edges.iter().rev() {
            let piece = edge.piece();
            let rest = weights[piece] * self.after[place + edge.length()];
            sum += rest;
            let power = power_of_2(self.exponents[place] + exponent - whole_exponent);
            sums[piece] += self.before[place] / whole * rest * power * count;
            if edge.length() == 1 {
                self.after[place] = std::mem::take(&mut sum);
                exponent += center(&mut self.after[place..]);
                place = place.wrapping_sub(1);
            }
        }
    }
}

/// Brings the first number to within 2^-128 and 2^128 by a power of two, and with it those that a piece reaches from there;
/// returns the exponent of that power.
fn center(numbers: &mut [f64]) -> i64 {
    /// Half of the range.
    const STEP: i32 = 128;
    let mut exponent = 0;
    while let Some(&first) = numbers.first()
        && first > 0.0
        && !(power_of_2((-STEP).into())..=power_of_2(STEP.into())).contains(&first)
    {
        let step = if first > 1.0 { STEP } else { -STEP };
        let factor = power_of_2((-step).into());
        numbers.iter_mut().take(256).for_each(|number| *number *= factor);
        exponent += i64::from(step);
    }
    exponent
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The edges of a word of `n` equal characters, under pieces of one, two and three of them.
    fn edges(n: usize) -> Vec<Edge> {
        let at = |i| (1..=3.min(n - i)).zip(0..).map(|(length, piece)| Edge::new(piece, length));
        (0..n).flat_map(at).collect()
    }

    #[test]
    fn long_and_short_parts_have_the_same_expectations() {
        let weights = [0.3, 0.02, 0.000_1].map(|weight: f64| weight * power_of_2(SCALE));
        for n in [1, 2, 3, 10, 60] {
            let (mut short, mut long) = ([0.0; 3], [0.0; 3]);
            let mut scratch = Scratch::default();
            assert!(scratch.add_short(&edges(n), n, 7.0, &weights, &mut short));
            scratch.add_long(&edges(n), n, 7.0, &weights, &mut long);
            for (short, long) in short.iter().zip(long) {
                assert!((short - long).abs() <= 1e-13 * short.abs(), "{n}: {short} {long}");
            }
        }
    }

    #[test]
    fn expectations_cover_a_part_of_any_length() {
        for weight in [1e-8, 0.3, 1e8] {
            let n = 100_000;
            let mut sums = [0.0; 3];
            Scratch::default().add(&edges(n), 2, &[weight, weight, weight], &mut sums);
            let covered = sums[0] + 2.0 * sums[1] + 3.0 * sums[2];
            assert!((covered / (2.0 * 100_000.0) - 1.0).abs() < 1e-9, "{weight}: {covered}");
        }
    }
}
