//! [`PieceRules`]: which texts SentencePiece 0.2.3 lets a trained piece have.
//!
//! Scripts are those of Unicode 9.0, Hiragana and Katakana counted as Han, all that has none as common; a mark that takes the
//! script of what it stands on (inherited) fits everywhere. A metaspace is passed over. Unless numbers are split off, a digit
//! fits everywhere, and what stands behind it begins anew. Digits are those of ASCII and their full-width forms.

use crate::pre_tokenizer::scripts;

/// What SentencePiece writes for a space.
pub const METASPACE: char = '\u{2581}';
/// What it writes for a character that is too rare to be in the vocabulary.
pub const RARE: char = '\u{2585}';
/// What it writes where words are cut apart: for special and user-defined pieces.
pub const CUT: char = '\u{1F}';

/// What pieces may be; the defaults are SentencePiece's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "SentencePiece's own flags")]
pub struct PieceRules {
    /// The longest piece, in characters.
    pub max_length: usize,
    /// Whether a piece has characters of one script only.
    pub split_by_unicode_script: bool,
    /// Whether digits count as characters of the common script, rather than of any.
    pub split_by_number: bool,
    /// Whether a metaspace stands only at the beginning of a piece; else also inside.
    pub split_by_whitespace: bool,
    /// Whether a digit stands alone.
    pub split_digits: bool,
    /// Whether the metaspace stands at the end instead of the beginning.
    pub treat_whitespace_as_suffix: bool,
    /// Whether pieces of nothing but metaspaces are allowed.
    pub allow_whitespace_only_pieces: bool,
}

impl Default for PieceRules {
    fn default() -> Self {
        Self {
            max_length: 16,
            split_by_unicode_script: true,
            split_by_number: true,
            split_by_whitespace: true,
            split_digits: false,
            treat_whitespace_as_suffix: false,
            allow_whitespace_only_pieces: false,
        }
    }
}

impl PieceRules {
    /// Whether a piece of several characters may be this text.
    #[must_use]
    pub fn allow(&self, piece: &str) -> bool {
        let n_chars = piece.chars().count();
        if n_chars == 0 || n_chars > self.max_length {
            return false;
        }
        let may_have_spaces =
            self.allow_whitespace_only_pieces && piece.chars().all(|c| c == METASPACE);
        let mut script = None;
        for (i, c) in piece.chars().enumerate() {
            match c {
                RARE | CUT | ' ' | '\0' => return false,
                METASPACE if may_have_spaces || self.may_have_space_at(i, n_chars) => continue,
                METASPACE => return false,
                _ => {}
            }
            let is_digit = matches!(c, '0'..='9' | '\u{FF10}'..='\u{FF19}');
            if self.split_digits && is_digit && n_chars > 1 {
                return false;
            }
            let own = if is_digit && !self.split_by_number {
                None
            } else {
                scripts::script_or_inherited(c).or(script)
            };
            if self.split_by_unicode_script && own.is_some() && script.is_some() && own != script {
                return false;
            }
            script = own;
        }
        true
    }

    /// Whether a metaspace may be character `i` of a piece with others.
    fn may_have_space_at(&self, i: usize, n_chars: usize) -> bool {
        let (first, last) = (i == 0, i + 1 == n_chars);
        match (self.treat_whitespace_as_suffix, self.split_by_whitespace) {
            (false, true) => first,
            (false, false) => first || !last,
            (true, true) => last,
            (true, false) => last || !first,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rules: PieceRules, allowed: &[&str], refused: &[&str]) {
        for piece in allowed {
            assert!(rules.allow(piece), "{piece:?} is refused");
        }
        for piece in refused {
            assert!(!rules.allow(piece), "{piece:?} is allowed");
        }
    }

    #[test]
    fn pieces_have_one_script_and_their_space_first() {
        check(
            PieceRules::default(),
            &["a", "▁", "▁ab", "abcdefghijklmnop", "12", "漢かカー", "a\u{301}b", "\u{301}б"],
            &[
                "",
                "a▁",
                "▁▁",
                "▁a▁b",
                "a1",
                "aб",
                "漢a",
                "abcdefghijklmnopq",
                "▅",
                "a\u{1F}",
                "a b",
                "\0",
            ],
        );
    }

    #[test]
    fn digits_are_common_any_or_alone() {
        let any = PieceRules { split_by_number: false, ..PieceRules::default() };
        check(any, &["a1", "1a", "a1б", "５a"], &["aб", "a!"]);
        let alone = PieceRules { split_digits: true, ..PieceRules::default() };
        check(alone, &["1", "５"], &["12", "▁1", "a1"]);
    }

    #[test]
    fn spaces_stand_where_the_rules_say() {
        let inside = PieceRules { split_by_whitespace: false, ..PieceRules::default() };
        check(inside, &["a▁b", "▁a▁b", "▁"], &["a▁", "▁▁"]);
        let suffix = PieceRules { treat_whitespace_as_suffix: true, ..PieceRules::default() };
        check(suffix, &["a▁", "▁"], &["▁a", "▁▁", "a▁b"]);
        let only = PieceRules { allow_whitespace_only_pieces: true, ..PieceRules::default() };
        check(only, &["▁▁▁", "▁a"], &["▁▁a", "a▁"]);
        let free = PieceRules { split_by_unicode_script: false, ..PieceRules::default() };
        check(free, &["a1б", "▁漢a"], &["a▁"]);
    }
}
