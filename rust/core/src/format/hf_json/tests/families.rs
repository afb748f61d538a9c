//! The model section of every family, and the keys `truncation` and `padding`: what is read, how it is written back, and what
//! is refused.

use serde_json::{Value, json};

use crate::definition::Model;
use crate::format::hf_json::{read, write};

/// A file around a model, in the form that is written, with other values for some keys.
fn file_with(model: &str, keys: &[(&str, Value)]) -> String {
    let value = |key: &str| {
        keys.iter().find(|(name, _)| *name == key).map_or(Value::Null, |(_, value)| value.clone())
    };
    let added = value("added_tokens");
    format!(
        r#"{{"version":"1.0","truncation":{},"padding":{},"added_tokens":{},"normalizer":null,"pre_tokenizer":null,"post_processor":null,"decoder":null,"model":{model}}}"#,
        value("truncation"),
        value("padding"),
        if added.is_null() { json!([]) } else { added },
    )
}

fn message(model: &str, keys: &[(&str, Value)]) -> String {
    read(file_with(model, keys).as_bytes()).unwrap_err().to_string()
}

/// As `tokenizers` 0.23.3 writes them.
const WRITTEN: [&str; 8] = [
    r###"{"type":"BPE","dropout":0.1,"unk_token":"","continuing_subword_prefix":"##","end_of_word_suffix":"</w>","fuse_unk":true,"byte_fallback":true,"ignore_merges":true,"vocab":{"a":1,"##b":2,"ab":3},"merges":[["a","##b"]]}"###,
    r#"{"type":"BPE","dropout":0.0,"unk_token":"<unk>","continuing_subword_prefix":null,"end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false,"vocab":{},"merges":[]}"#,
    r###"{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":{"[UNK]":0,"##a":2}}"###,
    r#"{"type":"WordPiece","unk_token":"","continuing_subword_prefix":"","max_input_chars_per_word":0,"vocab":{}}"#,
    r#"{"type":"WordLevel","vocab":{"<unk>":0,"b":2},"unk_token":"<unk>"}"#,
    r#"{"type":"Unigram","unk_id":0,"vocab":[["<unk>",0.0],["▁",-2.012292861938477],["b",-1e-7],["c",1e+22],["a",-3.5],["a",-4.0]],"byte_fallback":true}"#,
    r#"{"type":"Unigram","unk_id":null,"vocab":[],"byte_fallback":false}"#,
    r#"{"type":"Unigram","unk_id":null,"vocab":[["",-0.5]],"byte_fallback":false}"#,
];

#[test]
fn model_of_every_family_is_written_as_it_was_read() {
    for model in WRITTEN {
        let file = file_with(model, &[]);
        assert_eq!(write(&read(file.as_bytes()).unwrap()), file);
    }
}

