//! The small parts of a `tokenizer.json`: from a JSON tree to the component it describes, or a
//! refusal with its path, and back. A file a component, `read` and `write` side by side.

pub(super) mod decoder;
pub(super) mod fields;
pub(super) mod normalizer;
pub(super) mod padding;
pub(super) mod post_processor;
pub(super) mod pre_tokenizer;
pub(super) mod truncation;

use crate::added_tokens::AddedToken;
use crate::error::{Error, Result};
use crate::format::MAX_TOKEN_BYTES;
use crate::format::hf_json::FORMAT;
use crate::format::hf_json::json::Json;
use fields::Fields;

pub(super) fn check_version(json: &Json) -> Result<()> {
    match json {
        Json::String(version) if version == "1.0" => Ok(()),
        other => Err(Error::unsupported(
            FORMAT,
            "version",
            format!("{} is not supported, only \"1.0\"", other.describe()),
        )),
    }
}

pub(super) fn added_token(json: Json, place: &str) -> Result<AddedToken> {
    let mut fields = Fields::new(json, place)?;
    let token = AddedToken {
        id: fields.take_u32("id")?,
        content: fields.take_string("content")?,
        is_single_word: fields.take_bool("single_word")?,
        strips_left: fields.take_bool("lstrip")?,
        strips_right: fields.take_bool("rstrip")?,
        is_normalized: fields.take_bool("normalized")?,
        is_special: fields.take_bool("special")?,
    };
    let content = fields.path("content");
    fields.finish()?;
    match token.content.len() {
        0 => Err(Error::format(FORMAT, content, "must not be empty")),
        n_bytes if n_bytes > MAX_TOKEN_BYTES => Err(Error::format(
            FORMAT,
            content,
            format!("is longer than the limit of {MAX_TOKEN_BYTES} bytes"),
        )),
        _ => Ok(token),
    }
}
