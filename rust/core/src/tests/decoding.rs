//! Decoders: each held to a naive twin on lists of tokens, and decoding id by id to decoding as a whole.

use proptest::prelude::*;

use crate::decoder::Decoder;
use crate::decoder::chain::{Chain, Form};
use crate::decoder::sentencepiece::{SentencePieceDecoding, SentencePieceState};
use crate::definition::PieceKind;
use crate::post_processor::ByteLevelOptions;
use crate::pre_tokenizer::{Metaspace, Pattern, PrependScheme};
use crate::tests::naive;

/// The text of all tokens at once, and what each push and the end give.
fn decode(decoder: Option<&Decoder>, tokens: &[String]) -> (String, Vec<String>) {
    let chain = Chain::new(decoder).unwrap();
    let spelled = |token: &str| {
        if chain.takes_bytes() { naive::byte_level_bytes(token) } else { token.as_bytes().to_vec() }
    };
    let mut whole = Vec::new();
    let mut run = chain.start(Form::Text);
    for token in tokens {
        run.tokens().token(&spelled(token));
    }
    chain.run(&mut run, true, &mut whole).unwrap();
    let mut parts = Vec::new();
    for token in tokens {
        let mut part = Vec::new();
        run.tokens().token(&spelled(token));
        chain.run(&mut run, false, &mut part).unwrap();
        parts.push(String::from_utf8(part).unwrap());
    }
    let mut rest = Vec::new();
    chain.run(&mut run, true, &mut rest).unwrap();
    parts.push(String::from_utf8(rest).unwrap());
    (String::from_utf8(whole).unwrap(), parts)
}

fn token() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "<0xE5>", "<0x8f>", "<0xAB>", "<0x41>", "<0x+F>", "<0xGG>", "##a", "##", "▁", "▁a",
            "a▁", " ", "  ", " a ", "b</w>", "</w>", "<", "/w>", "<pad>", "|", " .", " n't",
            " do not", "'", "Ġa", "å", "ı", "ĩ", "",
        ])
        .prop_map(str::to_owned),
        "[ ab▁#.'é]{0,4}",
    ]
}

fn stage() -> impl Strategy<Value = Decoder> {
    let options =
        ByteLevelOptions { add_prefix_space: false, trim_offsets: false, use_regex: false };
    let metaspace = |prepend_scheme| {
        Decoder::Metaspace(Metaspace { replacement: '▁', prepend_scheme, split: true })
    };
    let fixed = prop::sample::select(vec![
        Decoder::ByteLevel(options),
        metaspace(PrependScheme::Always),
        metaspace(PrependScheme::Never),
        Decoder::ByteFallback,
        Decoder::Bpe { suffix: "</w>".to_owned() },
        Decoder::Bpe { suffix: String::new() },
        Decoder::Fuse,
        Decoder::Fuse,
    ]);
    let word =
        any::<bool>().prop_map(|cleanup| Decoder::WordPiece { prefix: "##".to_owned(), cleanup });
    let ctc = any::<bool>().prop_map(|cleanup| Decoder::Ctc {
        pad_token: "<pad>".to_owned(),
        word_delimiter_token: "|".to_owned(),
        cleanup,
    });
    let strip = (prop::sample::select(vec![' ', 'a', '▁']), 0..4_usize, 0..4_usize)
        .prop_map(|(content, start, stop)| Decoder::Strip { content, start, stop });
    let replace = prop::sample::select(vec![
        (false, "▁", " "),
        (false, "aa", "a"),
        (false, " a ", ""),
        (false, "aba", "b"),
        (true, "a+", "x"),
        (true, " ?b", "▁"),
    ])
    .prop_map(|(is_regex, pattern, content)| {
        let kind = if is_regex { Pattern::Regex } else { Pattern::Literal };
        Decoder::Replace { pattern: kind(pattern.to_owned()), content: content.to_owned() }
    });
    prop_oneof![3 => fixed, 1 => word, 1 => ctc, 2 => strip, 2 => replace]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2048) })]

    #[test]
    fn chain_matches_naive_and_streams(
        stages in prop::collection::vec(stage(), 0..4),
        tokens in prop::collection::vec(token(), 0..8),
    ) {
        let decoder = Decoder::Sequence(stages.clone());
        let (whole, parts) = decode(Some(&decoder), &tokens);
        let mut expected = tokens.clone();
        for stage in &stages {
            expected = naive::decode_stage(stage, &expected);
        }
        prop_assert_eq!(&whole, &expected.concat());
        prop_assert_eq!(parts.concat(), whole);
    }
}

