//! What is read, what is refused and with which words; that the derived merges give tiktoken's ids.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use proptest::prelude::*;

use super::{read, write};
use crate::Error;
use crate::definition::{BpeDefinition, Model};
use crate::format::hf_json;
use crate::normalizer::Normalizer;

/// A rank file of all bytes and then `tokens`.
fn rank_file(tokens: &[&[u8]]) -> String {
    let bytes: Vec<[u8; 1]> = (0..=255).map(|byte| [byte]).collect();
    let all = bytes.iter().map(<[u8; 1]>::as_slice).chain(tokens.iter().copied());
    let lines: Vec<String> = all
        .enumerate()
        .map(|(rank, token)| format!("{} {rank}\n", BASE64_STANDARD.encode(token)))
        .collect();
    lines.concat()
}

fn read_gpt2(file: &str) -> Result<crate::Definition, Error> {
    read(file.as_bytes(), Some("gpt2"), None)
}

fn bpe_of(definition: &crate::Definition) -> &BpeDefinition {
    let Model::Bpe(bpe) = &definition.model else { panic!() };
    bpe
}

#[test]
fn derives_the_one_merge_of_each_token() {
    // "abc" is a + bc, since bc has the lower rank; "xyz" cannot be made, since neither xy nor yz
    // is a token.
    let definition = read_gpt2(&rank_file(&[b"bc", b"ab", b"abc", b"xyz"])).unwrap();
    let (a, b, c) = (97, 98, 99);
    assert_eq!(bpe_of(&definition).merges, [(b, c), (a, b), (a, 256)]);
    assert!(bpe_of(&definition).ignore_merges);
}

#[test]
fn pattern_is_required_and_the_error_lists_the_names() {
    let error = read(rank_file(&[]).as_bytes(), None, None).unwrap_err();
    assert!(matches!(&error, Error::Config(text) if text.contains("\"cl100k\", \"o200k\"")));
}

#[test]
fn pattern_may_be_a_name_or_as_tiktoken_spells_it() {
    let file = rank_file(&[b"ab"]);
    let read = |pattern| super::read(file.as_bytes(), Some(pattern), None);
    let spelled =
        r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s";
    assert_eq!(read(spelled).unwrap(), read("gpt2").unwrap());
    let spelled = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s";
    assert_eq!(read(spelled).unwrap(), read("cl100k").unwrap());
    for name in ["cl100k_base", "gpt4", ""] {
        assert!(matches!(read(name), Err(Error::Config(_))), "{name}");
    }
}

#[test]
fn special_tokens_stand_in_the_vocabulary() {
    let file = rank_file(&[]);
    let specials = [("<x>".to_owned(), 300)];
    let definition = read(file.as_bytes(), Some("gpt2"), Some(&specials)).unwrap();
    assert!(bpe_of(&definition).vocab.contains(&specials[0]));
    assert_eq!(hf_json::read(hf_json::write(&definition).as_bytes()).unwrap(), definition);
    assert_eq!(write(&definition).unwrap(), file.as_bytes());
    for specials in [("a".to_owned(), 300), ("<x>".to_owned(), 5), (String::new(), 300)] {
        assert!(read(file.as_bytes(), Some("gpt2"), Some(&[specials])).is_err());
    }
}

