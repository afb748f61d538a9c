//! The alphabet: what words are made of before training.

use super::affixes::Affixes;
use super::cells::{Cells, MAX_TOKENS};
use super::char_map::CharMap;
use super::tokens::Tokens;
use crate::error::{Error, Result};
use crate::pre_tokenizer::byte_level;
use crate::progress::Progress;
use crate::train::{Dropped, WordCounts};

/// What words are made of before training.
#[derive(Debug, Clone, PartialEq)]
pub enum Alphabet {
    /// Bytes: those that occur, and these.
    Bytes(Vec<u8>),
    /// Characters.
    Characters(Characters),
}

/// An alphabet of characters.
#[derive(Debug, Clone, PartialEq)]
pub struct Characters {
    /// Characters that get a token whether or not they occur.
    pub initial: Vec<char>,
    /// The share of all characters that those with a token make up: the most frequent get one until it is reached.
    pub coverage: f64,
    /// At most so many characters get a token, the most frequent; of equals the first by code point.
    pub limit: Option<usize>,
    /// Whether the tokens `<0x00>` to `<0xFF>` stand for the bytes of characters without a token.
    pub byte_fallback: bool,
    /// The token of a character without one.
    pub unk_token: Option<String>,
    /// What a symbol has before it when it does not start its word (`"##"`).
    pub continuing_subword_prefix: String,
    /// What a symbol has after it when it ends its word (`"</w>"`).
    pub end_of_word_suffix: String,
    /// What a character without a token does to the word it is in.
    pub uncovered: Uncovered,
}

impl Default for Characters {
    fn default() -> Self {
        Self {
            initial: Vec::new(),
            coverage: 1.0,
            limit: None,
            byte_fallback: false,
            unk_token: None,
            continuing_subword_prefix: String::new(),
            end_of_word_suffix: String::new(),
            uncovered: Uncovered::Parts,
        }
    }
}

/// What a character without a token does to the word it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uncovered {
    /// It parts the word: no token will ever reach across it.
    Parts,
    /// It is left out, and its neighbours become neighbours: `tokenizers`.
    Vanishes,
}

/// The words as symbols.
#[derive(Debug)]
pub(super) struct Laid {
    pub(super) cells: Cells,
    pub(super) dropped: Vec<Dropped>,
}

/// Words between two looks at whether to stop.
pub(super) const POLL_WORDS: usize = 1 << 14;

/// Adds the bytes of an alphabet to the tokens, by code point of their spelling, and lays the words out in them.
pub(super) fn lay_out_bytes(
    counts: &WordCounts,
    initial: &[u8],
    tokens: &mut Tokens<'_>,
    progress: &Progress,
) -> Result<Laid> {
    let mut seen = [false; 256];
    let mut n_bytes = 0;
    for (word, _) in counts.iter() {
        n_bytes += word.len() + 1;
        for &byte in word {
            seen[usize::from(byte)] = true;
        }
    }
    for &byte in initial {
        seen[usize::from(byte)] = true;
    }
    let mut alphabet: Vec<u8> = (0..=255).filter(|&byte| seen[usize::from(byte)]).collect();
    alphabet.sort_unstable_by_key(|&byte| byte_level::ALPHABET[usize::from(byte)]);
    let mut ids = [0; 256];
    for &byte in &alphabet {
        ids[usize::from(byte)] = tokens.push(&[byte], 1);
    }
    let mut cells = Cells::new(n_bytes);
    for batch in counts.by_count().chunks(POLL_WORDS) {
        progress.check()?;
        for &index in batch {
            let (word, count) = counts.get(index).unwrap_or_default();
            cells.push(word.iter().map(|&byte| ids[usize::from(byte)]), count)?;
        }
    }
    Ok(Laid { cells, dropped: Vec::new() })
}

/// Adds the characters of an alphabet to the tokens, by code point, then those with affixes in the order in which the words,
/// sorted by their bytes, have them; and lays the words out in them.
pub(super) fn lay_out_characters(
    counts: &WordCounts,
    options: &Characters,
    tokens: &mut Tokens<'_>,
    progress: &Progress,
) -> Result<Laid> {
    let (alphabet, dropped) = alphabet_of(counts, options, progress)?;
    let cells = lay_out_in(&alphabet, counts, options, tokens, progress)?;
    Ok(Laid { cells, dropped })
}

