//! The `pre_tokenizer` of a `tokenizer.json`.

use crate::error::{Error, Result};
use crate::format::hf_json::FORMAT;
use crate::format::hf_json::components::fields::{self, Fields};
use crate::format::hf_json::json::Json;
use crate::format::quote;
use crate::pre_tokenizer::{PreTokenizer, Split};

pub(in crate::format::hf_json) fn read(json: Json, place: &str) -> Result<PreTokenizer> {
    let mut is_byte_level = false;
    let pre_tokenizer = stage(json, place, &mut is_byte_level)?;
    if is_byte_level { Ok(pre_tokenizer) } else { Err(not_byte_level()) }
}

/// The refusal of a pre-tokenizer without a `ByteLevel` stage.
pub(in crate::format::hf_json) fn not_byte_level() -> Error {
    let problem = "has no ByteLevel stage: only byte-level BPE is supported";
    Error::unsupported(FORMAT, "pre_tokenizer", problem)
}

/// `is_byte_level`: whether a `ByteLevel` stage came before; later stages would see its spelling
/// instead of the text.
fn stage(json: Json, place: &str, is_byte_level: &mut bool) -> Result<PreTokenizer> {
    let mut fields = Fields::new(json, place)?;
    let name = fields.take_string("type")?;
    if *is_byte_level && matches!(name.as_str(), "ByteLevel" | "Split") {
        let problem = format!("{} after a ByteLevel stage is not supported", quote(&name));
        return Err(Error::unsupported(FORMAT, fields.path("type"), problem));
    }
    let pre_tokenizer = match name.as_str() {
        "ByteLevel" => {
            *is_byte_level = true;
            PreTokenizer::ByteLevel(fields::byte_level_options(&mut fields)?)
        }
        "Split" => PreTokenizer::Split(split(&mut fields)?),
        "Sequence" => {
            let stages = fields.take_array("pretokenizers")?;
            PreTokenizer::Sequence(
                stages
                    .into_iter()
                    .map(|(json, place)| stage(json, &place, is_byte_level))
                    .collect::<Result<_>>()?,
            )
        }
        name => return Err(fields.unsupported_type(name)),
    };
    fields.finish()?;
    Ok(pre_tokenizer)
}

fn split(fields: &mut Fields<'_>) -> Result<Split> {
    Ok(Split {
        pattern: fields::pattern(fields)?,
        behavior: fields::behavior(fields)?,
        invert: fields.take_bool("invert")?,
    })
}

/// Writes what [`read`] reads.
pub(in crate::format::hf_json) fn write(pre_tokenizer: &PreTokenizer) -> Json {
    match pre_tokenizer {
        PreTokenizer::ByteLevel(options) => fields::write_byte_level(*options),
        PreTokenizer::Split(Split { pattern, behavior, invert }) => Json::tagged(
            "Split",
            [
                ("pattern", fields::write_pattern(pattern)),
                ("behavior", fields::behavior_name(*behavior).into()),
                ("invert", (*invert).into()),
            ],
        ),
        PreTokenizer::Sequence(inner) => Json::tagged(
            "Sequence",
            [("pretokenizers", Json::Array(inner.iter().map(write).collect()))],
        ),
        _ => Json::Null,
    }
}
