//! Mistral's `tekken.json`: tiktoken's ranks with the pattern and the special tokens beside them.
//!
//! Special tokens have the ids below `default_num_special_tokens`, those that the file does not name filled up as
//! `<SPECIAL_n>`; the id of an ordinary token is its rank plus that number. Only the first `default_vocab_size` ids count.
//! (The facts are those of `mistral_common.tokens.tokenizers.tekken`, whose `encode` takes the text of a special token as
//! ordinary text: `on_special="text"` here.) Settings of images and sound in a file concern no text, and are not kept.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use crate::definition::{BpeDefinition, Definition, Model};
use crate::error::{Error, Result};
use crate::format::hf_json::decode_utf8;
use crate::format::{MAX_TOKEN_BYTES, quote, tiktoken};
use crate::pre_tokenizer::{Pattern, PreTokenizer, Split, byte_level};

/// The format's name in messages.
const FORMAT: &str = "tekken.json";

/// The special tokens of files that name none (versions up to 7), by id.
const UNNAMED: [&str; 20] = [
    "<unk>",
    "<s>",
    "</s>",
    "[INST]",
    "[/INST]",
    "[AVAILABLE_TOOLS]",
    "[/AVAILABLE_TOOLS]",
    "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]",
    "[TOOL_CALLS]",
    "[IMG]",
    "<pad>",
    "[IMG_BREAK]",
    "[IMG_END]",
    "[PREFIX]",
    "[MIDDLE]",
    "[SUFFIX]",
    "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]",
    "[TOOL_CONTENT]",
];

#[derive(Serialize, Deserialize)]
struct File {
    config: Config,
    vocab: Vec<Entry>,
    #[serde(default)]
    special_tokens: Option<Vec<Special>>,
}

