//! The models on text held to plain oracles: merging by search, matching by trying every length.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rustc_hash::FxHashSet;

use super::strategies::config;
use crate::definition::{BpeDefinition, WordPieceDefinition};
use crate::error::Error;
use crate::model::bpe::CharacterBpe;
use crate::model::wordpiece::WordPiece;
use crate::model::{Random, Sampling, Token, Tokenize};
use crate::progress::Progress;

fn tokens(model: &dyn Tokenize, text: &str) -> Result<Vec<(u32, usize, usize)>, Error> {
    let mut tokens = Vec::new();
    model.tokenize(text, &Progress::default(), &mut tokens)?;
    Ok(tokens.into_iter().map(|Token { id, start, end }| (id, start, end)).collect())
}

fn naive_word_piece(model: &WordPieceDefinition, text: &str) -> Vec<(u32, usize, usize)> {
    let ids: BTreeMap<&str, u32> =
        model.vocab.iter().map(|(text, id)| (text.as_str(), *id)).collect();
    let unk = vec![(ids[model.unk_token.as_str()], 0, text.len())];
    if text.chars().count() > model.max_input_chars_per_word {
        return unk;
    }
    let mut found = Vec::new();
    let mut start = 0;
    while start < text.len() {
        let prefix = if start > 0 { model.continuing_subword_prefix.as_str() } else { "" };
        let mut ends = (start + 1..=text.len()).rev().filter(|&end| text.is_char_boundary(end));
        let longest = ends.find_map(|end| {
            let spelled = format!("{prefix}{}", text.get(start..end)?);
            Some((*ids.get(spelled.as_str())?, end))
        });
        let Some((id, end)) = longest else { return unk };
        found.push((id, start, end));
        start = end;
    }
    found
}

/// Merges by searching the whole list of merges for each step.
fn naive_merge(model: &BpeDefinition, text: &str) -> Vec<u32> {
    let ids: BTreeMap<&str, u32> =
        model.vocab.iter().map(|(text, id)| (text.as_str(), *id)).collect();
    let mut symbols: Vec<String> = text.chars().map(String::from).collect();
    let pair_of = |rank: usize| {
        let text = |id: u32| model.vocab.iter().find(|&&(_, other)| other == id).unwrap().0.clone();
        (text(model.merges[rank].0), text(model.merges[rank].1))
    };
    let pairs: Vec<_> = (0..model.merges.len()).map(pair_of).collect();
    while let Some(place) = (0..pairs.len())
        .filter(|&rank| !pairs[rank + 1..].contains(&pairs[rank]))
        .find_map(|rank| {
            symbols.windows(2).position(|two| two[0] == pairs[rank].0 && two[1] == pairs[rank].1)
        })
    {
        let right = symbols.remove(place + 1);
        symbols[place].push_str(&right);
    }
    symbols.iter().map(|symbol| ids[symbol.as_str()]).collect()
}

/// Tokens over a small alphabet, and merges of some into others.
fn bpe() -> impl Strategy<Value = BpeDefinition> {
    prop::collection::vec((any::<u8>(), any::<u8>()), 0..16).prop_map(|picks| {
        let mut texts: Vec<String> = ["a", "b", "世", "▁"].map(str::to_owned).to_vec();
        let mut merges = Vec::new();
        for (left, right) in picks {
            let (left, right) = (usize::from(left) % texts.len(), usize::from(right) % texts.len());
            let product = format!("{}{}", texts[left], texts[right]);
            if product.chars().count() > 12 {
                continue;
            }
            if !texts.contains(&product) {
                texts.push(product);
            }
            merges.push((u32::try_from(left).unwrap(), u32::try_from(right).unwrap()));
        }
        BpeDefinition {
            vocab: texts.into_iter().zip(0..).collect(),
            merges,
            ..BpeDefinition::default()
        }
    })
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn character_bpe_matches_naive_and_may_be_cut(model in bpe(), text in "[ab世▁]{1,120}") {
        let built = CharacterBpe::new(&model, &FxHashSet::default()).unwrap();
        let whole = tokens(&built, &text).unwrap();
        let ids: Vec<_> = whole.iter().map(|&(id, ..)| id).collect();
        prop_assert_eq!(&ids, &naive_merge(&model, &text));
        let mut by_parts = Vec::new();
        let mut from = 0;
        while from < text.len() {
            let to = built.next_cut(&text, from);
            by_parts.extend(tokens(&built, text.get(from..to).unwrap()).unwrap().into_iter().map(|(id, ..)| id));
            from = to;
        }
        prop_assert_eq!(by_parts, ids);
        let ends: Vec<_> = whole.iter().map(|&(.., end)| end).collect();
        prop_assert!(ends.is_sorted() && ends.last() == Some(&text.len()));
    }

    #[test]
    fn word_piece_matches_naive(
        words in prop::collection::btree_set("(##|#|)[ab世#]{1,6}", 0..20),
        prefix in prop::sample::select(vec!["##", "#", "", "a"]),
        max_input_chars_per_word in prop::sample::select(vec![0, 4, 100]),
        text in "[ab世#]{1,30}",
    ) {
        let texts = words.into_iter().chain(["[UNK]".to_owned()]);
        let model = WordPieceDefinition {
            vocab: texts.zip(0..).collect(),
            unk_token: "[UNK]".to_owned(),
            continuing_subword_prefix: prefix.to_owned(),
            max_input_chars_per_word,
        };
        let built = WordPiece::new(&model, &FxHashSet::default()).unwrap();
        prop_assert_eq!(tokens(&built, &text).unwrap(), naive_word_piece(&model, &text));
    }
}

