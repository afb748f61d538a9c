//! Writing is undone by reading, for definitions of every shape; no damaged file panics.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::added_tokens::AddedToken;
use crate::decoder::Decoder;
use crate::definition::{
    BpeDefinition, Definition, Model, PieceKind, SentencePieceAlgorithm, SentencePieceDefinition,
    SentencePieceEntry, UnigramDefinition, WordLevelDefinition, WordPieceDefinition,
};
use crate::format::hf_json::{read, write, write_pretty};
use crate::normalizer::{BertNormalizer, Normalizer, SentencePiece};
use crate::padding::{Padding, PaddingStrategy};
use crate::post_processor::{
    ByteLevelOptions, PostProcessor, Template, TemplatePiece, TemplateSpecial,
};
use crate::pre_tokenizer::{Metaspace, Pattern, PreTokenizer, PrependScheme, Split, SplitBehavior};
use crate::truncation::{Side, Truncation, TruncationStrategy};

fn options() -> impl Strategy<Value = ByteLevelOptions> + Clone {
    any::<(bool, bool, bool)>().prop_map(|(add_prefix_space, trim_offsets, use_regex)| {
        ByteLevelOptions { add_prefix_space, trim_offsets, use_regex }
    })
}

fn normalizer() -> impl Strategy<Value = Normalizer> {
    let plain = prop::sample::select(vec![
        Normalizer::Nfc,
        Normalizer::Nfd,
        Normalizer::Nfkc,
        Normalizer::Nfkd,
        Normalizer::Lowercase,
        Normalizer::StripAccents,
        Normalizer::Nmt,
        Normalizer::ByteLevel,
    ]);
    let strip = any::<(bool, bool)>().prop_map(|(left, right)| Normalizer::Strip { left, right });
    let replace =
        (any::<bool>(), any::<(String, String)>()).prop_map(|(is_regex, (text, content))| {
            let pattern = if is_regex { Pattern::Regex(text) } else { Pattern::Literal(text) };
            Normalizer::Replace { pattern, content }
        });
    let bert =
        any::<(bool, bool, Option<bool>, bool)>().prop_map(|(clean, chinese, strip, lower)| {
            Normalizer::Bert(BertNormalizer {
                clean_text: clean,
                handle_chinese_chars: chinese,
                strip_accents: strip,
                lowercase: lower,
            })
        });
    let sentencepiece = any::<(String, Vec<u8>, [bool; 4], Vec<String>)>().prop_map(
        |(name, charsmap, [prefix, remove, escape, suffix], user_defined)| {
            Normalizer::SentencePiece(SentencePiece {
                name,
                charsmap,
                add_dummy_prefix: prefix,
                remove_extra_whitespaces: remove,
                escape_whitespaces: escape,
                treat_whitespace_as_suffix: suffix,
                user_defined,
            })
        },
    );
    prop_oneof![
        plain,
        strip,
        replace,
        bert,
        sentencepiece,
        any::<String>().prop_map(Normalizer::Prepend),
        any::<Vec<u8>>().prop_map(Normalizer::Precompiled),
    ]
    .prop_recursive(2, 4, 3, |inner| {
        prop::collection::vec(inner, 0..3).prop_map(Normalizer::Sequence)
    })
}

fn pre_tokenizer() -> impl Strategy<Value = PreTokenizer> {
    let pattern = prop_oneof![
        any::<String>().prop_map(Pattern::Literal),
        any::<String>().prop_map(Pattern::Regex)
    ];
    let behavior = prop::sample::select(vec![
        SplitBehavior::Removed,
        SplitBehavior::Isolated,
        SplitBehavior::MergedWithPrevious,
        SplitBehavior::MergedWithNext,
        SplitBehavior::Contiguous,
    ]);
    let split =
        (pattern, behavior.clone(), any::<bool>()).prop_map(|(pattern, behavior, invert)| {
            PreTokenizer::Split(Split { pattern, behavior, invert })
        });
    let schemes = prop::sample::select(vec![
        PrependScheme::First,
        PrependScheme::Never,
        PrependScheme::Always,
    ]);
    let metaspace =
        (any::<char>(), schemes, any::<bool>()).prop_map(|(replacement, prepend_scheme, split)| {
            PreTokenizer::Metaspace(Metaspace { replacement, prepend_scheme, split })
        });
    prop_oneof![
        split,
        metaspace,
        options().prop_map(PreTokenizer::ByteLevel),
        behavior.prop_map(PreTokenizer::Punctuation),
        any::<bool>().prop_map(|individual_digits| PreTokenizer::Digits { individual_digits }),
        any::<char>().prop_map(PreTokenizer::CharDelimiterSplit),
        (1..=u32::MAX as usize).prop_map(PreTokenizer::FixedLength),
        Just(PreTokenizer::Bert),
        Just(PreTokenizer::Whitespace),
        Just(PreTokenizer::WhitespaceSplit),
        Just(PreTokenizer::UnicodeScripts),
    ]
    .prop_recursive(2, 8, 4, |inner| {
        prop::collection::vec(inner, 0..4).prop_map(PreTokenizer::Sequence)
    })
}

