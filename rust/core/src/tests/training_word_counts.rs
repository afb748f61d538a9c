//! Counting in chunks, in pieces and on disk, held to the generic stages on each text; word counts as a value.

use std::collections::BTreeMap;
use std::path::PathBuf;

use proptest::prelude::*;

use super::strategies::{config, text};
use crate::Error;
use crate::added_tokens::OnSpecial;
use crate::definition::{BpeDefinition, Definition, Model};
use crate::pipeline::{Pipeline, TracedPiece};
use crate::progress::{Phase, Progress};
use crate::train::{Spilling, Stages, WordCounter, WordCounts, special_tokens};

type Words = BTreeMap<Vec<u8>, u64>;

const NORMALIZERS: [Option<&str>; 9] = [
    None,
    Some("nfc"),
    Some("nfd"),
    Some("nfkc"),
    Some("bert"),
    Some("bert-cased"),
    Some("lowercase"),
    Some(r#"{"type": "Nmt"}"#),
    Some(r#"{"type": "Prepend", "prepend": "x "}"#),
];

const PRE_TOKENIZERS: [&str; 11] = [
    "gpt2",
    "cl100k",
    "o200k",
    "lines",
    "bert",
    "whitespace",
    "whitespace-split",
    "metaspace",
    r#"{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": true}"#,
    r#"{"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"},
        {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true}]}"#,
    r#"{"type": "Digits", "individual_digits": false}"#,
];

const SPECIALS: [&[&str]; 4] = [&[], &["<|x|>", "e\u{301}"], &["a b", " "], &["cat", "t s"]];

/// The words of texts by the generic stages, one text after another.
fn slow_words(stages: &Stages, specials: &[String], texts: &[String]) -> Words {
    let definition = Definition {
        normalizer: stages.normalizer.clone(),
        pre_tokenizer: stages.pre_tokenizer.clone(),
        model: Model::Bpe(BpeDefinition::default()),
        post_processor: None,
        decoder: None,
        added_tokens: special_tokens(specials),
        truncation: None,
        padding: None,
        training: None,
    };
    let pipeline = Pipeline::new(&definition, false).unwrap();
    let mut words = Words::new();
    for text in texts {
        let done =
            pipeline.for_each_traced(text, OnSpecial::Encode, &Progress::default(), |piece| {
                if let TracedPiece::PreToken(text, range) = piece {
                    let word = text.text().as_bytes()[range].to_vec();
                    if !word.is_empty() {
                        *words.entry(word).or_default() += 1;
                    }
                }
                Ok(())
            });
        done.unwrap();
    }
    words
}

fn words_of(counts: &WordCounts) -> Words {
    counts.iter().map(|(word, count)| (word.to_vec(), count)).collect()
}

/// A folder of its own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("merganser-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn spilling(&self, max_memory: usize) -> Spilling {
        let folder = self.0.join(max_memory.to_string());
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        Spilling { max_memory, folder }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

