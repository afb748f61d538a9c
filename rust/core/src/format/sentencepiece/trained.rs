//! The definition of trained pieces, with the messages `TrainerSpec` and `NormalizerSpec` that say how they were made.
//!
//! It is read back from what a file would say, so that it is what loading the file gives.

use super::wire::{put_bytes, put_float, put_number};
use super::{put_pieces, read};
use crate::definition::{Definition, SentencePieceAlgorithm};
use crate::error::Result;
use crate::train::sentencepiece::{Learned, Meta, SentencePieceOptions, charsmap_of};

/// The tokenizer of trained pieces.
///
/// # Errors
/// Those of [`read`]: pieces that contradict each other; of [`charsmap_of`].
pub fn trained(learned: &Learned, options: &SentencePieceOptions) -> Result<Definition> {
    let mut data = Vec::new();
    put_pieces(&mut data, &learned.pieces);
    put_bytes(&mut data, 2, &trainer_spec(options, learned.pieces.len()));
    put_bytes(&mut data, 3, &normalizer_spec(options)?);
    read(&data)
}

fn trainer_spec(options: &SentencePieceOptions, n_pieces: usize) -> Vec<u8> {
    let mut spec = Vec::new();
    let size = |size: usize| i64::try_from(size).unwrap_or(i64::MAX);
    let kind = match options.algorithm {
        SentencePieceAlgorithm::Unigram => 1,
        SentencePieceAlgorithm::Bpe => 2,
        SentencePieceAlgorithm::Word => 3,
        SentencePieceAlgorithm::Char => 4,
    };
    put_number(&mut spec, 3, kind);
    put_number(&mut spec, 4, size(n_pieces));
    put_float(&mut spec, 10, options.character_coverage);
    if options.algorithm == SentencePieceAlgorithm::Unigram {
        let learning = &options.unigram;
        put_number(&mut spec, 14, size(learning.seed_size));
        put_float(&mut spec, 15, learning.shrinking_factor);
        put_number(&mut spec, 17, size(learning.n_sub_iterations));
    }
    if let Some(max) = options.max_sentence_length {
        put_number(&mut spec, 18, size(max));
    }
    let rules = &options.rules;
    put_number(&mut spec, 20, size(rules.max_length));
    let flags = [
        (21, rules.split_by_unicode_script),
        (22, rules.split_by_whitespace),
        (23, rules.split_by_number),
        (24, rules.treat_whitespace_as_suffix),
        (25, rules.split_digits),
        (26, rules.allow_whitespace_only_pieces),
    ];
    for (number, flag) in flags {
        put_number(&mut spec, number, flag.into());
    }
    for symbol in &options.control_symbols {
        put_bytes(&mut spec, 30, symbol.as_bytes());
    }
    for symbol in &options.user_defined_symbols {
        put_bytes(&mut spec, 31, symbol.as_bytes());
    }
    put_number(&mut spec, 33, options.hard_vocab_limit.into());
    put_number(&mut spec, 35, options.byte_fallback.into());
    if !options.required_chars.is_empty() {
        put_bytes(&mut spec, 36, options.required_chars.as_bytes());
    }
    let metas = [&options.unk, &options.bos, &options.eos, &options.pad];
    for (number, Meta { id, .. }) in (40..).zip(metas) {
        put_number(&mut spec, number, id.map_or(-1, i64::from));
    }
    put_bytes(&mut spec, 44, options.unk_surface.as_bytes());
    for (number, Meta { piece, .. }) in (45..).zip(metas) {
        put_bytes(&mut spec, number, piece.as_bytes());
    }
    spec
}

fn normalizer_spec(options: &SentencePieceOptions) -> Result<Vec<u8>> {
    let mut spec = Vec::new();
    put_bytes(&mut spec, 1, options.normalization_rule_name.as_bytes());
    put_bytes(&mut spec, 2, charsmap_of(&options.normalization_rule_name)?);
    put_number(&mut spec, 3, options.add_dummy_prefix.into());
    put_number(&mut spec, 4, options.remove_extra_whitespaces.into());
    put_number(&mut spec, 5, 1);
    Ok(spec)
}
