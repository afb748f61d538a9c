//! Seeds: the substrings that occur often, from a sort of all suffixes of the different words.
//!
//! In sorted order the suffixes that begin with a substring stand together, and the substring's frequency is the sum of
//! their words' counts. A substring that is always followed by the same character is left out: the longer one occurs as
//! often and scores higher. So the substrings of interest are the nodes of the tree of longest common prefixes
//! (Abouelhoda, Kurtz, Ohlebusch 2004, "Replacing suffix trees with enhanced suffix arrays"), walked here with a stack. The
//! end of a word is different from every character and from every other end, so a word that occurs twice is of interest.
//!
//! Suffixes are sorted no deeper than pieces are long, by keys of as many symbols as 64 bits hold, which are fetched again
//! only where they were equal: few looks at the text, and linear in the length of words, however they repeat.

use std::cmp::Ordering;
use std::sync::Mutex;

use super::corpus::{Corpus, to_f64};
use crate::error::{Error, Result};
use crate::parallel;
use crate::progress::{Phase, Progress};
use crate::train::piece_rules::Judge;

/// A substring that may become a piece.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seed {
    /// Frequency times length in characters.
    pub(super) score: f64,
    /// Where it stands in the corpus's text.
    pub(super) start: u32,
    pub(super) length: u8,
}

/// What is looked for.
#[derive(Debug)]
pub(super) struct Finder<'c> {
    pub(super) corpus: &'c Corpus,
    pub(super) judge: Judge,
    pub(super) max_length: u8,
    /// How many at the most.
    pub(super) n_seeds: usize,
    /// Whether a substring must be followed by different bytes, those of a space and of a line's end among them.
    pub(super) sees_line_ends: bool,
}

impl Finder<'_> {
    /// The best substrings of at least two characters, best first; ties go to the longer one in bytes, then by bytes.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    pub(super) fn find(&self, n_threads: usize, progress: &Progress) -> Result<Vec<Seed>> {
        let corpus = self.corpus;
        progress.begin(Phase::Seed, corpus.text.len() as u64);
        let mut suffixes = vec![0_u32; corpus.text.len() - corpus.parts.len()];
        let buckets = distribute(corpus, &mut suffixes);
        let n_buckets = buckets.len();
        let buckets: Vec<Mutex<&mut [u32]>> = buckets.into_iter().map(Mutex::new).collect();
        let sorter = Sorter::new(corpus, usize::from(self.max_length) + 1);
        let found = parallel::map(&mut vec![(); n_threads.max(1)], n_buckets, |(), i| {
            let mut bucket = buckets[i]
                .lock()
                .map_err(|_| Error::Internal("a worker thread panicked".to_owned()))?;
            let common = sorter.sort(&mut bucket, progress)?;
            let mut seeds = self.collect(&bucket, &common);
            self.keep_best(&mut seeds);
            progress.advance(bucket.len() as u64)?;
            Ok(seeds)
        })?;
        let mut seeds = found.concat();
        self.keep_best(&mut seeds);
        // In parts first, to look at whether to stop; the stable sort then merges what is in order.
        for part in seeds.chunks_mut(1 << 14) {
            progress.check()?;
            part.sort_unstable_by(|a, b| self.order(a, b));
        }
        progress.check()?;
        seeds.sort_by(|a, b| self.order(a, b));
        Ok(seeds)
    }

    /// The symbols of a seed.
    pub(super) fn symbols(&self, seed: &Seed) -> &[u32] {
        let start = seed.start as usize;
        &self.corpus.text[start..start + usize::from(seed.length)]
    }

    fn order(&self, a: &Seed, b: &Seed) -> Ordering {
        b.score.total_cmp(&a.score).then_with(|| {
            let (a, b) = (self.symbols(a), self.symbols(b));
            let n_bytes = |symbols: &[u32]| -> usize {
                let len = |&symbol: &u32| self.corpus.alphabet[symbol as usize].len_utf8();
                symbols.iter().map(len).sum()
            };
            // Symbols are in the order of code points, and so are the bytes of UTF-8.
            n_bytes(b).cmp(&n_bytes(a)).then_with(|| a.cmp(b))
        })
    }

    fn keep_best(&self, seeds: &mut Vec<Seed>) {
        if seeds.len() > self.n_seeds {
            seeds.select_nth_unstable_by(self.n_seeds, |a, b| self.order(a, b));
            seeds.truncate(self.n_seeds);
            seeds.shrink_to_fit();
        }
    }

    /// The substrings that are nodes of the tree of common prefixes and allowed as pieces.
    fn collect(&self, suffixes: &[u32], common: &[u8]) -> Vec<Seed> {
        let max_length = usize::from(self.max_length);
        let mut seeds = Vec::new();
        let mut open: Vec<Node> = Vec::new();
        for i in 0..=suffixes.len() {
            let kept = common.get(i).filter(|_| i > 0).map_or(0, |&common| usize::from(common));
            while let Some(node) = open.pop_if(|node| node.length > kept) {
                seeds.extend(self.seed(node));
                let next = self.next_of(node.start, kept);
                match open.last_mut().filter(|parent| parent.length >= kept) {
                    Some(parent) => {
                        parent.count += node.count;
                        parent.next = parent.next.or(self.next_of(node.start, parent.length));
                    }
                    None if kept > 0 => open.push(Node { length: kept, next, ..node }),
                    None => {}
                }
            }
            let Some(&start) = suffixes.get(i) else { break };
            let part = self.corpus.part_at(start);
            let length = ((part.end - start) as usize).min(max_length + 1);
            let count = u128::from(part.count);
            let next = if part.ends_line { Next::One(0) } else { Next::One(SPACE_BYTE) };
            match open.last_mut().filter(|node| node.length == length) {
                Some(same) => {
                    same.count += count;
                    same.next = same.next.or(next);
                }
                None => open.push(Node { length, count, start, next }),
            }
        }
        seeds
    }

    fn seed(&self, node: Node) -> Option<Seed> {
        let Node { length, count, start, next } = node;
        let symbols = self.corpus.text.get(start as usize..start as usize + length)?;
        let is_followed = !self.sees_line_ends || next == Next::Many;
        let is_seed = length > 1
            && length <= usize::from(self.max_length)
            && count > 1
            && is_followed
            && self.judge.allows(symbols);
        let length = u8::try_from(length).ok()?;
        is_seed.then(|| Seed { score: to_f64(count) * f64::from(length), start, length })
    }

    /// The byte that follows the first `length` symbols of a longer suffix.
    fn next_of(&self, start: u32, length: usize) -> Next {
        let symbol = self.corpus.text[start as usize + length];
        let mut buffer = [0; 4];
        let first = self.corpus.alphabet[symbol as usize].encode_utf8(&mut buffer).bytes().next();
        Next::One(first.unwrap_or_default())
    }
}

