//! The `normalizer` of a `tokenizer.json`.
//!
//! As in the reference library the type may be missing where the keys tell it, and BERT's is also called `Bert`. SentencePiece's
//! own normalizer has no name there; here it is `SentencePiece`, which that library refuses.

use base64::Engine;

use crate::error::Result;
use crate::format::hf_json::components::fields::{
    BASE64, Fields, base64_bytes, expected, pattern, string, write_pattern,
};
use crate::format::hf_json::json::Json;
use crate::normalizer::{BertNormalizer, Normalizer, SentencePiece};

/// A key that only one type has.
const TELLTALES: [(&str, &str); 6] = [
    ("clean_text", "BertNormalizer"),
    ("strip_left", "Strip"),
    ("normalizers", "Sequence"),
    ("precompiled_charsmap", "Precompiled"),
    ("content", "Replace"),
    ("prepend", "Prepend"),
];

pub(in crate::format::hf_json) fn read(json: Json, place: &str) -> Result<Normalizer> {
    let mut fields = Fields::new(json, place)?;
    let told = TELLTALES.iter().find(|(key, _)| fields.has(key));
    let name = match told {
        Some((_, name)) if !fields.has("type") => (*name).to_owned(),
        _ => fields.take_string("type")?,
    };
    let normalizer = match name.as_str() {
        "NFC" => Normalizer::Nfc,
        "NFD" => Normalizer::Nfd,
        "NFKC" => Normalizer::Nfkc,
        "NFKD" => Normalizer::Nfkd,
        "Lowercase" => Normalizer::Lowercase,
        "StripAccents" => Normalizer::StripAccents,
        "Strip" => Normalizer::Strip {
            left: fields.take_bool("strip_left")?,
            right: fields.take_bool("strip_right")?,
        },
        "Replace" => Normalizer::Replace {
            pattern: pattern(&mut fields)?,
            content: fields.take_string("content")?,
        },
        "Prepend" => Normalizer::Prepend(fields.take_string("prepend")?),
        "BertNormalizer" | "Bert" => Normalizer::Bert(bert(&mut fields)?),
        "Nmt" => Normalizer::Nmt,
        "ByteLevel" => Normalizer::ByteLevel,
        "Precompiled" => Normalizer::Precompiled(charsmap(&mut fields)?),
        "SentencePiece" => Normalizer::SentencePiece(sentencepiece(&mut fields)?),
        "Sequence" => {
            let normalizers = fields.take_array("normalizers")?;
            Normalizer::Sequence(
                normalizers
                    .into_iter()
                    .map(|(json, place)| read(json, &place))
                    .collect::<Result<_>>()?,
            )
        }
        name => return Err(fields.unsupported_type(name)),
    };
    fields.finish()?;
    Ok(normalizer)
}

fn bert(fields: &mut Fields<'_>) -> Result<BertNormalizer> {
    Ok(BertNormalizer {
        clean_text: fields.take_bool("clean_text")?,
        handle_chinese_chars: fields.take_bool("handle_chinese_chars")?,
        strip_accents: match fields.has("strip_accents").then(|| fields.take("strip_accents")) {
            None => None,
            Some(value) => match value? {
                Json::Null => None,
                Json::Bool(value) => Some(value),
                other => {
                    let place = fields.path("strip_accents");
                    return Err(expected("true, false or null", &other, &place));
                }
            },
        },
        lowercase: fields.take_bool("lowercase")?,
    })
}

fn charsmap(fields: &mut Fields<'_>) -> Result<Vec<u8>> {
    base64_bytes(fields, "precompiled_charsmap")
}

fn sentencepiece(fields: &mut Fields<'_>) -> Result<SentencePiece> {
    Ok(SentencePiece {
        name: fields.take_string("name")?,
        charsmap: charsmap(fields)?,
        add_dummy_prefix: fields.take_bool("add_dummy_prefix")?,
        remove_extra_whitespaces: fields.take_bool("remove_extra_whitespaces")?,
        escape_whitespaces: fields.take_bool("escape_whitespaces")?,
        treat_whitespace_as_suffix: fields.take_bool("treat_whitespace_as_suffix")?,
        user_defined: fields
            .take_array("user_defined")?
            .into_iter()
            .map(|(json, place)| string(json, &place))
            .collect::<Result<_>>()?,
    })
}

/// Writes what [`read`] reads.
pub(in crate::format::hf_json) fn write(normalizer: &Normalizer) -> Json {
    match normalizer {
        Normalizer::Nfc => Json::tagged("NFC", []),
        Normalizer::Nfd => Json::tagged("NFD", []),
        Normalizer::Nfkc => Json::tagged("NFKC", []),
        Normalizer::Nfkd => Json::tagged("NFKD", []),
        Normalizer::Lowercase => Json::tagged("Lowercase", []),
        Normalizer::StripAccents => Json::tagged("StripAccents", []),
        &Normalizer::Strip { left, right } => {
            Json::tagged("Strip", [("strip_left", left.into()), ("strip_right", right.into())])
        }
        Normalizer::Replace { pattern, content } => Json::tagged(
            "Replace",
            [("pattern", write_pattern(pattern)), ("content", content.as_str().into())],
        ),
        Normalizer::Prepend(prefix) => {
            Json::tagged("Prepend", [("prepend", prefix.as_str().into())])
        }
        Normalizer::Bert(options) => Json::tagged(
            "BertNormalizer",
            [
                ("clean_text", options.clean_text.into()),
                ("handle_chinese_chars", options.handle_chinese_chars.into()),
                ("strip_accents", options.strip_accents.into()),
                ("lowercase", options.lowercase.into()),
            ],
        ),
        Normalizer::Nmt => Json::tagged("Nmt", []),
        Normalizer::ByteLevel => Json::tagged("ByteLevel", []),
        Normalizer::Precompiled(charsmap) => {
            let charsmap = BASE64.encode(charsmap).as_str().into();
            Json::tagged("Precompiled", [("precompiled_charsmap", charsmap)])
        }
        Normalizer::SentencePiece(spec) => write_sentencepiece(spec),
        Normalizer::Sequence(inner) => Json::tagged(
            "Sequence",
            [("normalizers", Json::Array(inner.iter().map(write).collect()))],
        ),
    }
}

fn write_sentencepiece(spec: &SentencePiece) -> Json {
    let user_defined = spec.user_defined.iter().map(|piece| piece.as_str().into()).collect();
    Json::tagged(
        "SentencePiece",
        [
            ("name", spec.name.as_str().into()),
            ("precompiled_charsmap", BASE64.encode(&spec.charsmap).as_str().into()),
            ("add_dummy_prefix", spec.add_dummy_prefix.into()),
            ("remove_extra_whitespaces", spec.remove_extra_whitespaces.into()),
            ("escape_whitespaces", spec.escape_whitespaces.into()),
            ("treat_whitespace_as_suffix", spec.treat_whitespace_as_suffix.into()),
            ("user_defined", Json::Array(user_defined)),
        ],
    )
}
