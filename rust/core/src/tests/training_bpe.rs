//! Every kind of BPE training against a recount of everything before each merge.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::strategies::{config, pre_tokenizer};
use crate::Error;
use crate::definition::{BpeDefinition, Model};
use crate::progress::Progress;
use crate::train::bpe::{
    Alphabet, Bounds, BpeOptions, Characters, PiecesOptions, Uncovered, learn_pieces, train,
    train_nested,
};
use crate::train::{Stages, WordCounts};

pub(super) type Words = BTreeMap<String, u64>;
pub(super) type Pair = (u32, u32);
pub(super) type MayMerge<'a> = dyn Fn(&[u8], Pair, &[usize]) -> bool + 'a;

/// Words of a few letters, with counts of many sizes.
fn words(letters: &'static [&'static str]) -> impl Strategy<Value = Words> {
    let letters = prop::sample::select(letters);
    let word = (letters, prop::collection::vec(any::<prop::sample::Index>(), 1..12)).prop_map(
        |(letters, picks)| {
            let letters: Vec<char> = letters.chars().collect();
            picks.iter().map(|pick| letters[pick.index(letters.len())]).collect::<String>()
        },
    );
    let count = (0..44_u32, 1..4_u64).prop_map(|(shift, n)| n << shift);
    let count = prop_oneof![1..6_u64, count];
    prop::collection::btree_map(
        (word, 1..3_usize).prop_map(|(word, n)| word.repeat(n)),
        count,
        0..12,
    )
}

/// A trainer that knows nothing but the rule.
#[derive(Debug, Clone, Default)]
pub(super) struct Naive {
    pub(super) texts: Vec<Vec<u8>>,
    lengths: Vec<usize>,
    pub(super) parts: Vec<(Vec<u32>, u64)>,
    pub(super) merges: Vec<Pair>,
    prefix: String,
    has_affixes: bool,
}

impl Naive {
    fn add(&mut self, text: &[u8], length: usize) -> u32 {
        self.texts.push(text.to_vec());
        self.lengths.push(length);
        u32::try_from(self.texts.len() - 1).unwrap()
    }

    fn id_of(&self, text: &[u8]) -> Option<u32> {
        self.texts.iter().position(|other| other == text).map(|id| u32::try_from(id).unwrap())
    }

    fn product(&self, (left, right): Pair) -> Vec<u8> {
        let right = &self.texts[right as usize];
        let right = right.strip_prefix(self.prefix.as_bytes()).unwrap_or(right);
        [&self.texts[left as usize], right].concat()
    }

    fn merge(&mut self, pair: Pair) {
        let text = self.product(pair);
        let known = if self.has_affixes { self.id_of(&text) } else { None };
        let length = self.lengths[pair.0 as usize] + self.lengths[pair.1 as usize];
        let id = known.unwrap_or_else(|| self.add(&text, length));
        self.merges.push(pair);
        for (part, _) in &mut self.parts {
            join(part, pair, id);
        }
    }

    /// Merges the best pair; `before` orders equals.
    fn step(&mut self, least: u64, may_merge: &MayMerge<'_>, by_text: bool) -> bool {
        let mut counts: BTreeMap<Pair, u64> = BTreeMap::new();
        for (part, count) in &self.parts {
            for pair in part.windows(2) {
                *counts.entry((pair[0], pair[1])).or_default() += count;
            }
        }
        let allowed = counts.into_iter().filter(|&(pair, count)| {
            count >= least.max(1) && may_merge(&self.product(pair), pair, &self.lengths)
        });
        let key = |&(pair, count): &(Pair, u64)| {
            let text = self.product(pair);
            let length = self.lengths[pair.0 as usize] + self.lengths[pair.1 as usize];
            let order = if by_text { (length, text) } else { (0, Vec::new()) };
            (Reverse(count), order, pair)
        };
        let Some((pair, _)) = allowed.min_by_key(key) else { return false };
        self.merge(pair);
        true
    }

    pub(super) fn run(&mut self, n_tokens: usize, least: u64, may_merge: &MayMerge) {
        while self.texts.len() < n_tokens && self.step(least, may_merge, false) {}
    }

    /// One part a word, of its bytes.
    pub(super) fn of_bytes(words: &Words) -> Self {
        let mut naive = Self::default();
        for byte in super::naive::bytes_by_spelling() {
            naive.add(&[byte], 1);
        }
        for (word, &count) in words {
            let ids = word.bytes().map(|byte| naive.id_of(&[byte]).unwrap()).collect();
            naive.parts.push((ids, count));
        }
        naive
    }
}

