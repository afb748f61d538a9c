//! What is read, what is refused and with which words; that reading undoes writing.

use proptest::prelude::*;

use super::{read, write};
use crate::definition::Model;
use crate::normalizer::Normalizer;

const VOCAB: &[u8] = br#"{"t":0,"h":1,"th":2,"<|endoftext|>":3,"<pad>":4}"#;

fn message(vocab: &[u8], merges: &[u8]) -> String {
    read(vocab, merges, &[]).unwrap_err().to_string()
}

#[test]
fn reads_either_line_end_with_or_without_header() {
    let expected = read(VOCAB, b"t h\n", &[]).unwrap();
    let Model::Bpe(bpe) = &expected.model else { panic!() };
    assert_eq!(bpe.merges, [(0, 1)]);
    for merges in ["#version: 0.2\nt h\n", "#version: 0.2\r\nt h\r\n", "t h"] {
        assert_eq!(read(VOCAB, merges.as_bytes(), &[]).unwrap(), expected);
    }
    assert_eq!(expected.added_tokens.len(), 1);
    assert_eq!(expected.added_tokens[0].content, "<|endoftext|>");
}

#[test]
fn special_tokens_are_those_named() {
    let named = ["<pad>".to_owned(), "<|endoftext|>".to_owned()];
    assert_eq!(read(VOCAB, b"", &named).unwrap().added_tokens.len(), 2);
    let error = read(VOCAB, b"", &["<s>".to_owned()]).unwrap_err().to_string();
    assert_eq!(error, "special token \"<s>\" is not in the vocabulary");
}

#[test]
fn refuses_by_line() {
    let cases: [(&[u8], &[u8], &str); 8] = [
        (VOCAB, b"#version: 0.2\nt x\n", "merges.txt line 2: merge 0 uses \"x\""),
        (VOCAB, b"t h\nh t\n", "merges.txt line 2: merge 1 makes \"ht\""),
        (VOCAB, b"t h\n\n", "line 2: a merge must have exactly two parts, got \"\""),
        (VOCAB, b"t h\n#version: 0.2\n", "line 2: merge 1 uses \"#version:\""),
        (VOCAB, b"t h t\n", "line 1: a merge must have exactly two parts"),
        (VOCAB, b"\xff\n", "merges.txt byte 0: invalid UTF-8"),
        (br#"{"a":0,"a":1}"#, b"", "vocab.json [\"a\"]: stands twice"),
        (br#"{"a":0,"b":0}"#, b"", "\"a\" and \"b\" both have id 0"),
    ];
    for (vocab, merges, expected) in cases {
        let message = message(vocab, merges);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn write_refuses_what_the_files_do_not_hold() {
    let definition = read(VOCAB, b"t h\n", &[]).unwrap();
    let mut other = definition.clone();
    other.normalizer = Some(Normalizer::Nfc);
    assert!(write(&other).is_err());
    let mut other = definition.clone();
    other.added_tokens.clear();
    assert!(write(&other).is_err());
    let mut other = definition.clone();
    other.added_tokens[0].strips_left = true;
    assert!(write(&other).is_err());
    let mut other = definition;
    let Model::Bpe(bpe) = &mut other.model else { panic!() };
    bpe.ignore_merges = true;
    assert!(write(&other).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn reading_undoes_writing(texts in prop::collection::btree_set("[abĠ#]{1,3}", 1..20)) {
        let texts: Vec<String> = texts.into_iter().collect();
        let entries: Vec<String> =
            texts.iter().enumerate().map(|(i, text)| format!("{text:?}:{i}")).collect();
        let vocab = format!("{{{}}}", entries.join(","));
        let mut merges = String::from("#version: 0.2\n");
        for left in &texts {
            for right in &texts {
                if texts.contains(&format!("{left}{right}")) {
                    merges += &[left.as_str(), " ", right, "\n"].concat();
                }
            }
        }
        let definition = read(vocab.as_bytes(), merges.as_bytes(), &[]).unwrap();
        let (written_vocab, written_merges) = write(&definition).unwrap();
        prop_assert_eq!(&written_merges, merges.as_bytes());
        prop_assert_eq!(read(&written_vocab, &written_merges, &[]).unwrap(), definition);
    }

    #[test]
    fn no_file_panics(vocab in "[{}\":,ab0-9]{0,24}", merges in any::<Vec<u8>>()) {
        let _ = read(vocab.as_bytes(), b"a b\n", &[]);
        let _ = read(VOCAB, &merges, &[]);
    }
}
