//! The sets of characters that normalizers ask about, as one bit a character.
//!
//! `tokenizers` takes normalization and the class of marks from Unicode 9.0.0, and the classes of [`BertNormalizer`] from
//! Unicode 8.0.0; a character that came later is, to it, like one that is not assigned. Ids depend on that, so the sets here
//! are cut to these versions. Assigned characters keep their normalization for ever; the few whose class was changed since
//! are named.
//!
//! [`BertNormalizer`]: crate::normalizer::BertNormalizer

use std::sync::LazyLock;

use regex_syntax::hir::{Class, HirKind};

const N_CODE_POINTS: usize = 0x11_0000;

/// A set of characters.
pub(super) struct CharSet(Vec<u64>);

impl CharSet {
    /// The characters of a class in the syntax of regular expressions.
    fn new(class: &str) -> Self {
        let mut bits = vec![0_u64; N_CODE_POINTS / 64];
        let hir = regex_syntax::parse(class);
        if let Ok(HirKind::Class(Class::Unicode(class))) =
            hir.as_ref().map(regex_syntax::hir::Hir::kind)
        {
            for range in class.ranges() {
                for code_point in range.start() as usize..=range.end() as usize {
                    bits[code_point / 64] |= 1 << (code_point % 64);
                }
            }
        }
        Self(bits)
    }

    #[inline]
    pub(super) fn contains(&self, c: char) -> bool {
        let code_point = c as usize;
        self.0[code_point / 64] >> (code_point % 64) & 1 == 1
    }
}

/// The characters that normalization forms know.
pub(super) static NORMALIZED: LazyLock<CharSet> = LazyLock::new(|| CharSet::new(r"[\p{Age:9.0}]"));

/// Marks: general category M.
pub(super) static MARKS: LazyLock<CharSet> =
    LazyLock::new(|| CharSet::new(r"[[\p{M}\x{1CF2}\x{1CF3}]&&[\p{Age:9.0}--\x{111C9}]]"));

/// Nonspacing marks: general category Mn.
pub(super) static NONSPACING_MARKS: LazyLock<CharSet> = LazyLock::new(|| {
    CharSet::new(r"[[\p{Mn}\x{1734}\x{1171E}]&&[\p{Age:8.0}--[\x{1885}\x{1886}\x{A9BD}\x{111C9}]]]")
});

/// Controls, format characters and private use: general categories Cc, Cf and Co.
pub(super) static CONTROLS: LazyLock<CharSet> =
    LazyLock::new(|| CharSet::new(r"[[\p{Cc}\p{Cf}\p{Co}]&&\p{Age:8.0}]"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_hold_what_their_unicode_versions_do() {
        let counts = [&NORMALIZED, &MARKS, &NONSPACING_MARKS, &CONTROLS]
            .map(|set| ('\0'..=char::MAX).filter(|&c| set.contains(c)).count());
        assert_eq!(counts, [265_771, 2_097, 1_567, 137_683]);
    }

    #[test]
    fn classes_changed_since_are_the_old_ones() {
        assert!(MARKS.contains('\u{1CF2}') && !MARKS.contains('\u{111C9}'));
        assert!(NONSPACING_MARKS.contains('\u{1734}') && !NONSPACING_MARKS.contains('\u{1885}'));
        // Assigned in Unicode 9.0.0.
        assert!(MARKS.contains('\u{8D4}') && !NONSPACING_MARKS.contains('\u{8D4}'));
        assert!(NORMALIZED.contains('\u{8D4}') && !NORMALIZED.contains('\u{32FF}'));
        assert!(CONTROLS.contains('\u{E000}') && !CONTROLS.contains('\u{8E2}'));
    }
}
