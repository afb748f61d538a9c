//! The pre-tokenizers of byte-level models that have a name: GPT-2's, those of OpenAI's cl100k_base and o200k_base, and
//! lines, for tokens of several words.
//!
//! The patterns are in the form that `tokenizer.json` files carry (Llama 3 has cl100k's, gpt-oss has o200k's), so a
//! definition that uses one can be written as such a file.

use crate::post_processor::ByteLevelOptions;
use crate::pre_tokenizer::{Pattern, PreTokenizer, Split, SplitBehavior};

/// cl100k_base's pattern.
pub const CL100K_PATTERN: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// cl100k_base's pattern with digits one by one (Qwen 2).
pub const QWEN2_PATTERN: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// GPT-2's pattern as OpenAI's `encoder.py` spells it; [`super::byte_level::GPT2_PATTERN`] means the same.
pub const GPT2_ORIGINAL_PATTERN: &str =
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// o200k_base's pattern.
pub const O200K_PATTERN: &str = concat!(
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
);

/// Lines with the ends that follow them, and digits in groups of up to three: where cl100k's pattern splits whatever the
/// words are, so that a token may be several words.
pub const LINES_PATTERN: &str = r"\p{N}{1,3}|[^\r\n\p{N}]*[\r\n]+(?:\s*[\r\n]+)?|[^\r\n\p{N}]+";

/// The names that [`by_name`] knows.
pub const NAMES: [&str; 4] = ["gpt2", "cl100k", "o200k", "lines"];

/// The pre-tokenizer of that name.
pub fn by_name(name: &str) -> Option<PreTokenizer> {
    match name {
        "gpt2" => Some(gpt2()),
        "cl100k" => Some(split_then_bytes(CL100K_PATTERN)),
        "o200k" => Some(split_then_bytes(O200K_PATTERN)),
        "lines" => Some(split_then_bytes(LINES_PATTERN)),
        _ => None,
    }
}

/// GPT-2's: the byte-level pre-tokenizer itself.
pub fn gpt2() -> PreTokenizer {
    PreTokenizer::ByteLevel(ByteLevelOptions { use_regex: true, ..ByteLevelOptions::PLAIN })
}

/// Isolates the matches of `pattern`, then turns to bytes.
pub fn split_then_bytes(pattern: &str) -> PreTokenizer {
    PreTokenizer::Sequence(vec![
        PreTokenizer::Split(Split {
            pattern: Pattern::Regex(pattern.to_owned()),
            behavior: SplitBehavior::Isolated,
            invert: false,
        }),
        PreTokenizer::ByteLevel(ByteLevelOptions::PLAIN),
    ])
}
