//! Learning merges from word counts.

use super::BpeOptions;
use super::alphabet::{Alphabet, Characters, Laid, lay_out_bytes, lay_out_characters};
use super::cells::{Cells, MAX_TOKENS};
use super::continued;
use super::engine::{Engine, Rules};
use super::pairs::Pair;
use super::seeds::Seeds;
use super::texts::Texts;
use super::tokens::{Order, Tokens};
use crate::error::{Error, Result};
use crate::model::byte_token;
use crate::pre_tokenizer::{PreTokenizer, byte_level};
use crate::progress::{Phase, Progress};
use crate::train::{Dropped, WordCounts, check_special_tokens};

/// With these a token may be made by several merges.
pub(super) const AFFIXES: &str = "a continuing_subword_prefix or an end_of_word_suffix";

/// A merge and how often its pair occurred when it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Merge {
    /// Left and right id.
    pub(super) pair: Pair,
    /// The token that it makes.
    pub(super) product: u32,
    /// How often the pair occurred.
    pub(super) count: u64,
}

/// A vocabulary and its merges.
#[derive(Debug)]
pub(super) struct Learned {
    pub(super) texts: Texts,
    pub(super) merges: Vec<Merge>,
    /// Tokens that no merge made, special ones too.
    pub(super) n_first: usize,
    /// These, and the tokens that seeds need: no vocabulary is without them.
    pub(super) n_required: usize,
    pub(super) n_alphabet: usize,
    /// How often each token occurs in the end.
    pub(super) token_counts: Vec<u64>,
    pub(super) dropped: Vec<Dropped>,
}

/// Learns until there are `n_tokens` tokens, or no pair is left that may be merged.
pub(super) fn learn(
    counts: &WordCounts,
    options: &BpeOptions,
    n_tokens: usize,
    progress: &Progress,
) -> Result<Learned> {
    progress.begin(Phase::Merge, 0);
    let mut tokens = Tokens::new(options.bounds, Order::Ids);
    let laid = lay_out(counts, options, &mut tokens, progress)?;
    let n_special = if options.continue_from.is_some() { 0 } else { options.special_tokens.len() };
    let n_first = tokens.n_tokens();
    check_size(options, n_tokens, n_first, n_special, &laid.cells)?;
    if options.prune.is_some() && tokens.may_make_again() {
        return Err(Error::Config(format!("prune cannot be had with {AFFIXES}")));
    }
    let seeds = Seeds::new(options, n_special, &tokens)?;
    let mut engine = Engine::new(tokens, laid.cells, options.min_frequency, progress)?;
    progress.begin(Phase::Merge, (n_tokens - n_first) as u64);
    let mut merges = seeds.make(&mut engine, n_tokens, progress)?;
    let n_required = engine.rules.n_tokens();
    merges.extend(run(&mut engine, n_tokens, progress)?);
    let token_counts = if options.prune.is_some() {
        engine.cells.token_counts(engine.rules.n_tokens())
    } else {
        Vec::new()
    };
    Ok(Learned {
        texts: engine.rules.texts,
        merges,
        n_first,
        n_required,
        n_alphabet: n_first - n_special,
        token_counts,
        dropped: laid.dropped,
    })
}

/// Adds the tokens that there are before training, and lays the words out in them.
fn lay_out(
    counts: &WordCounts,
    options: &BpeOptions,
    tokens: &mut Tokens<'_>,
    progress: &Progress,
) -> Result<Laid> {
    for text in &options.forbidden_tokens {
        tokens.forbid(text.clone());
    }
    if let Some(base) = &options.continue_from {
        if !options.special_tokens.is_empty() {
            return Err(Error::Config(
                "special_tokens are those of continue_from; add others to it before".to_owned(),
            ));
        }
        return continued::lay_out(counts, base, &options.stages, tokens, progress);
    }
    add_special_tokens(options, tokens)?;
    match &options.alphabet {
        Alphabet::Bytes(initial) => lay_out_bytes(counts, initial, tokens, progress),
        Alphabet::Characters(characters) => {
            check_characters(options, characters)?;
            add_byte_tokens(characters.byte_fallback, tokens);
            lay_out_characters(counts, characters, tokens, progress)
        }
    }
}

fn check_characters(options: &BpeOptions, characters: &Characters) -> Result<()> {
    if options.stages.pre_tokenizer.as_ref().is_some_and(PreTokenizer::ends_byte_level) {
        return Err(Error::Config(
            "an alphabet of characters needs a pre_tokenizer that is not byte-level".to_owned(),
        ));
    }
    match &characters.unk_token {
        Some(unk) if !options.special_tokens.contains(unk) => {
            Err(Error::Config(format!("unk_token {unk:?} must be one of special_tokens")))
        }
        _ => Ok(()),
    }
}

/// Merges until there are `n_tokens` tokens, or no pair is left that may be merged.
pub(super) fn run<R: Rules>(
    engine: &mut Engine<R>,
    n_tokens: usize,
    progress: &Progress,
) -> Result<Vec<Merge>> {
    let mut merges = Vec::new();
    while engine.rules.n_tokens() < n_tokens {
        let Some(merge) = engine.step(progress)? else {
            break;
        };
        merges.push(merge);
        progress.advance(1)?;
    }
    Ok(merges)
}

/// The special tokens, which no merge makes, nor a token that is spelled like one, since a vocabulary is stored by spelling.
fn add_special_tokens(options: &BpeOptions, tokens: &mut Tokens<'_>) -> Result<()> {
    let is_of_bytes = matches!(options.alphabet, Alphabet::Bytes(_));
    check_special_tokens(&options.special_tokens, |text| {
        if let (1, Some(c), true) = (text.chars().count(), text.chars().next(), is_of_bytes)
            && let Some(byte) = byte_level::byte_of(c)
        {
            return Err(Error::Config(format!(
                "special_tokens must not be a byte of the alphabet, got {text:?}, which spells byte {byte:#04x}"
            )));
        }
        Ok(())
    })?;
    for text in &options.special_tokens {
        tokens.push(text.as_bytes(), 0);
        tokens.forbid(text.clone().into_bytes());
    }
    for text in options.special_tokens.iter().filter(|_| is_of_bytes) {
        if let Some(bytes) = byte_level::bytes_of(text) {
            tokens.forbid(bytes);
        }
    }
    Ok(())
}

/// The tokens of single bytes, which text that is spelled like one does not make.
fn add_byte_tokens(byte_fallback: bool, tokens: &mut Tokens<'_>) {
    for byte in (0..256).filter(|_| byte_fallback) {
        let text = byte_token(byte).into_bytes();
        tokens.push(&text, 1);
        tokens.forbid(text);
    }
}

fn check_size(
    options: &BpeOptions,
    n_tokens: usize,
    n_first: usize,
    n_special: usize,
    cells: &Cells,
) -> Result<()> {
    if (n_first..=MAX_TOKENS).contains(&n_tokens) {
        return Ok(());
    }
    let n_alphabet = n_first - n_special;
    let first = match (&options.continue_from, &options.alphabet) {
        (Some(_), _) => "the tokens of continue_from".to_owned(),
        (None, Alphabet::Bytes(_)) => {
            format!("{n_alphabet} bytes and {n_special} special tokens")
        }
        (None, Alphabet::Characters(_)) => {
            format!("{n_alphabet} symbols of the alphabet and {n_special} special tokens")
        }
    };
    let most = n_first.saturating_add(cells.n_neighbours()).min(MAX_TOKENS);
    Err(Error::Config(format!(
        "vocab_size must be at least {n_first} ({first}), and these word counts give no more than {most} tokens, got {n_tokens}"
    )))
}
