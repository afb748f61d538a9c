//! [`Joining`]: words as their tokens, and the steps that join pairs of them.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::train::neighbours::Neighbours;
use crate::train::wordpiece::Criterion;
use crate::train::wordpiece::pairs::Pairs;
use crate::train::wordpiece::words::Words;
use crate::vocab::index;

/// What decides which tokens are made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules<'a> {
    pub(super) criterion: Criterion,
    /// How often a pair must occur, at least one.
    pub(super) least: u64,
    /// The most tokens.
    pub(super) vocab_size: usize,
    /// The most characters of a token.
    pub(super) max_length: u32,
    /// What the right token of a pair is spelled with, and the product without.
    pub(super) prefix: &'a str,
}

/// How many times rarer the pairs are that are taken up when those before are used up.
const RARER: u64 = 8;

/// Places between two looks at whether to stop.
const POLL_PLACES: u32 = 1 << 16;

#[derive(Debug)]
pub(super) struct Joining<'a> {
    rules: Rules<'a>,
    /// Spelling of each token, and what no product may be spelled like: all of them.
    tokens: Vec<String>,
    taken: FxHashSet<String>,
    /// Characters of each token.
    lengths: Vec<u32>,
    /// How often each token stands in all words.
    counts: Vec<u64>,
    words: Words,
    pairs: Pairs,
    /// Places of the last product.
    products: Vec<u32>,
    before: Neighbours<u64>,
    after: Neighbours<u64>,
    n_polled: u32,
}

/// A pair with its count and at how many places it begins.
type Counted = ((u32, u32), (u64, u32));

/// Words in single characters, and what stands beside what: where every run starts from.
#[derive(Debug)]
pub(super) struct Start {
    /// Special tokens and alphabet.
    pub(super) tokens: Vec<String>,
    /// How often each token stands in all words, those of one character among them.
    counts: Vec<u64>,
    words: Words,
    pairs: Vec<Counted>,
}

impl Start {
    /// Counts the pairs.
    pub(super) fn new(
        tokens: Vec<String>,
        counts: Vec<u64>,
        words: Words,
        progress: &Progress,
    ) -> Result<Self> {
        let pairs = count_pairs(&words, &vec![1; tokens.len()], progress)?;
        Ok(Self { tokens, counts, words, pairs })
    }

    /// The count of the most frequent pair.
    pub(super) fn largest_count(&self) -> u64 {
        largest_count(&self.pairs)
    }
}

fn largest_count(pairs: &[Counted]) -> u64 {
    pairs.iter().map(|&(_, (count, _))| count).max().unwrap_or(0)
}

/// All pairs, ordered by ids.
fn count_pairs(words: &Words, lengths: &[u32], progress: &Progress) -> Result<Vec<Counted>> {
    let mut pairs: FxHashMap<(u32, u32), (u64, u32)> = FxHashMap::default();
    for_each_pair(words, lengths, progress, |_, left, right, count| {
        let sums = pairs.entry((left, right)).or_default();
        sums.0 += count;
        sums.1 += 1;
    })?;
    let mut pairs: Vec<Counted> = pairs.into_iter().collect();
    pairs.sort_unstable_by_key(|&(pair, _)| pair);
    Ok(pairs)
}

/// Calls `visit` with every two neighbours: place, left token, right token, count.
fn for_each_pair(
    words: &Words,
    lengths: &[u32],
    progress: &Progress,
    mut visit: impl FnMut(u32, u32, u32, u64),
) -> Result<()> {
    let mut n_polled = 0_u32;
    for (places, count) in words.runs() {
        let mut place = places.start;
        while place < places.end {
            n_polled += 1;
            if n_polled.is_multiple_of(POLL_PLACES) {
                progress.check()?;
            }
            if words.is_border(place) {
                place += 1;
                continue;
            }
            let left = words.token(place);
            let length = lengths[left as usize];
            if let Some(next) = words.next(place, length) {
                visit(place, left, words.token(next), count);
            }
            place += length;
        }
    }
    Ok(())
}

impl<'a> Joining<'a> {
    pub(super) fn new(rules: Rules<'a>, start: &Start, progress: &Progress) -> Result<Self> {
        let Start { tokens, counts, words, .. } = start;
        let most = tokens.len() + words.n_cells() as usize;
        let weights = match rules.criterion {
            Criterion::Likelihood => counts.iter().map(|&count| count.max(1)).collect(),
            Criterion::Frequency => vec![1; counts.len()],
        };
        let mut joining = Self {
            rules,
            taken: tokens.iter().cloned().collect(),
            lengths: vec![1; tokens.len()],
            tokens: tokens.clone(),
            counts: counts.clone(),
            words: words.clone(),
            pairs: Pairs::new(weights, rules.vocab_size.min(most)),
            products: Vec::new(),
            before: Neighbours::default(),
            after: Neighbours::default(),
            n_polled: 0,
        };
        let least = match rules.criterion {
            Criterion::Likelihood => rules.least,
            Criterion::Frequency => start.largest_count() / (rules.vocab_size as u64).max(1),
        };
        joining.keep(&start.pairs, least.max(rules.least), progress)?;
        Ok(joining)
    }

    /// Joins until the vocabulary is full or no pair is left; all tokens.
    pub(super) fn run(mut self, progress: &Progress) -> Result<Vec<String>> {
        while self.tokens.len() < self.rules.vocab_size {
            let Some(pair) = self.pairs.best() else {
                if self.pairs.least() == self.rules.least {
                    break;
                }
                self.keep_rarer(progress)?;
                continue;
            };
            let (left, right) = (self.pairs.get(pair).left, self.pairs.get(pair).right);
            let token = self.spell(left, right);
            if self.taken.insert(token.clone()) {
                self.tokens.push(token);
                self.join(pair, progress)?;
                progress.advance(1)?;
            } else {
                self.pairs.remove(pair);
                progress.check()?;
            }
        }
        Ok(self.tokens)
    }