#[derive(Serialize, Deserialize)]
struct Config {
    pattern: String,
    num_vocab_tokens: usize,
    default_vocab_size: usize,
    default_num_special_tokens: usize,
    version: String,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    rank: usize,
    token_bytes: String,
    token_str: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Special {
    rank: usize,
    token_str: String,
    #[serde(default)]
    is_control: bool,
}

/// Reads a `tekken.json`.
///
/// # Errors
/// [`Error::Format`] with the place for a malformed or contradictory file, [`Error::Vocab`] for special tokens that
/// contradict the ranks, [`Error::Unsupported`] for a pattern that is not reproduced.
pub fn read(data: &[u8]) -> Result<Definition> {
    let text = decode_utf8(data, FORMAT)?;
    let file: File = serde_json::from_str(text).map_err(|problem| {
        let place = format!("line {} column {}", problem.line(), problem.column());
        Error::format(FORMAT, place, problem.to_string())
    })?;
    let Config { pattern, default_vocab_size, default_num_special_tokens: n_special, .. } =
        &file.config;
    let n_tokens = default_vocab_size.checked_sub(*n_special).filter(|&n| n <= file.vocab.len());
    let Some(n_tokens) = n_tokens else {
        let problem = format!(
            "must be from {n_special} (default_num_special_tokens) to {} (with all of vocab), got \
             {default_vocab_size}",
            file.vocab.len().saturating_add(*n_special)
        );
        return Err(Error::format(FORMAT, "config.default_vocab_size", problem));
    };
    let specials = special_tokens(file.special_tokens, *n_special)?;
    let ranks = file.vocab.iter().take(n_tokens).enumerate();
    let tokens = ranks.map(|(i, entry)| token(i, entry, *n_special)).collect::<Result<Vec<_>>>()?;
    tiktoken::check_ranks(&tokens, FORMAT)?;
    tiktoken::from_ranks(&tokens, pattern, &specials)
}

fn token(i: usize, entry: &Entry, n_special: usize) -> Result<(Vec<u8>, u32)> {
    let refuse = |key: &str, problem: String| {
        Err(Error::format(FORMAT, format!("vocab[{i}].{key}"), problem))
    };
    if entry.rank != i {
        return refuse("rank", format!("must be {i}, as the entries stand in order"));
    }
    let id = u32::try_from(i + n_special);
    match (BASE64_STANDARD.decode(&entry.token_bytes), id) {
        (Ok(bytes), Ok(id)) if (1..=MAX_TOKEN_BYTES).contains(&bytes.len()) => Ok((bytes, id)),
        (Ok(bytes), _) => {
            let n = bytes.len();
            refuse("token_bytes", format!("must be 1 to {MAX_TOKEN_BYTES} bytes, got {n}"))
        }
        (Err(problem), _) => refuse("token_bytes", format!("is not valid base64: {problem}")),
    }
}

/// Text and id of every special token, those without a name of their own among them.
fn special_tokens(given: Option<Vec<Special>>, n_special: usize) -> Result<Vec<(String, u32)>> {
    let refuse = |i: usize, problem: String| {
        Err(Error::format(FORMAT, format!("special_tokens[{i}]"), problem))
    };
    let names: Vec<String> = match given {
        Some(given) => {
            if let Some(i) = given.iter().enumerate().position(|(i, special)| special.rank != i) {
                return refuse(i, format!("rank must be {i}, as the tokens stand in order"));
            }
            given.into_iter().map(|special| special.token_str).collect()
        }
        None => UNNAMED.map(str::to_owned).to_vec(),
    };
    if names.len() > n_special {
        return refuse(n_special, format!("more than default_num_special_tokens, {n_special}"));
    }
    let fillers = (names.len()..n_special).map(|i| format!("<SPECIAL_{i}>"));
    Ok(names.into_iter().chain(fillers).zip(0..).collect())
}

/// Writes a `tekken.json`.
///
/// # Errors
/// [`Error::Unsupported`], with the reason, for a definition that the format cannot express: other than tiktoken's rule by one
/// pattern, or special tokens that are not the first ids.
pub fn write(definition: &Definition) -> Result<Vec<u8>> {
    let refuse = |place: &str, problem: &str| Error::unsupported(FORMAT, place, problem);
    // What tiktoken cannot express, this cannot.
    tiktoken::write(definition)?;
    let Model::Bpe(BpeDefinition { vocab, .. }) = &definition.model else {
        return Err(refuse("model", "tekken knows byte-level BPE alone"));
    };
    let Some(pattern) = pattern_of(definition.pre_tokenizer.as_ref()) else {
        return Err(refuse(
            "pre_tokenizer",
            "tekken splits by the matches of one regular expression",
        ));
    };
    let specials = &definition.added_tokens;
    let n_special = specials.len();
    if specials.iter().zip(0..).any(|(special, i)| special.id != i || !special.is_special) {
        return Err(refuse(
            "added_tokens",
            "special tokens must have the first ids, and all be special",
        ));
    }
    let ordinary = vocab.iter().skip(n_special).enumerate();
    let entries = ordinary
        .map(|(rank, (text, id))| {
            let bytes = byte_level::bytes_of(text).filter(|_| *id as usize == rank + n_special);
            let bytes = bytes.ok_or_else(|| {
                refuse("model.vocab", &format!("{} breaks the order of ranks", quote(text)))
            })?;
            let token_str = String::from_utf8(bytes.clone()).ok();
            Ok(Entry { rank, token_bytes: BASE64_STANDARD.encode(&bytes), token_str })
        })
        .collect::<Result<Vec<_>>>()?;
    let named = specials.iter().enumerate().map(|(rank, special)| Special {
        rank,
        token_str: special.content.clone(),
        is_control: true,
    });
    let file = File {
        config: Config {
            pattern: pattern.to_owned(),
            num_vocab_tokens: entries.len(),
            default_vocab_size: entries.len() + n_special,
            default_num_special_tokens: n_special,
            version: "v7".to_owned(),
        },
        special_tokens: Some(named.collect()),
        vocab: entries,
    };
    serde_json::to_vec(&file).map_err(|problem| Error::Internal(problem.to_string()))
}

fn pattern_of(pre_tokenizer: Option<&PreTokenizer>) -> Option<&str> {
    match pre_tokenizer? {
        PreTokenizer::ByteLevel(_) => Some(byte_level::GPT2_PATTERN),
        PreTokenizer::Split(Split { pattern: Pattern::Regex(pattern), .. }) => Some(pattern),
        PreTokenizer::Sequence(stages) => pattern_of(stages.first()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tokenizer;
    use crate::added_tokens::OnSpecial;
    use crate::progress::Progress;
    use crate::tokenizer::EncodeOptions;
    use serde_json::{Value, json};

    const PATTERN: &str = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s+";

    fn file(extra: &[&str], n_special: usize) -> Value {
        let bytes = (0..=255_u8).map(|byte| vec![byte]);
        let extra = extra.iter().map(|text| text.as_bytes().to_vec());
        let vocab: Vec<_> = bytes
            .chain(extra)
            .enumerate()
            .map(|(rank, bytes)| {
                json!({ "rank": rank, "token_bytes": BASE64_STANDARD.encode(bytes), "token_str": null })
            })
            .collect();
        json!({
            "config": {
                "pattern": PATTERN, "num_vocab_tokens": vocab.len(),
                "default_vocab_size": vocab.len() + n_special,
                "default_num_special_tokens": n_special, "version": "v3",
            },
            "vocab": vocab,
            "special_tokens": [{ "rank": 0, "token_str": "<unk>", "is_control": true }],
            "audio": { "sampling_rate": 16_000 },
        })
    }

    fn ids(definition: Definition, text: &str, on_special: OnSpecial) -> Vec<u32> {
        let options = EncodeOptions { add_special_tokens: true, on_special };
        Tokenizer::new(definition).unwrap().encode(text, options, &Progress::default()).unwrap()
    }

    #[test]
    fn ordinary_ids_start_after_the_special_ones() {
        let definition = read(file(&["th", " th"], 3).to_string().as_bytes()).unwrap();
        let encode = |text, on_special| ids(definition.clone(), text, on_special);
        assert_eq!(encode("th th", OnSpecial::Raise), [259, 260]);
        assert_eq!(encode("<SPECIAL_2>a", OnSpecial::Encode), [2, 3 + 97]);
        assert_eq!(encode("<unk>", OnSpecial::Text).len(), 5);
    }

    #[test]
    fn a_smaller_vocabulary_drops_the_last_ranks() {
        let mut file = file(&["th", "in"], 1);
        file["config"]["default_vocab_size"] = json!(258);
        let definition = read(file.to_string().as_bytes()).unwrap();
        assert_eq!(ids(definition, "thin", OnSpecial::Raise), [257, 1 + 105, 1 + 110]);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let definition = read(file(&["th", " th"], 3).to_string().as_bytes()).unwrap();
        assert_eq!(read(&write(&definition).unwrap()).unwrap(), definition);
    }

    type Change<'a> = &'a dyn Fn(&mut Value);

    #[test]
    fn malformed_files_are_refused_with_the_place() {
        let message = |change: &dyn Fn(&mut Value)| {
            let mut file = file(&["th"], 2);
            change(&mut file);
            read(file.to_string().as_bytes()).unwrap_err().to_string()
        };
        let cases: [(Change<'_>, &str); 6] = [
            (&|file| file["vocab"][3]["rank"] = json!(9), "vocab[3].rank: must be 3"),
            (&|file| file["vocab"][3]["token_bytes"] = json!("?"), "vocab[3].token_bytes"),
            (&|file| file["config"]["default_vocab_size"] = json!(1), "config.default_vocab_size"),
            (&|file| file["special_tokens"][0]["rank"] = json!(1), "special_tokens[0]"),
            (&|file| file["special_tokens"][0]["token_str"] = json!("th"), "special token \"th\""),
            (&|file| file["vocab"][256]["token_bytes"] = json!("AA=="), "stands twice"),
        ];
        for (change, words) in cases {
            let message = message(change);
            assert!(message.contains(words), "{message}");
        }
    }
}
