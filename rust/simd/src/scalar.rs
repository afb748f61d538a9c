//! The scalar tier: the meaning of the others, and what runs where none of them does.
//!
//! Each byte is looked up to a byte of class bits. Eight of those are an 8 x 8 matrix of bits, with
//! a row for each byte of text; transposed, it has a row for each class, which is the next byte of
//! that class's mask.

use crate::masks::{BlockMasks, CLASSES};

pub(crate) fn classify_blocks(blocks: &[[u8; 64]], out: &mut [BlockMasks]) {
    for (block, masks) in blocks.iter().zip(out) {
        *masks = classify(block);
    }
}

fn classify(block: &[u8; 64]) -> BlockMasks {
    let mut fields = [[0u8; 8]; 8];
    let (groups, _) = block.as_chunks::<8>();
    for (i, group) in groups.iter().enumerate() {
        let classes = group.map(|byte| CLASSES[usize::from(byte)]);
        let rows = transpose(u64::from_le_bytes(classes)).to_le_bytes();
        for (field, row) in fields.iter_mut().zip(rows) {
            field[i] = row;
        }
    }
    let [letter, digit, space, newline, other_white_space, apostrophe, non_ascii, upper] =
        fields.map(u64::from_le_bytes);
    BlockMasks { letter, digit, space, newline, other_white_space, apostrophe, non_ascii, upper }
}

/// Bit `c` of byte `r` becomes bit `r` of byte `c` (Warren, "Hacker's Delight", section 7-3): swaps
/// across the diagonal of each 2 x 2, then of each 4 x 4 by halves, then of the whole.
fn transpose(matrix: u64) -> u64 {
    let mut x = matrix;
    for (distance, lower) in
        [(7, 0x00AA_00AA_00AA_00AA), (14, 0x0000_CCCC_0000_CCCC), (28, 0x0000_0000_F0F0_F0F0)]
    {
        let swapped = (x ^ (x >> distance)) & lower;
        x ^= swapped ^ (swapped << distance);
    }
    x
}

/// Numbers are written eight at a time, however many are left: the next word overwrites the rest. A
/// loop that ended with the last set bit would end at a place the processor cannot foretell, once a
/// word.
///
/// Always inlined, so that a tier whose instructions count and find bits builds it with them; a call
/// would be to a build without.
#[inline(always)]
pub(crate) fn positions(words: &[u64], base: u32, out: &mut Vec<u32>) {
    const N_AT_ONCE: usize = 8;
    let end = out.len() + words.iter().map(|word| word.count_ones() as usize).sum::<usize>();
    let mut start = base;
    let mut n_written = out.len();
    out.resize(end + N_AT_ONCE, 0);
    for &word in words {
        let n_set = word.count_ones() as usize;
        let mut rest = word;
        let (places, _) = out[n_written..].as_chunks_mut::<N_AT_ONCE>();
        for eight in places.iter_mut().take(n_set.div_ceil(N_AT_ONCE)) {
            for place in eight {
                *place = start.wrapping_add(rest.trailing_zeros());
                rest &= rest.wrapping_sub(1);
            }
        }
        n_written += n_set;
        start = start.wrapping_add(64);
    }
    out.truncate(end);
}
