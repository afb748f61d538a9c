//! Streaming a vocabulary, an object of token texts and ids or an array of pieces and scores: the part of a file that must be
//! fast.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

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
            check_length(&text, self.reader, path)?;
            let id = access.next_value_seed(IdSeed { reader: self.reader, path })?;
            vocab.push((text.into_owned(), id));
        }
        Ok(vocab)
    }
}

pub(super) fn check_length<E: de::Error>(
    text: &str,
    reader: &Reader,
    path: Path<'_>,
) -> Result<(), E> {
    if text.len() <= MAX_TOKEN_BYTES {
        return Ok(());
    }
    let n_bytes = text.len();
    let problem =
        format!("a token of {n_bytes} bytes is longer than the limit of {MAX_TOKEN_BYTES}");
    Err(reader.fail(path, problem))
}

/// The vocabulary of a model, in the form that its family has.
pub(super) enum Vocabulary {
    /// Token texts and ids.
    Ids(Vec<(String, u32)>),
    /// Pieces and scores, by id.
    Scores(Vec<(String, f64)>),
}

/// Reads a vocabulary of either form.
pub(super) struct VocabularySeed<'c> {
    pub(super) reader: &'c Reader,
    pub(super) path: Path<'c>,
}

impl<'de> DeserializeSeed<'de> for VocabularySeed<'_> {
    type Value = Vocabulary;

    fn deserialize<D: de::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for VocabularySeed<'_> {
    type Value = Vocabulary;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a vocabulary: an object of token texts and ids, or an array of pieces and scores",
        )
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Vocabulary, A::Error> {
        let Self { reader, path } = self;
        VocabSeed { reader, path }.visit_map(access).map(Vocabulary::Ids)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Vocabulary, A::Error> {
        let mut pieces = Vec::new();
        loop {
            let path = Path::Index(&self.path, pieces.len());
            match access.next_element_seed(PieceSeed { reader: self.reader, path })? {
                Some(piece) => pieces.push(piece),
                None => return Ok(Vocabulary::Scores(pieces)),
            }
        }
    }
}

/// Reads a piece and its score.
struct PieceSeed<'c> {
    reader: &'c Reader,
    path: Path<'c>,
}

impl<'de> DeserializeSeed<'de> for PieceSeed<'_> {
    type Value = (String, f64);

    fn deserialize<D: de::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for PieceSeed<'_> {
    type Value = (String, f64);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a piece at {}: its text and its score", self.path)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let Self { reader, path } = self;
        let refuse = |got| reader.fail(path, format!("must be a text and a score, got {got}"));
        let Some(Text(text)) = access.next_element()? else { return Err(refuse("nothing")) };
        check_length(&text, reader, path)?;
        let Some(score) = access.next_element::<f64>()? else { return Err(refuse("no score")) };
        if access.next_element::<IgnoredAny>()?.is_some() {
            return Err(refuse("more"));
        }
        if !score.is_finite() {
            return Err(refuse("a score that is not finite"));
        }
        Ok((text.into_owned(), score))
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
