//! Special tokens inside text: found by brute force, refused, encoded, or ordinary text that never becomes one.

use proptest::prelude::*;
use unicode_normalization::is_nfc;

use super::naive::{self, Piece};
use super::strategies::{
    Draws, build, config, definition, encode, expected, options, text, tokenizer,
};
use crate::added_tokens::OnSpecial;
use crate::progress::Progress;
use crate::{Error, Tokenizer};

/// The error of the first special token in the text: of those looked for in the raw text, or else of the others.
fn first_special(tokenizer: &naive::Tokenizer, text: &str) -> Option<Error> {
    let pieces = tokenizer.pieces(text);
    let find = |is_normalized: bool| {
        pieces.iter().find_map(|piece| {
            let &Piece::Token(id, byte_offset) = piece else {
                return None;
            };
            let token = tokenizer.added.iter().find(|token| token.id == id).unwrap();
            (token.is_special && token.is_normalized == is_normalized)
                .then(|| Error::DisallowedSpecial { token: token.content.clone(), byte_offset })
        })
    };
    find(false).or_else(|| find(true))
}

/// Makes a product of the vocabulary a special token with the same id; the second lacks it altogether.
fn with_special_product(
    mut tokenizer: naive::Tokenizer,
    seed: u64,
) -> Option<(naive::Tokenizer, naive::Tokenizer)> {
    tokenizer.added.clear();
    let products: Vec<(String, u32)> = tokenizer
        .bpe
        .ids
        .iter()
        .filter(|(bytes, _)| bytes.len() > 1 && bytes.iter().all(u8::is_ascii_graphic))
        .map(|(bytes, &id)| (String::from_utf8(bytes.clone()).unwrap(), id))
        .collect();
    let (content, id) = products.get(Draws(seed).below(products.len()))?.clone();
    let mut without = tokenizer.clone();
    without.bpe.ids.remove(content.as_bytes());
    without.bpe.merges.retain(|(left, right)| {
        let bytes = content.as_bytes();
        left != bytes && right != bytes && [&left[..], right].concat() != bytes
    });
    tokenizer.added.push(naive::Added { id, content, is_special: true, ..naive::Added::default() });
    Some((tokenizer, without))
}

proptest! {
    #![proptest_config(config(1))]

    #[test]
    fn special_tokens_match_naive_in_each_mode(tokenizer in tokenizer(), text in text(30)) {
        let fast = build(&tokenizer);
        let as_tokens = expected(tokenizer.encode(&text));
        prop_assert_eq!(&encode(&fast, &text, OnSpecial::Encode), &as_tokens);
        let mut without = tokenizer.clone();
        without.added.retain(|token| !token.is_special);
        prop_assert_eq!(encode(&fast, &text, OnSpecial::Text), expected(without.encode(&text)));
        match (encode(&fast, &text, OnSpecial::Raise), first_special(&tokenizer, &text)) {
            (raised, None) => prop_assert_eq!(raised, as_tokens),
            // Offsets are those of the text where the normalizer changes nothing.
            (raised, Some(error)) if !tokenizer.is_nfc || is_nfc(&text) => {
                prop_assert_eq!(raised, Err(error));
            }
            (raised, Some(_)) => {
                let is_refused = matches!(raised, Err(Error::DisallowedSpecial { .. }));
                prop_assert!(is_refused, "{:?}", raised);
            }
        }
    }

    #[test]
    fn text_never_becomes_a_special_token(tokenizer in tokenizer(), seed in any::<u64>(), text in text(30)) {
        if let Some((with, without)) = with_special_product(tokenizer, seed) {
            let text = format!("{text}{}{text}", with.added[0].content);
            let (with, without) = (build(&with), build(&without));
            prop_assert_eq!(
                encode(&with, &text, OnSpecial::Text),
                encode(&without, &text, OnSpecial::Raise)
            );
        }
    }
}

