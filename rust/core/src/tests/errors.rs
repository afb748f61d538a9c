//! Errors say where, and say the same on any number of threads.

use proptest::prelude::*;

use super::naive;
use super::strategies::{
    build, byte_level, config, definition, encode, expected, options, text, tokenizer,
    without_bytes,
};
use super::training::train_options;
use crate::added_tokens::OnSpecial;
use crate::pipeline::Pipeline;
use crate::pre_tokenizer::{GenericPreTokenizer, Pattern, PreTokenizer, Split, SplitBehavior};
use crate::progress::Progress;
use crate::traced::Traced;
use crate::train::bpe::train;
use crate::train::{WordCounter, WordCounts};
use crate::{Error, Tokenizer};

/// A tokenizer without normalizer that has no token for some bytes of the usual text.
fn incomplete() -> impl Strategy<Value = naive::Tokenizer> {
    let missing = prop::collection::vec(prop::sample::select(&b"aZ9! \n\xE4\0"[..]), 1..3);
    (tokenizer(), missing).prop_map(|(mut tokenizer, missing)| {
        tokenizer.is_nfc = false;
        tokenizer.bpe = without_bytes(tokenizer.bpe, &missing);
        tokenizer
    })
}

/// What a batch gives when each text is encoded alone.
fn one_by_one(tokenizer: &Tokenizer, texts: &[&str], mode: OnSpecial) -> Result<Vec<u32>, Error> {
    let mut ids = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        ids.extend(encode(tokenizer, text, mode).map_err(|error| error.in_batch(index))?);
    }
    Ok(ids)
}

proptest! {
    #![proptest_config(config(1))]

    #[test]
    fn unencodable_text_is_placed(tokenizer in incomplete(), text in text(12)) {
        let slow = expected(tokenizer.encode(&text));
        prop_assert_eq!(&encode(&build(&tokenizer), &text, OnSpecial::Encode), &slow);
        let generic = Tokenizer::new_generic(definition(&tokenizer)).unwrap();
        prop_assert_eq!(encode(&generic, &text, OnSpecial::Encode), slow);
    }
}

proptest! {
    #![proptest_config(config(16))]

    #[test]
    fn the_first_error_of_a_batch_is_reported(
        tokenizer in incomplete(),
        texts in prop::collection::vec((text(4), 0..4_usize), 1..6),
    ) {
        let fast = build(&tokenizer);
        let texts: Vec<String> = texts
            .into_iter()
            .map(|(text, size)| match size {
                0 => format!("{}{text}", "tttt\n".repeat(60_000)),
                1 => format!("{}{text}{}", "tttt\n".repeat(60_000), "then\n".repeat(60_000)),
                _ => text,
            })
            .collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        for mode in [OnSpecial::Encode, OnSpecial::Raise] {
            let alone = one_by_one(&fast, &texts, mode);
            for n_threads in [1, 2, 5] {
                let batch = fast.encode_batch(&texts, options(mode), Some(n_threads), &Progress::default());
                prop_assert_eq!(batch.map(|batch| batch.ids), alone.clone());
            }
        }
    }
}

fn small() -> naive::Tokenizer {
    let ids = (b' '..=b'~').map(|byte| (vec![byte], u32::from(byte))).collect();
    let merges = vec![];
    let bpe = naive::Bpe { ids, merges, ignore_merges: false };
    naive::Tokenizer { bpe, pattern: "gpt2", ..naive::Tokenizer::default() }
}

#[test]
fn added_spaces_do_not_move_the_place_of_an_error() {
    let pattern = Pattern::Literal("-".to_owned());
    let split = Split { pattern, behavior: SplitBehavior::Removed, invert: false };
    let stages = [
        byte_level(true, true),
        PreTokenizer::Sequence(vec![PreTokenizer::Split(split), byte_level(true, false)]),
    ];
    for stages in stages {
        let mut given = definition(&small());
        given.pre_tokenizer = Some(stages);
        for text in ["é", " é", "ab é", "a-b-cé", "-a- b-- c-é", "a b-c dé", "--é"] {
            let byte_offset = text.find('é').unwrap();
            for fast in [Tokenizer::new(given.clone()), Tokenizer::new_generic(given.clone())] {
                let found = encode(&fast.unwrap(), text, OnSpecial::Raise);
                assert_eq!(found, Err(Error::Unencodable { byte_offset }), "{text:?}");
            }
        }
    }
}

#[test]
fn a_missing_space_is_placed_at_the_start_when_it_was_added() {
    let mut tokenizer = small();
    tokenizer.adds_prefix_space = true;
    tokenizer.bpe = without_bytes(tokenizer.bpe, b" ");
    let found = encode(&build(&tokenizer), "ab", OnSpecial::Raise);
    assert_eq!(found, Err(Error::Unencodable { byte_offset: 0 }));
}

#[test]
fn a_pattern_limit_is_placed_in_the_whole_text() {
    let pattern = Pattern::Regex("x+y|x".to_owned());
    let split = Split { pattern, behavior: SplitBehavior::Isolated, invert: false };
    let mut given = definition(&small());
    given.pre_tokenizer = Some(PreTokenizer::Sequence(vec![
        PreTokenizer::WhitespaceSplit,
        PreTokenizer::Split(split.clone()),
        byte_level(true, true),
    ]));
    let tokenizer = Tokenizer::new(given).unwrap();
    let stages = [byte_level(true, true), PreTokenizer::Split(split)];
    let spelled = PreTokenizer::Sequence(stages.to_vec());
    let spelled = GenericPreTokenizer::new(Some(&spelled), true).unwrap();
    let places = |text: &str| {
        let found = encode(&tokenizer, text, OnSpecial::Raise).unwrap_err();
        let text = Traced::raw(text, 0, &Progress::default()).unwrap();
        let other = spelled.pre_tokenize(text, 0, &Progress::default()).unwrap_err();
        [found, other].map(|error| match error {
            Error::PatternLimit { byte_offset, .. } => byte_offset,
            error => panic!("{error}"),
        })
    };
    let xs = "x".repeat(4_000);
    assert_eq!(places(&format!("ab {xs}")), places(&xs).map(|place| place + 3));
}

#[test]
fn every_long_call_stops_when_asked() {
    let (tokenizer, progress) = (build(&small()), Progress::default());
    progress.stop();
    let mode = options(OnSpecial::Raise);
    let long = "some words\n".replace('\n', " ").repeat(30_000);
    for n_threads in [1, 3] {
        let batch = tokenizer.encode_batch(&[&long, "a"], mode, Some(n_threads), &progress);
        assert_eq!(batch, Err(Error::Interrupted));
        let ids = tokenizer.encode_with_threads(&long, mode, Some(n_threads), &progress);
        assert_eq!(ids, Err(Error::Interrupted));
        let pipeline = Pipeline::new(tokenizer.definition(), true).unwrap();
        let mut counter = WordCounter::new(pipeline, Some(n_threads), None);
        assert_eq!(counter.count(&[&long, "a"], &progress), Err(Error::Interrupted));
    }
    assert_eq!(tokenizer.encode("a", mode, &progress), Err(Error::Interrupted));
    let counts = WordCounts::from_pairs([("abab", 3)]).unwrap();
    let training = naive::Training { vocab_size: 9, ..naive::Training::default() };
    assert_eq!(train(&counts, &train_options(&training), &progress), Err(Error::Interrupted));
}
