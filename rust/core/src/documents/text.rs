//! Bytes to text: strict, or with U+FFFD for each maximal invalid sequence, as Python's `errors="replace"` does.

use std::borrow::Cow;

use super::InvalidBytes;

/// The text and how many sequences were replaced, or the position of the first invalid byte.
pub(super) fn to_str(bytes: &[u8], invalid: InvalidBytes) -> Result<(Cow<'_, str>, u64), usize> {
    match (std::str::from_utf8(bytes), invalid) {
        (Ok(text), _) => Ok((Cow::Borrowed(text), 0)),
        (Err(error), InvalidBytes::Refuse) => Err(error.valid_up_to()),
        (Err(_), InvalidBytes::Replace) => {
            let (text, n_replaced) = replace(bytes);
            Ok((Cow::Owned(text), n_replaced))
        }
    }
}

/// [`to_str`] of bytes that may become the text without a copy.
pub(super) fn into_string(bytes: Vec<u8>, invalid: InvalidBytes) -> Result<(String, u64), usize> {
    match (String::from_utf8(bytes), invalid) {
        (Ok(text), _) => Ok((text, 0)),
        (Err(error), InvalidBytes::Refuse) => Err(error.utf8_error().valid_up_to()),
        (Err(error), InvalidBytes::Replace) => Ok(replace(error.as_bytes())),
    }
}

fn replace(bytes: &[u8]) -> (String, u64) {
    let mut text = String::with_capacity(bytes.len());
    let mut n_replaced = 0;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
            n_replaced += 1;
        }
    }
    (text, n_replaced)
}