    /// Takes up the pairs that occur `least` times, of all there are.
    fn keep(&mut self, counted: &[Counted], least: u64, progress: &Progress) -> Result<()> {
        let Self { words, pairs, lengths, rules, .. } = self;
        pairs.restart(least);
        for &((left, right), (count, n_places)) in counted {
            let length = lengths[left as usize].checked_add(lengths[right as usize]);
            if length.is_some_and(|length| length <= rules.max_length) {
                pairs.insert(left, right, count, n_places);
            }
        }
        for_each_pair(words, lengths, progress, |place, left, right, _| {
            pairs.add_place(pairs.find(left, right), place);
        })
    }

    /// Counts anew, for pairs that were too rare to be kept so far. By frequency none of them came before those that were.
    fn keep_rarer(&mut self, progress: &Progress) -> Result<()> {
        let counted = count_pairs(&self.words, &self.lengths, progress)?;
        let least = self.pairs.least().min(largest_count(&counted)) / RARER;
        self.keep(&counted, least.max(self.rules.least), progress)
    }

    fn spell(&self, left: u32, right: u32) -> String {
        let (left, right) = (&self.tokens[left as usize], &self.tokens[right as usize]);
        [left, right.strip_prefix(self.rules.prefix).unwrap_or(right)].concat()
    }

    /// Puts the last token in the place of a pair, everywhere.
    fn join(&mut self, pair: u32, progress: &Progress) -> Result<()> {
        let product = index(self.tokens.len() - 1);
        let (left, right) = (self.pairs.get(pair).left, self.pairs.get(pair).right);
        let length = self.lengths[left as usize] + self.lengths[right as usize];
        self.lengths.push(length);
        let n_joined = self.rewrite(pair, product, progress)?;
        self.counts.push(n_joined);
        self.counts[left as usize] -= n_joined;
        self.counts[right as usize] -= n_joined;
        self.pairs.remove(pair);
        for (before, sums) in self.before.iter() {
            self.pairs.take(before, left, sums.taken);
        }
        for (after, sums) in self.after.iter() {
            self.pairs.take(right, after, sums.taken);
        }
        self.pairs.push_token(self.weight(product));
        self.insert_pairs(product);
        if self.rules.criterion == Criterion::Likelihood {
            self.pairs.lower_weight(left, self.weight(left));
            self.pairs.lower_weight(right, self.weight(right));
        }
        Ok(())
    }

    fn weight(&self, token: u32) -> u64 {
        match self.rules.criterion {
            Criterion::Likelihood => self.counts[token as usize],
            Criterion::Frequency => 1,
        }
    }

    /// Writes the product and sums up what that takes and gives, by neighbour; how often it was written.
    fn rewrite(&mut self, pair: u32, product: u32, progress: &Progress) -> Result<u64> {
        let pair = self.pairs.get(pair);
        let (left, right) = (pair.left, pair.right);
        let places = pair.first_place..pair.first_place + pair.n_places as usize;
        let left_len = self.lengths[left as usize];
        let length = self.lengths[product as usize];
        let Self { words, before, after, products, .. } = self;
        before.begin(self.tokens.len());
        after.begin(self.tokens.len());
        products.clear();
        let mut n_joined = 0;
        // Places ascend, so that a word is rewritten from left to right.
        for &place in &self.pairs.places[places] {
            self.n_polled += 1;
            if self.n_polled.is_multiple_of(POLL_PLACES) {
                progress.check()?;
            }
            if words.token(place) != left {
                continue;
            }
            let Some(middle) = words.next(place, left_len) else { continue };
            if words.token(middle) != right {
                continue;
            }
            let count = words.count_at(place);
            words.join(place, length, middle, product);
            products.push(place);
            n_joined += count;
            if let Some(previous) = words.previous(place).map(|place| words.token(place)) {
                if previous == product {
                    // It was written in this step, and then had `left` after it.
                    let sums = after.of(left);
                    sums.given -= count;
                    sums.n_places -= 1;
                } else {
                    before.of(previous).taken += count;
                }
                before.give(previous, count);
            }
            if let Some(next) = words.next(place, length).map(|place| words.token(place)) {
                after.of(next).taken += count;
                after.give(next, count);
            }
        }
        Ok(n_joined)
    }

    /// The pairs of the product.
    fn insert_pairs(&mut self, product: u32) {
        let Self { words, pairs, lengths, rules, products, before, after, .. } = self;
        let length = lengths[product as usize];
        let is_short = |other: u32| {
            lengths[other as usize].checked_add(length).is_some_and(|sum| sum <= rules.max_length)
        };
        before.number(|token, sums| {
            if !is_short(token) {
                return None;
            }
            pairs.insert(token, product, sums.given, sums.n_places)
        });
        after.number(|token, sums| {
            if !is_short(token) {
                return None;
            }
            pairs.insert(product, token, sums.given, sums.n_places)
        });
        for &place in products.iter() {
            if let Some(previous) = words.previous(place) {
                pairs.add_place(before.of(words.token(previous)).slot, previous);
            }
            if let Some(next) = words.next(place, length).map(|place| words.token(place))
                && next != product
            {
                pairs.add_place(after.of(next).slot, place);
            }
        }
    }
}

/// An error for counts that do not fit.
pub(super) fn overflow() -> Error {
    Error::Config("a character occurs more often in the words than 64 bits hold".to_owned())
}
