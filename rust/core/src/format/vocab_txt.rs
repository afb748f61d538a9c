//! BERT's `vocab.txt`: a token a line, whose number from 0 is its id.
//!
//! The file says nothing of the other stages; they are BERT's, which is what such files mean: BERT's normalizer, whose
//! settings are the caller's, its pre-tokenizer, WordPiece with `##` and words of up to 100 characters, `[CLS] A [SEP] B
//! [SEP]`. The special tokens are BERT's, as far as they are in the vocabulary.
//!
//! Lines end in `\n` or `\r\n`. Empty lines at the end are none; an empty line elsewhere would number a token that nothing
//! can be, and is refused, and so is a line that ends in white space, which some readers strip.

#[cfg(test)]
mod tests;

use crate::added_tokens::AddedToken;
use crate::decoder::Decoder;
use crate::definition::{Definition, Model, WordPieceDefinition};
use crate::error::{Error, Result};
use crate::format::hf_json::decode_utf8;
use crate::format::{MAX_TOKEN_BYTES, SeededMap, quote};
use crate::normalizer::{BertNormalizer, Normalizer};
use crate::post_processor::{PostProcessor, Template};
use crate::pre_tokenizer::PreTokenizer;

const FORMAT: &str = "vocab.txt";
const UNK: &str = "[UNK]";
const CLS: &str = "[CLS]";
const SEP: &str = "[SEP]";
const SPECIAL: [&str; 5] = ["[PAD]", UNK, CLS, SEP, "[MASK]"];

/// What the file does not say of the normalizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Casing {
    /// Whether text becomes lower case.
    pub lowercase: bool,
    /// Whether accents go; `None`: as `lowercase` says.
    pub strip_accents: Option<bool>,
    /// Whether Chinese characters get spaces around them.
    pub handle_chinese_chars: bool,
}

/// Reads a file.
///
/// # Errors
/// [`Error::Format`] with the line for a malformed file, [`Error::Vocab`] when `[UNK]`, `[CLS]` or `[SEP]` is missing.
pub fn read(data: &[u8], casing: Casing) -> Result<Definition> {
    let vocab = parse(decode_utf8(data, FORMAT)?)?;
    let ids: SeededMap<&str, u32> = vocab.iter().map(|(text, id)| (text.as_str(), *id)).collect();
    let id_of = |token: &str| {
        let missing = || Error::Vocab(format!("{FORMAT}: {token} is not in the vocabulary"));
        ids.get(token).copied().ok_or_else(missing)
    };
    id_of(UNK)?;
    let (cls, sep) = (id_of(CLS)?, id_of(SEP)?);
    let special = SPECIAL.iter().filter_map(|token| Some((*token, *ids.get(token)?)));
    let mut added_tokens: Vec<_> =
        special.map(|(text, id)| AddedToken::special(id, text)).collect();
    added_tokens.sort_by_key(|token| token.id);
    drop(ids);
    Ok(Definition {
        normalizer: Some(Normalizer::Bert(BertNormalizer {
            clean_text: true,
            handle_chinese_chars: casing.handle_chinese_chars,
            strip_accents: casing.strip_accents,
            lowercase: casing.lowercase,
        })),
        pre_tokenizer: Some(PreTokenizer::Bert),
        model: Model::WordPiece(WordPieceDefinition {
            vocab,
            unk_token: UNK.to_owned(),
            continuing_subword_prefix: "##".to_owned(),
            max_input_chars_per_word: 100,
        }),
        post_processor: Some(PostProcessor::Template(Template::bert((CLS, cls), (SEP, sep)))),
        decoder: Some(Decoder::WordPiece { prefix: "##".to_owned(), cleanup: true }),
        added_tokens,
        truncation: None,
        padding: None,
        training: None,
    })
}

fn parse(text: &str) -> Result<Vec<(String, u32)>> {
    let lines = text.trim_end_matches(['\n', '\r']);
    let mut first_with: SeededMap<&str, usize> = SeededMap::default();
    let mut vocab = Vec::new();
    if lines.is_empty() {
        return Ok(vocab);
    }
    for (i, line) in lines.split('\n').enumerate() {
        let refuse = |problem| Err(Error::format(FORMAT, format!("line {}", i + 1), problem));
        let token = line.strip_suffix('\r').unwrap_or(line);
        if token.is_empty() {
            return refuse("is empty".to_owned());
        }
        if token.trim_end().len() < token.len() {
            return refuse(format!("{} ends in white space", quote(token)));
        }
        if token.len() > MAX_TOKEN_BYTES {
            return refuse(format!("is longer than the limit of {MAX_TOKEN_BYTES} bytes"));
        }
        if let Some(first) = first_with.insert(token, i) {
            return refuse(format!("{} stands twice, first in line {}", quote(token), first + 1));
        }
        let id = u32::try_from(i).map_err(|_| Error::format(FORMAT, "", "has too many lines"))?;
        vocab.push((token.to_owned(), id));
    }
    Ok(vocab)
}

/// Writes a definition that [`read`] gives, and the casing that gives it.
///
/// # Errors
/// [`Error::Unsupported`] naming the first part that would be lost.
pub fn write(definition: &Definition) -> Result<(Vec<u8>, Casing)> {
    let refuse = |place: &str| {
        let problem = "is not BERT's: the file would lose it".to_owned();
        Err(Error::unsupported(FORMAT, place, problem))
    };
    let Model::WordPiece(model) = &definition.model else { return refuse("model") };
    let Some(Normalizer::Bert(bert)) = &definition.normalizer else { return refuse("normalizer") };
    let casing = Casing {
        lowercase: bert.lowercase,
        strip_accents: bert.strip_accents,
        handle_chinese_chars: bert.handle_chinese_chars,
    };
    let mut text = String::new();
    for (token, _) in &model.vocab {
        text.push_str(token);
        text.push('\n');
    }
    let back = read(text.as_bytes(), casing)?;
    let parts = [
        ("normalizer", back.normalizer == definition.normalizer),
        ("pre_tokenizer", back.pre_tokenizer == definition.pre_tokenizer),
        ("model", back.model == definition.model),
        ("post_processor", back.post_processor == definition.post_processor),
        ("decoder", back.decoder == definition.decoder),
        ("added_tokens", back.added_tokens == definition.added_tokens),
        ("truncation", definition.truncation.is_none()),
        ("padding", definition.padding.is_none()),
    ];
    match parts.iter().find(|(_, is_kept)| !is_kept) {
        Some((place, _)) => refuse(place),
        None => Ok((text.into_bytes(), casing)),
    }
}
