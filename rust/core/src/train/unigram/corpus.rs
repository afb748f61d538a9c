//! [`Corpus`]: the words of the counts as symbols, for one pass after another.
//!
//! A symbol is a character of the alphabet, numbered from 1 by code point. A word is cut at characters outside the alphabet:
//! no piece holds one, so every segmentation has a border on both of its sides, and the parts between are independent. Each
//! part is followed by the symbol 0, below all others.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::pre_tokenizer::byte_level;
use crate::progress::Progress;
use crate::train::WordCounts;

/// Words between two looks at whether to stop.
const POLL_WORDS: usize = 1 << 14;

/// Every how many symbols the part is noted, to find the part of a place.
const NOTE: usize = 32;

/// What [`Corpus::new`] needs to know.
#[derive(Debug)]
pub(super) struct CorpusOptions<'a> {
    /// The share of all characters that the alphabet covers.
    pub(super) character_coverage: f64,
    /// Characters that are in the alphabet whether or not they occur.
    pub(super) required: &'a str,
    /// Whether words are bytes, which the vocabulary spells.
    pub(super) is_byte_level: bool,
    /// Where a line ends; it is no text.
    pub(super) line_end: Option<char>,
}

/// A part of a word: where its symbols end, and how often it occurs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) end: u32,
    pub(super) ends_line: bool,
    pub(super) count: u64,
}

#[derive(Debug)]
pub(super) struct Corpus {
    /// The character of each symbol; that of 0 is never looked at.
    pub(super) alphabet: Vec<char>,
    /// How often each symbol occurs.
    pub(super) counts: Vec<u128>,
    /// The symbols of the alphabet, the most frequent first.
    pub(super) by_count: Vec<u32>,
    pub(super) text: Vec<u32>,
    pub(super) parts: Vec<Part>,
    /// Characters outside the alphabet: how many, and how often they occur.
    pub(super) rare: (u64, u128),
    notes: Vec<u32>,
}

impl Corpus {
    /// The words of `counts`.
    ///
    /// # Errors
    /// [`Error::Config`] when a word is not UTF-8 text, or the different words exceed 4 Gi characters; [`Error::Interrupted`].
    pub(super) fn new(
        counts: &WordCounts,
        options: &CorpusOptions<'_>,
        progress: &Progress,
    ) -> Result<Self> {
        let mut char_counts = CharCounts(vec![0; CODE_POINTS]);
        for_each_word(counts, options, progress, |word, count| {
            for c in word.chars().filter(|&c| options.line_end != Some(c)) {
                char_counts.0[c as usize] += u128::from(count);
            }
            Ok(())
        })?;
        let (mut chars, rare) = char_counts.alphabet(options);
        let ranked = chars.clone();
        chars.sort_unstable();
        let mut symbols = vec![0_u32; CODE_POINTS];
        for (symbol, &c) in (1_u32..).zip(&chars) {
            symbols[c as usize] = symbol;
        }
        let by_count = ranked.iter().map(|&c| symbols[c as usize]).collect();
        let alphabet: Vec<char> = std::iter::once('\0').chain(chars).collect();
        let of = |c: &char| char_counts.0[*c as usize];
        let counts_of = std::iter::once(0).chain(alphabet.iter().skip(1).map(of)).collect();
        drop(char_counts);
        let mut corpus = Self {
            alphabet,
            counts: counts_of,
            by_count,
            text: Vec::new(),
            parts: Vec::new(),
            rare,
            notes: Vec::new(),
        };
        for_each_word(counts, options, progress, |word, count| {
            word.chars().try_for_each(|c| {
                corpus.push(symbols[c as usize], count, options.line_end == Some(c))
            })?;
            corpus.push(0, count, false)
        })?;
        Ok(corpus)
    }

    /// Appends a symbol of a word that occurs `count` times, 0 for a character outside the alphabet and for its end.
    fn push(&mut self, symbol: u32, count: u64, ends_line: bool) -> Result<()> {
        let end = u32::try_from(self.text.len()).map_err(|_| {
            Error::Config("the different words together must stay below 4 Gi characters".to_owned())
        })?;
        if symbol == 0 {
            if self.text.last().is_none_or(|&last| last == 0) {
                return Ok(());
            }
            self.parts.push(Part { end, ends_line, count });
        }
        if self.text.len().is_multiple_of(NOTE) {
            let part = self.parts.len() - usize::from(symbol == 0);
            self.notes.push(u32::try_from(part).unwrap_or(u32::MAX));
        }
        self.text.push(symbol);
        Ok(())
    }

    /// The part that the symbol at `place` belongs to.
    pub(super) fn part_at(&self, place: u32) -> Part {
        let first = self.notes[place as usize / NOTE] as usize;
        let rest = &self.parts[first..];
        rest[rest.iter().position(|part| part.end >= place).unwrap_or_default()]
    }

    /// Appends the text of symbols.
    pub(super) fn spell(&self, symbols: &[u32], text: &mut String) {
        text.extend(symbols.iter().map(|&symbol| self.alphabet[symbol as usize]));
    }
}

/// One more than the largest code point.
const CODE_POINTS: usize = char::MAX as usize + 1;

/// How often each code point occurs.
struct CharCounts(Vec<u128>);

impl CharCounts {
    /// The most frequent characters, as far as the coverage asks for, and how many and how frequent the others are.
    fn alphabet(&self, options: &CorpusOptions<'_>) -> (Vec<char>, (u64, u128)) {
        let count_of = |c: char| self.0[c as usize];
        let mut seen: Vec<char> = ('\0'..=char::MAX).filter(|&c| count_of(c) > 0).collect();
        seen.sort_by_key(|&c| Reverse(count_of(c)));
        let total: u128 = seen.iter().map(|&c| count_of(c)).sum();
        let mut covered = 0_u128;
        let is_needed = |&&c: &&char| {
            let is_needed = options.character_coverage >= 1.0
                || to_f64(covered) / to_f64(total) < options.character_coverage;
            covered += count_of(c);
            is_needed
        };
        let n_needed = seen.iter().take_while(is_needed).count();
        let beyond = seen.split_off(n_needed);
        let mut alphabet = seen;
        let required: BTreeSet<char> = options.required.chars().collect();
        let (kept, rare): (Vec<char>, Vec<char>) =
            beyond.into_iter().partition(|c| required.contains(c));
        alphabet.extend(kept);
        alphabet.extend(required.into_iter().filter(|&c| count_of(c) == 0));
        (alphabet, (rare.len() as u64, rare.iter().map(|&c| count_of(c)).sum()))
    }
}

/// Calls `each` with every word and its count.
fn for_each_word(
    counts: &WordCounts,
    options: &CorpusOptions<'_>,
    progress: &Progress,
    mut each: impl FnMut(&str, u64) -> Result<()>,
) -> Result<()> {
    for (index, (word, count)) in counts.iter().enumerate() {
        if index.is_multiple_of(POLL_WORDS) {
            progress.check()?;
        }
        if options.is_byte_level {
            each(&byte_level::spell(word), count)?;
            continue;
        }
        let text = std::str::from_utf8(word).map_err(|_| {
            Error::Config(format!(
                "a word must be UTF-8 text, got {:?}; count with a pre-tokenizer that does not split characters",
                String::from_utf8_lossy(word)
            ))
        })?;
        each(text, count)?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a share, and a score, are approximate numbers")]
pub(super) fn to_f64(count: u128) -> f64 {
    count as f64
}
