//! Hugging Face's `tokenizer.json`, for every family.
//!
//! Everything that can change an id is either reproduced or refused with its path in the file; that
//! includes keys this version does not know.
//!
//! Where the reference library reads leniently, a file is refused whenever the lenient reading
//! could surprise. One case is not obvious: the library ignores the ids of added tokens and numbers
//! them anew in file order (the id of the same text in `model.vocab`, else the next one after all
//! others). A file whose ids differ from that numbering would mean two things, and is refused.
//!
//! [`write()`] gives equal bytes for equal definitions. [`fingerprint`] is the SHA-256 of a form that
//! is also equal for definitions that are spelled differently and mean the same.

mod assemble;
mod components;
mod document;
pub(crate) mod json;
mod model;
mod score;
pub(crate) mod vocab;
mod write;

#[cfg(test)]
mod tests;

use sha2::{Digest, Sha256};

use crate::definition::Definition;
use crate::error::{Error, Result};
use crate::normalizer::Normalizer;
use crate::pre_tokenizer::PreTokenizer;

pub(crate) use score::readable;
pub(crate) use write::{VocabOut, text_of};
pub use write::{write, write_pretty};

/// The format's name in messages.
pub(crate) const FORMAT: &str = "tokenizer.json";

/// Reads a `tokenizer.json`.
///
/// # Errors
/// [`Error::Format`] for a malformed or contradictory file, [`Error::Unsupported`] for a component
/// or option that is not reproduced, [`Error::Vocab`] for a merge of or into a token that does not
/// exist. Each names the place.
pub fn read(data: &[u8]) -> Result<Definition> {
    assemble::assemble(document::parse(decode_utf8(data, FORMAT)?)?)
}

/// Reads a `normalizer` on its own.
///
/// # Errors
/// Those of [`read`].
pub(crate) fn read_normalizer(text: &str) -> Result<Normalizer> {
    components::normalizer::read(json::read_tree(text, "normalizer")?, "normalizer")
}

/// Reads a `pre_tokenizer` on its own.
///
/// # Errors
/// Those of [`read`].
pub(crate) fn read_pre_tokenizer(text: &str) -> Result<PreTokenizer> {
    components::pre_tokenizer::read(json::read_tree(text, "pre_tokenizer")?, "pre_tokenizer")
}

/// Writes a `normalizer` on its own, on one line.
pub(crate) fn write_normalizer(normalizer: &Normalizer) -> String {
    serde_json::to_string(&components::normalizer::write(normalizer)).unwrap_or_default()
}

/// Writes a `pre_tokenizer` on its own, on one line.
pub(crate) fn write_pre_tokenizer(pre_tokenizer: &PreTokenizer) -> String {
    serde_json::to_string(&components::pre_tokenizer::write(pre_tokenizer)).unwrap_or_default()
}

/// The SHA-256, in lower-case hexadecimal digits, of the canonical form.
pub fn fingerprint(definition: &Definition) -> String {
    hex_sha256(write::write_canonical(definition).as_bytes())
}

/// The SHA-256 of `data` in lower-case hexadecimal digits.
pub(crate) fn hex_sha256(data: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    Sha256::digest(data)
        .iter()
        .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]])
        .collect()
}

/// `data` as text; a byte order mark is refused, as by the reference library.
pub(crate) fn decode_utf8<'a>(data: &'a [u8], format: &'static str) -> Result<&'a str> {
    if data.starts_with("\u{feff}".as_bytes()) {
        return Err(Error::format(format, "", "starts with a byte order mark (U+FEFF); remove it"));
    }
    std::str::from_utf8(data).map_err(|problem| {
        Error::format(format, format!("byte {}", problem.valid_up_to()), "invalid UTF-8")
    })
}
