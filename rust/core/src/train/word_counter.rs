//! [`WordCounter`]: counts the pre-tokens of texts, at the speed of splitting them, in bounded memory.
//!
//! Text goes through the stages in pieces; each thread counts the frequent words in a small table of its own
//! ([`outbox`]), and the rest go in parcels to tables that all threads share ([`table`]), so that no word is held twice and
//! nothing is left to be merged. Where the stages allow it, what is counted first are *chunks* of the text as it stands, and
//! the stages see each different chunk once, at the end ([`chunks`]). Tables that outgrow their memory become sorted runs on
//! disk ([`store`]), which are merged at the end ([`mod@merge`]).
//!
//! The sums depend neither on which thread counted what, nor on how the text was cut, nor on what was spilled.

mod chunks;
mod fit;
mod merge;
mod outbox;
mod recoding;
mod store;
mod table;

use std::ops::Range;
use std::sync::Arc;

use merganser_simd::Classifier;

use crate::added_tokens::{OnSpecial, Part};
use crate::compiled::word_cache::Key;
use crate::compiled::words::Chunking;
use crate::definition::{BpeDefinition, Model};
use crate::error::{Error, Result};
use crate::parallel;
use crate::pipeline::{Cutting, Pipeline, TextPart, Unit};
use crate::progress::{Phase, Progress};
use crate::traced::Traced;
use crate::train::word_counts::Builder;
use crate::train::{Stages, WordCounts};

use fit::Fit;
use merge::merge;
use outbox::{Front, N_SHARDS, Shards};
pub(crate) use recoding::{Recoding, RecodingScratch};
pub use store::Spilling;
use store::Store;

/// About so much text is one thread's work without a break.
const UNIT_BYTES: usize = 1 << 18;
/// Words between two looks at whether to stop, and at the memory, while the stages see chunks.
const POLL_WORDS: usize = 1 << 10;
/// Bytes of chunks between two looks while they are counted.
const POLL_BYTES: usize = 1 << 16;

/// Counts the pre-tokens of texts.
///
/// ```
/// use merganser_core::definition::{BpeDefinition, Definition, Model};
/// use merganser_core::pipeline::Pipeline;
/// use merganser_core::progress::Progress;
/// use merganser_core::train::{Stages, WordCounter};
/// let pipeline = Stages::parse(Some("bert"), Some("bert"))?.pipeline(&[])?;
/// let mut counter = WordCounter::new(pipeline, Some(1), None);
/// counter.count(&["The cat.", "the dog"], &Progress::default())?;
/// let counts = counter.finish(0, &Progress::default())?.counts;
/// assert_eq!(counts.count_of(b"the"), 2);
/// # Ok::<(), merganser_core::Error>(())
/// ```
#[derive(Debug)]
pub struct WordCounter {
    pipeline: Pipeline,
    chunking: Option<Chunking>,
    cutting: Option<Cutting>,
    classifier: Classifier,
    /// What is made of words first.
    recoding: Option<Arc<dyn Recoding>>,
    n_threads: usize,
    /// One a thread, as far as threads had work.
    fronts: Vec<Front>,
    store: Store,
    /// How many texts were counted: errors number them over all calls.
    n_texts: usize,
    n_bytes: u64,
}

/// What a counter gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The counts.
    pub counts: WordCounts,
    /// Different words that were too rare.
    pub n_dropped: u64,
    /// How often they occurred in all.
    pub n_dropped_occurrences: u64,
    /// Bytes that were written to disk.
    pub n_spilled_bytes: u64,
}

impl Stages {
    /// The stages, ready to run, for counting words without these special tokens.
    ///
    /// # Errors
    /// Those of [`Pipeline::new`]; of special tokens that are empty or stand twice.
    pub fn pipeline(&self, special_tokens: &[String]) -> Result<Pipeline> {
        let model = Model::Bpe(BpeDefinition::default());
        Pipeline::new(&self.definition(model, special_tokens), true)
    }
}

