//! Finished sequences: post-processors, truncation and padding on small vocabularies.

use proptest::prelude::*;

use crate::added_tokens::{AddedToken, OnSpecial};
use crate::definition::{BpeDefinition, Definition, Model};
use crate::encoding::Encoding;
use crate::error::{Error, Result};
use crate::padding::{Padding, PaddingStrategy};
use crate::post_processor::{
    ByteLevelOptions, PostProcessor, Template, TemplatePiece, TemplateSpecial,
};
use crate::pre_tokenizer::PreTokenizer;
use crate::pre_tokenizer::byte_level::ALPHABET;
use crate::progress::Progress;
use crate::tokenizer::{EncodeOptions, Source, Tokenizer};
use crate::truncation::{Side, Truncation, TruncationStrategy};

const CLS: u32 = 256;
const SEP: u32 = 257;
const PAD: u32 = 258;

/// A token a byte, and three special ones.
fn definition(post_processor: Option<PostProcessor>) -> Definition {
    let vocab = ALPHABET.iter().zip(0..).map(|(c, id)| (c.to_string(), id)).collect();
    let specials = [(CLS, "<s>"), (SEP, "</s>"), (PAD, "<pad>")];
    Definition {
        normalizer: None,
        pre_tokenizer: Some(PreTokenizer::ByteLevel(ByteLevelOptions {
            add_prefix_space: false,
            trim_offsets: true,
            use_regex: true,
        })),
        model: Model::Bpe(BpeDefinition { vocab, ..BpeDefinition::default() }),
        post_processor,
        decoder: None,
        added_tokens: specials.map(|(id, content)| AddedToken::special(id, content)).to_vec(),
        truncation: None,
        padding: None,
        training: None,
    }
}

fn bert() -> PostProcessor {
    PostProcessor::Bert { sep: ("</s>".to_owned(), SEP), cls: ("<s>".to_owned(), CLS) }
}

fn roberta(trim_offsets: bool, add_prefix_space: bool) -> PostProcessor {
    let (sep, cls) = (("</s>".to_owned(), SEP), ("<s>".to_owned(), CLS));
    PostProcessor::Roberta { sep, cls, trim_offsets, add_prefix_space }
}

fn template(single: &[TemplatePiece], pair: &[TemplatePiece]) -> PostProcessor {
    let special = |name: &str, ids: &[u32]| TemplateSpecial {
        name: name.to_owned(),
        ids: ids.to_vec(),
        tokens: ids.iter().map(|_| name.to_owned()).collect(),
    };
    PostProcessor::Template(Template {
        single: single.to_vec(),
        pair: pair.to_vec(),
        special_tokens: vec![special("both", &[CLS, SEP]), special("sep", &[SEP])],
    })
}

fn text(is_pair: bool, type_id: u32) -> TemplatePiece {
    TemplatePiece::Sequence { is_pair, type_id }
}

fn special(name: &str, type_id: u32) -> TemplatePiece {
    TemplatePiece::Special { name: name.to_owned(), type_id }
}

fn truncation(max_length: usize, strategy: TruncationStrategy, stride: usize) -> Truncation {
    Truncation { max_length, strategy, stride, side: Side::Right }
}

fn padding(strategy: PaddingStrategy) -> Padding {
    Padding {
        strategy,
        side: Side::Right,
        multiple_of: None,
        id: PAD,
        type_id: 7,
        token: "<pad>".to_owned(),
    }
}

const OPTIONS: EncodeOptions =
    EncodeOptions { add_special_tokens: true, on_special: OnSpecial::Raise };

fn encoding(
    post_processor: Option<PostProcessor>,
    (text, pair): (&str, Option<&str>),
    truncation: Option<&Truncation>,
    padding: Option<&Padding>,
) -> Result<Encoding> {
    let tokenizer = Tokenizer::new(definition(post_processor)).unwrap();
    tokenizer.encoding(text, pair, OPTIONS, truncation, padding, &Progress::default())
}

