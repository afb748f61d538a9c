//! Pre-tokenizers against a twin that works character by character, each with its span, and against the reference library's
//! answers; the fast forms against the generic one.

use std::ops::Range;

use proptest::prelude::*;

use super::naive;
use super::properties::BEHAVIORS;
use super::strategies::{byte_level, config, text};
use crate::Error;
use crate::compiled::words::WordScheme;
use crate::definition::{Definition, Model, WordLevelDefinition};
use crate::pipeline::Pipeline;
use crate::pre_tokenizer::{
    GenericPreTokenizer, Metaspace, Pattern, PreTokenizer, PrependScheme, Split, SplitBehavior,
};
use crate::progress::Progress;
use crate::traced::{Span, Traced};

/// A pre-token: its characters with the span of each.
type Piece = Vec<(char, Span)>;

fn text_of(piece: &Piece) -> String {
    piece.iter().map(|&(c, _)| c).collect()
}

/// The parts of a piece that are these bytes of its text.
fn cut(piece: &Piece, ranges: &[Range<usize>]) -> Vec<Piece> {
    let mut place = 0;
    let mut placed = Vec::new();
    for &(c, span) in piece {
        placed.push((place, (c, span)));
        place += c.len_utf8();
    }
    let part = |range: &Range<usize>| {
        placed.iter().filter(|(place, _)| range.contains(place)).map(|(_, c)| *c).collect()
    };
    ranges.iter().map(part).collect()
}

fn split(piece: &Piece, regex: &str, behavior: &str, invert: bool) -> Vec<Piece> {
    let text = text_of(piece);
    let matches = naive::matches(&text, regex, true);
    cut(piece, &naive::split(&text, &matches, behavior, invert))
}

const PUNCTUATION: &str = r"[\p{P}&&\p{age:8.0}]|[$+<=>^`|~\x{166D}\x{111C9}]";
const NUMERIC: &str = r"\p{N}|[\x{11DE0}-\x{11DE9}\x{16FF4}-\x{16FF6}]";

fn name_of(behavior: SplitBehavior) -> &'static str {
    BEHAVIORS.iter().find(|(known, _)| *known == behavior).unwrap().1
}

fn spelled(piece: &Piece, options: (bool, bool)) -> Vec<Piece> {
    let (adds_space, uses_pattern) = options;
    let mut piece = piece.clone();
    if adds_space && piece[0].0 != ' ' {
        piece.insert(0, (' ', piece[0].1));
    }
    let gpt2 = naive::pattern("gpt2");
    let pieces = if uses_pattern { split(&piece, &gpt2, "isolated", false) } else { vec![piece] };
    let spell = |&(c, span): &(char, Span)| {
        c.to_string().bytes().map(|byte| (naive::spelling(byte), span)).collect::<Vec<_>>()
    };
    pieces.iter().map(|piece| piece.iter().flat_map(spell).collect()).collect()
}

fn marked(piece: &Piece, metaspace: Metaspace) -> Vec<Piece> {
    let Metaspace { replacement, prepend_scheme, split } = metaspace;
    let mut piece = piece.clone();
    for (c, _) in &mut piece {
        if *c == ' ' {
            *c = replacement;
        }
    }
    let may_prepend = match prepend_scheme {
        PrependScheme::First => piece[0].1.0 == 0,
        PrependScheme::Never => false,
        PrependScheme::Always => true,
    };
    if may_prepend && piece[0].0 != replacement {
        piece.insert(0, (replacement, piece[0].1));
    }
    let mut pieces: Vec<Piece> = Vec::new();
    for c in piece {
        if pieces.is_empty() || split && c.0 == replacement {
            pieces.push(Vec::new());
        }
        pieces.last_mut().unwrap().push(c);
    }
    pieces
}

