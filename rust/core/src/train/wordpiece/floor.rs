//! The floor of the likelihood criterion, where the caller gives none.
//!
//! The criterion alone takes no notice of how often a pair occurs: two letters that stand together once, and never apart, have
//! the largest score there is. A floor on the count makes it choose among pairs that are worth a token, and the higher the
//! floor, the shorter the text becomes, up to where the pairs above it no longer fill the vocabulary. So the default is the
//! largest floor that fills it, by bisection (of its logarithm first): the vocabulary fills under it, and does not under one more. Runs under high floors
//! end early; the words are spelled, and their pairs counted, once for all runs.

use crate::error::Result;
use crate::progress::{Phase, Progress};
use crate::train::wordpiece::joining::{Joining, Rules, Start};

/// A bisection of n bits takes up to so many more runs than n: it first halves the exponent, then the rest.
const MORE_RUNS: u64 = 8;

/// Learns under the largest floor that fills the vocabulary, or under 1 if none does; the tokens and the floor.
///
/// # Errors
/// [`crate::Error::Interrupted`].
pub(super) fn learn_under_largest(
    rules: Rules<'_>,
    start: &Start,
    progress: &Progress,
) -> Result<(Vec<String>, u64)> {
    let n_learned = (rules.vocab_size - start.tokens.len()) as u64;
    // The vocabulary is to fill under `low`, and does not under `high`: no pair is that frequent.
    let (mut low, mut high) = (1, start.largest_count().saturating_add(1).max(2));
    let mut n_left = u64::from(high.ilog2()) + MORE_RUNS;
    progress.begin(Phase::Merge, n_left.saturating_mul(n_learned));
    let run = |least| -> Result<Vec<String>> {
        let tokens = Joining::new(Rules { least, ..rules }, start, progress)?.run(progress)?;
        progress.advance((rules.vocab_size - tokens.len()) as u64)?;
        Ok(tokens)
    };
    let mut filled = None;
    while high - low > 1 {
        let ratio = high / low;
        let middle = if ratio < 4 { low + (high - low) / 2 } else { low << (ratio.ilog2() / 2) };
        n_left = n_left.saturating_sub(1);
        let tokens = run(middle)?;
        if tokens.len() == rules.vocab_size {
            low = middle;
            filled = Some(tokens);
        } else {
            high = middle;
        }
    }
    let tokens = if let Some(tokens) = filled {
        tokens
    } else {
        n_left = n_left.saturating_sub(1);
        run(low)?
    };
    progress.advance(n_left.saturating_mul(n_learned))?;
    Ok((tokens, low))
}