fn ids(text: &str) -> Vec<u32> {
    text.bytes().map(u32::from).collect()
}

#[test]
fn bert_puts_its_tokens_around_each_text() {
    let got = encoding(Some(bert()), ("ab", Some("c")), None, None).unwrap();
    assert_eq!(got.ids, [CLS, 97, 98, SEP, 99, SEP]);
    assert_eq!(got.type_ids, [0, 0, 0, 0, 1, 1]);
    assert_eq!(got.sequence_ids, [None, Some(0), Some(0), None, Some(1), None]);
    assert_eq!(got.offsets, [(0, 0), (0, 1), (1, 2), (0, 0), (0, 1), (0, 0)]);
    assert_eq!(got.special_tokens_mask, [true, false, false, true, false, true]);
    assert_eq!(got.attention_mask, [true; 6]);
    assert_eq!(got.word_ids, [None, Some(0), Some(0), None, Some(0), None]);
}

#[test]
fn roberta_separates_twice_and_has_one_type() {
    let got = encoding(Some(roberta(true, false)), ("a", Some("b")), None, None).unwrap();
    assert_eq!(got.ids, [CLS, 97, SEP, SEP, 98, SEP]);
    assert_eq!(got.type_ids, [0; 6]);
}

#[test]
fn template_gives_types_and_several_ids_a_name() {
    let single = [special("both", 1), text(false, 2)];
    let pair = [text(true, 3), special("sep", 4), text(false, 5)];
    let processor = Some(template(&single, &pair));
    let got = encoding(processor.clone(), ("a", None), None, None).unwrap();
    assert_eq!((got.ids, got.type_ids), (vec![CLS, SEP, 97], vec![1, 1, 2]));
    let got = encoding(processor, ("a", Some("b")), None, None).unwrap();
    assert_eq!((got.ids, got.type_ids), (vec![98, SEP, 97], vec![3, 4, 5]));
    assert_eq!(got.sequence_ids, [Some(1), None, Some(0)]);
}

#[test]
fn pair_is_refused_when_the_template_has_no_place_for_it() {
    let processor = template(&[text(false, 0)], &[text(false, 0)]);
    let error = encoding(Some(processor), ("a", Some("b")), None, None).unwrap_err();
    assert!(matches!(&error, Error::Config(problem) if problem.contains("the text B")), "{error}");
}

#[test]
fn texts_stand_one_after_the_other_when_there_is_no_post_processor() {
    let got = encoding(None, ("a", Some("b")), None, None).unwrap();
    assert_eq!((got.ids, got.type_ids), (vec![97, 98], vec![0, 1]));
}

#[test]
fn truncation_leaves_room_for_special_tokens_and_keeps_what_overflows() {
    let cut = truncation(5, TruncationStrategy::LongestFirst, 1);
    let got = encoding(Some(bert()), ("abcdef", None), Some(&cut), None).unwrap();
    let around = |text: &str| [vec![CLS], ids(text), vec![SEP]].concat();
    assert_eq!(got.ids, around("abc"));
    let overflowing = got.overflowing.iter().map(|stretch| stretch.ids.clone());
    assert_eq!(overflowing.collect::<Vec<_>>(), [around("cde"), around("ef")]);
    let left = Truncation { side: Side::Left, ..cut };
    let got = encoding(Some(bert()), ("abcdef", None), Some(&left), None).unwrap();
    assert_eq!(got.ids, around("def"));
    let overflowing = got.overflowing.iter().map(|stretch| stretch.ids.clone());
    assert_eq!(overflowing.collect::<Vec<_>>(), [around("bcd"), around("ab")]);
}

