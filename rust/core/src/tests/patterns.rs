//! Patterns match as other engines match them, within their steps, or are refused by name.

use std::ops::Range;

use proptest::prelude::*;
use regex_automata::meta;

use super::strategies::{config, text};
use crate::Error;
use crate::pre_tokenizer::byte_level::GPT2_PATTERN;
use crate::pre_tokenizer::known;
use crate::pre_tokenizer::pattern::Matcher;
use crate::progress::Progress;

/// Patterns that an automaton runs whole.
const PLAIN: &[&str] = &[
    "",
    "a",
    "ab",
    "a|ab",
    "ab|a",
    "a*",
    "a+",
    "a?",
    "a*?",
    "a+?",
    "a??",
    "a{2}",
    "a{1,2}",
    "a{1,2}?",
    "a{0,2}b",
    "a*|b",
    "b|a*",
    "a*?b|a",
    "a+b|a",
    "(?s:.*)b|a",
    ".",
    ".*",
    ".+",
    ".??",
    "(?s:.)",
    "(?s).{2}|e",
    "(?:a|b)*?t",
    "()",
    "|a",
    "a|",
    "é|",
    "|é",
    "[^a]*",
    "[^a]??",
    r"\s",
    r"\s+",
    r"\s*",
    r"\s*[\r\n]+|\s+",
    r"\S+",
    r"\S*\s",
    r"\d",
    r"[\p{L}\p{M}]+",
    r"\p{L}+|\p{N}+|[^\p{L}\p{N}]+",
    r" ?[\p{L}]+| ?[\p{N}]+| ?[^\s\p{L}\p{N}]+|\s+",
    r"[A-Z][a-z]*|\d{1,3}",
    r"\p{N}{1,3}|\p{L}{2}|(?s:.)",
    r" ?\p{Lu}?\p{Ll}+|\s+|.",
    "(?i:the|dog)",
    "(?i)s|k|t",
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|.",
    "the|then",
    "then|the",
    "(?:the)?n*",
    r"\n|\r\n",
    r"[^\r\n]*[\r\n]?",
    r"(?:\r\n)*",
    "中|[ぁ-ん]+",
    r"[^\x{0}-\x{7F}]+",
    r"\x{301}*",
    "(?P<word>[a-z]+)(?<space> )?",
    "[]a]|[^]a]",
    r"\P{L}+?e|\p{L}+?\d",
];

/// Patterns with the one look-ahead.
const LOOKING: &[&str] = &[
    r"\s+(?!\S)",
    r"\s+(?!\S)|\s+",
    r"\s+|\s+(?!\S)",
    r"\s+(?!\S)|",
    r"|\s+(?!\S)",
    r"\s+(?!\S)|\s+(?!\S)|[^a]",
    r"\s+(?!\S)|a*",
    r"a*|\s+(?!\S)|b",
    r"\s+(?!\S)|\s?[a-z]",
    r"\s+(?!\S)|[,.;!?]",
    r"\s+(?!\S)|\s*?e|\n",
    r"\n+|\s+(?!\S)| |(?: |\t)*a",
    r"(?:a|b)+|\s+(?!\S)|(?i:S)|[|(?!)]",
    GPT2_PATTERN,
    known::GPT2_ORIGINAL_PATTERN,
    known::CL100K_PATTERN,
    known::QWEN2_PATTERN,
    known::O200K_PATTERN,
    DEEPSEEK,
];

const DEEPSEEK: &str = concat!(
    r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"##,
    r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
);

fn matches(pattern: &str, text: &str) -> Result<Vec<Range<usize>>, Error> {
    let mut found = Vec::new();
    let matcher = Matcher::regex(pattern, "here")?;
    matcher.for_each_match(text, &Progress::default(), |range| {
        found.push(range);
        Ok(())
    })?;
    Ok(found)
}

/// Short texts in which every pattern has something to find.
fn spaced() -> impl Strategy<Value = String> {
    prop_oneof![
        text(30),
        "[ab ]{0,24}",
        "[abe\n\t ]{0,24}",
        "[ \u{a0}\u{3000}\u{2003}a中\r\n]{0,16}",
        "[aéß😀 ]{0,12}",
    ]
}

