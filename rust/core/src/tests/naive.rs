//! Slow oracles: each does what the words say, in the plainest way, and shares no code with what it is held against.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::rc::Rc;

use fancy_regex::{Regex, RegexBuilder};
use unicode_normalization::UnicodeNormalization;

use crate::decoder::Decoder;
use crate::pre_tokenizer::byte_level::ALPHABET;
use crate::pre_tokenizer::{Pattern, PrependScheme};

const CONTRACTION: &str = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const SYMBOLS_AND_SPACE: &str = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The patterns by the names that the shared cases use, and Qwen 2's.
pub(super) fn pattern(name: &str) -> String {
    let word = r"|[^\r\n\p{L}\p{N}]?\p{L}+";
    match name {
        "gpt2" => {
            r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+".to_owned()
        }
        "cl100k" => [CONTRACTION, word, r"|\p{N}{1,3}", SYMBOLS_AND_SPACE].concat(),
        "qwen2" => [CONTRACTION, word, r"|\p{N}", SYMBOLS_AND_SPACE].concat(),
        "o200k" => o200k(),
        "lines" => r"\p{N}{1,3}|[^\r\n\p{N}]*\s*[\r\n]+|[^\r\n\p{N}]+".to_owned(),
        _ => panic!("no pattern {name:?}"),
    }
}

fn o200k() -> String {
    let upper = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]";
    let lower = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]";
    let head = r"[^\r\n\p{L}\p{N}]?";
    format!(
        r"{head}{upper}*{lower}+{CONTRACTION}?|{head}{upper}+{lower}*{CONTRACTION}?|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
}

thread_local! {
    static BUILT: RefCell<BTreeMap<String, Rc<Regex>>> = RefCell::default();
}

fn regex(pattern: &str) -> Rc<Regex> {
    BUILT.with_borrow_mut(|built| {
        let regex = built.entry(pattern.to_owned()).or_insert_with(|| {
            Rc::new(RegexBuilder::new(pattern).backtrack_limit(usize::MAX).build().unwrap())
        });
        Rc::clone(regex)
    })
}

/// All matches of a pattern; [`pattern`]'s leave nothing between them.
pub(super) fn pre_tokenize<'a>(pattern: &str, text: &'a str) -> Vec<&'a str> {
    let pieces: Vec<&str> =
        regex(pattern).find_iter(text).map(|found| found.unwrap().as_str()).collect();
    assert_eq!(pieces.concat(), text);
    pieces
}

/// Where `text` holds a literal, or a match of a regular expression, from left to right.
pub(super) fn matches(text: &str, pattern: &str, is_regex: bool) -> Vec<Range<usize>> {
    if is_regex {
        return regex(pattern).find_iter(text).map(|found| found.unwrap().range()).collect();
    }
    let mut found = Vec::new();
    let mut place = 0;
    while place + pattern.len() <= text.len() && !pattern.is_empty() {
        if text.as_bytes()[place..].starts_with(pattern.as_bytes()) {
            found.push(place..place + pattern.len());
            place += pattern.len();
        } else {
            place += 1;
        }
    }
    found
}

/// The five behaviours, as a rule for each border between two spans: whether it cuts.
pub(super) fn split(
    text: &str,
    matches: &[Range<usize>],
    behavior: &str,
    invert: bool,
) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut end = 0;
    for found in matches {
        spans.push((end..found.start, invert));
        spans.push((found.clone(), !invert));
        end = found.end;
    }
    spans.push((end..text.len(), invert));
    // A match that is empty still stands between its neighbours; an empty stretch between matches does not.
    spans.retain(|(range, is_match)| !range.is_empty() || *is_match != invert);
    let mut pieces: Vec<Range<usize>> = Vec::new();
    let mut before = None;
    for (range, is_match) in spans {
        let cuts = match (behavior, before, is_match) {
            (_, None, _) | ("removed" | "isolated", ..) => true,
            ("contiguous", Some(before), now) => before != now,
            ("merged_with_previous", Some(before), now) => before || !now,
            ("merged_with_next", Some(before), now) => !before || now,
            _ => panic!("no behaviour {behavior:?}"),
        };
        if cuts {
            pieces.push(range.start..range.start);
        }
        if !(behavior == "removed" && is_match) {
            pieces.last_mut().unwrap().end = range.end;
        }
        before = Some(is_match);
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// A vocabulary over bytes with merges in order of rank.
#[derive(Debug, Clone, Default)]
pub(super) struct Bpe {
    pub(super) ids: BTreeMap<Vec<u8>, u32>,
    pub(super) merges: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) ignore_merges: bool,
}

