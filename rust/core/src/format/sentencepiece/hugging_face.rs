//! A SentencePiece model in the terms of Hugging Face's library: the nearest `tokenizer.json`, and in what it differs.
//!
//! Merges of BPE are every pair of pieces that spell a piece, in the order of that piece's score. User-defined pieces are cut
//! out before the model, which keeps them whole. Control pieces are special added tokens.

use std::cmp::Ordering;

use crate::decoder::Decoder;
use crate::definition::{
    BpeDefinition, Definition, Model, PieceKind, SentencePieceAlgorithm, SentencePieceDefinition,
    UnigramDefinition,
};
use crate::error::{Error, Result};
use crate::format::SeededMap;
use crate::format::hf_json::readable;
use crate::normalizer::{Normalizer, SentencePiece};
use crate::pre_tokenizer::{Pattern, PreTokenizer, Split, SplitBehavior};

const METASPACE: &str = "\u{2581}";

/// Turns a SentencePiece definition into one that Hugging Face's library has the words for, and says, a sentence each, what
/// may then come out differently.
///
/// # Errors
/// [`Error::Unsupported`] for a definition that is not one of SentencePiece, for the algorithms `word` and `char`, and for a
/// dummy prefix at the end of the text.
pub fn to_hugging_face(definition: &Definition) -> Result<(Definition, Vec<String>)> {
    let refuse = |place: &str, problem: &str| Err(Error::unsupported("definition", place, problem));
    let (Model::SentencePiece(model), Some(Normalizer::SentencePiece(spec))) =
        (&definition.model, &definition.normalizer)
    else {
        return refuse("model", "only a SentencePiece model with its own normalizer can be turned");
    };
    if spec.treat_whitespace_as_suffix {
        return refuse("normalizer", "a space at the end of the text has no counterpart");
    }
    let Some(unk_id) = model.unk_id() else {
        return refuse("model", "there is no unknown piece");
    };
    let turned = match model.algorithm {
        SentencePieceAlgorithm::Unigram => Model::Unigram(unigram(model, unk_id)),
        SentencePieceAlgorithm::Bpe => Model::Bpe(bpe(model, &model.pieces[unk_id as usize].text)),
        _ => return refuse("model", "only Unigram and BPE have a counterpart"),
    };
    let turned = Definition {
        normalizer: Some(normalizer(spec)),
        pre_tokenizer: pre_tokenizer(model),
        model: turned,
        decoder: Some(decoder(model, spec)),
        ..definition.clone()
    };
    Ok((turned, differences(model, spec)))
}

/// A user-defined piece is better than whatever else spells it.
fn unigram(model: &SentencePieceDefinition, unk_id: u32) -> UnigramDefinition {
    let score = |kind, score: f32| match kind {
        PieceKind::UserDefined => 0.0,
        _ => f64::from(score),
    };
    let vocab = model.pieces.iter();
    UnigramDefinition {
        vocab: vocab
            .map(|piece| (piece.text.to_string(), readable(score(piece.kind, piece.score))))
            .collect(),
        unk_id: Some(unk_id),
        byte_fallback: model.byte_fallback,
    }
}

fn bpe(model: &SentencePieceDefinition, unk_token: &str) -> BpeDefinition {
    let normal = || {
        let pieces = (0_u32..).zip(&model.pieces);
        pieces.filter(|(_, piece)| piece.kind == PieceKind::Normal)
    };
    let ids: SeededMap<&str, u32> = normal().map(|(id, piece)| (piece.text.as_str(), id)).collect();
    let mut ranked = Vec::new();
    for (id, piece) in normal() {
        for (at, _) in piece.text.char_indices().skip(1) {
            let (left, right) = piece.text.split_at(at);
            if let (Some(&left), Some(&right)) = (ids.get(left), ids.get(right)) {
                ranked.push((piece.score, id, (left, right)));
            }
        }
    }
    // Splits of one piece stay in the order of their places.
    ranked.sort_by(|(a, id, _), (b, other, _)| {
        b.partial_cmp(a).unwrap_or(Ordering::Equal).then(id.cmp(other))
    });
    let vocab = model.pieces.iter().zip(0..).map(|(piece, id)| (piece.text.to_string(), id));
    BpeDefinition {
        vocab: vocab.collect(),
        merges: ranked.into_iter().map(|(_, _, pair)| pair).collect(),
        ignore_merges: has(model, PieceKind::UserDefined),
        unk_token: Some(unk_token.to_owned()),
        fuse_unk: true,
        byte_fallback: model.byte_fallback,
        ..BpeDefinition::default()
    }
}