pub(super) fn join(part: &mut Vec<u32>, pair: Pair, id: u32) {
    let mut joined = Vec::new();
    let mut rest = &part[..];
    while let Some((&first, tail)) = rest.split_first() {
        if tail.first().is_some_and(|&second| (first, second) == pair) {
            joined.push(id);
            rest = &tail[1..];
        } else {
            joined.push(first);
            rest = tail;
        }
    }
    *part = joined;
}

fn counts(words: &Words) -> WordCounts {
    WordCounts::from_pairs(words.iter().map(|(word, &count)| (word, count))).unwrap()
}

fn bytes(vocab_size: usize) -> BpeOptions {
    let stages = Stages { normalizer: None, pre_tokenizer: Some(pre_tokenizer("gpt2", false)) };
    BpeOptions { allow_smaller: true, ..BpeOptions::new(vocab_size, stages) }
}

fn of_characters(vocab_size: usize, characters: Characters) -> BpeOptions {
    BpeOptions {
        alphabet: Alphabet::Characters(characters),
        stages: Stages::default(),
        ..bytes(vocab_size)
    }
}

fn trained(words: &Words, options: &BpeOptions) -> crate::Result<BpeDefinition> {
    let trained = train(&counts(words), options, &Progress::default())?;
    let Model::Bpe(bpe) = trained.definition.model else { panic!() };
    Ok(bpe)
}

pub(super) fn spelled(texts: &[Vec<u8>]) -> Vec<(String, u32)> {
    let spell = |text: &Vec<u8>| text.iter().map(|&byte| super::naive::spelling(byte)).collect();
    texts.iter().map(spell).zip(0..).collect()
}

fn plain(texts: &[Vec<u8>]) -> Vec<(String, u32)> {
    texts.iter().map(|text| String::from_utf8(text.clone()).unwrap()).zip(0..).collect()
}

/// The characters with their affixes, as the rule has them.
fn naive_of_characters(words: &Words, options: &Characters) -> Naive {
    let (prefix, suffix) = (&options.continuing_subword_prefix, &options.end_of_word_suffix);
    let mut frequencies: BTreeMap<char, u64> = BTreeMap::new();
    for (word, &count) in words {
        word.chars().for_each(|c| *frequencies.entry(c).or_default() += count);
    }
    let mut by_frequency: Vec<char> = frequencies.keys().copied().collect();
    by_frequency.sort_by_key(|c| (Reverse(frequencies[c]), *c));
    by_frequency.truncate(options.limit.unwrap_or(usize::MAX));
    by_frequency.sort_unstable();
    let mut naive = Naive {
        prefix: prefix.clone(),
        has_affixes: !prefix.is_empty() || !suffix.is_empty(),
        ..Naive::default()
    };
    for c in &by_frequency {
        naive.add(c.to_string().as_bytes(), 1);
    }
    for (word, &count) in words {
        let last = word.chars().count() - 1;
        let mut parts = vec![Vec::new()];
        for (place, c) in word.chars().enumerate() {
            if by_frequency.contains(&c) {
                let prefix = if place > 0 { prefix } else { "" };
                let suffix = if place == last { suffix } else { "" };
                let text = format!("{prefix}{c}{suffix}");
                let known = naive.id_of(text.as_bytes());
                let id = known.unwrap_or_else(|| naive.add(text.as_bytes(), 1));
                parts.last_mut().unwrap().push(id);
            } else if options.uncovered == Uncovered::Parts {
                parts.push(Vec::new());
            }
        }
        naive.parts.extend(parts.into_iter().map(|part| (part, count)));
    }
    naive
}

fn script(c: char) -> Option<u8> {
    match c {
        'a'..='z' | 'é' => Some(0),
        'б' => Some(1),
        'あ' | '中' => Some(2),
        '٣' => Some(3),
        _ => None,
    }
}

/// Whether a token keeps to the rules, by looking at its characters.
fn keeps_to(text: &[u8], bounds: &Bounds<'_>, words: &Words) -> bool {
    let whole = std::str::from_utf8(text);
    let is_part = whole.is_err()
        && words
            .keys()
            .flat_map(|word| word.chars())
            .any(|c| c.to_string().as_bytes().windows(text.len()).any(|part| part == text));
    let lossy = String::from_utf8_lossy(text);
    let n_digits = lossy.chars().filter(|c| c.is_numeric()).count();
    let max_digits = bounds.max_digits.unwrap_or(usize::MAX);
    let is_free = bounds.max_digits.is_none() || n_digits == 0;
    let are_digits = n_digits <= max_digits && lossy.chars().all(char::is_numeric);
    let mut scripts: Vec<u8> = lossy.chars().filter_map(script).collect();
    scripts.dedup();
    (!bounds.whole_characters || whole.is_ok() || is_part)
        && (is_free || are_digits)
        && (!bounds.one_script || is_part || (whole.is_ok() && scripts.len() <= 1))
}

