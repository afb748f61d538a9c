//! Taking a JSON tree apart: typed values out of objects, each error with its path.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use crate::error::{Error, Result};
use crate::format::hf_json::FORMAT;
use crate::format::hf_json::json::{Json, escape_key};
use crate::format::quote;
use crate::post_processor::ByteLevelOptions;
use crate::pre_tokenizer::{Metaspace, Pattern, PrependScheme, SplitBehavior};
use crate::truncation::Side;

/// Written with its padding, which may be missing when read.
pub(in crate::format::hf_json) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// An object whose keys are taken one by one; what is left at the end is unknown.
pub(in crate::format::hf_json) struct Fields<'p> {
    pub(in crate::format::hf_json) place: &'p str,
    fields: Vec<(String, Json)>,
}

impl<'p> Fields<'p> {
    pub(in crate::format::hf_json) fn new(json: Json, place: &'p str) -> Result<Self> {
        match json {
            Json::Object(fields) => Ok(Self { place, fields }),
            other => Err(expected("an object", &other, place)),
        }
    }

    pub(in crate::format::hf_json) fn path(&self, key: &str) -> String {
        format!("{}.{}", self.place, escape_key(key))
    }

    pub(in crate::format::hf_json) fn take(&mut self, key: &str) -> Result<Json> {
        match self.fields.iter().position(|(name, _)| name == key) {
            Some(found) => Ok(self.fields.swap_remove(found).1),
            None => Err(Error::format(FORMAT, self.path(key), "is missing")),
        }
    }

    pub(in crate::format::hf_json) fn take_bool(&mut self, key: &str) -> Result<bool> {
        match self.take(key)? {
            Json::Bool(value) => Ok(value),
            other => Err(expected("true or false", &other, &self.path(key))),
        }
    }

    pub(in crate::format::hf_json) fn take_string(&mut self, key: &str) -> Result<String> {
        let value = self.take(key)?;
        string(value, &self.path(key))
    }

    pub(in crate::format::hf_json) fn take_u32(&mut self, key: &str) -> Result<u32> {
        let value = self.take(key)?;
        number(&value, &self.path(key))
    }

    pub(in crate::format::hf_json) fn take_usize(&mut self, key: &str) -> Result<usize> {
        let value = self.take(key)?;
        size(&value, &self.path(key))
    }

    /// Whether the object has a key that was not taken yet.
    pub(in crate::format::hf_json) fn has(&self, key: &str) -> bool {
        self.fields.iter().any(|(name, _)| name == key)
    }

    /// All that was not taken, in file order.
    pub(in crate::format::hf_json) fn into_rest(self) -> Vec<(String, Json)> {
        self.fields
    }

    /// Each element of an array with its path.
    pub(in crate::format::hf_json) fn take_array(
        &mut self,
        key: &str,
    ) -> Result<Vec<(Json, String)>> {
        let value = self.take(key)?;
        array(value, &self.path(key))
    }

    pub(in crate::format::hf_json) fn unsupported_type(&self, name: &str) -> Error {
        self.unsupported("type", name)
    }

    /// The refusal of the value `name` of a key.
    pub(in crate::format::hf_json) fn unsupported(&self, key: &str, name: &str) -> Error {
        Error::unsupported(FORMAT, self.path(key), format!("{} is not supported", quote(name)))
    }

    pub(in crate::format::hf_json) fn finish(self) -> Result<()> {
        match self.fields.first() {
            Some((key, _)) => Err(Error::unsupported(FORMAT, self.path(key), "unknown key")),
            None => Ok(()),
        }
    }
}

pub(in crate::format::hf_json) fn expected(what: &str, got: &Json, place: &str) -> Error {
    Error::format(FORMAT, place, format!("must be {what}, got {}", got.describe()))
}

pub(in crate::format::hf_json) fn string(value: Json, place: &str) -> Result<String> {
    match value {
        Json::String(text) => Ok(text),
        other => Err(expected("a string", &other, place)),
    }
}

pub(in crate::format::hf_json) fn number(value: &Json, place: &str) -> Result<u32> {
    let id = match &value {
        Json::Number(number) => number.as_u64().and_then(|id| u32::try_from(id).ok()),
        _ => None,
    };
    id.ok_or_else(|| expected(&format!("a whole number from 0 to {}", u32::MAX), value, place))
}

