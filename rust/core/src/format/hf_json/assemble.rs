//! From what a file says to a [`Definition`]: the checks that need more than one part of the file.

use crate::added_tokens::AddedToken;
use crate::definition::{BpeDefinition, Definition, Model};
use crate::error::{Error, Result};
use crate::format::hf_json::FORMAT;
use crate::format::hf_json::components::pre_tokenizer::not_byte_level;
use crate::format::hf_json::document::Document;
use crate::format::{SeededMap, check_largest_id, index_vocab, order_vocab, quote, resolve_merge};
use crate::post_processor::PostProcessor;

/// Checks that the parts agree, and joins them.
pub(super) fn assemble(document: Document<'_>) -> Result<Definition> {
    if document.pre_tokenizer.is_none() {
        return Err(not_byte_level());
    }
    let n_tokens = document.vocab.len() + document.added_tokens.len();
    let vocab = order_vocab(document.vocab, FORMAT, "model.vocab")?;
    check_largest_id(vocab.last().map(|&(_, id)| id), n_tokens, FORMAT, "model.vocab")?;
    let largest_added = document.added_tokens.iter().map(|token| token.id).max();
    check_largest_id(largest_added, n_tokens, FORMAT, "added_tokens")?;

    let ids = index_vocab(&vocab);
    if ids.len() < vocab.len() {
        return Err(find_duplicate_text(&vocab));
    }
    let mut product = String::new();
    let merges = document
        .merges
        .iter()
        .enumerate()
        .map(|(rank, (left, right))| resolve_merge(&ids, rank, (left, right), &mut product))
        .collect::<Result<Vec<_>>>()?;
    check_added_tokens(&document.added_tokens, &vocab, &ids)?;
    drop(ids);

    let mut added_tokens = document.added_tokens;
    added_tokens.sort_by_key(|token| token.id);
    if let Some(processor) = &document.post_processor {
        check_post_processor(processor, &vocab, &added_tokens)?;
    }
    let ignore_merges = document.ignore_merges;
    Ok(Definition {
        normalizer: document.normalizer,
        pre_tokenizer: document.pre_tokenizer,
        model: Model::Bpe(BpeDefinition {
            vocab,
            merges,
            ignore_merges,
            ..BpeDefinition::default()
        }),
        post_processor: document.post_processor,
        decoder: document.decoder,
        added_tokens,
        truncation: None,
        padding: None,
    })
}

fn find_duplicate_text(vocab: &[(String, u32)]) -> Error {
    let mut texts: Vec<_> = vocab.iter().map(|(text, _)| text.as_str()).collect();
    texts.sort_unstable();
    let duplicate = texts.windows(2).find(|pair| pair.first() == pair.last());
    let text = duplicate.and_then(|pair| pair.first()).copied().unwrap_or_default();
    Error::format(FORMAT, format!("model.vocab[{}]", quote(text)), "stands twice")
}

/// Requires every added token to have the id that the reference library would give it, and to be
/// the only one with that id or text.
fn check_added_tokens(
    tokens: &[AddedToken],
    vocab: &[(String, u32)],
    ids: &SeededMap<&str, u32>,
) -> Result<()> {
    let mut first_with: SeededMap<&str, usize> = SeededMap::default();
    let mut largest: Option<u32> = None;
    for (i, token) in tokens.iter().enumerate() {
        let refuse = |problem| Err(Error::format(FORMAT, format!("added_tokens[{i}]"), problem));
        let content = quote(&token.content);
        if let Some(first) = first_with.insert(&token.content, i) {
            return refuse(format!("{content} stands twice, first in added_tokens[{first}]"));
        }
        let next = match largest {
            Some(id) if id as usize >= vocab.len() => u64::from(id) + 1,
            _ => vocab.len() as u64,
        };
        match ids.get(token.content.as_str()) {
            Some(&id) if id != token.id => {
                return refuse(format!(
                    "{content} has id {}, but id {id} in model.vocab",
                    token.id
                ));
            }
            Some(_) => {}
            None if next != u64::from(token.id) => {
                return refuse(format!(
                    "{content} has id {}, but tokenizers numbers it {next}: add it \
                     to model.vocab, or order and number added tokens from {next} on",
                    token.id
                ));
            }
            None => {
                if let Ok(found) = vocab.binary_search_by_key(&token.id, |&(_, id)| id) {
                    let owner = vocab.get(found).map_or("", |(text, _)| text);
                    let owner = quote(owner);
                    return refuse(format!("{content} has id {}, which is {owner}'s", token.id));
                }
            }
        }
        largest = largest.max(Some(token.id));
    }
    Ok(())
}

/// Requires the ids that a post-processor adds to exist.
fn check_post_processor(
    processor: &PostProcessor,
    vocab: &[(String, u32)],
    added_tokens: &[AddedToken],
) -> Result<()> {
    let check = |id: u32, text: &str| {
        let is_known = vocab.binary_search_by_key(&id, |&(_, id)| id).is_ok()
            || added_tokens.binary_search_by_key(&id, |token| token.id).is_ok();
        if is_known {
            return Ok(());
        }
        let problem = format!("adds {} with id {id}, which is not in the vocabulary", quote(text));
        Err(Error::format(FORMAT, "post_processor", problem))
    };
    match processor {
        PostProcessor::ByteLevel(_) => Ok(()),
        PostProcessor::Bert { sep, cls } | PostProcessor::Roberta { sep, cls, .. } => {
            check(cls.1, &cls.0)?;
            check(sep.1, &sep.0)
        }
        PostProcessor::Template(template) => template
            .special_tokens
            .iter()
            .flat_map(|special| special.ids.iter().zip(&special.tokens))
            .try_for_each(|(&id, text)| check(id, text)),
        PostProcessor::Sequence(processors) => {
            processors.iter().try_for_each(|inner| check_post_processor(inner, vocab, added_tokens))
        }
    }
}
