//! [`Laid`]: all pieces that lie on a text, for the best segmentations and for sampling (Kudo 2018, "Subword
//! Regularization").
//!
//! Every path from the start of the text to its end is a segmentation, and its score the sum of its pieces'. The best path to
//! each place is kept with the piece that ends there, in the same order of sums as [`Viterbi`] has, so that the best of the
//! best is the one that encoding finds.

use crate::error::{Error, Result};
use crate::model::Random;
use crate::model::viterbi::{Step, Viterbi};
use crate::progress::Progress;

/// Characters between two looks at whether to stop.
const POLL_CHARS: u32 = 1 << 14;

/// Partial paths that a search for the best may hold: 1 GiB.
const MAX_PATHS: usize = 1 << 26;

/// A piece that lies on the text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node {
    pub(crate) step: Step,
    pub(crate) score: f64,
    /// The score of the best path up to its end.
    pub(crate) best: f64,
}

/// The pieces that lie on a text from `base` on, and by place those that end there.
pub(crate) struct Laid {
    pub(crate) nodes: Vec<Node>,
    pub(crate) ends: Vec<Vec<u32>>,
    base: usize,
}

/// One of the best paths to a place: its last piece, and which of the paths to where that begins goes before.
#[derive(Clone, Copy)]
struct Path {
    score: f64,
    node: u32,
    before: u32,
}

impl Laid {
    /// Lays all pieces, with these scores, on `text`.
    ///
    /// # Errors
    /// As [`Viterbi::best_path`]; [`Error::Config`] for too long a text.
    pub(crate) fn whole(
        viterbi: &Viterbi,
        scores: &[f64],
        text: &str,
        progress: &Progress,
    ) -> Result<Self> {
        Self::lay(viterbi, scores, text, (0, false), progress)
    }

    /// Lays the pieces on `text[base..]`; if `may_stop`, no further than to the first place that every path goes through.
    fn lay(
        viterbi: &Viterbi,
        scores: &[f64],
        text: &str,
        (base, may_stop): (usize, bool),
        progress: &Progress,
    ) -> Result<Self> {
        let mut laid = Self { nodes: Vec::new(), ends: vec![Vec::new()], base };
        let rest = text.get(base..).unwrap_or_default();
        let mut n_chars = 0_u32;
        for (at, c) in rest.char_indices() {
            if may_stop && at > 0 && at + 1 == laid.ends.len() {
                break;
            }
            if n_chars.is_multiple_of(POLL_CHARS) {
                progress.check()?;
            }
            n_chars = n_chars.wrapping_add(1);
            let before = laid.best_at(at);
            let mut is_piece = false;
            let mut push = |id: u32, length: usize, score: f64| {
                let node = u32::try_from(laid.nodes.len()).unwrap_or(u32::MAX);
                let step = Step { id, start: base + at, end: base + at + length };
                laid.nodes.push(Node { step, score, best: viterbi.round(before + score) });
                if laid.ends.len() <= at + length {
                    laid.ends.resize(at + length + 1, Vec::new());
                }
                laid.ends[at + length].push(node);
            };
            viterbi.trie.for_each_prefix(&rest.as_bytes()[at..], |length, id| {
                is_piece |= length == c.len_utf8();
                push(id, length, scores[id as usize]);
            });
            if !is_piece {
                let unk_score = viterbi.round(viterbi.unk_score);
                match viterbi.unk_id {
                    Some(id) => push(id, c.len_utf8(), unk_score),
                    None if laid.is_worse(at + c.len_utf8(), before + unk_score) => {
                        return Err(Error::Unencodable { byte_offset: base + at });
                    }
                    None => {}
                }
            }
            if laid.nodes.len() >= u32::MAX as usize / 2 {
                return Err(Error::Config("the text has too many segmentations".to_owned()));
            }
        }
        Ok(laid)
    }

    /// The score of the best path to `place`.
    pub(crate) fn best_at(&self, place: usize) -> f64 {
        let mut scores = self.ends[place].iter().map(|&node| self.nodes[node as usize].best);
        let first = scores.next().unwrap_or_default();
        scores.fold(first, f64::max)
    }