/// One pre-tokenizer on one piece.
fn slow(pre_tokenizer: &PreTokenizer, piece: &Piece) -> Vec<Piece> {
    match pre_tokenizer {
        PreTokenizer::ByteLevel(options) => {
            spelled(piece, (options.add_prefix_space, options.use_regex))
        }
        PreTokenizer::Split(Split { pattern: Pattern::Regex(regex), behavior, invert }) => {
            split(piece, regex, name_of(*behavior), *invert)
        }
        PreTokenizer::Split(Split { pattern: Pattern::Literal(_), .. }) => panic!("not drawn"),
        PreTokenizer::Metaspace(metaspace) => marked(piece, *metaspace),
        PreTokenizer::Bert => split(piece, r"\s", "removed", false)
            .iter()
            .flat_map(|piece| split(piece, PUNCTUATION, "isolated", false))
            .collect(),
        PreTokenizer::Whitespace => split(piece, r"\w+|[^\w\s]+", "removed", true),
        PreTokenizer::WhitespaceSplit => split(piece, r"\s", "removed", false),
        PreTokenizer::Punctuation(behavior) => split(piece, PUNCTUATION, name_of(*behavior), false),
        PreTokenizer::Digits { individual_digits: true } => {
            split(piece, NUMERIC, "isolated", false)
        }
        PreTokenizer::Digits { individual_digits: false } => {
            split(piece, NUMERIC, "contiguous", false)
        }
        PreTokenizer::CharDelimiterSplit(c) => {
            split(piece, &format!(r"\x{{{:X}}}", u32::from(*c)), "removed", false)
        }
        PreTokenizer::UnicodeScripts => by_script(piece),
        PreTokenizer::FixedLength(length) => piece.chunks(*length).map(<[_]>::to_vec).collect(),
        PreTokenizer::Sequence(stages) => {
            let mut pieces = vec![piece.clone()];
            for stage in stages {
                pieces = pieces.iter().flat_map(|piece| slow(stage, piece)).collect();
            }
            pieces
        }
    }
}

/// The scripts of the characters that [`text`] and these tests are made of.
const SCRIPTS: &[&str] = &[
    r"[\p{Han}\p{Hiragana}\p{Katakana}ー]",
    r"[[\p{Common}&&\p{age:9.0}]--[ ー]]",
    r"[\p{Inherited}&&\p{age:9.0}]",
    r"[\p{Latin}&&\p{age:9.0}]",
    r"[\p{Cyrillic}&&\p{age:9.0}]",
    r"[\p{Arabic}&&\p{age:9.0}]",
    r"\p{Hangul}",
    r"\p{Deseret}",
    r"\p{Devanagari}",
    r"\p{Ogham}",
];

fn by_script(piece: &Piece) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut last = None;
    for &(c, span) in piece {
        let is_of = |script: &&str| !naive::matches(&c.to_string(), script, true).is_empty();
        let script = SCRIPTS.iter().position(is_of);
        if script.is_some() && script != last {
            pieces.push(Vec::new());
            last = script;
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push((c, span));
        }
    }
    pieces
}

/// Texts, each with the spans they go back to when they stand at `base`.
fn raw(text: &str, base: usize) -> Piece {
    let span = |at: usize, c: char| (base + at, base + at + c.len_utf8());
    text.char_indices().map(|(at, c)| (c, span(at, c))).collect()
}

fn metaspace() -> impl Strategy<Value = Metaspace> + Clone {
    let schemes = [PrependScheme::First, PrependScheme::Never, PrependScheme::Always];
    let replacements = ['▁', '_', 'a', ' ', '\u{3000}', '中'];
    (
        prop::sample::select(replacements.to_vec()),
        prop::sample::select(schemes.to_vec()),
        any::<bool>(),
    )
        .prop_map(|(replacement, prepend_scheme, split)| Metaspace {
            replacement,
            prepend_scheme,
            split,
        })
}

