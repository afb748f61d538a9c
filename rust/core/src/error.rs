//! Every way a call can fail, as one enum; the bindings map each variant to one Python class.
//!
//! Messages name what, the rule and the value, in lower case. A panic is a bug of ours and has no variant.

use std::fmt;

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument is outside its documented range.
    #[error("{0}")]
    Config(String),
    /// Tokens, merges or scores contradict each other.
    #[error("{0}")]
    Vocab(String),
    /// A file cannot be read as the format it claims to be.
    #[error("{format}{}: {problem}", Place(.place))]
    Format {
        /// The file format, as users write it: `tokenizer.json`, `tiktoken`, `merges.txt`.
        format: &'static str,
        /// Where in the file: `line 12`, `model.vocab["a"]`; empty when the whole file is meant.
        place: String,
        /// The rule and the value that breaks it.
        problem: String,
    },
    /// A component, option or pattern that merganser does not reproduce exactly, and so refuses.
    #[error("{format}{}: {problem}", Place(.place))]
    Unsupported {
        /// The file format or `definition`.
        format: &'static str,
        /// Path of the component: `pre_tokenizer.type`.
        place: String,
        /// What is not supported.
        problem: String,
    },
    /// An id that the vocabulary does not hold.
    #[error(
        "token id {id} at position {position} is not in the vocabulary (vocab_size {vocab_size})"
    )]
    UnknownToken {
        /// The id.
        id: u32,
        /// Index in the sequence of ids.
        position: usize,
        /// One more than the largest id.
        vocab_size: usize,
    },
    /// Ordinary text contains the text of a special token.
    #[error(
        "text contains the special token {token:?} at byte {byte_offset}; pass on_special=\"encode\" to encode it as the special token, or on_special=\"text\" to treat it as ordinary text"
    )]
    DisallowedSpecial {
        /// The special token's text.
        token: String,
        /// Where it starts in the text.
        byte_offset: usize,
    },
    /// Text that the vocabulary has no token for.
    #[error("the vocabulary has no token for the text at byte {byte_offset}")]
    Unencodable {
        /// Where in the text.
        byte_offset: usize,
    },
    /// What went wrong in one text of a batch.
    #[error("text {index}: {error}")]
    InBatch {
        /// Index of the text in the batch.
        index: usize,
        /// What went wrong there.
        error: Box<Error>,
    },
    /// Bytes that should be UTF-8 text are not.
    #[error("invalid UTF-8 at byte {byte_offset}")]
    InvalidText {
        /// Offset of the first invalid byte.
        byte_offset: u64,
    },
    /// A file of documents holds bytes that are not UTF-8 text.
    #[error(
        "{place}: invalid UTF-8 at byte {byte_offset}; pass errors=\"replace\" to read U+FFFD instead"
    )]
    InvalidFileText {
        /// The file, and the line when it has lines: `a.jsonl, line 3`.
        place: String,
        /// Offset of the first invalid byte in the decompressed file.
        byte_offset: u64,
    },
    /// A regular expression needed more steps than allowed on this text.
    #[error("the pattern {pattern:?} exceeded its step limit near byte {byte_offset} of the text")]
    PatternLimit {
        /// The regular expression.
        pattern: String,
        /// Where in the pre-tokenized text.
        byte_offset: usize,
    },
    /// The normalizer or the pre-tokenizer made too long a text.
    #[error(
        "the {stage} makes more than {limit} bytes of a text of {n_bytes} bytes, which is the limit"
    )]
    GrowthLimit {
        /// What made it: normalizer or pre-tokenizer.
        stage: &'static str,
        /// The length of the text.
        n_bytes: usize,
        /// How long it may become.
        limit: usize,
    },
    /// Reading a document source failed.
    #[error("{0}")]
    Io(IoError),
    /// The caller asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// Something that cannot happen did: a bug in merganser.
    #[error("internal error: {0}; please report it")]
    Internal(String),
}

/// An operating system error, with the number that Python's `OSError` wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IoError {
    /// `errno`, when the system gave one.
    pub code: Option<i32>,
    /// The path, as the caller gave it.
    pub path: String,
    /// The system's words.
    pub problem: String,
}

impl IoError {
    /// The error of something done with a file that the caller knows as `path`.
    pub fn new(path: impl Into<String>, error: &std::io::Error) -> Self {
        // The system's words without the "(os error 2)" that Rust adds and Python repeats in its own way.
        let words = error.to_string();
        let problem = words.split(" (os error").next().unwrap_or(&words).to_owned();
        Self { code: error.raw_os_error(), path: path.into(), problem }
    }
}

impl fmt::Display for IoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.problem)
    }
}

impl Error {
    /// A [`Error::Format`] from its three parts.
    pub fn format(
        format: &'static str,
        place: impl Into<String>,
        problem: impl Into<String>,
    ) -> Self {
        Self::Format { format, place: place.into(), problem: problem.into() }
    }

    /// A [`Error::Unsupported`] from its three parts.
    pub fn unsupported(
        format: &'static str,
        place: impl Into<String>,
        problem: impl Into<String>,
    ) -> Self {
        Self::Unsupported { format, place: place.into(), problem: problem.into() }
    }
}

impl Error {
    /// This error with its offset into a text, if it has one, put through `place_of`.
    #[must_use]
    pub fn map_offset(mut self, place_of: impl FnOnce(usize) -> usize) -> Self {
        match &mut self {
            Self::Unencodable { byte_offset }
            | Self::PatternLimit { byte_offset, .. }
            | Self::DisallowedSpecial { byte_offset, .. } => {
                *byte_offset = place_of(*byte_offset);
            }
            _ => {}
        }
        self
    }

    /// This error with offsets into a text moved by `n_bytes`: from a part of a text to the text.
    #[must_use]
    pub fn moved_by(self, n_bytes: usize) -> Self {
        self.map_offset(|offset| offset.saturating_add(n_bytes))
    }

    /// This error as one of text `index` of a batch.
    #[must_use]
    pub fn in_batch(self, index: usize) -> Self {
        match self {
            Self::Interrupted | Self::Internal(_) => self,
            error => Self::InBatch { index, error: Box::new(error) },
        }
    }
}

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

struct Place<'a>(&'a str);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " {}", self.0) }
    }
}