fn is_short(bounds: &Bounds<'_>, (left, right): Pair, lengths: &[usize]) -> bool {
    let (left, right) = (lengths[left as usize], lengths[right as usize]);
    match bounds.max_length {
        None => true,
        Some(max) if bounds.is_max_length_exclusive => {
            left + right < max || (left == 1 && right == 1)
        }
        Some(max) => left + right <= max,
    }
}

proptest! {
    #![proptest_config(config(1))]

    #[test]
    fn training_on_bytes_matches_naive_whatever_a_token_may_be(
        words in words(&["ab", "aab", "a1", "é中", "aб1", "中あ9٣", "a b"]),
        more in 0..40_usize,
        least in 0..5_u64,
        max_length in prop::option::of(0..7_usize),
        flags in any::<[bool; 3]>(),
        max_digits in prop::option::of(1..3_usize),
        forbidden in prop::sample::subsequence(&["ab", "aa", "中", "a1"][..], 0..3),
    ) {
        let [is_max_length_exclusive, whole_characters, one_script] = flags;
        let bounds = Bounds {
            max_length, is_max_length_exclusive, whole_characters, max_digits, one_script, is_valid: None,
        };
        let mut naive = Naive::of_bytes(&words);
        naive.run(256 + more, least, &|text, pair, lengths| {
            is_short(&bounds, pair, lengths)
                && keeps_to(text, &bounds, &words)
                && !forbidden.iter().any(|token| token.as_bytes() == text)
        });
        let forbidden_tokens = forbidden.iter().map(|token| token.as_bytes().to_vec()).collect();
        let options = BpeOptions { bounds, min_frequency: least, forbidden_tokens, ..bytes(256 + more) };
        let bpe = trained(&words, &options).unwrap();
        prop_assert_eq!(&bpe.merges, &naive.merges);
        prop_assert_eq!(&bpe.vocab, &spelled(&naive.texts));
    }

    #[test]
    fn training_on_characters_matches_naive_whatever_the_affixes(
        words in words(&["ab", "aab", "ab#", "#a", "a中b", "abcd"]),
        more in 0..40_usize,
        least in 0..4_u64,
        prefix in prop::sample::select(&["", "#", "##", "a"][..]),
        suffix in prop::sample::select(&["", "b", "</w>"][..]),
        limit in prop::option::of(1..4_usize),
        vanishes in any::<bool>(),
    ) {
        let characters = Characters {
            limit,
            continuing_subword_prefix: prefix.to_owned(),
            end_of_word_suffix: suffix.to_owned(),
            uncovered: if vanishes { Uncovered::Vanishes } else { Uncovered::Parts },
            ..Characters::default()
        };
        let mut naive = naive_of_characters(&words, &characters);
        let n_tokens = naive.texts.len() + more;
        naive.run(n_tokens, least, &|_, _, _| true);
        let options = BpeOptions { min_frequency: least, ..of_characters(n_tokens, characters) };
        let bpe = trained(&words, &options).unwrap();
        prop_assert_eq!(&bpe.vocab, &plain(&naive.texts));
        prop_assert_eq!(&bpe.merges, &naive.merges);
    }

    #[test]
    fn pieces_match_naive(
        words in words(&["ab", "aab", "a中b", "▁ab", "abcd"]),
        n_pieces in 0..40_usize,
        max in 2..6_usize,
    ) {
        let is_valid = |text: &[u8]| {
            let text = std::str::from_utf8(text).unwrap();
            text.chars().count() <= max && !text.chars().skip(1).any(|c| c == '▁')
        };
        let characters = Characters { limit: Some(3), ..Characters::default() };
        let mut naive = naive_of_characters(&words, &characters);
        let kept: Vec<char> =
            naive.texts.iter().map(|text| std::str::from_utf8(text).unwrap().chars().next().unwrap()).collect();
        let n_first = naive.texts.len();
        while naive.texts.len() < n_first + n_pieces && naive.step(1, &|text, _, _| is_valid(text), true) {}
        let options = PiecesOptions { n_pieces, characters: &kept, is_valid: &is_valid };
        let found = learn_pieces(&counts(&words), options, &Progress::default()).unwrap();
        let found: Vec<Vec<u8>> = found.iter().map(|(text, _)| text.clone().into_bytes()).collect();
        prop_assert_eq!(&found[..], &naive.texts[n_first..]);
    }

    #[test]
    fn training_on_matches_naive_and_keeps_ids(
        first in words(&["ab", "aab", "é中", "a b"]),
        second in words(&["ab", "abc", "é中", "a b"]),
        n_old in 0..30_usize,
        n_new in 0..30_usize,
    ) {
        let base = train(&counts(&first), &bytes(256 + n_old), &Progress::default()).unwrap().definition;
        let mut naive = Naive::of_bytes(&first);
        naive.run(256 + n_old, 0, &|_, _, _| true);
        let old = naive.texts.clone();
        naive.parts = Naive::of_bytes(&second).parts;
        for (rank, &pair) in naive.merges.clone().iter().enumerate() {
            for (part, _) in &mut naive.parts {
                join(part, pair, u32::try_from(256 + rank).unwrap());
            }
        }
        naive.run(old.len() + n_new, 0, &|text, _, _| !old.iter().any(|token| token == text));
        let options = BpeOptions {
            continue_from: Some(Box::new(base.clone())),
            ..bytes(old.len() + n_new)
        };
        let bpe = trained(&second, &options).unwrap();
        prop_assert_eq!(&bpe.merges, &naive.merges);
        prop_assert_eq!(&bpe.vocab, &spelled(&naive.texts));
        let same = trained(&first, &BpeOptions { continue_from: Some(Box::new(base)), ..bytes(300) }).unwrap();
        prop_assert_eq!(same, trained(&first, &bytes(300)).unwrap());
    }

    #[test]
    fn nested_sizes_match_single_runs(
        words in words(&["ab", "aab", "abcd"]),
        sizes in prop::collection::vec(256..300_usize, 1..4),
        suffix in prop::sample::select(&["", "b"][..]),
    ) {
        let characters = Characters { end_of_word_suffix: suffix.to_owned(), ..Characters::default() };
        for options in [bytes(0), of_characters(0, characters)] {
            let nested = train_nested(&counts(&words), &options, &sizes, &Progress::default()).unwrap();
            for (one, &vocab_size) in nested.into_iter().zip(&sizes) {
                let single = BpeOptions { vocab_size, ..options.clone() };
                prop_assert_eq!(Ok(one), train(&counts(&words), &single, &Progress::default()));
            }
        }
    }

    #[test]
    fn seeds_are_made_first_and_the_rest_matches_naive(
        words in words(&["ab", "aab", "abcd", "é中"]),
        seeds in prop::sample::subsequence(
            &["abab", "aab", "zz", "中é", "bcd", "babab", "aaaa", "aaaab"][..],
            0..6,
        )
        .prop_shuffle(),
        more in 24..50_usize,
        least in 0..5_u64,
    ) {
        let mut naive = Naive::of_bytes(&words);
        for seed in &seeds {
            let mut part: Vec<u32> = seed.bytes().map(|byte| naive.id_of(&[byte]).unwrap()).collect();
            for (rank, pair) in naive.merges.clone().into_iter().enumerate() {
                join(&mut part, pair, u32::try_from(256 + rank).unwrap());
            }
            while let [left, right, ..] = part[..] {
                naive.merge((left, right));
                join(&mut part, (left, right), u32::try_from(naive.texts.len() - 1).unwrap());
            }
            prop_assert!(naive.id_of(seed.as_bytes()).is_some());
        }
        let n_required = naive.texts.len();
        naive.run(256 + more, least, &|_, _, _| true);
        let seed_tokens = seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect();
        let options = BpeOptions { seed_tokens, min_frequency: least, ..bytes(256 + more) };
        let bpe = trained(&words, &options).unwrap();
        prop_assert_eq!(&bpe.merges, &naive.merges);
        prop_assert_eq!(&bpe.vocab, &spelled(&naive.texts));
        let different: BTreeSet<_> = bpe.vocab.iter().map(|(text, _)| text).collect();
        prop_assert_eq!(different.len(), bpe.vocab.len());
        for seed in &seeds {
            let mut part: Vec<u32> = seed.bytes().map(|byte| naive.id_of(&[byte]).unwrap()).collect();
            for (&pair, product) in bpe.merges.iter().zip(256..) {
                join(&mut part, pair, product);
            }
            prop_assert_eq!(part, vec![naive.id_of(seed.as_bytes()).unwrap()]);
        }
        let nested = train_nested(&counts(&words), &options, &[n_required - 1], &Progress::default());
        prop_assert_eq!(nested.is_err(), true);
        let pruned = trained(&words, &BpeOptions { prune: Some(u64::MAX), ..options }).unwrap();
        prop_assert_eq!(&pruned.vocab[..], &bpe.vocab[..n_required]);
    }
}