fn post_processor() -> impl Strategy<Value = PostProcessor> {
    let known_id = 0..3_u32;
    let roberta =
        (known_id.clone(), any::<(String, bool, bool)>()).prop_map(|(id, (text, a, b))| {
            let sep = (text.clone(), id);
            PostProcessor::Roberta { sep, cls: (text, id), trim_offsets: a, add_prefix_space: b }
        });
    let template = (any::<String>(), known_id, any::<u32>()).prop_map(|(name, id, type_id)| {
        let special = TemplatePiece::Special { name: name.clone(), type_id };
        let a = TemplatePiece::Sequence { is_pair: false, type_id };
        let b = TemplatePiece::Sequence { is_pair: true, type_id };
        PostProcessor::Template(Template {
            single: vec![special.clone(), a.clone()],
            pair: vec![a, special, b],
            special_tokens: vec![TemplateSpecial {
                tokens: vec![name.clone()],
                name,
                ids: vec![id],
            }],
        })
    });
    let bert = (0..3_u32, any::<(String, String)>())
        .prop_map(|(id, (sep, cls))| PostProcessor::Bert { sep: (sep, id), cls: (cls, 2 - id) });
    prop_oneof![options().prop_map(PostProcessor::ByteLevel), bert, roberta, template]
        .prop_recursive(2, 4, 3, |inner| {
            prop::collection::vec(inner, 0..3).prop_map(PostProcessor::Sequence)
        })
}

fn decoder() -> impl Strategy<Value = Decoder> {
    let scheme = prop::sample::select(vec![
        PrependScheme::First,
        PrependScheme::Never,
        PrependScheme::Always,
    ]);
    let metaspace =
        (any::<char>(), scheme, any::<bool>()).prop_map(|(replacement, prepend_scheme, split)| {
            Decoder::Metaspace(Metaspace { replacement, prepend_scheme, split })
        });
    let replace = any::<(bool, String, String)>().prop_map(|(is_regex, pattern, content)| {
        let kind = if is_regex { Pattern::Regex } else { Pattern::Literal };
        Decoder::Replace { pattern: kind(pattern), content }
    });
    let ctc =
        any::<(String, String, bool)>().prop_map(|(pad_token, word_delimiter_token, cleanup)| {
            Decoder::Ctc { pad_token, word_delimiter_token, cleanup }
        });
    prop_oneof![
        options().prop_map(Decoder::ByteLevel),
        any::<(String, bool)>()
            .prop_map(|(prefix, cleanup)| Decoder::WordPiece { prefix, cleanup }),
        metaspace,
        Just(Decoder::ByteFallback),
        any::<String>().prop_map(|suffix| Decoder::Bpe { suffix }),
        Just(Decoder::Fuse),
        any::<(char, usize, usize)>().prop_map(|(content, start, stop)| Decoder::Strip {
            content,
            start,
            stop
        }),
        replace,
        ctc,
        any::<(String, bool)>().prop_map(|(unk_surface, strips_dummy_prefix)| {
            Decoder::SentencePiece { unk_surface, strips_dummy_prefix }
        }),
    ]
    .prop_recursive(2, 6, 3, |inner| prop::collection::vec(inner, 0..3).prop_map(Decoder::Sequence))
}

/// Token texts with ids in their order, gaps between them.
fn vocab() -> impl Strategy<Value = Vec<(String, u32)>> {
    let texts = prop::collection::btree_set("[ab \"\\\\é\n]{1,3}", 3..24);
    (texts, 0..5_u32, 1..4_u32).prop_map(|(texts, offset, step)| {
        texts.into_iter().zip(0..).map(|(text, i)| (text, offset + i * step)).collect()
    })
}

