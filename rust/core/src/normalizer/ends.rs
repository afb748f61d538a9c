//! Normalizers of a text's ends: white space stripped, text put before.

use crate::traced::Traced;

/// Leaves out white space at the ends.
pub(super) fn strip(text: &mut Traced<'_>, left: bool, right: bool) {
    let all = text.text();
    let start = if left { all.len() - all.trim_start().len() } else { 0 };
    let end = if right { all.trim_end().len() } else { all.len() };
    if start > 0 || end < all.len() {
        text.rewrite(|text, out| out.keep(text, start..end.max(start)));
    }
}

/// Puts `prefix` before a text that is not empty; it shares the span of the first character.
pub(super) fn prepend(text: &mut Traced<'_>, prefix: &str) {
    if !text.text().is_empty() && !prefix.is_empty() {
        text.rewrite(|text, out| {
            prefix.chars().for_each(|c| out.replace(0, c));
            out.keep(text, 0..text.len());
        });
    }
}
