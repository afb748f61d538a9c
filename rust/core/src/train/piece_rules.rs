//! [`PieceRules`]: which texts SentencePiece 0.2.3 lets a trained piece have; Unigram's pieces keep to them as well.
//!
//! Scripts are those of Unicode 9.0, Hiragana and Katakana counted as Han, all that has none as common; a mark that takes the
//! script of what it stands on (inherited) fits everywhere. A metaspace is passed over. Unless numbers are split off, a digit
//! fits everywhere, and what stands behind it begins anew. Digits are those of ASCII and their full-width forms.

use crate::pre_tokenizer::metaspace::METASPACE;
use crate::pre_tokenizer::scripts;

/// What SentencePiece writes for a character that is too rare to be in the vocabulary.
pub(super) const RARE: char = '\u{2585}';
/// What it writes where words are cut apart: for special and user-defined pieces.
pub(super) const CUT: char = '\u{1F}';

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

/// What the rules see of a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Metaspace,
    /// In no piece but its own.
    Alone,
    /// Goes with every script, and so does what follows.
    AnyScript,
    /// Has the script of what is before it.
    Inherited,
    Script(usize),
}

impl PieceRules {
    /// Whether a piece may be this text, in which SentencePiece has reserved characters for what is no text.
    #[must_use]
    pub fn allow(&self, piece: &str) -> bool {
        !piece.contains([RARE, CUT, ' ', '\0']) && self.allow_text(piece)
    }

    /// Whether a piece may be this text, in which no character is reserved.
    pub(super) fn allow_text(&self, piece: &str) -> bool {
        self.allow_classes(piece.chars().count(), piece.chars().map(|c| self.class_of(c)))
    }

    fn class_of(&self, c: char) -> Class {
        let is_digit = matches!(c, '0'..='9' | '\u{FF10}'..='\u{FF19}');
        match c {
            METASPACE => Class::Metaspace,
            '\0' => Class::Alone,
            _ if is_digit && self.split_digits => Class::Alone,
            _ if !self.split_by_unicode_script || (is_digit && !self.split_by_number) => {
                Class::AnyScript
            }
            _ => scripts::script_or_inherited(c).map_or(Class::Inherited, Class::Script),
        }
    }

    /// Whether a piece may have `n_chars` characters of these classes.
    #[inline]
    fn allow_classes(&self, n_chars: usize, classes: impl Iterator<Item = Class> + Clone) -> bool {
        if n_chars == 0 || n_chars > self.max_length {
            return false;
        }
        let may_have_spaces = self.allow_whitespace_only_pieces
            && classes.clone().all(|class| class == Class::Metaspace);
        let mut script: Option<usize> = None;
        classes.enumerate().all(|(i, class)| match class {
            Class::Metaspace => may_have_spaces || self.may_have_space_at(i, n_chars),
            Class::Alone => n_chars == 1,
            Class::AnyScript => {
                script = None;
                true
            }
            Class::Inherited => true,
            Class::Script(own) => script.replace(own).is_none_or(|before| before == own),
        })
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

/// The rules, ready to be applied to the symbols of an alphabet.
#[derive(Debug)]
pub(super) struct Judge {
    rules: PieceRules,
    classes: Vec<Class>,
}

impl Judge {
    /// `alphabet` is the character of each symbol.
    pub(super) fn new(rules: PieceRules, alphabet: &[char]) -> Self {
        Self { rules, classes: alphabet.iter().map(|&c| rules.class_of(c)).collect() }
    }

    /// Whether symbols may be a piece: one alone always may.
    pub(super) fn allows(&self, symbols: &[u32]) -> bool {
        let class_of = |&symbol: &u32| self.classes[symbol as usize];
        symbols.len() == 1 || self.rules.allow_classes(symbols.len(), symbols.iter().map(class_of))
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
