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