/// Every merge of two tokens into a third, with options of all kinds.
fn bpe() -> impl Strategy<Value = Model> {
    let text = || prop::option::of("[a\"é]{0,2}");
    let flags = any::<(bool, bool, bool)>();
    let prefix = prop::option::of(Just(String::new()));
    let dropout = prop::option::of(0.0..=1.0_f32);
    (vocab(), any::<u32>(), flags, dropout, text(), prefix, text()).prop_map(
        |(vocab, seed, flags, dropout, unk_token, prefix, suffix)| {
            let mut merges = Vec::new();
            for (left, left_id) in &vocab {
                for (right, right_id) in &vocab {
                    if vocab.iter().any(|(text, _)| *text == format!("{left}{right}")) {
                        merges.push((*left_id, *right_id));
                    }
                }
            }
            let n_merges = merges.len();
            merges.rotate_left(seed as usize % (n_merges + 1));
            let (ignore_merges, fuse_unk, byte_fallback) = flags;
            Model::Bpe(BpeDefinition {
                vocab,
                merges,
                ignore_merges,
                dropout,
                unk_token,
                fuse_unk,
                byte_fallback,
                continuing_subword_prefix: prefix,
                end_of_word_suffix: suffix,
            })
        },
    )
}

fn model() -> impl Strategy<Value = Model> {
    let word_piece = (vocab(), "[a\"é]{0,2}", "#{0,2}", any::<usize>()).prop_map(
        |(vocab, unk_token, continuing_subword_prefix, max_input_chars_per_word)| {
            Model::WordPiece(WordPieceDefinition {
                vocab,
                unk_token,
                continuing_subword_prefix,
                max_input_chars_per_word,
            })
        },
    );
    let word_level = (vocab(), "[a\"é]{0,2}")
        .prop_map(|(vocab, unk_token)| Model::WordLevel(WordLevelDefinition { vocab, unk_token }));
    // Eighths of a whole number are read back as they were written; of others the last digit may change.
    let score = any::<i32>().prop_map(|number| f64::from(number) / 8.0);
    let pieces = prop::collection::vec(("[ab \"\\\\é\n]{0,3}", score), 3..24);
    let unigram = (pieces, prop::option::of(0..3_u32), any::<bool>()).prop_map(
        |(vocab, unk_id, byte_fallback)| {
            Model::Unigram(UnigramDefinition { vocab, unk_id, byte_fallback })
        },
    );
    prop_oneof![3 => bpe(), 1 => word_piece, 1 => word_level, 1 => unigram, 1 => sentencepiece()]
}

/// Pieces of every kind that may stand without the others, scores of every size.
fn sentencepiece() -> impl Strategy<Value = Model> {
    let algorithm = prop::sample::select(vec![
        SentencePieceAlgorithm::Unigram,
        SentencePieceAlgorithm::Bpe,
        SentencePieceAlgorithm::Word,
        SentencePieceAlgorithm::Char,
    ]);
    let kind = prop::sample::select(vec![
        PieceKind::Normal,
        PieceKind::Control,
        PieceKind::UserDefined,
        PieceKind::Unused,
    ]);
    let score = prop::num::f32::NORMAL | prop::num::f32::SUBNORMAL | prop::num::f32::ZERO;
    let pieces = prop::collection::btree_map("[ab \"\\\\é▁\n]{1,3}", (score, kind), 2..24);
    (algorithm, pieces, any::<bool>(), any::<(String, Vec<u8>)>()).prop_map(
        |(algorithm, pieces, byte_fallback, (unk_surface, carried))| {
            let entry =
                |text: &str, score, kind| SentencePieceEntry { text: text.into(), score, kind };
            let mut all = vec![entry("<unk>", 0.0, PieceKind::Unknown)];
            all.extend(pieces.iter().map(|(text, &(score, kind))| entry(text, score, kind)));
            if byte_fallback {
                all.extend(
                    (0..256).map(|byte| entry(&format!("<0x{byte:02X}>"), -1.5, PieceKind::Byte)),
                );
            }
            Model::SentencePiece(SentencePieceDefinition {
                algorithm,
                pieces: all,
                byte_fallback,
                unk_surface,
                carried,
            })
        },
    )
}

fn side() -> impl Strategy<Value = Side> + Clone {
    prop::sample::select(vec![Side::Left, Side::Right])
}

