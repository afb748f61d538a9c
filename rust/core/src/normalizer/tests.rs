//! What each normalizer makes of a text and where it says it came from, as `tokenizers` and SentencePiece do.

use proptest::prelude::*;

use super::*;
use crate::error::Error;
use crate::pre_tokenizer::Pattern;

/// A character map of these rules: each node of the trie has a block of its own.
fn charsmap(rules: &[(&str, &str)]) -> Vec<u8> {
    const EMPTY: u32 = 1 << 31;
    let mut nodes: Vec<Vec<u8>> = vec![Vec::new()];
    for (key, _) in rules {
        nodes.extend((1..=key.len()).map(|end| key.as_bytes()[..end].to_vec()));
    }
    nodes.sort();
    nodes.dedup();
    let base = |node: &[u8]| (nodes.iter().position(|known| known == node).unwrap() + 1) * 256;
    let mut units = vec![EMPTY; (nodes.len() + 1) * 256];
    let mut texts = String::new();
    for node in &nodes {
        let at = match node.split_last() {
            Some((byte, parent)) => base(parent) ^ usize::from(*byte),
            None => 0,
        };
        let label = u32::from(node.last().copied().unwrap_or_default());
        let mut unit = u32::try_from(at ^ base(node)).unwrap() << 10 | label;
        if let Some((_, text)) = rules.iter().find(|(key, _)| key.as_bytes() == node) {
            unit |= 1 << 8;
            units[base(node)] = EMPTY | u32::try_from(texts.len()).unwrap();
            texts.push_str(text);
            texts.push('\0');
        }
        units[at] = unit;
    }
    let n_bytes = u32::try_from(units.len() * 4).unwrap();
    let units = units.iter().flat_map(|unit| unit.to_le_bytes());
    n_bytes.to_le_bytes().into_iter().chain(units).chain(texts.into_bytes()).collect()
}

fn sentencepiece(rules: &[(&str, &str)], flags: [bool; 4]) -> SentencePiece {
    let [prefix, remove, escape, suffix] = flags;
    SentencePiece {
        name: String::new(),
        charsmap: if rules.is_empty() { Vec::new() } else { charsmap(rules) },
        add_dummy_prefix: prefix,
        remove_extra_whitespaces: remove,
        escape_whitespaces: escape,
        treat_whitespace_as_suffix: suffix,
        user_defined: vec!["<s>".to_owned(), "<s>x".to_owned()],
    }
}

fn run<'t>(normalizer: &Normalizer, text: &'t str) -> Result<Traced<'t>> {
    let normalization = Normalization::new(Some(normalizer))?;
    let mut traced = Traced::raw(text, 0, &Progress::default()).unwrap();
    normalization.normalize(&mut traced, &Progress::default())?;
    Ok(traced)
}

#[track_caller]
fn check(normalizer: &Normalizer, text: &str, expected: &str, spans: &[(usize, usize)]) {
    let traced = run(normalizer, text).unwrap();
    let chars = traced.text().char_indices();
    let found: Vec<_> = chars.filter_map(|(at, c)| traced.span(at..at + c.len_utf8())).collect();
    assert_eq!((traced.text(), found.as_slice()), (expected, spans));
}

fn replace(pattern: Pattern, content: &str) -> Normalizer {
    Normalizer::Replace { pattern, content: content.to_owned() }
}

#[test]
fn single_characters_are_rewritten_in_place() {
    check(&Normalizer::Lowercase, "AİΣ", "ai\u{307}σ", &[(0, 1), (1, 3), (1, 3), (3, 5)]);
    check(&Normalizer::StripAccents, "e\u{301}\u{903}x", "ex", &[(0, 1), (6, 7)]);
    check(&Normalizer::Nmt, "\x01a\u{200B}", "a ", &[(1, 2), (2, 5)]);
    check(&Normalizer::ByteLevel, "é ", "Ã©Ġ", &[(0, 2), (0, 2), (2, 3)]);
}

#[test]
fn ends_are_stripped_and_prepended() {
    let strip = |left, right| Normalizer::Strip { left, right };
    check(&strip(true, true), "\u{3000} a \n", "a", &[(4, 5)]);
    check(&strip(false, true), " a ", " a", &[(0, 1), (1, 2)]);
    check(&strip(true, true), " \n", "", &[]);
    check(&Normalizer::Prepend("▁x".to_owned()), "é", "▁xé", &[(0, 2), (0, 2), (0, 2)]);
    check(&Normalizer::Prepend("▁".to_owned()), "", "", &[]);
}

