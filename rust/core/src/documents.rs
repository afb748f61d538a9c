//! Documents from files, in memory bounded by a batch and the longest document, whatever the file's size.
//!
//! A file is a stream of bytes (`source` opens and decompresses it). A *framing* cuts the stream into records: the
//! whole file, the pieces between separators, or lines. A record becomes a document as it stands or through its JSON
//! text field (`jsonl`). [`DocumentReader::next_batch`] fills a [`DocumentBatch`]: one string and the end of each
//! document in it, so that counting and encoding take documents without an allocation each.
//!
//! Invariant: where chunks of the stream begin and end never shows in the documents.

mod batch;
mod jsonl;
mod options;
mod source;
mod text;

use std::io::Read;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::Ordering;

use memchr::memmem::Finder;

use crate::error::{Error, Result};
use source::Source;

pub use batch::DocumentBatch;
pub use options::{DocumentFormat, InvalidBytes, ReadOptions};

/// Bytes asked of the source at first; doubled up to [`MAX_CHUNK_BYTES`], so that a million small files stay cheap.
const MIN_CHUNK_BYTES: usize = 64 << 10;
/// Bytes asked of the source at a time once a file proves long; also how often a caller is asked whether to stop.
const MAX_CHUNK_BYTES: usize = 1 << 20;

/// Reads the documents of one file, or of standard input, batch by batch.
///
/// ```
/// use merganser_core::documents::{DocumentBatch, DocumentReader, ReadOptions};
/// let path = std::env::temp_dir().join("merganser_document_reader.txt");
/// std::fs::write(&path, "one\n--\ntwo\n--\n")?;
/// let options = ReadOptions { separator: Some("\n--\n".to_owned()), ..ReadOptions::default() };
/// let mut reader = DocumentReader::open(&path, &options)?;
/// let mut batch = DocumentBatch::default();
/// assert!(reader.next_batch(1 << 20, &mut batch)?);
/// assert_eq!(batch.iter().collect::<Vec<_>>(), ["one", "two"]);
/// assert!(!reader.next_batch(1 << 20, &mut batch)?);
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct DocumentReader {
    source: Source,
    content: Content,
    /// What ends a record; `None`: only the end of the file does.
    delimiter: Option<Finder<'static>>,
    invalid_bytes: InvalidBytes,
    /// Bytes read: those before `start` belong to documents given out, those before `scanned` begin no delimiter.
    pending: Vec<u8>,
    start: usize,
    scanned: usize,
    chunk_bytes: usize,
    is_at_end: bool,
    is_finished: bool,
    /// Offset of `pending[start]` in the decompressed file.
    byte_offset: u64,
    n_records: u64,
    n_documents: u64,
    n_replaced: u64,
    failure: Option<Error>,
}

/// How a record becomes a document.
#[derive(Debug)]
enum Content {
    Text,
    JsonField(String),
}

impl DocumentReader {
    /// Opens a file; `.gz` and `.zst` names are decompressed.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the file cannot be opened; [`Error::Format`] when it is empty though its name says it is
    /// compressed; [`Error::Config`] for an empty separator, or a separator given for JSON lines;
    /// [`Error::Unsupported`] for Parquet, which this crate does not read.
    pub fn open(path: &Path, options: &ReadOptions) -> Result<Self> {
        let format = options.format.unwrap_or_else(|| DocumentFormat::of_path(path));
        Self::with_source(format, options, || Source::open(path))
    }

    /// Reads standard input, plain text unless the options say otherwise; never decompressed.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] and [`Error::Unsupported`] as [`Self::open`].
    pub fn stdin(options: &ReadOptions) -> Result<Self> {
        Self::from_read(Box::new(std::io::stdin()), "<stdin>", options)
    }