impl Bpe {
    /// Merges the leftmost of the pairs of lowest rank, again and again. An error is the place of a byte without a token.
    pub(super) fn encode(&self, word: &[u8]) -> Result<Vec<u32>, usize> {
        if self.ignore_merges
            && let Some(&id) = self.ids.get(word)
        {
            return Ok(vec![id]);
        }
        if let Some(place) = word.iter().position(|&byte| !self.ids.contains_key(&[byte][..])) {
            return Err(place);
        }
        let mut parts: Vec<Vec<u8>> = word.iter().map(|&byte| vec![byte]).collect();
        let ranks: BTreeMap<_, usize> = self.merges.iter().zip(0..).collect();
        while let Some((_, place)) = parts
            .windows(2)
            .zip(0..)
            .filter_map(|(pair, place)| {
                Some((*ranks.get(&(pair[0].clone(), pair[1].clone()))?, place))
            })
            .min()
        {
            let right = parts.remove(place + 1);
            parts[place].extend(right);
        }
        Ok(parts.iter().map(|part| self.ids[part]).collect())
    }
}

/// A token that is looked for in the text.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "five options, as in a file")]
pub(super) struct Added {
    pub(super) id: u32,
    pub(super) content: String,
    pub(super) is_single_word: bool,
    pub(super) strips_left: bool,
    pub(super) strips_right: bool,
    pub(super) is_normalized: bool,
    pub(super) is_special: bool,
}

/// An added token with the place of its content, or text with its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    Token(u32, usize),
    Text(String, usize),
}

fn is_word(c: Option<char>) -> bool {
    c.is_some_and(|c| regex(r"^\w$").is_match(&c.to_string()).unwrap())
}

/// Tries every place and, there, every token, the longest first.
fn cut(text: &str, base: usize, tokens: &[(&Added, String)]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let (mut place, mut end) = (0, 0);
    while place < text.len() {
        let here = tokens.iter().filter(|(_, content)| {
            !content.is_empty() && text.as_bytes()[place..].starts_with(content.as_bytes())
        });
        let Some((token, content)) = here.max_by_key(|(_, content)| content.len()) else {
            place += 1;
            continue;
        };
        let (before, after) =
            (text.get(..place).unwrap(), text.get(place + content.len()..).unwrap());
        let start = place;
        place += content.len();
        let touches = is_word(before.chars().next_back()) || is_word(after.chars().next());
        if token.is_single_word && touches {
            continue;
        }
        let text_end = if token.strips_left { before.trim_end().len() } else { start };
        if text_end > end {
            pieces.push(Piece::Text(text.get(end..text_end).unwrap().to_owned(), base + end));
        }
        pieces.push(Piece::Token(token.id, base + start));
        let rest = if token.strips_right { after.trim_start() } else { after };
        end = text.len() - rest.len();
    }
    if end < text.len() {
        pieces.push(Piece::Text(text.get(end..).unwrap().to_owned(), base + end));
    }
    pieces
}

/// A whole tokenizer.
#[derive(Debug, Clone, Default)]
pub(super) struct Tokenizer {
    pub(super) bpe: Bpe,
    pub(super) added: Vec<Added>,
    pub(super) is_nfc: bool,
    pub(super) adds_prefix_space: bool,
    /// The name of a [`pattern`].
    pub(super) pattern: &'static str,
}

impl Tokenizer {
    /// Added tokens, and what is between them, normalized: one pass over the raw text, one over each normalized rest.
    pub(super) fn pieces(&self, text: &str) -> Vec<Piece> {
        let normalize =
            |text: &str| if self.is_nfc { text.nfc().collect() } else { text.to_owned() };
        let (normalized, raw): (Vec<&Added>, Vec<&Added>) =
            self.added.iter().partition(|token| token.is_normalized);
        let raw: Vec<_> = raw.iter().map(|token| (*token, token.content.clone())).collect();
        let normalized: Vec<_> =
            normalized.iter().map(|token| (*token, normalize(&token.content))).collect();
        let pieces = cut(text, 0, &raw).into_iter();
        pieces
            .flat_map(|piece| match &piece {
                Piece::Text(text, base) => cut(&normalize(text), *base, &normalized),
                Piece::Token(..) => vec![piece],
            })
            .collect()
    }

