//! Random and n-best segmentations, held to all segmentations written out.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::strategies::config;
use crate::added_tokens::OnSpecial;
use crate::definition::{
    BpeDefinition, Model, UnigramDefinition, WordLevelDefinition, WordPieceDefinition,
};
use crate::model::Sampling;
use crate::post_processor::ByteLevelOptions;
use crate::pre_tokenizer::{PreTokenizer, byte_level};
use crate::progress::Progress;
use crate::tokenizer::EncodeOptions;
use crate::{Definition, Result, Tokenizer};

const PLAIN: EncodeOptions =
    EncodeOptions { add_special_tokens: false, on_special: OnSpecial::Text };

fn tokenizer(model: Model, pre_tokenizer: Option<PreTokenizer>) -> Tokenizer {
    let definition = Definition {
        normalizer: None,
        pre_tokenizer,
        model,
        post_processor: None,
        decoder: None,
        added_tokens: Vec::new(),
        truncation: None,
        padding: None,
        training: None,
    };
    Tokenizer::new(definition).unwrap()
}

fn unigram(pieces: &[(String, f64)], pre_tokenizer: Option<PreTokenizer>) -> Tokenizer {
    let unk = ("<unk>".to_owned(), 0.0);
    let vocab = std::iter::once(unk).chain(pieces.iter().cloned()).collect();
    let model = UnigramDefinition { vocab, unk_id: Some(0), byte_fallback: false };
    tokenizer(Model::Unigram(model), pre_tokenizer)
}

/// `a`, `b`, `ab`, `abab`, and `ba` beside them.
fn bpe() -> BpeDefinition {
    let texts = ["a", "b", "ab", "abab", "ba"];
    let vocab = texts.map(str::to_owned).into_iter().zip(0..).collect();
    BpeDefinition { vocab, merges: vec![(0, 1), (2, 2), (1, 0)], ..BpeDefinition::default() }
}

/// The same over bytes.
fn byte_bpe() -> Tokenizer {
    let options =
        ByteLevelOptions { add_prefix_space: false, trim_offsets: false, use_regex: true };
    let mut model = bpe();
    let bytes = (0..=u8::MAX).filter(|byte| !b"ab".contains(byte));
    model.vocab.extend(bytes.map(|byte| byte_level::spell(&[byte])).zip(5..));
    tokenizer(Model::Bpe(model), Some(PreTokenizer::ByteLevel(options)))
}

fn sampled(tokenizer: &Tokenizer, text: &str, sampling: Sampling, seed: u64) -> Result<Vec<u32>> {
    tokenizer.sample(text, PLAIN, sampling, seed, &Progress::default())
}

fn encoded(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    tokenizer.encode(text, PLAIN, &Progress::default()).unwrap()
}

fn dropout(dropout: f64) -> Sampling {
    Sampling { dropout: Some(dropout), ..Sampling::default() }
}

/// Every way to write `word` in pieces, with the sum of their scores from the left.
fn segmentations(pieces: &[(String, f64)], word: &str) -> Vec<(Vec<u32>, f64)> {
    let mut partial = vec![(Vec::new(), 0.0, word)];
    let mut all = Vec::new();
    while let Some((ids, score, rest)) = partial.pop() {
        if rest.is_empty() {
            all.push((ids, score));
            continue;
        }
        for ((piece, own), id) in pieces.iter().zip(1..) {
            if let Some(rest) = rest.strip_prefix(piece.as_str()) {
                partial.push(([&ids[..], &[id]].concat(), score + own, rest));
            }
        }
    }
    all
}

/// Every way to write a text of words apart.
fn text_segmentations(pieces: &[(String, f64)], text: &str) -> Vec<(Vec<u32>, f64)> {
    text.split_whitespace().fold(vec![(Vec::new(), 0.0)], |before, word| {
        let own = segmentations(pieces, word);
        let joined = |(ids, sum): &(Vec<u32>, f64)| {
            let join = |(more, score): &(Vec<u32>, f64)| ([&ids[..], more].concat(), sum + score);
            own.iter().map(join).collect::<Vec<_>>()
        };
        before.iter().flat_map(joined).collect()
    })
}

/// Pieces over `a` and `b`, each of them one, with scores of few values so that there are ties.
fn pieces() -> impl Strategy<Value = Vec<(String, f64)>> {
    let more = prop::collection::btree_map("[ab]{2,4}", -3_i8..=-1, 0..8);
    more.prop_map(|more| {
        let chars = ["a", "b"].map(|c| (c.to_owned(), -2.0));
        chars.into_iter().chain(more.into_iter().map(|(p, s)| (p, f64::from(s)))).collect()
    })
}

