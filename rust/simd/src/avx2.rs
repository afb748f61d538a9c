//! The AVX2 tier: two halves of 32 bytes, a comparison for each class, the sign bits gathered.

use std::arch::x86_64::{
    __m256i, _mm256_add_epi8, _mm256_cmpeq_epi8, _mm256_cmpgt_epi8, _mm256_loadu_si256,
    _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8,
};

use crate::masks::BlockMasks;

pub(crate) fn is_available() -> bool {
    is_x86_feature_detected!("avx2")
}

#[target_feature(enable = "avx2")]
pub(crate) fn classify_blocks(blocks: &[[u8; 64]], out: &mut [BlockMasks]) {
    for (block, masks) in blocks.iter().zip(out) {
        *masks = classify(block);
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn classify(block: &[u8; 64]) -> BlockMasks {
    let block = Block::load(block);
    // Setting bit 5 maps `A..=Z` onto `a..=z`, and nothing else into it.
    let letter = block.with_bits(0x20).in_range(b'a', b'z');
    let newline = block.equal(b'\n') | block.equal(b'\r');
    BlockMasks {
        letter,
        digit: block.in_range(b'0', b'9'),
        space: block.equal(b' '),
        newline,
        other_white_space: block.in_range(b'\t', b'\r') & !newline,
        apostrophe: block.equal(b'\''),
        non_ascii: bits(block.low, block.high),
        upper: block.in_range(b'A', b'Z'),
    }
}

#[derive(Clone, Copy)]
struct Block {
    low: __m256i,
    high: __m256i,
}

impl Block {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn load(block: &[u8; 64]) -> Self {
        let (halves, _) = block.as_chunks::<32>();
        Self { low: load(&halves[0]), high: load(&halves[1]) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn with_bits(self, bits: u8) -> Self {
        let bits = _mm256_set1_epi8(bits.cast_signed());
        Self { low: _mm256_or_si256(self.low, bits), high: _mm256_or_si256(self.high, bits) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn equal(self, byte: u8) -> u64 {
        let byte = _mm256_set1_epi8(byte.cast_signed());
        bits(_mm256_cmpeq_epi8(self.low, byte), _mm256_cmpeq_epi8(self.high, byte))
    }

    /// Which bytes are in `first..=last`, a range of fewer than 256.
    ///
    /// Only signed bytes can be compared for order, so `first` is moved to the least of them.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn in_range(self, first: u8, last: u8) -> u64 {
        let shift = _mm256_set1_epi8(i8::MIN.wrapping_sub(first.cast_signed()));
        let end = _mm256_set1_epi8(i8::MIN.wrapping_add_unsigned(last - first + 1));
        bits(
            _mm256_cmpgt_epi8(end, _mm256_add_epi8(self.low, shift)),
            _mm256_cmpgt_epi8(end, _mm256_add_epi8(self.high, shift)),
        )
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(half: &[u8; 32]) -> __m256i {
    // SAFETY: reads the 32 bytes of `half`; the load needs no alignment.
    unsafe { _mm256_loadu_si256(half.as_ptr().cast()) }
}

/// The highest bit of each byte.
#[inline]
#[target_feature(enable = "avx2")]
fn bits(low: __m256i, high: __m256i) -> u64 {
    let low = _mm256_movemask_epi8(low).cast_unsigned();
    let high = _mm256_movemask_epi8(high).cast_unsigned();
    u64::from(high) << 32 | u64::from(low)
}