/// As [`lay_out_characters`], with an alphabet that is known.
pub(super) fn lay_out_in(
    alphabet: &[char],
    counts: &WordCounts,
    options: &Characters,
    tokens: &mut Tokens<'_>,
    progress: &Progress,
) -> Result<Cells> {
    let mut affixes = Affixes::new(options, tokens);
    for &c in alphabet {
        affixes.add_plain(c, tokens)?;
    }
    if affixes.are_any() {
        for (place, (word, _)) in counts.iter().enumerate() {
            if place.is_multiple_of(POLL_WORDS) {
                progress.check()?;
            }
            affixes.add_word(text_of(word)?, tokens)?;
        }
    }
    if tokens.texts.len() >= MAX_TOKENS {
        return Err(Error::Config(format!("the alphabet must stay below {MAX_TOKENS} symbols")));
    }
    let mut cells = Cells::new(counts.iter().map(|(word, _)| word.len() + 1).sum());
    let mut symbols = Vec::new();
    for batch in counts.by_count().chunks(POLL_WORDS) {
        progress.check()?;
        for &index in batch {
            let (word, count) = counts.get(index).unwrap_or_default();
            symbols.clear();
            affixes.symbols_of(text_of(word)?, &mut symbols);
            match options.uncovered {
                Uncovered::Vanishes => cells.push(symbols.iter().copied().flatten(), count)?,
                Uncovered::Parts => {
                    for part in symbols.split(Option::is_none) {
                        cells.push(part.iter().copied().flatten(), count)?;
                    }
                }
            }
        }
    }
    Ok(cells)
}

pub(super) fn text_of(word: &[u8]) -> Result<&str> {
    std::str::from_utf8(word).map_err(|_| {
        Error::Config(format!(
            "an alphabet of characters needs words of UTF-8, got {}",
            word.escape_ascii()
        ))
    })
}

/// The characters that get a token, by code point, and what is left out.
fn alphabet_of(
    counts: &WordCounts,
    options: &Characters,
    progress: &Progress,
) -> Result<(Vec<char>, Vec<Dropped>)> {
    if !(0.0..=1.0).contains(&options.coverage) {
        return Err(Error::Config(format!(
            "character_coverage must be from 0 to 1, got {}",
            options.coverage
        )));
    }
    let characters = count_characters(counts, progress)?;
    let total: u64 = characters.iter().map(|&(_, count)| count).sum();
    let mut alphabet = options.initial.clone();
    alphabet.sort_unstable();
    alphabet.dedup();
    alphabet.truncate(options.limit.unwrap_or(usize::MAX));
    let n_initial = alphabet.len();
    let (mut covered, mut is_covered) = (0, false);
    let mut beyond = [(0, 0); 2];
    for (c, count) in characters {
        is_covered = is_covered || share(covered, total) >= options.coverage;
        if alphabet[..n_initial].binary_search(&c).is_ok() {
            covered += count;
            continue;
        }
        let is_full = options.limit.is_some_and(|limit| alphabet.len() >= limit);
        if is_covered || is_full {
            let (n_different, n_occurrences) = &mut beyond[usize::from(is_full && !is_covered)];
            *n_different += 1;
            *n_occurrences += u128::from(count);
        } else {
            covered += count;
            alphabet.push(c);
        }
    }
    alphabet.sort_unstable();
    let limit = format!("characters beyond limit_alphabet {}", options.limit.unwrap_or_default());
    let [(n_rare, n_rare_occurrences), (n_over, n_over_occurrences)] = beyond;
    let dropped = [
        Dropped::beyond_coverage(options.coverage, n_rare, n_rare_occurrences),
        Dropped::some(limit, n_over, n_over_occurrences),
    ];
    Ok((alphabet, dropped.into_iter().flatten().collect()))
}

/// Characters and how often they occur, most frequent first; of equals by code point.
///
/// # Errors
/// [`Error::Config`] when a word is not UTF-8 or the counts add up to more than 64 bits; [`Error::Interrupted`].
pub(crate) fn count_characters(
    counts: &WordCounts,
    progress: &Progress,
) -> Result<Vec<(char, u64)>> {
    let mut totals: CharMap<u64> = CharMap::default();
    let mut sum = 0_u64;
    for (place, (word, count)) in counts.iter().enumerate() {
        if place.is_multiple_of(POLL_WORDS) {
            progress.check()?;
        }
        for c in text_of(word)?.chars() {
            sum = sum.checked_add(count).ok_or_else(super::cells::overflow)?;
            *totals.entry(c) += count;
        }
    }
    let mut characters: Vec<(char, u64)> = totals.iter().filter(|&(_, count)| count > 0).collect();
    characters.sort_unstable_by_key(|&(c, count)| (std::cmp::Reverse(count), c));
    Ok(characters)
}

#[expect(clippy::cast_precision_loss, reason = "a share is compared with a share")]
fn share(part: u64, total: u64) -> f64 {
    part as f64 / total as f64
}