impl WordCounter {
    /// Counts what `pipeline` makes of texts; special tokens in them are left out. With `spilling` the memory of the tables
    /// is bounded.
    pub fn new(pipeline: Pipeline, n_threads: Option<usize>, spilling: Option<Spilling>) -> Self {
        Self {
            chunking: pipeline.chunking(),
            cutting: pipeline.cutting(),
            pipeline,
            classifier: Classifier::best(),
            recoding: None,
            n_threads: parallel::n_threads(n_threads),
            fronts: Vec::new(),
            store: Store::new(spilling, "counted"),
            n_texts: 0,
            n_bytes: 0,
        }
    }

    /// Counts words at once, not chunks first: for texts without spaces, whose chunks are as many as lines.
    #[must_use]
    pub fn without_chunks(self) -> Self {
        Self { chunking: None, ..self }
    }

    /// Counts what `recoding` makes of the words of a pipeline for a model that works on bytes.
    pub(crate) fn recoding(
        pipeline: Pipeline,
        recoding: Arc<dyn Recoding>,
        n_threads: Option<usize>,
    ) -> Self {
        let recoding = Some(recoding);
        Self { chunking: None, recoding, ..Self::new(pipeline, n_threads, None) }
    }

    /// How many texts were counted.
    pub fn n_texts(&self) -> usize {
        self.n_texts
    }

    /// How many bytes they had.
    pub fn n_bytes(&self) -> u64 {
        self.n_bytes
    }

    /// Counts each of `texts` as a text of its own.
    ///
    /// # Errors
    /// [`Error::PatternLimit`] inside [`Error::InBatch`], which numbers the texts of all calls; [`Error::Interrupted`];
    /// [`Error::Io`] when a run cannot be written.
    pub fn count(&mut self, texts: &[&str], progress: &Progress) -> Result<()> {
        match self.chunking {
            Some(chunking) => self.count_chunks(chunking, texts, progress)?,
            None => self.count_units(texts, progress)?,
        }
        self.n_texts += texts.len();
        self.n_bytes += texts.iter().map(|text| text.len() as u64).sum::<u64>();
        if self.store.spilling.is_some() {
            self.empty_fronts()?;
            self.store.spill_if_large(progress)?;
        }
        Ok(())
    }

    /// Whether [`WordCounter::count_piece`] can count a piece before the last.
    pub fn takes_pieces(&self) -> bool {
        self.cutting.is_some()
    }

    /// Counts a text that comes in pieces: as much of `text` as can be told to be whole words, and all of it if it is the
    /// last piece. Returns how many bytes were counted; the next piece begins with the rest. Zero: give more at once.
    ///
    /// # Errors
    /// As [`WordCounter::count`].
    pub fn count_piece(&mut self, text: &str, is_last: bool, progress: &Progress) -> Result<usize> {
        if is_last {
            self.count(&[text], progress)?;
            return Ok(text.len());
        }
        let cut = self.cutting.map_or(0, |cutting| cutting.last(text.as_bytes()));
        if cut > 0 {
            self.count(&[text.get(..cut).unwrap_or_default()], progress)?;
            self.n_texts -= 1;
        }
        Ok(cut)
    }

    fn ready_fronts(&mut self, n_units: usize) {
        let n_fronts = self.fronts.len().max(n_units.clamp(1, self.n_threads));
        let hasher = self.store.hasher;
        self.fronts.resize_with(n_fronts, || Front::new(hasher));
    }

    fn empty_fronts(&mut self) -> Result<()> {
        self.fronts.iter_mut().try_for_each(|front| front.empty(&self.store.shards))
    }

