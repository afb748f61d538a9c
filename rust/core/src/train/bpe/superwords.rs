//! Superwords: a second phase of BPE, whose tokens may be several words (Liu et al. 2025, "SuperBPE", section 2).
//!
//! The first phase has split text into words. The second goes on from its merges over *coarse* pre-tokens, such as lines: it is
//! plain BPE training on the coarse pre-tokens of the text, each encoded by the tokenizer of the first phase with the coarse
//! pre-tokenizer. The tokenizer that comes out is that one with more merges, so any library that runs BPE runs it, and in
//! training text is what it is in encoding. Two rules bound what the phase makes ([`SuperwordOptions`]).
//!
//! Coarse pre-tokens hardly repeat, so their counts would be the text itself. What is counted is *runs*: pre-tokens parted at
//! every border of two tokens that occurs less than a floor. Nothing is lost by it. Where tokens x and y meet in the end, their
//! last and first tokens of the first phase met at the start; so no pair occurs more often than its border did, no pair
//! across a rare border is ever merged while merges stay at the floor or above it, and parting there changes no other count.
//! If the floor turns out to be above the last merges that are asked for, the phase starts anew with a lower one.
//!
//! The text is read once for its borders and once a floor: [`Superwords`] counts what it is given until
//! [`Superwords::end_pass`] is content. `DESIGN.md` has the argument and what the floor is worth.

mod borders;
mod runs;

use std::sync::Arc;

use memchr::memmem;

use super::alphabet::POLL_WORDS;
use super::bounds::Bounds;
use super::cells::{Cells, MAX_CELLS};
use super::engine::{Engine, Rules};
use super::learn::{Learned, run};
use super::tokens::{Order, Tokens};
use super::{check_reached, continued, n_merges_of};
use crate::definition::Definition;
use crate::error::{Error, Result};
use crate::pipeline::Pipeline;
use crate::pre_tokenizer::PreTokenizer;
use crate::progress::{Phase, Progress};
use crate::train::{Report, SuperwordReport, Trained, WordCounter, WordCounts};
use runs::{Encoded, MakeRuns, ids_of};

/// Of so many borders for each merge asked for, the rarest is the first floor: merges take from the counts of others.
const BORDERS_A_MERGE: usize = 2;
/// By so much the floor is lowered if it was too high.
const LOWER: u64 = 4;

/// What a caller may choose for the second phase.
#[derive(Debug, Clone)]
pub struct SuperwordOptions {
    /// Sizes of vocabularies, each the beginning of the larger ones.
    pub vocab_sizes: Vec<usize>,
    /// What the tokenizer splits text with from here on.
    pub pre_tokenizer: Option<PreTokenizer>,
    /// The most words of a token: stretches without ASCII white space.
    pub max_words: Option<usize>,
    /// Texts that no token holds.
    pub stops: Vec<Vec<u8>>,
    /// A pair that occurs less often is not merged.
    pub min_frequency: u64,
    /// What a token may be besides.
    pub bounds: Bounds<'static>,
    /// Tokens that no merge makes.
    pub forbidden_tokens: Vec<Vec<u8>>,
    /// Whether a vocabulary smaller than asked is a result rather than an error.
    pub allow_smaller: bool,
}

/// A second phase under way, see the module's head.
#[derive(Debug)]
pub struct Superwords {
    /// The tokenizer of the first phase with the coarse pre-tokenizer.
    base: Definition,
    report: Report,
    options: SuperwordOptions,
    n_threads: Option<usize>,
    encoded: Arc<Encoded>,
    counter: WordCounter,
    /// Tokens of the first phase.
    start: usize,
    /// Where text is parted; `None` while borders are counted.
    least: Option<u64>,
    /// Texts and bytes that the first phase was trained on.
    read: (usize, u64),
}

