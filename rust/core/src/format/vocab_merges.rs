//! GPT-2's pair of files: `vocab.json`, an object of token texts and ids, and `merges.txt`, a merge
//! a line, best first.
//!
//! The pair says nothing of the other stages; they are GPT-2's, which is what such files mean:
//! byte-level pre-tokenizer, post-processor and decoder, no normalizer. Of special tokens it says
//! nothing either: `<|endoftext|>` is one when it is in the vocabulary, others are named by the
//! caller.
//!
//! A line `#version: ...` is a header in line 1 of `merges.txt` and a merge anywhere else. Lines
//! end in `\n` or `\r\n` and in nothing else, since token texts may hold other characters that
//! count as line ends elsewhere.

#[cfg(test)]
mod tests;

use crate::added_tokens::AddedToken;
use crate::decoder::Decoder;
use crate::definition::{BpeDefinition, Definition, Model};
use crate::error::{Error, Result};
use crate::format::hf_json::json::{Path, Reader};
use crate::format::hf_json::vocab::VocabSeed;
use crate::format::hf_json::{VocabOut, decode_utf8, text_of};
use crate::format::{SeededMap, check_largest_id, index_vocab, order_vocab, quote, resolve_merge};
use crate::post_processor::{ByteLevelOptions, PostProcessor};
use crate::pre_tokenizer::{PreTokenizer, known};

const VOCAB_FORMAT: &str = "vocab.json";
const MERGES_FORMAT: &str = "merges.txt";
const HEADER: &str = "#version";
const END_OF_TEXT: &str = "<|endoftext|>";

/// Reads the two files; `special_tokens` are texts in the vocabulary, besides `<|endoftext|>`.
///
/// # Errors
/// [`Error::Format`] with the place for a malformed file, [`Error::Vocab`] for a merge of or into a
/// token that does not exist, or a special token that is not in the vocabulary.
pub fn read(vocab: &[u8], merges: &[u8], special_tokens: &[String]) -> Result<Definition> {
    let reader = Reader::new(VOCAB_FORMAT);
    let seed = VocabSeed { reader: &reader, path: Path::Top };
    let vocab = reader.read(decode_utf8(vocab, VOCAB_FORMAT)?, seed)?;
    let vocab = order_vocab(vocab, VOCAB_FORMAT, "")?;
    check_largest_id(vocab.last().map(|&(_, id)| id), vocab.len(), VOCAB_FORMAT, "")?;
    let ids = index_vocab(&vocab);
    if ids.len() < vocab.len() {
        let duplicate = vocab.iter().find(|(text, id)| ids.get(text.as_str()) != Some(id));
        let text = duplicate.map_or("", |(text, _)| text);
        return Err(Error::format(VOCAB_FORMAT, format!("[{}]", quote(text)), "stands twice"));
    }
    let merges = parse_merges(decode_utf8(merges, MERGES_FORMAT)?, &ids)?;
    let added_tokens = special_added_tokens(special_tokens, &ids)?;
    drop(ids);
    Ok(definition(
        BpeDefinition { vocab, merges, ignore_merges: false, ..BpeDefinition::default() },
        added_tokens,
    ))
}

/// GPT-2's stages around a model.
fn definition(model: BpeDefinition, added_tokens: Vec<AddedToken>) -> Definition {
    let options = ByteLevelOptions { add_prefix_space: true, trim_offsets: true, use_regex: true };
    Definition {
        normalizer: None,
        pre_tokenizer: Some(known::gpt2()),
        model: Model::Bpe(model),
        post_processor: Some(PostProcessor::ByteLevel(ByteLevelOptions {
            trim_offsets: false,
            ..options
        })),
        decoder: Some(Decoder::ByteLevel(options)),
        added_tokens,
        truncation: None,
        padding: None,
        training: None,
    }
}

fn parse_merges(text: &str, ids: &SeededMap<&str, u32>) -> Result<Vec<(u32, u32)>> {
    let at_line =
        |i: usize, problem| Error::format(MERGES_FORMAT, format!("line {}", i + 1), problem);
    let text = text.strip_suffix('\n').unwrap_or(text);
    let mut merges = Vec::new();
    let mut product = String::new();
    for (i, line) in text.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if i == 0 && (line.starts_with(HEADER) || text.is_empty()) {
            continue;
        }
        let parts = line
            .split_once(' ')
            .filter(|(left, right)| !left.is_empty() && !right.is_empty() && !right.contains(' '));
        let Some(parts) = parts else {
            let problem = format!("a merge must have exactly two parts, got {}", quote(line));
            return Err(at_line(i, problem));
        };
        let merge = resolve_merge(ids, merges.len(), parts, 0, &mut product);
        merges.push(merge.map_err(|error| at_line(i, error.to_string()))?);
    }
    Ok(merges)
}

