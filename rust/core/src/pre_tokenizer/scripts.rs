//! Splitting where the script changes, by the scripts of Unicode 9.0 (UAX #24), as `tokenizers` and SentencePiece's trainer do
//! it.
//!
//! Hiragana, Katakana and the prolonged sound mark U+30FC count as Han. A space, and a character that has no script in
//! Unicode 9.0, belongs to what is before it and changes nothing; at the start there is nothing before, and it goes.

use std::ops::Range;
use std::sync::LazyLock;

use regex_syntax::hir::{Class, ClassUnicode, HirKind};

use crate::progress::Progress;

/// The scripts of Unicode 9.0.
const NAMES: &str = "Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum Bassa_Vah Batak Bengali Bhaiksuki \
    Bopomofo Brahmi Braille Buginese Buhid Canadian_Aboriginal Carian Caucasian_Albanian Chakma Cham Cherokee Common \
    Coptic Cuneiform Cypriot Cyrillic Deseret Devanagari Duployan Egyptian_Hieroglyphs Elbasan Ethiopic Georgian \
    Glagolitic Gothic Grantha Greek Gujarati Gurmukhi Han Hangul Hanunoo Hatran Hebrew Hiragana Imperial_Aramaic \
    Inherited Inscriptional_Pahlavi Inscriptional_Parthian Javanese Kaithi Kannada Katakana Kayah_Li Kharoshthi Khmer \
    Khojki Khudawadi Lao Latin Lepcha Limbu Linear_A Linear_B Lisu Lycian Lydian Mahajani Malayalam Mandaic Manichaean \
    Marchen Meetei_Mayek Mende_Kikakui Meroitic_Cursive Meroitic_Hieroglyphs Miao Modi Mongolian Mro Multani Myanmar \
    Nabataean New_Tai_Lue Newa Nko Ogham Ol_Chiki Old_Hungarian Old_Italic Old_North_Arabian Old_Permic Old_Persian \
    Old_South_Arabian Old_Turkic Oriya Osage Osmanya Pahawh_Hmong Palmyrene Pau_Cin_Hau Phags_Pa Phoenician \
    Psalter_Pahlavi Rejang Runic Samaritan Saurashtra Sharada Shavian Siddham SignWriting Sinhala Sora_Sompeng Sundanese \
    Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet Takri Tamil Tangut Telugu Thaana Thai Tibetan Tifinagh \
    Tirhuta Ugaritic Vai Warang_Citi Yi";

/// Characters whose script has changed since Unicode 9.0.
const CHANGED: [(char, &str); 4] = [
    ('\u{589}', "Common"),
    ('\u{61C}', "Common"),
    ('\u{953}', "Devanagari"),
    ('\u{954}', "Devanagari"),
];

/// The scripts that count as others.
const MERGED: [(&str, &str); 2] = [("Hiragana", "Han"), ("Katakana", "Han")];
const PROLONGED_SOUND_MARK: char = '\u{30FC}';

/// Ranges of characters of one script, in order, each with the place of the script in [`NAMES`].
static TABLE: LazyLock<Vec<(char, char, usize)>> = LazyLock::new(build);

fn build() -> Vec<(char, char, usize)> {
    let mut table = Vec::new();
    let known = class_of(r"\p{age:9.0}");
    for (i, name) in NAMES.split_ascii_whitespace().enumerate() {
        let mut class = class_of(&format!(r"\p{{sc={name}}}"));
        class.intersect(&known);
        let merged = MERGED.iter().find(|(from, _)| *from == name);
        let script = merged.map_or(i, |(_, to)| place_of(to));
        table.extend(class.ranges().iter().map(|range| (range.start(), range.end(), script)));
    }
    table.sort_unstable();
    table
}

static COMMON: LazyLock<usize> = LazyLock::new(|| place_of("Common"));
static INHERITED: LazyLock<usize> = LazyLock::new(|| place_of("Inherited"));
static HAN: LazyLock<usize> = LazyLock::new(|| place_of("Han"));
/// [`CHANGED`], with the places of the scripts.
static CHANGED_TO: LazyLock<[(char, usize); CHANGED.len()]> =
    LazyLock::new(|| CHANGED.map(|(c, script)| (c, place_of(script))));

fn class_of(pattern: &str) -> ClassUnicode {
    let hir = regex_syntax::parse(pattern).map(regex_syntax::hir::Hir::into_kind);
    match hir {
        Ok(HirKind::Class(Class::Unicode(class))) => class,
        _ => ClassUnicode::empty(),
    }
}

fn place_of(name: &str) -> usize {
    NAMES.split_ascii_whitespace().position(|other| other == name).unwrap_or_default()
}

/// The script of a character, as a number; `None`: it changes nothing.
fn script_of(c: char) -> Option<usize> {
    if c == ' ' { None } else { known(c) }
}

/// The script of a character; `None`: it has none in Unicode 9.0.
fn known(c: char) -> Option<usize> {
    if c == PROLONGED_SOUND_MARK {
        return Some(*HAN);
    }
    if let Some(&(_, script)) = CHANGED_TO.iter().find(|&&(changed, _)| changed == c) {
        return Some(script);
    }
    let i = TABLE.partition_point(|&(_, end, _)| end < c);
    TABLE.get(i).filter(|&&(start, ..)| start <= c).map(|&(.., script)| script)
}

/// The script that a character belongs to alone, as a number; `None`: it goes with any.
pub(crate) fn own_script_of(c: char) -> Option<usize> {
    known(c).filter(|&script| script != *COMMON && script != *INHERITED)
}

/// The script of a character, as a number; what has none counts as common. `None`: it has that of what is before it.
pub(crate) fn script_or_inherited(c: char) -> Option<usize> {
    Some(known(c).unwrap_or(*COMMON)).filter(|&script| script != *INHERITED)
}

/// Appends the pre-tokens of `text`, moved by `base`, to `out`.
pub(super) fn split(text: &str, base: usize, progress: &Progress, out: &mut Vec<Range<usize>>) {
    let mut last = None;
    let mut start = None;
    for (place, c) in progress.char_indices(text) {
        let script = script_of(c);
        if script.is_some() && script != last {
            out.extend(start.map(|start| base + start..base + place));
            (last, start) = (script, Some(place));
        }
    }
    out.extend(start.map(|start| base + start..base + text.len()));
}