proptest! {
    #![proptest_config(config(1))]

    #[test]
    fn counting_matches_generic_stages(
        texts in prop::collection::vec(text(12), 0..5),
        normalizer in prop::sample::select(&NORMALIZERS[..]),
        pre_tokenizer in prop::sample::select(&PRE_TOKENIZERS[..]),
        specials in prop::sample::select(&SPECIALS[..]),
        n_threads in 1..4_usize,
    ) {
        let specials: Vec<String> = specials.iter().map(|&text| text.to_owned()).collect();
        let stages = Stages::parse(normalizer, Some(pre_tokenizer)).unwrap();
        let slow = slow_words(&stages, &specials, &texts);
        let folder = Folder::new("matches");
        for spilling in [None, Some(folder.spilling(1 << 14))] {
            let pipeline = stages.pipeline(&specials).unwrap();
            let mut counter = WordCounter::new(pipeline, Some(n_threads), spilling);
            for text in &texts {
                counter.count(&[text], &Progress::default()).unwrap();
            }
            let counted = counter.finish(0, &Progress::default()).unwrap();
            prop_assert_eq!(&words_of(&counted.counts), &slow);
        }
    }

    #[test]
    fn pieces_count_as_their_text(
        text in prop::collection::vec(prop_oneof![text(6), Just("the cat sat ".to_owned()), Just("on\na\nmat".to_owned())], 0..9),
        steps in prop::collection::vec(1..40_usize, 1..5),
        normalizer in prop::sample::select(&NORMALIZERS[..]),
        pre_tokenizer in prop::sample::select(&PRE_TOKENIZERS[..]),
        specials in prop::sample::select(&SPECIALS[..]),
    ) {
        let text = text.concat();
        let specials: Vec<String> = specials.iter().map(|&text| text.to_owned()).collect();
        let stages = Stages::parse(normalizer, Some(pre_tokenizer)).unwrap();
        let mut counters = [0, 1].map(|_| {
            WordCounter::new(stages.pipeline(&specials).unwrap(), Some(1), None)
        });
        let progress = Progress::default();
        counters[0].count(&[&text], &progress).unwrap();
        let (mut start, mut end) = (0, 0);
        for step in steps.iter().cycle() {
            end = (end + step..text.len()).find(|&end| text.is_char_boundary(end)).unwrap_or(text.len());
            start += counters[1].count_piece(text.get(start..end).unwrap(), end == text.len(), &progress).unwrap();
            if end == text.len() {
                break;
            }
        }
        let [whole, pieces] = counters;
        prop_assert_eq!((pieces.n_texts(), pieces.n_bytes()), (1, text.len() as u64));
        let [whole, pieces] = [whole, pieces].map(|counter| counter.finish(0, &progress).unwrap());
        prop_assert_eq!(whole.counts, pieces.counts);
    }

    #[test]
    fn files_give_back_the_counts(
        words in prop::collection::btree_map(prop::collection::vec(any::<u8>(), 1..20), 1..u64::MAX >> 8, 0..30),
        long in 0..600_usize,
        place in any::<prop::sample::Index>(),
        bit in 0..8_u32,
    ) {
        let long = vec![b'l'; long];
        let longer = [&long[..], b"x"].concat();
        let pairs = words.iter().map(|(word, &count)| (&word[..], count));
        let counts = WordCounts::from_pairs(pairs.chain([(&long[..], 1), (&longer[..], 2)])).unwrap();
        let progress = Progress::default();
        let bytes = counts.to_bytes("description", &progress).unwrap();
        prop_assert_eq!(WordCounts::from_bytes(&bytes, &progress).unwrap(), (counts, "description".to_owned()));
        let mut damaged = bytes.clone();
        damaged[place.index(bytes.len())] ^= 1 << bit;
        let refused = matches!(WordCounts::from_bytes(&damaged, &progress), Err(Error::Format { .. }));
        prop_assert!(refused);
        let cut = &bytes[..place.index(bytes.len())];
        prop_assert!(WordCounts::from_bytes(cut, &progress).is_err());
    }

    #[test]
    fn scaling_rounds_to_the_nearest_and_halves_to_even(count in any::<u32>(), up in 1..1000_u64, down in 1..1000_u64) {
        let counts = WordCounts::from_pairs([("a", u64::from(count))]).unwrap();
        let scaled = counts.scaled(up, down, &Progress::default()).unwrap().count_of(b"a");
        let (exact, found) = (u128::from(count) * u128::from(up), u128::from(scaled) * u128::from(down));
        let distance = exact.abs_diff(found) * 2;
        prop_assert!(distance < u128::from(down) || distance == u128::from(down) && scaled.is_multiple_of(2));
    }
}

