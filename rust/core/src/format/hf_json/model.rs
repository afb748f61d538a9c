//! The `model` of a `tokenizer.json`: streamed into a [`ModelSection`], and from there to the model that it means.
//!
//! A section without a `type` is of the first family whose keys it has, in the reference library's order: BPE, WordPiece,
//! WordLevel, Unigram. SentencePiece's has a form of its own. Keys that the family does not know are refused.

mod merges;
mod options;
mod sentencepiece;

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, Visitor};

use crate::definition::SentencePieceEntry;
use crate::format::hf_json::json::{Json, Path, Reader, with_seed};
use crate::format::hf_json::vocab::{Vocabulary, VocabularySeed};
use merges::{MergeTexts, MergesSeed};
use sentencepiece::PiecesSeed;

pub(super) use options::model;
pub(super) use sentencepiece::SentencePieceOut;

/// What a file says of the model.
#[derive(Default)]
pub(super) struct ModelSection<'a> {
    vocab: Option<Vocabulary>,
    merges: Option<Vec<MergeTexts<'a>>>,
    pieces: Option<Vec<SentencePieceEntry>>,
    /// All other keys, in file order.
    options: Vec<(String, Json)>,
}

/// Reads the model's object.
pub(super) struct ModelSeed<'c> {
    pub(super) reader: &'c Reader,
    pub(super) path: Path<'c>,
}

impl<'de> DeserializeSeed<'de> for ModelSeed<'_> {
    type Value = ModelSection<'de>;

    fn deserialize<D: de::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ModelSeed<'_> {
    type Value = ModelSection<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the model object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let Self { reader, path: model } = self;
        let mut section = ModelSection::default();
        let mut seen = BTreeSet::new();
        while let Some(key) = access.next_key::<String>()? {
            let path = Path::Key(&model, &key);
            if !seen.insert(key.clone()) {
                return Err(reader.fail(path, "stands twice"));
            }
            match key.as_str() {
                "vocab" => {
                    let vocab = access.next_value_seed(VocabularySeed { reader, path })?;
                    section.vocab = Some(vocab);
                }
                "merges" => {
                    section.merges = Some(access.next_value_seed(MergesSeed { reader, path })?);
                }
                "pieces" => {
                    section.pieces = Some(access.next_value_seed(PiecesSeed { reader, path })?);
                }
                _ => {
                    let json = with_seed(reader, path, |seed| access.next_value_seed(seed))?;
                    section.options.push((key, json));
                }
            }
        }
        Ok(section)
    }
}
