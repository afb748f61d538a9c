//! The `pre_tokenizer` of a `tokenizer.json`.

use crate::error::{Error, Result};
use crate::format::hf_json::FORMAT;
use crate::format::hf_json::components::fields::{self, Fields};
use crate::format::hf_json::json::Json;
use crate::pre_tokenizer::{PreTokenizer, Split, SplitBehavior};

/// The length of `FixedLength` where the file does not say.
const DEFAULT_LENGTH: usize = 5;

pub(in crate::format::hf_json) fn read(json: Json, place: &str) -> Result<PreTokenizer> {
    let mut fields = Fields::new(json, place)?;
    let pre_tokenizer = match fields.take_string("type")?.as_str() {
        "BertPreTokenizer" => PreTokenizer::Bert,
        "ByteLevel" => PreTokenizer::ByteLevel(fields::byte_level_options(&mut fields)?),
        "CharDelimiterSplit" => {
            PreTokenizer::CharDelimiterSplit(fields::character(&mut fields, "delimiter")?)
        }
        "Digits" => {
            PreTokenizer::Digits { individual_digits: fields.take_bool("individual_digits")? }
        }
        "FixedLength" => PreTokenizer::FixedLength(length(&mut fields)?),
        "Metaspace" => PreTokenizer::Metaspace(fields::metaspace(&mut fields)?),
        "Punctuation" if fields.has("behavior") => {
            PreTokenizer::Punctuation(fields::behavior(&mut fields)?)
        }
        "Punctuation" => PreTokenizer::Punctuation(SplitBehavior::Isolated),
        "Split" => PreTokenizer::Split(split(&mut fields)?),
        "UnicodeScripts" => PreTokenizer::UnicodeScripts,
        "Whitespace" => PreTokenizer::Whitespace,
        "WhitespaceSplit" => PreTokenizer::WhitespaceSplit,
        "Sequence" => {
            let stages = fields.take_array("pretokenizers")?.into_iter();
            let stages = stages.map(|(json, place)| read(json, &place));
            PreTokenizer::Sequence(stages.collect::<Result<_>>()?)
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

fn length(fields: &mut Fields<'_>) -> Result<usize> {
    if !fields.has("length") {
        return Ok(DEFAULT_LENGTH);
    }
    match fields.take_u32("length")? {
        0 => Err(Error::format(FORMAT, fields.path("length"), "must be at least 1, got 0")),
        length => Ok(length as usize),
    }
}

/// Writes what [`read`] reads.
pub(in crate::format::hf_json) fn write(pre_tokenizer: &PreTokenizer) -> Json {
    match pre_tokenizer {
        PreTokenizer::Bert => Json::tagged("BertPreTokenizer", []),
        PreTokenizer::ByteLevel(options) => fields::write_byte_level(*options),
        PreTokenizer::CharDelimiterSplit(delimiter) => {
            Json::tagged("CharDelimiterSplit", [("delimiter", fields::write_character(*delimiter))])
        }
        PreTokenizer::Digits { individual_digits } => {
            Json::tagged("Digits", [("individual_digits", (*individual_digits).into())])
        }
        PreTokenizer::FixedLength(length) => {
            Json::tagged("FixedLength", [("length", Json::from(*length))])
        }
        PreTokenizer::Metaspace(metaspace) => fields::write_metaspace(*metaspace),
        PreTokenizer::Punctuation(behavior) => {
            Json::tagged("Punctuation", [("behavior", fields::behavior_name(*behavior).into())])
        }
        PreTokenizer::Split(Split { pattern, behavior, invert }) => Json::tagged(
            "Split",
            [
                ("pattern", fields::write_pattern(pattern)),
                ("behavior", fields::behavior_name(*behavior).into()),
                ("invert", (*invert).into()),
            ],
        ),
        PreTokenizer::UnicodeScripts => Json::tagged("UnicodeScripts", []),
        PreTokenizer::Whitespace => Json::tagged("Whitespace", []),
        PreTokenizer::WhitespaceSplit => Json::tagged("WhitespaceSplit", []),
        PreTokenizer::Sequence(inner) => Json::tagged(
            "Sequence",
            [("pretokenizers", Json::Array(inner.iter().map(write).collect()))],
        ),
    }
}