#[test]
fn truncation_of_a_pair_takes_from_the_longer_and_combines_what_overflows() {
    let cut = truncation(4, TruncationStrategy::LongestFirst, 0);
    let got = encoding(None, ("abcde", Some("xyz")), Some(&cut), None).unwrap();
    assert_eq!(got.ids, ids("abxy"));
    let overflowing = got.overflowing.iter().map(|stretch| stretch.ids.clone());
    let expected = ["cdxy", "cdz", "exy", "ez", "abz"].map(ids);
    assert_eq!(overflowing.collect::<Vec<_>>(), expected);
    let cut = truncation(6, TruncationStrategy::LongestFirst, 0);
    assert_eq!(encoding(None, ("abcde", Some("x")), Some(&cut), None).unwrap().ids, ids("abcdex"));
    let cut = truncation(6, TruncationStrategy::OnlySecond, 0);
    assert_eq!(
        encoding(None, ("abcde", Some("xyz")), Some(&cut), None).unwrap().ids,
        ids("abcdex")
    );
}

#[test]
fn truncation_that_cannot_be_kept_is_an_error() {
    let cases = [
        (truncation(1, TruncationStrategy::LongestFirst, 0), None, "at least 2"),
        (truncation(4, TruncationStrategy::LongestFirst, 2), None, "stride"),
        (truncation(4, TruncationStrategy::OnlySecond, 0), None, "pair"),
        (truncation(5, TruncationStrategy::OnlySecond, 0), Some("x"), "must keep one"),
    ];
    for (cut, pair, problem) in cases {
        let error = encoding(Some(bert()), ("abcdef", pair), Some(&cut), None).unwrap_err();
        let is_it = matches!(&error, Error::Config(words) if words.contains(problem));
        assert!(is_it, "{problem}: {error}");
    }
}

#[test]
fn padding_fills_a_batch_on_either_side_and_what_overflows() {
    let tokenizer = Tokenizer::new(definition(Some(bert()))).unwrap();
    let cut = truncation(4, TruncationStrategy::LongestFirst, 0);
    let fill = Padding {
        multiple_of: Some(3),
        side: Side::Left,
        ..padding(PaddingStrategy::BatchLongest)
    };
    let texts = [(Source::Text("abc"), None), (Source::Text(""), None)];
    let progress = Progress::default();
    let got =
        tokenizer.encodings(&texts, OPTIONS, Some(&cut), Some(&fill), Some(2), &progress).unwrap();
    assert_eq!(got[0].ids, [PAD, PAD, CLS, 97, 98, SEP]);
    assert_eq!(got[0].attention_mask, [false, false, true, true, true, true]);
    assert_eq!(got[0].type_ids, [7, 7, 0, 0, 0, 0]);
    assert_eq!(got[0].overflowing[0].ids, [PAD, PAD, PAD, CLS, 99, SEP]);
    assert_eq!(got[1].ids, [PAD, PAD, PAD, PAD, CLS, SEP]);
    assert_eq!(got[1].special_tokens_mask, [true; 6]);
}

#[test]
fn padding_is_refused_when_it_is_too_large_or_has_no_token() {
    let too_long = padding(PaddingStrategy::Fixed(usize::MAX));
    let no_token = Padding { id: 9999, ..padding(PaddingStrategy::Fixed(4)) };
    for (fill, problem) in [(too_long, "limit"), (no_token, "9999")] {
        let error = encoding(None, ("a", None), None, Some(&fill)).unwrap_err();
        let is_it = matches!(&error, Error::Config(words) if words.contains(problem));
        assert!(is_it, "{problem}: {error}");
    }
}

#[test]
fn offsets_leave_out_spaces_but_for_the_one_before_the_text() {
    // `<pad>` swallows the spaces on its left.
    let mut definition = definition(Some(roberta(true, true)));
    definition.added_tokens[2].strips_left = true;
    let tokenizer = Tokenizer::new(definition).unwrap();
    let options = EncodeOptions { on_special: OnSpecial::Encode, ..OPTIONS };
    let spans = |text: &str| {
        let progress = Progress::default();
        tokenizer.encoding(text, None, options, None, None, &progress).unwrap().offsets
    };
    assert_eq!(spans("é a"), [(0, 0), (0, 2), (0, 2), (3, 3), (3, 4), (0, 0)]);
    assert_eq!(spans("a \u{3000}<pad>"), [(0, 0), (0, 1), (5, 10), (0, 0)]);
}

