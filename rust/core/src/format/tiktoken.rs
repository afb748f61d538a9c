//! tiktoken's rank files: a token in base64 and its rank on each line, the rank being the id.
//!
//! **What is not in the file** is the pattern and the special tokens. The files that OpenAI
//! publishes are recognised by their SHA-256; for any other the caller names them. Nothing is
//! guessed.
//!
//! **From ranks to merges.** tiktoken has no list of merges: within a pre-token it joins, again and
//! again, the two neighbours whose concatenation has the lowest rank (the leftmost of equals),
//! after looking the whole pre-token up. The same ids come from a list of merges, ordered by the
//! rank of what they make, in which each token has at most one merge, with `ignore_merges` set for
//! the look-up. Proof: let a token `T` be made somewhere in a pre-token. No join crossed an end of
//! `T` before, since parts never come apart; and the choice among the joins inside `T` depended on
//! what is inside alone. So they were the joins, in the same order, that tiktoken makes on the
//! bytes of `T` by themselves, and the last of them joined the same pair wherever `T` is made. That
//! pair is the merge of `T`; see `tiktoken/derive.rs`. A token that its own bytes do not lead to is
//! never made by joins; only the look-up finds it, and it has no merge.
//!
//! **The white space that ends a text.** tiktoken 0.14 splits cl100k by a pattern with a branch
//! `\s++$`: white space at the very end of a text is one pre-token, where [`known::CL100K_PATTERN`]
//! cuts it after its last newline. The ids are the same unless a token reaches across that cut or
//! is found by the look-up only on one side, which is refused; cl100k_base itself has no such
//! token.
//!
//! **Special tokens** stand in the vocabulary as well, as in GPT-2's own `tokenizer.json`: Hugging
//! Face's library numbers added tokens by itself otherwise, and OpenAI leaves gaps between the ids.

mod check_ends;
mod derive;
mod published;
mod write;

#[cfg(test)]
mod tests;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::added_tokens::AddedToken;
use crate::decoder::Decoder;
use crate::definition::{BpeDefinition, Definition, Model};
use crate::error::{Error, Result};
use crate::format::hf_json::hex_sha256;
use crate::format::{
    MAX_TOKEN_BYTES, SeededMap, check_largest_id, id_limit, index_vocab, order_vocab, quote,
};
use crate::post_processor::{ByteLevelOptions, PostProcessor};
use crate::pre_tokenizer::{PreTokenizer, byte_level, known};

pub use write::write;

/// The format's name in messages.
const FORMAT: &str = "tiktoken";

/// Reads a rank file.
///
/// `pattern` is a name ([`known::NAMES`]) or a regular expression; a plain word that is no such
/// name is refused. `special_tokens` are texts and ids. For a file that OpenAI publishes, both may
/// be `None`; for any other, `special_tokens` of `None` means that there are none.
///
/// # Errors
/// [`Error::Config`] when the pattern is missing or an unknown name, [`Error::Format`] with the
/// line for a malformed file, [`Error::Vocab`] for special tokens that contradict the file,
/// [`Error::Unsupported`] when ids could differ from tiktoken's.
pub fn read(
    data: &[u8],
    pattern: Option<&str>,
    special_tokens: Option<&[(String, u32)]>,
) -> Result<Definition> {
    let tokens = parse_ranks(data)?;
    let published = published::find(&hex_sha256(data));
    let pattern = match (pattern, &published) {
        (Some(pattern), _) if is_unknown_name(pattern) => {
            return Err(Error::Config(format!(
                "pattern {} is neither one of {:?} nor a regular expression",
                quote(pattern),
                known::NAMES
            )));
        }
        (Some(pattern), _) => pattern,
        (None, Some(published)) => published.pattern,
        (None, None) => return Err(pattern_is_required()),
    };
    let special_tokens = match (special_tokens, &published) {
        (Some(given), _) => given.to_vec(),
        (None, Some(published)) => published.special_tokens(),
        (None, None) => Vec::new(),
    };
    from_ranks(&tokens, pattern, &special_tokens)
}

