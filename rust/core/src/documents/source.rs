//! [`Source`]: the bytes of a file, decompressed as its name says.
//!
//! A compressed file that ends before its data does is an error. Both formats allow several members (frames) one after
//! the other, as `cat a.gz b.gz` makes them, and all are read.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, IoError, Result};

const BUFFER_BYTES: usize = 128 << 10;
/// Files made by `zstd --long=31` need this window; its memory is touched only as the data fills it.
const MAX_ZSTD_WINDOW_LOG: u32 = 31;

/// A named stream of bytes that maps its errors.
pub(super) struct Source {
    reader: Box<dyn Read + Send>,
    name: String,
    /// How errors call the compression; empty when there is none.
    compression: &'static str,
    n_bytes_read: Arc<AtomicU64>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Source {
    /// Opens a file and puts the decompressor before it that its name asks for.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| io_error(&name, &error))?;
        let n_bytes_read = Arc::new(AtomicU64::new(0));
        let file = Counted { reader: file, n_bytes_read: Arc::clone(&n_bytes_read) };
        let extension =
            path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        let compression = match extension.as_deref() {
            Some("gz") => "gzip file",
            Some("zst") => "zstd file",
            _ => "",
        };
        if compression.is_empty() {
            return Ok(Self { reader: Box::new(file), name, compression: "", n_bytes_read });
        }
        let mut file = BufReader::with_capacity(BUFFER_BYTES, file);
        if file.fill_buf().map_err(|error| io_error(&name, &error))?.is_empty() {
            return Err(Error::format(compression, name, "is empty"));
        }
        let reader: Box<dyn Read + Send> = if compression == "gzip file" {
            Box::new(MultiGzDecoder::new(file))
        } else {
            let decoder = zstd::stream::read::Decoder::with_buffer(file).and_then(|mut decoder| {
                decoder.window_log_max(MAX_ZSTD_WINDOW_LOG)?;
                Ok(decoder)
            });
            Box::new(decoder.map_err(|error| io_error(&name, &error))?)
        };
        Ok(Self { reader, name, compression, n_bytes_read })
    }

    /// A stream that is not a file.
    pub(super) fn new(reader: Box<dyn Read + Send>, name: &str) -> Self {
        let n_bytes_read = Arc::new(AtomicU64::new(0));
        let reader = Box::new(Counted { reader, n_bytes_read: Arc::clone(&n_bytes_read) });
        Self { reader, name: name.to_owned(), compression: "", n_bytes_read }
    }

    /// The path, as errors show it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Bytes read before decompression.
    pub(super) fn n_bytes_read(&self) -> &Arc<AtomicU64> {
        &self.n_bytes_read
    }

    /// Reads some bytes: `Some(0)` at the end, `None` when a signal came first.
    pub(super) fn read(&mut self, space: &mut [u8]) -> Result<Option<usize>> {
        match self.reader.read(space) {
            Ok(n_read) => Ok(Some(n_read)),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(None),
            Err(error) if error.raw_os_error().is_none() && !self.compression.is_empty() => {
                let problem = if error.kind() == ErrorKind::UnexpectedEof {
                    "ends before its data does: it is truncated".to_owned()
                } else {
                    format!("is damaged: {error}")
                };
                Err(Error::format(self.compression, self.name.clone(), problem))
            }
            Err(error) => Err(io_error(&self.name, &error)),
        }
    }
}

fn io_error(name: &str, error: &io::Error) -> Error {
    Error::Io(IoError::new(name, error))
}

struct Counted<R> {
    reader: R,
    n_bytes_read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let n_read = self.reader.read(space)?;
        self.n_bytes_read.fetch_add(n_read as u64, Ordering::Relaxed);
        Ok(n_read)
    }
}