#[test]
fn pruning_drops_what_is_rare_and_not_needed() {
    // In the order of their counts: 110, 100, 6, 5, 5.
    let words: Words = [("the", 100), ("th", 4), ("thxyz", 5), ("thx", 1)]
        .map(|(word, count)| (word.to_owned(), count))
        .into();
    let all = trained(&words, &bytes(300)).unwrap();
    let texts = |bpe: &BpeDefinition| -> Vec<String> {
        bpe.vocab[256..].iter().map(|(text, _)| text.clone()).collect()
    };
    assert_eq!(texts(&all), ["th", "the", "thx", "yz", "thxyz"]);
    // `thxyz` parts into `thx`, which then occurs 6 times, and `yz`; `th` occurs 4 times and is needed.
    let few = trained(&words, &BpeOptions { prune: Some(6), ..bytes(300) }).unwrap();
    assert_eq!(texts(&few), ["th", "the", "thx"]);
    assert_eq!(few.merges, all.merges[..3]);
    let fewer = trained(&words, &BpeOptions { prune: Some(7), ..bytes(300) }).unwrap();
    assert_eq!(texts(&fewer), ["th", "the"]);
}

#[test]
fn counts_that_overflow_are_refused() {
    for word in ["ab", "abababab"] {
        let words = [(word.to_owned(), u64::MAX / 4)].into();
        assert_eq!(trained(&words, &bytes(257)).is_ok(), word.len() == 2, "{word}");
    }
    let huge = [("ab".to_owned(), u64::MAX)].into();
    assert!(matches!(trained(&huge, &bytes(257)), Err(Error::Config(_))));
}