    fn count_units(&mut self, texts: &[&str], progress: &Progress) -> Result<()> {
        let (texts, index_of) = self.cut_long(texts);
        let units = self.pipeline.units(&texts, OnSpecial::Encode);
        self.ready_fronts(units.len());
        let Self { pipeline, recoding, fronts, store, n_texts, .. } = self;
        let (shards, recoding) = (&store.shards, recoding.as_deref());
        let sink = Sink { shards, recoding, pipeline, progress };
        let located = |error: Error, index: usize| {
            error.in_batch(*n_texts + index_of.get(index).copied().unwrap_or_default())
        };
        parallel::map(fronts, units.len(), |front, i| match &units[i] {
            Unit::Texts(range) => range.clone().try_for_each(|index| {
                sink.count_text(front, texts[index]).map_err(|error| located(error, index))
            }),
            Unit::Piece { index, part, stretch } => {
                let base = part.start;
                let part = Traced::untraced(texts[*index].get(part.clone()).unwrap_or_default());
                let stretch = (base, stretch.clone());
                sink.count_part(front, &part, stretch).map_err(|error| located(error, *index))
            }
            Unit::Token(_) | Unit::EndOfText => Ok(()),
        })?;
        Ok(())
    }

    /// The texts, long ones in pieces where that changes nothing, and the index of the text that each is of.
    fn cut_long<'t>(&self, texts: &[&'t str]) -> (Vec<&'t str>, Vec<usize>) {
        let (mut pieces, mut index_of) = (Vec::new(), Vec::new());
        for (index, text) in texts.iter().enumerate() {
            let mut rest = *text;
            loop {
                let cut =
                    self.cutting.and_then(|cutting| cutting.first(rest.as_bytes(), UNIT_BYTES));
                let (first, others) = rest.split_at(cut.unwrap_or(rest.len()));
                pieces.push(first);
                index_of.push(index);
                rest = others;
                if rest.is_empty() {
                    break;
                }
            }
        }
        (pieces, index_of)
    }

    fn count_chunks(
        &mut self,
        chunking: Chunking,
        texts: &[&str],
        progress: &Progress,
    ) -> Result<()> {
        let units = self.chunk_units(texts)?;
        self.ready_fronts(units.len());
        let Self { fronts, store, classifier, .. } = self;
        parallel::map(fronts, units.len(), |front, i| {
            for text in &units[i] {
                let text = text.as_bytes();
                let mut told = 0;
                chunks::for_each(chunking, *classifier, text, |chunk| {
                    if chunk.1 - told >= POLL_BYTES {
                        progress.advance((chunk.1 - told) as u64)?;
                        told = chunk.1;
                    }
                    front.add(&store.shards, text, chunk, 1)
                })?;
                progress.advance((text.len() - told) as u64)?;
            }
            Ok(())
        })?;
        Ok(())
    }

    /// The texts without their added tokens, long ones cut before spaces.
    fn chunk_units<'t>(&self, texts: &[&'t str]) -> Result<Vec<Vec<&'t str>>> {
        let (mut units, mut unit, mut n_bytes) = (Vec::new(), Vec::new(), 0);
        for text in texts {
            for part in self.pipeline.added().cut_raw(text, OnSpecial::Encode)? {
                let Part::Text(range) = part else { continue };
                let mut rest = text.get(range).unwrap_or_default();
                while !rest.is_empty() {
                    let tail = rest.as_bytes().get(UNIT_BYTES..).unwrap_or_default();
                    let space = memchr::memchr(b' ', tail).map(|at| UNIT_BYTES + at);
                    let (first, others) = rest.split_at(space.unwrap_or(rest.len()));
                    n_bytes += first.len();
                    unit.push(first);
                    rest = others;
                    if n_bytes >= UNIT_BYTES {
                        units.push(std::mem::take(&mut unit));
                        n_bytes = 0;
                    }
                }
            }
        }
        units.push(unit);
        Ok(units)
    }

    /// The counts of words that occur at least `min_count` times.
    ///
    /// # Errors
    /// [`Error::Config`] when the total exceeds 64 bits, or the different words exceed the memory given, with the `min_count`
    /// under which they would not; [`Error::Io`] of runs; [`Error::Interrupted`].
    pub fn finish(mut self, min_count: u64, progress: &Progress) -> Result<Counted> {
        self.empty_fronts()?;
        self.fronts = Vec::new();
        let n_threads = self.n_threads;
        // Chunks are gone through before it is known how many words they give; about as many are expected.
        let (n_chunks, n_spilled_of_chunks) = match self.chunking {
            Some(_) => (self.store.n_words(), self.store.n_spilled_bytes()),
            None => (0, 0),
        };
        progress.begin(Phase::Gather, n_chunks * 2);
        let mut store = match self.chunking {
            None => self.store,
            Some(_) if self.store.is_in_memory() => self.split_shards(progress)?,
            Some(_) => self.split_streams(progress)?,
        };
        progress.begin_at(Phase::Gather, n_chunks, n_chunks + store.n_words());
        let n_spilled_bytes = n_spilled_of_chunks + store.n_spilled_bytes();
        let mut fit = store.spilling.as_ref().map(|spilling| Fit::new(spilling.max_memory));
        let mut builder = Builder::default();
        let (mut n_dropped, mut n_dropped_occurrences) = (0, 0);
        merge(
            store.into_streams(n_threads, progress)?,
            |n| progress.advance(n),
            |word, count| {
                if count < min_count {
                    n_dropped += 1;
                    n_dropped_occurrences += count;
                    return Ok(());
                }
                if fit.as_mut().is_none_or(|fit| fit.take(word, count)) {
                    return builder.push(word, count);
                }
                builder = Builder::default();
                Ok(())
            },
        )?;
        if let Some(fit) = fit {
            fit.check()?;
        }
        let counts = builder.finish();
        Ok(Counted { counts, n_dropped, n_dropped_occurrences, n_spilled_bytes })
    }

    /// The words of the chunks in the tables.
    fn split_shards(&mut self, progress: &Progress) -> Result<Store> {
        let mut words = Store::new(self.store.spilling.clone(), "words");
        let (pipeline, chunks) = (&self.pipeline, &self.store);
        let hasher = words.hasher;
        let mut fronts: Vec<Front> =
            std::iter::repeat_with(|| Front::new(hasher)).take(self.n_threads).collect();
        // So many shards, each in part, are spilled at a time.
        let n_at_once = if words.spilling.is_some() { 1 } else { N_SHARDS };
        for first in (0..N_SHARDS).step_by(n_at_once) {
            parallel::map(&mut fronts, n_at_once, |front, i| {
                let mut splitting = Splitting::new(pipeline, progress);
                for_each_chunk(chunks, first + i, progress, |chunk, count| {
                    splitting.split(front, &words.shards, chunk, count)
                })
            })?;
            if words.spilling.is_some() {
                fronts.iter_mut().try_for_each(|front| front.empty(&words.shards))?;
                words.spill_if_large(progress)?;
            }
        }
        fronts.iter_mut().try_for_each(|front| front.empty(&words.shards))?;
        Ok(words)
    }

    /// The words of the chunks in tables and runs.
    fn split_streams(&mut self, progress: &Progress) -> Result<Store> {
        let mut words = Store::new(self.store.spilling.clone(), "words");
        let mut front = Front::new(words.hasher);
        let chunks = std::mem::replace(&mut self.store, Store::new(None, ""));
        let mut splitting = Splitting::new(&self.pipeline, progress);
        let mut n_bytes = 0_usize;
        merge(
            chunks.into_streams(self.n_threads, progress)?,
            |n| progress.advance(n),
            |chunk, count| {
                n_bytes += chunk.len();
                splitting.split(&mut front, &words.shards, chunk, count)?;
                if n_bytes >= POLL_BYTES {
                    n_bytes = 0;
                    words.spill_if_large(progress)?;
                }
                Ok(())
            },
        )?;
        front.empty(&words.shards)?;
        Ok(words)
    }
}