fn stage() -> impl Strategy<Value = PreTokenizer> {
    let behavior = prop::sample::select(&BEHAVIORS).prop_map(|(behavior, _)| behavior);
    let regexes = [r"\s+", r"\p{L}+", r"a|▁", r"\p{N}{1,3}", r"Ġ", "."];
    let split = (prop::sample::select(regexes.to_vec()), behavior.clone(), any::<bool>()).prop_map(
        |(regex, behavior, invert)| {
            PreTokenizer::Split(Split {
                pattern: Pattern::Regex(regex.to_owned()),
                behavior,
                invert,
            })
        },
    );
    prop_oneof![
        3 => metaspace().prop_map(PreTokenizer::Metaspace),
        2 => any::<(bool, bool)>().prop_map(|(space, regex)| byte_level(space, regex)),
        2 => split,
        1 => behavior.prop_map(PreTokenizer::Punctuation),
        1 => any::<bool>().prop_map(|individual_digits| PreTokenizer::Digits { individual_digits }),
        1 => prop::sample::select(&['a', ' ', '▁', '中']).prop_map(PreTokenizer::CharDelimiterSplit),
        1 => (1..6_usize).prop_map(PreTokenizer::FixedLength),
        1 => Just(PreTokenizer::Bert),
        1 => Just(PreTokenizer::Whitespace),
        1 => Just(PreTokenizer::WhitespaceSplit),
    ]
}

fn sequence() -> impl Strategy<Value = PreTokenizer> {
    prop::collection::vec(stage(), 1..4).prop_map(PreTokenizer::Sequence)
}

/// Pre-tokens and their spans.
fn generic(pre_tokenizer: &PreTokenizer, text: &str, base: usize) -> Vec<(String, Span)> {
    let generic = GenericPreTokenizer::new(Some(pre_tokenizer), true).unwrap();
    let progress = Progress::default();
    let found =
        generic.pre_tokenize(Traced::raw(text, base, &progress).unwrap(), base, &progress).unwrap();
    let untraced = generic.pre_tokenize(Traced::untraced(text), base, &progress).unwrap();
    assert_eq!((found.text.text(), &found.ranges), (untraced.text.text(), &untraced.ranges));
    let piece = |range: Range<usize>| {
        (found.text.text().get(range.clone()).unwrap().to_owned(), found.text.span(range).unwrap())
    };
    found.ranges.iter().cloned().map(piece).collect()
}

fn expected(pre_tokenizer: &PreTokenizer, text: &str, base: usize) -> Vec<(String, Span)> {
    let whole = raw(text, base);
    let pieces = if text.is_empty() { Vec::new() } else { slow(pre_tokenizer, &whole) };
    let span = |piece: &Piece| (piece[0].1.0, piece[piece.len() - 1].1.1);
    pieces.iter().map(|piece| (text_of(piece), span(piece))).collect()
}

proptest! {
    #![proptest_config(config(1))]

    #[test]
    fn pre_tokenizers_match_naive(stages in sequence(), text in text(12), base in 0..2_usize) {
        prop_assert_eq!(generic(&stages, &text, base), expected(&stages, &text, base));
    }

    #[test]
    fn scripts_match_naive(text in "[ a-cé!1あアー漢한жب\u{301}\u{303}\u{640}अ𐐀\u{1680}]{0,12}") {
        let scripts = PreTokenizer::UnicodeScripts;
        prop_assert_eq!(generic(&scripts, &text, 0), expected(&scripts, &text, 0));
    }
}

/// The pre-tokenizers that have a fast form.
fn fast() -> impl Strategy<Value = PreTokenizer> {
    let metaspace = metaspace()
        .prop_map(|metaspace| PreTokenizer::Metaspace(Metaspace { split: true, ..metaspace }));
    let split = metaspace.clone().prop_map(|metaspace| {
        PreTokenizer::Sequence(vec![PreTokenizer::WhitespaceSplit, metaspace])
    });
    prop_oneof![
        metaspace,
        split,
        Just(PreTokenizer::Bert),
        Just(PreTokenizer::Whitespace),
        Just(PreTokenizer::Sequence(vec![PreTokenizer::WhitespaceSplit])),
    ]
}

/// The pre-tokens of a stretch of a part, each with its mark.
fn words(scheme: WordScheme, text: &str, base: usize, stretch: Range<usize>) -> Vec<String> {
    let mut words = Vec::new();
    let done = scheme.for_each(&Traced::untraced(text), base, stretch, |word| {
        let mark = word.mark.map(|(c, _)| String::from(c)).unwrap_or_default();
        words.push(mark + text.get(word.range).unwrap());
        Ok(())
    });
    done.unwrap();
    words
}