/// The first byte of a metaspace.
const SPACE_BYTE: u8 = 0xE2;

/// The bytes that follow a substring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    One(u8),
    Many,
}

impl Next {
    fn or(self, other: Self) -> Self {
        if self == other { self } else { Self::Many }
    }
}

/// Fills `suffixes` with the places of all symbols, those of equal symbols together, and returns the parts of each symbol.
#[expect(clippy::cast_possible_truncation, reason = "the corpus has fewer than 2^32 symbols")]
fn distribute<'s>(corpus: &Corpus, suffixes: &'s mut [u32]) -> Vec<&'s mut [u32]> {
    let mut ends = vec![0_usize; corpus.alphabet.len()];
    for &symbol in corpus.text.iter().filter(|&&symbol| symbol != 0) {
        ends[symbol as usize] += 1;
    }
    let sizes = ends.clone();
    let mut sum = 0;
    for end in &mut ends {
        sum += std::mem::replace(end, sum);
    }
    for (place, &symbol) in corpus.text.iter().enumerate().filter(|&(_, &symbol)| symbol != 0) {
        let next = &mut ends[symbol as usize];
        suffixes[*next] = place as u32;
        *next += 1;
    }
    let mut rest = suffixes;
    let mut buckets = Vec::new();
    for size in sizes.into_iter().filter(|&size| size > 0) {
        let (bucket, others) = rest.split_at_mut(size);
        buckets.push(bucket);
        rest = others;
    }
    buckets
}

/// Sorts suffixes that have their first symbol in common.
struct Sorter<'c> {
    corpus: &'c Corpus,
    /// Symbols that are looked at.
    limit: usize,
    /// Bits of a symbol in a key, and symbols of a key.
    n_bits: u32,
    n_symbols: usize,
}

impl<'c> Sorter<'c> {
    fn new(corpus: &'c Corpus, limit: usize) -> Self {
        let n_bits = usize::BITS - (corpus.alphabet.len().max(2) - 1).leading_zeros();
        Self { corpus, limit, n_bits, n_symbols: (u64::BITS / n_bits) as usize }
    }

    /// The next symbols of a suffix from `depth` on, the first in the highest bits; 0 from the end of the word on.
    fn key(&self, place: u32, depth: usize) -> u64 {
        let n_symbols = self.n_symbols.min(self.limit - depth);
        let rest = &self.corpus.text[place as usize + depth..];
        let symbols = rest.iter().take(n_symbols).take_while(|&&symbol| symbol != 0);
        let (mut key, mut shift) = (0, u64::BITS);
        for &symbol in symbols {
            shift -= self.n_bits;
            key |= u64::from(symbol) << shift;
        }
        key
    }

