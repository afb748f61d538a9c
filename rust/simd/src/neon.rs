//! The NEON tier: four quarters of 16 bytes, a comparison for each class, one bit kept of each byte
//! and added up.

use std::arch::{
    aarch64::{
        uint8x16_t, uint8x16x4_t, vandq_u8, vceqq_u8, vcleq_u8, vdupq_n_u8, vgetq_lane_u64,
        vld1q_u8, vld1q_u8_x4, vorrq_u8, vpaddq_u8, vreinterpretq_u64_u8, vsubq_u8,
    },
    is_aarch64_feature_detected,
};

use crate::masks::BlockMasks;

pub(crate) fn is_available() -> bool {
    is_aarch64_feature_detected!("neon")
}

#[target_feature(enable = "neon")]
pub(crate) fn classify_blocks(blocks: &[[u8; 64]], out: &mut [BlockMasks]) {
    for (block, masks) in blocks.iter().zip(out) {
        *masks = classify(block);
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn classify(block: &[u8; 64]) -> BlockMasks {
    let block = load(block);
    // Setting bit 5 maps `A..=Z` onto `a..=z`, and nothing else into it.
    let letter = in_range(with_bits(block, 0x20), b'a', b'z');
    let newline = equal(block, b'\n') | equal(block, b'\r');
    BlockMasks {
        letter,
        digit: in_range(block, b'0', b'9'),
        space: equal(block, b' '),
        newline,
        other_white_space: in_range(block, b'\t', b'\r') & !newline,
        apostrophe: equal(block, b'\''),
        non_ascii: in_range(block, 0x80, 0xFF),
        upper: in_range(block, b'A', b'Z'),
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn load(block: &[u8; 64]) -> uint8x16x4_t {
    // SAFETY: reads the 64 bytes of `block`; the load needs no alignment.
    unsafe { vld1q_u8_x4(block.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
fn with_bits(block: uint8x16x4_t, bits: u8) -> uint8x16x4_t {
    let bits = vdupq_n_u8(bits);
    let uint8x16x4_t(a, b, c, d) = block;
    uint8x16x4_t(vorrq_u8(a, bits), vorrq_u8(b, bits), vorrq_u8(c, bits), vorrq_u8(d, bits))
}

#[inline]
#[target_feature(enable = "neon")]
fn equal(block: uint8x16x4_t, byte: u8) -> u64 {
    let byte = vdupq_n_u8(byte);
    let uint8x16x4_t(a, b, c, d) = block;
    bits(vceqq_u8(a, byte), vceqq_u8(b, byte), vceqq_u8(c, byte), vceqq_u8(d, byte))
}

/// Which bytes are in `first..=last`: those not above `last - first` once `first` is subtracted,
/// modulo 256.
#[inline]
#[target_feature(enable = "neon")]
fn in_range(block: uint8x16x4_t, first: u8, last: u8) -> u64 {
    let length = vdupq_n_u8(last - first);
    let first = vdupq_n_u8(first);
    let uint8x16x4_t(a, b, c, d) = block;
    bits(
        vcleq_u8(vsubq_u8(a, first), length),
        vcleq_u8(vsubq_u8(b, first), length),
        vcleq_u8(vsubq_u8(c, first), length),
        vcleq_u8(vsubq_u8(d, first), length),
    )
}

/// One bit for each byte, all of whose bits are equal.
///
/// Byte `i` keeps bit `i % 8`; three rounds of adding neighbours then bring eight bytes into one.
#[inline]
#[target_feature(enable = "neon")]
fn bits(a: uint8x16_t, b: uint8x16_t, c: uint8x16_t, d: uint8x16_t) -> u64 {
    const WEIGHTS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];
    // SAFETY: reads the 16 bytes of `WEIGHTS`; the load needs no alignment.
    let weights = unsafe { vld1q_u8(WEIGHTS.as_ptr()) };
    let ab = vpaddq_u8(vandq_u8(a, weights), vandq_u8(b, weights));
    let cd = vpaddq_u8(vandq_u8(c, weights), vandq_u8(d, weights));
    let abcd = vpaddq_u8(ab, cd);
    vgetq_lane_u64::<0>(vreinterpretq_u64_u8(vpaddq_u8(abcd, abcd)))
}