fn has(model: &SentencePieceDefinition, kind: PieceKind) -> bool {
    model.pieces.iter().any(|piece| piece.kind == kind)
}

fn normalizer(spec: &SentencePiece) -> Normalizer {
    let mut stages = Vec::new();
    if !spec.charsmap.is_empty() {
        stages.push(Normalizer::Precompiled(spec.charsmap.clone()));
    }
    if spec.remove_extra_whitespaces {
        let pattern = Pattern::Regex(" {2,}".to_owned());
        stages.push(Normalizer::Replace { pattern, content: " ".to_owned() });
        stages.push(Normalizer::Strip { left: true, right: true });
    }
    if spec.add_dummy_prefix {
        let space = if spec.escape_whitespaces { METASPACE } else { " " };
        stages.push(Normalizer::Prepend(space.to_owned()));
    }
    if spec.escape_whitespaces {
        let pattern = Pattern::Literal(" ".to_owned());
        stages.push(Normalizer::Replace { pattern, content: METASPACE.to_owned() });
    }
    Normalizer::Sequence(stages)
}

/// Cuts out user-defined pieces, the longest first.
fn pre_tokenizer(model: &SentencePieceDefinition) -> Option<PreTokenizer> {
    let pieces = model.pieces.iter().filter(|piece| piece.kind == PieceKind::UserDefined);
    let mut pieces: Vec<&str> = pieces.map(|piece| piece.text.as_str()).collect();
    if pieces.is_empty() {
        return None;
    }
    pieces.sort_by_key(|piece| std::cmp::Reverse(piece.len()));
    let mut pattern = String::new();
    for (i, piece) in pieces.into_iter().enumerate() {
        if i > 0 {
            pattern.push('|');
        }
        for c in piece.chars() {
            if r"\.+*?()|[]{}^$".contains(c) {
                pattern.push('\\');
            }
            pattern.push(c);
        }
    }
    Some(PreTokenizer::Split(Split {
        pattern: Pattern::Regex(pattern),
        behavior: SplitBehavior::Isolated,
        invert: false,
    }))
}

fn decoder(model: &SentencePieceDefinition, spec: &SentencePiece) -> Decoder {
    let pattern = Pattern::Literal(METASPACE.to_owned());
    let mut stages = vec![Decoder::Replace { pattern, content: " ".to_owned() }];
    if model.byte_fallback {
        stages.push(Decoder::ByteFallback);
    }
    stages.push(Decoder::Fuse);
    if spec.add_dummy_prefix || spec.remove_extra_whitespaces {
        stages.push(Decoder::Strip { content: ' ', start: 1, stop: 0 });
    }
    Decoder::Sequence(stages)
}

/// What may come out differently.
fn differences(model: &SentencePieceDefinition, spec: &SentencePiece) -> Vec<String> {
    let is_unigram = model.algorithm == SentencePieceAlgorithm::Unigram;
    let has_user_defined = has(model, PieceKind::UserDefined);
    let told: [(bool, &str); 11] = [
        (true, "The unknown piece and control pieces decode to their own texts."),
        (has(model, PieceKind::Control), "Text that spells a control piece becomes that piece."),
        (is_unigram, "Text that spells the unknown piece becomes unknown."),
        (
            spec.add_dummy_prefix,
            "Each stretch between special tokens gets a space before it, not only the text.",
        ),
        (
            !spec.charsmap.is_empty(),
            "The character map is applied to whole graphemes and characters, not to the longest match.",
        ),
        (
            spec.remove_extra_whitespaces,
            "All white space at the ends of the text goes, not only spaces.",
        ),
        (
            is_unigram,
            "Scores are summed in 64 bits, so paths that are almost as good may change places.",
        ),
        (
            !is_unigram,
            "Of two merges into one piece, the one with the shorter left part goes first, not the leftmost.",
        ),
        (
            has_user_defined,
            "User-defined pieces are looked for in the normalized text, and never joined with their neighbours.",
        ),
        (
            has(model, PieceKind::Unused),
            "Pieces not in use may be produced by Unigram, and never merge in BPE.",
        ),
        (
            is_unigram && model.byte_fallback,
            "The name of a byte piece in a text, such as <0x41>, becomes that piece.",
        ),
    ];
    told.into_iter().filter(|(holds, _)| *holds).map(|(_, words)| words.to_owned()).collect()
}