impl Superwords {
    /// Goes on from what the first phase gave for so many texts and bytes; they are counted again by `n_threads`.
    ///
    /// # Errors
    /// [`Error::Config`] when its tokenizer is not byte-level BPE, also with the coarse pre-tokenizer, or a size is not larger
    /// than its vocabulary.
    pub fn new(
        first: &Trained,
        read: (usize, u64),
        options: SuperwordOptions,
        n_threads: Option<usize>,
    ) -> Result<Self> {
        let definition = first.definition.clone();
        let base = Definition { pre_tokenizer: options.pre_tokenizer.clone(), ..definition };
        if !base.runs_on_bytes() {
            return Err(Error::Config(
                "superwords need byte-level BPE, and a pre_tokenizer of theirs that ends in bytes"
                    .to_owned(),
            ));
        }
        let model = continued::model(&base)?;
        let ids = continued::ids(&base)?;
        if let Some(size) = options.vocab_sizes.iter().find(|&&size| size <= ids.len()) {
            return Err(Error::Config(format!(
                "vocab_size must be above the {} tokens that superwords start from, got {size}",
                ids.len()
            )));
        }
        let encoded = Arc::new(Encoded::new(model, ids.last().copied().unwrap_or_default()));
        Ok(Self {
            report: first.report.clone(),
            start: ids.len(),
            counter: counter(&base, &encoded, n_threads, None)?,
            base,
            options,
            n_threads,
            encoded,
            least: None,
            read,
        })
    }

    /// What counts the text of this pass.
    pub fn counter(&mut self) -> &mut WordCounter {
        &mut self.counter
    }

    /// Ends a pass over all text: a tokenizer for each of the sizes, or `None` if the same text is to be counted once more.
    ///
    /// # Errors
    /// [`Error::Config`] when the text is not as much as the first phase had, or gives fewer tokens than asked;
    /// [`Error::Interrupted`].
    pub fn end_pass(&mut self, progress: &Progress) -> Result<Option<Vec<Trained>>> {
        progress.begin(Phase::Gather, 0);
        let read = (self.counter.n_texts(), self.counter.n_bytes());
        if read != self.read {
            return Err(Error::Config(format!(
                "superwords read the documents several times, and they must be the same each time: {} documents of {} bytes \
                 became {} of {}",
                self.read.0, self.read.1, read.0, read.1
            )));
        }
        let floor = self.options.min_frequency.max(1);
        let largest = self.options.vocab_sizes.iter().copied().max().unwrap_or_default();
        let Some(least) = self.least else {
            let n_borders = (largest - self.start).saturating_mul(BORDERS_A_MERGE);
            self.begin_pass(self.encoded.borders.reached_by(n_borders).max(floor))?;
            return Ok(None);
        };
        let spent = self.begin_pass((least / LOWER).max(floor))?;
        let counts = spent.finish(0, progress)?.counts;
        let counted = (counts.len() as u64, counts.total());
        let learned = self.learn(counts, least, largest, progress)?;
        if learned.texts.len() < largest && least > floor {
            return Ok(None);
        }
        let one = |&size: &usize| self.trained(&learned, size, least, counted);
        self.options.vocab_sizes.iter().map(one).collect::<Result<_>>().map(Some)
    }

    /// Gets ready to part the text at `least`, and returns the counter of the pass before.
    fn begin_pass(&mut self, least: u64) -> Result<WordCounter> {
        self.least = Some(least);
        let counter = counter(&self.base, &self.encoded, self.n_threads, self.least)?;
        Ok(std::mem::replace(&mut self.counter, counter))
    }