#[test]
fn tokens_are_joined_by_spaces_when_there_is_no_decoder() {
    let tokens = ["a", "", "b"].map(str::to_owned);
    assert_eq!(decode(None, &tokens).0, "a  b");
    assert_eq!(decode(None, &tokens).1, ["a", " ", " b", ""]);
}

#[test]
fn stream_gives_text_as_soon_as_it_is_certain() {
    let llama = Decoder::Sequence(vec![
        Decoder::Replace { pattern: Pattern::Literal("▁".to_owned()), content: " ".to_owned() },
        Decoder::ByteFallback,
        Decoder::Fuse,
        Decoder::Strip { content: ' ', start: 1, stop: 0 },
    ]);
    let tokens =
        ["▁", "▁Hi", "<0xE5>", "<0x8F>", "<0xAB>", "!", "<0xE5>", "<0x8F>"].map(str::to_owned);
    let (whole, parts) = decode(Some(&llama), &tokens);
    assert_eq!(whole, " Hi叫!\u{FFFD}\u{FFFD}");
    assert_eq!(parts, ["", " Hi", "", "", "", "叫!", "", "", "\u{FFFD}\u{FFFD}"]);
}

/// Names the kinds of pieces of a small SentencePiece model.
fn pieces() -> Vec<(PieceKind, &'static str)> {
    vec![
        (PieceKind::Unknown, "<unk>"),
        (PieceKind::Control, "<s>"),
        (PieceKind::Normal, "▁a"),
        (PieceKind::Normal, "▁"),
        (PieceKind::Normal, "b▁"),
        (PieceKind::Byte, "<0xE5>"),
        (PieceKind::Byte, "<0x8F>"),
        (PieceKind::Byte, "<0xAB>"),
        (PieceKind::Byte, "<0x41>"),
    ]
}

fn decode_pieces(strips: (bool, bool), indices: &[usize], steps: bool) -> String {
    let decoding = SentencePieceDecoding {
        unk_surface: " \u{2047} ".to_owned(),
        strips_first: strips.0,
        strips_all: strips.1,
    };
    let chain = Chain::new(Some(&Decoder::SentencePiece {
        unk_surface: String::new(),
        strips_dummy_prefix: true,
    }))
    .unwrap();
    let (mut run, mut state, mut text) =
        (chain.start(Form::Text), SentencePieceState::default(), Vec::new());
    for &index in indices {
        let (kind, piece) = pieces()[index];
        decoding.feed(&mut state, (kind, piece.as_bytes()), Form::Text, run.tokens());
        if steps {
            chain.run(&mut run, false, &mut text).unwrap();
            assert!(std::str::from_utf8(&text).is_ok());
        }
    }
    state.finish(Form::Text, run.tokens());
    chain.run(&mut run, true, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn sentencepiece_strips_the_space_at_the_start() {
    let cases: [(&[usize], &str, &str, &str); 6] = [
        (&[1, 2, 2], "a a", "a a", " a a"),
        (&[3, 3, 2], "  a", "a", "   a"),
        (&[0, 2], " \u{2047}  a", " \u{2047}  a", " \u{2047}  a"),
        (
            &[5, 2, 6, 5, 6, 7],
            "\u{FFFD} a\u{FFFD}叫",
            "\u{FFFD} a\u{FFFD}叫",
            "\u{FFFD} a\u{FFFD}叫",
        ),
        (&[5, 6, 8], "\u{FFFD}\u{FFFD}A", "\u{FFFD}\u{FFFD}A", "\u{FFFD}\u{FFFD}A"),
        (&[4, 2], "b  a", "b  a", "b  a"),
    ];
    for (indices, first, all, none) in cases {
        for steps in [false, true] {
            assert_eq!(decode_pieces((true, false), indices, steps), first);
            assert_eq!(decode_pieces((true, true), indices, steps), all);
            assert_eq!(decode_pieces((false, false), indices, steps), none);
        }
    }
}