fn truncation() -> impl Strategy<Value = Truncation> {
    let strategy = prop::sample::select(vec![
        TruncationStrategy::LongestFirst,
        TruncationStrategy::OnlyFirst,
        TruncationStrategy::OnlySecond,
    ]);
    (1..9_usize, any::<usize>(), strategy, side()).prop_map(|(stride, more, strategy, side)| {
        Truncation { max_length: stride.saturating_add(more.max(1)), strategy, stride, side }
    })
}

fn padding() -> impl Strategy<Value = Padding> {
    let strategy = prop_oneof![
        Just(PaddingStrategy::BatchLongest),
        any::<usize>().prop_map(PaddingStrategy::Fixed)
    ];
    let multiple_of = prop::option::of(1..9_usize);
    (strategy, side(), multiple_of, any::<(u32, u32)>(), any::<String>()).prop_map(
        |(strategy, side, multiple_of, (id, type_id), token)| Padding {
            strategy,
            side,
            multiple_of,
            id,
            type_id,
            token,
        },
    )
}

/// Added tokens, some of the vocabulary, some numbered after it.
fn added_tokens(model: &Model, flags: Vec<[bool; 5]>) -> Vec<AddedToken> {
    let vocab: BTreeMap<&str, u32> = model.tokens().collect();
    let n_vocab = model.tokens().count();
    let is_dense = model.tokens().all(|(_, id)| (id as usize) < n_vocab);
    let mut added_tokens = Vec::new();
    for (i, [single, left, right, normalized, special]) in flags.into_iter().enumerate() {
        let known = vocab.iter().filter(|(text, _)| !text.is_empty()).nth(i);
        let (content, id) = match known {
            Some((text, id)) if !is_dense || i % 2 == 1 => ((*text).to_owned(), *id),
            _ if is_dense => {
                let n_new = added_tokens
                    .iter()
                    .filter(|token: &&AddedToken| token.id as usize >= n_vocab)
                    .count();
                (format!("<{i}>"), u32::try_from(n_vocab + n_new).unwrap())
            }
            _ => continue,
        };
        added_tokens.push(AddedToken {
            id,
            content,
            is_single_word: single,
            strips_left: left,
            strips_right: right,
            is_normalized: normalized,
            is_special: special,
        });
    }
    added_tokens.sort_by_key(|token| token.id);
    added_tokens
}

fn definition() -> impl Strategy<Value = Definition> {
    (
        prop::option::of(normalizer()),
        prop::option::of(pre_tokenizer()),
        model(),
        prop::option::of(options().prop_map(PostProcessor::ByteLevel)),
        post_processor(),
        prop::option::of(decoder()),
        prop::collection::vec(any::<[bool; 5]>(), 0..4),
        (prop::option::of(truncation()), prop::option::of(padding()), any::<bool>()),
    )
        .prop_map(
            |(normalizer, pre_tokenizer, model, plain, adding, decoder, flags, lengths)| {
                let has_low_ids = (0..3).all(|id| model.tokens().any(|(_, other)| other == id));
                let added_tokens = added_tokens(&model, flags);
                Definition {
                    normalizer,
                    pre_tokenizer,
                    model,
                    post_processor: if has_low_ids { Some(adding) } else { plain },
                    decoder,
                    added_tokens,
                    truncation: lengths.0,
                    padding: lengths.1,
                    training: lengths
                        .2
                        .then(|| r#"{"method":"bpe","sources":[[1,null]]}"#.to_owned()),
                }
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn reading_undoes_writing(definition in definition()) {
        let written = write(&definition);
        prop_assert_eq!(&read(written.as_bytes()).unwrap(), &definition);
        prop_assert_eq!(read(write_pretty(&definition).as_bytes()).unwrap(), definition);
    }

    #[test]
    fn no_mutated_file_panics(
        definition in definition(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..4),
    ) {
        let mut file = write(&definition).into_bytes();
        for (index, byte, kind) in edits {
            if file.is_empty() {
                break;
            }
            let i = index.index(file.len());
            match kind {
                0 => file[i] = byte,
                1 => drop(file.remove(i)),
                2 => file.insert(i, b"{}[]\",:0-.e"[usize::from(byte) % 11]),
                _ => file.truncate(i),
            }
        }
        // Whatever is accepted must still be a definition that writes and reads as itself.
        if let Ok(definition) = read(&file) {
            prop_assert_eq!(read(write(&definition).as_bytes()).unwrap(), definition);
        }
    }
}
