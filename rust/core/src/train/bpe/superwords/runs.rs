//! What is counted of the text in the second phase: first how often tokens stand side by side, then *runs*.
//!
//! A pre-token is encoded as the tokenizer of the first phase does it, from cut to cut ([`Bpe::next_cut`]), with parts that are
//! known from a cache, since parts repeat like words. Its tokens are then parted wherever a border is rare, and runs of two
//! tokens or more are counted. A run is written as its ids, each in as many bytes as the largest needs.

use std::sync::Arc;

use super::borders::Borders;
use crate::compiled::word_cache::Key;
use crate::error::Result;
use crate::model::bpe::Bpe;
use crate::progress::Progress;
use crate::train::word_counter::{Recoding, RecodingScratch};

/// Text as tokens of the first phase.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) model: Bpe,
    pub(super) borders: Borders,
    /// Bytes of an id.
    pub(super) width: usize,
}

impl Encoded {
    /// With the largest id that the model gives.
    pub(super) fn new(model: Bpe, largest: u32) -> Self {
        let n_bits = u32::BITS - largest.leading_zeros();
        Self { model, borders: Borders::new(), width: n_bits.div_ceil(8).max(1) as usize }
    }

    /// Writes the ids of a pre-token into the scratch.
    fn encode(&self, word: &str, scratch: &mut RecodingScratch, progress: &Progress) -> Result<()> {
        let RecodingScratch { words, long, ids, .. } = scratch;
        ids.clear();
        let word = word.as_bytes();
        if let Some(id) = self.model.whole(word) {
            ids.push(id);
            return Ok(());
        }
        let mut from = 0;
        while from < word.len() {
            let to = self.model.next_cut(word, from);
            let key = Key::new(word, from, to);
            if !key.is_some_and(|key| words.append(key, ids)) {
                let first = ids.len();
                self.model
                    .merge(&word[from..to], progress, long, ids)
                    .map_err(|error| error.moved_by(from))?;
                if let Some(key) = key {
                    words.insert(key, &ids[first..]);
                }
            }
            from = to;
        }
        Ok(())
    }
}

/// Counts borders as long as it is not known at how many text is to be parted; then makes runs, parted where a border occurs
/// less than `least` times.
#[derive(Debug)]
pub(super) struct MakeRuns {
    pub(super) text: Arc<Encoded>,
    pub(super) least: Option<u64>,
}

impl Recoding for MakeRuns {
    fn recode(
        &self,
        word: &str,
        scratch: &mut RecodingScratch,
        progress: &Progress,
        each: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let Self { text, least } = self;
        text.encode(word, scratch, progress)?;
        let RecodingScratch { ids, bytes, .. } = scratch;
        let Some(least) = *least else {
            ids.windows(2).for_each(|pair| text.borders.add((pair[0], pair[1])));
            return Ok(());
        };
        for run in ids.chunk_by(|&left, &right| text.borders.most((left, right)) >= least) {
            if run.len() > 1 {
                bytes.clear();
                for id in run {
                    bytes.extend_from_slice(&id.to_le_bytes()[..text.width]);
                }
                each(bytes)?;
            }
        }
        Ok(())
    }
}

/// The ids of a run.
pub(super) fn ids_of(run: &[u8], width: usize) -> impl Iterator<Item = u32> {
    run.chunks_exact(width).map(|id| {
        let mut bytes = [0; 4];
        bytes[..id.len()].copy_from_slice(id);
        u32::from_le_bytes(bytes)
    })
}
