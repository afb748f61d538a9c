//! From a [`ModelSection`] to a [`Model`]: which family it is of, and the options that the family has.

use crate::definition::{
    BpeDefinition, Model, UnigramDefinition, WordLevelDefinition, WordPieceDefinition,
};
use crate::error::{Error, Result};
use crate::format::hf_json::FORMAT;
use crate::format::hf_json::components::fields::{self, Fields, expected};
use crate::format::hf_json::json::Json;
use crate::format::hf_json::vocab::Vocabulary;
use crate::format::{index_vocab, order_vocab, quote, resolve_merge};

use super::ModelSection;
use super::merges::MergeTexts;
use super::sentencepiece;

const PLACE: &str = "model";

/// The model that a section means, and how it was trained, if the section says so.
///
/// # Errors
/// [`Error::Format`] and [`Error::Unsupported`] with the path of the key, [`Error::Vocab`] for a merge of or into a token that
/// does not exist.
pub(in crate::format::hf_json) fn model(
    section: ModelSection<'_>,
) -> Result<(Model, Option<String>)> {
    let ModelSection { vocab, merges, pieces, options } = section;
    let mut fields = Fields::new(Json::Object(options), PLACE)?;
    let training = optional(&mut fields, "training")?.map(|json| training(&json)).transpose()?;
    let family = family(&mut fields, vocab.as_ref(), merges.is_some())?;
    let is_sentencepiece = family == sentencepiece::NAME;
    let has_no_merges = matches!(family.as_str(), "WordPiece" | "WordLevel" | "Unigram");
    for (is_unknown, key) in [
        (merges.is_some() && (has_no_merges || is_sentencepiece), "merges"),
        (pieces.is_some() && !is_sentencepiece, "pieces"),
        (vocab.is_some() && is_sentencepiece, "vocab"),
    ] {
        if is_unknown {
            return Err(Error::unsupported(FORMAT, format!("{PLACE}.{key}"), "unknown key"));
        }
    }
    if is_sentencepiece {
        let pieces = pieces.ok_or_else(|| missing("pieces"))?;
        return Ok((Model::SentencePiece(sentencepiece::read(fields, pieces)?), training));
    }
    let vocab = vocab.ok_or_else(|| missing("vocab"))?;
    let model = match family.as_str() {
        "BPE" => {
            let merges = merges.ok_or_else(|| missing("merges"))?;
            Model::Bpe(bpe(fields, ids(vocab)?, &merges)?)
        }
        "WordPiece" => Model::WordPiece(word_piece(fields, ids(vocab)?)?),
        "WordLevel" => {
            let unk_token = fields.take_string("unk_token")?;
            fields.finish()?;
            Model::WordLevel(WordLevelDefinition { vocab: ids(vocab)?, unk_token })
        }
        "Unigram" => Model::Unigram(unigram(fields, vocab)?),
        name => return Err(fields.unsupported_type(name)),
    };
    Ok((model, training))
}

/// What a file says of the training of its model, as [`crate::Definition::training`] keeps it.
fn training(json: &Json) -> Result<String> {
    match json {
        Json::Object(_) => Ok(serde_json::to_string(json).unwrap_or_default()),
        other => Err(expected("an object", other, "model.training")),
    }
}

fn missing(key: &str) -> Error {
    Error::format(FORMAT, format!("{PLACE}.{key}"), "is missing")
}

/// The family's name: that of the key `type`, or else of the first family whose keys are all there.
fn family(fields: &mut Fields<'_>, vocab: Option<&Vocabulary>, has_merges: bool) -> Result<String> {
    if fields.has("type") {
        return fields.take_string("type");
    }
    let has = |key: &str| fields.has(key);
    let family = match vocab {
        Some(Vocabulary::Scores(_)) => "Unigram",
        Some(Vocabulary::Ids(_)) if !has_merges && has("unk_token") => {
            let is_word_piece = has("continuing_subword_prefix") && has("max_input_chars_per_word");
            if is_word_piece { "WordPiece" } else { "WordLevel" }
        }
        _ => "BPE",
    };
    Ok(family.to_owned())
}

/// A vocabulary by id, texts and ids each unique.
fn ids(vocab: Vocabulary) -> Result<Vec<(String, u32)>> {
    let Vocabulary::Ids(vocab) = vocab else {
        let problem = "must be an object of token texts and ids, got an array";
        return Err(Error::format(FORMAT, "model.vocab", problem));
    };
    let vocab = order_vocab(vocab, FORMAT, "model.vocab")?;
    if index_vocab(&vocab).len() < vocab.len() {
        return Err(find_duplicate_text(&vocab));
    }
    Ok(vocab)
}

