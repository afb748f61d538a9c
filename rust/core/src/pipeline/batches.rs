//! Pre-tokens handed out many at a time, as bounds in one text, though they do not touch in theirs, or have marks.
//!
//! Those of a batch that touch are handed out where they stand. Others are first joined: a batch is short, so that the copy
//! costs little against what is done with each pre-token.

use crate::compiled::splitter::MAX_BATCH;
use crate::compiled::words::Word;
use crate::error::{Error, Result};

/// Pre-tokens of a batch.
const BATCH: usize = 64;
/// A batch with so many bytes is handed out even if it has few pre-tokens.
const BATCH_BYTES: usize = 1 << 12;
const _: () = assert!(BATCH <= MAX_BATCH);

/// See the module's head.
pub(super) struct Batches<'t, F> {
    text: &'t str,
    words: Vec<Word>,
    n_bytes: usize,
    joined: String,
    bounds: Vec<usize>,
    each: F,
}

impl<'t, F: FnMut(&str, &[usize]) -> Result<()>> Batches<'t, F> {
    /// For pre-tokens of `text`; `each` gets a text and bounds in it.
    pub(super) fn new(text: &'t str, each: F) -> Self {
        let words = Vec::with_capacity(BATCH);
        let bounds = Vec::with_capacity(BATCH + 1);
        Self { text, words, n_bytes: 0, joined: String::new(), bounds, each }
    }

    /// Takes a pre-token.
    ///
    /// # Errors
    /// Those of `each`, their offsets turned into places in the text.
    #[inline]
    pub(super) fn push(&mut self, word: Word) -> Result<()> {
        self.n_bytes += word.range.len();
        self.words.push(word);
        if self.words.len() < BATCH && self.n_bytes < BATCH_BYTES { Ok(()) } else { self.flush() }
    }

    /// Hands out what was taken.
    ///
    /// # Errors
    /// As [`Batches::push`].
    pub(super) fn flush(&mut self) -> Result<()> {
        self.n_bytes = 0;
        self.bounds.clear();
        let Some(first) = self.words.first() else {
            return Ok(());
        };
        let touches = |pair: &[Word]| pair[0].range.end == pair[1].range.start;
        let stand_together =
            self.words.iter().all(|word| word.mark.is_none()) && self.words.windows(2).all(touches);
        let done = if stand_together {
            self.bounds.push(first.range.start);
            self.bounds.extend(self.words.iter().map(|word| word.range.end));
            (self.each)(self.text, &self.bounds)
        } else {
            self.join();
            (self.each)(&self.joined, &self.bounds)
                .map_err(|error| place_in_text(error, &self.words, &self.bounds))
        };
        self.words.clear();
        done
    }

    fn join(&mut self) {
        self.joined.clear();
        self.bounds.push(0);
        for Word { mark, range } in &self.words {
            if let Some((c, _)) = mark {
                self.joined.push(*c);
            }
            self.joined.push_str(self.text.get(range.clone()).unwrap_or_default());
            self.bounds.push(self.joined.len());
        }
    }
}

/// The error with its offset into the joined words turned into a place in their text.
#[cold]
fn place_in_text(error: Error, words: &[Word], bounds: &[usize]) -> Error {
    error.map_offset(|place| {
        let i = bounds.partition_point(|&bound| bound <= place).saturating_sub(1);
        let within = place - bounds.get(i).copied().unwrap_or_default();
        match words.get(i) {
            Some(Word { mark: Some((c, at)), .. }) if within < c.len_utf8() => *at,
            Some(Word { mark: Some((c, _)), range }) => range.start + within - c.len_utf8(),
            Some(Word { mark: None, range }) => range.start + within,
            None => place,
        }
    })
}
