//! The AVX-512 tier: the scalar tier's lookup and transpose, for the whole block at once.
//!
//! VBMI looks up 64 bytes in a table of 128, which is every ASCII class. GFNI multiplies 8 x 8
//! matrices of bits, and a matrix times the unit vectors is its columns: the transpose. A last
//! permutation of bytes brings the eight rows of each class together, so the block's masks are one
//! vector and are written by one store.
//!
//! Rejected: a comparison and a mask register for each class, as AVX2 does. It is more
//! instructions, and eight moves out of mask registers and eight stores where this has one.

use std::arch::x86_64::{
    __m512i, _mm_set_epi64x, _mm512_broadcast_i32x4, _mm512_gf2p8affine_epi64_epi8,
    _mm512_loadu_si512, _mm512_mask_mov_epi8, _mm512_movepi8_mask, _mm512_permutex2var_epi8,
    _mm512_permutexvar_epi8, _mm512_set1_epi8, _mm512_set1_epi64, _mm512_shuffle_epi8,
    _mm512_storeu_si512,
};

use crate::masks::{BlockMasks, CLASSES, NON_ASCII};

pub(crate) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vbmi")
        && is_x86_feature_detected!("gfni")
}

/// Byte `8 * class + group` of the masks is byte `8 * group + class` of the transposed groups.
static GROUPS_TO_CLASSES: [u8; 64] = {
    let mut bytes = [0; 64];
    let mut i = 0u8;
    while i < 64 {
        bytes[i as usize] = i % 8 * 8 + i / 8;
        i += 1;
    }
    bytes
};

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,gfni")]
pub(crate) fn classify_blocks(blocks: &[[u8; 64]], out: &mut [BlockMasks]) {
    let (tables, _) = CLASSES.as_chunks::<64>();
    let (table_low, table_high) = (load(&tables[0]), load(&tables[1]));
    let non_ascii = _mm512_set1_epi8(NON_ASCII.cast_signed());
    let reverse =
        _mm512_broadcast_i32x4(_mm_set_epi64x(0x0809_0A0B_0C0D_0E0F, 0x0001_0203_0405_0607));
    // Byte `c` is the unit vector with bit `c`.
    let units = _mm512_set1_epi64(0x8040_2010_0804_0201_u64.cast_signed());
    let to_classes = load(&GROUPS_TO_CLASSES);
    for (block, masks) in blocks.iter().zip(out) {
        let text = load(block);
        // The lookup takes seven bits of each byte, so a non-ASCII byte gets the class of some
        // ASCII one.
        let classes = _mm512_permutex2var_epi8(table_low, text, table_high);
        let classes = _mm512_mask_mov_epi8(classes, _mm512_movepi8_mask(text), non_ascii);
        // The product takes the first row of a matrix from its last byte.
        let matrices = _mm512_shuffle_epi8(classes, reverse);
        let transposed = _mm512_gf2p8affine_epi64_epi8::<0>(units, matrices);
        store_masks(masks, _mm512_permutexvar_epi8(to_classes, transposed));
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: reads the 64 bytes of `bytes`; the load needs no alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store_masks(masks: &mut BlockMasks, fields: __m512i) {
    // SAFETY: writes the 64 bytes of `masks`, which is `repr(C)` of eight `u64`: no padding, and
    // every value is valid.
    unsafe { _mm512_storeu_si512(std::ptr::from_mut(masks).cast(), fields) }
}
