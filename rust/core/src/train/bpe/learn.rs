//! Learning merges from word counts.

use super::BpeOptions;
use super::alphabet::{Alphabet, lay_out_bytes, lay_out_characters};
use super::cells::MAX_TOKENS;
use super::engine::{Engine, Rules};
use super::pairs::Pair;
use super::seeds::Seeds;
use super::texts::Texts;
use super::tokens::{Order, Tokens};
use crate::error::{Error, Result};
use crate::pre_tokenizer::byte_level;
use crate::progress::{Phase, Progress};
use crate::train::{Dropped, WordCounts};

/// A merge and how often its pair occurred when it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Merge {
    /// Left and right id.
    pub pair: Pair,
    /// The token that it makes.
    pub product: u32,
    /// How often the pair occurred.
    pub count: u64,
}

/// A vocabulary and its merges.
#[derive(Debug)]
pub(super) struct Learned {
    pub(super) texts: Texts,
    pub(super) merges: Vec<Merge>,
    /// Tokens that no merge made, special ones too.
    pub(super) n_first: usize,
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
    let mut tokens = Tokens::new(options.bounds, Order::Ids);
    add_special_tokens(options, &mut tokens)?;
    let n_special = tokens.n_tokens();
    let laid = match &options.alphabet {
        Alphabet::Bytes(initial) => lay_out_bytes(counts, initial, &mut tokens, progress)?,
        Alphabet::Characters(characters) => {
            add_byte_tokens(characters.byte_fallback, &mut tokens);
            lay_out_characters(counts, characters, &mut tokens, progress)?
        }
    };
    let n_first = tokens.n_tokens();
    check_size(options, n_tokens, n_first)?;
    let seeds = Seeds::new(options, n_special, &tokens)?;
    let mut engine = Engine::new(tokens, laid.cells, options.min_frequency, progress)?;
    progress.begin(Phase::Merge, (n_tokens - n_first) as u64);
    let mut merges = seeds.make(&mut engine, n_tokens, progress)?;
    merges.extend(run(&mut engine, n_tokens, progress)?);
    let token_counts = match options.prune {
        Some(_) => engine.cells.token_counts(engine.rules.n_tokens()),
        None => Vec::new(),
    };
    Ok(Learned {
        texts: engine.rules.texts,
        merges,
        n_first,
        n_alphabet: n_first - n_special,
        token_counts,
        dropped: laid.dropped,
    })
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
    for text in &options.special_tokens {
        if text.is_empty() || tokens.is_unmade(text.as_bytes()) {
            return Err(Error::Config(format!(
                "special_tokens must be different and not empty, got {text:?}"
            )));
        }
        if let (1, Some(c), true) = (text.chars().count(), text.chars().next(), is_of_bytes)
            && let Some(byte) = byte_level::byte_of(c)
        {
            return Err(Error::Config(format!(
                "special_tokens must not be a byte of the alphabet, got {text:?}, which spells byte {byte:#04x}"
            )));
        }
        tokens.push(text.as_bytes(), 0);
        tokens.forbid(text.clone().into_bytes());
    }
    for text in options.special_tokens.iter().filter(|_| is_of_bytes) {
        byte_level::bytes_of(text).into_iter().for_each(|bytes| tokens.forbid(bytes));
    }
    for text in &options.forbidden_tokens {
        tokens.forbid(text.clone());
    }
    Ok(())
}

/// The tokens of single bytes, which text that is spelled like one does not make.
fn add_byte_tokens(byte_fallback: bool, tokens: &mut Tokens<'_>) {
    for byte in (0..=u8::MAX).filter(|_| byte_fallback) {
        let text = format!("<0x{byte:02X}>").into_bytes();
        tokens.push(&text, 1);
        tokens.forbid(text);
    }
}

fn check_size(options: &BpeOptions, n_tokens: usize, n_first: usize) -> Result<()> {
    let n_special = options.special_tokens.len();
    let unit = match options.alphabet {
        Alphabet::Bytes(_) => "bytes",
        Alphabet::Characters(_) => "symbols of the alphabet",
    };
    if n_tokens < n_first {
        return Err(Error::Config(format!(
            "vocab_size must be at least {n_first} ({} {unit} and {n_special} special tokens), got {n_tokens}",
            n_first - n_special
        )));
    }
    if n_tokens > MAX_TOKENS {
        return Err(Error::Config(format!(
            "vocab_size must be at most {MAX_TOKENS}, got {n_tokens}"
        )));
    }
    Ok(())
}
