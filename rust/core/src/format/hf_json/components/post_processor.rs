//! The `post_processor` of a `tokenizer.json`.

use crate::error::{Error, Result};
use crate::format::hf_json::FORMAT;
use crate::format::hf_json::components::fields::{self, Fields, number, string};
use crate::format::hf_json::json::{Json, escape_key};
use crate::format::quote;
use crate::post_processor::{PostProcessor, Template, TemplatePiece, TemplateSpecial};

pub(in crate::format::hf_json) fn read(json: Json, place: &str) -> Result<PostProcessor> {
    let mut fields = Fields::new(json, place)?;
    let processor = match fields.take_string("type")?.as_str() {
        "ByteLevel" => PostProcessor::ByteLevel(fields::byte_level_options(&mut fields)?),
        "BertProcessing" => PostProcessor::Bert {
            sep: text_and_id(&mut fields, "sep")?,
            cls: text_and_id(&mut fields, "cls")?,
        },
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
                    .map(|(json, place)| read(json, &place))
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
    let mut special_tokens = specials
        .into_rest()
        .into_iter()
        .map(|(name, json)| template_special(name, json, &place))
        .collect::<Result<Vec<_>>>()?;
    special_tokens.sort_by(|a, b| a.name.cmp(&b.name));
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
    let kind = if kinds.has("Sequence") { "Sequence" } else { "SpecialToken" };
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

/// Writes what [`read`] reads.
pub(in crate::format::hf_json) fn write(processor: &PostProcessor) -> Json {
    match processor {
        PostProcessor::ByteLevel(options) => fields::write_byte_level(*options),
        PostProcessor::Roberta { sep, cls, trim_offsets, add_prefix_space } => Json::tagged(
            "RobertaProcessing",
            [
                ("sep", write_text_and_id(sep)),
                ("cls", write_text_and_id(cls)),
                ("trim_offsets", (*trim_offsets).into()),
                ("add_prefix_space", (*add_prefix_space).into()),
            ],
        ),
        PostProcessor::Template(Template { single, pair, special_tokens }) => Json::tagged(
            "TemplateProcessing",
            [
                ("single", Json::Array(single.iter().map(write_piece).collect())),
                ("pair", Json::Array(pair.iter().map(write_piece).collect())),
                (
                    "special_tokens",
                    Json::Object(special_tokens.iter().map(write_special).collect()),
                ),
            ],
        ),
        PostProcessor::Sequence(inner) => Json::tagged(
            "Sequence",
            [("processors", Json::Array(inner.iter().map(write).collect()))],
        ),
        PostProcessor::Bert { sep, cls } => Json::tagged(
            "BertProcessing",
            [("sep", write_text_and_id(sep)), ("cls", write_text_and_id(cls))],
        ),
    }
}

fn write_text_and_id((text, id): &(String, u32)) -> Json {
    Json::Array(vec![text.as_str().into(), (*id).into()])
}

fn write_piece(piece: &TemplatePiece) -> Json {
    let (kind, id, type_id) = match piece {
        TemplatePiece::Sequence { is_pair: false, type_id } => ("Sequence", "A", type_id),
        TemplatePiece::Sequence { is_pair: true, type_id } => ("Sequence", "B", type_id),
        TemplatePiece::Special { name, type_id } => ("SpecialToken", name.as_str(), type_id),
    };
    Json::object([(kind, Json::object([("id", id.into()), ("type_id", (*type_id).into())]))])
}

fn write_special(special: &TemplateSpecial) -> (String, Json) {
    let TemplateSpecial { name, ids, tokens } = special;
    let ids = ids.iter().map(|&id| id.into()).collect();
    let tokens = tokens.iter().map(|token| token.as_str().into()).collect();
    let special = Json::object([
        ("id", name.as_str().into()),
        ("ids", Json::Array(ids)),
        ("tokens", Json::Array(tokens)),
    ]);
    (name.clone(), special)
}
