//! Random texts and tokenizers, made to hit the places where characters and pieces meet.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::naive;
use crate::added_tokens::{AddedToken, OnSpecial};
use crate::definition::{BpeDefinition, Definition, Model};
use crate::normalizer::Normalizer;
use crate::post_processor::ByteLevelOptions;
use crate::pre_tokenizer::{PreTokenizer, known};
use crate::progress::Progress;
use crate::{Error, Result, Tokenizer};

/// The same cases in every run, and no files written; `PROPTEST_CASES` and `PROPTEST_RNG_SEED` change that for a hunt.
/// `weight` says how many plain cases one of these costs.
pub(super) fn config(weight: u32) -> ProptestConfig {
    let given = ProptestConfig::default();
    let seed = match given.rng_seed {
        RngSeed::Random => RngSeed::Fixed(2016),
        seed @ RngSeed::Fixed(_) => seed,
    };
    let cases = (given.cases / weight).max(4);
    ProptestConfig { cases, failure_persistence: None, rng_seed: seed, ..given }
}

/// Letters of each case and script, marks, digits, every kind of white space, contractions, symbols, the odd ones.
const PIECES: &[&str] = &[
    "a",
    "b",
    "e",
    "s",
    "t",
    "S",
    "D",
    "Z",
    "AB",
    "aB",
    "the",
    "then",
    "LL",
    "Ve",
    "re",
    "é",
    "É",
    "ß",
    "ж",
    "Ж",
    "ǅ",
    "ʰ",
    "中",
    "ひ",
    "연",
    "ſ",
    "K",
    "ª",
    "\u{301}",
    "\u{345}",
    "\u{378}",
    "\u{1C89}",
    "\u{1C8A}",
    "e\u{301}",
    "\u{93F}",
    "0",
    "9",
    "12",
    "1234",
    "٣",
    "²",
    "Ⅷ",
    "१",
    "𝟘",
    " ",
    "  ",
    "\t",
    "\n",
    "\n\n",
    "\r",
    "\r\n",
    "\n1",
    "\na",
    "\u{B}",
    "\u{C}",
    "\u{85}",
    "\u{A0}",
    "\u{1680}",
    "\u{2028}",
    "\u{3000}",
    "\u{200B}",
    "\u{FEFF}",
    "\u{1C}",
    "'",
    "'s",
    "'S",
    "'ll",
    "'LL",
    "'re",
    "'vE",
    "'ſ",
    "'d",
    "’s",
    "/",
    "//",
    "_",
    "-",
    "--",
    ".",
    "!",
    "<|end|>",
    "<|",
    "|>",
    "<",
    "🙂",
    "👩\u{200D}👩",
    "\0",
    "\u{7F}",
    "\u{E000}",
    "\u{10FFFF}",
    "𐐀",
    "𐐨",
    "ab",
    "a b",
    "abab",
];

/// Up to `max` pieces, some of them repeated.
pub(super) fn text(max: usize) -> impl Strategy<Value = String> {
    let times = prop_oneof![12 => Just(1_usize), 2 => 2..5_usize, 1 => 5..60_usize];
    let run = (prop::sample::select(PIECES), times).prop_map(|(piece, times)| piece.repeat(times));
    prop_oneof![
        8 => prop::collection::vec(run, 0..max).prop_map(|runs| runs.concat()),
        1 => any::<String>(),
    ]
}

/// Numbers below a bound, one after the other, from a seed.
pub(super) struct Draws(pub(super) u64);

impl Draws {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        usize::try_from(self.0 >> 33).unwrap() % bound.max(1)
    }

    fn shuffle<T>(&mut self, values: &mut [T]) {
        for i in (1..values.len()).rev() {
            values.swap(i, self.below(i + 1));
        }
    }
}

/// Merges learned from a text and others made at random, out of order, some twice; ids in no order, with gaps.
pub(super) fn bpe() -> impl Strategy<Value = naive::Bpe> {
    (text(60), any::<u64>(), any::<bool>())
        .prop_map(|(text, seed, ignore_merges)| random_bpe(&text, Draws(seed), ignore_merges))
}