proptest! {
    #![proptest_config(config(4))]

    #[test]
    fn automata_find_what_regex_automata_finds(text in spaced()) {
        for &pattern in PLAIN {
            let regex = meta::Regex::new(pattern).unwrap();
            let expected: Vec<_> = regex.find_iter(&text).map(|found| found.range()).collect();
            prop_assert_eq!(matches(pattern, &text), Ok(expected), "{}", pattern);
        }
    }

    #[test]
    fn automata_find_what_backtracking_finds(text in spaced()) {
        for &pattern in LOOKING {
            let regex = fancy_regex::Regex::new(pattern).unwrap();
            let expected: Vec<_> = regex.find_iter(&text).map(|found| found.unwrap().range()).collect();
            prop_assert_eq!(matches(pattern, &text), Ok(expected), "{}", pattern);
        }
    }

    #[test]
    fn a_literal_is_found_everywhere(text in "[ab]{0,40}", needle in "[ab]{0,4}") {
        let mut found = Vec::new();
        let long = format!("{}{text}", "ba".repeat(1 << 17));
        Matcher::literal(&needle)
            .for_each_match(&long, &Progress::default(), |range| {
                found.push(range.start);
                Ok(())
            })
            .unwrap();
        let expected = long.match_indices(&needle).map(|(start, _)| start);
        let expected: Vec<_> = expected.filter(|_| !needle.is_empty()).collect();
        prop_assert!(found == expected);
    }
}

#[test]
fn a_pattern_that_would_take_for_ever_is_limited() {
    let text = "a".repeat(150_000);
    for pattern in ["a+b|a", "a*?b|a", "(?s:.*)b|a", "(?:a|aa)+b|.", "b|a??a+b|a"] {
        let found = matches(pattern, &text);
        let is_limited =
            matches!(&found, Err(Error::PatternLimit { pattern: p, .. }) if p == pattern);
        assert!(is_limited, "{pattern}");
        assert_eq!(matches(pattern, &text), found, "{pattern}: not the same again");
    }
    for pattern in ["(?:a+)+b", "(a|a)*b"] {
        assert_eq!(matches(pattern, &text), Ok(vec![]), "{pattern}");
    }
}

#[test]
fn ordinary_patterns_stay_within_their_steps() {
    let texts = [
        " ".repeat(1 << 20),
        "\n".repeat(1 << 20),
        "\n ".repeat(1 << 19),
        " a".repeat(1 << 19),
        "  é".repeat(1 << 18),
        "'s\u{3000}1".repeat(1 << 17),
        format!("{}x", "\n\t\r".repeat(1 << 18)),
    ];
    for text in &texts {
        for &pattern in LOOKING.iter().chain([&r"\p{N}{1,3}", &"[一-龥぀-ゟ゠-ヿ]+"]) {
            assert!(matches(pattern, text).is_ok(), "{pattern} on {:?}", text.get(..3));
        }
    }
}

#[test]
fn more_states_than_are_kept_change_nothing() {
    // Nearly every byte leads to a new state.
    let pattern = "[ab]*a[ab]{18}";
    let mut seed = 1_u32;
    let mut letter = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if seed >> 31 == 0 { 'a' } else { 'b' }
    };
    let lines = (0..40).map(|_| (0..5_000).map(|_| letter()).chain(['\n']).collect::<String>());
    let text: String = lines.collect();
    let regex = meta::Regex::new(pattern).unwrap();
    let expected: Vec<_> = regex.find_iter(&text).map(|found| found.range()).collect();
    assert_eq!(matches(pattern, &text), Ok(expected));
}

#[test]
fn one_long_search_stops_when_asked() {
    let progress = Progress::default();
    let text = "ab".repeat(1 << 20);
    for pattern in [Matcher::regex("(?:ab)+c|b", "here").unwrap(), Matcher::literal("b")] {
        let mut n_found = 0;
        let found = pattern.for_each_match(&text, &progress, |_| {
            n_found += 1;
            progress.stop();
            Ok(())
        });
        assert_eq!(found, Err(Error::Interrupted));
        assert!(n_found < 1 << 18);
    }
}