/// Calls `each` with the chunks of one shard, which is empty afterwards.
fn for_each_chunk(
    chunks: &Store,
    shard: usize,
    progress: &Progress,
    mut each: impl FnMut(&[u8], u64) -> Result<()>,
) -> Result<()> {
    let mut shard = chunks.take_shard(shard);
    for words in std::mem::take(&mut shard.short).chunks(POLL_WORDS) {
        progress.advance(words.len() as u64)?;
        for &(ordinal, count) in words {
            let key = Key::from_ordinal(ordinal);
            each(key.bytes().get(..key.n_bytes()).unwrap_or_default(), count)?;
        }
    }
    let mut index = 0;
    while let Some((chunk, count)) = shard.long(index) {
        each(chunk, count)?;
        index += 1;
        if index.is_multiple_of(POLL_WORDS) {
            progress.advance(POLL_WORDS as u64)?;
        }
    }
    Ok(())
}

/// Shows chunks to the stages, and counts their words.
struct Splitting<'p> {
    pipeline: &'p Pipeline,
    progress: &'p Progress,
    buffer: String,
    n_steps: usize,
}

impl<'p> Splitting<'p> {
    fn new(pipeline: &'p Pipeline, progress: &'p Progress) -> Self {
        Self { pipeline, progress, buffer: String::new(), n_steps: 0 }
    }

