//! Writing a definition as `tokenizer.json`: keys in the order in which Hugging Face's library
//! writes them.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::added_tokens::AddedToken;
use crate::decoder::Decoder;
use crate::definition::{BpeDefinition, Definition, Model};
use crate::normalizer::Normalizer;
use crate::post_processor::{
    ByteLevelOptions, PostProcessor, Template, TemplatePiece, TemplateSpecial,
};
use crate::pre_tokenizer::{Pattern, PreTokenizer, SplitBehavior};

/// The canonical form: one line, equal for equal definitions.
///
/// Reading it back gives an equal definition, as long as `definition` is one that a format could
/// have given: its merges name tokens of its vocabulary, and its added tokens stand in the
/// vocabulary or are numbered after it.
pub fn write(definition: &Definition) -> String {
    serde_json::to_string(&File(definition)).unwrap_or_default()
}

/// The same over many lines, as `Tokenizer.save(pretty=True)` of Hugging Face's library lays it
/// out.
pub fn write_pretty(definition: &Definition) -> String {
    serde_json::to_string_pretty(&File(definition)).unwrap_or_default()
}

struct File<'a>(&'a Definition);

impl Serialize for File<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Definition { normalizer, pre_tokenizer, model, post_processor, decoder, added_tokens } =
            self.0;
        let added_tokens: Vec<_> = added_tokens.iter().map(AddedTokenOut::from).collect();
        let mut map = serializer.serialize_map(Some(9))?;
        map.serialize_entry("version", "1.0")?;
        map.serialize_entry("truncation", &())?;
        map.serialize_entry("padding", &())?;
        map.serialize_entry("added_tokens", &added_tokens)?;
        map.serialize_entry("normalizer", &normalizer.as_ref().map(NormalizerOut::from))?;
        map.serialize_entry("pre_tokenizer", &pre_tokenizer.as_ref().map(PreTokenizerOut::from))?;
        let post_processor = post_processor.as_ref().map(PostProcessorOut::from);
        map.serialize_entry("post_processor", &post_processor)?;
        let decoder =
            decoder.as_ref().map(|Decoder::ByteLevel(options)| ByteLevelOut::from(*options));
        map.serialize_entry("decoder", &decoder)?;
        let Model::Bpe(bpe) = model;
        map.serialize_entry("model", &BpeOut::from(bpe))?;
        map.end()
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

#[derive(serde::Serialize)]
#[serde(tag = "type")]
enum NormalizerOut {
    #[serde(rename = "NFC")]
    Nfc,
    Sequence {
        normalizers: Vec<NormalizerOut>,
    },
}

impl From<&Normalizer> for NormalizerOut {
    fn from(normalizer: &Normalizer) -> Self {
        match normalizer {
            Normalizer::Nfc => Self::Nfc,
            Normalizer::Sequence(inner) => {
                Self::Sequence { normalizers: inner.iter().map(Self::from).collect() }
            }
        }
    }
}

#[derive(serde::Serialize)]
#[serde(tag = "type", rename = "ByteLevel")]
struct ByteLevelOut {
    add_prefix_space: bool,
    trim_offsets: bool,
    use_regex: bool,
}

impl From<ByteLevelOptions> for ByteLevelOut {
    fn from(options: ByteLevelOptions) -> Self {
        let ByteLevelOptions { add_prefix_space, trim_offsets, use_regex } = options;
        Self { add_prefix_space, trim_offsets, use_regex }
    }
}

#[derive(serde::Serialize)]
#[serde(untagged)]
enum PreTokenizerOut<'a> {
    ByteLevel(ByteLevelOut),
    Other(TaggedPreTokenizer<'a>),
}

#[derive(serde::Serialize)]
#[serde(tag = "type")]
enum TaggedPreTokenizer<'a> {
    Split { pattern: PatternOut<'a>, behavior: &'static str, invert: bool },
    Sequence { pretokenizers: Vec<PreTokenizerOut<'a>> },
}