    fn learn(
        &self,
        counts: WordCounts,
        least: u64,
        n_tokens: usize,
        progress: &Progress,
    ) -> Result<Learned> {
        let options = &self.options;
        let is_valid = |text: &[u8]| options.admit(text);
        let bounds = Bounds { is_valid: Some(&is_valid), ..options.bounds };
        let mut tokens = Tokens::new(bounds, Order::Ids);
        for text in &options.forbidden_tokens {
            tokens.forbid(text.clone());
        }
        let numbers = continued::add_tokens(&self.base, &mut tokens)?;
        let width = self.encoded.width;
        let n_cells = counts.iter().map(|(run, _)| run.len() / width + 1).sum();
        check_fit(n_cells)?;
        let mut cells = Cells::new(n_cells);
        for batch in counts.by_count().chunks(POLL_WORDS) {
            progress.check()?;
            for &index in batch {
                let (run, count) = counts.get(index).unwrap_or_default();
                let ids = ids_of(run, width);
                cells.push(ids.filter_map(|id| numbers.get(&id).copied()), count)?;
            }
        }
        drop(counts);
        let n_first = tokens.n_tokens();
        progress.begin(Phase::Merge, (n_tokens - n_first) as u64);
        let mut engine = Engine::new(tokens, cells, least, progress)?;
        let merges = run(&mut engine, n_tokens, progress)?;
        Ok(Learned {
            texts: engine.rules.texts,
            merges,
            n_first,
            n_required: n_first,
            n_alphabet: 0,
            token_counts: Vec::new(),
            dropped: Vec::new(),
        })
    }

    /// The tokenizer of the first `size` tokens.
    fn trained(
        &self,
        learned: &Learned,
        size: usize,
        least: u64,
        (n_runs, n_occurrences): (u64, u64),
    ) -> Result<Trained> {
        let Self { base, options, report, .. } = self;
        check_reached(learned, size, options.min_frequency, options.allow_smaller)?;
        let n_tokens = size.min(learned.texts.len());
        let definition =
            continued::definition(learned, base, n_tokens, n_merges_of(learned, n_tokens))?;
        let n_learned = (n_tokens - self.start) as u64;
        let superwords =
            SuperwordReport { start: self.start as u64, n_learned, n_runs, n_occurrences, least };
        let report = Report {
            n_learned: report.n_learned + n_learned,
            superwords: Some(superwords),
            ..report.clone()
        };
        Ok(Trained { definition, report })
    }
}

/// Counts the borders of tokens or, with `least`, the runs between those that occur less often.
fn counter(
    base: &Definition,
    text: &Arc<Encoded>,
    n_threads: Option<usize>,
    least: Option<u64>,
) -> Result<WordCounter> {
    let recoding = MakeRuns { text: Arc::clone(text), least };
    Ok(WordCounter::recoding(Pipeline::new(base, true)?, Arc::new(recoding), n_threads))
}

impl SuperwordOptions {
    /// Whether a text may be a token. What may not, no longer text may be that holds it.
    fn admit(&self, text: &[u8]) -> bool {
        self.max_words.is_none_or(|max| n_words(text) <= max)
            && !self.stops.iter().any(|stop| memmem::find(text, stop).is_some())
    }
}

/// Refuses more runs than there are places for.
fn check_fit(n_cells: usize) -> Result<()> {
    if n_cells < MAX_CELLS {
        return Ok(());
    }
    Err(Error::Config(format!(
        "the different runs of superwords must take fewer than {MAX_CELLS} places, one a token and one a run, got \
         {n_cells}; give a higher min_frequency, or less text"
    )))
}

/// Stretches without ASCII white space.
fn n_words(text: &[u8]) -> usize {
    let is_white_space = |byte: &u8| matches!(byte, b'\t'..=b'\r' | b' ');
    text.split(is_white_space).filter(|word| !word.is_empty()).count()
}

#[cfg(test)]
mod tests {
    use super::{MAX_CELLS, check_fit};

    #[test]
    fn too_many_runs_are_an_error_that_says_what_to_do() {
        assert!(check_fit(MAX_CELLS - 1).is_ok());
        let message = check_fit(MAX_CELLS).unwrap_err().to_string();
        assert!(
            message.contains("runs of superwords") && message.contains("min_frequency"),
            "{message}"
        );
    }
}