    /// Reads bytes from anywhere, plain text unless the options say otherwise; errors call the source `name`.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] and [`Error::Unsupported`] as [`Self::open`].
    pub fn from_read(
        reader: Box<dyn Read + Send>,
        name: &str,
        options: &ReadOptions,
    ) -> Result<Self> {
        let format = options.format.unwrap_or(DocumentFormat::Text);
        Self::with_source(format, options, || Ok(Source::new(reader, name)))
    }

    fn with_source(
        format: DocumentFormat,
        options: &ReadOptions,
        open: impl FnOnce() -> Result<Source>,
    ) -> Result<Self> {
        let (content, delimiter) = framing(format, options)?;
        Ok(Self {
            source: open()?,
            content,
            delimiter,
            invalid_bytes: options.invalid_bytes,
            pending: Vec::new(),
            start: 0,
            scanned: 0,
            chunk_bytes: MIN_CHUNK_BYTES,
            is_at_end: false,
            is_finished: false,
            byte_offset: 0,
            n_records: 0,
            n_documents: 0,
            n_replaced: 0,
            failure: None,
        })
    }

    /// Replaces what is in `batch` by the next documents; `false` when there are none left.
    ///
    /// The batch is complete with the document that makes it reach `max_bytes` (each counts 64 bytes beyond its text).
    ///
    /// # Errors
    ///
    /// [`Error::Io`], [`Error::Format`] for damaged compression and JSON, [`Error::InvalidFileText`] for bytes that are
    /// not UTF-8. Documents before the bad one are given out first; after an error each further call repeats it.
    pub fn next_batch(&mut self, max_bytes: usize, batch: &mut DocumentBatch) -> Result<bool> {
        self.next_batch_or_stop(max_bytes, batch, &mut || false)
    }

    /// [`Self::next_batch`], asking `should_stop` after each mebibyte and whenever a signal breaks off a read.
    ///
    /// # Errors
    ///
    /// Those of [`Self::next_batch`], and [`Error::Interrupted`] when `should_stop` says yes; the documents of `batch`
    /// are then lost, later ones are not.
    pub fn next_batch_or_stop(
        &mut self,
        max_bytes: usize,
        batch: &mut DocumentBatch,
        should_stop: &mut dyn FnMut() -> bool,
    ) -> Result<bool> {
        batch.clear();
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        loop {
            match self.read_document(batch, should_stop) {
                Ok(true) if batch.weight() < max_bytes => {}
                Ok(true) => return Ok(true),
                Ok(false) => return Ok(!batch.is_empty()),
                Err(Error::Interrupted) => return Err(Error::Interrupted),
                Err(failure) => {
                    self.failure = Some(failure.clone());
                    return if batch.is_empty() { Err(failure) } else { Ok(true) };
                }
            }
        }
    }

    /// Whether the file is one document, which [`Self::fill_piece`] can give out piece by piece.
    pub fn is_whole(&self) -> bool {
        self.delimiter.is_none()
    }