/// Every kind of post-processor, and a template inside a sequence.
fn processors() -> Vec<Option<PostProcessor>> {
    let nested = template(&[special("both", 0), text(false, 1)], &[text(false, 0), text(true, 1)]);
    vec![
        None,
        Some(bert()),
        Some(roberta(true, true)),
        Some(nested.clone()),
        Some(PostProcessor::Sequence(vec![bert(), nested.clone()])),
        Some(PostProcessor::Sequence(vec![nested, roberta(false, false)])),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn plain_ids_match_finished_sequences(
        texts in prop::collection::vec("[ab ]{0,12}", 1..4),
        processor in prop::sample::select(processors()),
        cut in prop::option::of((0..14_usize, 0..3_usize, any::<bool>())),
        fill in prop::option::of((prop::option::of(0..9_usize), 0..5_usize, any::<bool>())),
        add_special_tokens in any::<bool>(),
    ) {
        let side = |is_left: bool| if is_left { Side::Left } else { Side::Right };
        let cut = cut.map(|(max_length, stride, is_left)| Truncation {
            side: side(is_left),
            ..truncation(max_length, TruncationStrategy::LongestFirst, stride)
        });
        let fill = fill.map(|(length, multiple, is_left)| Padding {
            side: side(is_left),
            multiple_of: Some(multiple),
            ..padding(length.map_or(PaddingStrategy::BatchLongest, PaddingStrategy::Fixed))
        });
        let mut definition = definition(processor);
        (definition.truncation, definition.padding) = (cut, fill.clone());
        let tokenizer = Tokenizer::new(definition).unwrap();
        let options = EncodeOptions { add_special_tokens, ..OPTIONS };
        let progress = Progress::default();
        let inputs: Vec<_> = texts.iter().map(|text| (Source::Text(text), None)).collect();
        let plain: Vec<_> = texts.iter().map(String::as_str).collect();
        let full = tokenizer.encodings(&inputs, options, cut.as_ref(), fill.as_ref(), Some(2), &progress);
        let batch = tokenizer.encode_batch(&plain, options, Some(2), &progress);
        match (full, batch) {
            (Ok(full), Ok(batch)) => {
                let lengths: Vec<_> = full.iter().map(Encoding::len).collect();
                let ids: Vec<_> = full.into_iter().flat_map(|encoding| encoding.ids).collect();
                prop_assert_eq!((ids, lengths), (batch.ids, batch.lengths));
            }
            (full, batch) => prop_assert_eq!(full.err(), batch.err()),
        }
        let one = tokenizer.encode(plain[0], options, &progress);
        let full = tokenizer.encoding(plain[0], None, options, cut.as_ref(), fill.as_ref(), &progress);
        prop_assert_eq!(one, full.map(|encoding| encoding.ids));
    }
}

#[test]
fn long_texts_are_truncated_when_threads_share_them() {
    let mut definition = definition(Some(bert()));
    definition.truncation = Some(truncation(4, TruncationStrategy::LongestFirst, 0));
    definition.padding = Some(padding(PaddingStrategy::Fixed(6)));
    let tokenizer = Tokenizer::new(definition).unwrap();
    let long = "ab ".repeat(1 << 17);
    let batch = tokenizer.encode_batch(&[&long, "a"], OPTIONS, Some(2), &Progress::default());
    let batch = batch.unwrap();
    assert_eq!(batch.ids, [CLS, 97, 98, SEP, PAD, PAD, CLS, 97, SEP, PAD, PAD, PAD]);
    assert_eq!(batch.lengths, [6, 6]);
}
