//! Fast equals slow, whatever the text, the vocabulary and the number of threads.

use proptest::prelude::*;
use unicode_normalization::is_nfc;

use super::naive;
use super::strategies::{
    PATTERN_NAMES, bpe, bpe_of_words, build, byte_level, config, definition, dense_bpe, encode,
    expected, options, pre_tokenizer, text, tokenizer,
};
use crate::Tokenizer;
use crate::added_tokens::OnSpecial;
use crate::compiled::CompiledPreTokenizer;
use crate::pre_tokenizer::{
    GenericPreTokenizer, Pattern, PreTokenizer, Split, SplitBehavior, known,
};
use crate::progress::Progress;
use crate::traced::Traced;

fn compiled_pieces(pre_tokenizer: &PreTokenizer, text: &str) -> Vec<String> {
    let compiled = CompiledPreTokenizer::recognise(Some(pre_tokenizer)).unwrap();
    let mut pieces = Vec::new();
    let done: Result<(), ()> = compiled.scheme.for_each(text, 0..text.len(), |bounds| {
        pieces.extend(bounds.windows(2).map(|b| text.get(b[0]..b[1]).unwrap().to_owned()));
        Ok(())
    });
    done.unwrap();
    pieces
}

fn generic_pieces(pre_tokenizer: &PreTokenizer, text: &str) -> Vec<String> {
    let generic = GenericPreTokenizer::new(Some(pre_tokenizer), false).unwrap();
    let found = generic.pre_tokenize(Traced::untraced(text), 0, &Progress::default()).unwrap();
    found
        .ranges
        .iter()
        .map(|range| found.text.text().get(range.clone()).unwrap().to_owned())
        .collect()
}

pub(super) const BEHAVIORS: [(SplitBehavior, &str); 5] = [
    (SplitBehavior::Removed, "removed"),
    (SplitBehavior::Isolated, "isolated"),
    (SplitBehavior::MergedWithPrevious, "merged_with_previous"),
    (SplitBehavior::MergedWithNext, "merged_with_next"),
    (SplitBehavior::Contiguous, "contiguous"),
];

/// Patterns of all kinds: literal, plain, with the look-ahead, matching nothing at some places.
fn patterns() -> impl Strategy<Value = Pattern> {
    let literals = ["a", "ab", " ", "  ", "'s", "中", "\r\n", "abab", "-"]
        .map(|text| Pattern::Literal(text.to_owned()));
    let regexes = [
        r"\s+",
        r"\p{L}+",
        r"a*",
        r"\p{N}{1,3}",
        r"[A-Z]??",
        r"\s+(?!\S)|\s+",
        r"[^\p{L}]",
        r"(?:ab|a)+?",
        r"\p{N}{3}",
        r"\s+(?!\S)|[^a]?",
    ]
    .map(|text| Pattern::Regex(text.to_owned()));
    prop::sample::select([&literals[..], &regexes].concat())
}

proptest! {
    #![proptest_config(config(1))]

    #[test]
    fn compiled_pre_tokenizer_matches_generic(text in text(40)) {
        for name in PATTERN_NAMES {
            let slow = naive::pre_tokenize(&naive::pattern(name), &text);
            let pre_tokenizer = pre_tokenizer(name, false);
            prop_assert_eq!(&compiled_pieces(&pre_tokenizer, &text), &slow, "{}", name);
            prop_assert_eq!(&generic_pieces(&pre_tokenizer, &text), &slow, "{}", name);
        }
        let original = known::split_then_bytes(known::GPT2_ORIGINAL_PATTERN);
        prop_assert_eq!(generic_pieces(&original, &text), compiled_pieces(&original, &text));
    }

    #[test]
    fn inverted_removal_is_compiled_to_the_matches(text in text(20)) {
        let pre_tokenizer = PreTokenizer::Sequence(vec![
            PreTokenizer::Split(Split {
                pattern: Pattern::Regex(known::O200K_PATTERN.to_owned()),
                behavior: SplitBehavior::Removed,
                invert: true,
            }),
            byte_level(false, false),
        ]);
        prop_assert_eq!(compiled_pieces(&pre_tokenizer, &text), generic_pieces(&pre_tokenizer, &text));
    }

    #[test]
    fn safe_cuts_lie_between_pre_tokens(text in text(40)) {
        for name in PATTERN_NAMES {
            let compiled = CompiledPreTokenizer::recognise(Some(&pre_tokenizer(name, false))).unwrap();
            let mut is_end = vec![false; text.len() + 1];
            let mut end = 0;
            for piece in naive::pre_tokenize(&naive::pattern(name), &text) {
                end += piece.len();
                is_end[end] = true;
            }
            for from in 0..=text.len() {
                let cut = compiled.scheme.safe_cut(&text, from);
                prop_assert!(cut >= from && (is_end[cut] || cut == text.len()), "{} {}", name, cut);
            }
        }
    }

    #[test]
    fn split_matches_naive(text in text(20), pattern in patterns(), invert in any::<bool>()) {
        for (behavior, name) in BEHAVIORS {
            let matches = match &pattern {
                Pattern::Literal(literal) => naive::matches(&text, literal, false),
                Pattern::Regex(regex) => naive::matches(&text, regex, true),
            };
            let split = PreTokenizer::Split(Split { pattern: pattern.clone(), behavior, invert });
            let slow: Vec<String> = naive::split(&text, &matches, name, invert)
                .into_iter()
                .map(|range| text.get(range).unwrap().to_owned())
                .collect();
            prop_assert_eq!(generic_pieces(&split, &text), slow, "{:?} {}", pattern, name);
        }
    }

    #[test]
    fn encode_matches_naive(tokenizer in tokenizer(), text in text(30)) {
        let slow = expected(tokenizer.encode(&text));
        for fast in [build(&tokenizer), Tokenizer::new_generic(definition(&tokenizer)).unwrap()] {
            // Twice: with the cache cold, and warm.
            for _ in 0..2 {
                prop_assert_eq!(&encode(&fast, &text, OnSpecial::Encode), &slow);
            }
        }
    }

    #[test]
    fn decode_inverts_encode(mut tokenizer in tokenizer(), text in text(30)) {
        (tokenizer.is_nfc, tokenizer.adds_prefix_space) = (tokenizer.is_nfc && is_nfc(&text), false);
        for token in &mut tokenizer.added {
            (token.strips_left, token.strips_right) = (false, false);
            token.is_normalized &= is_nfc(&token.content);
        }
        let fast = build(&tokenizer);
        for mode in [OnSpecial::Encode, OnSpecial::Text] {
            let ids = encode(&fast, &text, mode).unwrap();
            prop_assert_eq!(fast.decode_bytes(&ids, false, &Progress::default()).unwrap(), text.as_bytes());
        }
    }
}

