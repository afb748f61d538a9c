//! What is read, and what is refused with which words.

mod families;
mod properties;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::components::pre_tokenizer;
use super::{fingerprint, read, write, write_pretty};
use crate::definition::Model;
use crate::pre_tokenizer::PreTokenizer;

fn small_file() -> Value {
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [{
            "id": 4, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true
        }],
        "normalizer": null,
        "pre_tokenizer": { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true },
        "post_processor": null,
        "decoder": null,
        "model": { "vocab": { "t": 0, "h": 1, "th": 2, "e": 3 }, "merges": ["t h"] },
    })
}

/// The small file with `value` put at a JSON pointer, whose last key may be new.
fn small_file_with(pointer: &str, value: Value) -> String {
    let mut file = small_file();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match file.pointer_mut(parent).unwrap() {
        Value::Array(values) => values[key.parse::<usize>().unwrap()] = value,
        parent => parent[key] = value,
    }
    file.to_string()
}

fn message(file: &str) -> String {
    read(file.as_bytes()).unwrap_err().to_string()
}

#[test]
fn reads_the_form_of_old_files() {
    let definition = read(small_file().to_string().as_bytes()).unwrap();
    let Model::Bpe(bpe) = &definition.model else { panic!() };
    assert_eq!(bpe.merges, [(0, 1)]);
    assert_eq!(bpe.vocab[2], ("th".to_owned(), 2));
    assert!(!bpe.ignore_merges);
    let Some(PreTokenizer::ByteLevel(options)) = definition.pre_tokenizer else { panic!() };
    assert!(options.use_regex, "missing use_regex means true");
}

#[test]
fn accepts_options_that_are_off_and_skips_version_lines() {
    for value in [json!(null), json!("")] {
        read(small_file_with("/model/end_of_word_suffix", value).as_bytes()).unwrap();
    }
    for value in [json!(null), json!(false)] {
        read(small_file_with("/model/fuse_unk", value).as_bytes()).unwrap();
    }
    let merges = json!(["#version: 0.2", "t h"]);
    read(small_file_with("/model/merges", merges).as_bytes()).unwrap();
}

