//! Reading JSON strictly: duplicate keys are errors, memory is bounded, and an error knows its path
//! in the file.
//!
//! [`Reader`] carries an error of ours through serde, whose errors are only text. [`Json`] is a
//! tree for the small parts of a file; the large parts (vocabulary, merges) are streamed by their
//! own visitors.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::Number;

use crate::error::{Error, Result};
use crate::format::quote;

/// JSON values that one small part may hold.
const MAX_VALUES: usize = 1 << 16;

/// The state of one reading.
pub(crate) struct Reader {
    format: &'static str,
    error: RefCell<Option<Error>>,
}

impl Reader {
    pub(crate) fn new(format: &'static str) -> Self {
        Self { format, error: RefCell::new(None) }
    }

    /// Keeps `error` as the outcome of the reading, and gives serde something to stop with.
    pub(crate) fn stop<E: de::Error>(&self, error: Error) -> E {
        self.error.borrow_mut().get_or_insert(error);
        E::custom("stopped")
    }

    /// Stops with a [`Error::Format`] at `path`.
    pub(crate) fn fail<E: de::Error>(&self, path: Path<'_>, problem: impl Into<String>) -> E {
        self.stop(Error::format(self.format, path.to_string(), problem))
    }

    /// Reads all of `text` by `seed`.
    pub(crate) fn read<'de, S: DeserializeSeed<'de>>(
        &self,
        text: &'de str,
        seed: S,
    ) -> Result<S::Value> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let outcome = seed
            .deserialize(&mut deserializer)
            .and_then(|value| deserializer.end().map(|()| value));
        outcome.map_err(|problem| match self.error.take() {
            Some(error) => error,
            None => self.syntax_error(&problem),
        })
    }

    fn syntax_error(&self, problem: &serde_json::Error) -> Error {
        let place = format!("line {} column {}", problem.line(), problem.column());
        let words = problem.to_string();
        let words = words.strip_suffix(&format!(" at {place}")).unwrap_or(&words);
        Error::format(self.format, place, words)
    }
}

/// Where a value stands, as a chain up to the top: costs nothing until it is printed.
#[derive(Clone, Copy)]
pub(crate) enum Path<'p> {
    Top,
    Key(&'p Path<'p>, &'p str),
    /// A key that is data, such as a token text.
    Entry(&'p Path<'p>, &'p str),
    Index(&'p Path<'p>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Top => Ok(()),
            Path::Key(Path::Top, key) => f.write_str(&escape_key(key)),
            Path::Key(parent, key) => write!(f, "{parent}.{}", escape_key(key)),
            Path::Entry(parent, key) => write!(f, "{parent}[{}]", quote(key)),
            Path::Index(parent, i) => write!(f, "{parent}[{i}]"),
        }
    }
}

/// A key as it is shown in a path: bare when it is a plain word.
pub(super) fn escape_key(key: &str) -> String {
    let is_plain = !key.is_empty()
        && key.len() <= 64
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_plain { key.to_owned() } else { quote(key) }
}

/// A JSON value without duplicate keys, which stand in the order of the file.
#[derive(Debug)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// An object of these keys.
    pub(super) fn object<const N: usize>(fields: [(&str, Json); N]) -> Self {
        Self::Object(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// A component: an object of its type and these keys.
    pub(super) fn tagged<const N: usize>(name: &str, fields: [(&str, Json); N]) -> Self {
        let fields = fields.into_iter().map(|(key, value)| (key.to_owned(), value));
        Self::Object(std::iter::once(("type".to_owned(), name.into())).chain(fields).collect())
    }

    /// The value that a text holds.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let reader = Reader::new("JSON");
        with_seed(&reader, Path::Top, |seed| reader.read(text, seed))
    }

    /// For messages: what it is.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(number) => number.to_string(),
            Self::String(text) => quote(text),
            Self::Array(_) => "an array".to_owned(),
            Self::Object(_) => "an object".to_owned(),
        }
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(number) => number.serialize(serializer),
            Self::String(text) => serializer.serialize_str(text),
            Self::Array(values) => serializer.collect_seq(values),
            Self::Object(fields) => serializer.collect_map(fields.iter().map(|(k, v)| (k, v))),
        }
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u32> for Json {
    fn from(value: u32) -> Self {
        Self::Number(value.into())
    }
}

impl From<usize> for Json {
    fn from(value: usize) -> Self {
        Self::Number(value.into())
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl<T: Into<Json>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Reads one [`Json`] of at most [`MAX_VALUES`] values.
pub(super) struct JsonSeed<'c> {
    reader: &'c Reader,
    path: Path<'c>,
    n_left: &'c Cell<usize>,
}

/// Calls `use_seed` with the seed of a small part at `path`.
pub(super) fn with_seed<T>(
    reader: &Reader,
    path: Path<'_>,
    use_seed: impl FnOnce(JsonSeed<'_>) -> T,
) -> T {
    let n_left = Cell::new(MAX_VALUES);
    use_seed(JsonSeed { reader, path, n_left: &n_left })
}

/// Reads a text that is one small value; errors call it `name`.
pub(super) fn read_tree(text: &str, name: &str) -> Result<Json> {
    let reader = Reader::new(super::FORMAT);
    with_seed(&reader, Path::Key(&Path::Top, name), |seed| reader.read(text, seed))
}

impl<'de> DeserializeSeed<'de> for JsonSeed<'_> {
    type Value = Json;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl JsonSeed<'_> {
    fn count<E: de::Error>(&self) -> Result<(), E> {
        let n_left = self.n_left.get().checked_sub(1).ok_or_else(|| {
            self.reader.fail(self.path, format!("holds more than {MAX_VALUES} values"))
        })?;
        self.n_left.set(n_left);
        Ok(())
    }
}

impl<'de> Visitor<'de> for JsonSeed<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Json, E> {
        self.count().map(|()| Json::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Json, E> {
        self.count().map(|()| Json::Bool(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Json, E> {
        self.count().map(|()| Json::Number(value.into()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Json, E> {
        self.count().map(|()| Json::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Json, E> {
        self.count()?;
        Number::from_f64(value)
            .map(Json::Number)
            .ok_or_else(|| self.reader.fail(self.path, "is not a finite number"))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Json, E> {
        self.count().map(|()| Json::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        self.count()?;
        let mut values = Vec::new();
        loop {
            let path = Path::Index(&self.path, values.len());
            let seed = JsonSeed { reader: self.reader, path, n_left: self.n_left };
            match access.next_element_seed(seed)? {
                Some(value) => values.push(value),
                None => return Ok(Json::Array(values)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        self.count()?;
        let mut keys = BTreeSet::new();
        let mut values = Vec::new();
        while let Some(key) = access.next_key::<String>()? {
            let path = Path::Key(&self.path, &key);
            if !keys.insert(key.clone()) {
                return Err(self.reader.fail(path, "stands twice"));
            }
            let seed = JsonSeed { reader: self.reader, path, n_left: self.n_left };
            let value = access.next_value_seed(seed)?;
            values.push((key, value));
        }
        Ok(Json::Object(values))
    }
}
