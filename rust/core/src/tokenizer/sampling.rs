//! Segmentations other than the one that encoding gives: drawn at random, or the best ones with their scores.
//!
//! The stages before and after the model are those of encoding. Pre-tokens are independent: a random segmentation of a text
//! is one of each, and the best of a text are the best sums of theirs.

use super::{Batch, EncodeOptions, Tokenizer};
use crate::error::Result;
use crate::model::{Random, Sampling, check_n_best};
use crate::parallel;
use crate::pipeline::TextPart;
use crate::progress::{Phase, Progress};

/// Texts of fewer bytes than this are worked on by one thread.
const SERIAL_BYTES: usize = 1 << 15;

/// What the stages before the model give to it, and what passes it by.
enum Piece<'a> {
    Token(u32),
    PreToken(&'a str),
}

/// The best segmentations of a text so far: sum, and which of those before and of the last pre-token it consists of.
type Sums = Vec<(f64, u32, u32)>;

impl Tokenizer {
    /// The ids of a random segmentation of a text, truncated and padded as the definition says. Equal seeds give equal ids.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`], and [`crate::Error::Config`] when the model has one segmentation of a text, or `sampling` is
    /// not for it.
    pub fn sample(
        &self,
        text: &str,
        options: EncodeOptions,
        sampling: Sampling,
        seed: u64,
        progress: &Progress,
    ) -> Result<Vec<u32>> {
        progress.begin(Phase::Encode, text.len() as u64);
        let mut ids = self.sample_item(text, options, sampling, (seed, 0), progress)?;
        self.pad_one(&mut ids)?;
        Ok(ids)
    }

    /// [`Tokenizer::sample`] of each of `texts`, the randomness of each that of the seed and its index.
    ///
    /// # Errors
    /// As [`Tokenizer::sample`], of the first text that has one, inside [`crate::Error::InBatch`].
    pub fn sample_batch(
        &self,
        texts: &[&str],
        options: EncodeOptions,
        sampling: Sampling,
        seed: u64,
        n_threads: Option<usize>,
        progress: &Progress,
    ) -> Result<Batch> {
        let n_bytes: usize = texts.iter().map(|text| text.len()).sum();
        progress.begin(Phase::Encode, n_bytes as u64);
        let n_threads = parallel::n_threads(n_threads).min(n_bytes / SERIAL_BYTES + 1);
        let done = parallel::map(&mut vec![(); n_threads], texts.len(), |(), i| {
            self.sample_item(texts[i], options, sampling, (seed, i as u64), progress)
                .map_err(|error| error.in_batch(i))
        })?;
        let lengths = done.iter().map(Vec::len).collect();
        let mut batch = Batch { ids: done.concat(), lengths };
        if let Some(padding) = &self.definition.padding {
            self.pad_ids(padding, &mut batch.ids, &mut batch.lengths)?;
        }
        Ok(batch)
    }

    /// The ids of the `n` best segmentations of a text with their scores, best first; fewer if there are not so many. Of equal
    /// ones the one that is better up to its last pre-token comes first.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`], and [`crate::Error::Config`] when the model has no scores, or `n` is out of range.
    pub fn n_best(
        &self,
        text: &str,
        n: usize,
        options: EncodeOptions,
        progress: &Progress,
    ) -> Result<Vec<(Vec<u32>, f64)>> {
        check_n_best("n", n)?;
        progress.begin(Phase::Encode, text.len() as u64);
        let mut parts: Vec<Vec<Vec<u32>>> = Vec::new();
        let mut sums: Vec<Sums> = Vec::new();
        self.for_each_piece(text, options, progress, |piece| {
            let (ids, scores): (Vec<_>, Vec<_>) = match piece {
                Piece::Token(id) => (vec![vec![id]], vec![0.0]),
                Piece::PreToken(text) => self.model.n_best(text, n, progress)?.into_iter().unzip(),
            };
            let before = sums.last().map_or(&[(0.0, 0, 0)][..], |sums| sums);
            sums.push(best_sums(before, &scores, n));
            parts.push(ids);
            Ok(())
        })?;
        let last = sums.last().cloned().unwrap_or_else(|| vec![(0.0, 0, 0)]);
        let all = last.into_iter().zip(0..).map(|((score, ..), mut chosen)| {
            let mut pieces = Vec::with_capacity(parts.len());
            for (sums, part) in sums.iter().zip(&parts).rev() {
                let (_, before, own): (f64, u32, u32) = sums[chosen as usize];
                pieces.push(part[own as usize].as_slice());
                chosen = before;
            }
            pieces.reverse();
            let mut ids = self.finish_ids(&pieces.concat(), options)?;
            self.pad_one(&mut ids)?;
            Ok((ids, score))
        });
        all.collect()
    }