/// The definition of tokens that are ordered by rank and hold all 256 single bytes.
///
/// # Errors
/// As [`read`], of the pattern and the special tokens.
pub(super) fn from_ranks(
    tokens: &[(Vec<u8>, u32)],
    pattern: &str,
    special_tokens: &[(String, u32)],
) -> Result<Definition> {
    let merges = derive::derive_merges(tokens);
    let pre_tokenizer = match published::canonical_pattern(pattern) {
        "cl100k" => {
            check_ends::check_ends(tokens, &merges)?;
            known::by_name("cl100k")
        }
        pattern => known::by_name(pattern),
    };
    let mut vocab: Vec<_> =
        tokens.iter().map(|(bytes, id)| (byte_level::spell(bytes), *id)).collect();
    add_special_tokens(&mut vocab, special_tokens)?;
    Ok(definition(
        pre_tokenizer.unwrap_or_else(|| known::split_then_bytes(pattern)),
        BpeDefinition {
            vocab,
            merges: merges.into_iter().flatten().collect(),
            ignore_merges: true,
            ..BpeDefinition::default()
        },
        special_tokens,
    ))
}

/// Whether a pattern is a plain word that names nothing: as a regular expression it would match
/// only itself.
fn is_unknown_name(pattern: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    pattern.chars().all(is_word) && !known::NAMES.contains(&pattern)
}

fn pattern_is_required() -> Error {
    Error::Config(format!(
        "pattern is required: a rank file holds none, and this is not one that OpenAI \
         publishes; pass one of {:?} or a regular expression",
        known::NAMES
    ))
}

