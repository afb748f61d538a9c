//! The classes of bytes, and the masks that a block of text becomes.

/// The classes of the bytes of a 64-byte block: in each field, bit `i` is set when byte `i` is of
/// that class.
///
/// Classes are disjoint, but for `upper`; a byte of none of them is ASCII punctuation, a symbol or a control
/// character.
///
/// ```
/// use merganser_simd::Classifier;
///
/// let mut block = [b'-'; 64];
/// block[..4].copy_from_slice(b"a 1\n");
/// let masks = Classifier::best().classify(&block);
/// assert_eq!([masks.letter, masks.space, masks.digit, masks.newline], [1, 2, 4, 8]);
/// ```
// The tiers may write the fields as one 64-byte vector: the order is that of the bits in `CLASSES`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C, align(64))]
pub struct BlockMasks {
    /// `A` to `Z`, `a` to `z`.
    pub letter: u64,
    /// `0` to `9`.
    pub digit: u64,
    /// `0x20`.
    pub space: u64,
    /// `\n`, `\r`.
    pub newline: u64,
    /// `\t`, `0x0B` (line tabulation), `0x0C` (form feed).
    pub other_white_space: u64,
    /// `'`.
    pub apostrophe: u64,
    /// `0x80` and above.
    pub non_ascii: u64,
    /// `A` to `Z`, which are letters too.
    pub upper: u64,
}

/// The class of a byte of 0x80 and above, which is bit 6, as `non_ascii` is field 6.
pub(crate) const NON_ASCII: u8 = 1 << 6;

/// For each byte, bit `k` set when it is of the class of field `k` of [`BlockMasks`].
pub(crate) static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut byte = 0u8;
    loop {
        classes[byte as usize] = match byte {
            b'A'..=b'Z' => 1 | 1 << 7,
            b'a'..=b'z' => 1,
            b'0'..=b'9' => 1 << 1,
            b' ' => 1 << 2,
            b'\n' | b'\r' => 1 << 3,
            b'\t' | 0x0B | 0x0C => 1 << 4,
            b'\'' => 1 << 5,
            0x80.. => NON_ASCII,
            _ => 0,
        };
        if byte == u8::MAX {
            return classes;
        }
        byte += 1;
    }
}