    /// Reads on in a file that is one document, until `min_bytes` more than were used are there, or all: for who takes a
    /// document in pieces, and so need not hold it whole. `n_used` bytes of the last piece are done with; if that is none of
    /// it, the next one has twice as many. Returns whether the piece is the last; `None`: that one was given out.
    ///
    /// # Errors
    /// As [`Self::next_batch_or_stop`].
    pub fn fill_piece(
        &mut self,
        n_used: usize,
        min_bytes: usize,
        should_stop: &mut dyn FnMut() -> bool,
    ) -> Result<Option<bool>> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        if self.is_finished {
            return Ok(None);
        }
        let n_used = n_used.min(self.scanned);
        self.pending.drain(..n_used);
        self.scanned -= n_used;
        self.byte_offset += n_used as u64;
        let least = if n_used == 0 { min_bytes.max(self.pending.len() * 2) } else { min_bytes };
        while !self.is_at_end && self.pending.len() < least {
            self.read_chunk(should_stop)?;
        }
        self.validate_pending().inspect_err(|failure| self.failure = Some(failure.clone()))?;
        self.is_finished = self.is_at_end;
        self.n_documents += u64::from(self.is_at_end);
        Ok(Some(self.is_at_end))
    }

    /// The text that [`Self::fill_piece`] has read.
    pub fn piece(&self) -> &str {
        let valid = self.pending.get(..self.scanned).unwrap_or_default();
        std::str::from_utf8(valid).unwrap_or_default()
    }

    /// Makes text of what is read, up to a character that is not there in full.
    fn validate_pending(&mut self) -> Result<()> {
        let new = self.pending.get(self.scanned..).unwrap_or_default();
        let Err(error) = std::str::from_utf8(new) else {
            self.scanned = self.pending.len();
            return Ok(());
        };
        // At most three bytes can be the start of a character.
        let is_cut = |n: &usize| {
            let tail = new.get(new.len() - n..).unwrap_or_default();
            let whole = std::str::from_utf8(tail);
            whole.is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
        };
        let n_cut = if self.is_at_end { None } else { (1..=new.len().min(3)).find(is_cut) };
        let n_whole = new.len() - n_cut.unwrap_or(0);
        let position = self.scanned + error.valid_up_to();
        if error.valid_up_to() < n_whole {
            if self.invalid_bytes == InvalidBytes::Refuse {
                return Err(Error::InvalidFileText {
                    place: self.source.name().to_owned(),
                    byte_offset: self.byte_offset + position as u64,
                });
            }
            let tail = self.pending.split_off(self.scanned + n_whole);
            let new = self.pending.split_off(self.scanned);
            if let Ok((text, n_replaced)) = text::into_string(new, InvalidBytes::Replace) {
                self.pending.extend_from_slice(text.as_bytes());
                self.n_replaced += n_replaced;
            }
            self.scanned = self.pending.len();
            self.pending.extend_from_slice(&tail);
        } else {
            self.scanned += n_whole;
        }
        Ok(())
    }

    /// How many documents were given out.
    pub fn n_documents(&self) -> u64 {
        self.n_documents
    }

    /// How many invalid sequences were read as U+FFFD.
    pub fn n_replaced(&self) -> u64 {
        self.n_replaced
    }

    /// How many bytes of the file itself, before decompression, were read.
    pub fn n_bytes_read(&self) -> u64 {
        self.source.n_bytes_read().load(Ordering::Relaxed)
    }

    /// Adds the next document to `batch`; `false` when there is none.
    fn read_document(
        &mut self,
        batch: &mut DocumentBatch,
        should_stop: &mut dyn FnMut() -> bool,
    ) -> Result<bool> {
        while let Some(record) = self.find_record(should_stop)? {
            let n_documents = batch.len();
            self.n_records += 1;
            if self.delimiter.is_none() {
                self.push_whole(batch)?;
            } else {
                self.push_record(&record, batch)?;
            }
            if batch.len() > n_documents {
                self.n_documents += 1;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Where in `pending` the next record lies, without its delimiter; `None` after the last.
    fn find_record(
        &mut self,
        should_stop: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Range<usize>>> {
        loop {
            if let Some(delimiter) = &self.delimiter {
                let unseen = self.pending.get(self.scanned..).unwrap_or_default();
                if let Some(position) = delimiter.find(unseen) {
                    let end = self.scanned + position;
                    return Ok(Some(self.start..end));
                }
                // A delimiter may have begun in the last bytes.
                let n_kept = delimiter.needle().len() - 1;
                self.scanned = self.pending.len().saturating_sub(n_kept).max(self.scanned);
            }
            if self.is_at_end {
                let is_last = !self.is_finished
                    && (self.delimiter.is_none() || self.start < self.pending.len());
                self.is_finished = true;
                return Ok(is_last.then_some(self.start..self.pending.len()));
            }
            self.read_chunk(should_stop)?;
        }
    }

    fn read_chunk(&mut self, should_stop: &mut dyn FnMut() -> bool) -> Result<()> {
        self.pending.drain(..self.start);
        self.scanned -= self.start;
        self.start = 0;
        let n_before = self.pending.len();
        self.pending.resize(n_before + self.chunk_bytes, 0);
        let space = self.pending.get_mut(n_before..).unwrap_or_default();
        let outcome = self.source.read(space);
        let n_read = if let Ok(Some(n_read)) = outcome { n_read } else { 0 };
        self.pending.truncate(n_before + n_read);
        self.is_at_end = outcome? == Some(0);
        self.chunk_bytes = (self.chunk_bytes * 2).min(MAX_CHUNK_BYTES);
        if should_stop() { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// The whole file as one document, moved rather than copied: it may be most of the memory there is.
    fn push_whole(&mut self, batch: &mut DocumentBatch) -> Result<()> {
        let bytes = std::mem::take(&mut self.pending);
        let (document, n_replaced) =
            text::into_string(bytes, self.invalid_bytes).map_err(|position| {
                Error::InvalidFileText {
                    place: self.source.name().to_owned(),
                    byte_offset: position as u64,
                }
            })?;
        self.n_replaced += n_replaced;
        batch.push_owned(document);
        Ok(())
    }

    /// One record as a document; a blank line of JSON lines is none.
    fn push_record(&mut self, record: &Range<usize>, batch: &mut DocumentBatch) -> Result<()> {
        let byte_offset = self.byte_offset;
        let n_delimiter = self.delimiter.as_ref().map_or(0, |delimiter| delimiter.needle().len());
        self.start = (record.end + n_delimiter).min(self.pending.len());
        self.scanned = self.start;
        self.byte_offset += (self.start - record.start) as u64;
        let bytes = self.pending.get(record.clone()).unwrap_or_default();
        let place = || match self.content {
            Content::Text => self.source.name().to_owned(),
            Content::JsonField(_) => format!("{}, line {}", self.source.name(), self.n_records),
        };
        let (record, n_replaced) = text::to_str(bytes, self.invalid_bytes).map_err(|position| {
            Error::InvalidFileText { place: place(), byte_offset: byte_offset + position as u64 }
        })?;
        self.n_replaced += n_replaced;
        let Content::JsonField(field) = &self.content else {
            batch.push(&record);
            return Ok(());
        };
        // A byte order mark may open the file; it is no part of JSON.
        let is_first = self.n_records == 1;
        let line = if is_first { record.strip_prefix('\u{feff}') } else { None };
        let line = line.unwrap_or(&record);
        if jsonl::is_blank(line) {
            return Ok(());
        }
        let n_skipped = (record.len() - line.len()) as u64;
        match jsonl::text_of(line, field, self.invalid_bytes) {
            Ok((document, n_replaced)) => {
                self.n_replaced += n_replaced;
                batch.push(&document);
                Ok(())
            }
            Err(problem) => Err(Error::format(
                "JSON lines file",
                format!("{}, byte {}", place(), byte_offset + n_skipped + problem.position),
                problem.message,
            )),
        }
    }
}

/// What makes records of a format, and what makes a document of a record.
fn framing(
    format: DocumentFormat,
    options: &ReadOptions,
) -> Result<(Content, Option<Finder<'static>>)> {
    match (format, &options.separator) {
        (DocumentFormat::Text, None) => Ok((Content::Text, None)),
        (DocumentFormat::Text, Some(separator)) if separator.is_empty() => {
            Err(Error::Config("separator must not be empty".to_owned()))
        }
        (DocumentFormat::Text, Some(separator)) => {
            Ok((Content::Text, Some(Finder::new(separator).into_owned())))
        }
        (DocumentFormat::JsonLines, _) => Ok((
            Content::JsonField(options.text_field.clone()),
            Some(Finder::new(b"\n").into_owned()),
        )),
        (DocumentFormat::Parquet, _) => Err(Error::unsupported(
            "documents",
            "format",
            "Parquet is read through pyarrow, by merganser.read",
        )),
    }
}

#[cfg(test)]
mod tests;