#[derive(serde::Serialize)]
enum PatternOut<'a> {
    String(&'a str),
    Regex(&'a str),
}

impl<'a> From<&'a PreTokenizer> for PreTokenizerOut<'a> {
    fn from(pre_tokenizer: &'a PreTokenizer) -> Self {
        match pre_tokenizer {
            PreTokenizer::ByteLevel(options) => Self::ByteLevel((*options).into()),
            PreTokenizer::Split(split) => Self::Other(TaggedPreTokenizer::Split {
                pattern: match &split.pattern {
                    Pattern::Literal(text) => PatternOut::String(text),
                    Pattern::Regex(text) => PatternOut::Regex(text),
                },
                behavior: match split.behavior {
                    SplitBehavior::Removed => "Removed",
                    SplitBehavior::Isolated => "Isolated",
                    SplitBehavior::MergedWithPrevious => "MergedWithPrevious",
                    SplitBehavior::MergedWithNext => "MergedWithNext",
                    SplitBehavior::Contiguous => "Contiguous",
                },
                invert: split.invert,
            }),
            PreTokenizer::Sequence(inner) => Self::Other(TaggedPreTokenizer::Sequence {
                pretokenizers: inner.iter().map(Self::from).collect(),
            }),
        }
    }
}

#[derive(serde::Serialize)]
#[serde(untagged)]
enum PostProcessorOut<'a> {
    ByteLevel(ByteLevelOut),
    Other(TaggedPostProcessor<'a>),
}

#[derive(serde::Serialize)]
#[serde(tag = "type")]
enum TaggedPostProcessor<'a> {
    RobertaProcessing {
        sep: &'a (String, u32),
        cls: &'a (String, u32),
        trim_offsets: bool,
        add_prefix_space: bool,
    },
    TemplateProcessing {
        single: Vec<PieceOut<'a>>,
        pair: Vec<PieceOut<'a>>,
        special_tokens: SpecialsOut<'a>,
    },
    Sequence {
        processors: Vec<PostProcessorOut<'a>>,
    },
}

impl<'a> From<&'a PostProcessor> for PostProcessorOut<'a> {
    fn from(processor: &'a PostProcessor) -> Self {
        match processor {
            PostProcessor::ByteLevel(options) => Self::ByteLevel((*options).into()),
            PostProcessor::Roberta { sep, cls, trim_offsets, add_prefix_space } => {
                Self::Other(TaggedPostProcessor::RobertaProcessing {
                    sep,
                    cls,
                    trim_offsets: *trim_offsets,
                    add_prefix_space: *add_prefix_space,
                })
            }
            PostProcessor::Template(Template { single, pair, special_tokens }) => {
                Self::Other(TaggedPostProcessor::TemplateProcessing {
                    single: single.iter().map(PieceOut::from).collect(),
                    pair: pair.iter().map(PieceOut::from).collect(),
                    special_tokens: SpecialsOut(special_tokens),
                })
            }
            PostProcessor::Sequence(inner) => Self::Other(TaggedPostProcessor::Sequence {
                processors: inner.iter().map(Self::from).collect(),
            }),
        }
    }
}

#[derive(serde::Serialize)]
enum PieceOut<'a> {
    Sequence { id: &'a str, type_id: u32 },
    SpecialToken { id: &'a str, type_id: u32 },
}

impl<'a> From<&'a TemplatePiece> for PieceOut<'a> {
    fn from(piece: &'a TemplatePiece) -> Self {
        match piece {
            TemplatePiece::Sequence { is_pair, type_id } => {
                Self::Sequence { id: if *is_pair { "B" } else { "A" }, type_id: *type_id }
            }
            TemplatePiece::Special { name, type_id } => {
                Self::SpecialToken { id: name, type_id: *type_id }
            }
        }
    }
}

struct SpecialsOut<'a>(&'a [TemplateSpecial]);

#[derive(serde::Serialize)]
struct SpecialOut<'a> {
    id: &'a str,
    ids: &'a [u32],
    tokens: &'a [String],
}

impl Serialize for SpecialsOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|TemplateSpecial { name, ids, tokens }| {
            (name, SpecialOut { id: name, ids, tokens })
        }))
    }
}

/// The options that are never set stand in the file all the same, as the library writes them.
#[derive(serde::Serialize)]
#[serde(tag = "type", rename = "BPE")]
struct BpeOut<'a> {
    dropout: (),
    unk_token: (),
    continuing_subword_prefix: (),
    end_of_word_suffix: (),
    fuse_unk: bool,
    byte_fallback: bool,
    ignore_merges: bool,
    vocab: VocabOut<'a>,
    merges: MergesOut<'a>,
}

impl<'a> From<&'a BpeDefinition> for BpeOut<'a> {
    fn from(bpe: &'a BpeDefinition) -> Self {
        Self {
            dropout: (),
            unk_token: (),
            continuing_subword_prefix: (),
            end_of_word_suffix: (),
            fuse_unk: false,
            byte_fallback: false,
            ignore_merges: bpe.ignore_merges,
            vocab: VocabOut(&bpe.vocab),
            merges: MergesOut(bpe),
        }
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
