//! The byte-level alphabet and GPT-2's pattern (Radford et al. 2019, section 2.2; OpenAI's `gpt-2/src/encoder.py`).
//!
//! A byte-level vocabulary is stored as text in which each byte is one printable character: the 188 bytes that are
//! printable in Latin-1 stand for themselves, the other 68 are the characters from U+0100 on, in byte order.
//! So `0x20` (space) is written `Ġ` and `0x0A` is written `Ċ`.

use std::ops::Range;

use crate::pre_tokenizer::PreTokens;
use crate::progress::Progress;

/// GPT-2's pattern.
pub const GPT2_PATTERN: &str =
    r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

const FIRST_SUBSTITUTE: u32 = 0x100;

const fn is_printable(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

/// The character that stands for each byte.
pub static ALPHABET: [char; 256] = alphabet();

const fn alphabet() -> [char; 256] {
    let mut alphabet = ['\0'; 256];
    let mut next = FIRST_SUBSTITUTE;
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "byte < 256")]
        let value = byte as u8;
        alphabet[byte] = if is_printable(value) {
            value as char
        } else {
            next += 1;
            match char::from_u32(next - 1) {
                Some(c) => c,
                None => '\0',
            }
        };
        byte += 1;
    }
    alphabet
}

/// The byte that a character of the alphabet stands for.
pub fn byte_of(c: char) -> Option<u8> {
    match u32::from(c) {
        code @ 0..0x100 => u8::try_from(code).ok().filter(|&byte| is_printable(byte)),
        code @ FIRST_SUBSTITUTE..0x144 => {
            // 0x00..=0x20, then 0x7F..=0xA0, then 0xAD: the unprintable bytes in order.
            let i = u8::try_from(code - FIRST_SUBSTITUTE).ok()?;
            Some(match i {
                0..=0x20 => i,
                0x21..=0x42 => i - 0x21 + 0x7F,
                _ => 0xAD,
            })
        }
        _ => None,
    }
}

/// `bytes` spelled in the alphabet.
pub fn spell(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| ALPHABET[usize::from(byte)]).collect()
}

/// The bytes that `spelling` stands for; `None` if a character is not of the alphabet.
pub fn bytes_of(spelling: &str) -> Option<Vec<u8>> {
    spelling.chars().map(byte_of).collect()
}

/// Puts a space before each pre-token that does not start with one.
pub(super) fn add_prefix_spaces(pre_tokens: &mut PreTokens<'_>) {
    let starts_with_space = |text: &str, start: usize| text.as_bytes().get(start) == Some(&b' ');
    let PreTokens { text, ranges } = pre_tokens;
    if ranges.iter().all(|range| starts_with_space(text.text(), range.start)) {
        return;
    }
    pre_tokens.rewrite(|_, text, range, out| {
        if !starts_with_space(text, range.start) {
            out.replace(range.start, ' ');
        }
        out.keep(text, range);
    });
}

/// Writes each byte of the pre-tokens as its character. The characters of one character all go back to it.
pub(super) fn spell_pre_tokens(pre_tokens: &mut PreTokens<'_>, progress: &Progress) {
    let bytes = pre_tokens.text.text().as_bytes();
    let is_spelled = |range: &Range<usize>| {
        bytes.get(range.clone()).unwrap_or_default().iter().all(u8::is_ascii_graphic)
    };
    if pre_tokens.ranges.iter().all(is_spelled) {
        return;
    }
    pre_tokens.rewrite(|_, text, range, out| {
        for (at, c) in progress.char_indices(text.get(range.clone()).unwrap_or_default()) {
            let at = range.start + at;
            let mut buffer = [0; 4];
            for &byte in c.encode_utf8(&mut buffer).as_bytes() {
                out.replace(at, ALPHABET[usize::from(byte)]);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alphabet_is_inverted_by_byte_of() {
        for byte in 0..=255u8 {
            assert_eq!(byte_of(ALPHABET[usize::from(byte)]), Some(byte));
        }
        assert_eq!(byte_of('\u{144}'), None);
        assert_eq!(byte_of(' '), None);
        assert_eq!(spell(b" a\n"), "ĠaĊ");
    }
}
