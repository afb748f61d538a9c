//! From what a file says to a [`Definition`]: the checks that need more than one part of the file.

use crate::added_tokens::AddedToken;
use crate::definition::Definition;
use crate::error::{Error, Result};
use crate::format::hf_json::document::Document;
use crate::format::hf_json::{FORMAT, model};
use crate::format::{SeededMap, check_largest_id, quote};
use crate::post_processor::PostProcessor;

/// Checks that the parts agree, and joins them.
pub(super) fn assemble(document: Document<'_>) -> Result<Definition> {
    let (model, training) = model::model(document.model)?;
    let mut added_tokens = document.added_tokens;
    {
        let mut tokens = model.tokens().collect::<Vec<_>>();
        tokens.sort_unstable_by_key(|&(_, id)| id);
        let n_tokens = tokens.len() + added_tokens.len();
        check_largest_id(tokens.last().map(|&(_, id)| id), n_tokens, FORMAT, "model.vocab")?;
        let largest_added = added_tokens.iter().map(|token| token.id).max();
        check_largest_id(largest_added, n_tokens, FORMAT, "added_tokens")?;
        check_added_tokens(&added_tokens, &tokens)?;
        added_tokens.sort_by_key(|token| token.id);
        if let Some(processor) = &document.post_processor {
            check_post_processor(processor, &tokens, &added_tokens)?;
        }
    }
    Ok(Definition {
        normalizer: document.normalizer,
        pre_tokenizer: document.pre_tokenizer,
        model,
        post_processor: document.post_processor,
        decoder: document.decoder,
        added_tokens,
        truncation: document.truncation,
        padding: document.padding,
        training,
    })
}

/// Requires every added token to have the id that the reference library would give it, and to be
/// the only one with that id or text.
fn check_added_tokens(tokens: &[AddedToken], vocab: &[(&str, u32)]) -> Result<()> {
    // Of pieces that stand twice the later counts.
    let ids: SeededMap<&str, u32> = vocab.iter().copied().collect();
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
                    let owner = quote(vocab.get(found).map_or("", |(text, _)| text));
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
    vocab: &[(&str, u32)],
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