fn random_bpe(text: &str, mut draws: Draws, ignore_merges: bool) -> naive::Bpe {
    let mut words: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
    for word in naive::pre_tokenize(&naive::pattern("cl100k"), text) {
        *words.entry(word.as_bytes().to_vec()).or_default() += 1;
    }
    let training = naive::Training {
        vocab_size: 256 + draws.below(40),
        initial_alphabet: (0..=255).collect(),
        ..naive::Training::default()
    };
    let (mut tokens, merges) = naive::train(&words, &training);
    let mut merges: Vec<(Vec<u8>, Vec<u8>)> = merges
        .iter()
        .map(|&(left, right)| (tokens[left as usize].clone(), tokens[right as usize].clone()))
        .collect();
    for _ in 0..draws.below(30) {
        let mut token = || {
            let is_product = draws.below(2) == 1 && tokens.len() > 256;
            let place =
                if is_product { 256 + draws.below(tokens.len() - 256) } else { draws.below(95) };
            tokens[place].clone()
        };
        let pair = (token(), token());
        let product = [&pair.0[..], &pair.1].concat();
        if product.len() <= 16 {
            if !tokens.contains(&product) {
                tokens.push(product);
            }
            merges.push(pair);
        }
    }
    for _ in 0..draws.below(4).min(merges.len()) {
        merges.push(merges[draws.below(merges.len())].clone());
    }
    draws.shuffle(&mut merges);
    draws.shuffle(&mut tokens);
    let ids = tokens.into_iter().zip((0..).map(|id: u32| id + id / 9)).collect();
    naive::Bpe { ids, merges, ignore_merges }
}

/// Few letters and many merges of them, in no order: each merge competes with others.
pub(super) fn dense_bpe() -> impl Strategy<Value = naive::Bpe> {
    (any::<u64>(), 3..30_usize).prop_map(|(seed, n_merges)| {
        let mut draws = Draws(seed);
        let mut tokens: Vec<Vec<u8>> = b"abc".iter().map(|&byte| vec![byte]).collect();
        let mut merges = Vec::new();
        for _ in 0..n_merges {
            let mut token = || tokens[draws.below(tokens.len())].clone();
            let (left, right) = (token(), token());
            let product = [&left[..], &right].concat();
            if product.len() <= 7 {
                merges.push((left, right));
                if !tokens.contains(&product) {
                    tokens.push(product);
                }
            }
        }
        draws.shuffle(&mut merges);
        naive::Bpe { ids: tokens.into_iter().zip(0..).collect(), merges, ignore_merges: false }
    })
}

/// Merges inside words and then merges of any tokens, so that tokens hold several words; one in four has them in no order.
pub(super) fn bpe_of_words() -> impl Strategy<Value = naive::Bpe> {
    let numbers = (0..12_usize, 1..25_usize);
    (any::<u64>(), numbers, any::<bool>()).prop_map(|(seed, (n_first, n_second), ignore_merges)| {
        let mut draws = Draws(seed);
        let mut tokens: Vec<Vec<u8>> = "ab é\u{a0}".bytes().map(|byte| vec![byte]).collect();
        let mut merges = Vec::new();
        for n_done in 0..n_first + n_second {
            let mut token = || tokens[draws.below(tokens.len())].clone();
            let (left, right) = (token(), token());
            let product = [&left[..], &right].concat();
            if product.len() <= 12 && (n_done >= n_first || !joins_words(&product)) {
                merges.push((left, right));
                if !tokens.contains(&product) {
                    tokens.push(product);
                }
            }
        }
        if draws.below(4) == 0 {
            draws.shuffle(&mut merges);
        }
        draws.shuffle(&mut tokens);
        naive::Bpe { ids: tokens.into_iter().zip(7..).collect(), merges, ignore_merges }
    })
}

fn joins_words(token: &[u8]) -> bool {
    let text: Vec<char> = String::from_utf8_lossy(token).chars().collect();
    text.windows(2).any(|pair| matches!(pair, ['a' | 'b' | 'é', ' ']))
}

/// A model without some bytes, and all that is made of them.
pub(super) fn without_bytes(mut bpe: naive::Bpe, missing: &[u8]) -> naive::Bpe {
    let is_kept = |token: &[u8]| !token.iter().any(|byte| missing.contains(byte));
    bpe.ids.retain(|token, _| is_kept(token));
    bpe.merges.retain(|(left, right)| is_kept(left) && is_kept(right));
    bpe
}

const CONTENTS: &[&str] = &[
    "<|end|>",
    "<|",
    "<|e",
    "ab",
    "a b",
    " s",
    "'s",
    "中",
    "é",
    "e\u{301}x",
    "  ",
    "\n",
    "then",
    "🙂",
];

