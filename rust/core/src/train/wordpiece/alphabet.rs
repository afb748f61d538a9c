//! [`Alphabet`]: the characters that get tokens before training, and the words that are written in them.
//!
//! A word that encoding would make unknown as a whole teaches nothing, so it is left out: one that is too long, or has a
//! character beyond the alphabet.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::train::wordpiece::joining::overflow;
use crate::train::wordpiece::words::Words;
use crate::train::{Dropped, WordCounts};
use crate::vocab::index;

/// Which words and characters take part.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits<'a> {
    /// A word of more characters is left out.
    pub(super) max_chars: usize,
    /// The most different characters.
    pub(super) limit_alphabet: Option<usize>,
    /// The share of all characters that must have a token, above zero and at most one.
    pub(super) coverage: f64,
    pub(super) prefix: &'a str,
}

/// Ids of a character where it begins a word and where it continues one.
#[derive(Debug, Clone, Copy)]
struct Ids {
    first: u32,
    /// `None`: it stands inside no word.
    continuing: Option<u32>,
}

/// See the module's head.
#[derive(Debug)]
pub(super) struct Alphabet {
    ids: FxHashMap<char, Ids>,
    /// Spellings, in the order of ids: all characters by code point, then with the prefix those that continue words.
    pub(super) tokens: Vec<String>,
    /// What is beyond the limits.
    pub(super) dropped: Vec<Dropped>,
    max_chars: usize,
}

/// Words between two looks at whether to stop.
const POLL_WORDS: usize = 1 << 12;

impl Alphabet {
    /// Chooses characters; ids start at `n_special`.
    ///
    /// # Errors
    /// [`Error::Config`] for a word that is not UTF-8; [`Error::Interrupted`].
    pub(super) fn new(
        counts: &WordCounts,
        limits: Limits<'_>,
        n_special: usize,
        progress: &Progress,
    ) -> Result<Self> {
        let mut sums: FxHashMap<char, u128> = FxHashMap::default();
        let (mut n_long, mut n_long_occurrences) = (0, 0);
        for_each_word(counts, progress, |word, count| {
            if is_too_long(word, limits.max_chars) {
                n_long += 1;
                n_long_occurrences += u128::from(count);
            } else {
                for c in word.chars() {
                    *sums.entry(c).or_default() += u128::from(count);
                }
            }
            Ok(())
        })?;
        let what = format!("words of more than {} characters", limits.max_chars);
        let too_long = Dropped::some(what, n_long, n_long_occurrences);
        let (kept, rare) = choose(sums, limits);
        let mut alphabet = Self {
            ids: FxHashMap::default(),
            tokens: kept.iter().map(char::to_string).collect(),
            dropped: too_long.into_iter().chain(rare).collect(),
            max_chars: limits.max_chars,
        };
        alphabet.number(counts, &kept, limits.prefix, n_special, progress)?;
        Ok(alphabet)
    }

    fn number(
        &mut self,
        counts: &WordCounts,
        kept: &[char],
        prefix: &str,
        n_special: usize,
        progress: &Progress,
    ) -> Result<()> {
        let first = (index(n_special)..).zip(kept);
        self.ids = first.map(|(first, &c)| (c, Ids { first, continuing: None })).collect();
        let mut inside: FxHashSet<char> = FxHashSet::default();
        for_each_word(counts, progress, |word, _| {
            if self.holds(word) {
                inside.extend(word.chars().skip(1));
            }
            Ok(())
        })?;
        for &c in kept.iter().filter(|c| inside.contains(c)) {
            let next = index(n_special + self.tokens.len());
            if let Some(ids) = self.ids.get_mut(&c) {
                // Without a prefix a character is the same token in both places.
                ids.continuing = Some(if prefix.is_empty() { ids.first } else { next });
            }
            if !prefix.is_empty() {
                self.tokens.push(format!("{prefix}{c}"));
            }
        }
        Ok(())
    }

    fn holds(&self, word: &str) -> bool {
        !is_too_long(word, self.max_chars) && word.chars().all(|c| self.ids.contains_key(&c))
    }

