//! merganser-simd: which bytes of a text are letters, digits, spaces, told 64 bytes at a time.
//!
//! The idea: a 64-byte block becomes one [`BlockMasks`], a `u64` for each class with bit `i` for
//! byte `i`. Where pre-tokens begin is then shifts and ands of whole words: within a block,
//! `letter & !(letter << 1)` is where the runs of letters start. Nothing
//! walks the text.
//!
//! The invariant: every [`Tier`] gives the same masks for every input. The scalar
//! tier is always built and is the meaning; the others are a leaf file per instruction set, and the
//! tests hold them equal to it.
//!
//! This is the only crate with unsafe code. Two things need it: calling a function compiled for
//! instructions that the build does not assume, and moving whole vectors to and from memory. The
//! first is sound because a [`Classifier`] of a tier exists only where the processor was seen to
//! have its instructions; the second because every vector is read from or written to a reference of
//! exactly its size.
//!
//! After Langdale and Lemire (2019), "Parsing Gigabytes of JSON per Second", section 3.1; our
//! classes are fixed, so a lookup of 128 entries and a bit transpose take the place of their nibble
//! tables where the processor has both.

mod masks;
mod scalar;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;

#[cfg(test)]
mod tests;

pub use masks::BlockMasks;

/// An instruction set that the work can be done with.
///
/// ```
/// use merganser_simd::{Classifier, Tier};
///
/// // The same masks, whichever of the tiers this processor has.
/// for classifier in Tier::ALL.into_iter().filter_map(Classifier::with_tier) {
///     assert_eq!(classifier.classify(&[b' '; 64]).space, u64::MAX);
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tier {
    /// Any processor.
    Scalar,
    /// x86-64 with AVX2 and BMI (Haswell, Zen 1, and later).
    Avx2,
    /// x86-64 with AVX-512 BW, VBMI, VBMI2 and GFNI (Ice Lake, Zen 4, and later).
    Avx512,
    /// 64-bit Arm with Advanced SIMD.
    Neon,
}

impl Tier {
    /// Every tier of every processor, best of each processor last.
    pub const ALL: [Self; 4] = [Self::Scalar, Self::Avx2, Self::Avx512, Self::Neon];

    fn is_available(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => avx2::is_available(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => avx512::is_available(),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => neon::is_available(),
            _ => false,
        }
    }
}

/// Starts to fetch the cache line of `value`, which is soon to be read: a hint that changes nothing else. Does nothing on
/// processors for which stable Rust has no such instruction.
#[inline]
pub fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing that a program can see, and `value` is valid to read.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(
            std::ptr::from_ref(value).cast(),
        );
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}

/// Classifies text with one tier, whose instructions this processor is known to have.
///
/// ```
/// use merganser_simd::{BlockMasks, Classifier};
///
/// let text = b"It's 2 o'clock\n".repeat(9);
/// let (blocks, rest) = text.as_chunks::<64>();
/// let mut masks = vec![BlockMasks::default(); blocks.len()];
/// let classifier = Classifier::best();
/// classifier.classify_blocks(blocks, &mut masks);
/// assert_eq!(masks[0].digit, 1 << 5 | 1 << 20 | 1 << 35 | 1 << 50);
///
/// let starts: Vec<u64> = masks.iter().map(|m| m.letter & !(m.letter << 1)).collect();
/// assert_eq!(starts[0].trailing_zeros(), 0);
/// assert_eq!((starts[0] & !1).trailing_zeros(), 3);
/// assert_eq!(rest.len(), 7);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Classifier {
    tier: Tier,
}

impl Classifier {
    /// A classifier of the fastest tier that this processor has.
    pub fn best() -> Self {
        Tier::ALL.into_iter().rev().find_map(Self::with_tier).unwrap_or(Self { tier: Tier::Scalar })
    }

    /// A classifier of `tier`; `None` if this processor lacks its instructions.
    pub fn with_tier(tier: Tier) -> Option<Self> {
        tier.is_available().then_some(Self { tier })
    }

    /// The tier in use.
    pub fn tier(self) -> Tier {
        self.tier
    }

    /// The masks of one block.
    ///
    /// Many blocks are faster by [`Classifier::classify_blocks`], which chooses the tier once for
    /// all.
    pub fn classify(self, block: &[u8; 64]) -> BlockMasks {
        let mut masks = BlockMasks::default();
        self.classify_blocks(std::slice::from_ref(block), std::slice::from_mut(&mut masks));
        masks
    }

    /// Writes the masks of `blocks[i]` to `out[i]`, up to the end of the shorter slice.
    pub fn classify_blocks(self, blocks: &[[u8; 64]], out: &mut [BlockMasks]) {
        match self.tier {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `with_tier` is the only maker of this tier, and saw every feature the
            // function enables.
            Tier::Avx2 => unsafe { avx2::classify_blocks(blocks, out) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Tier::Avx512 => unsafe { avx512::classify_blocks(blocks, out) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: as above.
            Tier::Neon => unsafe { neon::classify_blocks(blocks, out) },
            _ => scalar::classify_blocks(blocks, out),
        }
    }
}
