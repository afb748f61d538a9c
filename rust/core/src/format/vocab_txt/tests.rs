//! What is read, what is refused, and that writing gives the file back.

use super::{Casing, read, write};
use crate::definition::Model;
use crate::padding::{Padding, PaddingStrategy};
use crate::truncation::Side;

const CASING: Casing = Casing { lowercase: true, strip_accents: None, handle_chinese_chars: true };
const FILE: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n##b\n";

#[test]
fn file_is_read_as_bert_and_written_back() {
    let definition = read(FILE.as_bytes(), CASING).unwrap();
    let Model::WordPiece(model) = &definition.model else { panic!() };
    assert_eq!(model.vocab[5], ("##b".to_owned(), 5));
    let special: Vec<_> = definition.added_tokens.iter().map(|token| token.id).collect();
    assert_eq!(special, [0, 1, 2, 3]);
    assert_eq!(write(&definition).unwrap(), (FILE.as_bytes().to_vec(), CASING));
    let windows = FILE.replace('\n', "\r\n") + "\r\n\n";
    assert_eq!(read(windows.as_bytes(), CASING).unwrap(), definition);
}

#[test]
fn malformed_file_is_refused_by_line() {
    let cases = [
        (format!("\u{feff}{FILE}"), "byte order mark"),
        (format!("{FILE}a\n"), "line 7: \"a\" stands twice, first in line 5"),
        (format!("{FILE}\nc\n"), "line 7: is empty"),
        (format!("{FILE}c \n"), "line 7: \"c \" ends in white space"),
        (format!("{FILE}{}\n", "c".repeat((1 << 20) + 1)), "line 7: is longer than the limit"),
        (FILE.replace("[SEP]\n", ""), "[SEP] is not in the vocabulary"),
        (String::new(), "[UNK] is not in the vocabulary"),
    ];
    for (file, expected) in cases {
        let message = read(file.as_bytes(), CASING).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}, not {expected}");
    }
    assert!(read(b"a\xff", CASING).unwrap_err().to_string().contains("byte 1: invalid UTF-8"));
}

#[test]
fn writing_refuses_what_would_be_lost() {
    let refused = |change: fn(&mut crate::Definition)| {
        let mut definition = read(FILE.as_bytes(), CASING).unwrap();
        change(&mut definition);
        write(&definition).unwrap_err().to_string()
    };
    let cases = [
        (refused(|definition| definition.decoder = None), "decoder: is not BERT's"),
        (refused(|definition| definition.pre_tokenizer = None), "pre_tokenizer: is not BERT's"),
        (refused(|definition| definition.normalizer = None), "normalizer: is not BERT's"),
        (refused(|definition| drop(definition.added_tokens.pop())), "added_tokens: is not BERT's"),
        (
            refused(|definition| {
                let Model::WordPiece(model) = &mut definition.model else { return };
                model.max_input_chars_per_word = 99;
            }),
            "model: is not BERT's",
        ),
        (
            refused(|definition| {
                definition.padding = Some(Padding {
                    strategy: PaddingStrategy::BatchLongest,
                    side: Side::Right,
                    multiple_of: None,
                    id: 0,
                    type_id: 0,
                    token: "[PAD]".to_owned(),
                });
            }),
            "padding: is not BERT's",
        ),
    ];
    for (message, expected) in cases {
        assert!(message.contains(expected), "{message}, not {expected}");
    }
}
