//! Word counts as one file.
//!
//! `merganser word counts 1\n`; the length of the description (8 bytes, little-endian) and the description, a text that
//! the caller chooses (the stages, the sources); how many words there are (8 bytes); the words and counts ([`super::coding`]);
//! the SHA-256 of all before it. Equal counts with equal descriptions are equal bytes.

use sha2::{Digest, Sha256};

use super::coding::{Decoder, Encoder, Fault};
use super::{Builder, POLL_WORDS, WordCounts};
use crate::error::{Error, Result};
use crate::progress::Progress;

const MAGIC: &[u8] = b"merganser word counts 1\n";
const DIGEST_BYTES: usize = 32;
/// The least that an entry takes: two lengths, a byte and a count.
const MIN_ENTRY_BYTES: usize = 4;
/// Bytes between two looks at whether to stop.
const POLL_BYTES: usize = 1 << 22;

impl WordCounts {
    /// The bytes of a file.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    pub fn to_bytes(&self, description: &str, progress: &Progress) -> Result<Vec<u8>> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&(description.len() as u64).to_le_bytes());
        out.extend_from_slice(description.as_bytes());
        out.extend_from_slice(&(self.len() as u64).to_le_bytes());
        let mut encoder = Encoder::default();
        for (index, (word, count)) in self.iter().enumerate() {
            if index.is_multiple_of(POLL_WORDS) {
                progress.check()?;
            }
            encoder.write(word, count, &mut out);
        }
        let digest = digest_of(&out, progress)?;
        out.extend_from_slice(&digest);
        Ok(out)
    }

    /// The counts and the description of a file.
    ///
    /// # Errors
    /// [`Error::Format`] for anything but bytes that [`WordCounts::to_bytes`] gave; [`Error::Interrupted`].
    pub fn from_bytes(data: &[u8], progress: &Progress) -> Result<(Self, String)> {
        let rest = data.strip_prefix(MAGIC).ok_or_else(|| {
            fault("", "is no file of word counts, or of another version of merganser")
        })?;
        let n_before = data.len().saturating_sub(DIGEST_BYTES);
        let (before, digest) = data.split_at_checked(n_before).unwrap_or_default();
        if before.len() < MAGIC.len() || digest_of(before, progress)? != *digest {
            return Err(fault("", "is damaged or truncated: its checksum does not fit"));
        }
        let rest = rest.get(..rest.len() - DIGEST_BYTES).unwrap_or_default();
        let (n_bytes, rest) = number(rest)?;
        let (description, rest) = usize::try_from(n_bytes)
            .ok()
            .and_then(|n_bytes| rest.split_at_checked(n_bytes))
            .ok_or_else(|| fault("description", "is longer than the file"))?;
        let description = std::str::from_utf8(description)
            .map_err(|_| fault("description", "is not valid UTF-8"))?;
        let (n_words, rest) = number(rest)?;
        if n_words > (rest.len() / MIN_ENTRY_BYTES) as u64 {
            return Err(fault("number of words", format!("{n_words} is more than fits the file")));
        }
        let mut builder = Builder::default();
        let mut decoder = Decoder::new(rest);
        for index in 0..n_words {
            if index.is_multiple_of(POLL_WORDS as u64) {
                progress.check()?;
            }
            decoder.next().map_err(|problem| match problem {
                Fault::Io(_) => fault(format!("word {index}"), "the file ends inside it"),
                Fault::Damaged(problem) => fault(format!("word {index}"), problem),
            })?;
            if builder.last() >= Some(decoder.word()) {
                return Err(fault(
                    format!("word {index}"),
                    "a word is not greater than the one before",
                ));
            }
            builder.push(decoder.word(), decoder.count())?;
        }
        if decoder.into_source().is_empty() {
            Ok((builder.finish(), description.to_owned()))
        } else {
            Err(fault("", "has bytes after the last word"))
        }
    }
}

fn digest_of(data: &[u8], progress: &Progress) -> Result<Vec<u8>> {
    let mut digest = Sha256::new();
    for part in data.chunks(POLL_BYTES) {
        progress.check()?;
        digest.update(part);
    }
    Ok(digest.finalize().to_vec())
}

fn number(data: &[u8]) -> Result<(u64, &[u8])> {
    match data.split_first_chunk() {
        Some((bytes, rest)) => Ok((u64::from_le_bytes(*bytes), rest)),
        None => Err(fault("", "ends before its words")),
    }
}

fn fault(place: impl Into<String>, problem: impl Into<String>) -> Error {
    Error::format("word counts file", place, problem)
}
