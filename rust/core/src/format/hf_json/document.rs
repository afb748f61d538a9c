//! The layout of a `tokenizer.json`: the top-level object, streamed into a [`Document`].
//!
//! A document is well formed piece by piece; that the pieces agree is for [`super::assemble`] to
//! check.

use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};

use crate::added_tokens::AddedToken;
use crate::decoder::Decoder;
use crate::error::{Error, Result};
use crate::format::hf_json::FORMAT;
use crate::format::hf_json::components;
use crate::format::hf_json::json::{Json, Path, Reader, with_seed};
use crate::format::hf_json::model::{ModelSection, ModelSeed};
use crate::normalizer::Normalizer;
use crate::padding::Padding;
use crate::post_processor::PostProcessor;
use crate::pre_tokenizer::PreTokenizer;
use crate::truncation::Truncation;

/// What a file says, in its own order.
#[derive(Default)]
pub(super) struct Document<'a> {
    pub(super) normalizer: Option<Normalizer>,
    pub(super) pre_tokenizer: Option<PreTokenizer>,
    pub(super) post_processor: Option<PostProcessor>,
    pub(super) decoder: Option<Decoder>,
    pub(super) added_tokens: Vec<AddedToken>,
    pub(super) truncation: Option<Truncation>,
    pub(super) padding: Option<Padding>,
    pub(super) model: ModelSection<'a>,
}

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
                    document.model = access.next_value_seed(ModelSeed { reader, path })?;
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
            document.pre_tokenizer = Some(components::pre_tokenizer::read(json, key)?);
        }
        "post_processor" => {
            document.post_processor = Some(components::post_processor::read(json, key)?);
        }
        "decoder" => document.decoder = Some(components::decoder::read(json, key)?),
        "version" => components::check_version(&json)?,
        "truncation" => document.truncation = Some(components::truncation::read(json, key)?),
        _ => document.padding = Some(components::padding::read(json, key)?),
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