#[test]
fn refuses_components_by_path() {
    let sequence = json!({ "type": "Sequence", "pretokenizers": [{ "type": "Foo" }] });
    let no_special = json!({
        "type": "TemplateProcessing", "pair": [], "special_tokens": {},
        "single": [{ "Sequence": { "id": "A", "type_id": 0 } }, { "SpecialToken": { "id": "x", "type_id": 0 } }],
    });
    let roberta = json!({
        "type": "RobertaProcessing", "sep": ["</s>", 9], "cls": ["<s>", 4], "trim_offsets": true,
        "add_prefix_space": false,
    });
    let cases = [
        (
            "/pre_tokenizer",
            sequence,
            "pre_tokenizer.pretokenizers[0].type: \"Foo\" is not supported",
        ),
        (
            "/pre_tokenizer/add_prefix_space",
            json!(1),
            "pre_tokenizer.add_prefix_space: must be true or false, got 1",
        ),
        ("/pre_tokenizer/x", json!(1), "pre_tokenizer.x: unknown key"),
        ("/normalizer", json!({ "type": "NFX" }), "normalizer.type: \"NFX\" is not supported"),
        ("/decoder", json!({ "type": "Unfuse" }), "decoder.type: \"Unfuse\" is not supported"),
        ("/post_processor", no_special, "special_tokens: lacks \"x\""),
        ("/post_processor", roberta, "adds \"</s>\" with id 9, which is not in the vocabulary"),
        ("/padding", json!({}), "padding.strategy: is missing"),
        ("/model/dropout", json!(1.5), "model.dropout: must be a number from 0 to 1, got 1.5"),
        ("/model/type", json!("Foo"), "model.type: \"Foo\" is not supported"),
        ("/model/type", json!("WordPiece"), "model.merges: unknown key"),
        ("/model/x", json!(1), "model.x: unknown key"),
        ("/x", json!(1), "x: unknown key"),
        ("/version", json!("2.0"), "version: \"2.0\" is not supported"),
    ];
    for (pointer, value, expected) in cases {
        let message = message(&small_file_with(pointer, value));
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn pre_tokenizers_are_written_as_the_reference_writes_them() {
    let metaspace = |scheme: &str, split: bool| json!({ "type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split });
    let same = [
        json!({ "type": "BertPreTokenizer" }),
        json!({ "type": "CharDelimiterSplit", "delimiter": "é" }),
        json!({ "type": "Digits", "individual_digits": true }),
        json!({ "type": "FixedLength", "length": 7 }),
        metaspace("first", false),
        metaspace("never", true),
        json!({ "type": "Punctuation", "behavior": "MergedWithNext" }),
        json!({ "type": "Sequence", "pretokenizers": [{ "type": "UnicodeScripts" }, { "type": "Whitespace" }] }),
        json!({ "type": "WhitespaceSplit" }),
    ];
    let old = |key: &str, value: Value| {
        let mut file = json!({ "type": "Metaspace", "replacement": "▁" });
        file[key] = value;
        file
    };
    let mut never = old("add_prefix_space", json!(false));
    never["prepend_scheme"] = json!("never");
    let filled = [
        (json!({ "type": "FixedLength" }), json!({ "type": "FixedLength", "length": 5 })),
        (
            json!({ "type": "Punctuation" }),
            json!({ "type": "Punctuation", "behavior": "Isolated" }),
        ),
        (old("add_prefix_space", json!(true)), metaspace("always", true)),
        (old("add_prefix_space", json!(null)), metaspace("always", true)),
        (old("str_rep", json!("x")), metaspace("always", true)),
        (old("split", json!(null)), metaspace("always", true)),
        (never, metaspace("never", true)),
    ];
    let cases = same.into_iter().map(|json| (json.clone(), json)).chain(filled);
    for (given, written) in cases {
        let file = small_file_with("/pre_tokenizer", given);
        let read = read(file.as_bytes()).unwrap().pre_tokenizer.unwrap();
        let found = serde_json::to_string(&pre_tokenizer::write(&read)).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&found).unwrap(), written);
        assert!(found.starts_with("{\"type\":"), "{found}");
    }
}

#[test]
fn pre_tokenizers_are_refused_by_path() {
    let metaspace = |key: &str, value: Value| {
        let mut file = json!({ "type": "Metaspace", "replacement": "▁" });
        file[key] = value;
        file
    };
    let cases = [
        (metaspace("add_prefix_space", json!(false)), "add_prefix_space: is false, but"),
        (metaspace("replacement", json!("ab")), "replacement: must be one character, got \"ab\""),
        (metaspace("replacement", json!("")), "replacement: must be one character"),
        (metaspace("prepend_scheme", json!("Always")), "prepend_scheme: \"Always\" is not"),
        (metaspace("prepend_scheme", json!(null)), "prepend_scheme: must be a string"),
        (metaspace("str_rep", json!(3)), "str_rep: must be a string, got 3"),
        (metaspace("split", json!(1)), "split: must be true or false"),
        (json!({ "type": "Delimiter", "delimiter": "x" }), "type: \"Delimiter\" is not"),
        (json!({ "type": "CharDelimiterSplit" }), "delimiter: is missing"),
        (json!({ "type": "FixedLength", "length": 0 }), "length: must be at least 1, got 0"),
        (json!({ "type": "FixedLength", "length": 2.5 }), "length: must be a whole number"),
        (json!({ "type": "Digits" }), "individual_digits: is missing"),
        (json!({ "type": "Punctuation", "behavior": "x" }), "behavior: \"x\" is not supported"),
        (json!({ "type": "Whitespace", "x": 1 }), "x: unknown key"),
    ];
    for (given, expected) in cases {
        let message = message(&small_file_with("/pre_tokenizer", given));
        assert!(message.contains(&format!("pre_tokenizer.{expected}")), "{message}");
    }
}

#[test]
fn refuses_contradictions_by_place() {
    let cases = [
        (
            "/model/vocab/t",
            json!(1.5),
            "model.vocab[\"t\"]: an id must be a whole number from 0 to 4294967295, got 1.5",
        ),
        ("/model/vocab/t", json!(-1), "got -1"),
        ("/model/vocab/t", json!("1"), "got \"1\""),
        ("/model/vocab/t", json!(1_u64 << 32), "got 4294967296"),
        ("/model/vocab/t", json!(1_000_000_000), "id 1000000000 leaves too large a gap"),
        ("/model/vocab/t", json!(1), "\"h\" and \"t\" both have id 1"),
        ("/model/vocab", json!(1), "expected a vocabulary"),
        ("/model/vocab", json!([]), "model.merges: unknown key"),
        ("/model/merges", json!(["t x"]), "merge 0 uses \"x\", which is not in the vocabulary"),
        (
            "/model/merges",
            json!(["t h", "h t"]),
            "merge 1 makes \"ht\", which is not in the vocabulary",
        ),
        (
            "/model/merges",
            json!(["t h e"]),
            "model.merges[0]: a merge must have exactly two parts, got \"t h e\"",
        ),
        ("/model/merges", json!([["t"]]), "got fewer"),
        ("/model/merges", json!([["t", "h", "e"]]), "got more"),
        ("/model/merges", json!([1]), "a merge at model.merges[0]"),
        ("/model/merges", json!(null), "the array of merges"),
        (
            "/added_tokens/0/id",
            json!(5),
            "added_tokens[0]: \"<s>\" has id 5, but tokenizers numbers it 4",
        ),
        ("/added_tokens/0/id", json!(1_000_000_000), "id 1000000000 leaves too large a gap"),
        ("/added_tokens/0/content", json!("th"), "\"th\" has id 4, but id 2 in model.vocab"),
        ("/added_tokens/0/content", json!(""), "added_tokens[0].content: must not be empty"),
        ("/added_tokens/0/special", json!("no"), "must be true or false, got \"no\""),
        ("/model/vocab/zz", json!(4), "\"<s>\" has id 4, but tokenizers numbers it 5"),
    ];
    for (pointer, value, expected) in cases {
        let message = message(&small_file_with(pointer, value));
        assert!(message.contains(expected), "{message}");
    }
    let mut file = small_file();
    let token = file["added_tokens"][0].clone();
    file["added_tokens"].as_array_mut().unwrap().push(token);
    assert!(message(&file.to_string()).contains("stands twice, first in added_tokens[0]"));
}

#[test]
fn refuses_an_added_token_whose_id_another_text_has() {
    let mut file = small_file();
    file["model"]["vocab"] = json!({ "t": 0, "h": 1, "th": 2, "e": 4 });
    assert!(message(&file.to_string()).contains("\"<s>\" has id 4, which is \"e\"'s"));
}

#[test]
fn refuses_malformed_files() {
    let good = small_file().to_string();
    let cases = [
        (String::new(), "EOF"),
        ("null".to_owned(), "expected an object"),
        ("[]".to_owned(), "expected an object"),
        ("{}".to_owned(), "model: is missing"),
        (good.clone() + "x", "trailing characters"),
        (good.chars().take(good.len() / 2).collect(), "EOF"),
        ("[".repeat(1_000_000), "expected an object"),
        (format!("{{\"normalizer\":{}", "[".repeat(1_000_000)), "recursion limit"),
        (format!("\u{feff}{good}"), "byte order mark"),
        (good.replace("\"t\":", "\"h\":"), "model.vocab[\"h\"]: stands twice"),
        (good.replace("\"version\"", "\"decoder\":null,\"version\""), "decoder: stands twice"),
        (good.replace("\"vocab\"", "\"merges\":[],\"vocab\""), "model.merges: stands twice"),
        (
            good.replace("\"trim_offsets\"", "\"type\":1,\"trim_offsets\""),
            "pre_tokenizer.type: stands twice",
        ),
        (good.replace("\"merges\"", "\"ignore_merges\""), "model.merges: is missing"),
        (good.replace("\"t\":", "\"\\ud800\":"), "line 1 column"),
        (
            format!("{{\"normalizer\":[{}0]}}", "0,".repeat(1 << 16)),
            "normalizer[65535]: holds more than 65536 values",
        ),
        (
            good.replace("\"t\"", &format!("{:?}", "t".repeat((1 << 20) + 1))),
            "longer than the limit",
        ),
    ];
    for (file, expected) in cases {
        let message = message(&file);
        assert!(message.contains(expected), "{message}, not {expected}");
    }
    assert!(read(b"{\"\xff\"").unwrap_err().to_string().contains("byte 2: invalid UTF-8"));
}

#[test]
fn pretty_form_reads_as_the_same_and_fingerprint_is_of_the_canonical_form() {
    let definition = read(small_file().to_string().as_bytes()).unwrap();
    assert_eq!(read(write_pretty(&definition).as_bytes()).unwrap(), definition);
    let canonical = write(&definition);
    assert!(canonical.starts_with(
        r#"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[{"id":4,"#
    ));
    assert!(canonical.contains(r#""pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"#));
    assert!(canonical.ends_with(r#""merges":[["t","h"]]}}"#));
    let again = read(canonical.as_bytes()).unwrap();
    assert_eq!(fingerprint(&definition), fingerprint(&again));
    assert_eq!(fingerprint(&definition).len(), 64);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn no_structured_file_panics(
        pointer in prop::sample::select(vec![
            "/model/vocab", "/model/merges", "/model", "/added_tokens", "/added_tokens/0/id", "/pre_tokenizer",
            "/post_processor", "/normalizer", "/decoder", "/model/type", "/model/vocab/t", "/model/merges/0",
        ]),
        value in prop::sample::select(vec![
            json!(null), json!(0), json!(-1), json!(1e300), json!(""), json!("\u{0}"), json!([]), json!([[]]), json!({}),
            json!({ "type": "Sequence" }), json!({ "type": "TemplateProcessing", "single": [[]] }), json!([["", ""]]),
        ]),
    ) {
        let _ = read(small_file_with(pointer, value).as_bytes());
    }
}
