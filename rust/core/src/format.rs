//! File formats: bytes in memory to and from a [`crate::Definition`]. Nothing here opens a file.
//!
//! Vocabulary files are data from strangers. Every reader is strict (a duplicate, a dangling merge,
//! an unknown key is an error that names its place), guesses nothing, runs in time and memory
//! linear in the file, and never panics. What a definition cannot express is refused by name; what
//! a format cannot express is refused when writing.
//!
//! Tables keyed by what a file holds have a seeded hash (see [`crate::vocab`]) and are never iterated.

pub mod hf_json;
pub mod sentencepiece;
pub mod stages;
pub mod tekken;
pub mod tiktoken;
pub mod vocab_merges;
pub mod vocab_txt;

use crate::error::{Error, Result};
pub(crate) use crate::vocab::SeededMap;

/// The longest token text that is read, in bytes.
pub(crate) const MAX_TOKEN_BYTES: usize = 1 << 20;

/// Ids must stay below this in a vocabulary of `n_tokens`: tables indexed by id stay small.
pub(crate) fn id_limit(n_tokens: usize) -> u64 {
    2 * n_tokens as u64 + (1 << 20)
}

/// Refuses a largest id that would make tables indexed by id too large.
pub(crate) fn check_largest_id(
    largest: Option<u32>,
    n_tokens: usize,
    format: &'static str,
    place: &str,
) -> Result<()> {
    match largest {
        Some(id) if u64::from(id) >= id_limit(n_tokens) => Err(Error::format(
            format,
            place,
            format!(
                "id {id} leaves too large a gap: ids of {n_tokens} tokens must be below {}",
                id_limit(n_tokens)
            ),
        )),
        _ => Ok(()),
    }
}

/// `text` for a message: quoted, cut when long.
pub(crate) fn quote(text: &str) -> String {
    const MAX_CHARS: usize = 60;
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{:?}...", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// Text and id of each token, ordered by id, with both proved unique.
pub(crate) fn order_vocab(
    mut vocab: Vec<(String, u32)>,
    format: &'static str,
    place: &str,
) -> Result<Vec<(String, u32)>> {
    vocab.sort_unstable_by_key(|&(_, id)| id);
    for pair in vocab.windows(2) {
        if let [(first, a), (second, b)] = pair
            && a == b
        {
            let (first, second) = if first < second { (first, second) } else { (second, first) };
            return Err(Error::format(
                format,
                place,
                format!("{} and {} both have id {a}", quote(first), quote(second)),
            ));
        }
    }
    Ok(vocab)
}

/// Finds ids by token text.
pub(crate) fn index_vocab(vocab: &[(String, u32)]) -> SeededMap<&str, u32> {
    vocab.iter().map(|(text, id)| (text.as_str(), *id)).collect()
}

/// The ids of merge number `rank` of `left` and `right`, whose first `prefix_len` bytes are left out of the product.
pub(crate) fn resolve_merge(
    ids: &SeededMap<&str, u32>,
    rank: usize,
    (left, right): (&str, &str),
    prefix_len: usize,
    product: &mut String,
) -> Result<(u32, u32)> {
    let id_of = |part: &str| {
        ids.get(part).copied().ok_or_else(|| {
            Error::Vocab(format!(
                "merge {rank} uses {}, which is not in the vocabulary",
                quote(part)
            ))
        })
    };
    let pair = (id_of(left)?, id_of(right)?);
    product.clear();
    product.push_str(left);
    let Some(added) = right.get(prefix_len..) else {
        return Err(Error::Vocab(format!(
            "merge {rank} joins {}, which is too short to begin with the continuing-subword prefix",
            quote(right)
        )));
    };
    product.push_str(added);
    if ids.contains_key(product.as_str()) {
        Ok(pair)
    } else {
        Err(Error::Vocab(format!(
            "merge {rank} makes {}, which is not in the vocabulary",
            quote(product)
        )))
    }
}
