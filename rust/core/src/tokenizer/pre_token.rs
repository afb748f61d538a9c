//! The ids of one pre-token that the word cache does not know.
//!
//! Where a model says that a pre-token may be cut, the parts are encoded one by one and cached like words: parts repeat when
//! the whole does not.

use std::ops::Range;

use super::scratch::Scratch;
use crate::compiled::word_cache::Key;
use crate::error::Result;
use crate::model::Tokenize;
use crate::model::bpe::Bpe;
use crate::progress::Progress;

/// Appends the ids of a pre-token of byte-level BPE.
pub(super) fn encode_bytes(
    model: &Bpe,
    text: &[u8],
    pre_token: Range<usize>,
    progress: &Progress,
    scratch: &mut Scratch,
    ids: &mut Vec<u32>,
) -> Result<()> {
    let bytes = &text[pre_token.clone()];
    if let Some(id) = model.whole(bytes) {
        ids.push(id);
        return Ok(());
    }
    let merge = |part: Range<usize>, scratch: &mut Scratch, ids: &mut Vec<u32>| {
        model
            .merge_lower(&text[part.clone()], progress, &mut scratch.long, ids)
            .map_err(|error| error.moved_by(part.start))
    };
    let has_levels = model.has_levels();
    if bytes.is_ascii() && !has_levels {
        return merge(pre_token, scratch, ids);
    }
    let first = ids.len();
    let before_end = &text[..pre_token.end];
    let next_cut = |from| model.next_lower_cut(before_end, from);
    // Of a part no token is looked up as a whole, nor is it merged by an upper level; without either, a part is what it is as
    // a pre-token.
    let is_other = model.ignores_merges() || has_levels;
    let key_of = |key: Key| if is_other { key.of_part() } else { key };
    encode_parts(text, pre_token, scratch, ids, next_cut, key_of, merge)?;
    model.merge_upper(first, progress, &mut scratch.long, ids)
}

/// Appends the ids of a pre-token of any other model.
pub(super) fn encode_text(
    model: &dyn Tokenize,
    text: &str,
    pre_token: Range<usize>,
    progress: &Progress,
    scratch: &mut Scratch,
    ids: &mut Vec<u32>,
) -> Result<()> {
    let whole = text.get(pre_token.clone()).unwrap_or_default();
    if let Some(id) = model.whole(whole) {
        ids.push(id);
        return Ok(());
    }
    let base = pre_token.start;
    let next_cut = |from| base + model.next_cut(whole, from - base);
    let tokenize = |part: Range<usize>, scratch: &mut Scratch, ids: &mut Vec<u32>| {
        scratch.tokens.clear();
        model
            .tokenize_part(
                text.get(part.clone()).unwrap_or_default(),
                progress,
                &mut scratch.tokens,
            )
            .map_err(|error| error.moved_by(part.start))?;
        ids.extend(scratch.tokens.iter().map(|token| token.id));
        Ok(())
    };
    encode_parts(text.as_bytes(), pre_token, scratch, ids, next_cut, Key::of_part, tokenize)
}

/// Appends the ids of a pre-token from cut to cut, those of known parts from the cache. The whole is cached by the caller.
#[inline]
fn encode_parts(
    text: &[u8],
    pre_token: Range<usize>,
    scratch: &mut Scratch,
    ids: &mut Vec<u32>,
    next_cut: impl Fn(usize) -> usize,
    key_of: impl Fn(Key) -> Key,
    encode: impl Fn(Range<usize>, &mut Scratch, &mut Vec<u32>) -> Result<()>,
) -> Result<()> {
    let Range { start: mut from, end } = pre_token.clone();
    while from < end {
        let to = next_cut(from);
        let is_part = to - from < pre_token.len();
        let key = Key::new(text, from, to).filter(|_| is_part).map(&key_of);
        if !key.is_some_and(|key| scratch.words.append(key, ids)) {
            let first = ids.len();
            encode(from..to, scratch, ids)?;
            if let Some(key) = key {
                scratch.words.insert(key, &ids[first..]);
            }
        }
        from = to;
    }
    Ok(())
}
