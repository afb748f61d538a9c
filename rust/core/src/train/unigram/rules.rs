//! [`PieceRules`]: which stretches of a word may become pieces, by the rules of SentencePiece's trainer.

use crate::pre_tokenizer::scripts;

/// Stands for a space.
pub(super) const METASPACE: char = '\u{2581}';

/// What a piece may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own, named as in SentencePiece"
)]
pub struct PieceRules {
    /// The longest piece, in characters.
    pub max_piece_length: u8,
    /// Whether a piece keeps to one script. Hiragana, Katakana and Han are one; digits and punctuation are one as well.
    pub split_by_unicode_script: bool,
    /// Whether that holds between digits and other characters too.
    pub split_by_number: bool,
    /// Whether each digit is a piece of its own.
    pub split_digits: bool,
    /// Whether a metaspace stands at most at the start of a piece; otherwise also inside, but never at the end.
    pub split_by_whitespace: bool,
}

impl Default for PieceRules {
    fn default() -> Self {
        Self {
            max_piece_length: 16,
            split_by_unicode_script: true,
            split_by_number: true,
            split_digits: false,
            split_by_whitespace: true,
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

/// The rules, ready to be applied to the symbols of an alphabet.
#[derive(Debug)]
pub(super) struct Judge {
    rules: PieceRules,
    classes: Vec<Class>,
}

impl Judge {
    /// `alphabet` is the character of each symbol.
    pub(super) fn new(rules: PieceRules, alphabet: &[char]) -> Self {
        let class_of = |&c: &char| {
            let is_digit = c.is_ascii_digit() || ('\u{FF10}'..='\u{FF19}').contains(&c);
            match c {
                METASPACE => Class::Metaspace,
                '\0' => Class::Alone,
                _ if is_digit && rules.split_digits => Class::Alone,
                _ if !rules.split_by_unicode_script || (is_digit && !rules.split_by_number) => {
                    Class::AnyScript
                }
                _ => scripts::script_or_inherited(c).map_or(Class::Inherited, Class::Script),
            }
        };
        Self { rules, classes: alphabet.iter().map(class_of).collect() }
    }

    /// Whether symbols may be a piece.
    pub(super) fn allows(&self, symbols: &[u32]) -> bool {
        if symbols.len() <= 1 {
            return !symbols.is_empty();
        }
        let last = symbols.len() - 1;
        let mut script: Option<usize> = None;
        symbols.len() <= usize::from(self.rules.max_piece_length)
            && symbols.iter().enumerate().all(|(i, &symbol)| match self.classes[symbol as usize] {
                Class::Metaspace => i == 0 || (!self.rules.split_by_whitespace && i < last),
                Class::Alone => false,
                Class::AnyScript => {
                    script = None;
                    true
                }
                Class::Inherited => true,
                Class::Script(own) => script.replace(own).is_none_or(|before| before == own),
            })
    }
}
