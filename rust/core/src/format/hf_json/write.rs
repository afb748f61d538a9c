//! Writing a definition as `tokenizer.json`: keys in the order in which Hugging Face's library
//! writes them.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::added_tokens::AddedToken;
use crate::definition::{
    BpeDefinition, Definition, Model, UnigramDefinition, WordLevelDefinition, WordPieceDefinition,
};
use crate::format::hf_json::components;
use crate::format::hf_json::json::Json;
use crate::format::hf_json::model::SentencePieceOut;
use crate::format::hf_json::score;

/// One line, equal for equal definitions.
///
/// Reading it back gives an equal definition, as long as `definition` is one that a format could
/// have given: its merges name tokens of its vocabulary, and its added tokens stand in the
/// vocabulary or are numbered after it.
pub fn write(definition: &Definition) -> String {
    serde_json::to_string(&File { definition, is_canonical: false }).unwrap_or_default()
}

/// The canonical form, equal for definitions that mean the same: as [`write()`], with an empty prefix or suffix as none.
pub(super) fn write_canonical(definition: &Definition) -> String {
    serde_json::to_string(&File { definition, is_canonical: true }).unwrap_or_default()
}

/// The same over many lines, as `Tokenizer.save(pretty=True)` of Hugging Face's library lays it
/// out.
pub fn write_pretty(definition: &Definition) -> String {
    serde_json::to_string_pretty(&File { definition, is_canonical: false }).unwrap_or_default()
}

struct File<'a> {
    definition: &'a Definition,
    is_canonical: bool,
}

impl Serialize for File<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Definition {
            normalizer,
            pre_tokenizer,
            model,
            post_processor,
            decoder,
            added_tokens,
            truncation,
            padding,
            training,
        } = self.definition;
        let training = training.as_deref().filter(|_| !self.is_canonical);
        let added_tokens: Vec<_> = added_tokens.iter().map(AddedTokenOut::from).collect();
        let mut map = serializer.serialize_map(Some(9))?;
        map.serialize_entry("version", "1.0")?;
        let truncation = truncation.as_ref().map(components::truncation::write);
        map.serialize_entry("truncation", &truncation)?;
        map.serialize_entry("padding", &padding.as_ref().map(components::padding::write))?;
        map.serialize_entry("added_tokens", &added_tokens)?;
        let normalizer = normalizer.as_ref().map(components::normalizer::write);
        map.serialize_entry("normalizer", &normalizer)?;
        let pre_tokenizer = pre_tokenizer.as_ref().map(components::pre_tokenizer::write);
        map.serialize_entry("pre_tokenizer", &pre_tokenizer)?;
        let post_processor = post_processor.as_ref().map(components::post_processor::write);
        map.serialize_entry("post_processor", &post_processor)?;
        map.serialize_entry("decoder", &decoder.as_ref().map(components::decoder::write))?;
        match model {
            Model::Bpe(bpe) => {
                let model = BpeOut::new(bpe, self.is_canonical);
                map.serialize_entry("model", &ModelOut::new(model, training))?;
            }
            Model::WordPiece(model) => {
                let model = WordPieceOut::from(model);
                map.serialize_entry("model", &ModelOut::new(model, training))?;
            }
            Model::WordLevel(model) => {
                let model = WordLevelOut::from(model);
                map.serialize_entry("model", &ModelOut::new(model, training))?;
            }
            Model::Unigram(model) => {
                let model = UnigramOut::from(model);
                map.serialize_entry("model", &ModelOut::new(model, training))?;
            }
            Model::SentencePiece(model) => {
                let model = SentencePieceOut::from(model);
                map.serialize_entry("model", &ModelOut::new(model, training))?;
            }
        }
        map.end()
    }
}

/// A model, and how it was trained: a key that Hugging Face's library passes over.
#[derive(serde::Serialize)]
struct ModelOut<T> {
    #[serde(flatten)]
    model: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    training: Option<Json>,
}

impl<T> ModelOut<T> {
    fn new(model: T, training: Option<&str>) -> Self {
        Self { model, training: training.and_then(|text| Json::parse(text).ok()) }
    }
}

#[derive(serde::Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "the file's own keys")]
struct AddedTokenOut<'a> {
    id: u32,
    content: &'a str,
    single_word: bool,
    lstrip: bool,
    rstrip: bool,
    normalized: bool,
    special: bool,
}

