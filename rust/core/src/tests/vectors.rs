//! The cases that Rust and Python share: `tests/vectors/*.jsonl`, the first line of each a header.

use std::collections::BTreeMap;

use serde_json::Value;

use super::naive;
use super::strategies::{build, definition, encode, pre_tokenizer};
use super::training::{train_options, trained};
use crate::Error;
use crate::Tokenizer;
use crate::added_tokens::OnSpecial;
use crate::pre_tokenizer::byte_level;
use crate::progress::Progress;

fn cases(lines: &str) -> Vec<Value> {
    lines.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn strings(values: &Value) -> Vec<String> {
    values.as_array().unwrap().iter().map(|value| value.as_str().unwrap().to_owned()).collect()
}

fn pairs(values: &Value) -> Vec<(String, String)> {
    values
        .as_array()
        .unwrap()
        .iter()
        .map(strings)
        .map(|pair| (pair[0].clone(), pair[1].clone()))
        .collect()
}

fn size(value: &Value) -> Option<usize> {
    value.as_u64().map(|number| usize::try_from(number).unwrap())
}

fn training_of(options: &Value) -> naive::Training {
    let alphabet = options["initial_alphabet"].as_array().map_or((0..=255).collect(), |bytes| {
        bytes.iter().map(|byte| u8::try_from(byte.as_u64().unwrap()).unwrap()).collect()
    });
    naive::Training {
        vocab_size: size(&options["vocab_size"]).unwrap(),
        min_frequency: options["min_frequency"].as_u64().unwrap(),
        special_tokens: strings(&options["special_tokens"]),
        initial_alphabet: alphabet,
        max_token_length: size(&options["max_token_length"]),
    }
}

#[test]
fn training_matches_the_shared_cases() {
    for case in cases(include_str!("../../../../tests/vectors/bpe_train.jsonl")) {
        let words: BTreeMap<Vec<u8>, u64> = case["words"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pair| (pair[0].as_str().unwrap().as_bytes().to_vec(), pair[1].as_u64().unwrap()))
            .collect();
        let training = training_of(&case["options"]);
        let (tokens, merges) = (strings(&case["tokens"]), pairs(&case["merges"]));
        let name = &case["name"];
        let found = trained(&words, &train_options(&training));
        // Where `tokenizers` gives more tokens than asked for, merganser refuses.
        if training.vocab_size < tokens.len() {
            assert!(matches!(found, Err(Error::Config(_))), "{name}: {found:?}");
            continue;
        }
        let bpe = found.unwrap_or_else(|error| panic!("{name}: {error}"));
        let text = |id: u32| bpe.vocab[id as usize].0.clone();
        let found: Vec<_> =
            bpe.merges.iter().map(|&(left, right)| (text(left), text(right))).collect();
        assert_eq!(found, merges, "{name}");
        let ids: Vec<(String, u32)> = tokens.into_iter().zip(0..).collect();
        assert_eq!(bpe.vocab, ids, "{name}");
    }
}

#[test]
fn pre_tokens_match_the_shared_cases() {
    let built: BTreeMap<&str, [Tokenizer; 2]> = ["gpt2", "cl100k", "o200k", "lines"]
        .map(|pattern| {
            let tokenizer = naive::Tokenizer { pattern, ..naive::Tokenizer::default() };
            let given = definition(&tokenizer);
            assert_eq!(given.pre_tokenizer, Some(pre_tokenizer(pattern, false)));
            let generic = Tokenizer::new_generic(given.clone()).unwrap();
            (pattern, [Tokenizer::new(given).unwrap(), generic])
        })
        .into();
    for case in cases(include_str!("../../../../tests/vectors/pre_tokenize.jsonl")) {
        let (text, pieces) = (case["text"].as_str().unwrap(), strings(&case["pieces"]));
        for tokenizer in &built[case["pattern"].as_str().unwrap()] {
            let found =
                tokenizer.pre_tokenize(text, OnSpecial::Raise, &Progress::default()).unwrap();
            assert_eq!(found, pieces, "{}", case["name"]);
        }
    }
}

#[test]
fn ids_match_the_shared_cases() {
    let bytes = |text: &str| byte_level::bytes_of(text).unwrap();
    for case in cases(include_str!("../../../../tests/vectors/bpe_encode.jsonl")) {
        let names = ["gpt2", "cl100k", "o200k"];
        let pattern = names.into_iter().find(|name| case["pattern"] == *name).unwrap();
        let merges = pairs(&case["merges"]);
        let bpe = naive::Bpe {
            ids: strings(&case["tokens"]).iter().map(|text| bytes(text)).zip(0..).collect(),
            merges: merges.iter().map(|(left, right)| (bytes(left), bytes(right))).collect(),
            ignore_merges: case["ignore_merges"].as_bool().unwrap(),
        };
        let tokenizer = naive::Tokenizer { bpe, pattern, ..naive::Tokenizer::default() };
        let text = case["text"].as_str().unwrap();
        let ids: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
        let fast = build(&tokenizer);
        assert_eq!(encode(&fast, text, OnSpecial::Raise).as_ref(), Ok(&ids), "{}", case["name"]);
        assert_eq!(tokenizer.encode(text), Ok(ids.clone()), "{}", case["name"]);
        assert_eq!(
            fast.decode_bytes(&ids, false, &Progress::default()).unwrap(),
            text.as_bytes(),
            "{}",
            case["name"]
        );
    }
}
