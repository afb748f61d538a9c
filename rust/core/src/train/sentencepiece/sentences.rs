//! [`Sentences`]: counts the words of sentences.
//!
//! A sentence is a line. Empty ones, those that are too long, and those with a character that is reserved, for rare ones or
//! for the end of a sentence, are left out; the latter two are counted. A word is what is between two spaces, which belong to the word behind them.

use super::metas::metas;
use super::rules::charsmap_of;
use super::valid_piece::{CUT, METASPACE, PieceRules, RARE};
use super::{SentencePieceOptions, metas::Metas};
use crate::definition::{PieceKind, SentencePieceAlgorithm};
use crate::error::Result;
use crate::normalizer::{Normalizer, SentencePiece};
use crate::pre_tokenizer::{Metaspace, Pattern, PreTokenizer, PrependScheme, Split, SplitBehavior};
use crate::progress::Progress;
use crate::train::{Dropped, Stages, WordCounter, WordCounts};

/// What is put at the end of a sentence for Unigram, which looks at what follows a word: no character, and no text has it.
pub(super) const LINE_END: char = '\u{10FFFF}';

/// See the module's head.
#[derive(Debug)]
pub struct Sentences {
    counter: WordCounter,
    max_length: usize,
    /// Whether a sentence is to end with [`LINE_END`].
    marks_ends: bool,
    n_bytes: u64,
    n_long: u64,
    n_reserved: u64,
}

impl Sentences {
    /// # Errors
    /// [`crate::Error::Config`] for options that contradict each other.
    pub fn new(options: &SentencePieceOptions) -> Result<Self> {
        let counter = WordCounter::new(stages(options)?.pipeline(&[])?, options.n_threads, None);
        let max_length = options.max_sentence_length.unwrap_or(usize::MAX);
        let marks_ends = options.algorithm == SentencePieceAlgorithm::Unigram;
        Ok(Self { counter, max_length, marks_ends, n_bytes: 0, n_long: 0, n_reserved: 0 })
    }

    /// How many bytes the texts had.
    pub fn n_bytes(&self) -> u64 {
        self.n_bytes
    }

    /// Counts the words of the lines of `texts`.
    ///
    /// # Errors
    /// Those of [`WordCounter::count`].
    pub fn count(&mut self, texts: &[&str], progress: &Progress) -> Result<()> {
        let mut lines = Vec::new();
        for text in texts {
            self.n_bytes += text.len() as u64;
            for line in text.split('\n').filter(|line| !line.is_empty()) {
                if line.len() > self.max_length {
                    self.n_long += 1;
                } else if line.contains([RARE, LINE_END]) {
                    self.n_reserved += 1;
                } else {
                    lines.push(line);
                }
            }
        }
        if !self.marks_ends {
            return self.counter.count(&lines, progress);
        }
        let mut marked = String::with_capacity(lines.iter().map(|line| line.len() + 4).sum());
        for line in &lines {
            marked.push_str(line);
            marked.push(LINE_END);
        }
        let lines: Vec<&str> = marked.split_inclusive(LINE_END).collect();
        self.counter.count(&lines, progress)
    }

    /// The words, and the sentences that were left out.
    ///
    /// # Errors
    /// Those of [`WordCounter::finish`].
    pub fn finish(self, progress: &Progress) -> Result<(WordCounts, Vec<Dropped>)> {
        let max = self.max_length;
        let dropped = |n, what| Dropped { what, n_different: n, n_occurrences: n };
        let all = [
            dropped(self.n_long, format!("sentences of more than {max} bytes")),
            dropped(self.n_reserved, "sentences with U+2585 or U+10FFFF".to_owned()),
        ];
        let all = all.into_iter().filter(|dropped| dropped.n_different > 0).collect();
        Ok((self.counter.finish(1, progress)?.counts, all))
    }
}

/// The stages that make words of a sentence.
fn stages(options: &SentencePieceOptions) -> Result<Stages> {
    let spec = SentencePiece {
        name: options.normalization_rule_name.clone(),
        charsmap: charsmap_of(&options.normalization_rule_name)?.to_vec(),
        add_dummy_prefix: options.add_dummy_prefix,
        remove_extra_whitespaces: options.remove_extra_whitespaces,
        escape_whitespaces: true,
        treat_whitespace_as_suffix: options.rules.treat_whitespace_as_suffix,
        user_defined: Vec::new(),
    };
    let cuts = Normalizer::Replace {
        pattern: Pattern::Regex(any_of(&metas(options)?)),
        content: CUT.to_string(),
    };
    let mut normalizers = vec![Normalizer::SentencePiece(spec), cuts];
    if options.remove_extra_whitespaces && options.algorithm == SentencePieceAlgorithm::Unigram {
        // The end of the sentence, behind which no space is left, is not that of the text now.
        let pattern = Pattern::Literal(format!("{METASPACE}{LINE_END}"));
        normalizers.push(Normalizer::Replace { pattern, content: LINE_END.to_string() });
    }
    let splits =
        options.rules.split_by_whitespace || options.algorithm == SentencePieceAlgorithm::Word;
    Ok(Stages {
        normalizer: Some(Normalizer::Sequence(normalizers)),
        pre_tokenizer: splits.then(|| at_spaces(&options.rules)),
    })
}

/// A pattern that matches each of the pieces, a longer one before a shorter.
fn any_of(metas: &Metas) -> String {
    let mut texts: Vec<&str> = metas.values().map(|piece| piece.text.as_str()).collect();
    texts.sort_by_key(|text| (std::cmp::Reverse(text.len()), *text));
    let mut patterns: Vec<String> = Vec::new();
    for text in texts {
        let is_byte = metas.values().any(|meta| meta.kind == PieceKind::Byte && meta.text == text);
        let pattern =
            if is_byte { "<0x[0-9A-F]{2}>".to_owned() } else { regex_syntax::escape(text) };
        if patterns.last() != Some(&pattern) {
            patterns.push(pattern);
        }
    }
    patterns.join("|")
}

/// Splits before each space, or behind it; or before each run of them.
fn at_spaces(rules: &PieceRules) -> PreTokenizer {
    let (suffix, runs) = (rules.treat_whitespace_as_suffix, rules.allow_whitespace_only_pieces);
    if !suffix && !runs {
        return PreTokenizer::Metaspace(Metaspace {
            replacement: METASPACE,
            prepend_scheme: PrependScheme::Never,
            split: true,
        });
    }
    let pattern = if runs { format!("{METASPACE}+") } else { METASPACE.to_string() };
    let behavior =
        if suffix { SplitBehavior::MergedWithPrevious } else { SplitBehavior::MergedWithNext };
    PreTokenizer::Split(Split { pattern: Pattern::Regex(pattern), behavior, invert: false })
}