    /// Sorts, and returns how many symbols each suffix has in common with the one before it.
    fn sort(&self, suffixes: &mut [u32], progress: &Progress) -> Result<Vec<u8>> {
        let mut common = vec![0_u8; suffixes.len()];
        let mut keyed: Vec<(u64, u32)> = Vec::new();
        let mut open = vec![(0, suffixes.len(), 1)];
        let mut n_sorted = 0;
        while let Some((from, to, depth)) = open.pop() {
            n_sorted += to - from;
            if n_sorted >= 1 << 16 {
                progress.check()?;
                n_sorted = 0;
            }
            keyed.clear();
            keyed.extend(suffixes[from..to].iter().map(|&place| (self.key(place, depth), place)));
            keyed.sort_unstable();
            let mut group = from;
            for (i, &(key, place)) in (from..).zip(&keyed) {
                suffixes[i] = place;
                let Some(&(before, _)) = keyed.get((i - from).wrapping_sub(1)) else { continue };
                let is_equal = key == before;
                common[i] = self.common(before, key, depth);
                if !is_equal {
                    self.reopen(&mut open, (group, i, depth), before);
                    group = i;
                }
            }
            if let Some(&(last, _)) = keyed.last() {
                self.reopen(&mut open, (group, to, depth), last);
            }
        }
        Ok(common)
    }

    /// Puts suffixes with equal keys on the list of what is still to sort, if there is more to see.
    fn reopen(
        &self,
        open: &mut Vec<(usize, usize, usize)>,
        group: (usize, usize, usize),
        key: u64,
    ) {
        let (from, to, depth) = group;
        let unused = u64::BITS - self.n_bits * u32::try_from(self.n_symbols).unwrap_or(1);
        let is_full = (key >> unused) & ((1 << self.n_bits) - 1) != 0;
        if to - from > 1 && is_full && depth + self.n_symbols < self.limit {
            open.push((from, to, depth + self.n_symbols));
        }
    }

    /// How many symbols two suffixes have in common, as far as their keys tell.
    #[expect(clippy::cast_possible_truncation, reason = "at most `limit`, which is at most 256")]
    fn common(&self, a: u64, b: u64, depth: usize) -> u8 {
        let n_bits = self.n_bits as usize;
        let differ = (a ^ b).leading_zeros() as usize / n_bits;
        // No symbol of a key is 0, so its lowest bit set is in its last symbol.
        let end = (u64::BITS - b.trailing_zeros()).div_ceil(self.n_bits) as usize;
        (depth + differ.min(end)).min(self.limit).min(255) as u8
    }
}

/// A substring whose suffixes are being gone through.
#[derive(Debug, Clone, Copy)]
struct Node {
    length: usize,
    count: u128,
    start: u32,
    next: Next,
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::super::corpus::CorpusOptions;
    use super::*;
    use crate::train::{PieceRules, WordCounts};
    use proptest::prelude::*;

    /// Frequency times length of every substring that occurs twice and is not always followed by the same character.
    fn naive(words: &BTreeMap<String, u64>, max_length: usize) -> BTreeMap<String, f64> {
        let mut seen: BTreeMap<String, (u128, BTreeSet<Option<char>>, bool)> = BTreeMap::new();
        for (word, &count) in words {
            let chars: Vec<char> = word.chars().collect();
            for start in 0..chars.len() {
                for end in start + 2..=chars.len().min(start + max_length) {
                    let (sum, next, ends) =
                        seen.entry(chars[start..end].iter().collect()).or_default();
                    *sum += u128::from(count);
                    next.insert(chars.get(end).copied());
                    *ends |= end == chars.len();
                }
            }
        }
        let is_seed = |(count, next, ends): &(u128, BTreeSet<Option<char>>, bool)| {
            *count > 1 && (*ends || next.len() > 1)
        };
        seen.into_iter()
            .filter(|(_, seen)| is_seed(seen))
            .map(|(text, (count, ..))| {
                let length = text.chars().count() as u128;
                (text, to_f64(count * length))
            })
            .collect()
    }

    proptest! {
        #[test]
        fn seeds_match_naive(
            words in prop::collection::btree_map("[abéあ]{1,24}", 1..1_000_u64, 1..20),
            max_length in 2..18_u8,
            n_threads in 1..4_usize,
        ) {
            let counts = WordCounts::from_pairs(words.iter().map(|(word, &count)| (word, count))).unwrap();
            let options = CorpusOptions {
                character_coverage: 1.0,
                required: "",
                is_byte_level: false,
                line_end: None,
            };
            let corpus = Corpus::new(&counts, &options, &Progress::default()).unwrap();
            let rules = PieceRules {
                max_length: usize::from(max_length),
                split_by_unicode_script: false,
                ..PieceRules::default()
            };
            let finder = Finder {
                corpus: &corpus,
                judge: Judge::new(rules, &corpus.alphabet),
                max_length,
                n_seeds: 1_000_000,
                sees_line_ends: false,
            };
            let seeds = finder.find(n_threads, &Progress::default()).unwrap();
            let found: BTreeMap<String, f64> = seeds
                .iter()
                .map(|seed| {
                    let mut text = String::new();
                    corpus.spell(finder.symbols(seed), &mut text);
                    (text, seed.score)
                })
                .collect();
            prop_assert_eq!(found.len(), seeds.len());
            prop_assert_eq!(found, naive(&words, usize::from(max_length)));
            prop_assert!(seeds.is_sorted_by(|a, b| a.score >= b.score));
        }
    }
}