/// A pipeline before a model that works on text.
fn pipeline(pre_tokenizer: &PreTokenizer, may_compile: bool) -> Pipeline {
    let vocab = vec![("a".to_owned(), 0)];
    let model = Model::WordLevel(WordLevelDefinition { vocab, unk_token: "a".to_owned() });
    let definition = Definition {
        normalizer: None,
        pre_tokenizer: Some(pre_tokenizer.clone()),
        model,
        post_processor: None,
        decoder: None,
        added_tokens: Vec::new(),
        truncation: None,
        padding: None,
        training: None,
    };
    Pipeline::new(&definition, may_compile).unwrap()
}

/// What a pipeline hands out, until pre-token number `fails_at`; and the place of the error then made.
fn handed_out(pipeline: &Pipeline, text: &str, fails_at: usize) -> (Vec<String>, Option<usize>) {
    let mut pieces = Vec::new();
    let part = Traced::untraced(text);
    let progress = Progress::default();
    let done = pipeline.for_each_batch(&part, 0, 0..text.len(), &progress, |text, bounds| {
        for bound in bounds.windows(2) {
            if pieces.len() == fails_at {
                return Err(Error::Unencodable { byte_offset: bound[0] });
            }
            pieces.push(text.get(bound[0]..bound[1]).unwrap().to_owned());
        }
        Ok(())
    });
    let place = done.err().map(|error| match error {
        Error::Unencodable { byte_offset } => byte_offset,
        error => panic!("{error}"),
    });
    (pieces, place)
}

proptest! {
    #![proptest_config(config(1))]

    #[test]
    fn word_schemes_match_generic(pre_tokenizer in fast(), text in text(30), base in 0..2_usize) {
        let scheme = WordScheme::recognise(Some(&pre_tokenizer)).unwrap();
        let slow: Vec<String> =
            generic(&pre_tokenizer, &text, base).into_iter().map(|(piece, _)| piece).collect();
        prop_assert_eq!(&words(scheme, &text, base, 0..text.len()), &slow);
        for from in 1..text.len() {
            let cut = scheme.safe_cut(&text, from);
            prop_assert!(cut >= from && text.is_char_boundary(cut));
            let mut both = words(scheme, &text, base, 0..cut);
            if cut < text.len() {
                both.extend(words(scheme, &text, base, cut..text.len()));
            }
            prop_assert_eq!(&both, &slow, "{}", cut);
        }
    }

    #[test]
    fn batches_hold_what_the_generic_form_gives(
        pre_tokenizer in prop_oneof![fast(), sequence()],
        text in text(90),
        fails_at in 0..200_usize,
    ) {
        let slow = generic(&pre_tokenizer, &text, 0);
        let pieces: Vec<String> = slow.iter().map(|(piece, _)| piece.clone()).collect();
        for may_compile in [true, false] {
            let pipeline = pipeline(&pre_tokenizer, may_compile);
            prop_assert_eq!(&handed_out(&pipeline, &text, usize::MAX), &(pieces.clone(), None));
            let (_, place) = handed_out(&pipeline, &text, fails_at);
            if pipeline.keeps_places() {
                prop_assert_eq!(place, slow.get(fails_at).map(|(_, span)| span.0));
            }
        }
    }
}

