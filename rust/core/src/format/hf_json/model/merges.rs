//! Streaming the list of merges: pairs of token texts, or in older files one string each.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeSeed, IgnoredAny, SeqAccess, Visitor};

use crate::format::hf_json::json::{Path, Reader};
use crate::format::hf_json::vocab::Text;
use crate::format::quote;

/// The two token texts of a merge.
pub(super) type MergeTexts<'a> = (Cow<'a, str>, Cow<'a, str>);

/// Reads the array of merges.
pub(super) struct MergesSeed<'c> {
    pub(super) reader: &'c Reader,
    pub(super) path: Path<'c>,
}

impl<'de> DeserializeSeed<'de> for MergesSeed<'_> {
    type Value = Vec<MergeTexts<'de>>;

    fn deserialize<D: de::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for MergesSeed<'_> {
    type Value = Vec<MergeTexts<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the array of merges")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut merges = Vec::new();
        let mut i = 0;
        loop {
            let seed = MergeSeed { reader: self.reader, path: Path::Index(&self.path, i) };
            match access.next_element_seed(seed)? {
                Some(Some(merge)) => merges.push(merge),
                Some(None) => {}
                None => return Ok(merges),
            }
            i += 1;
        }
    }
}

/// Reads one merge; `None` for a `#version` line kept from `merges.txt`, which the reference
/// library skips.
struct MergeSeed<'c> {
    reader: &'c Reader,
    path: Path<'c>,
}

impl<'de> DeserializeSeed<'de> for MergeSeed<'_> {
    type Value = Option<MergeTexts<'de>>;

    fn deserialize<D: de::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl MergeSeed<'_> {
    fn refuse<E: de::Error>(&self, got: &str) -> E {
        self.reader.fail(self.path, format!("a merge must have exactly two parts, got {got}"))
    }
}

impl<'de> Visitor<'de> for MergeSeed<'_> {
    type Value = Option<MergeTexts<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a merge at {}: two token texts", self.path)
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        if text.starts_with("#version") {
            return Ok(None);
        }
        match text.split_once(' ') {
            Some((left, right)) if is_merge(left, right) => Ok(Some((left.into(), right.into()))),
            _ => Err(self.refuse(&quote(text))),
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        if text.starts_with("#version") {
            return Ok(None);
        }
        match text.split_once(' ') {
            Some((left, right)) if is_merge(left, right) => {
                Ok(Some((left.to_owned().into(), right.to_owned().into())))
            }
            _ => Err(self.refuse(&quote(text))),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let left = access.next_element()?;
        let right = access.next_element()?;
        let (Some(Text(left)), Some(Text(right))) = (left, right) else {
            return Err(self.refuse("fewer"));
        };
        if access.next_element::<IgnoredAny>()?.is_some() {
            return Err(self.refuse("more"));
        }
        if left.is_empty() || right.is_empty() {
            return Err(self.refuse("an empty one"));
        }
        Ok(Some((left, right)))
    }
}

/// Whether a merge written as one string has exactly two parts.
fn is_merge(left: &str, right: &str) -> bool {
    !left.is_empty() && !right.is_empty() && !right.contains(' ')
}
