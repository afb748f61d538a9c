//! Counting and training against a recount of everything, whatever the threads and the order.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::naive;
use super::strategies::{PATTERN_NAMES, byte_level, config, pre_tokenizer, text};
use crate::Error;
use crate::definition::{BpeDefinition, Definition, Model};
use crate::pipeline::Pipeline;
use crate::progress::Progress;
use crate::train::bpe::{Alphabet, Bounds, BpeOptions, train};
use crate::train::{Stages, WordCounter, WordCounts, special_tokens};

type Words = BTreeMap<Vec<u8>, u64>;

/// Words that overlap themselves and one another.
fn words() -> impl Strategy<Value = Words> {
    let letters = prop::sample::select(&["a", "ab", "aab", "abc", "ab<|>", " a\n", "é中"][..]);
    let word = (letters, prop::collection::vec(any::<prop::sample::Index>(), 1..16)).prop_map(
        |(letters, picks)| {
            let letters: Vec<char> = letters.chars().collect();
            picks.iter().map(|pick| letters[pick.index(letters.len())]).collect::<String>()
        },
    );
    let count = prop_oneof![4 => 1..4_u64, 1 => 1..1000_u64];
    let repeated = (word, 1..4_usize).prop_map(|(word, times)| word.repeat(times).into_bytes());
    prop::collection::btree_map(repeated, count, 0..14)
}

fn training() -> impl Strategy<Value = naive::Training> {
    let special_tokens = prop::sample::subsequence(
        &["<|end|>", "ab", "aa", "aba", "Ġa", "é中", "<|é|>", "aaaa"][..],
        0..3,
    );
    let alphabet = prop_oneof![Just(Vec::new()), Just((0..=255).collect()), Just(b"xyz".to_vec())];
    let max = prop_oneof![2 => Just(None), 1 => (0..9_usize).prop_map(Some)];
    let least = prop_oneof![2 => Just(0), 1 => 0..8_u64];
    (0..60_usize, least, special_tokens, alphabet, max).prop_map(
        |(more, min_frequency, special_tokens, initial_alphabet, max_token_length)| {
            naive::Training {
                vocab_size: more + if initial_alphabet.len() == 256 { 256 } else { 0 },
                min_frequency,
                special_tokens: special_tokens.into_iter().map(str::to_owned).collect(),
                initial_alphabet,
                max_token_length,
            }
        },
    )
}

pub(super) fn train_options(training: &naive::Training) -> BpeOptions {
    let stages = Stages { normalizer: None, pre_tokenizer: Some(pre_tokenizer("gpt2", false)) };
    BpeOptions {
        min_frequency: training.min_frequency,
        special_tokens: training.special_tokens.clone(),
        alphabet: Alphabet::Bytes(training.initial_alphabet.clone()),
        bounds: Bounds { max_length: training.max_token_length, ..Bounds::default() },
        allow_smaller: true,
        ..BpeOptions::new(training.vocab_size, stages)
    }
}

pub(super) fn trained(words: &Words, options: &BpeOptions) -> crate::Result<BpeDefinition> {
    let counts = WordCounts::from_pairs(words.iter().map(|(word, &count)| (word, count)))?;
    let Model::Bpe(bpe) = train(&counts, options, &Progress::default())?.definition.model else {
        panic!()
    };
    Ok(bpe)
}

/// A vocabulary as a definition spells it.
fn spelled(tokens: &[Vec<u8>], n_special: usize) -> Vec<(String, u32)> {
    let spell = |(place, bytes): (usize, &Vec<u8>)| {
        if place < n_special {
            String::from_utf8(bytes.clone()).unwrap()
        } else {
            bytes.iter().map(|&byte| naive::spelling(byte)).collect()
        }
    };
    tokens.iter().enumerate().map(spell).zip(0..).collect()
}

/// A definition for counting: a split, and special tokens that are left out.
fn counting(name: &str, specials: &[&str]) -> Definition {
    let specials: Vec<String> = specials.iter().map(|&text| text.to_owned()).collect();
    Definition {
        normalizer: None,
        pre_tokenizer: Some(pre_tokenizer(name, false)),
        model: Model::Bpe(BpeDefinition::default()),
        post_processor: None,
        decoder: None,
        added_tokens: special_tokens(&specials),
        truncation: None,
        padding: None,
        training: None,
    }
}

fn count(definition: &Definition, batches: &[&[&str]], n_threads: usize) -> WordCounts {
    let pipeline = Pipeline::new(definition, true).unwrap();
    let mut counter = WordCounter::new(pipeline, Some(n_threads), None);
    for batch in batches {
        counter.count(batch, &Progress::default()).unwrap();
    }
    counter.finish(0, &Progress::default()).unwrap().counts
}