    /// Counts the words of a chunk that occurs `count` times.
    fn split(
        &mut self,
        front: &mut Front,
        shards: &Shards,
        chunk: &[u8],
        count: u64,
    ) -> Result<()> {
        // Chunks are cut out of text at ASCII characters.
        let chunk = std::str::from_utf8(chunk)
            .map_err(|_| Error::Internal("a chunk is not valid UTF-8".to_owned()))?;
        let Self { pipeline, progress, buffer, n_steps } = self;
        pipeline.for_each_in_chunk(chunk, buffer, progress, |text, word| {
            *n_steps += 1;
            if n_steps.is_multiple_of(POLL_WORDS) {
                progress.check()?;
            }
            front.add(shards, text.as_bytes(), (word.start, word.end), count)
        })
    }
}

/// Where the words of texts go.
struct Sink<'a> {
    shards: &'a Shards,
    recoding: Option<&'a dyn Recoding>,
    pipeline: &'a Pipeline,
    progress: &'a Progress,
}

impl Sink<'_> {
    fn count_text(&self, front: &mut Front, text: &str) -> Result<()> {
        let each = |part: TextPart<'_>, base| match part {
            TextPart::Token(..) => Ok(()),
            TextPart::Text(part) => self.count_part(front, part, (base, 0..part.text().len())),
        };
        self.pipeline.for_each_part(text, OnSpecial::Encode, self.progress, each)
    }

    fn count_part(
        &self,
        front: &mut Front,
        part: &Traced<'_>,
        (base, stretch): (usize, Range<usize>),
    ) -> Result<()> {
        let Self { shards, progress, .. } = *self;
        self.pipeline.for_each_batch(part, base, stretch, progress, |text, bounds| {
            let mut words = bounds.windows(2).map(|bound| (bound[0], bound[1]));
            let Some(recoding) = self.recoding else {
                return words.try_for_each(|word| front.add(shards, text.as_bytes(), word, 1));
            };
            let mut scratch = std::mem::take(&mut front.scratch).unwrap_or_default();
            words.try_for_each(|(start, end)| {
                let word = text.get(start..end).unwrap_or_default();
                recoding
                    .recode(word, &mut scratch, progress, &mut |made| {
                        front.add(shards, made, (0, made.len()), 1)
                    })
                    .map_err(|error| error.moved_by(start))
            })?;
            front.scratch = Some(scratch);
            Ok(())
        })
    }
}
