//! What can be said about how a file is read.

use std::path::Path;

/// What the bytes of a file mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentFormat {
    /// Plain text: one document, or several with a separator between them.
    Text,
    /// A JSON object a line, one of its fields being the text.
    JsonLines,
    /// A Parquet table; recognised here, read by `pyarrow`.
    Parquet,
}

impl DocumentFormat {
    /// The format that a file's name tells, a `.gz` or `.zst` at its end set aside; plain text when it tells none.
    pub fn of_path(path: &Path) -> Self {
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase());
        let name = name.unwrap_or_default();
        let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
        let ends_with = |suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix));
        if ends_with(&[".jsonl", ".ndjson", ".json-lines"]) {
            Self::JsonLines
        } else if ends_with(&[".parquet"]) {
            Self::Parquet
        } else {
            Self::Text
        }
    }
}

/// What to do with bytes that are not UTF-8, and with lone surrogates escaped in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InvalidBytes {
    /// Fail and say where.
    #[default]
    Refuse,
    /// Read U+FFFD in their place, one for each maximal invalid sequence (as Python's `errors="replace"`), and count.
    Replace,
}

/// How to read documents from a file.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// What the bytes mean; `None`: what the file's name tells.
    pub format: Option<DocumentFormat>,
    /// What stands between two documents of a text file and belongs to neither; `None`: the file is one document.
    pub separator: Option<String>,
    /// The field of a JSON object that holds the text.
    pub text_field: String,
    /// What to do with invalid bytes.
    pub invalid_bytes: InvalidBytes,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            format: None,
            separator: None,
            text_field: "text".to_owned(),
            invalid_bytes: InvalidBytes::Refuse,
        }
    }
}
