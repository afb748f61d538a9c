//! Any text through a tokenizer of each family: the traced path gives the ids of the fast one, offsets lie in the text and on
//! its characters, and decoding id by id gives what decoding at once gives.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use merganser_core::Tokenizer;
use merganser_core::added_tokens::OnSpecial;
use merganser_core::format::hf_json;
use merganser_core::progress::Progress;
use merganser_core::tokenizer::{DecodeStream, EncodeOptions};

/// Model, normalizer, pre-tokenizer and decoder of each family, around a few tokens.
const FAMILIES: [[&str; 4]; 4] = [
    [
        r###"{"type":"WordPiece","unk_token":"u","continuing_subword_prefix":"##","max_input_chars_per_word":9,
            "vocab":{"u":0,"a":1,"b":2,"##a":3,"##b":4,"ab":5,"##ab":6,"\u4e2d":7,".":8}}"###,
        r#"{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true}"#,
        r#"{"type":"BertPreTokenizer"}"#,
        r###"{"type":"WordPiece","prefix":"##","cleanup":true}"###,
    ],
    [
        r#"{"type":"Unigram","unk_id":0,"byte_fallback":false,
            "vocab":[["u",0.0],["\u2581",-2.0],["a",-3.0],["b",-3.0],["\u2581a",-2.5],["ab",-3.5],["\u4e2d",-4.0]]}"#,
        r#"{"type":"NFKC"}"#,
        r#"{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"always","split":true}"#,
        r#"{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"always","split":true}"#,
    ],
    [
        r#"{"type":"BPE","dropout":null,"unk_token":"u","continuing_subword_prefix":null,"end_of_word_suffix":null,
            "fuse_unk":true,"byte_fallback":false,"ignore_merges":false,
            "vocab":{"u":0,"a":1,"b":2,"ab":3,"\u2581":4,"\u2581a":5},"merges":["a b","\u2581 a"]}"#,
        r#"{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"\u2581"},
            {"type":"Replace","pattern":{"String":" "},"content":"\u2581"}]}"#,
        "null",
        r#"{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"\u2581"},"content":" "},
            {"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]}"#,
    ],
    [
        r#"{"type":"WordLevel","unk_token":"u","vocab":{"u":0,"a":1,"ab":2,"12":3}}"#,
        r#"{"type":"Sequence","normalizers":[{"type":"NFD"},{"type":"StripAccents"},{"type":"Lowercase"}]}"#,
        r#"{"type":"Whitespace"}"#,
        "null",
    ],
];

static TOKENIZERS: LazyLock<Vec<Tokenizer>> = LazyLock::new(|| {
    let build = |[model, normalizer, pre_tokenizer, decoder]: &[&str; 4]| {
        let json = format!(
            r#"{{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":{normalizer},
            "pre_tokenizer":{pre_tokenizer},"post_processor":null,"decoder":{decoder},"model":{model}}}"#
        );
        Tokenizer::new(hf_json::read(json.as_bytes()).expect("a valid file")).expect("a valid definition")
    };
    FAMILIES.iter().map(build).collect()
});

fuzz_target!(|text: &str| {
    let options = EncodeOptions { add_special_tokens: true, on_special: OnSpecial::Text };
    let progress = Progress::default();
    for tokenizer in TOKENIZERS.iter() {
        let ids = tokenizer.encode(text, options, &progress).expect("there is an unk token");
        let encoding = tokenizer.encoding(text, None, options, None, None, &progress).expect("as before");
        assert_eq!(encoding.ids, ids);
        for &(start, end) in &encoding.offsets {
            assert!(text.get(start..end).is_some(), "{start}..{end} of {text:?}");
        }
        let whole = tokenizer.decode(&ids, false, &progress).expect("all ids are known");
        let mut stream = DecodeStream::new(tokenizer, false);
        let mut streamed = String::new();
        for &id in &ids {
            streamed += &stream.push(id).expect("all ids are known");
        }
        streamed += &stream.finish().expect("all ids are known");
        assert_eq!(streamed, whole);
    }
});