proptest! {
    #![proptest_config(config(2))]

    #[test]
    fn n_best_matches_naive(pieces in pieces(), text in "[ab]{1,5}( [ab]{1,4}){0,2}", n in 1_usize..40) {
        let tokenizer = unigram(&pieces, Some(PreTokenizer::WhitespaceSplit));
        let best = tokenizer.n_best(&text, n, PLAIN, &Progress::default()).unwrap();
        prop_assert_eq!(&best[0].0, &encoded(&tokenizer, &text));
        let all = text_segmentations(&pieces, &text);
        let mut scores: Vec<f64> = all.iter().map(|&(_, score)| score).collect();
        scores.sort_by(|a, b| b.total_cmp(a));
        scores.truncate(n);
        prop_assert_eq!(best.iter().map(|&(_, score)| score).collect::<Vec<_>>(), scores);
        for (i, segmentation) in best.iter().enumerate() {
            prop_assert!(all.contains(segmentation));
            prop_assert!(!best[..i].contains(segmentation));
        }
    }

    #[test]
    fn sample_without_dropout_is_encode(text in "[ab \u{e9}]{0,12}", seed: u64) {
        for ignore_merges in [false, true] {
            let model = BpeDefinition { ignore_merges, dropout: Some(0.5), ..bpe() };
            let text = text.replace('\u{e9}', "");
            let split = || Some(PreTokenizer::WhitespaceSplit);
            let own = tokenizer(Model::Bpe(model.clone()), split());
            let plain = tokenizer(Model::Bpe(BpeDefinition { dropout: None, ..model }), split());
            prop_assert_eq!(sampled(&own, &text, dropout(0.0), seed).unwrap(), encoded(&plain, &text));
        }
        let bytes = byte_bpe();
        prop_assert_eq!(sampled(&bytes, &text, dropout(0.0), seed).unwrap(), encoded(&bytes, &text));
    }

    #[test]
    fn sample_with_dropout_spells_the_text(text in "[ab \u{e9}]{0,40}", p in 0.0..=1.0, seed: u64) {
        let bytes = byte_bpe();
        let ids = sampled(&bytes, &text, dropout(p), seed).unwrap();
        prop_assert_eq!(&ids, &sampled(&bytes, &text, dropout(p), seed).unwrap());
        let decoded = bytes.decode_bytes(&ids, false, &Progress::default()).unwrap();
        prop_assert_eq!(decoded, text.as_bytes());
    }
}

#[test]
fn sample_keeps_bytes_apart_when_all_merges_are_left_out() {
    let text = "abab\u{e9}ba";
    let bytes = byte_bpe();
    let ids = sampled(&bytes, text, dropout(1.0), 1).unwrap();
    assert_eq!(ids.len(), text.len());
    let characters = tokenizer(Model::Bpe(bpe()), None);
    assert_eq!(sampled(&characters, "abba", dropout(1.0), 1).unwrap(), [0, 1, 1, 0]);
}

/// Pearson's statistic of how often each segmentation came, against how often it should.
fn statistic(
    tokenizer: &Tokenizer,
    text: &str,
    sampling: Sampling,
    all: &[(Vec<u32>, f64)],
    n_samples: u32,
) -> f64 {
    let mut counts = BTreeMap::new();
    for seed in 0..u64::from(n_samples) {
        *counts.entry(sampled(tokenizer, text, sampling, seed).unwrap()).or_insert(0_u32) += 1;
    }
    assert!(counts.keys().all(|ids| all.iter().any(|(known, _)| known == ids)));
    let total: f64 = all.iter().map(|(_, probability)| probability).sum();
    let terms = all.iter().map(|(ids, probability)| {
        let expected = probability / total * f64::from(n_samples);
        (f64::from(counts.get(ids).copied().unwrap_or(0)) - expected).powi(2) / expected
    });
    terms.sum()
}

