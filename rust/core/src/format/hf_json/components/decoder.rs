//! The `decoder` of a `tokenizer.json`.

use crate::decoder::Decoder;
use crate::error::Result;
use crate::format::hf_json::components::fields::{self, Fields};
use crate::format::hf_json::json::Json;

pub(in crate::format::hf_json) fn read(json: Json, place: &str) -> Result<Decoder> {
    let mut fields = Fields::new(json, place)?;
    let decoder = match fields.take_string("type")?.as_str() {
        "ByteLevel" => Decoder::ByteLevel(fields::byte_level_options(&mut fields)?),
        name => return Err(fields.unsupported_type(name)),
    };
    fields.finish()?;
    Ok(decoder)
}

/// Writes what [`read`] reads.
pub(in crate::format::hf_json) fn write(decoder: &Decoder) -> Json {
    match decoder {
        Decoder::ByteLevel(options) => fields::write_byte_level(*options),
        _ => Json::Null,
    }
}