/// One pre-token, of a length around the one where the way of merging changes.
fn word() -> impl Strategy<Value = String> {
    let letters = prop::sample::select(&["a", "aab", "the", "abcd", "é", "中ж"][..]);
    (letters, 1..70_usize, 0..4_usize).prop_map(|(letters, times, cut)| {
        let word = letters.repeat(times);
        word.chars().skip(cut.min(times - 1)).take(70).collect()
    })
}

proptest! {
    #![proptest_config(config(1))]

    #[test]
    fn bpe_matches_naive(bpe in bpe(), word in word(), times in 45..52_usize) {
        let tokenizer = naive::Tokenizer { bpe, pattern: "gpt2", ..naive::Tokenizer::default() };
        let fast = build(&tokenizer);
        for word in [word, "a".repeat(times), "ab".repeat(times / 2), "the".repeat(times / 3)] {
            prop_assert_eq!(encode(&fast, &word, OnSpecial::Raise), expected(tokenizer.bpe.encode(word.as_bytes())));
        }
    }
}

proptest! {
    #![proptest_config(config(1))]

    #[test]
    fn competing_merges_match_naive(bpe in dense_bpe(), letters in prop::collection::vec(0..3_u8, 1..130)) {
        let word: String = letters.iter().map(|letter| char::from(b'a' + letter)).collect();
        let tokenizer = naive::Tokenizer { bpe, pattern: "gpt2", ..naive::Tokenizer::default() };
        let fast = encode(&build(&tokenizer), &word, OnSpecial::Raise);
        prop_assert_eq!(fast, expected(tokenizer.bpe.encode(word.as_bytes())));
    }
}

proptest! {
    #![proptest_config(config(1))]

    #[test]
    fn tokens_of_several_words_match_naive(bpe in bpe_of_words(), texts in prop::collection::vec("[ab é\u{a0}]{1,70}", 1..4)) {
        let tokenizer = naive::Tokenizer { bpe, pattern: "lines", ..naive::Tokenizer::default() };
        let fast = build(&tokenizer);
        for text in texts.iter().chain([&texts.concat()]) {
            let slow = expected(tokenizer.bpe.encode(text.as_bytes()));
            prop_assert_eq!(encode(&fast, text, OnSpecial::Raise), slow);
        }
    }
}

proptest! {
    #![proptest_config(config(32))]

    #[test]
    fn encode_ignores_thread_count(tokenizer in tokenizer(), text in text(30), short in text(10)) {
        let fast = build(&tokenizer);
        let long = text.repeat(700_000 / text.len().max(1) + 1);
        let texts = [short.as_str(), &long, &text, "", &long, &short];
        let progress = Progress::default();
        let mode = options(OnSpecial::Encode);
        let alone: Vec<Vec<u32>> =
            texts.iter().map(|text| fast.encode(text, mode, &progress).unwrap()).collect();
        let lengths: Vec<usize> = alone.iter().map(Vec::len).collect();
        for n_threads in [Some(1), Some(2), Some(5)] {
            let batch = fast.encode_batch(&texts, mode, n_threads, &progress).unwrap();
            prop_assert_eq!(&batch.lengths, &lengths);
            prop_assert!(batch.ids == alone.concat());
            prop_assert!(fast.encode_with_threads(&long, mode, n_threads, &progress).unwrap() == alone[1]);
        }
    }
}

#[test]
fn one_pre_token_of_any_length_takes_linear_time() {
    let doubling: Vec<Vec<u8>> = (0..8).map(|power| vec![b'a'; 1 << power]).collect();
    let merges = doubling[..7].iter().map(|token| (token.clone(), token.clone())).collect();
    let ids = doubling.into_iter().zip(0..).collect();
    let bpe = naive::Bpe { ids, merges, ignore_merges: false };
    let fast = build(&naive::Tokenizer { bpe, pattern: "gpt2", ..naive::Tokenizer::default() });
    let n = 100_000;
    let start = std::time::Instant::now();
    let ids = encode(&fast, &"a".repeat(n), OnSpecial::Raise).unwrap();
    // 100 000 = 781 * 128 + 32. A quadratic way takes minutes.
    assert_eq!(ids, [vec![7; 781], vec![5]].concat());
    assert!(start.elapsed().as_secs() < 10);
}
