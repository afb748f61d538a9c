//! Going on from a tokenizer: its tokens keep their ids, its merges come first, and new ones follow.
//!
//! The words are encoded by the tokenizer's own model and then trained on as sequences of its tokens. An old merge outranks every
//! new one, so encoding with the longer list of merges does the same: first all that the old ones give, then the new. New merges
//! make new texts only, so that no old merge waits for a token that a new one makes.

use rustc_hash::{FxHashMap, FxHashSet};

use super::alphabet::{Laid, POLL_WORDS};
use super::cells::Cells;
use super::learn::Learned;
use super::tokens::Tokens;
use crate::definition::{BpeDefinition, Definition, Model};
use crate::error::{Error, Result};
use crate::model::bpe::{Bpe, LongScratch};
use crate::pre_tokenizer::byte_level;
use crate::progress::Progress;
use crate::train::{Stages, WordCounts};

/// The vocabulary of a tokenizer, to which its added tokens belong; ordered by id.
fn vocabulary(base: &Definition) -> Result<(&BpeDefinition, Vec<(&str, u32)>)> {
    let Model::Bpe(bpe) = &base.model else {
        return Err(refused("is of another model"));
    };
    if !base.runs_on_bytes() {
        return Err(refused("works on characters"));
    }
    let known: FxHashSet<u32> = bpe.vocab.iter().map(|&(_, id)| id).collect();
    let added = base.added_tokens.iter().filter(|token| !known.contains(&token.id));
    let mut vocab: Vec<(&str, u32)> =
        bpe.vocab.iter().map(|(text, id)| (text.as_str(), *id)).collect();
    vocab.extend(added.map(|token| (token.content.as_str(), token.id)));
    vocab.sort_unstable_by_key(|&(_, id)| id);
    Ok((bpe, vocab))
}

/// Adds the tokens of a tokenizer in the order of their ids, and returns the number of each id. No merge makes one again, nor
/// a token that is spelled like an added one.
pub(super) fn add_tokens(
    base: &Definition,
    tokens: &mut Tokens<'_>,
) -> Result<FxHashMap<u32, u32>> {
    let (_, vocab) = vocabulary(base)?;
    let added: FxHashSet<u32> = base.added_tokens.iter().map(|token| token.id).collect();
    let mut numbers: FxHashMap<u32, u32> = FxHashMap::default();
    for (text, id) in vocab {
        let spelled = byte_level::bytes_of(text);
        let bytes = match &spelled {
            Some(spelled) if !added.contains(&id) => &spelled[..],
            _ => text.as_bytes(),
        };
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        numbers.insert(id, tokens.push(bytes, length));
        tokens.forbid(bytes.to_vec());
        if let Some(spelled) = spelled.filter(|_| added.contains(&id)) {
            tokens.forbid(spelled);
        }
    }
    Ok(numbers)
}

/// The ids of a tokenizer, in order.
pub(super) fn ids(base: &Definition) -> Result<Vec<u32>> {
    Ok(vocabulary(base)?.1.into_iter().map(|(_, id)| id).collect())
}

/// The model of a tokenizer, which makes no special token.
pub(super) fn model(base: &Definition) -> Result<Bpe> {
    let (bpe, _) = vocabulary(base)?;
    let special = base.added_tokens.iter().filter(|token| token.is_special);
    Bpe::new(bpe, &special.map(|token| token.id).collect())
}

/// Adds the tokens of a tokenizer, and lays the words out as its model encodes them.
pub(super) fn lay_out(
    counts: &WordCounts,
    base: &Definition,
    stages: &Stages,
    tokens: &mut Tokens<'_>,
    progress: &Progress,
) -> Result<Laid> {
    if (&base.normalizer, &base.pre_tokenizer) != (&stages.normalizer, &stages.pre_tokenizer) {
        return Err(Error::Config(
            "the words were counted with another normalizer or pre_tokenizer than continue_from has"
                .to_owned(),
        ));
    }
    let numbers = add_tokens(base, tokens)?;
    let model = model(base)?;
    let mut cells = Cells::new(counts.iter().map(|(word, _)| word.len() / 2 + 1).sum());
    let (mut scratch, mut ids) = (LongScratch::default(), Vec::new());
    for batch in counts.by_count().chunks(POLL_WORDS) {
        progress.check()?;
        for &index in batch {
            let (word, count) = counts.get(index).unwrap_or_default();
            ids.clear();
            match model.whole(word) {
                Some(id) => ids.push(id),
                None => model.merge(word, progress, &mut scratch, &mut ids)?,
            }
            let known = ids.iter().filter_map(|id| numbers.get(id).copied());
            cells.push(known, count)?;
        }
    }
    Ok(Laid { cells, dropped: Vec::new() })
}

/// The tokenizer with the new tokens up to `n_tokens` and the first `n_merges` of the new merges.
pub(super) fn definition(
    learned: &Learned,
    base: &Definition,
    n_tokens: usize,
    n_merges: usize,
) -> Result<Definition> {
    let (bpe, vocab) = vocabulary(base)?;
    let mut ids: Vec<u32> = vocab.iter().map(|&(_, id)| id).collect();
    let next = ids.last().map_or(Some(0), |last| last.checked_add(1));
    let mut vocab: Vec<(String, u32)> =
        vocab.into_iter().map(|(text, id)| (text.to_owned(), id)).collect();
    let new = learned.texts.iter().take(n_tokens).skip(ids.len());
    for (text, offset) in new.zip(0..) {
        let id = next.and_then(|next| next.checked_add(offset));
        let id = id.ok_or_else(|| Error::Vocab("no id is left for a new token".to_owned()))?;
        vocab.push((byte_level::spell(text), id));
        ids.push(id);
    }
    let new = learned.merges[..n_merges].iter();
    let new = new.map(|merge| (ids[merge.pair.0 as usize], ids[merge.pair.1 as usize]));
    let model = BpeDefinition {
        vocab,
        merges: bpe.merges.iter().copied().chain(new).collect(),
        ..bpe.clone()
    };
    Ok(Definition { model: Model::Bpe(model), training: None, ..base.clone() })
}

fn refused(why: &str) -> Error {
    Error::Config(format!("continue_from must be a byte-level BPE tokenizer; this one {why}"))
}
