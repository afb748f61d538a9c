//! [`Seeds`]: tokens that must be in, whatever the counts say.
//!
//! They are made first, in the order given: a seed's own bytes or characters take the merges made so far, and what is left of it
//! is joined from left to right. So each seed is the token of its text wherever that stands alone, and each of its parts
//! becomes a token.

use rustc_hash::FxHashMap;

use super::BpeOptions;
use super::alphabet::Alphabet;
use super::engine::{Engine, Rules};
use super::learn::Merge;
use super::pairs::Pair;
use super::tokens::Tokens;
use crate::error::{Error, Result};
use crate::progress::Progress;

#[derive(Debug)]
pub(super) struct Seeds {
    /// Text and symbols of each.
    seeds: Vec<(Vec<u8>, Vec<u32>)>,
}

impl Seeds {
    /// # Errors
    /// [`Error::Config`] when a seed has a symbol that is not in the alphabet, or symbols have affixes.
    pub(super) fn new(options: &BpeOptions, n_special: usize, tokens: &Tokens<'_>) -> Result<Self> {
        let cannot = if options.seed_tokens.is_empty() {
            None
        } else if tokens.may_make_again() {
            Some("a continuing_subword_prefix or an end_of_word_suffix")
        } else {
            options.continue_from.as_ref().map(|_| "continue_from")
        };
        if let Some(other) = cannot {
            return Err(Error::Config(format!("seed_tokens cannot be had with {other}")));
        }
        let first = tokens.texts.iter().zip(0_u32..).skip(n_special);
        let symbols: FxHashMap<&[u8], u32> = first.collect();
        let seed = |text: &Vec<u8>| {
            let ids: Option<Vec<u32>> = match &options.alphabet {
                Alphabet::Bytes(_) => {
                    text.chunks(1).map(|byte| symbols.get(byte).copied()).collect()
                }
                Alphabet::Characters(_) => String::from_utf8_lossy(text)
                    .chars()
                    .map(|c| symbols.get(c.encode_utf8(&mut [0; 4]).as_bytes()).copied())
                    .collect(),
            };
            match ids {
                Some(ids) if !ids.is_empty() => Ok((text.clone(), ids)),
                _ => Err(refused(text, "is not written in the alphabet")),
            }
        };
        Ok(Self { seeds: options.seed_tokens.iter().map(seed).collect::<Result<_>>()? })
    }

    /// Makes the seeds' tokens.
    ///
    /// # Errors
    /// [`Error::Config`] when a seed needs a token that may not be made, or more than `n_tokens` tokens.
    pub(super) fn make(
        self,
        engine: &mut Engine<Tokens<'_>>,
        n_tokens: usize,
        progress: &Progress,
    ) -> Result<Vec<Merge>> {
        let mut merges: Vec<Merge> = Vec::new();
        let mut ranks: FxHashMap<Pair, u32> = FxHashMap::default();
        for (text, mut symbols) in self.seeds {
            while let Some((place, rank)) = best(&symbols, &ranks) {
                symbols[place] = merges[rank as usize].product;
                symbols.remove(place + 1);
            }
            while let [left, right, ..] = symbols[..] {
                let pair = (left, right);
                if !engine.rules.may_merge(pair) {
                    return Err(refused(&text, "needs a token that may not be made"));
                }
                if engine.rules.n_tokens() >= n_tokens {
                    return Err(refused(&text, "and those before need a larger vocab_size"));
                }
                let merge = engine.force(pair, progress)?;
                ranks.insert(pair, u32::try_from(merges.len()).unwrap_or(u32::MAX));
                merges.push(merge);
                progress.advance(1)?;
                symbols.remove(0);
                symbols[0] = merge.product;
            }
        }
        Ok(merges)
    }
}

/// Place and rank of the first of the merges that apply.
fn best(symbols: &[u32], ranks: &FxHashMap<Pair, u32>) -> Option<(usize, u32)> {
    let pairs = symbols.windows(2).enumerate();
    pairs
        .filter_map(|(place, pair)| Some((place, *ranks.get(&(pair[0], pair[1]))?)))
        .min_by_key(|&(place, rank)| (rank, place))
}

fn refused(text: &[u8], why: &str) -> Error {
    Error::Config(format!("seed token \"{}\" {why}", text.escape_ascii()))
}