#[test]
fn one_long_word_takes_linear_time() {
    let words: Words = [("a".repeat(1 << 20), 1)].into();
    let bpe = trained(&words, &bytes(400)).unwrap();
    // Each merge halves the word, until one token is left.
    assert_eq!(bpe.merges.len(), 20);
    assert_eq!(bpe.vocab.last().unwrap().0.len(), 1 << 20);
}

#[test]
fn impossible_options_are_refused_by_name() {
    let words: Words = [("ab".to_owned(), 5)].into();
    let affixes = Characters { end_of_word_suffix: "</w>".to_owned(), ..Characters::default() };
    let cases: [(BpeOptions, &str); 10] = [
        (BpeOptions { prune: Some(2), ..of_characters(300, affixes) }, "prune cannot be had with"),
        (bytes(255), "vocab_size must be at least 256"),
        (BpeOptions { allow_smaller: false, ..bytes(300) }, "at most 257 tokens, and at least 256"),
        (BpeOptions { seed_tokens: vec![b"abc".to_vec()], ..bytes(257) }, "larger vocab_size"),
        (
            BpeOptions {
                seed_tokens: vec![b"ab".to_vec()],
                forbidden_tokens: vec![b"ab".to_vec()],
                ..bytes(300)
            },
            "another option forbids",
        ),
        (BpeOptions { seed_tokens: vec![Vec::new()], ..bytes(300) }, "not written in the alphabet"),
        (
            BpeOptions { stages: bytes(0).stages, ..of_characters(300, Characters::default()) },
            "not byte-level",
        ),
        (of_characters(300, Characters { coverage: 1.5, ..Characters::default() }), "coverage"),
        (
            of_characters(
                300,
                Characters { unk_token: Some("?".to_owned()), ..Characters::default() },
            ),
            "one of special_tokens",
        ),
        (
            BpeOptions {
                special_tokens: vec!["a".to_owned()],
                ..of_characters(300, Characters::default())
            },
            "symbol of the alphabet",
        ),
    ];
    for (options, message) in cases {
        let Err(Error::Config(found)) = trained(&words, &options) else { panic!("{message}") };
        assert!(found.contains(message), "{found}");
    }
    let pruned = BpeOptions { prune: Some(1), ..bytes(300) };
    assert!(train_nested(&counts(&words), &pruned, &[256], &Progress::default()).is_err());
}
