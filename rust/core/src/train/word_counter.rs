//! [`WordCounter`]: counts the pre-tokens of texts.
//!
//! A counter has one table a thread. Pre-tokens of up to fifteen bytes, nearly all, are numbers in an open-addressing table;
//! longer ones are in a hash map. The sums do not depend on which thread counted what.

use crate::added_tokens::OnSpecial;
use crate::compiled::word_cache::Key;
use crate::error::Result;
use crate::parallel;
use crate::pipeline::{Pipeline, TextPart, Unit};
use crate::progress::Progress;
use crate::traced::Traced;
use crate::train::WordCounts;
use crate::train::word_counts::overflow;
use crate::vocab::{SeededMap, random_odd};

/// Counts the pre-tokens of texts.
#[derive(Debug)]
pub struct WordCounter {
    pipeline: Pipeline,
    n_threads: usize,
    /// One a thread, as far as threads had work.
    tables: Vec<Table>,
    /// How many texts were counted: errors number them over all calls.
    n_texts: usize,
}

impl WordCounter {
    /// Counts what `pipeline` makes of texts; special tokens in them are left out.
    pub fn new(pipeline: Pipeline, n_threads: Option<usize>) -> Self {
        let n_threads = parallel::n_threads(n_threads);
        Self { pipeline, n_threads, tables: Vec::new(), n_texts: 0 }
    }

    /// How many texts were counted.
    pub fn n_texts(&self) -> usize {
        self.n_texts
    }

    /// Counts each of `texts` as a text of its own.
    ///
    /// # Errors
    /// [`Error::PatternLimit`] inside [`Error::InBatch`], which numbers the texts of all calls; [`Error::Interrupted`].
    pub fn count(&mut self, texts: &[&str], progress: &Progress) -> Result<()> {
        let Self { pipeline, n_threads, tables, n_texts } = self;
        let first = *n_texts;
        let units = pipeline.units(texts, OnSpecial::Encode);
        let n_tables = tables.len().max(units.len().clamp(1, *n_threads));
        tables.resize_with(n_tables, Table::default);
        parallel::map(tables, units.len(), |table, i| match &units[i] {
            Unit::Texts(range) => range.clone().try_for_each(|index| {
                table
                    .count_text(pipeline, texts[index], progress)
                    .map_err(|error| error.in_batch(first + index))
            }),
            Unit::Piece { index, part, stretch } => {
                let base = part.start;
                let part = Traced::untraced(texts[*index].get(part.clone()).unwrap_or_default());
                table
                    .count_part(pipeline, &part, base, stretch.clone(), progress)
                    .map_err(|error| error.in_batch(first + *index))
            }
            Unit::Token(_) | Unit::EndOfText => Ok(()),
        })?;
        *n_texts += texts.len();
        Ok(())
    }

    /// The counts.
    ///
    /// # Errors
    /// [`Error::Config`] when the total exceeds 64 bits.
    pub fn finish(self) -> Result<WordCounts> {
        let mut tables = self.tables.into_iter();
        let mut sum = tables.next().unwrap_or_default();
        for table in tables {
            sum.add_table(table)?;
        }
        sum.into_counts()
    }
}

/// The counts of one thread. Each table has its own hash, also so that pouring one into another, slot by slot, does not
/// fill the other's slots in order and pile them up.
#[derive(Debug)]
struct Table {
    keys: Vec<Key>,
    counts: Vec<u64>,
    n_used: usize,
    multipliers: (u64, u64),
    shift: u32,
    long: SeededMap<Box<[u8]>, u64>,
}

/// Slots of a table at first.
const MIN_SLOTS: usize = 1 << 12;

impl Default for Table {
    fn default() -> Self {
        Self {
            keys: vec![Key::EMPTY; MIN_SLOTS],
            counts: vec![0; MIN_SLOTS],
            n_used: 0,
            multipliers: (random_odd(), random_odd()),
            shift: u64::BITS - MIN_SLOTS.trailing_zeros(),
            long: SeededMap::default(),
        }
    }
}

impl Table {
    fn count_text(&mut self, pipeline: &Pipeline, text: &str, progress: &Progress) -> Result<()> {
        pipeline.for_each_part(text, OnSpecial::Encode, progress, |part, base| match part {
            TextPart::Token(..) => Ok(()),
            TextPart::Text(part) => {
                self.count_part(pipeline, part, base, 0..part.text().len(), progress)
            }
        })
    }

    fn count_part(
        &mut self,
        pipeline: &Pipeline,
        part: &Traced<'_>,
        base: usize,
        stretch: std::ops::Range<usize>,
        progress: &Progress,
    ) -> Result<()> {
        pipeline.for_each_batch(part, base, stretch, progress, |text, bounds| {
            let text = text.as_bytes();
            bounds.windows(2).try_for_each(|bound| match Key::new(text, bound[0], bound[1]) {
                Some(key) => self.add(key, 1),
                None => self.add_long(&text[bound[0]..bound[1]], 1),
            })
        })
    }

    #[inline]
    fn add(&mut self, key: Key, count: u64) -> Result<()> {
        if self.n_used * 4 >= self.keys.len() * 3 {
            self.grow()?;
        }
        let mask = self.keys.len() - 1;
        let mut slot = self.slot(key);
        while self.keys[slot] != key {
            if self.keys[slot] == Key::EMPTY {
                self.keys[slot] = key;
                self.n_used += 1;
                break;
            }
            slot = (slot + 1) & mask;
        }
        self.counts[slot] = self.counts[slot].checked_add(count).ok_or_else(overflow)?;
        Ok(())
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "shifted down to the table's size")]
    fn slot(&self, key: Key) -> usize {
        (key.hash(self.multipliers) >> self.shift) as usize
    }

    #[cold]
    fn grow(&mut self) -> Result<()> {
        let n_slots = self.keys.len() * 2;
        self.shift -= 1;
        let keys = std::mem::replace(&mut self.keys, vec![Key::EMPTY; n_slots]);
        let counts = std::mem::replace(&mut self.counts, vec![0; n_slots]);
        self.n_used = 0;
        keys.into_iter()
            .zip(counts)
            .filter(|&(key, _)| key != Key::EMPTY)
            .try_for_each(|(key, count)| self.add(key, count))
    }

    fn add_long(&mut self, word: &[u8], count: u64) -> Result<()> {
        match self.long.get_mut(word) {
            Some(sum) => *sum = sum.checked_add(count).ok_or_else(overflow)?,
            None => _ = self.long.insert(word.into(), count),
        }
        Ok(())
    }

    fn add_table(&mut self, other: Self) -> Result<()> {
        for (key, count) in other.keys.into_iter().zip(other.counts) {
            if key != Key::EMPTY {
                self.add(key, count)?;
            }
        }
        // Sums do not depend on the order of the map.
        other.long.into_iter().try_for_each(|(word, count)| self.add_long(&word, count))
    }

    fn into_counts(self) -> Result<WordCounts> {
        let short = self.keys.iter().zip(&self.counts).filter(|&(key, _)| *key != Key::EMPTY);
        let short: Vec<([u8; 16], usize, u64)> =
            short.map(|(key, &count)| (key.bytes(), key.n_bytes(), count)).collect();
        let short = short.iter().map(|(bytes, len, count)| (&bytes[..*len], *count));
        let long = self.long.iter().map(|(word, &count)| (&word[..], count));
        WordCounts::from_pairs(short.chain(long))
    }
}
