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

use std::sync::Mutex;

use super::corpus::{Corpus, to_f64};
use super::rules::Judge;
use crate::error::{Error, Result};
use crate::parallel;
use crate::progress::{Phase, Progress};

/// A substring that may become a piece.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seed {
    /// Frequency times length in characters.
    pub(super) score: f64,
    /// Where it stands in the corpus's text.
    pub(super) start: u32,
    pub(super) length: u8,
}

/// The `n_seeds` best substrings of at least two characters, best first; ties go to the longer one in bytes, then by bytes.
///
/// # Errors
/// [`Error::Interrupted`].
pub(super) fn find(
    corpus: &Corpus,
    judge: &Judge,
    max_length: u8,
    n_seeds: usize,
    n_threads: usize,
    progress: &Progress,
) -> Result<Vec<Seed>> {
    progress.begin(Phase::Seed, corpus.text.len() as u64);
    let mut suffixes = vec![0_u32; corpus.text.len() - corpus.parts.len()];
    let buckets = distribute(corpus, &mut suffixes);
    let n_buckets = buckets.len();
    let buckets: Vec<Mutex<&mut [u32]>> = buckets.into_iter().map(Mutex::new).collect();
    let found = parallel::map(&mut vec![(); n_threads.max(1)], n_buckets, |(), i| {
        let mut bucket =
            buckets[i].lock().map_err(|_| Error::Internal("a worker thread panicked".to_owned()))?;
        let sorter = Sorter::new(corpus, usize::from(max_length) + 1);
        let common = sorter.sort(&mut bucket, progress)?;
        let mut seeds = Vec::new();
        collect(corpus, judge, usize::from(max_length), &bucket, &common, &mut seeds);
        keep_best(corpus, &mut seeds, n_seeds);
        progress.advance(bucket.len() as u64)?;
        Ok(seeds)
    })?;
    let mut seeds = found.concat();
    keep_best(corpus, &mut seeds, n_seeds);
    seeds.sort_unstable_by(|a, b| order(corpus, a, b));
    Ok(seeds)
}

fn order(corpus: &Corpus, a: &Seed, b: &Seed) -> std::cmp::Ordering {
    b.score.total_cmp(&a.score).then_with(|| {
        let (a, b) = (symbols(corpus, a), symbols(corpus, b));
        let n_bytes = |symbols: &[u32]| -> usize {
            symbols.iter().map(|&symbol| corpus.alphabet[symbol as usize].len_utf8()).sum()
        };
        // Symbols are in the order of code points, and so are the bytes of UTF-8.
        n_bytes(b).cmp(&n_bytes(a)).then_with(|| a.cmp(b))
    })
}

/// The symbols of a seed.
pub(super) fn symbols<'c>(corpus: &'c Corpus, seed: &Seed) -> &'c [u32] {
    let start = seed.start as usize;
    &corpus.text[start..start + usize::from(seed.length)]
}

fn keep_best(corpus: &Corpus, seeds: &mut Vec<Seed>, n_seeds: usize) {
    if seeds.len() > n_seeds {
        seeds.select_nth_unstable_by(n_seeds, |a, b| order(corpus, a, b));
        seeds.truncate(n_seeds);
        seeds.shrink_to_fit();
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
    fn reopen(&self, open: &mut Vec<(usize, usize, usize)>, group: (usize, usize, usize), key: u64) {
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
}

/// Appends the substrings that are nodes of the tree of common prefixes and allowed as pieces.
fn collect(
    corpus: &Corpus,
    judge: &Judge,
    max_length: usize,
    suffixes: &[u32],
    common: &[u8],
    seeds: &mut Vec<Seed>,
) {
    let mut emit = |node: Node| {
        let start = node.start as usize;
        if node.count >= 2
            && (2..=max_length).contains(&node.length)
            && judge.allows(&corpus.text[start..start + node.length])
        {
            #[expect(clippy::cast_precision_loss, reason = "at most 255")]
            let score = to_f64(node.count) * node.length as f64;
            let length = u8::try_from(node.length).unwrap_or(u8::MAX);
            seeds.push(Seed { score, start: node.start, length });
        }
    };
    let mut open: Vec<Node> = Vec::new();
    for i in 0..=suffixes.len() {
        let kept = common.get(i).filter(|_| i > 0).map_or(0, |&common| usize::from(common));
        while let Some(node) = open.pop_if(|node| node.length > kept) {
            emit(node);
            match open.last_mut().filter(|parent| parent.length >= kept) {
                Some(parent) => parent.count += node.count,
                None if kept > 0 => open.push(Node { length: kept, ..node }),
                None => {}
            }
        }
        let Some(&start) = suffixes.get(i) else { break };
        let part = corpus.part_at(start);
        let length = ((part.end - start) as usize).min(max_length + 1);
        let count = u128::from(part.count);
        match open.last_mut().filter(|node| node.length == length) {
            Some(same) => same.count += count,
            None => open.push(Node { length, count, start }),
        }
    }
}
