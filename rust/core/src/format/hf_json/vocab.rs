//! Streaming a vocabulary object, token text to id: the part of a file that must be fast.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, MapAccess, Visitor};

use crate::error::Result;
use crate::format::hf_json::json::{Path, Reader};
use crate::format::{MAX_TOKEN_BYTES, quote};

/// Reads a vocabulary object in file order; that texts and ids are unique is for the caller to
/// check.
pub(crate) struct VocabSeed<'c> {
    pub(crate) reader: &'c Reader,
    pub(crate) path: Path<'c>,
}

impl<'de> DeserializeSeed<'de> for VocabSeed<'_> {
    type Value = Vec<(String, u32)>;

    fn deserialize<D: de::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for VocabSeed<'_> {
    type Value = Vec<(String, u32)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a vocabulary: an object of token texts and ids")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut vocab = Vec::new();
        while let Some(Text(text)) = access.next_key()? {
            let path = Path::Entry(&self.path, &text);
            if text.len() > MAX_TOKEN_BYTES {
                let problem = format!(
                    "a token of {} bytes is longer than the limit of {MAX_TOKEN_BYTES}",
                    text.len()
                );
                return Err(self.reader.fail(path, problem));
            }
            let id = access.next_value_seed(IdSeed { reader: self.reader, path })?;
            vocab.push((text.into_owned(), id));
        }
        Ok(vocab)
    }
}

/// A string that borrows from the file when it holds no escapes.
pub(super) struct Text<'de>(pub(super) Cow<'de, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a token text")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}

struct IdSeed<'c> {
    reader: &'c Reader,
    path: Path<'c>,
}

impl IdSeed<'_> {
    fn refuse<E: de::Error>(&self, value: &str) -> E {
        let rule = format!("an id must be a whole number from 0 to {}, got {value}", u32::MAX);
        self.reader.fail(self.path, rule)
    }
}

impl<'de> DeserializeSeed<'de> for IdSeed<'_> {
    type Value = u32;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<u32, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for IdSeed<'_> {
    type Value = u32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an id at {}", self.path)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<u32, E> {
        u32::try_from(value).map_err(|_| self.refuse(&value.to_string()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<u32, E> {
        Err(self.refuse(&value.to_string()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<u32, E> {
        Err(self.refuse(&value.to_string()))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<u32, E> {
        Err(self.refuse(&quote(value)))
    }
}
