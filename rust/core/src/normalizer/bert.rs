//! BERT's clean-up: controls out and white space to spaces; spaces around Chinese characters; marks out; lower case. In this
//! order, each over the whole text.
//!
//! ASCII text without controls needs no more than a look-up for each byte.

use crate::normalizer::BertNormalizer;
use crate::normalizer::char_sets::{CONTROLS, NONSPACING_MARKS};
use crate::normalizer::characters::{lowercase, per_character};
use crate::normalizer::unicode::{self, Form};
use crate::progress::Progress;
use crate::traced::Traced;

pub(super) fn normalize(text: &mut Traced<'_>, options: BertNormalizer, progress: &Progress) {
    let BertNormalizer { clean_text, handle_chinese_chars, strip_accents, lowercase: lowers } =
        options;
    if is_clean_ascii(text.text(), progress) {
        return clean_ascii(text, options, progress);
    }
    if clean_text {
        per_character(
            text,
            progress,
            |c| matches!(c, ' '..='~') || !is_removed(c) && !c.is_whitespace(),
            |out, at, c| {
                if !is_removed(c) {
                    out.replace(at, ' ');
                }
            },
        );
    }
    if handle_chinese_chars {
        per_character(
            text,
            progress,
            |c| !is_chinese(c),
            |out, at, c| {
                for c in [' ', c, ' '] {
                    out.replace(at, c);
                }
            },
        );
    }
    if strip_accents.unwrap_or(lowers) {
        unicode::normalize(text, Form::D, progress);
        let keeps = |c: char| c.is_ascii() || !NONSPACING_MARKS.contains(c);
        per_character(text, progress, keeps, |_, _, _| {});
    }
    if lowers {
        lowercase(text, progress);
    }
}

/// Whether all is ASCII and no control needs to go.
fn is_clean_ascii(text: &str, progress: &Progress) -> bool {
    let is_clean = |&byte: &u8| matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r');
    progress.chunks(text).all(|chunk| chunk.iter().all(is_clean))
}

fn clean_ascii(text: &mut Traced<'_>, options: BertNormalizer, progress: &Progress) {
    let map = |byte: u8| match byte {
        b'\t' | b'\n' | b'\r' if options.clean_text => b' ',
        b'A'..=b'Z' if options.lowercase => byte.to_ascii_lowercase(),
        _ => byte,
    };
    if progress.chunks(text.text()).any(|chunk| chunk.iter().any(|&byte| map(byte) != byte)) {
        text.map_ascii(progress, map);
    }
}

fn is_removed(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' => false,
        '\0' | '\u{FFFD}' => true,
        c => CONTROLS.contains(c),
    }
}

/// The blocks that BERT takes for Chinese.
fn is_chinese(c: char) -> bool {
    matches!(
        c,
        '\u{4E00}'..='\u{9FFF}' | '\u{3400}'..='\u{4DBF}' | '\u{20000}'..='\u{2A6DF}'
            | '\u{2A700}'..='\u{2B73F}' | '\u{2B740}'..='\u{2B81F}' | '\u{2B920}'..='\u{2CEAF}'
            | '\u{F900}'..='\u{FAFF}' | '\u{2F800}'..='\u{2FA1F}'
    )
}
