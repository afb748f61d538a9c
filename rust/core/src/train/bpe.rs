//! Training byte-level BPE (Sennrich, Haddow, Birch 2016, section 3.2) from word counts.
//!
//! Repeatedly the most frequent pair of adjacent tokens becomes a new token; ties go to the smaller (left id, right id). Ids:
//! special tokens first, then the alphabet by code point of its spelling, then merges as they are made. The result equals
//! that of Hugging Face's trainer on the same counts, token for token, but for one rule of ours: a pair that spells a special
//! token is never merged, so that text cannot become a special token, and a single byte cannot be one.
//!
//! Why counts can be kept up to date instead of taken anew: merging (a, b) between x and y takes from (x, a) and (b, y) and
//! gives to (x, ab) and (ab, y), nothing else. A stretch of text that becomes a token takes its steps as if it stood alone,
//! since nothing is joined across its ends; so equal stretches take equal steps, each token has one merge that makes it, and
//! a merged pair never comes back. Counts only fall after the step that brings a pair up, so a heap with stale entries is
//! exact: an entry whose count is no longer the pair's goes back with the current one.

mod cells;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::added_tokens::AddedToken;
use crate::decoder::Decoder;
use crate::definition::{BpeDefinition, Definition, Model};
use crate::error::{Error, Result};
use crate::post_processor::{ByteLevelOptions, PostProcessor};
use crate::pre_tokenizer::byte_level;
use crate::progress::{Phase, Progress};
use crate::train::{Report, Stages, Trained, WordCounts};

use cells::Cells;

/// What a caller may choose when training.
#[derive(Debug, Clone)]
pub struct BpeOptions {
    /// Tokens in all: special tokens, alphabet and merges.
    pub vocab_size: usize,
    /// A pair that occurs less often is not merged.
    pub min_frequency: u64,
    /// Texts of the special tokens; they get the first ids.
    pub special_tokens: Vec<String>,
    /// Bytes that get a token whether or not they occur; bytes that occur always do.
    pub initial_alphabet: Vec<u8>,
    /// The longest token, in bytes.
    pub max_token_length: Option<usize>,
    /// Whether a vocabulary smaller than asked is a result rather than an error.
    pub allow_smaller: bool,
    /// The stages that the words were counted with.
    pub stages: Stages,
}

/// Trains a vocabulary.
///
/// # Errors
/// [`Error::Config`] when `vocab_size` is below special tokens and alphabet, or above what the counts can give;
/// [`Error::Interrupted`].
pub fn train(counts: &WordCounts, options: &BpeOptions, progress: &Progress) -> Result<Trained> {
    let mut trainer = Trainer::new(counts, options, progress)?;
    trainer.run(progress)?;
    let report = Report {
        n_alphabet: (trainer.tokens.len() - trainer.n_special - trainer.merges.len()) as u64,
        n_learned: trainer.merges.len() as u64,
        ..Report::of(counts)
    };
    Ok(Trained { definition: trainer.finish()?, report })
}

/// Places between two looks at whether to stop.
const POLL_PLACES: u32 = 1 << 16;

/// A pair of adjacent tokens.
#[derive(Debug, Default)]
struct Pair {
    tokens: (u32, u32),
    count: i64,
    /// Places where it was seen to begin; some may be stale.
    places: Vec<u32>,
    /// How many merges there were when it was last put on the queue.
    queued_in: usize,
}

/// Largest count first, then the smallest pair; the last number is the index in [`Trainer::pairs`].
type Candidate = (i64, Reverse<(u32, u32)>, u32);

struct Trainer<'a> {
    options: &'a BpeOptions,
    /// Bytes of each token; special tokens have none.
    tokens: Vec<Vec<u8>>,
    /// Bytes that no pair may have.
    specials: FxHashSet<Vec<u8>>,
    n_special: usize,
    cells: Cells,
    pairs: Vec<Pair>,
    index: FxHashMap<(u32, u32), u32>,
    queue: BinaryHeap<Candidate>,
    merges: Vec<(u32, u32)>,
}