pub(in crate::format::hf_json) fn size(value: &Json, place: &str) -> Result<usize> {
    let size = match value {
        Json::Number(number) => number.as_u64().and_then(|size| usize::try_from(size).ok()),
        _ => None,
    };
    size.ok_or_else(|| expected("a whole number that is not negative", value, place))
}

pub(in crate::format::hf_json) fn array(value: Json, place: &str) -> Result<Vec<(Json, String)>> {
    match value {
        Json::Array(values) => Ok(values
            .into_iter()
            .enumerate()
            .map(|(i, value)| (value, format!("{place}[{i}]")))
            .collect()),
        other => Err(expected("an array", &other, place)),
    }
}

/// A key whose value is bytes in base64.
pub(in crate::format::hf_json) fn base64_bytes(
    fields: &mut Fields<'_>,
    key: &str,
) -> Result<Vec<u8>> {
    let text = fields.take_string(key)?;
    BASE64.decode(text).map_err(|error| {
        Error::format(FORMAT, fields.path(key), format!("must be base64: {error}"))
    })
}

/// As in the reference library, only `use_regex` may be missing.
pub(in crate::format::hf_json) fn byte_level_options(
    fields: &mut Fields<'_>,
) -> Result<ByteLevelOptions> {
    Ok(ByteLevelOptions {
        add_prefix_space: fields.take_bool("add_prefix_space")?,
        trim_offsets: fields.take_bool("trim_offsets")?,
        use_regex: if fields.has("use_regex") { fields.take_bool("use_regex")? } else { true },
    })
}

/// Writes what [`byte_level_options`] reads, under the name that all of them have.
pub(in crate::format::hf_json) fn write_byte_level(options: ByteLevelOptions) -> Json {
    let ByteLevelOptions { add_prefix_space, trim_offsets, use_regex } = options;
    Json::tagged(
        "ByteLevel",
        [
            ("add_prefix_space", add_prefix_space.into()),
            ("trim_offsets", trim_offsets.into()),
            ("use_regex", use_regex.into()),
        ],
    )
}

/// The key `pattern`: `{"String": ...}` or `{"Regex": ...}`.
pub(in crate::format::hf_json) fn pattern(fields: &mut Fields<'_>) -> Result<Pattern> {
    let place = fields.path("pattern");
    let mut pattern = Fields::new(fields.take("pattern")?, &place)?;
    let parsed = if pattern.has("String") {
        Pattern::Literal(pattern.take_string("String")?)
    } else {
        Pattern::Regex(pattern.take_string("Regex")?)
    };
    pattern.finish()?;
    Ok(parsed)
}

/// Writes what [`pattern`] reads.
pub(in crate::format::hf_json) fn write_pattern(pattern: &Pattern) -> Json {
    match pattern {
        Pattern::Literal(text) => Json::object([("String", text.as_str().into())]),
        Pattern::Regex(text) => Json::object([("Regex", text.as_str().into())]),
    }
}

/// A key whose value is text of one character.
pub(in crate::format::hf_json) fn character(fields: &mut Fields<'_>, key: &str) -> Result<char> {
    let text = fields.take_string(key)?;
    let mut chars = text.chars();
    if let (Some(c), None) = (chars.next(), chars.next()) {
        return Ok(c);
    }
    let problem = format!("must be one character, got {}", quote(&text));
    Err(Error::format(FORMAT, fields.path(key), problem))
}