#[test]
fn replacement_has_the_span_of_the_last_character_replaced() {
    let spaces = replace(Pattern::Regex(" {2,}".to_owned()), "-+");
    check(&spaces, "a  b", "a-+b", &[(0, 1), (2, 3), (2, 3), (3, 4)]);
    let empty = replace(Pattern::Literal(String::new()), "-");
    check(&empty, "ab", "-a-b-", &[(0, 0), (0, 1), (0, 1), (1, 2), (1, 2)]);
    check(&empty, "", "", &[]);
}

#[test]
fn bert_cleans_spaces_strips_and_lowers_in_this_order() {
    let bert = |strip_accents, lowercase| {
        Normalizer::Bert(BertNormalizer {
            clean_text: true,
            handle_chinese_chars: true,
            strip_accents,
            lowercase,
        })
    };
    check(&bert(None, true), "É\t中\u{200B}", "e  中 ", &[(0, 2), (2, 3), (3, 6), (3, 6), (3, 6)]);
    check(&bert(None, false), "É", "É", &[(0, 2)]);
    check(&bert(Some(true), false), "É", "E", &[(0, 2)]);
    check(&bert(None, true), "A\r\nb", "a  b", &[(0, 1), (1, 2), (2, 3), (3, 4)]);
}

#[test]
fn precompiled_takes_graphemes_then_characters_by_the_shortest_key() {
    let map = charsmap(&[("e\u{301}", "é"), ("a", "A"), ("ab", "X"), ("™", "TM"), ("\x1E", "")]);
    let map = Normalizer::Precompiled(map);
    check(&map, "xe\u{301}y", "xéy", &[(0, 1), (1, 2), (4, 5)]);
    check(&map, "ab", "Ab", &[(0, 1), (1, 2)]);
    check(&map, "a\u{301}", "A", &[(0, 1)]);
    // The M is said to stand for what was left out after it.
    check(&map, "™\x1Eg", "TMg", &[(0, 3), (3, 4), (4, 5)]);
    // What is left out at the beginning moves all that follows.
    check(&map, "\x1Egh", "gh", &[(0, 1), (1, 2)]);
}

#[test]
fn sentencepiece_takes_the_longest_key_and_treats_spaces() {
    let rules = [("a", "A"), ("ab", "X"), ("\t", " "), ("é", "e ")];
    let spec = |flags| Normalizer::SentencePiece(sentencepiece(&rules, flags));
    let all = spec([true, true, true, false]);
    check(&all, " \tab  a ", "▁X▁A", &[(2, 2), (2, 4), (4, 6), (6, 7)]);
    check(
        &all,
        "<s>xa<s>",
        "▁<s>xA<s>",
        &[(0, 0), (0, 0), (0, 0), (0, 0), (0, 4), (4, 5), (5, 5), (5, 5), (5, 8)],
    );
    check(&all, " \t ", "", &[]);
    check(&spec([false, false, false, false]), " a", " A", &[(0, 1), (1, 2)]);
    check(&spec([true, false, true, true]), "é", "e▁▁", &[(0, 0), (0, 2), (2, 2)]);
}

#[test]
fn sentencepiece_writes_u_fffd_for_the_rest_of_a_character() {
    let mut map = charsmap(&[("\u{7F}", "z")]);
    // The key becomes the byte C3, which begins an é.
    let block = 4 + 4 * 256;
    map.copy_within(block + 4 * 0x7F..block + 4 * 0x80, block + 4 * 0xC3);
    let unit = (0xC3_u32 ^ 256 ^ 512) << 10 | 1 << 8 | 0xC3;
    map[block + 4 * 0xC3..block + 4 * 0xC4].copy_from_slice(&unit.to_le_bytes());
    let spec = SentencePiece { charsmap: map, ..sentencepiece(&[], [false; 4]) };
    check(&Normalizer::SentencePiece(spec), "é", "z\u{FFFD}", &[(0, 0), (0, 2)]);
}

#[test]
fn growth_beyond_the_limit_is_an_error() {
    let double = replace(Pattern::Literal("a".to_owned()), "aa");
    let text = "a".repeat(1 << 16);
    assert_eq!(run(&double, &text).unwrap().text().len(), 1 << 17);
    for hostile in [
        Normalizer::Sequence(vec![double; 40]),
        replace(Pattern::Regex("a".to_owned()), &"b".repeat(1 << 20)),
        Normalizer::Sequence(vec![Normalizer::Prepend("b".repeat(1 << 20)); 10]),
        Normalizer::Precompiled(charsmap(&[("a", &"b".repeat(1 << 20))])),
        Normalizer::SentencePiece(sentencepiece(&[("a", &"b".repeat(1 << 20))], [true; 4])),
    ] {
        let error = run(&hostile, &text).unwrap_err();
        assert!(matches!(error, Error::GrowthLimit { n_bytes: 65_536, .. }), "{error}");
    }
}

