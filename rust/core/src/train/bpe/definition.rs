//! The tokenizer of a trained vocabulary.

use super::BpeOptions;
use super::alphabet::{Alphabet, Characters};
use super::learn::Learned;
use crate::decoder::Decoder;
use crate::definition::{BpeDefinition, Definition, Model};
use crate::post_processor::{ByteLevelOptions, PostProcessor};
use crate::pre_tokenizer::{Metaspace, PreTokenizer, byte_level};

/// The tokenizer of the first `n_tokens` tokens and the first `n_merges` merges.
pub(super) fn definition(
    learned: &Learned,
    options: &BpeOptions,
    n_tokens: usize,
    n_merges: usize,
) -> Definition {
    let n_special = options.special_tokens.len();
    let spell = |(place, text): (usize, &[u8])| match &options.alphabet {
        Alphabet::Bytes(_) if place >= n_special => byte_level::spell(text),
        _ => String::from_utf8_lossy(text).into_owned(),
    };
    let vocab = learned.texts.iter().take(n_tokens).enumerate().map(spell).zip(0..).collect();
    let merges = learned.merges[..n_merges].iter().map(|merge| merge.pair).collect();
    let model = BpeDefinition { vocab, merges, ..BpeDefinition::default() };
    let of = |model| options.stages.definition(Model::Bpe(model), &options.special_tokens);
    let pre_tokenizer = options.stages.pre_tokenizer.as_ref();
    match &options.alphabet {
        Alphabet::Bytes(_) => Definition {
            pre_tokenizer: Some(ending_in_bytes(pre_tokenizer.cloned())),
            post_processor: Some(PostProcessor::ByteLevel(ByteLevelOptions::PLAIN)),
            decoder: Some(Decoder::ByteLevel(ByteLevelOptions::PLAIN)),
            ..of(model)
        },
        Alphabet::Characters(characters) => Definition {
            decoder: Some(decoder(characters, pre_tokenizer)),
            ..of(of_characters(model, characters))
        },
    }
}

fn of_characters(model: BpeDefinition, options: &Characters) -> BpeDefinition {
    let affix = |text: &String| (!text.is_empty()).then(|| text.clone());
    BpeDefinition {
        unk_token: options.unk_token.clone(),
        byte_fallback: options.byte_fallback,
        continuing_subword_prefix: affix(&options.continuing_subword_prefix),
        end_of_word_suffix: affix(&options.end_of_word_suffix),
        ..model
    }
}

/// A pre-tokenizer after which the model works on bytes.
fn ending_in_bytes(pre_tokenizer: Option<PreTokenizer>) -> PreTokenizer {
    let bytes = PreTokenizer::ByteLevel(ByteLevelOptions::PLAIN);
    match pre_tokenizer {
        None => bytes,
        Some(stage) if stage.ends_byte_level() => stage,
        Some(PreTokenizer::Sequence(mut stages)) => {
            stages.push(bytes);
            PreTokenizer::Sequence(stages)
        }
        Some(stage) => PreTokenizer::Sequence(vec![stage, bytes]),
    }
}

/// What turns the tokens of characters into text again.
fn decoder(options: &Characters, pre_tokenizer: Option<&PreTokenizer>) -> Decoder {
    let mut stages = Vec::new();
    if options.byte_fallback {
        stages.push(Decoder::ByteFallback);
    }
    if !options.end_of_word_suffix.is_empty() {
        stages.push(Decoder::Bpe { suffix: options.end_of_word_suffix.clone() });
    } else if !options.continuing_subword_prefix.is_empty() {
        let prefix = options.continuing_subword_prefix.clone();
        stages.push(Decoder::WordPiece { prefix, cleanup: false });
    } else if let Some(metaspace) = pre_tokenizer.and_then(metaspace) {
        stages.push(Decoder::Metaspace(metaspace));
    }
    match (stages.len(), stages.pop()) {
        (1, Some(decoder)) if !options.byte_fallback => decoder,
        (_, Some(last)) => {
            stages.extend([last, Decoder::Fuse]);
            Decoder::Sequence(stages)
        }
        (_, None) => Decoder::Fuse,
    }
}

fn metaspace(pre_tokenizer: &PreTokenizer) -> Option<Metaspace> {
    match pre_tokenizer {
        PreTokenizer::Metaspace(metaspace) => Some(*metaspace),
        PreTokenizer::Sequence(stages) => stages.iter().find_map(|stage| match stage {
            PreTokenizer::Metaspace(metaspace) => Some(*metaspace),
            _ => None,
        }),
        _ => None,
    }
}
