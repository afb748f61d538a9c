use proptest::prelude::*;

use super::*;
use crate::model::{Random, Sampling, Token, Tokenize};
use crate::progress::Progress;

/// A file with these pieces (text, score, type) and a trainer of this algorithm.
pub(crate) fn file(pieces: &[(&str, f32, u8)], model_type: u8, byte_fallback: bool) -> Vec<u8> {
    let mut data = Vec::new();
    for &(text, score, kind) in pieces {
        let mut message = Vec::new();
        wire::put_bytes(&mut message, 1, text.as_bytes());
        message.push(2 << 3 | 5);
        message.extend_from_slice(&score.to_le_bytes());
        if kind != 1 {
            message.extend([3 << 3, kind]);
        }
        wire::put_bytes(&mut data, 1, &message);
    }
    let mut trainer = vec![3 << 3, model_type];
    if byte_fallback {
        trainer.extend([0x98, 0x02, 1]);
    }
    wire::put_bytes(&mut data, 2, &trainer);
    wire::put_bytes(&mut data, 3, &[3 << 3, 0, 4 << 3, 0]);
    data
}

fn runner(data: &[u8]) -> Runner {
    match read(data).unwrap().model {
        Model::SentencePiece(model) => Runner::new(&model).unwrap(),
        model => panic!("{model:?}"),
    }
}

fn ids(runner: &Runner, text: &str) -> Vec<u32> {
    let mut tokens = Vec::new();
    runner.tokenize(text, &Progress::default(), &mut tokens).unwrap();
    tokens.iter().map(|token| token.id).collect()
}

const SPECIAL: [(&str, f32, u8); 2] = [("<unk>", 0.0, 2), ("<s>", 0.0, 3)];