impl<'a> From<&'a AddedToken> for AddedTokenOut<'a> {
    fn from(token: &'a AddedToken) -> Self {
        Self {
            id: token.id,
            content: &token.content,
            single_word: token.is_single_word,
            lstrip: token.strips_left,
            rstrip: token.strips_right,
            normalized: token.is_normalized,
            special: token.is_special,
        }
    }
}

/// Options that are not set stand in the file all the same, as the library writes them.
#[derive(serde::Serialize)]
#[serde(tag = "type", rename = "BPE")]
struct BpeOut<'a> {
    dropout: Option<f32>,
    unk_token: Option<&'a str>,
    continuing_subword_prefix: Option<&'a str>,
    end_of_word_suffix: Option<&'a str>,
    fuse_unk: bool,
    byte_fallback: bool,
    ignore_merges: bool,
    vocab: VocabOut<'a>,
    merges: MergesOut<'a>,
}

impl<'a> BpeOut<'a> {
    fn new(bpe: &'a BpeDefinition, is_canonical: bool) -> Self {
        let affix = |text: &'a Option<String>| {
            text.as_deref().filter(|text| !is_canonical || !text.is_empty())
        };
        Self {
            dropout: bpe.dropout,
            unk_token: bpe.unk_token.as_deref(),
            continuing_subword_prefix: affix(&bpe.continuing_subword_prefix),
            end_of_word_suffix: affix(&bpe.end_of_word_suffix),
            fuse_unk: bpe.fuse_unk,
            byte_fallback: bpe.byte_fallback,
            ignore_merges: bpe.ignore_merges,
            vocab: VocabOut(&bpe.vocab),
            merges: MergesOut(bpe),
        }
    }
}

#[derive(serde::Serialize)]
#[serde(tag = "type", rename = "WordPiece")]
struct WordPieceOut<'a> {
    unk_token: &'a str,
    continuing_subword_prefix: &'a str,
    max_input_chars_per_word: usize,
    vocab: VocabOut<'a>,
}

impl<'a> From<&'a WordPieceDefinition> for WordPieceOut<'a> {
    fn from(model: &'a WordPieceDefinition) -> Self {
        Self {
            unk_token: &model.unk_token,
            continuing_subword_prefix: &model.continuing_subword_prefix,
            max_input_chars_per_word: model.max_input_chars_per_word,
            vocab: VocabOut(&model.vocab),
        }
    }
}

#[derive(serde::Serialize)]
#[serde(tag = "type", rename = "WordLevel")]
struct WordLevelOut<'a> {
    vocab: VocabOut<'a>,
    unk_token: &'a str,
}

impl<'a> From<&'a WordLevelDefinition> for WordLevelOut<'a> {
    fn from(model: &'a WordLevelDefinition) -> Self {
        Self { vocab: VocabOut(&model.vocab), unk_token: &model.unk_token }
    }
}

#[derive(serde::Serialize)]
#[serde(tag = "type", rename = "Unigram")]
struct UnigramOut<'a> {
    unk_id: Option<u32>,
    vocab: PiecesOut<'a>,
    byte_fallback: bool,
}

impl<'a> From<&'a UnigramDefinition> for UnigramOut<'a> {
    fn from(model: &'a UnigramDefinition) -> Self {
        let UnigramDefinition { unk_id, vocab, byte_fallback } = model;
        Self { unk_id: *unk_id, vocab: PiecesOut(vocab), byte_fallback: *byte_fallback }
    }
}

/// Pieces and scores in the order of ids.
struct PiecesOut<'a>(&'a [(String, f64)]);

impl Serialize for PiecesOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer
            .collect_seq(self.0.iter().map(|(text, score)| (text, score::Written::of(*score))))
    }
}

/// A vocabulary as an object in the order of ids.
pub(crate) struct VocabOut<'a>(pub(crate) &'a [(String, u32)]);

impl Serialize for VocabOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(text, id)| (text, id)))
    }
}

struct MergesOut<'a>(&'a BpeDefinition);

impl Serialize for MergesOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(Some(self.0.merges.len()))?;
        for &(left, right) in &self.0.merges {
            seq.serialize_element(&(text_of(self.0, left), text_of(self.0, right)))?;
        }
        seq.end()
    }
}

/// The text of a token of `bpe`.
pub(crate) fn text_of(bpe: &BpeDefinition, id: u32) -> &str {
    let found = bpe.vocab.binary_search_by_key(&id, |&(_, id)| id);
    found.ok().and_then(|i| bpe.vocab.get(i)).map_or("", |(text, _)| text)
}
