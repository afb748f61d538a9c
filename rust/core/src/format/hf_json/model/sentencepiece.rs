//! The model of SentencePiece in a `tokenizer.json`: a form of merganser's own, which the reference library refuses. Pieces
//! are triples of text, score and kind, by id. A score is written as the 64-bit number that it is, whose digits are read as
//! the same 32-bit number whatever the reader does to the last bit.

use std::fmt;

use base64::Engine;
use serde::de::{self, DeserializeSeed, IgnoredAny, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::definition::{
    PieceKind, SentencePieceAlgorithm, SentencePieceDefinition, SentencePieceEntry,
};
use crate::error::{Error, Result};
use crate::format::hf_json::FORMAT;
use crate::format::hf_json::components::fields::{BASE64, Fields, base64_bytes};
use crate::format::hf_json::json::{Path, Reader};
use crate::format::hf_json::vocab::{Text, check_length};
use crate::format::quote;
use crate::model::sentencepiece::SentencePiece;

/// The family's name in a file.
pub(super) const NAME: &str = "SentencePiece";

const KINDS: [(PieceKind, &str); 6] = [
    (PieceKind::Normal, "normal"),
    (PieceKind::Unknown, "unknown"),
    (PieceKind::Control, "control"),
    (PieceKind::UserDefined, "user_defined"),
    (PieceKind::Unused, "unused"),
    (PieceKind::Byte, "byte"),
];

const ALGORITHMS: [(SentencePieceAlgorithm, &str); 4] = [
    (SentencePieceAlgorithm::Unigram, "unigram"),
    (SentencePieceAlgorithm::Bpe, "bpe"),
    (SentencePieceAlgorithm::Word, "word"),
    (SentencePieceAlgorithm::Char, "char"),
];

/// What stands beside the pieces.
pub(super) fn read(
    mut fields: Fields<'_>,
    pieces: Vec<SentencePieceEntry>,
) -> Result<SentencePieceDefinition> {
    let name = fields.take_string("algorithm")?;
    let Some((algorithm, _)) = ALGORITHMS.iter().find(|(_, known)| *known == name) else {
        return Err(fields.unsupported("algorithm", &name));
    };
    let definition = SentencePieceDefinition {
        algorithm: *algorithm,
        byte_fallback: fields.take_bool("byte_fallback")?,
        unk_surface: fields.take_string("unk_surface")?,
        carried: base64_bytes(&mut fields, "carried")?,
        pieces,
    };
    fields.finish()?;
    SentencePiece::check(&definition).map_err(|error| match error {
        Error::Vocab(problem) => Error::format(FORMAT, "model.pieces", problem),
        error => error,
    })?;
    Ok(definition)
}

/// Reads the array of pieces.
pub(super) struct PiecesSeed<'c> {
    pub(super) reader: &'c Reader,
    pub(super) path: Path<'c>,
}

impl<'de> DeserializeSeed<'de> for PiecesSeed<'_> {
    type Value = Vec<SentencePieceEntry>;

    fn deserialize<D: de::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for PiecesSeed<'_> {
    type Value = Vec<SentencePieceEntry>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of pieces: text, score and kind")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut pieces = Vec::new();
        loop {
            let path = Path::Index(&self.path, pieces.len());
            match access.next_element_seed(PieceSeed { reader: self.reader, path })? {
                Some(piece) => pieces.push(piece),
                None => return Ok(pieces),
            }
        }
    }
}

/// Reads one piece.
struct PieceSeed<'c> {
    reader: &'c Reader,
    path: Path<'c>,
}

impl<'de> DeserializeSeed<'de> for PieceSeed<'_> {
    type Value = SentencePieceEntry;

    fn deserialize<D: de::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for PieceSeed<'_> {
    type Value = SentencePieceEntry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a piece at {}: its text, its score and its kind", self.path)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the nearest f32 is meant")]
    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let Self { reader, path } = self;
        let refuse =
            |got: &str| reader.fail(path, format!("must be a text, a score and a kind, got {got}"));
        let Some(Text(text)) = access.next_element()? else { return Err(refuse("nothing")) };
        check_length(&text, reader, path)?;
        let Some(score) = access.next_element::<f64>()? else { return Err(refuse("no score")) };
        let Some(Text(name)) = access.next_element()? else { return Err(refuse("no kind")) };
        if access.next_element::<IgnoredAny>()?.is_some() {
            return Err(refuse("more"));
        }
        let Some((kind, _)) = KINDS.iter().find(|(_, known)| *known == name) else {
            return Err(refuse(&format!("the kind {}", quote(&name))));
        };
        Ok(SentencePieceEntry { text: text.into(), score: score as f32, kind: *kind })
    }
}

/// Writes what is read here.
#[derive(serde::Serialize)]
#[serde(tag = "type", rename = "SentencePiece")]
pub(in crate::format::hf_json) struct SentencePieceOut<'a> {
    algorithm: &'static str,
    byte_fallback: bool,
    unk_surface: &'a str,
    carried: String,
    pieces: PiecesOut<'a>,
}

impl<'a> From<&'a SentencePieceDefinition> for SentencePieceOut<'a> {
    fn from(model: &'a SentencePieceDefinition) -> Self {
        let SentencePieceDefinition { algorithm, pieces, byte_fallback, unk_surface, carried } =
            model;
        let name = ALGORITHMS.iter().find(|(known, _)| known == algorithm);
        Self {
            algorithm: name.map_or("", |(_, name)| name),
            byte_fallback: *byte_fallback,
            unk_surface,
            carried: BASE64.encode(carried),
            pieces: PiecesOut(pieces),
        }
    }
}

struct PiecesOut<'a>(&'a [SentencePieceEntry]);

impl Serialize for PiecesOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|SentencePieceEntry { text, score, kind }| {
            let name = KINDS.iter().find(|(known, _)| known == kind);
            (text, f64::from(*score), name.map_or("", |(_, name)| name))
        }))
    }
}
