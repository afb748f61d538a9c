//! The rank files that OpenAI publishes, by their SHA-256 (the facts are those of
//! `tiktoken_ext.openai_public`).

/// What a published rank file leaves unsaid.
pub(super) struct Published {
    sha256: &'static str,
    /// A name in [`crate::pre_tokenizer::known::NAMES`].
    pub(super) pattern: &'static str,
    special_tokens: &'static [(&'static str, u32)],
}

impl Published {
    pub(super) fn special_tokens(&self) -> Vec<(String, u32)> {
        self.special_tokens.iter().map(|&(text, id)| (text.to_owned(), id)).collect()
    }
}

static PUBLISHED: [Published; 4] = [
    // r50k_base
    Published {
        sha256: "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930",
        pattern: "gpt2",
        special_tokens: &[("<|endoftext|>", 50256)],
    },
    // p50k_base
    Published {
        sha256: "94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069",
        pattern: "gpt2",
        special_tokens: &[("<|endoftext|>", 50256)],
    },
    // cl100k_base
    Published {
        sha256: "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
        pattern: "cl100k",
        special_tokens: &[
            ("<|endoftext|>", 100_257),
            ("<|fim_prefix|>", 100_258),
            ("<|fim_middle|>", 100_259),
            ("<|fim_suffix|>", 100_260),
            ("<|endofprompt|>", 100_276),
        ],
    },
    // o200k_base
    Published {
        sha256: "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
        pattern: "o200k",
        special_tokens: &[("<|endoftext|>", 199_999), ("<|endofprompt|>", 200_018)],
    },
];

/// The published file with that SHA-256.
pub(super) fn find(sha256: &str) -> Option<&'static Published> {
    PUBLISHED.iter().find(|published| published.sha256 == sha256)
}

/// The name of a pattern that tiktoken spells in its own way; any other pattern as it is.
///
/// tiktoken 0.14 writes GPT-2's and cl100k's patterns with possessive repeats, for speed. GPT-2's
/// splits as the original does; how cl100k's differs is told in the head of [`super`].
pub(super) fn canonical_pattern(pattern: &str) -> &str {
    match pattern {
        r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s" => {
            "gpt2"
        }
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s" => {
            "cl100k"
        }
        other => other,
    }
}