    /// The ids, or the place of a byte without a token (exact where the normalizer changes nothing).
    pub(super) fn encode(&self, text: &str) -> Result<Vec<u32>, usize> {
        let mut ids = Vec::new();
        for piece in self.pieces(text) {
            match piece {
                Piece::Token(id, _) => ids.push(id),
                Piece::Text(text, base) => {
                    let adds_space = self.adds_prefix_space && !text.starts_with(' ');
                    let spaced = if adds_space { format!(" {text}") } else { text };
                    let mut place = base;
                    for word in pre_tokenize(&pattern(self.pattern), &spaced) {
                        let found = self.bpe.encode(word.as_bytes());
                        ids.extend(found.map_err(|offset| {
                            (place + offset).saturating_sub(usize::from(adds_space)).max(base)
                        })?);
                        place += word.len();
                    }
                }
            }
        }
        Ok(ids)
    }
}

/// What training needs to know.
#[derive(Debug, Clone, Default)]
pub(super) struct Training {
    pub(super) vocab_size: usize,
    pub(super) min_frequency: u64,
    pub(super) special_tokens: Vec<String>,
    pub(super) initial_alphabet: Vec<u8>,
    pub(super) max_token_length: Option<usize>,
}

/// The character that GPT-2 spells a byte with: itself if it is visible in Latin-1, else the next from U+0100 on.
pub(super) fn spelling(byte: u8) -> char {
    let is_visible = |byte: u8| matches!(byte, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF);
    if is_visible(byte) {
        return char::from(byte);
    }
    let hidden_before = (0..byte).filter(|&byte| !is_visible(byte)).count();
    char::from_u32(0x100 + u32::try_from(hidden_before).unwrap()).unwrap()
}

/// All bytes in the order of their spelling.
pub(super) fn bytes_by_spelling() -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..=u8::MAX).collect();
    bytes.sort_by_key(|&byte| spelling(byte));
    bytes
}

/// Tokens by id and merges by rank, counting every pair anew before every merge.
pub(super) fn train(
    words: &BTreeMap<Vec<u8>, u64>,
    options: &Training,
) -> (Vec<Vec<u8>>, Vec<(u32, u32)>) {
    let seen: BTreeSet<u8> =
        words.keys().flatten().chain(&options.initial_alphabet).copied().collect();
    let mut alphabet: Vec<u8> = seen.into_iter().collect();
    alphabet.sort_by_key(|&byte| spelling(byte));
    let mut tokens: Vec<Vec<u8>> =
        options.special_tokens.iter().map(|text| text.clone().into_bytes()).collect();
    let n_special = tokens.len();
    tokens.extend(alphabet.into_iter().map(|byte| vec![byte]));
    let id = |tokens: &[Vec<u8>], byte: u8| {
        let place = tokens[n_special..].iter().position(|token| token[..] == [byte]).unwrap();
        u32::try_from(n_special + place).unwrap()
    };
    let mut parts: Vec<(Vec<u32>, u64)> = words
        .iter()
        .map(|(word, &count)| (word.iter().map(|&byte| id(&tokens, byte)).collect(), count))
        .collect();
    let mut merges = Vec::new();
    while tokens.len() < options.vocab_size {
        let Some((pair, product)) = best_pair(&parts, &tokens, n_special, options) else {
            break;
        };
        let id = u32::try_from(tokens.len()).unwrap();
        tokens.push(product);
        merges.push(pair);
        for (part, _) in &mut parts {
            join(part, pair, id);
        }
    }
    (tokens, merges)
}

/// The most frequent pair that may be merged, the smallest of equals, and its bytes.
fn best_pair(
    parts: &[(Vec<u32>, u64)],
    tokens: &[Vec<u8>],
    n_special: usize,
    options: &Training,
) -> Option<((u32, u32), Vec<u8>)> {
    let mut counts: BTreeMap<(u32, u32), u64> = BTreeMap::new();
    for (part, count) in parts {
        for pair in part.windows(2) {
            *counts.entry((pair[0], pair[1])).or_default() += count;
        }
    }
    let mut ordered: Vec<_> = counts.into_iter().collect();
    ordered.sort_by_key(|&(pair, count)| (std::cmp::Reverse(count), pair));
    ordered.into_iter().find_map(|((left, right), count)| {
        let product = [&tokens[left as usize][..], &tokens[right as usize]].concat();
        let is_short = options.max_token_length.is_none_or(|max| product.len() <= max);
        let is_frequent = count >= options.min_frequency.max(1);
        let spelled: String = product.iter().map(|&byte| spelling(byte)).collect();
        let is_special = tokens[..n_special]
            .iter()
            .any(|special| *special == product || special == spelled.as_bytes());
        (is_short && is_frequent && !is_special).then_some(((left, right), product))
    })
}

