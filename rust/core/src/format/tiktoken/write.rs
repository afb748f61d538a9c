//! Writing a definition as a rank file: only when tiktoken, with the same pattern, gives the same
//! ids.

use std::io::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustc_hash::FxHashSet;

use crate::definition::{BpeDefinition, Definition, Model};
use crate::error::{Error, Result};
use crate::format::hf_json::text_of;
use crate::format::quote;
use crate::format::tiktoken::derive::derive_merges;
use crate::format::tiktoken::{FORMAT, refuse_missing_bytes};
use crate::pre_tokenizer::{Pattern, PreTokenizer, Split, SplitBehavior, byte_level};

/// Writes the ranks, in order, one a line.
///
/// The pattern and the special tokens are not in such a file (nor does tiktoken add special tokens
/// around a text): keep them beside it, and hand them to whatever reads it.
///
/// # Errors
/// [`Error::Unsupported`], with the reason, when tiktoken's rule would give other ids.
pub fn write(definition: &Definition) -> Result<Vec<u8>> {
    let (Model::Bpe(bpe), true) = (&definition.model, definition.runs_on_bytes()) else {
        return Err(refuse("model", "tiktoken knows byte-level BPE alone"));
    };
    if definition.truncation.is_some() || definition.padding.is_some() {
        return Err(refuse("truncation", "the file says nothing of truncation and padding"));
    }
    if definition.normalizer.is_some() {
        return Err(refuse("normalizer", "tiktoken has no normalizer"));
    }
    if !is_one_pattern(definition.pre_tokenizer.as_ref()) {
        let problem = "tiktoken splits by the matches of one regular expression and adds no space";
        return Err(refuse("pre_tokenizer", problem));
    }
    if let Some(token) = definition.added_tokens.iter().find(|token| !token.is_special) {
        let problem = format!("the file holds no added tokens, such as {}", quote(&token.content));
        return Err(refuse("added_tokens", problem));
    }
    let tokens = ranked_tokens(definition, bpe)?;
    refuse_missing_bytes(&tokens)?;
    check_merges(bpe, &tokens)?;
    let mut data = Vec::new();
    for (bytes, id) in &tokens {
        // Writing to a vector cannot fail.
        let _ = writeln!(data, "{} {id}", BASE64_STANDARD.encode(bytes));
    }
    Ok(data)
}

fn refuse(place: &str, problem: impl Into<String>) -> Error {
    Error::unsupported(FORMAT, place, problem)
}

/// Whether a pre-tokenizer is the split by one regular expression.
fn is_one_pattern(pre_tokenizer: Option<&PreTokenizer>) -> bool {
    match pre_tokenizer {
        Some(PreTokenizer::ByteLevel(options)) => options.use_regex && !options.add_prefix_space,
        Some(PreTokenizer::Sequence(stages)) => match stages.as_slice() {
            [only] => is_one_pattern(Some(only)),
            [PreTokenizer::Split(split), PreTokenizer::ByteLevel(options)] => {
                let Split { pattern, behavior, invert } = split;
                matches!(pattern, Pattern::Regex(_))
                    && *behavior == SplitBehavior::Isolated
                    && !invert
                    && !options.use_regex
                    && !options.add_prefix_space
            }
            _ => false,
        },
        _ => false,
    }
}

/// The tokens that the file holds, ordered by id: all but special and added tokens that only their
/// own text gives.
fn ranked_tokens(definition: &Definition, bpe: &BpeDefinition) -> Result<Vec<(Vec<u8>, u32)>> {
    let added: FxHashSet<u32> = definition.added_tokens.iter().map(|token| token.id).collect();
    let merged: FxHashSet<u32> =
        bpe.merges.iter().flat_map(|&(left, right)| [left, right]).collect();
    let products: FxHashSet<String> = bpe
        .merges
        .iter()
        .map(|&(left, right)| format!("{}{}", text_of(bpe, left), text_of(bpe, right)))
        .collect();
    let mut tokens = Vec::with_capacity(bpe.vocab.len());
    for (text, id) in &bpe.vocab {
        let is_ordinary =
            merged.contains(id) || products.contains(text) || text.chars().count() == 1;
        if added.contains(id) && !is_ordinary {
            continue;
        }
        match byte_level::bytes_of(text) {
            Some(bytes) if !bytes.is_empty() => tokens.push((bytes, *id)),
            _ => {
                let problem = format!("{} is not spelled in bytes", quote(text));
                return Err(refuse(&format!("token {id}"), problem));
            }
        }
    }
    Ok(tokens)
}

/// Requires the merges to be the ones that the ranks lead to, in the order of ranks.
fn check_merges(bpe: &BpeDefinition, tokens: &[(Vec<u8>, u32)]) -> Result<()> {
    let derived = derive_merges(tokens);
    let mut merges = bpe.merges.iter().enumerate();
    for ((bytes, id), derived) in tokens.iter().zip(derived) {
        let token = || quote(&String::from_utf8_lossy(bytes));
        let Some(pair) = derived else {
            if bytes.len() > 1 && !bpe.ignore_merges {
                let problem =
                    format!("no merges lead to {}, but tiktoken would look it up", token());
                return Err(refuse(&format!("token {id}"), problem));
            }
            continue;
        };
        match merges.next() {
            Some((_, &merge)) if merge == pair => {}
            Some((rank, &(left, right))) => {
                return Err(refuse(
                    &format!("merge {rank}"),
                    format!(
                        "is of {} and {}, where tiktoken would join {} and {}, to {} of id \
                         {id}: merges must follow the order of ids, one for each token",
                        quote(text_of(bpe, left)),
                        quote(text_of(bpe, right)),
                        quote(text_of(bpe, pair.0)),
                        quote(text_of(bpe, pair.1)),
                        token(),
                    ),
                ));
            }
            None => {
                let problem =
                    format!("tiktoken would make {} by a merge, which is missing", token());
                return Err(refuse(&format!("token {id}"), problem));
            }
        }
    }
    match merges.next() {
        Some((rank, _)) => {
            Err(refuse(&format!("merge {rank}"), "is one more than tiktoken would make"))
        }
        None => Ok(()),
    }
}
