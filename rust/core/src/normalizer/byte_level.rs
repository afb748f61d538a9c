//! Every byte as its printable character, all with the span of the character that the byte is of.

use crate::pre_tokenizer::byte_level::ALPHABET;
use crate::progress::Progress;
use crate::traced::Traced;

pub(super) fn normalize(text: &mut Traced<'_>, progress: &Progress) {
    if text.text().bytes().all(|byte| byte.is_ascii_graphic()) {
        return;
    }
    text.rewrite(|text, out| {
        let mut kept = 0;
        for (at, c) in progress.char_indices(text).filter(|(_, c)| !c.is_ascii_graphic()) {
            out.keep(text, kept..at);
            kept = at + c.len_utf8();
            let bytes = text.as_bytes().get(at..kept).unwrap_or_default();
            for &byte in bytes {
                out.replace(at, ALPHABET[usize::from(byte)]);
            }
        }
        out.keep(text, kept..text.len());
    });
}
