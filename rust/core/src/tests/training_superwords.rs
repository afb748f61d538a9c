//! The second phase of BPE, by runs, against a recount of whole lines before each merge.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::naive;
use super::strategies::{config, pre_tokenizer};
use super::training_bpe::{Naive, Words, join, spelled};
use crate::Error;
use crate::definition::{BpeDefinition, Model};
use crate::progress::Progress;
use crate::train::bpe::{Bounds, BpeOptions, SuperwordOptions, Superwords, train};
use crate::train::{Stages, Trained, WordCounter};

/// Texts of few words, so that runs repeat.
fn texts() -> impl Strategy<Value = Vec<String>> {
    let words =
        ["a", "b", "ab", " a", " b", " ab", " ", ": ", ",", "\n", "\n\n  ", "12", "3", "é", " aa"];
    let text = prop::collection::vec(prop::sample::select(words.to_vec()), 0..40);
    let text = (text, 1..3_usize).prop_map(|(words, n)| words.concat().repeat(n));
    prop::collection::vec(text, 0..5)
}

fn options(vocab_sizes: &[usize]) -> SuperwordOptions {
    SuperwordOptions {
        vocab_sizes: vocab_sizes.to_vec(),
        pre_tokenizer: Some(pre_tokenizer("lines", false)),
        max_words: Some(4),
        stops: vec![b": ".to_vec()],
        min_frequency: 0,
        bounds: Bounds::default(),
        forbidden_tokens: Vec::new(),
        allow_smaller: true,
    }
}

fn first_phase(texts: &[&str], start: usize) -> Trained {
    let stages = Stages { normalizer: None, pre_tokenizer: Some(pre_tokenizer("cl100k", false)) };
    let mut counter = WordCounter::new(stages.pipeline(&[]).unwrap(), Some(1), None);
    counter.count(texts, &Progress::default()).unwrap();
    let counts = counter.finish(0, &Progress::default()).unwrap().counts;
    let options = BpeOptions { allow_smaller: true, ..BpeOptions::new(start, stages) };
    train(&counts, &options, &Progress::default()).unwrap()
}

fn size_of(texts: &[&str]) -> (usize, u64) {
    (texts.len(), texts.concat().len() as u64)
}

/// What the second phase gives, and how often it read the texts.
fn second_phase(
    texts: &[&str],
    first: &Trained,
    options: SuperwordOptions,
    n_threads: usize,
) -> crate::Result<(Vec<Trained>, usize)> {
    let mut phase = Superwords::new(first, size_of(texts), options, Some(n_threads))?;
    let mut n_passes = 0;
    loop {
        phase.counter().count(texts, &Progress::default())?;
        n_passes += 1;
        if let Some(trained) = phase.end_pass(&Progress::default())? {
            return Ok((trained, n_passes));
        }
    }
}

fn model(trained: &Trained) -> &BpeDefinition {
    let Model::Bpe(bpe) = &trained.definition.model else { panic!() };
    bpe
}

fn words(texts: &[&str], pattern: &str) -> Words {
    let mut words = BTreeMap::new();
    for word in texts.iter().flat_map(|text| naive::pre_tokenize(&naive::pattern(pattern), text)) {
        *words.entry(word.to_owned()).or_default() += 1;
    }
    words
}

