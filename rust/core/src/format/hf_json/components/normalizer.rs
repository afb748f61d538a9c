//! The `normalizer` of a `tokenizer.json`.

use crate::error::Result;
use crate::format::hf_json::components::fields::Fields;
use crate::format::hf_json::json::Json;
use crate::normalizer::Normalizer;

pub(in crate::format::hf_json) fn read(json: Json, place: &str) -> Result<Normalizer> {
    let mut fields = Fields::new(json, place)?;
    let normalizer = match fields.take_string("type")?.as_str() {
        "NFC" => Normalizer::Nfc,
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

/// Writes what [`read`] reads.
pub(in crate::format::hf_json) fn write(normalizer: &Normalizer) -> Json {
    match normalizer {
        Normalizer::Nfc => Json::tagged("NFC", []),
        Normalizer::Sequence(inner) => Json::tagged(
            "Sequence",
            [("normalizers", Json::Array(inner.iter().map(write).collect()))],
        ),
        _ => Json::Null,
    }
}
