//! Splitting by masks against splitting step by step, on text that is ASCII enough for masks to be used, in every tier.

use merganser_simd::{Classifier, Tier};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::{blocks, cl100k, gpt2, o200k, run};

/// Pieces that ASCII text is made of; a few others, so that blocks end early.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "a",
        "b",
        "Z",
        "AB",
        "word",
        "Word",
        "HTMLParser",
        "'s",
        "'S",
        "'ll",
        "'RE",
        "'v",
        "'",
        "''",
        "'d've",
        "1",
        "12",
        "1234567",
        " ",
        "  ",
        "   ",
        "\n",
        "\r\n",
        "\n\n",
        "\t",
        " \n",
        "\n ",
        "\n  ",
        " \n \n  ",
        "\x0B",
        "\x0C",
        "!",
        "--",
        "/",
        "\n/",
        "!\n",
        "!\n/\n",
        ".\n\n  x",
        "\0",
        "\x1F",
        "_",
        "é",
        "\u{A0}",
        "世",
        "ſ",
        "'ſ",
        "ǅ",
        "\u{301}",
    ]);
    prop::collection::vec(piece, 0..120).prop_map(|pieces| pieces.concat().into_bytes())
}

fn bounds_of(
    text: &[u8],
    starts_of: impl Fn(&[u8; 64]) -> blocks::Starts,
    end_of: impl Fn(usize) -> usize,
) -> Vec<usize> {
    let mut bounds = vec![0];
    let done: Result<(), ()> = run(text, 0..text.len(), starts_of, end_of, |some| {
        assert_eq!(some.first(), bounds.last());
        bounds.extend(&some[1..]);
        Ok(())
    });
    assert_eq!(done, Ok(()));
    bounds
}

fn steps_of(text: &[u8], end_of: impl Fn(usize) -> usize) -> Vec<usize> {
    bounds_of(text, |_| blocks::Starts::NONE, end_of)
}

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: RngSeed::Fixed(0),
        failure_persistence: None,
        cases: 4000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn masks_match_steps(text in text()) {
        let text = &text[..];
        for classifier in Tier::ALL.into_iter().filter_map(Classifier::with_tier) {
            prop_assert_eq!(
                bounds_of(text, |block| blocks::gpt2(classifier, block), |place| gpt2::end(text, place)),
                steps_of(text, |place| gpt2::end(text, place))
            );
            for max_digits in [1, 2, 3] {
                let end = |place| cl100k::end(text, place, max_digits);
                prop_assert_eq!(
                    bounds_of(text, |block| blocks::cl100k(classifier, block, max_digits), end),
                    steps_of(text, end)
                );
            }
            prop_assert_eq!(
                bounds_of(text, |block| blocks::o200k(classifier, block), |place| o200k::end(text, place)),
                steps_of(text, |place| o200k::end(text, place))
            );
        }
    }
}
