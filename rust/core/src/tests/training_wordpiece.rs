//! Training WordPiece against a recount of everything after each step, and its promises about options and counts.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::strategies::config;
use crate::Error;
use crate::progress::Progress;
use crate::train::wordpiece::{Criterion, WordPieceOptions, train};
use crate::train::{Stages, Trained, WordCounts};

type Words = BTreeMap<String, u64>;

fn options(vocab_size: usize, criterion: Criterion) -> WordPieceOptions {
    WordPieceOptions {
        vocab_size,
        criterion,
        min_frequency: Some(0),
        special_tokens: vec!["[UNK]".to_owned()],
        unk_token: "[UNK]".to_owned(),
        continuing_subword_prefix: "##".to_owned(),
        limit_alphabet: None,
        character_coverage: 1.0,
        max_token_length: None,
        max_input_chars_per_word: 100,
        allow_smaller: true,
        stages: Stages::default(),
    }
}

fn trained(words: &Words, options: &WordPieceOptions) -> crate::Result<Trained> {
    let counts = WordCounts::from_pairs(words.iter().map(|(word, &count)| (word, count)))?;
    train(&counts, options, &Progress::default())
}

fn tokens_of(trained: &Trained) -> Vec<String> {
    trained.definition.model.tokens().map(|(text, _)| text.to_owned()).collect()
}

fn tokens(words: &Words, options: &WordPieceOptions) -> crate::Result<Vec<String>> {
    trained(words, options).map(|trained| tokens_of(&trained))
}

/// The product of numbers, least digit of 2^32 first.
fn product(factors: &[u64]) -> Vec<u64> {
    let mut digits = vec![1];
    for factor in factors.iter().flat_map(|&factor| [factor & 0xFFFF_FFFF, factor >> 32]) {
        digits.push(factor);
    }
    // Schoolbook: from pairs (low, high) of each factor.
    let mut result = vec![1_u64];
    for pair in digits[1..].chunks(2) {
        let mut sum = vec![0_u64; result.len() + 3];
        for (i, &digit) in result.iter().enumerate() {
            for (j, &other) in pair.iter().enumerate() {
                let mut carry = digit * other;
                let mut place = i + j;
                while carry > 0 {
                    let total = sum[place] + (carry & 0xFFFF_FFFF);
                    sum[place] = total & 0xFFFF_FFFF;
                    carry = (carry >> 32) + (total >> 32);
                    place += 1;
                }
            }
        }
        while sum.last() == Some(&0) {
            sum.pop();
        }
        result = sum;
    }
    result
}

fn compare(one: &[u64], other: &[u64]) -> Ordering {
    one.len().cmp(&other.len()).then_with(|| one.iter().rev().cmp(other.iter().rev()))
}

/// The tokens, by recounting all after every step.
fn naive(words: &Words, options: &WordPieceOptions) -> Vec<String> {
    let prefix = options.continuing_subword_prefix.as_str();
    let words: Words = words
        .iter()
        .filter(|(word, _)| word.chars().count() <= options.max_input_chars_per_word)
        .map(|(word, &count)| (word.clone(), count))
        .collect();
    let firsts: BTreeSet<char> = words.keys().flat_map(|word| word.chars()).collect();
    let inside: BTreeSet<char> = words.keys().flat_map(|word| word.chars().skip(1)).collect();
    let mut tokens = options.special_tokens.clone();
    tokens.extend(firsts.iter().map(char::to_string));
    if !prefix.is_empty() {
        tokens.extend(inside.iter().map(|c| format!("{prefix}{c}")));
    }
    let id_of = |tokens: &[String], text: &str| tokens.iter().position(|token| token == text);
    let mut lengths = vec![1; tokens.len()];
    let mut spelled: Vec<(Vec<usize>, u64)> = Vec::new();
    for (word, &count) in &words {
        let spell = |(place, c): (usize, char)| {
            let prefix = if place > 0 { prefix } else { "" };
            id_of(&tokens, &format!("{prefix}{c}")).unwrap()
        };
        spelled.push((word.chars().enumerate().map(spell).collect(), count));
    }
    while tokens.len() < options.vocab_size {
        let mut singles: BTreeMap<usize, u64> = BTreeMap::new();
        let mut pairs: BTreeMap<(usize, usize), u64> = BTreeMap::new();
        for (word, count) in &spelled {
            for &id in word {
                *singles.entry(id).or_default() += count;
            }
            for two in word.windows(2) {
                *pairs.entry((two[0], two[1])).or_default() += count;
            }
        }
        let spell = |(left, right): (usize, usize)| {
            let right = &tokens[right];
            format!("{}{}", tokens[left], right.strip_prefix(prefix).unwrap_or(right))
        };
        let max = options.max_token_length.unwrap_or(usize::MAX);
        let may = |&(&(left, right), &count): &(&(usize, usize), &u64)| {
            count >= options.min_frequency.unwrap_or(0).max(1)
                && lengths[left] + lengths[right] <= max
                && id_of(&tokens, &spell((left, right))).is_none()
        };
        let rank = |one: &(&(usize, usize), &u64), other: &(&(usize, usize), &u64)| {
            let (&pair, &count) = *one;
            let (&other_pair, &other_count) = *other;
            let cross = |count: u64, (left, right): (usize, usize)| match options.criterion {
                Criterion::Likelihood => product(&[count, singles[&left], singles[&right]]),
                Criterion::Frequency => product(&[count]),
            };
            compare(&cross(count, other_pair), &cross(other_count, pair))
                .then(count.cmp(&other_count))
                .then(other_pair.cmp(&pair))
        };
        let Some((&best, _)) = pairs.iter().filter(may).max_by(rank) else { break };
        tokens.push(spell(best));
        lengths.push(lengths[best.0] + lengths[best.1]);
        for (word, _) in &mut spelled {
            let mut place = 0;
            while place + 1 < word.len() {
                if (word[place], word[place + 1]) == best {
                    word.splice(place..place + 2, [tokens.len() - 1]);
                }
                place += 1;
            }
        }
    }
    tokens
}