/// What Oniguruma finds.
#[test]
fn word_characters_are_those_of_oniguruma() {
    let found = |pattern: &str| {
        let text = "a²¼b\u{200D}_ é";
        let ranges = matches(pattern, text).unwrap();
        ranges.into_iter().map(|range| text.get(range).unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found(r"\w+"), ["a²¼b", "_", "é"]);
    assert_eq!(found(r"\W+"), ["\u{200D}", " "]);
    assert_eq!(found(r"[\w ]+"), ["a", "b", "_ é"], "in a class it is another");
    assert_eq!(found(r"[-\w\s]+"), ["a", "b", "_ é"]);
    assert_eq!(found(r"[\W_]+"), ["²¼", "\u{200D}_ "]);
    assert_eq!(found(r"[^\Wé]+"), ["a", "b", "_"]);
    assert_eq!(found(r"(?i:B)|\w"), ["a", "²", "¼", "b", "_", "é"]);
}

#[test]
fn case_is_ignored_where_engines_agree() {
    for pattern in
        ["(?i:'s|'t|'re|'ve|'m|'ll|'d)ss", "(?i:[a-z])|ß", "(?i)the|[sk]", "ss(?-i:st)", "(?i:f|i)"]
    {
        assert!(matches(pattern, "ſ").is_ok(), "{pattern}");
    }
    assert_eq!(matches("(?i:S|K)", "ſk\u{212A}"), Ok(vec![0..2, 2..3, 3..6]));
}

#[test]
fn patterns_that_mean_something_else_elsewhere_are_refused() {
    let build = |pattern: &str| Matcher::regex(pattern, "here").err();
    for pattern in PLAIN.iter().chain(LOOKING) {
        assert_eq!(build(pattern), None, "{pattern}");
    }
    let refused = [
        (r"\p{N}{1,3}+", "}+"),
        ("a{2}+", "}+"),
        ("a{2}?", "}?"),
        ("a++", "++"),
        ("a?+b", "?+"),
        ("a*+", "*+"),
        ("a**", "**"),
        ("a+?+", "?+"),
        ("^a", "^"),
        ("a$", "$"),
        (r"\bx", r"\b"),
        (r"\<x", r"\<"),
        (r"(a)\1", r"\1"),
        ("[a&&b]", "&&"),
        ("[a--b]", "doubled -"),
        (r"\pL", r"\p without"),
        (r"\U00000061", r"\U"),
        ("[[:alpha:]]", "[:"),
        (r"[^a[:^space:]]", "[:"),
        ("a{1, 2}", "a space in a repetition"),
        (r"[+-\w]", r"-\w"),
        ("(?i)s|k|ß", "ß in a part that ignores case"),
        ("(?i:ss)", "\"ss\" in a part"),
        ("(?i:a(?:F)(i))", "\"fi\" in a part"),
        ("(?i:s{2})", "{ in a part"),
        ("(?i:[s]s)", "\"ss\" in a part"),
        ("(?i:s[s])", "[ in a part"),
        (r"(?i:\p{Lu})", r"\p in a part"),
        ("(?i:[é])", "é in a part"),
        ("(?m:.)", "(?m"),
        ("(?x) a b", "(?x"),
        ("a(?i)b|c", "(?i"),
        (r"(?i)a|\s+(?!\S)", "(?i"),
        ("a(?=b)", "look-ahead (?="),
        (r"\s+(?!\S)|a(?!b)", "look-ahead (?!"),
        (r"(?:\s+(?!\S))", "look-ahead (?!"),
        (r"a\s+(?!\S)", "look-ahead (?!"),
        ("(?<=[a-z])(?=[A-Z])|'", "look-behind (?<="),
        ("(?<!a)b", "look-behind (?<!"),
        ("(?>a)", "atomic group (?>"),
        ("(?(1)a|b)", "conditional (?("),
        ("(?:a{200}){200}", "more than"),
        ("(?:|a){4000000000}", "may match nothing"),
        ("(?:|a)+", "may match nothing"),
        ("(?:a|)+", "may match nothing"),
        ("(a?|b)*", "may match nothing"),
        ("(.*?b*)*", "may match nothing"),
        ("x(?:(a*|b*)+)y", "may match nothing"),
        ("(?:(?:a??)|b){2}|c", "may match nothing"),
    ];
    for (pattern, named) in refused {
        let Some(Error::Unsupported { problem, .. }) = build(pattern) else {
            panic!("{pattern}: {:?}", build(pattern));
        };
        assert!(problem.contains(named), "{pattern}: {problem}");
    }
    for pattern in ["(", "[a", r"\p{L", r"\p{Nothing}+", r"a)|\s+(?!\S)", "a{"] {
        assert!(matches!(build(pattern), Some(Error::Format { .. })), "{pattern}");
    }
}

#[test]
fn a_pattern_too_long_to_be_parsed_is_refused_by_its_length() {
    let pattern = "a".repeat(1 << 17);
    let error = Matcher::regex(&pattern, "here").unwrap_err().to_string();
    assert!(error.contains("65536 bytes long, and this one is 131072 bytes"), "{error}");
}