#[test]
fn model_without_a_type_is_of_the_first_family_whose_keys_are_there() {
    for model in WRITTEN {
        let (name, rest) = model.split_once(',').unwrap();
        let untyped = format!("{{{rest}");
        let definition = read(file_with(&untyped, &[]).as_bytes()).unwrap();
        assert_eq!(definition, read(file_with(model, &[]).as_bytes()).unwrap(), "{name}");
    }
    let word_level = r#"{"unk_token":"u","vocab":{},"max_input_chars_per_word":3}"#;
    assert!(message(word_level, &[]).contains("model.max_input_chars_per_word: unknown key"));
    assert!(message(r#"{"vocab":{"a":1}}"#, &[]).contains("model.merges: is missing"));
}

#[test]
fn options_that_are_missing_have_their_defaults() {
    let bpe = read(file_with(r#"{"type":"BPE","vocab":{},"merges":[]}"#, &[]).as_bytes()).unwrap();
    assert_eq!(bpe.model, Model::Bpe(crate::definition::BpeDefinition::default()));
    let unigram = r#"{"type":"Unigram","vocab":[["a",-1]]}"#;
    let Model::Unigram(unigram) = read(file_with(unigram, &[]).as_bytes()).unwrap().model else {
        panic!()
    };
    assert_eq!(unigram.vocab, [("a".to_owned(), -1.0)]);
    assert_eq!((unigram.unk_id, unigram.byte_fallback), (None, false));
}

#[test]
fn model_is_refused_by_path() {
    let cases = [
        (r#"{"type":"BPE","vocab":{}}"#, "model.merges: is missing"),
        (r#"{"type":"BPE","merges":[]}"#, "model.vocab: is missing"),
        (r#"{"type":"BPE","vocab":[],"merges":[]}"#, "model.vocab: must be an object"),
        (r#"{"type":1,"vocab":{},"merges":[]}"#, "model.type: must be a string, got 1"),
        (
            r#"{"vocab":{},"merges":[],"dropout":-0.5}"#,
            "model.dropout: must be a number from 0 to 1, got -0.5",
        ),
        (r#"{"vocab":{},"merges":[],"dropout":"0"}"#, "model.dropout: must be a number"),
        (
            r#"{"vocab":{},"merges":[],"end_of_word_suffix":false}"#,
            "model.end_of_word_suffix: must be a string, got false",
        ),
        (
            r#"{"vocab":{},"merges":[],"fuse_unk":1}"#,
            "model.fuse_unk: must be true or false, got 1",
        ),
        (
            r#"{"vocab":{"a":0,"b":1},"merges":["a b"],"continuing_subword_prefix":"__"}"#,
            "merge 0 joins \"b\", which is too short to begin with the continuing-subword prefix",
        ),
        (
            r#"{"vocab":{"a":0,"é":1},"merges":["a é"],"continuing_subword_prefix":"_"}"#,
            "merge 0 joins \"é\", which is too short to begin with the continuing-subword prefix",
        ),
        (
            r#"{"vocab":{"a":0,"_b":1},"merges":["a _b"],"continuing_subword_prefix":"_"}"#,
            "merge 0 makes \"ab\", which is not in the vocabulary",
        ),
        (
            r#"{"type":"WordPiece","unk_token":"u","max_input_chars_per_word":1,"vocab":{}}"#,
            "model.continuing_subword_prefix: is missing",
        ),
        (
            r#"{"unk_token":"u","continuing_subword_prefix":"","max_input_chars_per_word":-1,"vocab":{}}"#,
            "model.max_input_chars_per_word: must be a whole number that is not negative, got -1",
        ),
        (r#"{"type":"WordLevel","vocab":{}}"#, "model.unk_token: is missing"),
        (r#"{"type":"WordLevel","vocab":[],"unk_token":"u"}"#, "model.vocab: must be an object"),
        (r#"{"type":"Unigram","vocab":{}}"#, "model.vocab: must be an array of pieces and scores"),
        (
            r#"{"vocab":[],"unk_id":0}"#,
            "model.unk_id: must be below the number of pieces, 0, got 0",
        ),
        (r#"{"vocab":[["a",0]],"unk_id":1}"#, "must be below the number of pieces, 1, got 1"),
        (r#"{"vocab":[["a",0]],"unk_id":-1}"#, "model.unk_id: must be a whole number from 0"),
        (r#"{"vocab":[["a",0]],"byte_fallback":null}"#, "model.byte_fallback: must be true or"),
        (r#"{"vocab":[["a",0]],"x":null}"#, "model.x: unknown key"),
        (r#"{"vocab":[["a"]]}"#, "model.vocab[0]: must be a text and a score, got no score"),
        (r#"{"vocab":[["a",0],[]]}"#, "model.vocab[1]: must be a text and a score, got nothing"),
        (r#"{"vocab":[["a",0,0]]}"#, "model.vocab[0]: must be a text and a score, got more"),
        (r#"{"vocab":[["a","0"]]}"#, "invalid type: string \"0\", expected f64"),
        (r#"{"vocab":[["a",1e999]]}"#, "number out of range"),
        (r#"{"vocab":["a"]}"#, "expected a piece at model.vocab[0]"),
        (r#"{"vocab":[["a",NaN]]}"#, "expected value"),
    ];
    for (model, expected) in cases {
        let message = message(model, &[]);
        assert!(message.contains(expected), "{message}, not {expected}");
    }
    let long = format!(r#"{{"vocab":[["{}",0]]}}"#, "a".repeat((1 << 20) + 1));
    assert!(message(&long, &[]).contains("model.vocab[0]: a token of 1048577 bytes is longer"));
}

#[test]
fn added_token_has_the_id_of_the_later_of_equal_pieces() {
    let token = |id: u32, content: &str| {
        json!({
            "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true
        })
    };
    let model = r#"{"type":"Unigram","vocab":[["a",0],["b",0],["a",0]]}"#;
    let with = |token: Value| file_with(model, &[("added_tokens", json!([token]))]);
    read(with(token(2, "a")).as_bytes()).unwrap();
    read(with(token(3, "<x>")).as_bytes()).unwrap();
    let refused = read(with(token(0, "a")).as_bytes()).unwrap_err().to_string();
    assert!(
        refused.contains("added_tokens[0]: \"a\" has id 0, but id 2 in model.vocab"),
        "{refused}"
    );
}

#[test]
fn truncation_and_padding_are_written_as_they_were_read() {
    let truncations = [
        json!(null),
        json!({ "direction": "Left", "max_length": 4, "strategy": "OnlyFirst", "stride": 3 }),
        json!({ "direction": "Right", "max_length": 0, "strategy": "OnlySecond", "stride": 0 }),
    ];
    let paddings = [
        r#"{"strategy":"BatchLongest","direction":"Left","pad_to_multiple_of":8,"pad_id":9,"pad_type_id":1,"pad_token":"x"}"#,
        r#"{"strategy":{"Fixed":3},"direction":"Right","pad_to_multiple_of":null,"pad_id":0,"pad_type_id":0,"pad_token":""}"#,
        "null",
    ];
    for (truncation, padding) in truncations.into_iter().zip(paddings) {
        let file = file_with(WRITTEN[4], &[("truncation", truncation.clone())])
            .replace("\"padding\":null", &format!("\"padding\":{padding}"));
        let written = write(&read(file.as_bytes()).unwrap());
        assert!(written.contains(&format!("\"padding\":{padding},")), "{written}");
        let back: Value = serde_json::from_str(&written).unwrap();
        assert_eq!(back["truncation"], truncation);
    }
    let old = json!({ "max_length": 4, "strategy": "LongestFirst", "stride": 0 });
    let written = write(&read(file_with(WRITTEN[4], &[("truncation", old)]).as_bytes()).unwrap());
    let expected =
        r#""truncation":{"direction":"Right","max_length":4,"strategy":"LongestFirst","stride":0}"#;
    assert!(written.contains(expected), "{written}");
}

#[test]
fn truncation_and_padding_are_refused_by_path() {
    let truncation = |key: &str, value: Value| {
        let mut json = json!({ "max_length": 4, "strategy": "LongestFirst", "stride": 0 });
        json[key] = value;
        ("truncation", json)
    };
    let padding = |key: &str, value: Value| {
        let mut json = json!({
            "strategy": "BatchLongest", "direction": "Left", "pad_id": 9, "pad_type_id": 1,
            "pad_token": "x"
        });
        json[key] = value;
        ("padding", json)
    };
    let cases = [
        (
            truncation("stride", json!(4)),
            "truncation.stride: must be smaller than max_length, 4, got 4",
        ),
        (truncation("max_length", json!(-1)), "truncation.max_length: must be a whole number"),
        (
            truncation("strategy", json!("longest_first")),
            "truncation.strategy: \"longest_first\" is not",
        ),
        (truncation("direction", json!("left")), "truncation.direction: \"left\" is not supported"),
        (truncation("x", json!(0)), "truncation.x: unknown key"),
        (
            ("truncation", json!({ "max_length": 4, "strategy": "OnlyFirst" })),
            "truncation.stride: is missing",
        ),
        (padding("strategy", json!("Longest")), "padding.strategy: \"Longest\" is not supported"),
        (
            padding("strategy", json!({ "Fixed": 1.5 })),
            "padding.strategy.Fixed: must be a whole number",
        ),
        (padding("strategy", json!({ "Fixed": 1, "x": 1 })), "padding.strategy.x: unknown key"),
        (padding("direction", json!(null)), "padding.direction: must be a string, got null"),
        (padding("pad_to_multiple_of", json!(0)), "padding.pad_to_multiple_of: must be at least 1"),
        (padding("pad_id", json!("x")), "padding.pad_id: must be a whole number from 0"),
        (("padding", json!({ "strategy": "BatchLongest" })), "padding.direction: is missing"),
    ];
    for (key, expected) in cases {
        let message = message(WRITTEN[4], &[key]);
        assert!(message.contains(expected), "{message}, not {expected}");
    }
}