    /// Words by ids, and how often each token stands in them.
    ///
    /// # Errors
    /// [`Error::Config`] when the words are too many for 31 bits of places or 64 bits of counts; [`Error::Interrupted`].
    pub(super) fn spell(
        &mut self,
        counts: &WordCounts,
        n_special: usize,
        progress: &Progress,
    ) -> Result<(Words, Vec<u64>)> {
        let mut token_counts = vec![0_u64; n_special + self.tokens.len()];
        let mut words = Words::new();
        let mut ids = Vec::new();
        let (mut n_unspelled, mut n_unspelled_occurrences) = (0, 0);
        // Frequent words first, so that equal counts stand together.
        for_each_word_of(counts, counts.by_count(), progress, |word, count| {
            if is_too_long(word, self.max_chars) {
                return Ok(());
            }
            ids.clear();
            let spelled = word.chars().enumerate().map(|(place, c)| {
                let ids = self.ids.get(&c)?;
                if place == 0 { Some(ids.first) } else { ids.continuing }
            });
            for id in spelled {
                let Some(id) = id else {
                    n_unspelled += 1;
                    n_unspelled_occurrences += u128::from(count);
                    return Ok(());
                };
                ids.push(id);
            }
            // A pair occurs no more often than its tokens, and a product than its parts: these sums bound all others.
            for &id in &ids {
                let sum = &mut token_counts[id as usize];
                *sum = sum.checked_add(count).ok_or_else(overflow)?;
            }
            if ids.len() > 1 { words.push(&ids, count) } else { Ok(()) }
        })?;
        let what = "words with a character beyond the alphabet";
        self.dropped.extend(Dropped::some(what, n_unspelled, n_unspelled_occurrences));
        Ok((words, token_counts))
    }
}

/// The characters that are kept, by code point, and what is said of the others. More frequent ones go before; of equals, the
/// smaller code point.
fn choose(sums: FxHashMap<char, u128>, limits: Limits<'_>) -> (Vec<char>, Option<Dropped>) {
    let mut by_count: Vec<(char, u128)> = sums.into_iter().collect();
    by_count.sort_unstable_by_key(|&(c, count)| (std::cmp::Reverse(count), c));
    let total: u128 = by_count.iter().map(|&(_, count)| count).sum();
    let needed = needed(total, limits.coverage);
    let mut covered = 0;
    let n_needed = by_count
        .iter()
        .take_while(|&&(_, count)| {
            let is_short = covered < needed;
            covered += count;
            is_short
        })
        .count();
    let n_kept = n_needed.min(limits.limit_alphabet.unwrap_or(usize::MAX));
    let rare = by_count.split_off(n_kept.min(by_count.len()));
    let mut kept: Vec<char> = by_count.into_iter().map(|(c, _)| c).collect();
    kept.sort_unstable();
    let n_occurrences = rare.iter().map(|&(_, count)| count).sum();
    let what = "characters beyond limit_alphabet or character_coverage";
    (kept, Dropped::some(what, rare.len() as u64, n_occurrences))
}

/// How many of `total` characters make up the share, in steps of a billionth, rounded up.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of at most one in billionths"
)]
fn needed(total: u128, share: f64) -> u128 {
    const STEPS: u128 = 1_000_000_000;
    let steps = (share.clamp(0.0, 1.0) * 1e9).round() as u128;
    (total * steps).div_ceil(STEPS)
}

fn is_too_long(word: &str, max_chars: usize) -> bool {
    word.len() > max_chars && word.chars().nth(max_chars).is_some()
}

fn for_each_word(
    counts: &WordCounts,
    progress: &Progress,
    visit: impl FnMut(&str, u64) -> Result<()>,
) -> Result<()> {
    for_each_word_of(counts, 0..counts.len(), progress, visit)
}

fn for_each_word_of(
    counts: &WordCounts,
    places: impl IntoIterator<Item = usize>,
    progress: &Progress,
    mut visit: impl FnMut(&str, u64) -> Result<()>,
) -> Result<()> {
    for (n_seen, place) in places.into_iter().enumerate() {
        if n_seen.is_multiple_of(POLL_WORDS) {
            progress.check()?;
        }
        let Some((word, count)) = counts.get(place) else { continue };
        let word = std::str::from_utf8(word).map_err(|error| {
            Error::Config(format!(
                "WordPiece is made of characters, but word {place} of the counts, \"{}\", is not UTF-8 at byte {}",
                word.escape_ascii(),
                error.valid_up_to()
            ))
        })?;
        visit(word, count)?;
    }
    Ok(())
}