fn join(part: &mut Vec<u32>, (left, right): (u32, u32), product: u32) {
    let mut place = 0;
    while place + 1 < part.len() {
        if part[place] == left && part[place + 1] == right {
            part[place] = product;
            part.remove(place + 1);
        }
        place += 1;
    }
}

/// The bytes of a token in the byte-level alphabet; a token with any other character stands for itself.
pub(super) fn byte_level_bytes(token: &str) -> Vec<u8> {
    let byte = |c: char| ALPHABET.iter().position(|&known| known == c);
    let bytes: Option<Vec<_>> = token.chars().map(|c| byte(c)?.try_into().ok()).collect();
    bytes.unwrap_or_else(|| token.as_bytes().to_vec())
}

/// What a decoder makes of all tokens.
pub(super) fn decode_stage(decoder: &Decoder, tokens: &[String]) -> Vec<String> {
    let each = |change: &dyn Fn(usize, &str) -> String| {
        tokens.iter().enumerate().map(|(i, token)| change(i, token)).collect()
    };
    match decoder {
        Decoder::ByteLevel(_) => {
            let bytes: Vec<u8> = tokens.iter().flat_map(|token| byte_level_bytes(token)).collect();
            vec![String::from_utf8_lossy(&bytes).into_owned()]
        }
        Decoder::WordPiece { prefix, cleanup } => each(&|i, token| {
            let word = match token.strip_prefix(prefix.as_str()) {
                _ if i == 0 => token.to_owned(),
                Some(rest) => rest.to_owned(),
                None => format!(" {token}"),
            };
            if *cleanup { tighten(&word) } else { word }
        }),
        Decoder::Metaspace(metaspace) => each(&|i, token| {
            let drops = i == 0 && metaspace.prepend_scheme != PrependScheme::Never;
            token.replace(metaspace.replacement, if drops { "" } else { " " })
        }),
        Decoder::ByteFallback => fall_back(tokens),
        Decoder::Bpe { suffix } => each(&|i, token| {
            token.replace(suffix.as_str(), if i + 1 == tokens.len() { "" } else { " " })
        }),
        Decoder::Fuse => vec![tokens.concat()],
        Decoder::Strip { content, start, stop } => each(&|_, token| {
            let mut text = token;
            for _ in 0..*start {
                text = text.strip_prefix(*content).unwrap_or(text);
            }
            for _ in 0..*stop {
                text = text.strip_suffix(*content).unwrap_or(text);
            }
            text.to_owned()
        }),
        Decoder::Replace { pattern: Pattern::Literal(pattern), content } => {
            each(&|_, token| token.replace(pattern.as_str(), content))
        }
        Decoder::Replace { pattern: Pattern::Regex(pattern), content } => {
            each(&|_, token| regex(pattern).replace_all(token, content.as_str()).into_owned())
        }
        Decoder::Ctc { pad_token, word_delimiter_token, cleanup } => {
            let mut tokens = tokens.to_vec();
            tokens.dedup();
            let word = |token: &String| {
                let word = token.replace(pad_token.as_str(), "");
                if *cleanup {
                    tighten(&word).replace(word_delimiter_token.as_str(), " ")
                } else {
                    word
                }
            };
            tokens.iter().map(word).filter(|word| !word.is_empty()).collect()
        }
        Decoder::Sequence(_) | Decoder::SentencePiece { .. } => panic!("not a stage"),
    }
}

fn tighten(text: &str) -> String {
    let ends = [".", "?", "!", ","]
        .iter()
        .fold(text.to_owned(), |text, end| text.replace(&format!(" {end}"), end));
    let text = ends.replace(" ' ", "'").replace(" n't", "n't").replace(" 'm", "'m");
    let text = text.replace(" do not", " don't").replace(" 's", "'s");
    text.replace(" 've", "'ve").replace(" 're", "'re")
}

fn fall_back(tokens: &[String]) -> Vec<String> {
    let byte = |token: &String| {
        let digits =
            token.strip_prefix("<0x")?.strip_suffix('>').filter(|digits| digits.len() == 2)?;
        u8::from_str_radix(digits, 16).ok()
    };
    let mut texts = Vec::new();
    for run in tokens.chunk_by(|a, b| byte(a).is_some() == byte(b).is_some()) {
        let bytes: Option<Vec<u8>> = run.iter().map(byte).collect();
        match bytes.map(String::from_utf8) {
            None => texts.extend(run.iter().cloned()),
            Some(Ok(text)) => texts.push(text),
            Some(Err(_)) => texts.extend(run.iter().map(|_| "\u{FFFD}".to_owned())),
        }
    }
    texts
}