#[test]
fn long_word_costs_no_more_than_its_length_when_the_longest_token_never_ends() {
    let n = 1 << 18;
    let endless = format!("{}b", "a".repeat(n / 2));
    let texts =
        ["[UNK]".to_owned(), "a".to_owned(), "##a".to_owned(), format!("##{endless}"), endless];
    let model = WordPieceDefinition {
        vocab: texts.into_iter().zip(0..).collect(),
        unk_token: "[UNK]".to_owned(),
        continuing_subword_prefix: "##".to_owned(),
        max_input_chars_per_word: usize::MAX,
    };
    let built = WordPiece::new(&model, &FxHashSet::default()).unwrap();
    let found = tokens(&built, &"a".repeat(n)).unwrap();
    assert_eq!((found.len(), found[0], found[n - 1]), (n, (1, 0, 1), (2, n - 1, n)));
}

#[test]
fn dropout_needs_a_seed_and_gives_the_same_for_the_same() {
    let vocab = ["a", "b", "ab", "abab"].map(str::to_owned).into_iter().zip(0..).collect();
    let merges = vec![(0, 1), (2, 2)];
    let model = BpeDefinition { vocab, merges, dropout: Some(0.5), ..BpeDefinition::default() };
    let built = CharacterBpe::new(&model, &FxHashSet::default()).unwrap();
    let text = "ab".repeat(40);
    let refused = tokens(&built, &text).unwrap_err().to_string();
    assert!(refused.contains("dropout 0.5"), "{refused}");
    let with_seed = |seed| {
        let mut tokens = Vec::new();
        let progress = Progress::default();
        let random = &mut Random::new(seed);
        built.sample(&text, Sampling::default(), random, &progress, &mut tokens).unwrap();
        tokens.into_iter().map(|token| token.id).collect::<Vec<_>>()
    };
    assert_eq!(with_seed(1), with_seed(1));
    assert_ne!(with_seed(1), with_seed(2));
    assert_ne!(with_seed(1), vec![3; 20]);
}

#[test]
fn bytes_of_a_prefix_stand_for_no_text() {
    let bytes = (0..=u8::MAX).map(|byte| (format!("<0x{byte:02X}>"), u32::from(byte)));
    let model = BpeDefinition {
        vocab: bytes.chain([("a".to_owned(), 256), ("-a".to_owned(), 257)]).collect(),
        continuing_subword_prefix: Some("-".to_owned()),
        end_of_word_suffix: Some("!".to_owned()),
        byte_fallback: true,
        ..BpeDefinition::default()
    };
    let built = CharacterBpe::new(&model, &FxHashSet::default()).unwrap();
    let expected = [
        (256, 0, 1),
        (u32::from(b'-'), 1, 1),
        (0xC3, 1, 2),
        (0xA9, 2, 3),
        (257, 3, 4),
        (u32::from(b'-'), 4, 4),
        (u32::from(b'z'), 4, 5),
        (u32::from(b'!'), 5, 5),
    ];
    assert_eq!(tokens(&built, "aéaz").unwrap(), expected);
}