#[test]
fn refuses_by_line() {
    let cases = [
        (String::new(), "tiktoken: the file holds no tokens"),
        ("YQ== 0\n!! 1\n".to_owned(), "tiktoken line 2: the token is not valid base64"),
        ("YQ==\n".to_owned(), "line 1: must be a token in base64, a space and a rank"),
        ("YQ==\t0\n".to_owned(), "line 1: must be a token in base64"),
        ("YQ== -1\n".to_owned(), "a rank must be a whole number from 0 to 4294967295, got \"-1\""),
        ("YQ== +1\n".to_owned(), "got \"+1\""),
        ("YQ== 4294967296\n".to_owned(), "got \"4294967296\""),
        ("YQ== 0\nYg== 1000000000\n".to_owned(), "line 2: id 1000000000 leaves too large a gap"),
        ("YQ== 0\n\nYg== 0\n".to_owned(), "line 3: rank 0 stands already in line 1"),
        ("YQ== 0\nYQ== 1\n".to_owned(), "line 2: \"a\" stands already in line 1"),
        (" 0\n".to_owned(), "line 1: the token is empty"),
        ("é 0\n".to_owned(), "line 1: \"é 0\" is not base64"),
        (rank_file(&[]).replacen("YQ== 97\n", "", 1), "the byte 0x61 is not a token"),
    ];
    for (file, expected) in cases {
        let message = read_gpt2(&file).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}, not {expected}");
    }
}

#[test]
fn reads_crlf_and_blank_lines() {
    let file = rank_file(&[b"ab"]);
    let expected = read_gpt2(&file).unwrap();
    assert_eq!(read_gpt2(&file.replace('\n', "\r\n")).unwrap(), expected);
    assert_eq!(read_gpt2(&(file + "\n")).unwrap(), expected);
}

#[test]
fn cl100k_is_refused_when_white_space_at_the_end_could_differ() {
    let read_cl100k = |tokens: &[&[u8]]| read(rank_file(tokens).as_bytes(), Some("cl100k"), None);
    read_cl100k(&[b"\n\n", b"  ", b" \n", b"\n \n", b"\nx"]).unwrap();
    for token in [b"\n ".as_slice(), b"\n\xe2\x80", b"\r\t", b"    "] {
        assert!(matches!(read_cl100k(&[token]), Err(Error::Unsupported { .. })), "{token:?}");
    }
    let pattern = Some(crate::pre_tokenizer::known::CL100K_PATTERN);
    read(rank_file(&[b"\n "]).as_bytes(), pattern, None).unwrap();
}

#[test]
fn write_refuses_what_tiktoken_would_encode_otherwise() {
    let definition = read_gpt2(&rank_file(&[b"bc", b"ab", b"abc", b"xyz"])).unwrap();
    let refuse = |edit: &dyn Fn(&mut crate::Definition, &mut BpeDefinition)| {
        let mut other = definition.clone();
        let Model::Bpe(mut bpe) = other.model.clone() else { panic!() };
        edit(&mut other, &mut bpe);
        other.model = Model::Bpe(bpe);
        assert!(matches!(write(&other), Err(Error::Unsupported { .. })));
    };
    refuse(&|definition, _| definition.normalizer = Some(Normalizer::Nfc));
    refuse(&|definition, _| definition.pre_tokenizer = None);
    refuse(&|_, bpe| bpe.ignore_merges = false);
    refuse(&|_, bpe| bpe.merges.reverse());
    refuse(&|_, bpe| bpe.merges.truncate(2));
    refuse(&|_, bpe| bpe.merges.push((256, 256)));
    refuse(&|_, bpe| bpe.merges[2] = (257, 99));
    refuse(&|_, bpe| bpe.vocab[257].0 = "☃".to_owned());
}

/// tiktoken's rule as it is told: look the piece up, else join the neighbours of lowest rank until
/// none is a token.
fn encode_naive(ranks: &BTreeMap<Vec<u8>, u32>, piece: &[u8]) -> Vec<u32> {
    if let Some(&id) = ranks.get(piece) {
        return vec![id];
    }
    let mut parts: Vec<Vec<u8>> = piece.iter().map(|&byte| vec![byte]).collect();
    while let Some((_, i)) = (0..parts.len().saturating_sub(1))
        .filter_map(|i| ranks.get(&parts[i..i + 2].concat()).map(|rank| (rank, i)))
        .min()
    {
        let right = parts.remove(i + 1);
        parts[i].extend(right);
    }
    parts.iter().map(|part| ranks[part]).collect()
}

