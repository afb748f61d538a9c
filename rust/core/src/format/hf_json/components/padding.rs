//! The `padding` of a `tokenizer.json`.

use crate::error::{Error, Result};
use crate::format::hf_json::FORMAT;
use crate::format::hf_json::components::fields::{self, Fields};
use crate::format::hf_json::json::Json;
use crate::padding::{Padding, PaddingStrategy};

/// As in the reference library, only `pad_to_multiple_of` may be missing.
pub(in crate::format::hf_json) fn read(json: Json, place: &str) -> Result<Padding> {
    let mut fields = Fields::new(json, place)?;
    let strategy_place = fields.path("strategy");
    let strategy = match fields.take("strategy")? {
        Json::String(name) if name == "BatchLongest" => PaddingStrategy::BatchLongest,
        Json::String(name) => return Err(fields.unsupported("strategy", &name)),
        other => {
            let mut fixed = Fields::new(other, &strategy_place)?;
            let length = fixed.take_usize("Fixed")?;
            fixed.finish()?;
            PaddingStrategy::Fixed(length)
        }
    };
    if !fields.has("direction") {
        return Err(Error::format(FORMAT, fields.path("direction"), "is missing"));
    }
    let side = fields::side(&mut fields)?;
    let multiple_of = if fields.has("pad_to_multiple_of") {
        multiple(&fields.take("pad_to_multiple_of")?, &fields.path("pad_to_multiple_of"))?
    } else {
        None
    };
    let padding = Padding {
        strategy,
        side,
        multiple_of,
        id: fields.take_u32("pad_id")?,
        type_id: fields.take_u32("pad_type_id")?,
        token: fields.take_string("pad_token")?,
    };
    fields.finish()?;
    Ok(padding)
}

fn multiple(json: &Json, place: &str) -> Result<Option<usize>> {
    match json {
        Json::Null => Ok(None),
        value => match fields::size(value, place)? {
            0 => Err(Error::format(FORMAT, place, "must be at least 1 or null, got 0")),
            multiple => Ok(Some(multiple)),
        },
    }
}

/// Writes what [`read`] reads.
pub(in crate::format::hf_json) fn write(padding: &Padding) -> Json {
    let Padding { strategy, side, multiple_of, id, type_id, token } = padding;
    let strategy = match *strategy {
        PaddingStrategy::BatchLongest => "BatchLongest".into(),
        PaddingStrategy::Fixed(length) => Json::object([("Fixed", length.into())]),
    };
    Json::object([
        ("strategy", strategy),
        ("direction", fields::side_name(*side).into()),
        ("pad_to_multiple_of", (*multiple_of).into()),
        ("pad_id", (*id).into()),
        ("pad_type_id", (*type_id).into()),
        ("pad_token", token.as_str().into()),
    ])
}