impl<'a> Trainer<'a> {
    fn new(counts: &WordCounts, options: &'a BpeOptions, progress: &Progress) -> Result<Self> {
        let alphabet = alphabet(counts, &options.initial_alphabet);
        let specials = unmergeable(&options.special_tokens)?;
        let n_special = options.special_tokens.len();
        let n_first = n_special + alphabet.len();
        if options.vocab_size < n_first {
            return Err(Error::Config(format!(
                "vocab_size must be at least {n_first} ({} bytes and {n_special} special tokens), got {}",
                alphabet.len(),
                options.vocab_size
            )));
        }
        if options.vocab_size > MAX_VOCAB_SIZE {
            return Err(Error::Config(format!(
                "vocab_size must be at most {MAX_VOCAB_SIZE}, got {}",
                options.vocab_size
            )));
        }
        let mut tokens = vec![Vec::new(); n_special];
        tokens.extend(alphabet.iter().map(|&byte| vec![byte]));
        let mut byte_ids = [0; 256];
        for (id, &byte) in (id_of(n_special)..).zip(&alphabet) {
            byte_ids[usize::from(byte)] = id;
        }
        let mut trainer = Self {
            options,
            tokens,
            specials,
            n_special,
            cells: Cells::new(counts, &byte_ids)?,
            pairs: Vec::new(),
            index: FxHashMap::default(),
            queue: BinaryHeap::new(),
            merges: Vec::new(),
        };
        trainer.count_pairs(progress)?;
        Ok(trainer)
    }

    /// Counts every pair of adjacent bytes.
    fn count_pairs(&mut self, progress: &Progress) -> Result<()> {
        let mut touched = Vec::new();
        for place in 0..self.cells.len() {
            if place.is_multiple_of(POLL_PLACES) {
                progress.check()?;
            }
            if self.cells.is_border(place) {
                continue;
            }
            if let Some(right) = self.cells.next(place, 1) {
                let pair = (self.cells.token(place), self.cells.token(right));
                self.give(pair, place, &mut touched)?;
            }
        }
        self.queue_pairs(&touched);
        Ok(())
    }

    fn run(&mut self, progress: &Progress) -> Result<()> {
        progress.begin(Phase::Merge, (self.options.vocab_size - self.tokens.len()) as u64);
        let least = i64::try_from(self.options.min_frequency).unwrap_or(i64::MAX).max(1);
        while self.tokens.len() < self.options.vocab_size {
            let Some((count, tokens, index)) = self.queue.pop() else {
                break;
            };
            let current = self.pairs[index as usize].count;
            if current != count {
                if current >= least {
                    self.queue.push((current, tokens, index));
                }
                continue;
            }
            if count < least {
                break;
            }
            self.merge(index)?;
            progress.advance(1)?;
        }
        Ok(())
    }

    /// Makes the product of a pair and puts it in the pair's place everywhere.
    fn merge(&mut self, index: u32) -> Result<()> {
        let pair = &mut self.pairs[index as usize];
        let (left, right) = pair.tokens;
        let mut places = std::mem::take(&mut pair.places);
        self.merges.push((left, right));
        let product = id_of(self.tokens.len());
        self.tokens.push([&self.tokens[left as usize][..], &self.tokens[right as usize]].concat());
        let (left_len, right_len) = (self.len_of(left), self.len_of(right));
        // A word is rewritten from left to right, whatever the order in which its places were found.
        places.sort_unstable();
        places.dedup();
        let mut touched = Vec::new();
        for place in places {
            if self.cells.token(place) != left {
                continue;
            }
            let Some(middle) = self.cells.next(place, left_len) else {
                continue;
            };
            if self.cells.token(middle) != right {
                continue;
            }
            let count = self.cells.count_at(place);
            let before = self.cells.previous(place);
            let after = self.cells.next(middle, right_len);
            self.cells.join(place, left_len + right_len, middle, product);
            if let Some(before) = before {
                let token = self.cells.token(before);
                self.take((token, left), count);
                self.give((token, product), before, &mut touched)?;
            }
            if let Some(after) = after {
                let token = self.cells.token(after);
                self.take((right, token), count);
                self.give((product, token), place, &mut touched)?;
            }
        }
        self.queue_pairs(&touched);
        Ok(())
    }

    #[expect(clippy::cast_possible_truncation, reason = "words are checked to fit u32 places")]
    fn len_of(&self, token: u32) -> u32 {
        self.tokens[token as usize].len() as u32
    }

    fn take(&mut self, pair: (u32, u32), count: i64) {
        if let Some(&index) = self.index.get(&pair) {
            self.pairs[index as usize].count -= count;
        }
    }

    /// Adds an occurrence at `place`; the pair is put on `touched` once in a step.
    fn give(&mut self, tokens: (u32, u32), place: u32, touched: &mut Vec<u32>) -> Result<()> {
        let index = match self.index.get(&tokens) {
            Some(&index) => index,
            None if !self.may_merge(tokens) => return Ok(()),
            None => {
                let index = id_of(self.pairs.len());
                self.index.insert(tokens, index);
                self.pairs.push(Pair { tokens, queued_in: usize::MAX, ..Pair::default() });
                index
            }
        };
        let count = self.cells.count_at(place);
        let pair = &mut self.pairs[index as usize];
        pair.count = pair.count.checked_add(count).ok_or_else(overflow)?;
        pair.places.push(place);
        if pair.queued_in != self.merges.len() {
            pair.queued_in = self.merges.len();
            touched.push(index);
        }
        Ok(())
    }

