//! The normalization rules that SentencePiece knows by name, computed from Unicode.
//!
//! A rule is a character map. `nfkc` has each character that form KC changes, and each spelling in up to four characters, one
//! for one, of what a character is decomposed into: so a letter and its marks are composed, and the letters of Hangul, though
//! the map knows no form KC. `nmt` makes spaces of white space and of what has no width, drops controls, and leaves the
//! full-width tilde. `cf` folds case by characters. What a shorter key already does is left out.
//!
//! SentencePiece 0.2.3 has its data from Unicode 17.0; what that has and our tables do not is named here (`ADDED`).

use std::sync::OnceLock;

use rustc_hash::{FxHashMap, FxHashSet};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::decompose_compatible;

use crate::error::{Error, Result};
use crate::normalizer::charsmap;

/// The names of the rules.
const NAMES: [&str; 5] = ["nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf", "identity"];

/// Characters with a decomposition that came with Unicode 17.0.
const ADDED: [(char, char); 1] = [('\u{A7F1}', 'S')];

/// What becomes a space.
const NMT_SPACES: [char; 15] = [
    '\t', '\n', '\x0C', '\r', '\u{61C}', '\u{1680}', '\u{200B}', '\u{200C}', '\u{200E}',
    '\u{200F}', '\u{2028}', '\u{2029}', '\u{2581}', '\u{FEFF}', '\u{FFFD}',
];
const FULL_WIDTH_TILDE: char = '\u{FF5E}';

/// No character behind this one has a decomposition, or case.
const LAST: char = '\u{2FFFF}';

/// So many characters are a key at most: what is decomposed into more is made up of what shorter keys compose.
const MAX_CHARS: usize = 4;
const CHAR_BITS: u32 = 21;

/// The characters of a key, the last in the lowest bits: longer keys are larger.
type Key = u128;

/// The character map of a rule, as a model file holds it. It is computed once.
///
/// # Errors
/// [`Error::Config`] for a name that is not one of [`NAMES`].
pub(crate) fn charsmap_of(name: &str) -> Result<&'static [u8]> {
    static COMPUTED: [OnceLock<Vec<u8>>; NAMES.len()] = [const { OnceLock::new() }; NAMES.len()];
    let Some((_, computed)) = NAMES.iter().zip(&COMPUTED).find(|(known, _)| **known == name) else {
        let names = NAMES.map(|name| format!("{name:?}")).join(", ");
        return Err(Error::Config(format!(
            "normalization_rule_name must be one of {names}, got {name:?}"
        )));
    };
    if let Some(charsmap) = computed.get() {
        return Ok(charsmap);
    }
    let charsmap = compute(name)?;
    Ok(computed.get_or_init(|| charsmap))
}

fn compute(name: &str) -> Result<Vec<u8>> {
    if name == "identity" {
        return Ok(Vec::new());
    }
    let mut rules = Rules::nfkc();
    if name.starts_with("nmt_") {
        rules.add_nmt();
    }
    if name.ends_with("_cf") {
        rules.fold_case();
    }
    let mut buffer = [char::MIN; MAX_CHARS];
    let mut sorted = Vec::with_capacity(rules.keys.len());
    for (&key, &text) in &rules.keys {
        let key: String = unpacked(key, &mut buffer).iter().collect();
        sorted.push((key, rules.text(text)));
    }
    sorted.sort_unstable();
    charsmap::write(&sorted)
}

fn packed(chars: &[char]) -> Key {
    chars.iter().fold(0, |key, &c| key << CHAR_BITS | Key::from(u32::from(c)))
}

fn unpacked(mut key: Key, buffer: &mut [char; MAX_CHARS]) -> &[char] {
    let mut start = MAX_CHARS;
    while key != 0 && start > 0 {
        start -= 1;
        let low = u32::try_from(key & ((1 << CHAR_BITS) - 1)).unwrap_or_default();
        buffer[start] = char::from_u32(low).unwrap_or_default();
        key >>= CHAR_BITS;
    }
    &buffer[start..]
}

/// Keys and the texts that stand for them.
#[derive(Debug, Default)]
struct Rules {
    keys: FxHashMap<Key, usize>,
    texts: Vec<String>,
}

impl Rules {
    fn nfkc() -> Self {
        let mut rules = Self::default();
        // What each character of a decomposition can be spelled as, beside itself.
        let mut spellings: FxHashMap<char, Vec<char>> = FxHashMap::default();
        let mut decomposed: FxHashSet<Vec<char>> = FxHashSet::default();
        let mut parts = Vec::new();
        for c in '\u{80}'..=LAST {
            parts.clear();
            match ADDED.iter().find(|(from, _)| *from == c) {
                Some(&(_, to)) => parts.push(to),
                None => decompose_compatible(c, |part| parts.push(part)),
            }
            if parts == [c] {
                continue;
            }
            let composed: String = parts.iter().copied().nfkc().collect();
            if !composed.chars().eq([c]) {
                rules.insert(&[c], composed);
            }
            match parts[..] {
                [part] => spellings.entry(part).or_default().push(c),
                _ if parts.len() > MAX_CHARS => {}
                _ if decomposed.contains(&parts) => {}
                _ => _ = decomposed.insert(parts.clone()),
            }
        }
        let mut longer = Vec::new();
        for parts in decomposed {
            let composed: String = parts.iter().copied().nfkc().collect();
            if composed.chars().eq(parts.iter().copied()) {
                continue;
            }
            let own: Vec<char> = composed.chars().collect();
            let text = rules.add_text(composed);
            let keys = spelled(&parts, &spellings).into_iter().filter(|&key| key != packed(&own));
            longer.extend(keys.map(|key| (key, text)));
        }
        rules.add_longer(longer);
        rules
    }

