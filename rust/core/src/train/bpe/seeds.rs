//! [`Seeds`]: tokens that must be in, whatever the counts say.
//!
//! They are made first, in the order given: a seed's own bytes or characters take the merges made so far, then again and again
//! its first two tokens become a merge, which takes place wherever they stand in it. So a seed takes the very steps that
//! encoding takes, and is the token of its text wherever that stands alone; and no text is made twice, for what stands
//! between two ends of tokens took its steps as if it stood alone.

use rustc_hash::FxHashMap;

use super::BpeOptions;
use super::alphabet::Alphabet;
use super::engine::{Engine, Rules};
use super::learn::{AFFIXES, Merge};
use super::pairs::Pair;
use super::tokens::Tokens;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::vocab::index;

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
            Some(AFFIXES)
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
            while let Some(rank) = best(&symbols, &ranks) {
                progress.check()?;
                let Merge { pair, product, .. } = merges[rank as usize];
                join(&mut symbols, pair, product);
            }
            while let [left, right, ..] = symbols[..] {
                let pair = (left, right);
                if !engine.rules.may_merge(pair) {
                    let why = "needs on its way a token that another option forbids, such as a part of a character: make its parts \
                               seeds before it, or drop that option";
                    return Err(refused(&text, why));
                }
                if engine.rules.n_tokens() >= n_tokens {
                    return Err(refused(&text, "and those before need a larger vocab_size"));
                }
                let merge = engine.force(pair, progress)?;
                ranks.insert(pair, index(merges.len()));
                merges.push(merge);
                progress.advance(1)?;
                join(&mut symbols, pair, merge.product);
            }
        }
        Ok(merges)
    }
}

/// The first of the merges that apply.
fn best(symbols: &[u32], ranks: &FxHashMap<Pair, u32>) -> Option<u32> {
    symbols.windows(2).filter_map(|pair| ranks.get(&(pair[0], pair[1])).copied()).min()
}

/// Puts the product in the place of the pair wherever it stands, from left to right.
fn join(symbols: &mut Vec<u32>, pair: Pair, product: u32) {
    let (mut read, mut write) = (0, 0);
    while read < symbols.len() {
        let is_pair = symbols[read] == pair.0 && symbols.get(read + 1) == Some(&pair.1);
        symbols[write] = if is_pair { product } else { symbols[read] };
        read += if is_pair { 2 } else { 1 };
        write += 1;
    }
    symbols.truncate(write);
}

fn refused(text: &[u8], why: &str) -> Error {
    let shown = std::str::from_utf8(text)
        .map_or_else(|_| format!("\"{}\"", text.escape_ascii()), |text| format!("{text:?}"));
    Error::Config(format!("seed token {shown} {why}"))
}
