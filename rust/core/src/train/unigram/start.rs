//! What training starts from: every character, and substrings or BPE tokens.

use rustc_hash::FxHashSet;

use super::corpus::{Corpus, to_f64};
use super::pieces::Pieces;
use super::seeds::Finder;
use super::{LearnOptions, SeedKind};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::train::WordCounts;
use crate::train::bpe::{PiecesOptions, learn_pieces};
use crate::train::math::ln;
use crate::train::piece_rules::Judge;

/// The pieces to start from, with scores after their frequency times length.
pub(super) fn seed_pieces(
    counts: &WordCounts,
    corpus: &Corpus,
    options: &LearnOptions,
    n_threads: usize,
    progress: &Progress,
) -> Result<Pieces> {
    let longer = match options.seeds {
        SeedKind::Substrings => substrings(corpus, options, n_threads, progress)?,
        SeedKind::Bpe => bpe_tokens(counts, corpus, options, progress)?,
    };
    let forbidden: FxHashSet<&str> = options.forbidden.iter().map(String::as_str).collect();
    let required: FxHashSet<&str> = options.required_pieces.iter().map(String::as_str).collect();
    let chars = (1..corpus.alphabet.len()).map(|symbol| {
        // One that does not occur has no score that counts: what it is given is that of the rarest.
        (corpus.alphabet[symbol].to_string(), to_f64(corpus.counts[symbol].max(1)))
    });
    let mut missing = required.clone();
    let seeds: Vec<(String, f64)> = chars
        .chain(longer)
        .filter(|(text, _)| {
            missing.remove(text.as_str());
            !forbidden.contains(text.as_str()) || text.chars().count() == 1
        })
        .collect();
    let mut missing: Vec<&str> = missing.into_iter().collect();
    missing.sort_unstable();
    let missing = missing.into_iter().map(|text| (text.to_owned(), 1.0));
    let sum = ln(seeds.iter().map(|(_, score)| score).sum::<f64>() + to_f64(missing.len() as u128));
    let mut pieces = Pieces::default();
    for (text, score) in seeds.into_iter().chain(missing) {
        let is_required = required.contains(text.as_str());
        pieces.push(text.into_boxed_str(), ln(score) - sum, is_required);
    }
    if let Some(&most_frequent) = corpus.by_count.first().filter(|_| options.line_end.is_some()) {
        pieces.take_unknown_for(most_frequent as usize - 1);
    }
    Ok(pieces)
}

/// The best substrings, with their frequency times length.
fn substrings(
    corpus: &Corpus,
    options: &LearnOptions,
    n_threads: usize,
    progress: &Progress,
) -> Result<Vec<(String, f64)>> {
    let finder = Finder {
        corpus,
        judge: Judge::new(options.rules, &corpus.alphabet),
        max_length: u8::try_from(options.rules.max_length).unwrap_or(u8::MAX),
        n_seeds: options.seed_size,
        sees_line_ends: options.line_end.is_some(),
    };
    let seeds = finder.find(n_threads, progress)?;
    let text = |seed| {
        let mut text = String::new();
        corpus.spell(finder.symbols(seed), &mut text);
        text
    };
    Ok(seeds.iter().map(|seed| (text(seed), seed.score)).collect())
}

/// The tokens of a BPE vocabulary, with the frequency at which they were made times length.
fn bpe_tokens(
    counts: &WordCounts,
    corpus: &Corpus,
    options: &LearnOptions,
    progress: &Progress,
) -> Result<Vec<(String, f64)>> {
    if options.is_byte_level {
        return Err(Error::Config(
            "seeds of BPE are made of characters: they cannot be had with a byte-level pre-tokenizer".to_owned(),
        ));
    }
    let characters = corpus.alphabet.get(1..).unwrap_or_default();
    let rules = options.rules;
    let is_valid =
        |token: &[u8]| std::str::from_utf8(token).is_ok_and(|token| rules.allow_text(token));
    let asked = PiecesOptions { n_pieces: options.seed_size, characters, is_valid: &is_valid };
    let made = learn_pieces(counts, asked, progress)?;
    let scored = |(token, count): (String, u64)| {
        let n_chars = token.chars().count() as u128;
        (token, to_f64(u128::from(count) * n_chars))
    };
    Ok(made.into_iter().filter(|&(_, count)| count > 1).map(scored).collect())
}