    /// Whether a pair may become a token: it is short enough, and not the text of a special token.
    fn may_merge(&self, (left, right): (u32, u32)) -> bool {
        let (left, right) = (&self.tokens[left as usize], &self.tokens[right as usize]);
        let max = self.options.max_token_length.unwrap_or(usize::MAX);
        left.len() + right.len() <= max
            && (self.specials.is_empty() || !self.specials.contains(&[&left[..], right].concat()))
    }

    fn queue_pairs(&mut self, touched: &[u32]) {
        let least = i64::try_from(self.options.min_frequency).unwrap_or(i64::MAX).max(1);
        for &index in touched {
            let pair = &self.pairs[index as usize];
            if pair.count >= least {
                self.queue.push((pair.count, Reverse(pair.tokens), index));
            }
        }
    }

    fn finish(self) -> Result<Definition> {
        let options = self.options;
        if self.tokens.len() < options.vocab_size && !options.allow_smaller {
            return Err(Error::Config(format!(
                "vocab_size {} cannot be reached: these word counts give at most {} tokens (min_frequency {}); \
                 ask for that many, count more text, or pass allow_smaller=True",
                options.vocab_size,
                self.tokens.len(),
                options.min_frequency
            )));
        }
        let specials = options.special_tokens.iter().cloned();
        let rest = self.tokens[self.n_special..].iter().map(|bytes| byte_level::spell(bytes));
        let vocab = specials.chain(rest).zip(0..).collect();
        let model = BpeDefinition {
            vocab,
            merges: self.merges,
            ignore_merges: false,
            ..BpeDefinition::default()
        };
        let byte_level =
            ByteLevelOptions { add_prefix_space: false, trim_offsets: true, use_regex: false };
        Ok(Definition {
            normalizer: options.stages.normalizer.clone(),
            pre_tokenizer: options.stages.pre_tokenizer.clone(),
            model: Model::Bpe(model),
            post_processor: Some(PostProcessor::ByteLevel(byte_level)),
            decoder: Some(Decoder::ByteLevel(byte_level)),
            added_tokens: special_tokens(&options.special_tokens),
            truncation: None,
            padding: None,
        })
    }
}

/// The bytes that get a token, by code point of their spelling.
fn alphabet(counts: &WordCounts, initial: &[u8]) -> Vec<u8> {
    let mut seen = [false; 256];
    for &byte in initial.iter().chain(counts.iter().flat_map(|(word, _)| word)) {
        seen[usize::from(byte)] = true;
    }
    let mut alphabet: Vec<u8> = (0..=255).filter(|&byte| seen[usize::from(byte)]).collect();
    alphabet.sort_unstable_by_key(|&byte| byte_level::ALPHABET[usize::from(byte)]);
    alphabet
}

/// What no merge may make: the special tokens, and what is spelled like one, since a vocabulary is stored by spelling.
fn unmergeable(special_tokens: &[String]) -> Result<FxHashSet<Vec<u8>>> {
    let mut specials = FxHashSet::default();
    for text in special_tokens {
        if text.is_empty() || !specials.insert(text.clone().into_bytes()) {
            return Err(Error::Config(format!(
                "special_tokens must be different and not empty, got {text:?}"
            )));
        }
        if let (1, Some(c)) = (text.chars().count(), text.chars().next())
            && let Some(byte) = byte_level::byte_of(c)
        {
            return Err(Error::Config(format!(
                "special_tokens must not be a byte of the alphabet, got {text:?}, which spells byte {byte:#04x}"
            )));
        }
    }
    specials.extend(special_tokens.iter().filter_map(|text| byte_level::bytes_of(text)));
    Ok(specials)
}

/// Special tokens with the ids 0, 1, 2 and so on.
pub fn special_tokens(contents: &[String]) -> Vec<AddedToken> {
    (0..).zip(contents).map(|(id, content)| AddedToken::special(id, content)).collect()
}

/// Ids stay below the marks of [`cells`].
const MAX_VOCAB_SIZE: usize = 1 << 30;

fn id_of(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

fn overflow() -> Error {
    Error::Config("the pair counts add up to more than 63 bits hold".to_owned())
}
