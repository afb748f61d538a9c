//! Every tier that this processor has, against masks written with `char` methods and against the
//! scalar tier.

use proptest::{prelude::*, test_runner::RngSeed};

use crate::{BlockMasks, Classifier, Tier};

/// The classes again, told by `char` methods and sharing nothing with the tiers.
fn naive_masks(block: &[u8; 64]) -> BlockMasks {
    let mask = |is_of_class: fn(char) -> bool| {
        (0..64).filter(|&i| is_of_class(char::from(block[i]))).map(|i| 1u64 << i).sum()
    };
    BlockMasks {
        letter: mask(|c| c.is_ascii_alphabetic()),
        digit: mask(|c| c.is_ascii_digit()),
        space: mask(|c| c == ' '),
        newline: mask(|c| "\r\n".contains(c)),
        other_white_space: mask(|c| c.is_ascii() && c.is_whitespace() && !" \r\n".contains(c)),
        apostrophe: mask(|c| c == '\''),
        non_ascii: mask(|c| !c.is_ascii()),
        upper: mask(|c| c.is_ascii_uppercase()),
    }
}

fn classifiers() -> impl Iterator<Item = Classifier> {
    Tier::ALL.into_iter().filter_map(Classifier::with_tier)
}

fn classified(classifier: Classifier, blocks: &[[u8; 64]]) -> Vec<BlockMasks> {
    let mut masks = vec![BlockMasks::default(); blocks.len()];
    classifier.classify_blocks(blocks, &mut masks);
    masks
}

/// `tier` where the processor has it; where not the scalar tier, which equals itself.
fn tier_or_scalar(tier: Tier) -> Classifier {
    Classifier::with_tier(tier).unwrap_or(scalar())
}

fn scalar() -> Classifier {
    Classifier::with_tier(Tier::Scalar).unwrap()
}

fn blocks() -> impl Strategy<Value = Vec<[u8; 64]>> {
    // Half the bytes from the classes and their neighbours, where a wrong bound would show.
    let edge = prop::sample::select(
        b"\0\x01\x08\t\n\x0B\x0C\r\x0E\x1F !&'(/09:@AZ[`az{\x7F\x80\xA0\xC1\xFA\xFF".to_vec(),
    );
    let byte = prop_oneof![edge, any::<u8>()];
    prop::collection::vec(prop::collection::vec(byte, 64), 0..6)
        .prop_map(|blocks| blocks.into_iter().map(|block| block.try_into().unwrap()).collect())
}

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: RngSeed::Fixed(0),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn scalar_matches_naive(blocks in blocks()) {
        let naive: Vec<_> = blocks.iter().map(naive_masks).collect();
        prop_assert_eq!(classified(scalar(), &blocks), naive);
    }

    #[test]
    fn avx2_matches_scalar(blocks in blocks()) {
        let avx2 = tier_or_scalar(Tier::Avx2);
        prop_assert_eq!(classified(avx2, &blocks), classified(scalar(), &blocks));
    }

    #[test]
    fn avx512_matches_scalar(blocks in blocks()) {
        let avx512 = tier_or_scalar(Tier::Avx512);
        prop_assert_eq!(classified(avx512, &blocks), classified(scalar(), &blocks));
    }

    #[test]
    fn neon_matches_scalar(blocks in blocks()) {
        let neon = tier_or_scalar(Tier::Neon);
        prop_assert_eq!(classified(neon, &blocks), classified(scalar(), &blocks));
    }
}

#[test]
fn every_byte_at_every_position_is_classified() {
    for classifier in classifiers() {
        for byte in 0..=u8::MAX {
            for position in 0..64 {
                // Two fillings, so that a bit left out and a bit too many both show.
                for filling in [b'.', b'a'] {
                    let mut block = [filling; 64];
                    block[position] = byte;
                    assert_eq!(
                        classifier.classify(&block),
                        naive_masks(&block),
                        "{:?}: byte {byte:#04x} at {position}",
                        classifier.tier()
                    );
                }
            }
        }
    }
}

#[test]
fn shorter_slice_ends_the_work() {
    for classifier in classifiers() {
        let mut masks = [BlockMasks::default(); 2];
        classifier.classify_blocks(&[[b'a'; 64]], &mut masks);
        assert_eq!(masks.map(|m| m.letter), [u64::MAX, 0]);
        classifier.classify_blocks(&[[b'a'; 64], [b'a'; 64]], &mut masks[..1]);
        assert_eq!(masks.map(|m| m.letter), [u64::MAX, 0]);
    }
}

#[test]
fn best_tier_is_the_last_available() {
    let available: Vec<_> = classifiers().map(Classifier::tier).collect();
    assert_eq!(available[0], Tier::Scalar);
    assert_eq!(available.last(), Some(&Classifier::best().tier()));
}