/// As in the reference library, only `replacement` must be there. Of the keys of old files, `str_rep` is the replacement
/// again, whatever it says, and `add_prefix_space` may be false only where `prepend_scheme` says so too.
pub(in crate::format::hf_json) fn metaspace(fields: &mut Fields<'_>) -> Result<Metaspace> {
    let replacement = character(fields, "replacement")?;
    let prepend_scheme =
        if fields.has("prepend_scheme") { prepend_scheme(fields)? } else { PrependScheme::Always };
    let split = optional_bool(fields, "split")?.unwrap_or(true);
    if fields.has("str_rep") {
        match fields.take("str_rep")? {
            Json::Null | Json::String(_) => {}
            other => return Err(expected("a string", &other, &fields.path("str_rep"))),
        }
    }
    let adds_space = optional_bool(fields, "add_prefix_space")?;
    if adds_space == Some(false) && prepend_scheme != PrependScheme::Never {
        let problem = "is false, but prepend_scheme is not \"never\"";
        return Err(Error::format(FORMAT, fields.path("add_prefix_space"), problem));
    }
    Ok(Metaspace { replacement, prepend_scheme, split })
}

/// Writes what [`metaspace`] reads, under the name that all of them have.
pub(in crate::format::hf_json) fn write_metaspace(metaspace: Metaspace) -> Json {
    let Metaspace { replacement, prepend_scheme, split } = metaspace;
    let scheme = SCHEMES.iter().find(|(known, _)| *known == prepend_scheme);
    Json::tagged(
        "Metaspace",
        [
            ("replacement", write_character(replacement)),
            ("prepend_scheme", scheme.map_or("", |(_, name)| name).into()),
            ("split", split.into()),
        ],
    )
}

/// Writes what [`character`] reads.
pub(in crate::format::hf_json) fn write_character(c: char) -> Json {
    Json::String(c.to_string())
}

fn prepend_scheme(fields: &mut Fields<'_>) -> Result<PrependScheme> {
    let name = fields.take_string("prepend_scheme")?;
    let found = SCHEMES.iter().find(|(_, known)| *known == name).map(|(scheme, _)| *scheme);
    found.ok_or_else(|| {
        let problem = format!("{} is not supported", quote(&name));
        Error::unsupported(FORMAT, fields.path("prepend_scheme"), problem)
    })
}

/// A key that may be missing or null.
fn optional_bool(fields: &mut Fields<'_>, key: &str) -> Result<Option<bool>> {
    if !fields.has(key) {
        return Ok(None);
    }
    match fields.take(key)? {
        Json::Null => Ok(None),
        Json::Bool(value) => Ok(Some(value)),
        other => Err(expected("true or false", &other, &fields.path(key))),
    }
}

/// The key `behavior`.
pub(in crate::format::hf_json) fn behavior(fields: &mut Fields<'_>) -> Result<SplitBehavior> {
    let name = fields.take_string("behavior")?;
    let found = BEHAVIORS.iter().find(|(_, known)| *known == name);
    found.map(|(behavior, _)| *behavior).ok_or_else(|| {
        let problem = format!("{} is not supported", quote(&name));
        Error::unsupported(FORMAT, fields.path("behavior"), problem)
    })
}

/// The name of a behaviour in a file.
pub(in crate::format::hf_json) fn behavior_name(behavior: SplitBehavior) -> &'static str {
    BEHAVIORS.iter().find(|(known, _)| *known == behavior).map_or("", |(_, name)| name)
}

const SCHEMES: [(PrependScheme, &str); 3] = [
    (PrependScheme::First, "first"),
    (PrependScheme::Never, "never"),
    (PrependScheme::Always, "always"),
];

const BEHAVIORS: [(SplitBehavior, &str); 5] = [
    (SplitBehavior::Removed, "Removed"),
    (SplitBehavior::Isolated, "Isolated"),
    (SplitBehavior::MergedWithPrevious, "MergedWithPrevious"),
    (SplitBehavior::MergedWithNext, "MergedWithNext"),
    (SplitBehavior::Contiguous, "Contiguous"),
];

/// The key `direction`; missing, it is the right.
pub(in crate::format::hf_json) fn side(fields: &mut Fields<'_>) -> Result<Side> {
    if !fields.has("direction") {
        return Ok(Side::Right);
    }
    let name = fields.take_string("direction")?;
    match name.as_str() {
        "Left" => Ok(Side::Left),
        "Right" => Ok(Side::Right),
        name => Err(fields.unsupported("direction", name)),
    }
}

/// The name of a side in a file.
pub(in crate::format::hf_json) fn side_name(side: Side) -> &'static str {
    match side {
        Side::Left => "Left",
        Side::Right => "Right",
    }
}