proptest! {
    #![proptest_config(config(4))]

    #[test]
    fn superwords_match_naive_on_whole_lines(
        texts in texts(),
        n_old in 0..12_usize,
        more in 1..40_usize,
        least in 0..4_u64,
        max_words in prop::option::of(1..4_usize),
        has_stop in any::<bool>(),
        max_length in prop::option::of(2..9_usize),
        n_threads in 1..4_usize,
    ) {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let first = first_phase(&texts, 256 + n_old);
        let mut slow = Naive::of_bytes(&words(&texts, "cl100k"));
        slow.run(256 + n_old, 0, &|_, _, _| true);
        let old = slow.texts.clone();
        slow.parts = Naive::of_bytes(&words(&texts, "lines")).parts;
        for (rank, &pair) in slow.merges.clone().iter().enumerate() {
            for (part, _) in &mut slow.parts {
                join(part, pair, u32::try_from(256 + rank).unwrap());
            }
        }
        slow.run(old.len() + more, least, &|text, _, _| {
            let n_words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count();
            let holds_stop = text.windows(2).any(|part| part == b": ");
            !old.iter().any(|token| token == text)
                && max_words.is_none_or(|max| n_words <= max)
                && !(has_stop && holds_stop)
                && max_length.is_none_or(|max| text.len() <= max)
        });
        let largest = old.len() + more;
        let options = SuperwordOptions {
            max_words,
            stops: if has_stop { vec![b": ".to_vec()] } else { Vec::new() },
            min_frequency: least,
            bounds: Bounds { max_length, ..Bounds::default() },
            ..options(&[largest, old.len() + 1])
        };
        let (trained, _) = second_phase(&texts, &first, options.clone(), n_threads).unwrap();
        prop_assert_eq!(&model(&trained[0]).merges, &slow.merges);
        prop_assert_eq!(&model(&trained[0]).vocab, &spelled(&slow.texts));
        let n_few = (old.len() + 1).min(slow.texts.len());
        prop_assert_eq!(&model(&trained[1]).vocab, &spelled(&slow.texts[..n_few]));
        let again = second_phase(&texts, &first, options, 5 - n_threads).unwrap().0;
        prop_assert_eq!(again, trained);
    }
}

#[test]
fn a_floor_that_is_too_high_is_lowered() {
    // Six borders are frequent, but only two of them may be joined: the third merge is of a rare one.
    let text = ["x y\n".repeat(100), "p q\n".repeat(100), "r s\n".repeat(3)].concat();
    let first = first_phase(&[&text], 256);
    let of = |size| SuperwordOptions { stops: vec![b" ".to_vec()], ..options(&[size]) };
    let (trained, n_passes) = second_phase(&[&text], &first, of(259), 1).unwrap();
    let (few, n_few) = second_phase(&[&text], &first, of(257), 1).unwrap();
    assert!(n_few == 2 && n_passes > 2, "{n_few} {n_passes}");
    assert_eq!(model(&trained[0]).vocab.len(), 259);
    assert_eq!(model(&trained[0]).merges[..1], model(&few[0]).merges);
    let least = trained[0].report.superwords.as_ref().map(|report| report.least);
    assert!(least.is_some_and(|least| least <= 3), "{least:?}");
}

#[test]
fn superwords_refuse_other_text_and_sizes_below_their_start() {
    let texts = ["a b a b"];
    let first = first_phase(&texts, 258);
    let new = |options| Superwords::new(&first, size_of(&texts), options, Some(1));
    let start = model(&first).vocab.len();
    let refused = |phase: crate::Result<Superwords>| match phase {
        Err(Error::Config(message)) => message,
        other => panic!("{other:?}"),
    };
    assert!(
        refused(new(options(&[start]))).contains("above the 258 tokens that superwords start from")
    );
    let on_text = SuperwordOptions { pre_tokenizer: None, ..options(&[300]) };
    assert!(refused(new(on_text)).contains("byte-level BPE"));
    let is_refused = |phase: &mut Superwords, texts: &[&str]| {
        phase.counter().count(texts, &Progress::default()).unwrap();
        let ended = phase.end_pass(&Progress::default());
        matches!(ended, Err(Error::Config(message)) if message.contains("the same each time"))
    };
    for changed in [&["a b a"][..], &["a b", " a b"], &[]] {
        assert!(is_refused(&mut new(options(&[300])).unwrap(), changed), "of the first phase");
        let mut phase = new(options(&[300])).unwrap();
        phase.counter().count(&texts, &Progress::default()).unwrap();
        assert_eq!(phase.end_pass(&Progress::default()), Ok(None));
        assert!(is_refused(&mut phase, changed), "of the pass before");
    }
}