/// Merges by their place in the list, after looking the piece up.
fn encode_by_merges(bpe: &BpeDefinition, piece: &str) -> Vec<u32> {
    let id_of = |text: &str| bpe.vocab.iter().find(|(other, _)| other == text).map(|&(_, id)| id);
    if let Some(id) = id_of(piece) {
        return vec![id];
    }
    let mut parts: Vec<u32> = piece.chars().map(|c| id_of(&c.to_string()).unwrap()).collect();
    while let Some((rank, i)) = (0..parts.len().saturating_sub(1))
        .filter_map(|i| {
            bpe.merges
                .iter()
                .position(|&pair| pair == (parts[i], parts[i + 1]))
                .map(|rank| (rank, i))
        })
        .min()
    {
        let text = |id| hf_json::text_of(bpe, id);
        let (left, right) = bpe.merges[rank];
        let product = id_of(&(text(left).to_owned() + text(right))).unwrap();
        parts[i] = product;
        parts.remove(i + 1);
    }
    parts
}

fn tokens() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::btree_set("[abc]{2,6}", 0..24)
        .prop_map(|set| set.into_iter().map(String::into_bytes).collect::<Vec<_>>())
        .prop_shuffle()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn merges_match_naive_ranks(tokens in tokens(), pieces in prop::collection::vec("[abc]{1,12}", 8)) {
        let tokens: Vec<&[u8]> = tokens.iter().map(Vec::as_slice).collect();
        let file = rank_file(&tokens);
        let definition = read_gpt2(&file).unwrap();
        let all = (0..=255_u8).map(|byte| vec![byte]).chain(tokens.iter().map(|token| token.to_vec()));
        let ranks: BTreeMap<Vec<u8>, u32> = all.zip(0..).collect();
        for piece in pieces {
            prop_assert_eq!(encode_by_merges(bpe_of(&definition), &piece), encode_naive(&ranks, piece.as_bytes()));
        }
        prop_assert_eq!(write(&definition).unwrap(), file.as_bytes());
        prop_assert_eq!(hf_json::read(hf_json::write(&definition).as_bytes()).unwrap(), definition);
    }

    #[test]
    fn white_space_that_ends_a_text_gets_the_ids_of_its_two_sides(
        tokens in prop::collection::btree_set("[\n x\u{a0}]{2,4}", 0..6),
        sides in ("[\n \u{a0}]{0,4}\n", "[ \u{a0}]{1,4}"),
    ) {
        let mut tokens: Vec<&[u8]> = tokens.iter().map(String::as_bytes).collect();
        tokens.push("\u{a0}".as_bytes());
        if read(rank_file(&tokens).as_bytes(), Some("cl100k"), None).is_ok() {
            let all = (0..=255_u8).map(|byte| vec![byte]).chain(tokens.iter().map(|token| token.to_vec()));
            let ranks: BTreeMap<Vec<u8>, u32> = all.zip(0..).collect();
            let (a, b) = sides;
            let cut = [encode_naive(&ranks, a.as_bytes()), encode_naive(&ranks, b.as_bytes())].concat();
            prop_assert_eq!(encode_naive(&ranks, (a + &b).as_bytes()), cut);
        }
    }

    #[test]
    fn no_mutated_file_panics(
        tokens in tokens(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 0..4),
    ) {
        let tokens: Vec<&[u8]> = tokens.iter().map(Vec::as_slice).collect();
        let mut file = rank_file(&tokens).into_bytes();
        for (index, byte, is_removed) in edits {
            let i = index.index(file.len());
            file.splice(i..=i, (!is_removed).then_some(byte));
        }
        if let Ok(definition) = read(&file, Some("cl100k"), None) {
            let written = write(&definition).unwrap();
            prop_assert_eq!(read(&written, Some("cl100k"), None).unwrap(), definition);
        }
    }
}
