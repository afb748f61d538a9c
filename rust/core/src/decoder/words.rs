//! What stages do to the bytes of a token. Text is UTF-8, but for bytes that are kept though they are not.

use memchr::memmem;

/// U+FFFD, which stands for bytes that are not UTF-8.
pub(super) const REPLACEMENT: &[u8] = "\u{FFFD}".as_bytes();

/// `text` with `to` for each `from`, from left to right; an empty `from` stands around every character.
pub(super) fn replaced(text: &[u8], from: &str, to: &str) -> Vec<u8> {
    let mut replaced = Vec::with_capacity(text.len());
    if from.is_empty() {
        for chunk in text.utf8_chunks() {
            replaced.extend_from_slice(chunk.valid().replace("", to).as_bytes());
            replaced.extend_from_slice(chunk.invalid());
        }
        if text.is_empty() {
            replaced.extend_from_slice(to.as_bytes());
        }
        return replaced;
    }
    let mut end = 0;
    for found in memmem::find_iter(text, from) {
        replaced.extend_from_slice(text.get(end..found).unwrap_or_default());
        replaced.extend_from_slice(to.as_bytes());
        end = found + from.len();
    }
    replaced.extend_from_slice(text.get(end..).unwrap_or_default());
    replaced
}

/// What English detokenization tightens, in the order in which `tokenizers` does.
const TIGHTENED: [(&str, &str); 11] = [
    (" .", "."),
    (" ?", "?"),
    (" !", "!"),
    (" ,", ","),
    (" ' ", "'"),
    (" n't", "n't"),
    (" 'm", "'m"),
    (" do not", " don't"),
    (" 's", "'s"),
    (" 've", "'ve"),
    (" 're", "'re"),
];

/// Leaves out spaces before punctuation and in English contractions.
pub(super) fn tightened(text: &[u8]) -> Vec<u8> {
    let mut tightened = text.to_vec();
    for (from, to) in TIGHTENED {
        if memmem::find(&tightened, from.as_bytes()).is_some() {
            tightened = replaced(&tightened, from, to);
        }
    }
    tightened
}

/// The byte that a token like `<0x41>` stands for.
pub(crate) fn byte_of(token: &[u8]) -> Option<u8> {
    let [b'<', b'0', b'x', digits @ .., b'>'] = token else { return None };
    let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.len() == 2)?;
    u8::from_str_radix(digits, 16).ok()
}

/// How much of `text` is certain to be UTF-8 or certain not to be: all but the start of a character at its end.
pub(super) fn settled(text: &[u8]) -> usize {
    let mut place = 0;
    loop {
        let rest = text.get(place..).unwrap_or_default();
        match std::str::from_utf8(rest) {
            Ok(_) => return text.len(),
            Err(error) => match error.error_len() {
                Some(n_bytes) => place += error.valid_up_to() + n_bytes,
                None => return place + error.valid_up_to(),
            },
        }
    }
}

/// The longest end of `text` that `word` begins with and that is not the whole `word`.
pub(super) fn overlap(text: &[u8], word: &[u8]) -> usize {
    let longest = text.len().min(word.len().saturating_sub(1));
    (1..=longest)
        .rev()
        .find(|&n_bytes| text.get(text.len() - n_bytes..) == word.get(..n_bytes))
        .unwrap_or(0)
}