fn special_added_tokens(
    special_tokens: &[String],
    ids: &SeededMap<&str, u32>,
) -> Result<Vec<AddedToken>> {
    let mut added_tokens: Vec<AddedToken> = Vec::new();
    if let Some(&id) = ids.get(END_OF_TEXT) {
        added_tokens.push(special_token(END_OF_TEXT, id));
    }
    for content in special_tokens {
        let Some(&id) = ids.get(content.as_str()).filter(|_| !content.is_empty()) else {
            let content = quote(content);
            return Err(Error::Vocab(format!("special token {content} is not in the vocabulary")));
        };
        added_tokens.push(special_token(content, id));
    }
    added_tokens.sort_by_key(|token| token.id);
    added_tokens.dedup();
    Ok(added_tokens)
}

/// A special token with the flags that GPT-2's `tokenizer.json` gives.
fn special_token(content: &str, id: u32) -> AddedToken {
    AddedToken {
        id,
        content: content.to_owned(),
        is_single_word: false,
        strips_left: false,
        strips_right: false,
        is_normalized: true,
        is_special: true,
    }
}

/// Writes `vocab.json` and `merges.txt`.
///
/// Which tokens are special is not in the files: hand them to [`read`] again. Nor are options that
/// change offsets only.
///
/// # Errors
/// [`Error::Unsupported`] for whatever the two files cannot express.
pub fn write(definition: &Definition) -> Result<(Vec<u8>, Vec<u8>)> {
    let refuse =
        |place: &str, problem: String| Err(Error::unsupported(MERGES_FORMAT, place, problem));
    let Definition { normalizer, pre_tokenizer, model, post_processor, added_tokens, .. } =
        definition;
    let (Model::Bpe(bpe), true) = (model, definition.runs_on_bytes()) else {
        return refuse("model", "the files mean byte-level BPE".to_owned());
    };
    if definition.truncation.is_some() || definition.padding.is_some() {
        return refuse("truncation", "the files say nothing of truncation and padding".to_owned());
    }
    if normalizer.is_some() {
        return refuse("normalizer", "the files mean a tokenizer without one".to_owned());
    }
    if !is_gpt2(pre_tokenizer.as_ref()) {
        return refuse("pre_tokenizer", "the files mean GPT-2's pre-tokenizer".to_owned());
    }
    if !matches!(post_processor, None | Some(PostProcessor::ByteLevel(_))) {
        return refuse("post_processor", "the files mean one that adds nothing".to_owned());
    }
    if bpe.ignore_merges {
        return refuse("model.ignore_merges", "the files mean false".to_owned());
    }
    for (i, token) in added_tokens.iter().enumerate() {
        if *token != special_token(&token.content, token.id)
            || text_of(bpe, token.id) != token.content
        {
            let content = quote(&token.content);
            let problem = format!("{content} is not a plain special token of the vocabulary");
            return refuse(&format!("added_tokens[{i}]"), problem);
        }
    }
    let is_added = |text: &str| added_tokens.iter().any(|token| token.content == text);
    if !is_added(END_OF_TEXT) && bpe.vocab.iter().any(|(text, _)| text == END_OF_TEXT) {
        let problem = format!("the files mean that {END_OF_TEXT:?} is a special token");
        return refuse("added_tokens", problem);
    }
    let mut lines = format!("{HEADER}: 0.2\n");
    for (rank, &(left, right)) in bpe.merges.iter().enumerate() {
        let parts = [text_of(bpe, left), text_of(bpe, right)];
        if parts.iter().any(|part| part.is_empty() || part.contains([' ', '\n', '\r'])) {
            let problem = format!("{parts:?} cannot be told apart in a line of text");
            return refuse(&format!("merge {rank}"), problem);
        }
        lines.push_str(&parts.join(" "));
        lines.push('\n');
    }
    let vocab = serde_json::to_string(&VocabOut(&bpe.vocab)).unwrap_or_default();
    Ok((vocab.into_bytes(), lines.into_bytes()))
}

fn is_gpt2(pre_tokenizer: Option<&PreTokenizer>) -> bool {
    match pre_tokenizer {
        Some(PreTokenizer::ByteLevel(options)) => options.use_regex && !options.add_prefix_space,
        Some(PreTokenizer::Sequence(stages)) => {
            matches!(stages.as_slice(), [only] if is_gpt2(Some(only)))
        }
        _ => false,
    }
}