/// Pre-tokens and their spans.
type Pieces<'a> = &'a [(&'a str, Span)];

/// What `tokenizers` 0.23.3 gives.
#[test]
fn pre_tokens_match_the_reference() {
    let metaspace = |replacement, prepend_scheme, split| {
        PreTokenizer::Metaspace(Metaspace { replacement, prepend_scheme, split })
    };
    let first = |replacement| metaspace(replacement, PrependScheme::First, true);
    let isolated = |text: &str| {
        let (pattern, behavior) = (Pattern::Literal(text.to_owned()), SplitBehavior::Isolated);
        PreTokenizer::Split(Split { pattern, behavior, invert: false })
    };
    let digits = |individual_digits| PreTokenizer::Digits { individual_digits };
    let sequence = |stages: &[PreTokenizer]| PreTokenizer::Sequence(stages.to_vec());
    let twice = sequence(&[byte_level(true, true), byte_level(true, true)]);
    let around = sequence(&[byte_level(true, false), isolated("-"), byte_level(true, true)]);
    let always = metaspace('▁', PrependScheme::Always, true);
    let cases: &[(PreTokenizer, &str, Pieces<'_>)] = &[
        (
            twice,
            "é-b c",
            &[("ĠÄłÃĥ", (0, 2)), ("Â©", (0, 2)), ("Ġ-", (2, 3)), ("Ġb", (3, 4)), ("ĠÄłc", (4, 6))],
        ),
        (around, "é-b", &[("ĠÄłÃĥ", (0, 2)), ("Â©", (0, 2)), ("Ġ-", (2, 3)), ("Ġb", (3, 4))]),
        (first('▁'), "Hé  y ", &[("▁Hé", (0, 3)), ("▁", (3, 4)), ("▁y", (4, 6)), ("▁", (6, 7))]),
        (
            sequence(&[isolated("-"), first('▁')]),
            "a-b c",
            &[("▁a", (0, 1)), ("-", (1, 2)), ("b", (2, 3)), ("▁c", (3, 5))],
        ),
        (
            sequence(&[first('▁'), isolated("▁"), first('_')]),
            "ab c",
            &[("_▁", (0, 1)), ("_ab", (0, 2)), ("▁", (2, 3)), ("c", (3, 4))],
        ),
        (metaspace('▁', PrependScheme::Always, false), "ab  c", &[("▁ab▁▁c", (0, 5))]),
        (
            sequence(&[PreTokenizer::WhitespaceSplit, always]),
            " a▁b  ▁▁c",
            &[("▁a", (1, 2)), ("▁b", (2, 6)), ("▁", (8, 11)), ("▁c", (11, 15))],
        ),
        (
            PreTokenizer::UnicodeScripts,
            "  aあアー漢 字!é\u{301}б",
            &[
                ("a", (2, 3)),
                ("あアー漢 字", (3, 19)),
                ("!", (19, 20)),
                ("é", (20, 22)),
                ("\u{301}", (22, 24)),
                ("б", (24, 26)),
            ],
        ),
        (
            PreTokenizer::Bert,
            "Hé, y$z §\u{3000}“q”",
            &[
                ("Hé", (0, 3)),
                (",", (3, 4)),
                ("y", (5, 6)),
                ("$", (6, 7)),
                ("z", (7, 8)),
                ("§", (9, 11)),
                ("“", (14, 17)),
                ("q", (17, 18)),
                ("”", (18, 21)),
            ],
        ),
        (
            digits(false),
            "a12²b\u{11DE3}",
            &[("a", (0, 1)), ("12²", (1, 5)), ("b", (5, 6)), ("\u{11DE3}", (6, 10))],
        ),
        (digits(true), "a12", &[("a", (0, 1)), ("1", (1, 2)), ("2", (2, 3))]),
        (PreTokenizer::CharDelimiterSplit('é'), "éaébé", &[("a", (2, 3)), ("b", (5, 6))]),
        (PreTokenizer::FixedLength(2), "aébcd", &[("aé", (0, 3)), ("bc", (3, 5)), ("d", (5, 6))]),
    ];
    for (pre_tokenizer, text, pieces) in cases {
        let found = generic(pre_tokenizer, text, 0);
        let found: Vec<(&str, Span)> =
            found.iter().map(|(piece, span)| (piece.as_str(), *span)).collect();
        assert_eq!(found, *pieces, "{pre_tokenizer:?}");
    }
}

#[test]
fn a_fixed_length_of_nothing_is_refused() {
    let stages = PreTokenizer::Sequence(vec![PreTokenizer::FixedLength(0)]);
    let error = GenericPreTokenizer::new(Some(&stages), true).unwrap_err().to_string();
    assert!(error.contains("pre_tokenizer.pretokenizers[0].length: must be at least 1"), "{error}");
}