/// Added tokens with every option, ids from `first` on.
pub(super) fn added(first: u32) -> impl Strategy<Value = Vec<naive::Added>> {
    let one = (prop::sample::select(CONTENTS), any::<[bool; 5]>());
    prop::collection::vec(one, 0..4).prop_map(move |ones| {
        let mut tokens: Vec<naive::Added> = Vec::new();
        for ((content, [single, left, right, normalized, special]), id) in
            ones.into_iter().zip(first..)
        {
            if tokens.iter().all(|token| token.content != content) {
                tokens.push(naive::Added {
                    id,
                    content: content.to_owned(),
                    is_single_word: single,
                    strips_left: left,
                    strips_right: right,
                    is_normalized: normalized,
                    is_special: special,
                });
            }
        }
        tokens
    })
}

pub(super) const PATTERN_NAMES: [&str; 5] = ["gpt2", "cl100k", "qwen2", "o200k", "lines"];

/// Whole tokenizers over all bytes.
pub(super) fn tokenizer() -> impl Strategy<Value = naive::Tokenizer> {
    (bpe(), added(900), any::<(bool, bool)>(), prop::sample::select(&PATTERN_NAMES[..])).prop_map(
        |(bpe, added, (is_nfc, adds_space), pattern)| naive::Tokenizer {
            bpe,
            added,
            is_nfc,
            adds_prefix_space: adds_space && pattern == "gpt2",
            pattern,
        },
    )
}

pub(super) const fn byte_level(add_prefix_space: bool, use_regex: bool) -> PreTokenizer {
    PreTokenizer::ByteLevel(ByteLevelOptions { add_prefix_space, trim_offsets: true, use_regex })
}

pub(super) fn pre_tokenizer(name: &str, adds_prefix_space: bool) -> PreTokenizer {
    match name {
        "gpt2" => byte_level(adds_prefix_space, true),
        "qwen2" => known::split_then_bytes(known::QWEN2_PATTERN),
        _ => known::by_name(name).unwrap(),
    }
}

/// The definition of a tokenizer given in the oracle's terms.
pub(super) fn definition(tokenizer: &naive::Tokenizer) -> Definition {
    let bpe = &tokenizer.bpe;
    let spell = |bytes: &[u8]| bytes.iter().map(|&byte| naive::spelling(byte)).collect();
    let mut vocab: Vec<(String, u32)> =
        bpe.ids.iter().map(|(bytes, &id)| (spell(bytes), id)).collect();
    vocab.sort_by_key(|&(_, id)| id);
    let merges = bpe.merges.iter().map(|(left, right)| (bpe.ids[left], bpe.ids[right])).collect();
    let ignore_merges = bpe.ignore_merges;
    let added = tokenizer.added.iter().map(|token| AddedToken {
        id: token.id,
        content: token.content.clone(),
        is_single_word: token.is_single_word,
        strips_left: token.strips_left,
        strips_right: token.strips_right,
        is_normalized: token.is_normalized,
        is_special: token.is_special,
    });
    Definition {
        normalizer: tokenizer.is_nfc.then_some(Normalizer::Nfc),
        pre_tokenizer: Some(pre_tokenizer(tokenizer.pattern, tokenizer.adds_prefix_space)),
        model: Model::Bpe(BpeDefinition {
            vocab,
            merges,
            ignore_merges,
            ..BpeDefinition::default()
        }),
        post_processor: None,
        decoder: None,
        added_tokens: added.collect(),
        truncation: None,
        padding: None,
        training: None,
    }
}

pub(super) fn build(tokenizer: &naive::Tokenizer) -> Tokenizer {
    Tokenizer::new(definition(tokenizer)).unwrap()
}

pub(super) fn options(on_special: OnSpecial) -> crate::tokenizer::EncodeOptions {
    crate::tokenizer::EncodeOptions { add_special_tokens: true, on_special }
}

pub(super) fn encode(tokenizer: &Tokenizer, text: &str, on_special: OnSpecial) -> Result<Vec<u32>> {
    tokenizer.encode(text, options(on_special), &Progress::default())
}

/// An oracle's answer in the terms of the library.
pub(super) fn expected(answer: Result<Vec<u32>, usize>) -> Result<Vec<u32>> {
    answer.map_err(|byte_offset| Error::Unencodable { byte_offset })
}