    /// Whether there is no path to `place`, or none as good as `score`.
    fn is_worse(&self, place: usize, score: f64) -> bool {
        self.ends.get(place).is_none_or(|ends| ends.is_empty() || self.best_at(place) < score)
    }

    /// The `n` best paths with their scores, best first. Of equal ones the one whose last piece is the longest comes first,
    /// then the one that is first up to there: the n best are kept at each place.
    ///
    /// # Errors
    /// [`Error::Config`] when that would be too many; [`Error::Interrupted`].
    pub(crate) fn n_best(&self, n: usize, progress: &Progress) -> Result<Vec<(Vec<Step>, f64)>> {
        let start = Path { score: 0.0, node: 0, before: 0 };
        let mut paths = vec![vec![start]];
        let mut n_paths = 0;
        let mut candidates = Vec::new();
        for ends in self.ends.iter().skip(1) {
            progress.check()?;
            candidates.clear();
            for &node in ends {
                let Node { step, score, .. } = self.nodes[node as usize];
                candidates.extend(
                    paths[step.start - self.base].iter().zip(0..).map(|(path, before)| Path {
                        score: path.score + score,
                        node,
                        before,
                    }),
                );
            }
            candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
            candidates.truncate(n);
            n_paths += candidates.len();
            if n_paths > MAX_PATHS {
                let problem = format!("n = {n} is too many for so long a text without a break");
                return Err(Error::Config(problem));
            }
            paths.push(candidates.clone());
        }
        let last = paths.len() - 1;
        let best = paths[last].iter().map(|&path| (self.steps(&paths, last, path), path.score));
        Ok(best.collect())
    }

    /// The pieces of a path that ends at `place`.
    fn steps(&self, paths: &[Vec<Path>], mut place: usize, mut path: Path) -> Vec<Step> {
        let mut steps = Vec::new();
        while place > 0 {
            let Node { step, .. } = self.nodes[path.node as usize];
            steps.push(step);
            place = step.start - self.base;
            path = paths[place][path.before as usize];
        }
        steps.reverse();
        steps
    }

    /// Appends a random path, each with a probability in proportion to the `alpha`-th power of its own: forward sums, then
    /// pieces drawn from the end.
    ///
    /// A large `alpha` multiplies differences alone, and the sums are kept divided by it: times a score it would overflow.
    fn sample(&self, alpha: f64, random: &mut Random, path: &mut Vec<Step>) {
        let unit = alpha.max(1.0);
        let mut sums = vec![0.0_f64; self.ends.len()];
        let log = |sums: &[f64], node: u32| {
            let Node { step, score, .. } = self.nodes[node as usize];
            sums[step.start - self.base] + alpha / unit * score
        };
        for place in 1..self.ends.len() {
            let logs = || self.ends[place].iter().map(|&node| log(&sums, node));
            let largest = logs().fold(f64::NEG_INFINITY, f64::max);
            if largest.is_finite() {
                let sum: f64 = logs().map(|log| (unit * (log - largest)).exp()).sum();
                sums[place] = largest + sum.ln() / unit;
            }
        }
        let first = path.len();
        let mut place = self.ends.len() - 1;
        while let Some(ends) = self.ends.get(place).filter(|ends| !ends.is_empty()) {
            let logs: Vec<f64> = ends.iter().map(|&node| log(&sums, node)).collect();
            let Node { step, .. } = self.nodes[ends[random.choose(&logs, unit)] as usize];
            path.push(step);
            place = step.start - self.base;
        }
        path[first..].reverse();
    }
}

/// A random path through `text`, each with a probability in proportion to the `alpha`-th power of its own. The paths between
/// two places that every path goes through are drawn by themselves, which gives the same probabilities, in the memory of the
/// longest such stretch.
///
/// # Errors
/// As [`Viterbi::best_path`]; [`Error::Config`] for too long a stretch.
pub(crate) fn sample(
    viterbi: &Viterbi,
    scores: &[f64],
    text: &str,
    (alpha, random): (f64, &mut Random),
    progress: &Progress,
) -> Result<Vec<Step>> {
    let mut path = Vec::new();
    let mut base = 0;
    while base < text.len() {
        let laid = Laid::lay(viterbi, scores, text, (base, true), progress)?;
        laid.sample(alpha, random, &mut path);
        base += laid.ends.len() - 1;
    }
    Ok(path)
}
