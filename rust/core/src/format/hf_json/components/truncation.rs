//! The `truncation` of a `tokenizer.json`.

use crate::error::{Error, Result};
use crate::format::hf_json::FORMAT;
use crate::format::hf_json::components::fields::{self, Fields};
use crate::format::hf_json::json::Json;
use crate::truncation::{Truncation, TruncationStrategy};

const STRATEGIES: [(TruncationStrategy, &str); 3] = [
    (TruncationStrategy::LongestFirst, "LongestFirst"),
    (TruncationStrategy::OnlyFirst, "OnlyFirst"),
    (TruncationStrategy::OnlySecond, "OnlySecond"),
];

/// As in the reference library, only `direction` may be missing.
pub(in crate::format::hf_json) fn read(json: Json, place: &str) -> Result<Truncation> {
    let mut fields = Fields::new(json, place)?;
    let side = fields::side(&mut fields)?;
    let max_length = fields.take_usize("max_length")?;
    let name = fields.take_string("strategy")?;
    let strategy = STRATEGIES.iter().find(|(_, known)| *known == name);
    let Some(&(strategy, _)) = strategy else {
        return Err(fields.unsupported("strategy", &name));
    };
    let stride = fields.take_usize("stride")?;
    let stride_place = fields.path("stride");
    fields.finish()?;
    // Each overflowing stretch must bring something new. The library checks it when it first cuts a text, with a panic.
    if stride > 0 && stride >= max_length {
        let problem = format!("must be smaller than max_length, {max_length}, got {stride}");
        return Err(Error::format(FORMAT, stride_place, problem));
    }
    Ok(Truncation { max_length, strategy, stride, side })
}

/// Writes what [`read`] reads.
pub(in crate::format::hf_json) fn write(truncation: &Truncation) -> Json {
    let Truncation { max_length, strategy, stride, side } = *truncation;
    let name = STRATEGIES.iter().find(|(known, _)| *known == strategy).map_or("", |(_, name)| name);
    Json::object([
        ("direction", fields::side_name(side).into()),
        ("max_length", max_length.into()),
        ("strategy", name.into()),
        ("stride", stride.into()),
    ])
}