#[test]
fn damaged_charsmaps_are_refused() {
    let good = charsmap(&[("a", "b")]);
    let mut endless = good.clone();
    // The node of the first byte leads to itself by every byte `a`.
    endless[4 + 4 * (256 + 97)..4 + 4 * (256 + 98)].copy_from_slice(&(0x1_8461_u32).to_le_bytes());
    let mut outside = good.clone();
    outside[4..8].copy_from_slice(&(1_u32 << 30).to_le_bytes());
    let mut no_end = good.clone();
    no_end.pop();
    let cut = good[..good.len() - 300].to_vec();
    let cases = [
        (Vec::new(), "four bytes"),
        (vec![0; 5], "multiple of 1024"),
        (cut, "multiple of 1024"),
        (no_end, "end with a NUL"),
        (outside, "unit 0"),
        (endless, "no more than 256"),
    ];
    for (map, expected) in cases {
        let error = Normalization::new(Some(&Normalizer::Precompiled(map))).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert!(Normalization::new(Some(&Normalizer::Precompiled(good))).is_ok());
}

fn any_normalizer() -> impl Strategy<Value = Normalizer> {
    let rules =
        [("e\u{301}", "é"), ("a", "bb"), ("a\u{301}", ""), ("\t", " "), ("é", "e "), (" ", "")];
    let precompiled = Normalizer::Precompiled(charsmap(&rules));
    let single = prop_oneof![
        prop::sample::select(vec![
            Normalizer::Nfc,
            Normalizer::Nfd,
            Normalizer::Nfkc,
            Normalizer::Nfkd,
            Normalizer::Lowercase,
            Normalizer::StripAccents,
            Normalizer::Nmt,
            Normalizer::ByteLevel,
            Normalizer::Prepend("▁".to_owned()),
            precompiled,
            replace(Pattern::Literal(" ".to_owned()), "▁"),
            replace(Pattern::Regex("a|".to_owned()), "xy"),
        ]),
        any::<(bool, bool)>().prop_map(|(left, right)| Normalizer::Strip { left, right }),
        any::<(bool, bool, Option<bool>, bool)>().prop_map(|(clean, chinese, strip, lower)| {
            Normalizer::Bert(BertNormalizer {
                clean_text: clean,
                handle_chinese_chars: chinese,
                strip_accents: strip,
                lowercase: lower,
            })
        }),
        any::<[bool; 4]>()
            .prop_map(move |flags| Normalizer::SentencePiece(sentencepiece(&rules, flags))),
    ];
    prop::collection::vec(single, 1..4).prop_map(Normalizer::Sequence)
}

proptest! {
    #[test]
    fn traced_text_is_the_untraced_and_spans_are_in_range(
        normalizer in any_normalizer(),
        text in "([aeÉéİ <s>x\t\r\n\x01中\u{300}-\u{303}\u{200D}▁]|\\PC){0,12}",
    ) {
        let normalization = Normalization::new(Some(&normalizer)).unwrap();
        let mut untraced = Traced::untraced(&text);
        normalization.normalize(&mut untraced, &Progress::default()).unwrap();
        let traced = run(&normalizer, &text).unwrap();
        prop_assert_eq!(traced.text(), untraced.text());
        for (at, c) in traced.text().char_indices() {
            let (start, end) = traced.span(at..at + c.len_utf8()).unwrap();
            prop_assert!(start <= end && text.get(start..end).is_some(), "{c:?} {start} {end}");
        }
    }

    #[test]
    fn no_charsmap_does_harm(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        text in "[abé\u{301} \0]{0,40}",
    ) {
        let mut map = charsmap(&[("a", "b"), ("ab", "é"), ("e\u{301}", "")]);
        for (at, byte) in damage {
            let at = at.index(map.len());
            map[at] = byte;
        }
        let spec = SentencePiece { charsmap: map.clone(), ..sentencepiece(&[], [true; 4]) };
        for normalizer in [Normalizer::Precompiled(map), Normalizer::SentencePiece(spec)] {
            // Refused, or a text of bounded length.
            if let Ok(traced) = run(&normalizer, &text) {
                prop_assert!(traced.text().len() <= 64 * text.len() + (1 << 20));
            }
        }
    }
}