#[test]
fn sample_has_the_distribution_of_the_segmentations() {
    let pieces: Vec<(String, f64)> =
        [("a", -1.0), ("aa", -1.5), ("aaa", -3.0), ("b", -1.0), ("ab", -1.0)]
            .map(|(piece, score)| (piece.to_owned(), score))
            .into();
    // Of the second text every path goes through the place between the two b.
    for text in ["aaaa", "abbaa"] {
        for alpha in [0.5, 1.0] {
            let all = segmentations(&pieces, text);
            let power = |all: Vec<(Vec<u32>, f64)>| {
                all.into_iter().map(|(ids, score)| (ids, (alpha * score).exp())).collect::<Vec<_>>()
            };
            let tokenizer = unigram(&pieces, None);
            let all_paths = Sampling { alpha: Some(alpha), ..Sampling::default() };
            // Seven classes at the most: above 22.5 once in a thousand.
            let found = statistic(&tokenizer, text, all_paths, &power(all), 10_000);
            assert!(found < 22.5, "{text} {alpha}: {found}");
            let best = tokenizer.n_best(text, 2, PLAIN, &Progress::default()).unwrap();
            let of_best = Sampling { n_best: Some(2), ..all_paths };
            let found = statistic(&tokenizer, text, of_best, &power(best), 10_000);
            assert!(found < 10.8, "{text} {alpha}: {found}");
        }
    }
}

#[test]
fn sample_leaves_out_merges_with_the_probability_asked() {
    // Passed over, the one candidate is lost.
    let all = [(vec![2], 0.7), (vec![0, 1], 0.3)];
    let characters = tokenizer(Model::Bpe(bpe()), None);
    for tokenizer in [&characters, &byte_bpe()] {
        let found = statistic(tokenizer, "ab", dropout(0.3), &all, 10_000);
        assert!(found < 10.8, "{found}");
    }
}

#[test]
fn sample_batch_gives_each_text_its_own_randomness_on_any_number_of_threads() {
    let bytes = byte_bpe();
    let text = "abababba ".repeat(2000);
    let texts = vec![text.as_str(); 8];
    let run = |n_threads, seed| {
        let progress = Progress::default();
        bytes.sample_batch(&texts, PLAIN, dropout(0.5), seed, Some(n_threads), &progress).unwrap()
    };
    let batch = run(1, 7);
    assert_eq!(batch, run(4, 7));
    assert_ne!(batch, run(1, 8));
    let (first, rest) = batch.ids.split_at(batch.lengths[0]);
    assert_eq!(first, sampled(&bytes, &text, dropout(0.5), 7).unwrap());
    assert_ne!(first, &rest[..first.len()]);
}

#[test]
fn sampling_is_refused_where_a_text_has_one_segmentation_or_the_choice_is_for_another_model() {
    let vocab: Vec<(String, u32)> = vec![("[UNK]".to_owned(), 0), ("a".to_owned(), 1)];
    let unk_token = "[UNK]".to_owned();
    let word_level = WordLevelDefinition { vocab: vocab.clone(), unk_token: unk_token.clone() };
    let word_piece = WordPieceDefinition {
        vocab,
        unk_token,
        continuing_subword_prefix: "##".to_owned(),
        max_input_chars_per_word: 100,
    };
    let pieces = vec![("a".to_owned(), -1.0)];
    let all = Sampling::default();
    let alpha = Sampling { alpha: Some(-1.0), ..all };
    let n_best = Sampling { n_best: Some(0), ..all };
    for (tokenizer, sampling, expected) in [
        (tokenizer(Model::WordLevel(word_level), None), all, "the model is WordLevel"),
        (tokenizer(Model::WordPiece(word_piece), None), all, "the model is WordPiece"),
        (byte_bpe(), all, "dropout must be given"),
        (byte_bpe(), alpha, "alpha and n_best are for Unigram"),
        (byte_bpe(), dropout(1.5), "dropout must be from 0 to 1, got 1.5"),
        (byte_bpe(), dropout(f64::NAN), "dropout must be from 0 to 1, got NaN"),
        (unigram(&pieces, None), dropout(0.1), "dropout is for BPE"),
        (unigram(&pieces, None), alpha, "alpha must be at least 0 and finite, got -1"),
        (unigram(&pieces, None), n_best, "n_best must be from 1 to 1024, got 0"),
    ] {
        for text in ["", "a"] {
            let error = sampled(&tokenizer, text, sampling, 1).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
    let error = byte_bpe().n_best("a", 2, PLAIN, &Progress::default()).unwrap_err().to_string();
    assert!(
        error.contains("only Unigram has n-best segmentations, and the model is BPE"),
        "{error}"
    );
}

#[test]
fn n_best_is_found_without_following_equal_ones_one_by_one() {
    let pieces = [("a", -1.0), ("aa", -2.0), ("aaa", -3.0)];
    let pieces: Vec<_> = pieces.map(|(piece, score)| (piece.to_owned(), score)).into();
    let tokenizer = unigram(&pieces, None);
    let best = tokenizer.n_best(&"a".repeat(500), 100, PLAIN, &Progress::default()).unwrap();
    assert_eq!(best.len(), 100);
    assert!(best.iter().all(|&(_, score)| (score + 500.0).abs() < 1e-9));
}
