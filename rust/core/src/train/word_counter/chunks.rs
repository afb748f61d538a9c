//! Chunks: the stretches of a text that are normalized and split each by itself ([`Chunking`]).
//!
//! Where a text has them, they are counted as they stand, sixty-four bytes of the text at a time, and the stages see each
//! different chunk once instead of all the text. Invariant: the same words and counts as by the stages on the text.

use merganser_simd::{BlockMasks, Classifier};

use crate::compiled::words::Chunking;
use crate::error::Result;

/// Blocks whose masks are made at once.
const N_BLOCKS: usize = 32;

/// Calls `each` with the ends of every chunk of `text`.
#[inline]
pub(super) fn for_each(
    chunking: Chunking,
    classifier: Classifier,
    text: &[u8],
    mut each: impl FnMut((usize, usize)) -> Result<()>,
) -> Result<()> {
    let n_dropped = usize::from(chunking == Chunking::WhiteSpace);
    let mut start = 0;
    let mut base = 0;
    let mut masks = [BlockMasks::default(); N_BLOCKS];
    let mut cut = |masks: &[BlockMasks], base: usize, start: &mut usize| -> Result<()> {
        for (block, mask) in masks.iter().enumerate() {
            let mut cuts = match chunking {
                Chunking::WhiteSpace => mask.space | mask.newline,
                Chunking::Spaces => mask.space,
            };
            while cuts != 0 {
                let place = base + block * 64 + cuts.trailing_zeros() as usize;
                if place > *start {
                    each((*start, place))?;
                }
                *start = place + n_dropped;
                cuts &= cuts - 1;
            }
        }
        Ok(())
    };
    let (blocks, rest) = text.as_chunks::<64>();
    for blocks in blocks.chunks(N_BLOCKS) {
        let masks = &mut masks[..blocks.len()];
        classifier.classify_blocks(blocks, masks);
        cut(masks, base, &mut start)?;
        base += blocks.len() * 64;
    }
    let mut last = [0; 64];
    last[..rest.len()].copy_from_slice(rest);
    cut(&[classifier.classify(&last)], base, &mut start)?;
    if start < text.len() { each((start, text.len())) } else { Ok(()) }
}
