//! Many texts at once, over threads.
//!
//! The texts are cut into units, which are encoded in any order and put together in theirs, so the result does not depend on
//! the number of threads.

use super::scratch::Scratch;
use super::{EncodeOptions, Tokenizer};
use crate::error::{Error, Result};
use crate::parallel;
use crate::pipeline::Unit;
use crate::progress::{Phase, Progress};
use crate::traced::Traced;
use crate::truncation::Truncation;

/// Text below this is not worth a second thread.
const SERIAL_BYTES: usize = 1 << 17;

/// The ids of many texts, one after the other.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// All ids.
    pub ids: Vec<u32>,
    /// How many each text has.
    pub lengths: Vec<usize>,
}

impl Tokenizer {
    /// The ids of each of `texts`, truncated and padded as the definition says. `n_threads` of `None`: as many as the machine
    /// gives.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`], of the first text that has one, inside [`Error::InBatch`].
    pub fn encode_batch(
        &self,
        texts: &[&str],
        options: EncodeOptions,
        n_threads: Option<usize>,
        progress: &Progress,
    ) -> Result<Batch> {
        let n_bytes: usize = texts.iter().map(|text| text.len()).sum();
        progress.begin(Phase::Encode, n_bytes as u64);
        let n_threads = parallel::n_threads(n_threads).min(n_bytes / SERIAL_BYTES + 1);
        let units = match n_threads {
            1 => vec![Unit::Texts(0..texts.len())],
            _ => self.pipeline.units(texts, options.on_special),
        };
        let mut scratch: Vec<_> = self.scratch.take(n_threads);
        let done = parallel::map(&mut scratch, units.len(), |scratch, i| {
            self.encode_unit(&units[i], texts, options, progress, scratch)
        });
        self.scratch.give_back(scratch);
        let truncation = self.definition.truncation.as_ref();
        let mut batch = put_together(&units, done?, self.around(options), truncation)?;
        if let Some(padding) = &self.definition.padding {
            self.pad_ids(padding, &mut batch.ids, &mut batch.lengths)?;
        }
        Ok(batch)
    }

    /// The ids of one text, worked on by several threads where it is long.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_with_threads(
        &self,
        text: &str,
        options: EncodeOptions,
        n_threads: Option<usize>,
        progress: &Progress,
    ) -> Result<Vec<u32>> {
        if n_threads == Some(1) || text.len() < SERIAL_BYTES {
            progress.begin(Phase::Encode, text.len() as u64);
            return self.encode(text, options, progress);
        }
        match self.encode_batch(&[text], options, n_threads, progress) {
            Ok(batch) => Ok(batch.ids),
            Err(Error::InBatch { error, .. }) => Err(*error),
            Err(error) => Err(error),
        }
    }

    fn encode_unit(
        &self,
        unit: &Unit,
        texts: &[&str],
        options: EncodeOptions,
        progress: &Progress,
        scratch: &mut Scratch,
    ) -> Result<Batch> {
        let mut batch = Batch::default();
        match unit {
            Unit::Texts(range) => {
                let n_bytes: usize = texts[range.clone()].iter().map(|text| text.len()).sum();
                batch.ids.reserve(n_bytes / 4 + range.len());
                for index in range.clone() {
                    let first = batch.ids.len();
                    self.encode_into(texts[index], options, progress, scratch, &mut batch.ids)
                        .map_err(|error| error.in_batch(index))?;
                    batch.lengths.push(batch.ids.len() - first);
                }
            }
            Unit::Piece { index, part, stretch } => {
                batch.ids.reserve(stretch.len() / 4);
                let base = part.start;
                let part = Traced::untraced(texts[*index].get(part.clone()).unwrap_or_default());
                self.encode_part(&part, base, stretch.clone(), progress, scratch, &mut batch.ids)
                    .map_err(|error| error.moved_by(base).in_batch(*index))?;
            }
            Unit::Token(id) => batch.ids.push(*id),
            Unit::EndOfText => {}
        }
        Ok(batch)
    }
}

fn put_together(
    units: &[Unit],
    mut done: Vec<Batch>,
    around: (&[u32], &[u32]),
    truncation: Option<&Truncation>,
) -> Result<Batch> {
    if let ([Unit::Texts(_)], [batch]) = (units, &mut done[..]) {
        return Ok(std::mem::take(batch));
    }
    let mut whole = Batch::default();
    let n_ids: usize = done.iter().map(|batch| batch.ids.len()).sum();
    whole.ids.reserve_exact(n_ids + (around.0.len() + around.1.len()) * units.len());
    let mut open = None;
    for (unit, batch) in units.iter().zip(done) {
        if *unit == Unit::EndOfText {
            let first = open.take().unwrap_or(whole.ids.len());
            if let Some(truncation) = truncation {
                let n_added = around.0.len() + around.1.len();
                truncation
                    .truncate_ids(&mut whole.ids, first + around.0.len(), n_added)
                    .map_err(|error| error.in_batch(whole.lengths.len()))?;
            }
            whole.ids.extend_from_slice(around.1);
            whole.lengths.push(whole.ids.len() - first);
            continue;
        }
        if open.is_none() && !matches!(unit, Unit::Texts(_)) {
            open = Some(whole.ids.len());
            whole.ids.extend_from_slice(around.0);
        }
        whole.ids.extend_from_slice(&batch.ids);
        whole.lengths.extend(batch.lengths);
    }
    Ok(whole)
}
