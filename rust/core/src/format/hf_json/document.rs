//! The layout of a `tokenizer.json`: the top-level object and the model in it, streamed into a
//! [`Document`].
//!
//! A document is well formed piece by piece; that the pieces agree is for [`super::assemble`] to
//! check.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::added_tokens::AddedToken;
use crate::decoder::Decoder;
use crate::error::{Error, Result};
use crate::format::hf_json::FORMAT;
use crate::format::hf_json::components;
use crate::format::hf_json::json::{Json, Path, Reader, with_seed};
use crate::format::hf_json::vocab::{Text, VocabSeed};
use crate::format::quote;
use crate::normalizer::Normalizer;
use crate::post_processor::PostProcessor;
use crate::pre_tokenizer::PreTokenizer;

/// What a file says, in its own order.
#[derive(Default)]
pub(super) struct Document<'a> {
    pub(super) normalizer: Option<Normalizer>,
    pub(super) pre_tokenizer: Option<PreTokenizer>,
    pub(super) post_processor: Option<PostProcessor>,
    pub(super) decoder: Option<Decoder>,
    pub(super) added_tokens: Vec<AddedToken>,
    pub(super) vocab: Vec<(String, u32)>,
    pub(super) merges: Vec<MergeTexts<'a>>,
    pub(super) ignore_merges: bool,
}

/// The two token texts of a merge.
pub(super) type MergeTexts<'a> = (Cow<'a, str>, Cow<'a, str>);

/// Reads the text of a file.
pub(super) fn parse(text: &str) -> Result<Document<'_>> {
    let reader = Reader::new(FORMAT);
    reader.read(text, TopSeed { reader: &reader })
}

struct TopSeed<'c> {
    reader: &'c Reader,
}

impl<'de> DeserializeSeed<'de> for TopSeed<'_> {
    type Value = Document<'de>;

    fn deserialize<D: de::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TopSeed<'_> {
    type Value = Document<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let reader = self.reader;
        let mut document = Document::default();
        let mut seen = Vec::new();
        while let Some(key) = access.next_key::<String>()? {
            let path = Path::Key(&Path::Top, &key);
            if seen.contains(&key) {
                return Err(reader.fail(path, "stands twice"));
            }
            match key.as_str() {
                "model" => {
                    access.next_value_seed(ModelSeed { reader, path, document: &mut document })?;
                }
                "added_tokens" => {
                    let tokens = access.next_value_seed(AddedTokensSeed { reader, path })?;
                    document.added_tokens = tokens;
                }
                "version" | "truncation" | "padding" | "normalizer" | "pre_tokenizer"
                | "post_processor" | "decoder" => {
                    let json = with_seed(reader, path, |seed| access.next_value_seed(seed))?;
                    set_component(&mut document, &key, json).map_err(|error| reader.stop(error))?;
                }
                _ => {
                    let error = Error::unsupported(FORMAT, path.to_string(), "unknown key");
                    return Err(reader.stop(error));
                }
            }
            seen.push(key);
        }
        if seen.iter().any(|key| key == "model") {
            Ok(document)
        } else {
            Err(reader.fail(Path::Key(&Path::Top, "model"), "is missing"))
        }
    }
}

fn set_component(document: &mut Document<'_>, key: &str, json: Json) -> Result<()> {
    if let Json::Null = json {
        return Ok(());
    }
    match key {
        "normalizer" => document.normalizer = Some(components::normalizer::read(json, key)?),
        "pre_tokenizer" => {
            document.pre_tokenizer = Some(components::pre_tokenizer::read(json, key)?)
        }
        "post_processor" => {
            document.post_processor = Some(components::post_processor::read(json, key)?)
        }
        "decoder" => document.decoder = Some(components::decoder::read(json, key)?),
        "version" => components::check_version(&json)?,
        _ => {
            let problem = format!(
                "is not null: {key} is a setting of a call, not of a tokenizer; set it to null"
            );
            return Err(Error::unsupported(FORMAT, key, problem));
        }
    }
    Ok(())
}

struct AddedTokensSeed<'c> {
    reader: &'c Reader,
    path: Path<'c>,
}

impl<'de> DeserializeSeed<'de> for AddedTokensSeed<'_> {
    type Value = Vec<AddedToken>;

    fn deserialize<D: de::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AddedTokensSeed<'_> {
    type Value = Vec<AddedToken>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the array of added tokens")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut tokens = Vec::new();
        loop {
            let path = Path::Index(&self.path, tokens.len());
            let json = with_seed(self.reader, path, |seed| access.next_element_seed(seed))?;
            let Some(json) = json else { return Ok(tokens) };
            let token = components::added_token(json, &path.to_string());
            tokens.push(token.map_err(|error| self.reader.stop(error))?);
        }
    }
}

struct ModelSeed<'c, 'd, 'de> {
    reader: &'c Reader,
    path: Path<'c>,
    document: &'d mut Document<'de>,
}

impl<'de> DeserializeSeed<'de> for ModelSeed<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ModelSeed<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the model object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        let Self { reader, path: model, document } = self;
        let mut seen = Vec::new();
        while let Some(key) = access.next_key::<String>()? {
            let path = Path::Key(&model, &key);
            if seen.contains(&key) {
                return Err(reader.fail(path, "stands twice"));
            }
            match key.as_str() {
                "vocab" => document.vocab = access.next_value_seed(VocabSeed { reader, path })?,
                "merges" => {
                    document.merges = access.next_value_seed(MergesSeed { reader, path })?;
                }
                _ => {
                    let json = with_seed(reader, path, |seed| access.next_value_seed(seed))?;
                    components::model_option(&key, &json, &mut document.ignore_merges)
                        .map_err(|error| reader.stop(error))?;
                }
            }
            seen.push(key);
        }
        for key in ["vocab", "merges"] {
            if !seen.iter().any(|seen| seen == key) {
                return Err(reader.fail(Path::Key(&model, key), "is missing"));
            }
        }
        Ok(())
    }
}

struct MergesSeed<'c> {
    reader: &'c Reader,
    path: Path<'c>,
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
pub(crate) fn is_merge(left: &str, right: &str) -> bool {
    !left.is_empty() && !right.is_empty() && !right.contains(' ')
}
