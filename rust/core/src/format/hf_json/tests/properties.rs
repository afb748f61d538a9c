//! Writing is undone by reading, for definitions of every shape; no damaged file panics.

use proptest::prelude::*;

use crate::added_tokens::AddedToken;
use crate::decoder::Decoder;
use crate::definition::{BpeDefinition, Definition, Model};
use crate::format::hf_json::{read, write, write_pretty};
use crate::normalizer::Normalizer;
use crate::post_processor::{
    ByteLevelOptions, PostProcessor, Template, TemplatePiece, TemplateSpecial,
};
use crate::pre_tokenizer::{Metaspace, Pattern, PreTokenizer, PrependScheme, Split, SplitBehavior};

fn options() -> impl Strategy<Value = ByteLevelOptions> + Clone {
    any::<(bool, bool, bool)>().prop_map(|(add_prefix_space, trim_offsets, use_regex)| {
        ByteLevelOptions { add_prefix_space, trim_offsets, use_regex }
    })
}

fn normalizer() -> impl Strategy<Value = Normalizer> {
    Just(Normalizer::Nfc).prop_recursive(2, 4, 3, |inner| {
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
    let split = (pattern, behavior, any::<bool>()).prop_map(|(pattern, behavior, invert)| {
        PreTokenizer::Split(Split { pattern, behavior, invert })
    });
    let bytes = options().prop_map(PreTokenizer::ByteLevel);
    prop_oneof![
        bytes.clone(),
        (prop::collection::vec(split, 0..3), bytes).prop_map(|(mut stages, bytes)| {
            stages.push(bytes);
            PreTokenizer::Sequence(stages)
        })
    ]
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
    ]
    .prop_recursive(2, 6, 3, |inner| prop::collection::vec(inner, 0..3).prop_map(Decoder::Sequence))
}

/// A model whose tokens are those of `texts`, and every merge of two of them into a third.
fn model() -> impl Strategy<Value = BpeDefinition> {
    let texts = prop::collection::btree_set("[ab \"\\\\é\n]{1,3}", 3..24);
    (texts, any::<bool>(), any::<u32>(), 1..4_u32).prop_map(|(texts, ignore_merges, seed, step)| {
        let texts: Vec<String> = texts.into_iter().collect();
        let offset = seed % 5;
        let id = |i: usize| offset + u32::try_from(i).unwrap() * step;
        let mut merges = Vec::new();
        for (i, left) in texts.iter().enumerate() {
            for (j, right) in texts.iter().enumerate() {
                if texts.contains(&format!("{left}{right}")) {
                    merges.push((id(i), id(j)));
                }
            }
        }
        let n_merges = merges.len();
        merges.rotate_left(seed as usize % (n_merges + 1));
        let vocab = texts.into_iter().enumerate().map(|(i, text)| (text, id(i))).collect();
        BpeDefinition { vocab, merges, ignore_merges, ..BpeDefinition::default() }
    })
}

fn definition() -> impl Strategy<Value = Definition> {
    (
        prop::option::of(normalizer()),
        pre_tokenizer(),
        model(),
        prop::option::of(options().prop_map(PostProcessor::ByteLevel)),
        post_processor(),
        prop::option::of(decoder()),
        prop::collection::vec(any::<[bool; 5]>(), 0..4),
    )
        .prop_map(|(normalizer, pre_tokenizer, bpe, plain, post_processor, decoder, flags)| {
            let has_low_ids = (0..3).all(|id| bpe.vocab.iter().any(|&(_, other)| other == id));
            let is_dense = bpe.vocab.iter().enumerate().all(|(i, &(_, id))| i == id as usize);
            let n_vocab = bpe.vocab.len();
            let mut added_tokens = Vec::new();
            for (i, [single, left, right, normalized, special]) in flags.into_iter().enumerate() {
                let (content, id) = if is_dense && i % 2 == 0 {
                    (format!("<{i}>"), u32::try_from(n_vocab + i.div_ceil(2)).unwrap())
                } else {
                    bpe.vocab[i].clone()
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
            added_tokens.dedup_by_key(|token| token.id);
            Definition {
                normalizer,
                pre_tokenizer: Some(pre_tokenizer),
                model: Model::Bpe(bpe),
                post_processor: if has_low_ids { Some(post_processor) } else { plain },
                decoder,
                added_tokens,
                truncation: None,
                padding: None,
            }
        })
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
