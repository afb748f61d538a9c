//! Merging sorted words: those of shards, and those of runs on disk, into one sorted sequence with the counts summed.

use std::cmp::Ordering;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use super::table::SortedShard;
use crate::compiled::word_cache::Key;
use crate::error::{Error, IoError, Result};
use crate::train::word_counts::coding::{Decoder, Fault};
use crate::train::word_counts::overflow;

/// Bytes read from a run at a time.
const BUFFER_BYTES: usize = 1 << 16;
/// Words between two looks at whether to stop.
const POLL_WORDS: u64 = 1 << 12;

/// A run on disk.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) path: PathBuf,
    pub(super) n_words: u64,
}

/// Sorted words that are gone through once.
#[derive(Debug)]
pub(super) enum Stream {
    /// The short words of a shard; the bytes of the one at hand.
    Short { words: std::vec::IntoIter<(u128, u64)>, at: (u128, u64), bytes: [u8; 16] },
    /// The long words of a shard, and which is at hand.
    Long { shard: SortedShard, at: usize },
    /// A run, and how many of its words are left.
    Run { decoder: Box<Decoder<BufReader<File>>>, path: PathBuf, n_left: u64 },
}

impl Stream {
    /// The two streams of a shard.
    pub(super) fn of_shard(mut shard: SortedShard) -> [Self; 2] {
        let words = std::mem::take(&mut shard.short).into_iter();
        // One before the first.
        let long = Self::Long { shard, at: usize::MAX };
        [Self::Short { words, at: (0, 0), bytes: [0; 16] }, long]
    }

    /// The stream of a run.
    pub(super) fn of_run(run: &Run) -> Result<Self> {
        let file = File::open(&run.path).map_err(|error| io_error(&run.path, &error))?;
        let decoder = Box::new(Decoder::new(BufReader::with_capacity(BUFFER_BYTES, file)));
        Ok(Self::Run { decoder, path: run.path.clone(), n_left: run.n_words })
    }

    /// Goes to the next word; false: there is none.
    fn advance(&mut self) -> Result<bool> {
        match self {
            Self::Short { words, at, bytes } => {
                let Some(next) = words.next() else {
                    return Ok(false);
                };
                *bytes = Key::from_ordinal(next.0).bytes();
                *at = next;
                Ok(true)
            }
            Self::Long { shard, at } => {
                *at = at.wrapping_add(1);
                Ok(shard.long(*at).is_some())
            }
            Self::Run { decoder, path, n_left } => {
                let Some(left) = n_left.checked_sub(1) else {
                    return Ok(false);
                };
                *n_left = left;
                decoder.next().map_err(|fault| match fault {
                    Fault::Io(error) => io_error(path, &error),
                    Fault::Damaged(problem) => {
                        Error::format("spilled word counts", path.display().to_string(), problem)
                    }
                })?;
                Ok(true)
            }
        }
    }

    /// The word at hand and its count.
    fn word(&self) -> (&[u8], u64) {
        match self {
            Self::Short { at: (_, count), bytes, .. } => {
                let n_bytes = usize::from(bytes[15]);
                (bytes.get(..n_bytes).unwrap_or_default(), *count)
            }
            Self::Long { shard, at } => shard.long(*at).unwrap_or_default(),
            Self::Run { decoder, .. } => (decoder.word(), decoder.count()),
        }
    }
}

/// The first sixteen bytes of a word as a number, which decides nearly every comparison.
fn prefix(word: &[u8]) -> u128 {
    let mut bytes = [0; 16];
    let n = word.len().min(16);
    bytes[..n].copy_from_slice(&word[..n]);
    u128::from_be_bytes(bytes)
}

/// A heap of streams, the one with the least word on top.
struct Heap {
    streams: Vec<Stream>,
    /// The prefix of the word at hand, and the stream's index.
    order: Vec<(u128, usize)>,
}

impl Heap {
    fn new(streams: Vec<Stream>) -> Result<Self> {
        let mut heap = Self { streams: Vec::with_capacity(streams.len()), order: Vec::new() };
        for mut stream in streams {
            if stream.advance()? {
                heap.order.push((prefix(stream.word().0), heap.streams.len()));
                heap.streams.push(stream);
            }
        }
        for place in (0..heap.order.len() / 2).rev() {
            heap.sift_down(place);
        }
        Ok(heap)
    }

    fn top(&self) -> Option<(&[u8], u64)> {
        self.order.first().map(|&(_, index)| self.streams[index].word())
    }

    /// Takes the top word off.
    fn advance(&mut self) -> Result<()> {
        let Some(&(_, index)) = self.order.first() else {
            return Ok(());
        };
        if self.streams[index].advance()? {
            self.order[0].0 = prefix(self.streams[index].word().0);
        } else {
            self.order.swap_remove(0);
        }
        self.sift_down(0);
        Ok(())
    }

    fn sift_down(&mut self, mut place: usize) {
        loop {
            let (left, right) = (2 * place + 1, 2 * place + 2);
            let mut least = place;
            for child in [left, right] {
                if child < self.order.len() && self.compare(child, least) == Ordering::Less {
                    least = child;
                }
            }
            if least == place {
                return;
            }
            self.order.swap(place, least);
            place = least;
        }
    }

    fn compare(&self, a: usize, b: usize) -> Ordering {
        let ((a, left), (b, right)) = (self.order[a], self.order[b]);
        a.cmp(&b).then_with(|| self.streams[left].word().0.cmp(self.streams[right].word().0))
    }
}

/// Calls `each` with every word of `streams` once, sorted, and the sum of its counts, and `poll` now and then with how many words
/// were taken off streams since.
pub(super) fn merge(
    streams: Vec<Stream>,
    poll: impl Fn(u64) -> Result<()>,
    mut each: impl FnMut(&[u8], u64) -> Result<()>,
) -> Result<()> {
    let mut heap = Heap::new(streams)?;
    let (mut word, mut sum, mut n_taken) = (Vec::new(), 0_u64, 0_u64);
    while let Some((next, count)) = heap.top() {
        n_taken += 1;
        if n_taken.is_multiple_of(POLL_WORDS) {
            poll(POLL_WORDS)?;
        }
        if next == word {
            sum = sum.checked_add(count).ok_or_else(overflow)?;
        } else {
            if !word.is_empty() {
                each(&word, sum)?;
            }
            word.clear();
            word.extend_from_slice(next);
            sum = count;
        }
        heap.advance()?;
    }
    if !word.is_empty() {
        each(&word, sum)?;
    }
    poll(n_taken % POLL_WORDS)
}

pub(super) fn io_error(path: &Path, error: &std::io::Error) -> Error {
    Error::Io(IoError::new(path.display().to_string(), error))
}
