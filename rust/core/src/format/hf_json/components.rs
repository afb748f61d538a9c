//! The small parts of a `tokenizer.json`: from a JSON tree to the component it describes, or a
//! refusal with its path.

use std::collections::BTreeMap;

use crate::added_tokens::AddedToken;
use crate::decoder::Decoder;
use crate::error::{Error, Result};
use crate::format::hf_json::FORMAT;
use crate::format::hf_json::json::{Json, escape_key};
use crate::format::{MAX_TOKEN_BYTES, quote};
use crate::normalizer::Normalizer;
use crate::post_processor::{
    ByteLevelOptions, PostProcessor, Template, TemplatePiece, TemplateSpecial,
};
use crate::pre_tokenizer::{Pattern, PreTokenizer, Split, SplitBehavior};

/// An object whose keys are taken one by one; what is left at the end is unknown.
struct Fields<'p> {
    place: &'p str,
    fields: BTreeMap<String, Json>,
}

impl<'p> Fields<'p> {
    fn new(json: Json, place: &'p str) -> Result<Self> {
        match json {
            Json::Object(fields) => Ok(Self { place, fields }),
            other => Err(expected("an object", &other, place)),
        }
    }

    fn path(&self, key: &str) -> String {
        format!("{}.{}", self.place, escape_key(key))
    }

    fn take(&mut self, key: &str) -> Result<Json> {
        match self.fields.remove(key) {
            Some(value) => Ok(value),
            None => Err(Error::format(FORMAT, self.path(key), "is missing")),
        }
    }

    fn take_bool(&mut self, key: &str) -> Result<bool> {
        match self.take(key)? {
            Json::Bool(value) => Ok(value),
            other => Err(expected("true or false", &other, &self.path(key))),
        }
    }

    fn take_string(&mut self, key: &str) -> Result<String> {
        let value = self.take(key)?;
        string(value, &self.path(key))
    }

    fn take_u32(&mut self, key: &str) -> Result<u32> {
        let value = self.take(key)?;
        number(&value, &self.path(key))
    }

    /// Each element of an array with its path.
    fn take_array(&mut self, key: &str) -> Result<Vec<(Json, String)>> {
        let value = self.take(key)?;
        array(value, &self.path(key))
    }

    fn unsupported_type(&self, name: &str) -> Error {
        Error::unsupported(FORMAT, self.path("type"), format!("{} is not supported", quote(name)))
    }

    fn finish(self) -> Result<()> {
        match self.fields.keys().next() {
            Some(key) => Err(Error::unsupported(FORMAT, self.path(key), "unknown key")),
            None => Ok(()),
        }
    }
}

fn expected(what: &str, got: &Json, place: &str) -> Error {
    Error::format(FORMAT, place, format!("must be {what}, got {}", got.describe()))
}

fn string(value: Json, place: &str) -> Result<String> {
    match value {
        Json::String(text) => Ok(text),
        other => Err(expected("a string", &other, place)),
    }
}

fn number(value: &Json, place: &str) -> Result<u32> {
    let id = match &value {
        Json::Number(number) => number.as_u64().and_then(|id| u32::try_from(id).ok()),
        _ => None,
    };
    id.ok_or_else(|| expected(&format!("a whole number from 0 to {}", u32::MAX), value, place))
}

fn array(value: Json, place: &str) -> Result<Vec<(Json, String)>> {
    match value {
        Json::Array(values) => Ok(values
            .into_iter()
            .enumerate()
            .map(|(i, value)| (value, format!("{place}[{i}]")))
            .collect()),
        other => Err(expected("an array", &other, place)),
    }
}

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