fn bytes_and_ab(ignore_merges: bool) -> naive::Tokenizer {
    let mut bpe = naive::Bpe { ignore_merges, ..naive::Bpe::default() };
    bpe.ids = (0..=255).map(|byte| (vec![byte], u32::from(byte))).collect();
    bpe.ids.extend([(b"ab".to_vec(), 256), (b"abc".to_vec(), 257), (b"bc".to_vec(), 258)]);
    let pair = |left: &str, right: &str| (left.as_bytes().to_vec(), right.as_bytes().to_vec());
    bpe.merges = vec![pair("a", "b"), pair("ab", "c"), pair("b", "c")];
    let content = "ab".to_owned();
    let special = naive::Added { id: 256, content, is_special: true, ..naive::Added::default() };
    naive::Tokenizer { bpe, added: vec![special], pattern: "gpt2", ..naive::Tokenizer::default() }
}

#[test]
fn special_tokens_in_the_vocabulary_never_come_out_of_the_model() {
    let (a, b, c, bc) = (97, 98, 99, 258);
    for ignore_merges in [false, true] {
        let fast = build(&bytes_and_ab(ignore_merges));
        assert_eq!(encode(&fast, "ab", OnSpecial::Text), Ok(vec![a, b]));
        assert_eq!(encode(&fast, "ab", OnSpecial::Encode), Ok(vec![256]));
        assert_eq!(encode(&fast, "abc", OnSpecial::Encode), Ok(vec![256, c]));
        assert_eq!(encode(&fast, "aabc", OnSpecial::Text), Ok(vec![a, a, bc]));
        assert_eq!(fast.token_id(b"ab"), Some(256));
        assert_eq!(fast.decode_bytes(&[256], false, &Progress::default()), Ok(b"ab".to_vec()));
    }
    let whole = build(&bytes_and_ab(true));
    assert_eq!(encode(&whole, "abc", OnSpecial::Text), Ok(vec![257]));
}

#[test]
fn a_byte_that_is_also_a_special_token_can_still_be_encoded() {
    let mut tokenizer = bytes_and_ab(true);
    tokenizer.added[0].id = u32::from(b'!');
    tokenizer.added[0].content = "!".to_owned();
    let fast = build(&tokenizer);
    assert_eq!(encode(&fast, "a!", OnSpecial::Text), Ok(vec![97, 33]));
    assert_eq!(fast.decode_bytes(&[97, 33], true, &Progress::default()), Ok(b"a".to_vec()));
}

/// Each character of `<|é|>` is one of the byte alphabet, where `é` spells a byte that is no text.
#[test]
fn special_tokens_stand_for_their_own_text_however_it_is_spelled() {
    let mut given = definition(&bytes_and_ab(false));
    let crate::definition::Model::Bpe(bpe) = &mut given.model else { panic!() };
    bpe.vocab.push(("<|é|>".to_owned(), 259));
    given.added_tokens[0].content = "<|é|>".to_owned();
    given.added_tokens[0].id = 259;
    let fast = Tokenizer::new(given).unwrap();
    assert_eq!(
        fast.decode_bytes(&[259], false, &Progress::default()),
        Ok("<|é|>".as_bytes().to_vec())
    );
    assert_eq!(fast.token_id("<|é|>".as_bytes()), Some(259));
    assert_eq!(fast.token_id(b"<|\xE9|>"), None);
}

#[test]
fn special_tokens_are_refused_where_they_start_in_a_batch() {
    let fast = build(&bytes_and_ab(false));
    let long = format!("{}ab", "xyz\n".repeat(100_000));
    for n_threads in [1, 2, 5] {
        let found = fast.encode_batch(
            &["x", &long, "ab"],
            options(OnSpecial::Raise),
            Some(n_threads),
            &Progress::default(),
        );
        let error = Error::DisallowedSpecial { token: "ab".to_owned(), byte_offset: 400_000 };
        assert_eq!(found, Err(error.in_batch(1)));
    }
}
