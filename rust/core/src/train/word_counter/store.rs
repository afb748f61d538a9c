//! [`Store`]: the shards of a counter, and the sorted runs on disk that they become when they outgrow their memory.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::PoisonError;

use super::merge::{Run, Stream, io_error, merge};
use super::outbox::{Hasher, Shards};
use super::table::{Shard, SortedShard};
use crate::error::Result;
use crate::parallel;
use crate::progress::Progress;
use crate::train::word_counts::coding::Encoder;

/// Runs that are merged at once; one more, and they become one.
const MAX_RUNS: usize = 64;
/// Bytes written to a run at a time.
const BUFFER_BYTES: usize = 1 << 16;
/// What of the memory the tables may take: sorting them takes about as much again, and growing a table half of it.
const TABLES_SHARE: usize = 3;

/// Where to and from when tables are spilled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spilling {
    /// Bytes that counting may take.
    pub max_memory: usize,
    /// A folder for the runs, which nobody else writes to. Who gives it removes it.
    pub folder: PathBuf,
}

/// See the module's head.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) hasher: Hasher,
    pub(super) shards: Shards,
    pub(super) spilling: Option<Spilling>,
    /// Tells the files of this store from those of others in the folder.
    name: &'static str,
    runs: Vec<Run>,
    n_files: u64,
    n_spilled_bytes: u64,
}

impl Store {
    pub(super) fn new(spilling: Option<Spilling>, name: &'static str) -> Self {
        Self {
            hasher: Hasher::new(),
            shards: Shards::default(),
            spilling,
            name,
            runs: Vec::new(),
            n_files: 0,
            n_spilled_bytes: 0,
        }
    }

    /// Bytes written to disk.
    pub(super) fn n_spilled_bytes(&self) -> u64 {
        self.n_spilled_bytes
    }

    /// How many words tables and runs have, one of both counted twice.
    pub(super) fn n_words(&mut self) -> u64 {
        let in_tables: usize = self.shards.iter_mut().map(|shard| of(shard).n_words()).sum();
        in_tables as u64 + self.runs.iter().map(|run| run.n_words).sum::<u64>()
    }

    /// Whether nothing is on disk.
    pub(super) fn is_in_memory(&self) -> bool {
        self.runs.is_empty()
    }

    /// Writes the tables to disk if they take more than their share of the memory.
    pub(super) fn spill_if_large(&mut self, progress: &Progress) -> Result<()> {
        let Some(spilling) = &self.spilling else {
            return Ok(());
        };
        let n_bytes: usize = self.shards.iter_mut().map(|shard| of(shard).n_bytes()).sum();
        if n_bytes <= spilling.max_memory / TABLES_SHARE || n_bytes == 0 {
            return Ok(());
        }
        let streams = self.sorted_shards(1, progress)?;
        let run = self.write_run(streams, progress)?;
        self.runs.push(run);
        if self.runs.len() > MAX_RUNS {
            self.merge_runs(progress)?;
        }
        Ok(())
    }

    fn merge_runs(&mut self, progress: &Progress) -> Result<()> {
        let old = std::mem::take(&mut self.runs);
        let streams = old.iter().map(Stream::of_run).collect::<Result<Vec<_>>>()?;
        let run = self.write_run(streams, progress)?;
        self.runs.push(run);
        for run in old {
            std::fs::remove_file(&run.path).map_err(|error| io_error(&run.path, &error))?;
        }
        Ok(())
    }

    fn write_run(&mut self, streams: Vec<Stream>, progress: &Progress) -> Result<Run> {
        let folder = self.spilling.as_ref().map(|spilling| &spilling.folder);
        let path = folder.map(|folder| folder.join(format!("{}-{}", self.name, self.n_files)));
        let path = path.unwrap_or_default();
        self.n_files += 1;
        let failed = |error: std::io::Error| io_error(&path, &error);
        let mut file = File::create_new(&path).map_err(failed)?;
        let mut encoder = Encoder::default();
        let mut buffer = Vec::with_capacity(BUFFER_BYTES * 2);
        let (mut n_words, mut n_bytes) = (0, 0);
        merge(
            streams,
            |_| progress.check(),
            |word, count| {
                encoder.write(word, count, &mut buffer);
                n_words += 1;
                if buffer.len() >= BUFFER_BYTES {
                    n_bytes += buffer.len() as u64;
                    file.write_all(&buffer).map_err(failed)?;
                    buffer.clear();
                }
                Ok(())
            },
        )?;
        n_bytes += buffer.len() as u64;
        file.write_all(&buffer).map_err(failed)?;
        self.n_spilled_bytes += n_bytes;
        Ok(Run { path, n_words })
    }

    /// The tables as streams; they are empty afterwards.
    fn sorted_shards(&mut self, n_threads: usize, progress: &Progress) -> Result<Vec<Stream>> {
        let shards = &self.shards;
        let sorted = parallel::map(&mut vec![(); n_threads], shards.len(), |(), i| {
            progress.check()?;
            Ok(shards[i].lock().unwrap_or_else(PoisonError::into_inner).take_sorted())
        })?;
        Ok(sorted.into_iter().flat_map(Stream::of_shard).collect())
    }

    /// All there is as streams.
    pub(super) fn into_streams(
        mut self,
        n_threads: usize,
        progress: &Progress,
    ) -> Result<Vec<Stream>> {
        let mut streams = self.sorted_shards(n_threads, progress)?;
        for run in &self.runs {
            streams.push(Stream::of_run(run)?);
        }
        Ok(streams)
    }

    /// Takes the words of one table out, in any order.
    pub(super) fn take_shard(&self, index: usize) -> SortedShard {
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn of(shard: &mut std::sync::Mutex<Shard>) -> &mut Shard {
    shard.get_mut().unwrap_or_else(PoisonError::into_inner)
}