fn find_duplicate_text(vocab: &[(String, u32)]) -> Error {
    let mut texts: Vec<_> = vocab.iter().map(|(text, _)| text.as_str()).collect();
    texts.sort_unstable();
    let duplicate = texts.windows(2).find(|pair| pair.first() == pair.last());
    let text = duplicate.and_then(|pair| pair.first()).copied().unwrap_or_default();
    Error::format(FORMAT, format!("model.vocab[{}]", quote(text)), "stands twice")
}

fn bpe(
    mut fields: Fields<'_>,
    vocab: Vec<(String, u32)>,
    merges: &[MergeTexts<'_>],
) -> Result<BpeDefinition> {
    let dropout = match optional(&mut fields, "dropout")? {
        None => None,
        Some(value) => Some(probability(&value, "model.dropout")?),
    };
    let mut text = |key| -> Result<Option<String>> {
        let value = optional(&mut fields, key)?;
        value.map(|value| fields::string(value, &fields.path(key))).transpose()
    };
    let unk_token = text("unk_token")?;
    let continuing_subword_prefix = text("continuing_subword_prefix")?;
    let end_of_word_suffix = text("end_of_word_suffix")?;
    let mut flag = |key| match optional(&mut fields, key)? {
        None => Ok(false),
        Some(Json::Bool(value)) => Ok(value),
        Some(other) => Err(expected("true or false", &other, &fields.path(key))),
    };
    let (fuse_unk, byte_fallback, ignore_merges) =
        (flag("fuse_unk")?, flag("byte_fallback")?, flag("ignore_merges")?);
    fields.finish()?;

    let prefix_len = continuing_subword_prefix.as_ref().map_or(0, String::len);
    let ids = index_vocab(&vocab);
    let mut product = String::new();
    let merges = merges
        .iter()
        .enumerate()
        .map(|(rank, (left, right))| {
            resolve_merge(&ids, rank, (left, right), prefix_len, &mut product)
        })
        .collect::<Result<Vec<_>>>()?;
    drop(ids);
    Ok(BpeDefinition {
        vocab,
        merges,
        ignore_merges,
        dropout,
        unk_token,
        fuse_unk,
        byte_fallback,
        continuing_subword_prefix,
        end_of_word_suffix,
    })
}

fn word_piece(mut fields: Fields<'_>, vocab: Vec<(String, u32)>) -> Result<WordPieceDefinition> {
    let definition = WordPieceDefinition {
        vocab,
        unk_token: fields.take_string("unk_token")?,
        continuing_subword_prefix: fields.take_string("continuing_subword_prefix")?,
        max_input_chars_per_word: fields.take_usize("max_input_chars_per_word")?,
    };
    fields.finish()?;
    Ok(definition)
}

fn unigram(mut fields: Fields<'_>, vocab: Vocabulary) -> Result<UnigramDefinition> {
    let vocab = match vocab {
        Vocabulary::Scores(vocab) => vocab,
        Vocabulary::Ids(_) => {
            let problem = "must be an array of pieces and scores, got an object";
            return Err(Error::format(FORMAT, "model.vocab", problem));
        }
    };
    let unk_id = match optional(&mut fields, "unk_id")? {
        None => None,
        Some(value) => Some(fields::number(&value, "model.unk_id")?),
    };
    let byte_fallback = fields.has("byte_fallback") && fields.take_bool("byte_fallback")?;
    fields.finish()?;
    match unk_id {
        Some(id) if id as usize >= vocab.len() => {
            let problem = format!("must be below the number of pieces, {}, got {id}", vocab.len());
            Err(Error::format(FORMAT, "model.unk_id", problem))
        }
        _ => Ok(UnigramDefinition { vocab, unk_id, byte_fallback }),
    }
}

/// The value of a key that may be missing or null.
fn optional(fields: &mut Fields<'_>, key: &str) -> Result<Option<Json>> {
    if !fields.has(key) {
        return Ok(None);
    }
    match fields.take(key)? {
        Json::Null => Ok(None),
        value => Ok(Some(value)),
    }
}

/// A probability, in the precision that the reference library keeps.
#[expect(clippy::cast_possible_truncation, reason = "the nearest f32 is meant")]
fn probability(value: &Json, place: &str) -> Result<f32> {
    let number = match value {
        Json::Number(number) => number.as_f64().map(|number| number as f32),
        _ => None,
    };
    number
        .filter(|number| (0.0..=1.0).contains(number))
        .ok_or_else(|| expected("a number from 0 to 1", value, place))
}