#[test]
fn runs_are_merged_when_there_are_many() {
    let folder = Folder::new("runs");
    let texts: Vec<String> = (0..200_u32).map(|i| format!("w{i} v{} the", i % 7)).collect();
    let stages = Stages::parse(None, Some("gpt2")).unwrap();
    let mut counter =
        WordCounter::new(stages.pipeline(&[]).unwrap(), Some(1), Some(folder.spilling(8000)));
    for text in &texts {
        counter.count(&[text], &Progress::default()).unwrap();
    }
    let found = counter.finish(2, &Progress::default()).unwrap();
    assert!(found.n_spilled_bytes > 0);
    assert_eq!(found.counts.count_of(b" the"), 200);
    let slow = slow_words(&stages, &[], &texts);
    let rare = slow.values().filter(|&&count| count < 2);
    assert_eq!(found.n_dropped, rare.clone().count() as u64);
    assert_eq!(found.n_dropped_occurrences, rare.sum::<u64>());
    assert_eq!(found.counts.len() as u64 + found.n_dropped, slow.len() as u64);
}

#[test]
fn counts_beyond_64_bits_are_refused() {
    let half = WordCounts::from_pairs([("a", 1 << 63)]).unwrap();
    let progress = Progress::default();
    assert!(matches!(half.plus(&half, &progress), Err(Error::Config(_))));
    assert!(matches!(half.scaled(2, 1, &progress), Err(Error::Config(_))));
    assert!(matches!(half.scaled(1, 0, &progress), Err(Error::Config(_))));
    assert_eq!(half.scaled(u64::MAX, u64::MAX, &progress).unwrap(), half);
}

#[test]
fn the_most_common_words_come_first_and_ties_by_bytes() {
    let counts = WordCounts::from_pairs([("a", 1), ("b", 3), ("c", 3), ("d", 7)]).unwrap();
    let common =
        |n| counts.most_common(n).iter().map(|&(word, _)| word.to_vec()).collect::<Vec<_>>();
    assert_eq!(common(2), [b"d", b"b"]);
    assert_eq!(common(9), [b"d", b"b", b"c", b"a"]);
    assert!(common(0).is_empty());
    assert_eq!(counts.at_least(3, &Progress::default()).unwrap().len(), 3);
}

#[test]
fn every_operation_stops_when_asked() {
    let counts = WordCounts::from_pairs([("a", 1), ("b", 3)]).unwrap();
    let bytes = counts.to_bytes("", &Progress::default()).unwrap();
    let stopped = Progress::default();
    stopped.stop();
    let all = [
        counts.plus(&counts, &stopped).map(drop),
        counts.scaled(2, 3, &stopped).map(drop),
        counts.at_least(1, &stopped).map(drop),
        counts.to_bytes("", &stopped).map(drop),
        WordCounts::from_bytes(&bytes, &stopped).map(drop),
    ];
    for (index, result) in all.into_iter().enumerate() {
        assert!(matches!(result, Err(Error::Interrupted)), "{index}");
    }
}

#[test]
fn gathering_counts_chunks_and_words_in_one() {
    // Each chunk has two words, and each word stands in many chunks.
    let chunks: Vec<String> = (0..200_000).map(|i| format!(" a{},b{}", i % 997, i % 991)).collect();
    let text = chunks.concat();
    let stages = Stages::parse(None, Some("bert")).unwrap();
    let mut counter = WordCounter::new(stages.pipeline(&[]).unwrap(), Some(2), None);
    counter.count(&[&text], &Progress::default()).unwrap();
    let progress = Progress::default();
    let mut seen = Vec::new();
    let n_words = std::thread::scope(|scope| {
        let gathering = scope.spawn(|| counter.finish(0, &progress).unwrap().counts.len() as u64);
        while !gathering.is_finished() {
            seen.push(progress.snapshot());
        }
        gathering.join().unwrap()
    });
    let done: Vec<u64> =
        seen.iter().filter(|seen| seen.0 == Phase::Gather).map(|seen| seen.1).collect();
    assert!(done.is_sorted(), "{done:?}");
    let (phase, n_done, n_all) = progress.snapshot();
    assert_eq!((phase, n_done), (Phase::Gather, n_all));
    assert_eq!(n_all, 200_000 + n_words);
}
