//! The `decoder` of a `tokenizer.json`. SentencePiece's own has no name there; here it is `SentencePiece`.

use crate::decoder::Decoder;
use crate::error::Result;
use crate::format::hf_json::components::fields::{self, Fields, expected};
use crate::format::hf_json::json::Json;

pub(in crate::format::hf_json) fn read(json: Json, place: &str) -> Result<Decoder> {
    let mut fields = Fields::new(json, place)?;
    let decoder = match fields.take_string("type")?.as_str() {
        "ByteLevel" => Decoder::ByteLevel(fields::byte_level_options(&mut fields)?),
        "WordPiece" => Decoder::WordPiece {
            prefix: fields.take_string("prefix")?,
            cleanup: fields.take_bool("cleanup")?,
        },
        "Metaspace" => Decoder::Metaspace(fields::metaspace(&mut fields)?),
        "ByteFallback" => Decoder::ByteFallback,
        "BPEDecoder" => Decoder::Bpe { suffix: fields.take_string("suffix")? },
        "Fuse" => Decoder::Fuse,
        "Strip" => Decoder::Strip {
            content: fields::character(&mut fields, "content")?,
            start: count(&mut fields, "start")?,
            stop: count(&mut fields, "stop")?,
        },
        "Replace" => Decoder::Replace {
            pattern: fields::pattern(&mut fields)?,
            content: fields.take_string("content")?,
        },
        "CTC" => Decoder::Ctc {
            pad_token: fields.take_string("pad_token")?,
            word_delimiter_token: fields.take_string("word_delimiter_token")?,
            cleanup: fields.take_bool("cleanup")?,
        },
        "SentencePiece" => Decoder::SentencePiece {
            unk_surface: fields.take_string("unk_surface")?,
            strips_dummy_prefix: fields.take_bool("strips_dummy_prefix")?,
        },
        "Sequence" => Decoder::Sequence(
            fields
                .take_array("decoders")?
                .into_iter()
                .map(|(json, place)| read(json, &place))
                .collect::<Result<_>>()?,
        ),
        name => return Err(fields.unsupported_type(name)),
    };
    fields.finish()?;
    Ok(decoder)
}

/// A key whose value is a number of characters.
fn count(fields: &mut Fields<'_>, key: &str) -> Result<usize> {
    let value = fields.take(key)?;
    let count = match &value {
        Json::Number(number) => number.as_u64().and_then(|count| usize::try_from(count).ok()),
        _ => None,
    };
    count.ok_or_else(|| expected("a whole number that is not negative", &value, &fields.path(key)))
}

/// Writes what [`read`] reads.
pub(in crate::format::hf_json) fn write(decoder: &Decoder) -> Json {
    match decoder {
        Decoder::ByteLevel(options) => fields::write_byte_level(*options),
        Decoder::WordPiece { prefix, cleanup } => Json::tagged(
            "WordPiece",
            [("prefix", prefix.as_str().into()), ("cleanup", (*cleanup).into())],
        ),
        Decoder::Metaspace(metaspace) => fields::write_metaspace(*metaspace),
        Decoder::ByteFallback => Json::tagged("ByteFallback", []),
        Decoder::Bpe { suffix } => Json::tagged("BPEDecoder", [("suffix", suffix.as_str().into())]),
        Decoder::Fuse => Json::tagged("Fuse", []),
        Decoder::Strip { content, start, stop } => Json::tagged(
            "Strip",
            [
                ("content", fields::write_character(*content)),
                ("start", (*start).into()),
                ("stop", (*stop).into()),
            ],
        ),
        Decoder::Replace { pattern, content } => Json::tagged(
            "Replace",
            [("pattern", fields::write_pattern(pattern)), ("content", content.as_str().into())],
        ),
        Decoder::Ctc { pad_token, word_delimiter_token, cleanup } => Json::tagged(
            "CTC",
            [
                ("pad_token", pad_token.as_str().into()),
                ("word_delimiter_token", word_delimiter_token.as_str().into()),
                ("cleanup", (*cleanup).into()),
            ],
        ),
        Decoder::Sequence(inner) => {
            Json::tagged("Sequence", [("decoders", Json::Array(inner.iter().map(write).collect()))])
        }
        Decoder::SentencePiece { unk_surface, strips_dummy_prefix } => Json::tagged(
            "SentencePiece",
            [
                ("unk_surface", unk_surface.as_str().into()),
                ("strips_dummy_prefix", (*strips_dummy_prefix).into()),
            ],
        ),
    }
}