    fn text(&self, text: usize) -> &str {
        self.texts.get(text).map_or("", String::as_str)
    }

    fn add_text(&mut self, text: String) -> usize {
        self.texts.push(text);
        self.texts.len() - 1
    }

    fn insert(&mut self, key: &[char], text: String) {
        let text = self.add_text(text);
        self.keys.insert(packed(key), text);
    }

    /// Adds keys of several characters, shorter ones first, unless those before already do what they say.
    fn add_longer(&mut self, mut longer: Vec<(Key, usize)>) {
        longer.sort_unstable();
        let mut buffer = [char::MIN; MAX_CHARS];
        for (key, text) in longer {
            if !self.gives(unpacked(key, &mut buffer), self.text(text)) {
                self.keys.insert(key, text);
            }
        }
    }

    /// Whether `text` is what becomes of `chars` by the longest keys shorter than all of it, from left to right.
    fn gives(&self, chars: &[char], text: &str) -> bool {
        let (mut at, mut rest) = (0, text);
        while at < chars.len() {
            let longest = (chars.len() - 1).min(chars.len() - at);
            let found = (1..=longest).rev().find_map(|n_chars| {
                Some((n_chars, *self.keys.get(&packed(chars.get(at..at + n_chars)?))?))
            });
            let left = match found {
                Some((_, text)) => rest.strip_prefix(self.text(text)),
                None => rest.strip_prefix(chars[at]),
            };
            let Some(left) = left else { return false };
            (at, rest) = (at + found.map_or(1, |(n_chars, _)| n_chars), left);
        }
        rest.is_empty()
    }

    /// Leaves out the longer keys that shorter ones do, now that texts have changed.
    fn settle(&mut self) {
        let longer: Vec<_> = self
            .keys
            .iter()
            .map(|(&key, &text)| (key, text))
            .filter(|(key, _)| key >> CHAR_BITS > 0)
            .collect();
        self.keys.retain(|key, _| key >> CHAR_BITS == 0);
        self.add_longer(longer);
    }

    fn add_nmt(&mut self) {
        let controls = ('\x01'..='\x1F').chain(['\x7F', '\u{8F}', '\u{9F}']);
        for c in controls {
            self.insert(&[c], String::new());
        }
        for c in NMT_SPACES {
            self.insert(&[c], " ".to_owned());
        }
        self.keys.remove(&packed(&[FULL_WIDTH_TILDE]));
        self.settle();
    }

    fn fold_case(&mut self) {
        for text in &mut self.texts {
            *text = text.chars().map(folded).collect();
        }
        for c in '\u{1}'..=LAST {
            if folded(c) != c && !self.keys.contains_key(&packed(&[c])) {
                self.insert(&[c], folded(c).to_string());
            }
        }
        self.settle();
    }
}

/// Every key that has for each character of `parts` that or another spelling of it.
fn spelled(parts: &[char], spellings: &FxHashMap<char, Vec<char>>) -> Vec<Key> {
    let mut all = vec![0];
    for part in parts {
        let others = spellings.get(part).map_or(&[][..], Vec::as_slice);
        let with = |&key: &Key| {
            let one = move |&c: &char| key << CHAR_BITS | Key::from(u32::from(c));
            std::iter::once(part).chain(others).map(one)
        };
        all = all.iter().flat_map(with).collect();
    }
    all
}

/// The character's simple case folding: the lower case of its upper case, each if it is one character; of Cherokee letters,
/// which have had lower case only since Unicode 8.0, the upper case. The dotless i is no form of i.
fn folded(c: char) -> char {
    let lower = |c: char| single_of(c.to_lowercase()).unwrap_or(c);
    match c {
        '\u{131}' | '\u{13A0}'..='\u{13F5}' => c,
        '\u{13F8}'..='\u{13FD}' | '\u{AB70}'..='\u{ABBF}' => {
            single_of(c.to_uppercase()).unwrap_or(c)
        }
        _ if lower(c) != c => lower(c),
        _ => single_of(c.to_uppercase()).map_or(c, lower),
    }
}

fn single_of(mut chars: impl Iterator<Item = char>) -> Option<char> {
    let first = chars.next();
    first.filter(|_| chars.next().is_none())
}
