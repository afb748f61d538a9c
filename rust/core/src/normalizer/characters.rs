//! Normalizers that look at one character at a time: lower case, marks left out, SentencePiece's `nmt` clean-up. When asked to
//! stop they leave the text half done.

use crate::normalizer::char_sets::MARKS;
use crate::progress::Progress;
use crate::traced::{Rewriter, Traced};

/// Writes the characters that `keeps` accepts as they are, and has `write` write what stands for each other one.
pub(super) fn per_character(
    text: &mut Traced<'_>,
    progress: &Progress,
    keeps: impl Fn(char) -> bool,
    write: impl Fn(&mut Rewriter<'_>, usize, char),
) {
    let Some((first, _)) = progress.char_indices(text.text()).find(|&(_, c)| !keeps(c)) else {
        return;
    };
    text.rewrite(|text, out| {
        let mut kept = 0;
        for (n_bytes, c) in progress.char_indices(text.get(first..).unwrap_or_default()) {
            if !keeps(c) {
                let at = first + n_bytes;
                out.keep(text, kept..at);
                write(out, at, c);
                kept = at + c.len_utf8();
            }
        }
        out.keep(text, kept..text.len());
    });
}

/// Lower case, each character by itself: a sigma at the end of a word becomes an ordinary one.
pub(super) fn lowercase(text: &mut Traced<'_>, progress: &Progress) {
    if text.text().is_ascii() {
        if text.text().bytes().any(|byte| byte.is_ascii_uppercase()) {
            text.map_ascii(progress, |byte| byte.to_ascii_lowercase());
        }
        return;
    }
    let is_lower =
        |c: char| if c.is_ascii() { !c.is_ascii_uppercase() } else { c.to_lowercase().eq([c]) };
    if progress.char_indices(text.text()).all(|(_, c)| is_lower(c)) {
        return;
    }
    text.rewrite(|text, out| {
        let mut ascii = 0;
        for (at, c) in progress.char_indices(text).filter(|(_, c)| !c.is_ascii()) {
            out.keep_lowercase(text, ascii..at);
            c.to_lowercase().for_each(|lower| out.replace(at, lower));
            ascii = at + c.len_utf8();
        }
        out.keep_lowercase(text, ascii..text.len());
    });
}

/// Leaves out the characters of general category M.
pub(super) fn strip_accents(text: &mut Traced<'_>, progress: &Progress) {
    if !text.text().is_ascii() {
        per_character(text, progress, |c| c.is_ascii() || !MARKS.contains(c), |_, _, _| {});
    }
}

/// Leaves out controls, and writes a space for other white space and for characters without a width.
pub(super) fn nmt(text: &mut Traced<'_>, progress: &Progress) {
    let keeps = |c| !is_nmt_control(c) && !is_nmt_space(c);
    per_character(text, progress, keeps, |out, at, c| {
        if is_nmt_space(c) {
            out.replace(at, ' ');
        }
    });
}

/// NUL stays, as do the controls U+0080 to U+009F but for two.
fn is_nmt_control(c: char) -> bool {
    matches!(c, '\x01'..='\x08' | '\x0B' | '\x0E'..='\x1F' | '\x7F' | '\u{8F}' | '\u{9F}')
}

fn is_nmt_space(c: char) -> bool {
    matches!(
        c,
        '\t' | '\n' | '\x0C' | '\r' | '\u{1680}' | '\u{200B}'
            ..='\u{200F}' | '\u{2028}' | '\u{2029}' | '\u{2581}' | '\u{FEFF}' | '\u{FFFD}'
    )
}