/// Words that overlap themselves and one another.
fn words() -> impl Strategy<Value = Words> {
    let letters = prop::sample::select(&["a", "ab", "aab", "abc", "abcd", "ab#", "é中b"][..]);
    let word = (letters, prop::collection::vec(any::<prop::sample::Index>(), 1..16)).prop_map(
        |(letters, picks)| {
            let letters: Vec<char> = letters.chars().collect();
            picks.iter().map(|pick| letters[pick.index(letters.len())]).collect::<String>()
        },
    );
    let count = prop_oneof![4 => 1..4_u64, 2 => 1..1000_u64, 1 => (1_u64 << 50)..1 << 52];
    let repeated = (word, 1..4_usize).prop_map(|(word, times)| word.repeat(times));
    prop::collection::btree_map(repeated, count, 0..14)
}

fn training() -> impl Strategy<Value = WordPieceOptions> {
    let criterion = prop::sample::select(&[Criterion::Likelihood, Criterion::Frequency][..]);
    let specials = prop::sample::subsequence(&["ab", "##ab", "aba", "aaaa", "[CLS]"][..], 0..3);
    let max = prop_oneof![2 => Just(None), 1 => (1..9_usize).prop_map(Some)];
    let least = prop_oneof![2 => Just(0), 1 => 0..8_u64];
    let prefix = prop_oneof![4 => Just("##"), 1 => Just(""), 1 => Just("a"), 1 => Just("@")];
    let max_chars = prop_oneof![4 => Just(100), 1 => 1..8_usize];
    (1..60_usize, criterion, specials, max, least, prefix, max_chars).prop_map(
        |(more, criterion, specials, max_token_length, min_frequency, prefix, max_chars)| {
            let mut options = options(more, criterion);
            options.special_tokens.extend(specials.into_iter().map(str::to_owned));
            options.continuing_subword_prefix = prefix.to_owned();
            options.max_input_chars_per_word = max_chars;
            WordPieceOptions { max_token_length, min_frequency: Some(min_frequency), ..options }
        },
    )
}

proptest! {
    #![proptest_config(config(1))]

    #[test]
    fn training_matches_naive(words in words(), options in training()) {
        let expected = naive(&words, &options);
        let n_first = naive(&words, &WordPieceOptions { vocab_size: 0, ..options.clone() }).len();
        let is_ambiguous = expected.iter().collect::<BTreeSet<_>>().len() < expected.len();
        match tokens(&words, &options) {
            Ok(tokens) => prop_assert_eq!(&tokens, &expected),
            Err(Error::Config(_)) => prop_assert!(options.vocab_size < n_first || is_ambiguous),
            Err(error) => prop_assert!(false, "{}", error),
        }
        let strict = WordPieceOptions { allow_smaller: false, ..options.clone() };
        let is_reached = expected.len() == options.vocab_size && !is_ambiguous;
        prop_assert_eq!(tokens(&words, &strict).is_ok(), is_reached);
    }

    #[test]
    fn floor_is_the_largest_that_fills_the_vocabulary(words in words(), more in 0..12_usize) {
        let n_first = naive(&words, &options(0, Criterion::Likelihood)).len();
        let given = options(n_first + more, Criterion::Likelihood);
        let chosen = WordPieceOptions { min_frequency: None, ..given.clone() };
        let trained = trained(&words, &chosen).unwrap();
        let floor = trained.report.min_frequency.unwrap();
        let under = |floor| tokens(&words, &WordPieceOptions { min_frequency: Some(floor), ..given.clone() }).unwrap();
        prop_assert_eq!(&tokens_of(&trained), &under(floor));
        let is_filled = under(floor).len() == given.vocab_size;
        prop_assert!(is_filled || floor == 1);
        prop_assert!(more == 0 || under(floor + 1).len() < given.vocab_size);
    }
}