/// A key of the model other than `vocab` and `merges`.
pub(super) fn model_option(key: &str, value: &Json, ignore_merges: &mut bool) -> Result<()> {
    let place = format!("model.{}", escape_key(key));
    match (key, value) {
        ("type", Json::String(name)) if name == "BPE" => Ok(()),
        ("ignore_merges", Json::Bool(value)) => {
            *ignore_merges = *value;
            Ok(())
        }
        ("ignore_merges", other) => Err(expected("true or false", other, &place)),
        (
            "dropout"
            | "unk_token"
            | "continuing_subword_prefix"
            | "end_of_word_suffix"
            | "fuse_unk"
            | "byte_fallback",
            value,
        ) => match value {
            Json::Null | Json::Bool(false) => Ok(()),
            Json::String(text) if text.is_empty() => Ok(()),
            other => {
                let problem = format!("{} is not supported, only null", other.describe());
                Err(Error::unsupported(FORMAT, place, problem))
            }
        },
        ("type", other) => {
            let problem = format!("{} is not supported, only \"BPE\"", other.describe());
            Err(Error::unsupported(FORMAT, place, problem))
        }
        _ => Err(Error::unsupported(FORMAT, place, "unknown key")),
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

pub(super) fn normalizer(json: Json, place: &str) -> Result<Normalizer> {
    let mut fields = Fields::new(json, place)?;
    let normalizer = match fields.take_string("type")?.as_str() {
        "NFC" => Normalizer::Nfc,
        "Sequence" => {
            let normalizers = fields.take_array("normalizers")?;
            Normalizer::Sequence(
                normalizers
                    .into_iter()
                    .map(|(json, place)| normalizer(json, &place))
                    .collect::<Result<_>>()?,
            )
        }
        name => return Err(fields.unsupported_type(name)),
    };
    fields.finish()?;
    Ok(normalizer)
}

pub(super) fn pre_tokenizer(json: Json, place: &str) -> Result<PreTokenizer> {
    let mut is_byte_level = false;
    let pre_tokenizer = pre_tokenizer_stage(json, place, &mut is_byte_level)?;
    if is_byte_level { Ok(pre_tokenizer) } else { Err(not_byte_level()) }
}

/// The refusal of a pre-tokenizer without a `ByteLevel` stage.
pub(super) fn not_byte_level() -> Error {
    let problem = "has no ByteLevel stage: only byte-level BPE is supported";
    Error::unsupported(FORMAT, "pre_tokenizer", problem)
}

/// `is_byte_level`: whether a `ByteLevel` stage came before; later stages would see its spelling
/// instead of the text.
fn pre_tokenizer_stage(json: Json, place: &str, is_byte_level: &mut bool) -> Result<PreTokenizer> {
    let mut fields = Fields::new(json, place)?;
    let name = fields.take_string("type")?;
    if *is_byte_level && matches!(name.as_str(), "ByteLevel" | "Split") {
        let problem = format!("{} after a ByteLevel stage is not supported", quote(&name));
        return Err(Error::unsupported(FORMAT, fields.path("type"), problem));
    }
    let pre_tokenizer = match name.as_str() {
        "ByteLevel" => {
            *is_byte_level = true;
            PreTokenizer::ByteLevel(byte_level_options(&mut fields)?)
        }
        "Split" => PreTokenizer::Split(split(&mut fields)?),
        "Sequence" => {
            let stages = fields.take_array("pretokenizers")?;
            PreTokenizer::Sequence(
                stages
                    .into_iter()
                    .map(|(json, place)| pre_tokenizer_stage(json, &place, is_byte_level))
                    .collect::<Result<_>>()?,
            )
        }
        name => return Err(fields.unsupported_type(name)),
    };
    fields.finish()?;
    Ok(pre_tokenizer)
}

/// As in the reference library, only `use_regex` may be missing.
fn byte_level_options(fields: &mut Fields<'_>) -> Result<ByteLevelOptions> {
    Ok(ByteLevelOptions {
        add_prefix_space: fields.take_bool("add_prefix_space")?,
        trim_offsets: fields.take_bool("trim_offsets")?,
        use_regex: if fields.fields.contains_key("use_regex") {
            fields.take_bool("use_regex")?
        } else {
            true
        },
    })
}

fn split(fields: &mut Fields<'_>) -> Result<Split> {
    let place = fields.path("pattern");
    let mut pattern = Fields::new(fields.take("pattern")?, &place)?;
    let parsed = if pattern.fields.contains_key("String") {
        Pattern::Literal(pattern.take_string("String")?)
    } else {
        Pattern::Regex(pattern.take_string("Regex")?)
    };
    pattern.finish()?;
    let behavior = match fields.take_string("behavior")?.as_str() {
        "Removed" => SplitBehavior::Removed,
        "Isolated" => SplitBehavior::Isolated,
        "MergedWithPrevious" => SplitBehavior::MergedWithPrevious,
        "MergedWithNext" => SplitBehavior::MergedWithNext,
        "Contiguous" => SplitBehavior::Contiguous,
        name => {
            let problem = format!("{} is not supported", quote(name));
            return Err(Error::unsupported(FORMAT, fields.path("behavior"), problem));
        }
    };
    Ok(Split { pattern: parsed, behavior, invert: fields.take_bool("invert")? })
}

pub(super) fn decoder(json: Json, place: &str) -> Result<Decoder> {
    let mut fields = Fields::new(json, place)?;
    let decoder = match fields.take_string("type")?.as_str() {
        "ByteLevel" => Decoder::ByteLevel(byte_level_options(&mut fields)?),
        name => return Err(fields.unsupported_type(name)),
    };
    fields.finish()?;
    Ok(decoder)
}

pub(super) fn post_processor(json: Json, place: &str) -> Result<PostProcessor> {
    let mut fields = Fields::new(json, place)?;
    let processor = match fields.take_string("type")?.as_str() {
        "ByteLevel" => PostProcessor::ByteLevel(byte_level_options(&mut fields)?),
        "RobertaProcessing" => PostProcessor::Roberta {
            sep: text_and_id(&mut fields, "sep")?,
            cls: text_and_id(&mut fields, "cls")?,
            trim_offsets: fields.take_bool("trim_offsets")?,
            add_prefix_space: fields.take_bool("add_prefix_space")?,
        },
        "TemplateProcessing" => PostProcessor::Template(template(&mut fields)?),
        "Sequence" => {
            let processors = fields.take_array("processors")?;
            PostProcessor::Sequence(
                processors
                    .into_iter()
                    .map(|(json, place)| post_processor(json, &place))
                    .collect::<Result<_>>()?,
            )
        }
        name => return Err(fields.unsupported_type(name)),
    };
    fields.finish()?;
    Ok(processor)
}

fn text_and_id(fields: &mut Fields<'_>, key: &str) -> Result<(String, u32)> {
    let place = fields.path(key);
    let mut values = fields.take_array(key)?.into_iter();
    match (values.next(), values.next(), values.next()) {
        (Some((text, text_place)), Some((id, id_place)), None) => {
            Ok((string(text, &text_place)?, number(&id, &id_place)?))
        }
        _ => Err(Error::format(FORMAT, place, "must be a token text and its id")),
    }
}

fn template(fields: &mut Fields<'_>) -> Result<Template> {
    let single = template_pieces(fields, "single")?;
    let pair = template_pieces(fields, "pair")?;
    let place = fields.path("special_tokens");
    let specials = Fields::new(fields.take("special_tokens")?, &place)?;
    let special_tokens = specials
        .fields
        .into_iter()
        .map(|(name, json)| template_special(name, json, &place))
        .collect::<Result<Vec<_>>>()?;
    let n_sequences =
        single.iter().filter(|piece| matches!(piece, TemplatePiece::Sequence { .. })).count();
    let has_pair =
        single.iter().any(|piece| matches!(piece, TemplatePiece::Sequence { is_pair: true, .. }));
    if n_sequences != 1 || has_pair {
        let problem = "must hold the sequence A exactly once, and no other";
        return Err(Error::format(FORMAT, fields.path("single"), problem));
    }
    for piece in single.iter().chain(&pair) {
        if let TemplatePiece::Special { name, .. } = piece
            && special_tokens.binary_search_by(|special| special.name.cmp(name)).is_err()
        {
            let problem = format!("lacks {}, which the template uses", quote(name));
            return Err(Error::format(FORMAT, place, problem));
        }
    }
    Ok(Template { single, pair, special_tokens })
}

fn template_special(name: String, json: Json, place: &str) -> Result<TemplateSpecial> {
    let place = format!("{place}.{}", escape_key(&name));
    let mut fields = Fields::new(json, &place)?;
    if fields.take_string("id")? != name {
        return Err(Error::format(FORMAT, fields.path("id"), "must repeat the name"));
    }
    let ids = fields.take_array("ids")?;
    let tokens = fields.take_array("tokens")?;
    fields.finish()?;
    if ids.len() != tokens.len() {
        return Err(Error::format(FORMAT, place, "ids and tokens must be equally many"));
    }
    Ok(TemplateSpecial {
        name,
        ids: ids.into_iter().map(|(id, place)| number(&id, &place)).collect::<Result<_>>()?,
        tokens: tokens
            .into_iter()
            .map(|(text, place)| string(text, &place))
            .collect::<Result<_>>()?,
    })
}

fn template_pieces(fields: &mut Fields<'_>, key: &str) -> Result<Vec<TemplatePiece>> {
    fields.take_array(key)?.into_iter().map(|(json, place)| template_piece(json, &place)).collect()
}

fn template_piece(json: Json, place: &str) -> Result<TemplatePiece> {
    let mut kinds = Fields::new(json, place)?;
    let kind = if kinds.fields.contains_key("Sequence") { "Sequence" } else { "SpecialToken" };
    let inner_place = kinds.path(kind);
    let mut fields = Fields::new(kinds.take(kind)?, &inner_place)?;
    kinds.finish()?;
    let id = fields.take_string("id")?;
    let type_id = fields.take_u32("type_id")?;
    let piece = match (kind, id.as_str()) {
        ("Sequence", "A") => TemplatePiece::Sequence { is_pair: false, type_id },
        ("Sequence", "B") => TemplatePiece::Sequence { is_pair: true, type_id },
        ("Sequence", other) => {
            let problem = format!("must be \"A\" or \"B\", got {}", quote(other));
            return Err(Error::format(FORMAT, fields.path("id"), problem));
        }
        _ => TemplatePiece::Special { name: id, type_id },
    };
    fields.finish()?;
    Ok(piece)
}