fn with(pieces: &[(&'static str, f32, u8)]) -> Vec<(&'static str, f32, u8)> {
    SPECIAL.iter().chain(pieces).copied().collect()
}

#[test]
fn control_pieces_are_special_tokens_and_never_made_from_text() {
    let data = file(&with(&[("a", -1.0, 1), ("s", -1.0, 1)]), 1, false);
    let definition = read(&data).unwrap();
    assert_eq!(definition.added_tokens, [AddedToken::special(1, "<s>")]);
    assert_eq!(ids(&runner(&data), "a<s>a"), [2, 0, 3, 0, 2]);
}

#[test]
fn files_are_written_back_byte_for_byte_with_fields_that_are_not_known() {
    let mut data = file(&with(&[("a", -1.0, 1), ("b", -0.5, 4), ("ab", 0.25, 5)]), 2, false);
    wire::put_bytes(&mut data, 4, b"\x0a\x03\x0a\x01a");
    data.extend([0xC2, 0x0C, 2, b'h', b'i']);
    let mut definition = read(&data).unwrap();
    assert_eq!(write(&definition).unwrap(), data);
    definition.decoder = None;
    assert!(matches!(write(&definition), Err(Error::Unsupported { .. })));
}

#[test]
fn the_last_byte_of_an_unknown_word_stands_for_all_of_it() {
    let names: Vec<String> = (0..256).map(crate::model::byte_token).collect();
    let mut pieces = SPECIAL.to_vec();
    pieces.extend(names.iter().map(|name| (name.as_str(), 0.0, 6)));
    pieces.push(("\u{2581}ab", -1.0, 1));
    let runner = runner(&file(&pieces, 3, true));
    let mut tokens = Vec::new();
    runner.tokenize("\u{e9}b\u{2581}ab", &Progress::default(), &mut tokens).unwrap();
    let token = |id, start, end| Token { id, start, end };
    let bytes = [token(2 + 0xC3, 0, 0), token(2 + 0xA9, 0, 0), token(2 + 0x62, 0, 3)];
    assert_eq!(tokens, [bytes.as_slice(), &[token(258, 3, 8)]].concat());
}

#[test]
fn hostile_files_are_refused_by_name() {
    let refused = |pieces: &[(&'static str, f32, u8)], byte_fallback, expected: &str| {
        let error = read(&file(pieces, 1, byte_fallback)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    refused(&[("a", 0.0, 1)], false, "no unknown piece");
    refused(&with(&[("x", 0.0, 2)]), false, "piece 2 is unknown, as is piece 0");
    refused(&with(&[("a", 0.0, 1), ("a", 0.0, 1)]), false, "piece 3 is the same as piece 2");
    refused(&with(&[("", 0.0, 1)]), false, "piece 2 is empty");
    refused(&with(&[("a", f32::NAN, 1)]), false, "not finite");
    refused(&with(&[("a", 0.0, 9)]), false, "type must be from 1 to 6, got 9");
    refused(&with(&[("<0x41>", 0.0, 6)]), false, "byte fallback is off");
    refused(&with(&[("<0x41>", 0.0, 6)]), true, "needs the piece <0x00>");
    refused(&with(&[("<0x4>", 0.0, 6)]), true, "must be <0x00> to <0xFF>");
    let refused = |data: &[u8], expected: &str| {
        let error = read(data).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    refused(&[0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F], "are left");
    refused(&[0xFF; 11], "more than 64 bits");
    refused(&[0x0A], "ends within a number");
    refused(&[0x0B], "of type 3");
    refused(&[0x0A, 3, 0x0A, 1, 0xFF], "valid UTF-8");
    refused(&[0x12, 0, 0x12, 0], "trainer_spec: stands twice");
    refused(&[0x2A, 3, 0x12, 1, 1], "character map for decoding");
}

/// The vectors are what sentencepiece 0.2.3 gives.
#[test]
fn pieces_not_in_use_are_taken_apart_or_unknown_as_in_sentencepiece() {
    let pieces =
        with(&[("a", -1.0, 1), ("b", -2.0, 1), ("c", -3.0, 5), ("ab", -0.5, 5), ("abb", -0.25, 1)]);
    let bpe = runner(&file(&pieces, 2, false));
    assert_eq!(ids(&bpe, "ab"), [2, 3]);
    assert_eq!(ids(&bpe, "abb"), [6]);
    assert_eq!(ids(&bpe, "acb"), [2, 0, 3]);
    assert_eq!(ids(&runner(&file(&pieces, 4, false)), "abcz"), [2, 3, 0]);
}

/// BPE word for word: of all neighbours that spell a piece the best, of equals the leftmost.
fn naive_bpe(pieces: &[(String, f32)], text: &str) -> Vec<String> {
    let mut parts: Vec<String> = text.chars().map(String::from).collect();
    loop {
        let mut best: Option<(f32, usize)> = None;
        for i in 1..parts.len() {
            let joined = [parts[i - 1].as_str(), &parts[i]].concat();
            for (_, score) in pieces.iter().filter(|(piece, _)| *piece == joined) {
                if best.is_none_or(|(top, _)| *score > top) {
                    best = Some((*score, i));
                }
            }
        }
        let Some((_, i)) = best else { return parts };
        let right = parts.remove(i);
        parts[i - 1].push_str(&right);
    }
}

/// Every segmentation with its score.
fn segmentations(pieces: &[(String, f32)], text: &str) -> Vec<(Vec<u32>, f64)> {
    if text.is_empty() {
        return vec![(Vec::new(), 0.0)];
    }
    let mut all = Vec::new();
    for (id, (piece, score)) in (2..).zip(pieces) {
        for (mut rest, sum) in
            text.strip_prefix(piece).map_or(Vec::new(), |r| segmentations(pieces, r))
        {
            rest.insert(0, id);
            all.push((rest, sum + f64::from(*score)));
        }
    }
    all
}

/// Different pieces over an alphabet, each character among them, with scores from a small set so that there are ties.
fn pieces() -> impl Strategy<Value = Vec<(String, f32)>> {
    let more = prop::collection::btree_map("[ab▁]{2,4}", -3_i8..=-1, 0..10);
    more.prop_map(|more| {
        let chars = ["a", "b", "▁"].map(|c| (c.to_owned(), -2.0));
        chars.into_iter().chain(more.into_iter().map(|(p, s)| (p, f32::from(s)))).collect()
    })
}

fn built(pieces: &[(String, f32)], model_type: u8) -> Runner {
    let normal = pieces.iter().map(|(text, score)| (text.as_str(), *score, 1));
    runner(&file(&SPECIAL.into_iter().chain(normal).collect::<Vec<_>>(), model_type, false))
}

proptest! {
    #[test]
    fn bpe_matches_naive_whole_and_cut(pieces in pieces(), text in "[ab▁z]{1,16}") {
        let bpe = built(&pieces, 2);
        let mut tokens = Vec::new();
        bpe.tokenize(&text, &Progress::default(), &mut tokens).unwrap();
        let spelled = |token: &Token| text.get(token.start..token.end).unwrap().to_owned();
        let mut expected: Vec<String> = Vec::new();
        for part in naive_bpe(&pieces, &text) {
            match expected.last_mut() {
                Some(last) if part == "z" && last.ends_with('z') => last.push('z'),
                _ => expected.push(part),
            }
        }
        prop_assert_eq!(tokens.iter().map(spelled).collect::<Vec<_>>(), expected);
        let (mut cut, mut from) = (Vec::new(), 0);
        while from < text.len() {
            let to = bpe.next_cut(&text, from);
            cut.extend(ids(&bpe, text.get(from..to).unwrap()));
            from = to;
        }
        prop_assert_eq!(cut, ids(&bpe, &text));
    }

    #[test]
    fn n_best_matches_naive(pieces in pieces(), text in "[ab▁]{1,7}", n in 2_usize..12) {
        let unigram = built(&pieces, 1);
        let best = unigram.n_best(&text, n, &Progress::default()).unwrap();
        let mut expected: Vec<f64> =
            segmentations(&pieces, &text).into_iter().map(|(_, score)| score).collect();
        expected.sort_by(|a, b| b.total_cmp(a));
        expected.truncate(n);
        prop_assert_eq!(best.iter().map(|&(_, score)| score).collect::<Vec<_>>(), expected);
        let all = segmentations(&pieces, &text);
        let mut seen = Vec::new();
        for (tokens, score) in best {
            let path: Vec<u32> = tokens.iter().map(|token| token.id).collect();
            prop_assert!(all.contains(&(path.clone(), score)));
            prop_assert!(!seen.contains(&path));
            seen.push(path);
        }
    }
}

#[test]
fn a_long_piece_not_in_use_is_taken_apart_wholly_or_refused() {
    let chain = |n_chars: usize| {
        let texts: Vec<String> = (2..=n_chars).map(|n| "a".repeat(n)).collect();
        let mut pieces = with(&[("a", -1000.0, 1)]);
        pieces.extend(texts.iter().zip(1_u8..).map(|(text, n)| (&**text, f32::from(n), 5)));
        file(&pieces, 2, false)
    };
    assert_eq!(ids(&runner(&chain(102)), &"a".repeat(102)), [2; 102]);
    let error = crate::Tokenizer::new(read(&chain(103)).unwrap()).unwrap_err();
    assert!(matches!(&error, Error::Unsupported { .. }), "{error}");
    assert!(error.to_string().contains("pieces[104]"), "{error}");
}

#[test]
fn samples_have_the_distribution_of_their_segmentations() {
    let pieces: Vec<(String, f32)> =
        [("a", -1.0), ("aa", -1.5), ("aaa", -3.0)].map(|(p, s)| (p.to_owned(), s)).into();
    let unigram = built(&pieces, 1);
    let (alpha, n_samples) = (0.5, 20_000_u32);
    let mut all = segmentations(&pieces, "aaaa");
    let total: f64 = all.iter().map(|(_, score)| (alpha * score).exp()).sum();
    let mut counts = vec![0_u32; all.len()];
    for seed in 0..u64::from(n_samples) {
        let mut sample = Vec::new();
        let sampling = Sampling { alpha: Some(alpha), ..Sampling::default() };
        let random = &mut Random::new(seed);
        unigram.sample("aaaa", sampling, random, &Progress::default(), &mut sample).unwrap();
        let path: Vec<u32> = sample.iter().map(|token| token.id).collect();
        counts[all.iter().position(|(ids, _)| *ids == path).unwrap()] += 1;
    }
    // Pearson's statistic of seven classes: above 22.5 once in a thousand.
    let statistic: f64 = all
        .drain(..)
        .zip(counts)
        .map(|((_, score), count)| {
            let expected = (alpha * score).exp() / total * f64::from(n_samples);
            (f64::from(count) - expected).powi(2) / expected
        })
        .sum();
    assert!(statistic < 22.5, "{statistic}");
}

fn encoded(definition: Definition, text: &str) -> Vec<u32> {
    let tokenizer = crate::Tokenizer::new(definition).unwrap();
    let options = crate::tokenizer::EncodeOptions {
        add_special_tokens: false,
        on_special: crate::added_tokens::OnSpecial::Text,
    };
    tokenizer.encode(text, options, &Progress::default()).unwrap()
}

#[test]
fn what_is_turned_for_hugging_face_gives_the_same_ids() {
    let pieces = with(&[
        ("a", -1.0, 1),
        ("b", -2.0, 1),
        ("ab", -2.5, 1),
        ("ba", -4.0, 1),
        ("aba", -4.5, 1),
        (".", 0.0, 4),
        ("(b", 0.0, 4),
    ]);
    for model_type in [1, 2] {
        let definition = read(&file(&pieces, model_type, false)).unwrap();
        let (turned, _) = to_hugging_face(&definition).unwrap();
        let written = crate::format::hf_json::write(&turned);
        assert_eq!(crate::format::hf_json::read(written.as_bytes()).unwrap(), turned);
        for text in ["", "abab", "aba.ab", "(bab", "z(bz.ba", "bbaab", "zzabz"] {
            let expected = encoded(definition.clone(), text);
            assert_eq!(encoded(turned.clone(), text), expected, "{model_type} {text}");
        }
    }
}

#[test]
fn merges_come_in_the_order_of_their_products_scores() {
    let pieces =
        with(&[("a", -9.0, 1), ("b", -9.0, 1), ("aba", -1.0, 1), ("ba", -2.0, 1), ("ab", -2.0, 1)]);
    let definition = read(&file(&pieces, 2, false)).unwrap();
    let (turned, differences) = to_hugging_face(&definition).unwrap();
    let Model::Bpe(bpe) = turned.model else { panic!() };
    assert_eq!(bpe.merges, [(2, 5), (6, 2), (3, 2), (2, 3)]);
    assert!(differences.iter().any(|words| words.contains("leftmost")));
    for algorithm in [3, 4] {
        let other = read(&file(&pieces, algorithm, false)).unwrap();
        assert!(matches!(to_hugging_face(&other), Err(Error::Unsupported { .. })));
    }
}
