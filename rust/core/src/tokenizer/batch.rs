//! Many texts at once, over threads.
//!
//! Texts are cut into units: a short text is one unit; a long one is cut at added tokens and, where the pre-tokenizer is
//! compiled, at places that are boundaries whatever stands around them. Units are encoded in any order and put together in
//! theirs, so the result does not depend on the number of threads.

use std::ops::Range;

use super::scratch::Scratch;
use super::{EncodeOptions, EncodePart, PreTokenizing, Tokenizer};
use crate::compiled::splitter::Scheme;
use crate::error::{Error, Result};
use crate::parallel;
use crate::progress::{Phase, Progress};

/// A text longer than this is cut, and this much text is handed to a thread at once.
const TASK_BYTES: usize = 1 << 18;

/// The ids of many texts, one after the other.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// All ids.
    pub ids: Vec<u32>,
    /// How many each text has.
    pub lengths: Vec<usize>,
}

/// What one thread does without a break.
enum Task {
    /// Whole texts.
    Texts(Range<usize>),
    /// Ids that need no work: special and added tokens inside a long text.
    Ids(Vec<u32>),
    /// A stretch of the part `part` of text `index`.
    Piece {
        index: usize,
        part: Range<usize>,
        stretch: Range<usize>,
    },
    /// The long text whose ids came before is complete.
    EndOfText,
}

impl Tokenizer {
    /// The ids of each of `texts`. `n_threads` of `None`: as many as the machine gives.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`], of the first text that has one, inside [`crate::Error::InBatch`].
    pub fn encode_batch(
        &self,
        texts: &[&str],
        options: EncodeOptions,
        n_threads: Option<usize>,
        progress: &Progress,
    ) -> Result<Batch> {
        let n_bytes: usize = texts.iter().map(|text| text.len()).sum();
        progress.begin(Phase::Encode, n_bytes as u64);
        let n_threads = parallel::n_threads(n_threads).min(n_bytes / TASK_BYTES + 1);
        let tasks = match n_threads {
            1 => vec![Task::Texts(0..texts.len())],
            _ => self.tasks(texts, options)?,
        };
        let done = parallel::map(
            tasks.len(),
            n_threads,
            || self.scratch.take(),
            |scratch, i| self.run(&tasks[i], texts, options, progress, scratch),
        )?;
        Ok(put_together(&tasks, done))
    }

    /// The ids of one text, worked on by several threads where it is long.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_with_threads(
        &self,
        text: &str,
        options: EncodeOptions,
        n_threads: Option<usize>,
        progress: &Progress,
    ) -> Result<Vec<u32>> {
        if n_threads == Some(1) || text.len() <= TASK_BYTES {
            progress.begin(Phase::Encode, text.len() as u64);
            return self.encode(text, options, progress);
        }
        match self.encode_batch(&[text], options, n_threads, progress) {
            Ok(batch) => Ok(batch.ids),
            Err(Error::InBatch { error, .. }) => Err(*error),
            Err(error) => Err(error),
        }
    }

    fn tasks(&self, texts: &[&str], options: EncodeOptions) -> Result<Vec<Task>> {
        let scheme = match &self.pre_tokenizer {
            PreTokenizing::Compiled(compiled) if self.normalizer.is_none() => Some(compiled.scheme),
            _ => None,
        };
        let mut tasks = Vec::new();
        let (mut first, mut n_bytes) = (0, 0);
        for (index, text) in texts.iter().enumerate() {
            let scheme = scheme.filter(|_| text.len() > TASK_BYTES);
            if let Some(scheme) = scheme {
                tasks.push(Task::Texts(first..index));
                self.cut(text, index, scheme, options, &mut tasks)
                    .map_err(|error| error.in_batch(index))?;
                (first, n_bytes) = (index + 1, 0);
                continue;
            }
            n_bytes += text.len();
            if n_bytes >= TASK_BYTES {
                tasks.push(Task::Texts(first..index + 1));
                (first, n_bytes) = (index + 1, 0);
            }
        }
        tasks.push(Task::Texts(first..texts.len()));
        Ok(tasks)
    }

    /// Cuts a long text that no normalizer changes.
    fn cut(
        &self,
        text: &str,
        index: usize,
        scheme: Scheme,
        options: EncodeOptions,
        tasks: &mut Vec<Task>,
    ) -> Result<()> {
        let (before, after) = if options.add_special_tokens {
            self.around.clone()
        } else {
            Default::default()
        };
        tasks.push(Task::Ids(before));
        self.for_each_part(text, options.on_special, |part, base| {
            match part {
                EncodePart::Token(id) => tasks.push(Task::Ids(vec![id])),
                EncodePart::Text(part) => {
                    let mut start = 0;
                    while start < part.len() {
                        let end = scheme.safe_cut(part, start + TASK_BYTES);
                        let part = base..base + part.len();
                        tasks.push(Task::Piece {
                            index,
                            part,
                            stretch: start..end,
                        });
                        start = end;
                    }
                }
            }
            Ok(())
        })?;
        tasks.extend([Task::Ids(after), Task::EndOfText]);
        Ok(())
    }

    fn run(
        &self,
        task: &Task,
        texts: &[&str],
        options: EncodeOptions,
        progress: &Progress,
        scratch: &mut Scratch,
    ) -> Result<Batch> {
        let mut batch = Batch::default();
        match task {
            Task::Texts(range) => {
                let n_bytes: usize = texts[range.clone()].iter().map(|text| text.len()).sum();
                batch.ids.reserve(n_bytes / 4 + range.len());
                for index in range.clone() {
                    let first = batch.ids.len();
                    self.encode_into(texts[index], options, progress, scratch, &mut batch.ids)
                        .map_err(|error| error.in_batch(index))?;
                    batch.lengths.push(batch.ids.len() - first);
                }
            }
            Task::Piece {
                index,
                part,
                stretch,
            } => {
                batch.ids.reserve(stretch.len() / 4);
                let base = part.start;
                let part = texts[*index].get(part.clone()).unwrap_or_default();
                self.encode_part(part, stretch.clone(), progress, scratch, &mut batch.ids)
                    .map_err(|error| error.moved_by(base).in_batch(*index))?;
            }
            Task::Ids(_) | Task::EndOfText => {}
        }
        Ok(batch)
    }
}

fn put_together(tasks: &[Task], mut done: Vec<Batch>) -> Batch {
    if let ([Task::Texts(_)], [batch]) = (tasks, &mut done[..]) {
        return std::mem::take(batch);
    }
    let mut whole = Batch::default();
    whole
        .ids
        .reserve_exact(done.iter().map(|batch| batch.ids.len()).sum());
    let mut n_open = 0;
    for (task, batch) in tasks.iter().zip(done) {
        let ids = match task {
            Task::Ids(ids) => ids,
            _ => &batch.ids,
        };
        whole.ids.extend_from_slice(ids);
        match task {
            Task::Texts(_) => whole.lengths.extend(batch.lengths),
            Task::Ids(_) | Task::Piece { .. } => n_open += ids.len(),
            Task::EndOfText => whole.lengths.push(std::mem::take(&mut n_open)),
        }
    }
    whole
}