    fn sample_item(
        &self,
        text: &str,
        options: EncodeOptions,
        sampling: Sampling,
        (seed, index): (u64, u64),
        progress: &Progress,
    ) -> Result<Vec<u32>> {
        // Of no text, too, what cannot be sampled is refused.
        self.model.sample("", sampling, &mut Random::new(seed), progress, &mut Vec::new())?;
        let mut random = Random::of_item(seed, index);
        let mut ids = Vec::new();
        self.for_each_piece(text, options, progress, |piece| match piece {
            Piece::Token(id) => {
                ids.push(id);
                Ok(())
            }
            Piece::PreToken(text) => {
                self.model.sample(text, sampling, &mut random, progress, &mut ids)
            }
        })?;
        self.finish_ids(&ids, options)
    }

    /// Calls `each` with the added tokens and pre-tokens of a text, in order.
    fn for_each_piece(
        &self,
        text: &str,
        options: EncodeOptions,
        progress: &Progress,
        mut each: impl FnMut(Piece<'_>) -> Result<()>,
    ) -> Result<()> {
        let on_special = options.on_special;
        let done =
            self.pipeline.for_each_part(text, on_special, progress, |part, base| match part {
                TextPart::Token(id, ..) => each(Piece::Token(id)),
                TextPart::Text(part) => self
                    .pipeline
                    .for_each_batch(part, base, 0..part.text().len(), progress, |text, bounds| {
                        bounds.windows(2).try_for_each(|bound| {
                            let pre_token = text.get(bound[0]..bound[1]).unwrap_or_default();
                            each(Piece::PreToken(pre_token))
                                .map_err(|error| error.moved_by(bound[0]))
                        })
                    })
                    .map_err(|error| error.moved_by(base)),
            });
        done.map_err(|error| self.locate(error, text, options, progress))
    }

    /// The ids of a text, truncated, with those of the post-processor around them.
    fn finish_ids(&self, ids: &[u32], options: EncodeOptions) -> Result<Vec<u32>> {
        let (before, after) = self.around(options);
        let mut finished = [before, ids].concat();
        if let Some(truncation) = &self.definition.truncation {
            truncation.truncate_ids(&mut finished, before.len(), before.len() + after.len())?;
        }
        finished.extend(after);
        Ok(finished)
    }

    /// Pads the ids of a text that is by itself.
    fn pad_one(&self, ids: &mut Vec<u32>) -> Result<()> {
        let n_ids = ids.len();
        match &self.definition.padding {
            Some(padding) => self.pad_ids(padding, ids, &mut [n_ids]),
            None => Ok(()),
        }
    }
}

/// The `n` best sums of one of `before` and one of `scores`, both best first.
fn best_sums(before: &[(f64, u32, u32)], scores: &[f64], n: usize) -> Sums {
    let mut sums = Sums::new();
    for (&(sum, ..), i) in before.iter().zip(0..) {
        // The sum of the i-th and the j-th has at least (i + 1) (j + 1) - 1 others that are as good or better.
        let useful = n / (i as usize + 1);
        sums.extend(scores.iter().zip(0..).take(useful).map(|(&score, j)| (sum + score, i, j)));
    }
    if before.len() > 1 {
        // Of one, the scores are in the model's own order, which is not to be changed.
        sums.sort_by(|a, b| b.0.total_cmp(&a.0));
    }
    sums.truncate(n);
    sums
}
