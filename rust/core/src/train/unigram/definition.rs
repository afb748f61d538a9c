//! From learned pieces to a tokenizer in Hugging Face's form: [`UnigramDefinition`] with metaspaces.

use super::{LearnOptions, Learned, learn};
use crate::decoder::Decoder;
use crate::definition::{Definition, Model, UnigramDefinition};
use crate::error::{Error, Result};
use crate::model::byte_token;
use crate::post_processor::{ByteLevelOptions, PostProcessor};
use crate::pre_tokenizer::{Metaspace, PreTokenizer, byte_level};
use crate::progress::Progress;
use crate::train::math::decimal;
use crate::train::{Stages, Trained, WordCounts, check_special_tokens};

/// What a caller may choose when training.
#[derive(Debug, Clone)]
pub struct UnigramOptions {
    /// Tokens in all: special tokens, byte tokens and pieces.
    pub vocab_size: usize,
    /// Texts of the special tokens; they get the first ids.
    pub special_tokens: Vec<String>,
    /// The token of what no piece covers; it is put before the special tokens unless it is one of them. `None`: text with a
    /// character outside the vocabulary cannot be encoded.
    pub unk_token: Option<String>,
    /// Whether a character outside the vocabulary becomes the tokens `<0x00>` to `<0xFF>` of its bytes.
    pub byte_fallback: bool,
    /// The stages that the words were counted with.
    pub stages: Stages,
    /// How pieces are learned; what follows from the rest is set here.
    pub learn: LearnOptions,
}

/// Trains a tokenizer.
///
/// # Errors
/// [`Error::Config`] when special tokens are empty, twice or byte tokens, when byte fallback is asked for without an unk token
/// or on a byte-level vocabulary, and as [`learn`] says; [`Error::Interrupted`].
pub fn train(
    counts: &WordCounts,
    options: &UnigramOptions,
    progress: &Progress,
) -> Result<Trained> {
    let is_byte_level =
        options.stages.pre_tokenizer.as_ref().is_some_and(PreTokenizer::is_byte_level);
    let specials = specials(options)?;
    let bytes = byte_tokens(options, is_byte_level, &specials)?;
    let n_other_tokens = specials.len() + bytes.len();
    let mut learning = options.learn.clone();
    learning.n_other_tokens = n_other_tokens;
    learning.vocab_size = options.vocab_size;
    learning.is_byte_level = is_byte_level;
    learning.forbidden.extend(specials.iter().chain(&bytes).cloned());
    if is_byte_level {
        learning.required_chars.extend(byte_level::ALPHABET);
        learning.rules.split_by_unicode_script = false;
    }
    if options.byte_fallback {
        // A byte token that stands in a text is spelled by these, and so does not become the byte.
        learning.required_chars.push_str("<0123456789xABCDEF>");
    }
    let Learned { pieces, report } = learn(counts, &learning, progress)?;
    let worst = pieces.iter().map(|&(_, score)| score).fold(0.0, f64::min);
    // Worse than the six characters of its text together, each of which is a piece.
    let of_bytes = bytes.into_iter().map(|token| (token, 7.0 * worst - 1.0));
    let unk_id =
        options.unk_token.as_ref().and_then(|unk| specials.iter().position(|text| text == unk));
    let scored = of_bytes.chain(pieces).map(|(text, score)| (text, decimal(score)));
    let vocab = specials.iter().map(|text| (text.clone(), 0.0)).chain(scored).collect();
    let model = UnigramDefinition {
        vocab,
        unk_id: unk_id.and_then(|id| u32::try_from(id).ok()),
        byte_fallback: options.byte_fallback,
    };
    let byte_level = is_byte_level.then_some(ByteLevelOptions::PLAIN);
    let definition = Definition {
        post_processor: byte_level.map(PostProcessor::ByteLevel),
        decoder: byte_level.map(Decoder::ByteLevel).or_else(|| decoder(options)),
        ..options.stages.definition(Model::Unigram(model), &specials)
    };
    Ok(Trained { definition, report })
}

/// The special tokens in the order of their ids.
fn specials(options: &UnigramOptions) -> Result<Vec<String>> {
    let unk = options.unk_token.iter().filter(|unk| !options.special_tokens.contains(unk));
    let specials: Vec<String> = unk.chain(&options.special_tokens).cloned().collect();
    check_special_tokens(&specials, |_| Ok(()))?;
    Ok(specials)
}

/// The byte tokens, none without byte fallback.
fn byte_tokens(
    options: &UnigramOptions,
    is_byte_level: bool,
    specials: &[String],
) -> Result<Vec<String>> {
    if !options.byte_fallback {
        return Ok(Vec::new());
    }
    if is_byte_level {
        return Err(Error::Config(
            "byte_fallback must be false with a byte-level pre-tokenizer, which knows no other characters than bytes"
                .to_owned(),
        ));
    }
    if options.unk_token.is_none() {
        return Err(Error::Config(
            "byte_fallback needs an unk_token, in whose place the bytes are put; got None"
                .to_owned(),
        ));
    }
    let tokens: Vec<String> = (0..256).map(byte_token).collect();
    match specials.iter().find(|text| tokens.contains(text)) {
        None => Ok(tokens),
        Some(text) => Err(Error::Config(format!(
            "special_tokens must not be byte tokens when byte_fallback is true, got {text:?}"
        ))),
    }
}

fn decoder(options: &UnigramOptions) -> Option<Decoder> {
    let metaspace =
        options.stages.pre_tokenizer.as_ref().and_then(metaspace).map(Decoder::Metaspace);
    let mut stages = Vec::new();
    stages.extend(options.byte_fallback.then_some(Decoder::ByteFallback));
    stages.extend(metaspace);
    if stages.len() > 1 { Some(Decoder::Sequence(stages)) } else { stages.pop() }
}

/// The last stage that marks spaces.
fn metaspace(pre_tokenizer: &PreTokenizer) -> Option<Metaspace> {
    match pre_tokenizer {
        PreTokenizer::Metaspace(metaspace) => Some(*metaspace),
        PreTokenizer::Sequence(inner) => inner.iter().rev().find_map(metaspace),
        _ => None,
    }
}
