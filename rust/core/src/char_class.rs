//! The Unicode classes that pre-tokenizer patterns are made of, as one byte of flags a character.
//!
//! The table is built once from the class tables of `regex-syntax`, the very tables the generic patterns match with, so that
//! compiled splitters and patterns agree by construction, and the Unicode version is the same everywhere.

use std::sync::LazyLock;

use regex_syntax::hir::{Class, HirKind};
use rustc_hash::FxHashMap;

/// `\p{L}`
pub const LETTER: u8 = 1;
/// `\p{N}`
pub const NUMBER: u8 = 2;
/// `\s`
pub const WHITE_SPACE: u8 = 4;
/// `\r` or `\n`
pub const NEWLINE: u8 = 8;
/// `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`
pub const UPPER: u8 = 16;
/// `[\p{Ll}\p{Lm}\p{Lo}\p{M}]`
pub const LOWER: u8 = 32;
/// `\w`
pub const WORD: u8 = 64;

/// ASCII punctuation and symbols, and the general category P as the `unicode_categories` crate has it, by which `tokenizers`
/// tells punctuation: that of Unicode 8.0.
pub const PUNCTUATION: u8 = 128;

/// The Unicode version of every class that is not said to have another, and of normalization.
pub const UNICODE_VERSION: &str = "16.0.0";

const BLOCK_BITS: u32 = 7;
const BLOCK: usize = 1 << BLOCK_BITS;
const N_CODE_POINTS: usize = 0x11_0000;

/// Two-stage table: block number of the code point, then flags in the block; equal blocks are stored once.
struct Table {
    blocks: Vec<u16>,
    flags: Vec<[u8; BLOCK]>,
}

static TABLE: LazyLock<Table> = LazyLock::new(build);

/// Flags of the 128 ASCII characters, and of the bytes above them 0.
pub static ASCII: [u8; 256] = ascii();

const fn ascii() -> [u8; 256] {
    let mut flags = [0; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        flags[byte as usize] = match byte {
            b'A'..=b'Z' => LETTER | UPPER | WORD,
            b'a'..=b'z' => LETTER | LOWER | WORD,
            b'0'..=b'9' => NUMBER | WORD,
            b'_' => WORD,
            b'\n' | b'\r' => WHITE_SPACE | NEWLINE,
            b' ' | b'\t' | 0x0B | 0x0C => WHITE_SPACE,
            _ => 0,
        };
        if byte.is_ascii_punctuation() {
            flags[byte as usize] |= PUNCTUATION;
        }
        byte += 1;
    }
    flags
}

fn build() -> Table {
    let mut flat = vec![0_u8; N_CODE_POINTS];
    for (pattern, flag) in [
        (r"\p{L}", LETTER),
        (r"\p{N}", NUMBER),
        (r"\s", WHITE_SPACE),
        (r"[\r\n]", NEWLINE),
        (r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", UPPER),
        (r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]", LOWER),
        (r"\w", WORD),
        (r"[[\p{P}&&\p{age:8.0}][:punct:]\x{166D}\x{111C9}]", PUNCTUATION),
    ] {
        let Ok(hir) = regex_syntax::parse(pattern) else {
            continue;
        };
        let HirKind::Class(Class::Unicode(class)) = hir.kind() else {
            continue;
        };
        for range in class.ranges() {
            for entry in &mut flat[range.start() as usize..=range.end() as usize] {
                *entry |= flag;
            }
        }
    }
    let mut table = Table { blocks: Vec::with_capacity(N_CODE_POINTS / BLOCK), flags: Vec::new() };
    let mut known: FxHashMap<&[u8; BLOCK], u16> = FxHashMap::default();
    for block in flat.as_chunks::<BLOCK>().0 {
        let next = u16::try_from(table.flags.len()).unwrap_or_default();
        let number = *known.entry(block).or_insert(next);
        if number == next {
            table.flags.push(*block);
        }
        table.blocks.push(number);
    }
    table
}

/// The flags of a code point.
#[inline]
pub fn flags_of(code_point: u32) -> u8 {
    let table = &*TABLE;
    let block = table.blocks.get((code_point >> BLOCK_BITS) as usize).copied().unwrap_or_default();
    table.flags[usize::from(block)][code_point as usize % BLOCK]
}

/// Flags and length in bytes of the character at `place`; `(0, 0)` at the end of the text.
///
/// `text` must be UTF-8 and `place` a character boundary.
#[inline]
pub fn at(text: &[u8], place: usize) -> (u8, usize) {
    match text.get(place) {
        None => (0, 0),
        Some(&byte) if byte < 0x80 => (ASCII[usize::from(byte)], 1),
        Some(_) => at_non_ascii(text, place),
    }
}

fn at_non_ascii(text: &[u8], place: usize) -> (u8, usize) {
    let byte = |i: usize| u32::from(text.get(place + i).copied().unwrap_or_default());
    let tail = |i: usize| byte(i) & 0x3F;
    match byte(0) {
        lead @ 0..0xE0 => (flags_of((lead & 0x1F) << 6 | tail(1)), 2),
        lead @ 0xE0..0xF0 => (flags_of((lead & 0x0F) << 12 | tail(1) << 6 | tail(2)), 3),
        lead => (flags_of((lead & 0x07) << 18 | tail(1) << 12 | tail(2) << 6 | tail(3)), 4),
    }
}

/// Length in bytes of the last character of `text`.
pub fn last_len(text: &[u8]) -> usize {
    text.iter().rev().take_while(|&&byte| byte & 0xC0 == 0x80).count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_match_char_methods_and_ascii_table() {
        for c in '\0'..=char::MAX {
            let flags = flags_of(u32::from(c));
            assert_eq!(flags & WHITE_SPACE != 0, c.is_whitespace(), "{c:?}");
            let mut buffer = [0; 4];
            let text = c.encode_utf8(&mut buffer).as_bytes();
            assert_eq!(at(text, 0), (flags, text.len()), "{c:?}");
            assert_eq!(last_len(text), text.len());
        }
        for byte in 0..128 {
            assert_eq!(ASCII[byte as usize], flags_of(byte));
        }
    }
}
