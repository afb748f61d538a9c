//! Sorted words and counts as bytes: what a file of word counts and a spilled run are made of.
//!
//! Of each word stand how many bytes it shares with the one before, the rest of it, and its count; numbers are LEB128. A
//! word shares at most [`MAX_SHARED`] bytes, so that what is read is never more than a bounded multiple of the file.

use std::io::{self, BufRead};

/// The most bytes that a word takes over from the one before.
pub(crate) const MAX_SHARED: usize = 255;
/// Bytes of an entry that a reader takes at a time, however long it claims to be.
const MAX_STEP: usize = 1 << 16;

/// Writes entries, each word greater than the one before.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    last: Vec<u8>,
}

impl Encoder {
    /// Writes one entry to the end of `out`.
    pub(crate) fn write(&mut self, word: &[u8], count: u64, out: &mut Vec<u8>) {
        let pairs = self.last.iter().zip(word).take(MAX_SHARED);
        let n_shared = pairs.take_while(|(a, b)| a == b).count();
        let rest = word.get(n_shared..).unwrap_or_default();
        write_number(n_shared as u64, out);
        write_number(rest.len() as u64, out);
        out.extend_from_slice(rest);
        write_number(count, out);
        self.last.truncate(n_shared);
        self.last.extend_from_slice(rest);
    }
}

/// Why an entry cannot be read.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The source failed, or ended inside an entry.
    Io(io::Error),
    /// What stands there is no entry.
    Damaged(&'static str),
}

/// Reads entries.
#[derive(Debug)]
pub(crate) struct Decoder<R> {
    source: R,
    word: Vec<u8>,
    count: u64,
}

impl<R: BufRead> Decoder<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { source, word: Vec::new(), count: 0 }
    }

    /// The word of the entry read last.
    pub(crate) fn word(&self) -> &[u8] {
        &self.word
    }

    /// Its count.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// What is left to read.
    pub(crate) fn into_source(self) -> R {
        self.source
    }

    /// Reads the next entry, whose count must not be zero.
    pub(crate) fn next(&mut self) -> Result<(), Fault> {
        let n_shared = self.number()?;
        let n_shared = usize::try_from(n_shared).unwrap_or(usize::MAX);
        if n_shared > self.word.len().min(MAX_SHARED) {
            return Err(Fault::Damaged("a word shares more than there is"));
        }
        let mut n_left = self.number()?;
        self.word.truncate(n_shared);
        while n_left > 0 {
            let bytes = self.source.fill_buf().map_err(Fault::Io)?;
            let n = usize::try_from(n_left).unwrap_or(usize::MAX).min(bytes.len()).min(MAX_STEP);
            if n == 0 {
                return Err(ended());
            }
            self.word.extend_from_slice(bytes.get(..n).unwrap_or_default());
            self.source.consume(n);
            n_left -= n as u64;
        }
        self.count = self.number()?;
        if self.count == 0 { Err(Fault::Damaged("a count is zero")) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<u64, Fault> {
        let mut number = 0_u64;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = *self.source.fill_buf().map_err(Fault::Io)?.first().ok_or_else(ended)?;
            self.source.consume(1);
            let bits = u64::from(byte & 0x7F);
            if bits << shift >> shift != bits {
                break;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Fault::Damaged("a number exceeds 64 bits"))
    }
}

fn ended() -> Fault {
    Fault::Io(io::ErrorKind::UnexpectedEof.into())
}

fn write_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(u8::try_from(number & 0x7F).unwrap_or_default() | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap_or_default());
}