/// The stages that Hugging Face's converter gives a tiktoken vocabulary.
fn definition(
    pre_tokenizer: PreTokenizer,
    model: BpeDefinition,
    special_tokens: &[(String, u32)],
) -> Definition {
    let options = ByteLevelOptions { add_prefix_space: true, trim_offsets: true, use_regex: true };
    let mut added_tokens: Vec<_> =
        special_tokens.iter().map(|(content, id)| AddedToken::special(*id, content)).collect();
    added_tokens.sort_by_key(|token| token.id);
    Definition {
        normalizer: None,
        pre_tokenizer: Some(pre_tokenizer),
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

/// The tokens of a rank file, ordered by rank, with all 256 single bytes among them.
fn parse_ranks(data: &[u8]) -> Result<Vec<(Vec<u8>, u32)>> {
    let mut tokens = Vec::new();
    let mut lines = Vec::new();
    for (i, line) in data.split(|&byte| byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.is_empty() {
            tokens.push(parse_line(line).map_err(|problem| at_line(i, problem))?);
            lines.push(i);
        }
    }
    if tokens.is_empty() {
        return Err(Error::format(FORMAT, "", "the file holds no tokens"));
    }
    let largest = (0..tokens.len()).max_by_key(|&i| tokens.get(i).map(|&(_, rank)| rank));
    if let Some(i) = largest {
        let rank = tokens.get(i).map(|&(_, rank)| rank);
        let line = lines.get(i).copied().unwrap_or_default();
        check_largest_id(rank, tokens.len(), FORMAT, &format!("line {}", line + 1))?;
    }
    refuse_duplicates(&tokens, &lines)?;
    refuse_missing_bytes(&tokens)?;
    tokens.sort_unstable_by_key(|&(_, rank)| rank);
    Ok(tokens)
}

fn at_line(i: usize, problem: String) -> Error {
    Error::format(FORMAT, format!("line {}", i + 1), problem)
}

fn parse_line(line: &[u8]) -> Result<(Vec<u8>, u32), String> {
    let shown = || quote(&String::from_utf8_lossy(line));
    if !line.is_ascii() {
        return Err(format!("{} is not base64 and a rank: it is not ASCII", shown()));
    }
    let mut fields = line.split(|&byte| byte == b' ');
    let (Some(token), Some(rank), None) = (fields.next(), fields.next(), fields.next()) else {
        return Err(format!("must be a token in base64, a space and a rank, got {}", shown()));
    };
    let bytes = BASE64_STANDARD
        .decode(token)
        .map_err(|problem| format!("the token is not valid base64: {problem}"))?;
    if bytes.is_empty() {
        return Err("the token is empty".to_owned());
    }
    if bytes.len() > MAX_TOKEN_BYTES {
        return Err(format!(
            "a token of {} bytes is longer than the limit of {MAX_TOKEN_BYTES}",
            bytes.len()
        ));
    }
    let is_number = !rank.is_empty() && rank.iter().all(u8::is_ascii_digit);
    let rank_text = std::str::from_utf8(rank).unwrap_or_default();
    match rank_text.parse() {
        Ok(rank) if is_number => Ok((bytes, rank)),
        _ => {
            let rule = format!("a rank must be a whole number from 0 to {}", u32::MAX);
            Err(format!("{rule}, got {}", quote(rank_text)))
        }
    }
}

fn refuse_duplicates(tokens: &[(Vec<u8>, u32)], lines: &[usize]) -> Result<()> {
    let mut by_token: SeededMap<&[u8], usize> = SeededMap::with_capacity(tokens.len());
    let n_ranks = usize::try_from(id_limit(tokens.len())).unwrap_or_default();
    let mut by_rank: Vec<u32> = vec![0; n_ranks];
    for ((bytes, rank), &line) in tokens.iter().zip(lines) {
        if let Some(first) = by_token.insert(bytes, line) {
            let token = quote(&String::from_utf8_lossy(bytes));
            return Err(at_line(line, format!("{token} stands already in line {}", first + 1)));
        }
        let Some(first) = by_rank.get_mut(*rank as usize) else {
            continue;
        };
        if *first != 0 {
            return Err(at_line(line, format!("rank {rank} stands already in line {first}")));
        }
        *first = u32::try_from(line + 1).unwrap_or(u32::MAX);
    }
    Ok(())
}

/// Requires tokens to be unique, and all 256 single bytes to be among them.
pub(super) fn check_ranks(tokens: &[(Vec<u8>, u32)], format: &'static str) -> Result<()> {
    let mut seen: SeededMap<&[u8], u32> = SeededMap::with_capacity(tokens.len());
    for (bytes, id) in tokens {
        if seen.insert(bytes, *id).is_some() {
            let token = quote(&String::from_utf8_lossy(bytes));
            return Err(Error::format(format, "vocab", format!("{token} stands twice")));
        }
    }
    refuse_missing_bytes(tokens)
}

fn refuse_missing_bytes(tokens: &[(Vec<u8>, u32)]) -> Result<()> {
    let mut is_present = [false; 256];
    for (bytes, _) in tokens {
        if let &[byte] = bytes.as_slice() {
            is_present[usize::from(byte)] = true;
        }
    }
    match is_present.iter().position(|&present| !present) {
        Some(byte) => Err(Error::format(
            FORMAT,
            "",
            format!("the byte 0x{byte:02X} is not a token: all 256 single bytes must be"),
        )),
        None => Ok(()),
    }
}

/// Puts special tokens into the vocabulary.
fn add_special_tokens(
    vocab: &mut Vec<(String, u32)>,
    special_tokens: &[(String, u32)],
) -> Result<()> {
    let mut texts: SeededMap<&str, u32> = index_vocab(vocab);
    for (content, id) in special_tokens {
        if content.is_empty() {
            return Err(Error::Vocab("special token must not be empty".to_owned()));
        }
        if let Some(other) = texts.insert(content, *id) {
            let content = quote(content);
            return Err(Error::Vocab(format!(
                "special token {content} has id {id}, but it has id {other} already"
            )));
        }
    }
    drop(texts);
    vocab.extend_from_slice(special_tokens);
    let n_tokens = vocab.len();
    *vocab = order_vocab(std::mem::take(vocab), FORMAT, "special_tokens")?;
    check_largest_id(vocab.last().map(|&(_, id)| id), n_tokens, FORMAT, "special_tokens")
}
