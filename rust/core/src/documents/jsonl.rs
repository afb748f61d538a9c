//! The text field of one line of JSON, read without building the rest of the object.
//!
//! The whole line must be valid JSON (RFC 8259; Python's `NaN` is refused). A field given twice counts as Python's
//! `json` counts it: the last one wins. Values that are skipped are skipped without recursion, so nesting cannot hurt.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::InvalidBytes;

/// What is wrong with a line, and at which byte of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) position: u64,
    pub(super) message: String,
}

/// Whether a line holds nothing but white space.
pub(super) fn is_blank(line: &str) -> bool {
    line.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

/// The text in `field`, and how many lone surrogates in it became U+FFFD.
pub(super) fn text_of<'a>(
    line: &'a str,
    field: &str,
    invalid: InvalidBytes,
) -> Result<(Cow<'a, str>, u64), Problem> {
    let error = match parse(line, LineSeed { field, surrogates: Surrogates::Refuse }) {
        Ok(Some(Value::Text(text))) => return Ok((text, 0)),
        Ok(Some(Value::Other(kind))) => {
            return Err(problem(0, format!("field {field:?} must be a string, got {kind}")));
        }
        Ok(Some(Value::Bytes(_)) | None) => {
            return Err(problem(0, format!("field {field:?} is missing")));
        }
        Err(error) => error,
    };
    // Lone surrogates are the one fault that can be replaced: a second, permissive reading tells whether it is theirs.
    if let Ok(Some(Value::Bytes(bytes))) =
        parse(line, LineSeed { field, surrogates: Surrogates::Keep })
    {
        let (text, n_replaced) = replace_surrogates(&bytes);
        match invalid {
            InvalidBytes::Replace if n_replaced > 0 => return Ok((Cow::Owned(text), n_replaced)),
            InvalidBytes::Refuse if n_replaced > 0 => {
                let rule = "holds a lone surrogate; pass errors=\"replace\" to read U+FFFD instead";
                return Err(problem(0, format!("field {field:?} {rule}")));
            }
            _ => {}
        }
    }
    let words = error.to_string();
    let words = words.split(" at line ").next().unwrap_or(&words);
    let position = (error.column() as u64).saturating_sub(1);
    Err(problem(position, format!("invalid JSON: {words}")))
}

fn problem(position: u64, message: String) -> Problem {
    Problem { position, message }
}

fn parse<'a>(line: &'a str, seed: LineSeed<'_>) -> serde_json::Result<Option<Value<'a>>> {
    let mut deserializer = serde_json::Deserializer::from_str(line);
    let value = seed.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Text that `serde_json` gives as bytes may hold surrogates in the three-byte form of UTF-8: `ED A0..BF xx`.
fn replace_surrogates(bytes: &[u8]) -> (String, u64) {
    let mut text = String::with_capacity(bytes.len());
    let mut n_replaced = 0;
    let mut rest = bytes;
    loop {
        match std::str::from_utf8(rest) {
            Ok(valid) => {
                text.push_str(valid);
                return (text, n_replaced);
            }
            Err(error) => {
                let (valid, after) = rest.split_at(error.valid_up_to());
                text.push_str(&String::from_utf8_lossy(valid));
                text.push(char::REPLACEMENT_CHARACTER);
                n_replaced += 1;
                rest = after.get(3..).unwrap_or_default();
            }
        }
    }
}

#[derive(Debug)]
enum Value<'a> {
    Text(Cow<'a, str>),
    /// Text that may hold surrogates.
    Bytes(Cow<'a, [u8]>),
    /// What it is instead of a string.
    Other(&'static str),
}

#[derive(Debug, Clone, Copy)]
enum Surrogates {
    Refuse,
    Keep,
}

/// Reads an object and keeps the last value of one field.
#[derive(Clone, Copy)]
struct LineSeed<'f> {
    field: &'f str,
    surrogates: Surrogates,
}

impl<'de> DeserializeSeed<'de> for LineSeed<'_> {
    type Value = Option<Value<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for LineSeed<'_> {
    type Value = Option<Value<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(is_field) = map.next_key_seed(KeySeed(self))? {
            if is_field {
                found = Some(map.next_value_seed(ValueSeed(self.surrogates))?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// Whether a key is the field, without keeping the key.
struct KeySeed<'f>(LineSeed<'f>);

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        match self.0.surrogates {
            Surrogates::Refuse => deserializer.deserialize_str(self),
            Surrogates::Keep => deserializer.deserialize_bytes(self),
        }
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0.field)
    }

    fn visit_bytes<E>(self, key: &[u8]) -> Result<bool, E> {
        Ok(key == self.0.field.as_bytes())
    }
}

struct ValueSeed(Surrogates);

impl<'de> DeserializeSeed<'de> for ValueSeed {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value<'de>, D::Error> {
        match self.0 {
            Surrogates::Refuse => deserializer.deserialize_any(self),
            Surrogates::Keep => deserializer.deserialize_bytes(self),
        }
    }
}

impl<'de> Visitor<'de> for ValueSeed {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Value<'de>, E> {
        Ok(Value::Bytes(Cow::Borrowed(bytes)))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Value<'de>, E> {
        Ok(Value::Bytes(Cow::Owned(bytes.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::Other("null"))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value<'de>, E> {
        Ok(Value::Other("a boolean"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value<'de>, E> {
        Ok(Value::Other("a number"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value<'de>, E> {
        Ok(Value::Other("a number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value<'de>, E> {
        Ok(Value::Other("a number"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Other("an array"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Other("an object"))
    }
}