proptest! {
    #![proptest_config(config(1))]

    #[test]
    fn training_matches_naive(words in words(), training in training()) {
        let (tokens, merges) = naive::train(&words, &training);
        let n_special = training.special_tokens.len();
        let n_first = tokens.len() - merges.len();
        match trained(&words, &train_options(&training)) {
            Ok(bpe) => {
                prop_assert_eq!(&bpe.vocab, &spelled(&tokens, n_special));
                prop_assert_eq!(&bpe.merges, &merges);
                let mut texts: Vec<&String> = bpe.vocab.iter().map(|(text, _)| text).collect();
                texts.sort_unstable();
                texts.dedup();
                prop_assert_eq!(texts.len(), bpe.vocab.len());
            }
            Err(Error::Config(_)) => prop_assert!(training.vocab_size < n_first),
            Err(error) => prop_assert!(false, "{}", error),
        }
        let strict = BpeOptions { allow_smaller: false, ..train_options(&training) };
        prop_assert_eq!(trained(&words, &strict).is_ok(), tokens.len() == training.vocab_size);
    }

    #[test]
    fn word_counts_add_up(texts in prop::collection::vec(text(12), 0..6), at in any::<prop::sample::Index>()) {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        for name in PATTERN_NAMES {
            let mut slow = Words::new();
            for word in texts.iter().flat_map(|text| naive::pre_tokenize(&naive::pattern(name), text)) {
                *slow.entry(word.as_bytes().to_vec()).or_default() += 1;
            }
            let definition = counting(name, &[]);
            let all = count(&definition, &[&texts], 1);
            let pairs: Words = all.iter().map(|(word, count)| (word.to_vec(), count)).collect();
            prop_assert_eq!(&pairs, &slow);
            prop_assert_eq!(all.len(), slow.len());
            prop_assert_eq!(all.total(), slow.values().sum::<u64>());
            prop_assert!(slow.iter().all(|(word, &n)| all.count_of(word) == n));
            let (left, right) = texts.split_at(at.index(texts.len() + 1));
            let sum = count(&definition, &[left], 1).plus(&count(&definition, &[right], 1), &Progress::default()).unwrap();
            prop_assert_eq!(&sum, &all);
            prop_assert_eq!(&count(&definition, &[left, right], 3), &all);
        }
    }
}

proptest! {
    #![proptest_config(config(32))]

    #[test]
    fn training_ignores_thread_count_and_order(texts in prop::collection::vec(text(20), 1..6)) {
        let long = texts.concat();
        let long = long.repeat(600_000 / long.len().max(1) + 1);
        let mut texts: Vec<&str> = texts.iter().map(String::as_str).chain([long.as_str()]).collect();
        let definition = counting("cl100k", &["<|end|>"]);
        let counts = count(&definition, &[&texts], 1);
        let options = BpeOptions {
            special_tokens: vec!["<|end|>".to_owned()],
            ..train_options(&naive::Training { vocab_size: 700, ..naive::Training::default() })
        };
        let first = train(&counts, &options, &Progress::default());
        texts.reverse();
        for n_threads in [2, 5] {
            let again = count(&definition, &[&texts], n_threads);
            prop_assert_eq!(&again, &counts);
            prop_assert_eq!(&train(&again, &options, &Progress::default()), &first);
        }
    }
}

#[test]
fn tables_of_many_words_add_up() {
    let words: Vec<String> = (0..60_000_u32)
        .map(|i| format!(" {}", i.wrapping_mul(0x9E37_79B9) % 50_000))
        .chain((0..300).map(|i| format!("{i} and more than fifteen letters")))
        .collect();
    let texts: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut definition = counting("gpt2", &[]);
    definition.pre_tokenizer = Some(byte_level(false, false));
    let counts = count(&definition, &[&texts], 1);
    assert_eq!(counts.total(), 60_300);
    assert_eq!(counts, count(&definition, &texts.chunks(7_000).collect::<Vec<_>>(), 4));
}

#[test]
fn special_tokens_must_be_different_and_no_byte_of_the_alphabet() {
    for special_tokens in [&["b"][..], &["Ġ"], &["é"], &[""], &["<s>", "<s>"]] {
        let special_tokens = special_tokens.iter().map(|&text| text.to_owned()).collect();
        let training =
            naive::Training { vocab_size: 300, special_tokens, ..naive::Training::default() };
        let found = trained(&Words::new(), &train_options(&training));
        assert!(matches!(found, Err(Error::Config(_))), "{found:?}");
    }
}
