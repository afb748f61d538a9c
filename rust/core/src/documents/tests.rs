//! Documents against a slow reading of the whole file, and every fault against its message.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;

/// Gives at most `steps[i]` bytes on the i-th read, and a signal where the step is zero.
struct Stuttering {
    bytes: io::Cursor<Vec<u8>>,
    steps: Vec<usize>,
    n_reads: usize,
}

impl Read for Stuttering {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let step = self.steps[self.n_reads % self.steps.len()];
        self.n_reads += 1;
        if step == 0 && self.n_reads % 2 == 1 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let n_bytes = step.max(1).min(space.len());
        self.bytes.read(&mut space[..n_bytes])
    }
}

fn text(separator: Option<&str>) -> ReadOptions {
    ReadOptions { separator: separator.map(str::to_owned), ..ReadOptions::default() }
}

fn json_lines() -> ReadOptions {
    ReadOptions { format: Some(DocumentFormat::JsonLines), ..ReadOptions::default() }
}

fn replacing(options: ReadOptions) -> ReadOptions {
    ReadOptions { invalid_bytes: InvalidBytes::Replace, ..options }
}

fn read_all(reader: &mut DocumentReader, max_bytes: usize) -> Result<Vec<String>> {
    let mut batch = DocumentBatch::default();
    let mut documents = Vec::new();
    while reader.next_batch(max_bytes, &mut batch)? {
        documents.extend(batch.iter().map(str::to_owned));
    }
    Ok(documents)
}

fn read(bytes: &[u8], options: &ReadOptions) -> Result<Vec<String>> {
    let reader = Box::new(io::Cursor::new(bytes.to_vec()));
    read_all(&mut DocumentReader::from_read(reader, "a.txt", options)?, 1 << 20)
}

fn message(bytes: &[u8], options: &ReadOptions) -> String {
    read(bytes, options).unwrap_err().to_string()
}

/// A file of its own in the temporary folder, removed at the end.
struct TemporaryFile(PathBuf);

impl TemporaryFile {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("merganser-{}-{name}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        Self(path)
    }

    fn read(&self, options: &ReadOptions) -> Result<Vec<String>> {
        read_all(&mut DocumentReader::open(&self.0, options)?, 1 << 20)
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Splits as Python's `text.split(separator)` does, without an empty last piece.
fn naive_split(text: &str, separator: &str) -> Vec<String> {
    let mut pieces: Vec<String> = text.split(separator).map(str::to_owned).collect();
    if pieces.last().is_some_and(String::is_empty) {
        pieces.pop();
    }
    pieces
}

proptest! {
    #[test]
    fn split_matches_naive(
        content in "[ab\\-\né😀]{0,60}",
        separator in "[a\\-]{1,3}",
        steps in prop::collection::vec(0_usize..5, 1..6),
        max_bytes in 1_usize..300,
    ) {
        let bytes = io::Cursor::new(content.clone().into_bytes());
        let source = Box::new(Stuttering { bytes, steps, n_reads: 0 });
        let mut reader = DocumentReader::from_read(source, "a", &text(Some(&separator))).unwrap();
        let documents = read_all(&mut reader, max_bytes).unwrap();
        prop_assert_eq!(documents, naive_split(&content, &separator));
    }

    #[test]
    fn whole_file_matches_its_bytes(
        content in prop::collection::vec(any::<u8>(), 0..200),
        steps in prop::collection::vec(0_usize..50, 1..6),
    ) {
        let bytes = io::Cursor::new(content.clone());
        let source = Box::new(Stuttering { bytes, steps, n_reads: 0 });
        let mut reader = DocumentReader::from_read(source, "a", &replacing(text(None))).unwrap();
        let documents = read_all(&mut reader, 1).unwrap();
        prop_assert_eq!(documents, [String::from_utf8_lossy(&content).into_owned()]);
    }

    #[test]
    fn json_lines_match_what_was_written(
        documents in prop::collection::vec("\\PC{0,20}|[\n\r\t\"\\\\é]{0,5}", 0..8),
        steps in prop::collection::vec(0_usize..9, 1..6),
        max_bytes in 1_usize..400,
    ) {
        let lines: String = documents
            .iter()
            .map(|document| serde_json::json!({"id": 1, "text": document, "x": [{}]}).to_string() + "\n")
            .collect();
        let source = Box::new(Stuttering { bytes: io::Cursor::new(lines.into_bytes()), steps, n_reads: 0 });
        let mut reader = DocumentReader::from_read(source, "a", &json_lines()).unwrap();
        prop_assert_eq!(read_all(&mut reader, max_bytes).unwrap(), documents);
    }

    #[test]
    fn any_bytes_as_json_lines_give_documents_or_an_error(
        content in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let _ = read(&content, &json_lines());
        let _ = read(&content, &replacing(json_lines()));
    }
}

#[test]
fn formats_follow_names() {
    let of = |name: &str| DocumentFormat::of_path(Path::new(name));
    assert_eq!(of("x/a.JSONL"), DocumentFormat::JsonLines);
    assert_eq!(of("a.ndjson.gz"), DocumentFormat::JsonLines);
    assert_eq!(of("a.json-lines.zst"), DocumentFormat::JsonLines);
    assert_eq!(of("a.parquet"), DocumentFormat::Parquet);
    assert_eq!(of("a.jsonl/readme.md"), DocumentFormat::Text);
    assert_eq!(of("a.txt.gz"), DocumentFormat::Text);
}

#[test]
fn an_empty_file_is_an_empty_document_unless_it_is_split() {
    assert_eq!(read(b"", &text(None)).unwrap(), [""]);
    assert!(read(b"", &text(Some("\n"))).unwrap().is_empty());
    assert!(read(b"", &json_lines()).unwrap().is_empty());
    assert_eq!(read(b"\n\na\n", &text(Some("\n"))).unwrap(), ["", "", "a"]);
}

#[test]
fn a_byte_order_mark_is_text_in_text_and_skipped_in_json_lines() {
    assert_eq!(read("\u{feff}a".as_bytes(), &text(None)).unwrap(), ["\u{feff}a"]);
    let line = "\u{feff}{\"text\": \"a\"}\n";
    assert_eq!(read(line.as_bytes(), &json_lines()).unwrap(), ["a"]);
}

#[test]
fn json_lines_take_the_last_of_equal_keys_and_skip_blank_lines() {
    let lines = b"{\"text\": 1, \"text\": \"b\"}\r\n \r\n\n{\"t\\u0065xt\": \"\\ud83d\\ude00\"}";
    assert_eq!(read(lines, &json_lines()).unwrap(), ["b", "\u{1f600}"]);
}

#[test]
fn faults_of_json_lines_say_where() {
    let of = |bytes: &[u8]| message(bytes, &json_lines());
    assert_eq!(
        of(b"{\"text\": \"a\"}\n{\"txt\": 1}\n"),
        "JSON lines file a.txt, line 2, byte 14: field \"text\" is missing"
    );
    assert!(of(b"{\"text\": null}").ends_with("byte 0: field \"text\" must be a string, got null"));
    assert!(of(b"{\"text\": [[1]]}").ends_with("must be a string, got an array"));
    assert!(of(b"[1]").contains("line 1, byte 0: invalid JSON: invalid type: sequence"));
    assert!(of(b"{\"text\": \"a\"} x").ends_with("byte 14: invalid JSON: trailing characters"));
    assert!(of(b"\n{\"text\": \"a").contains("line 2, byte 11: invalid JSON: EOF"));
    assert!(of(b"{\"text\": \"a\x01\"}").contains("control character"));
    assert!(of(b"{\"text\": \"\\ud800\"}").contains("holds a lone surrogate"));
    assert_eq!(
        of(b"\n{\"text\": \"a\xff\"}\n"),
        "a.txt, line 2: invalid UTF-8 at byte 12; pass errors=\"replace\" to read U+FFFD instead"
    );
}

#[test]
fn deep_nesting_is_skipped_or_refused_without_recursion() {
    let depth = 200_000;
    let deep = "[".repeat(depth) + &"]".repeat(depth);
    let line = format!("{{\"x\": {deep}, \"text\": \"a\"}}");
    assert_eq!(read(line.as_bytes(), &json_lines()).unwrap(), ["a"]);
    assert!(read(format!("{{\"text\": {deep}}}").as_bytes(), &json_lines()).is_err());
    assert!(read("[".repeat(depth).as_bytes(), &json_lines()).is_err());
}

#[test]
fn invalid_bytes_are_replaced_and_counted_when_asked() {
    let count = |bytes: &[u8], options: ReadOptions| {
        let source = Box::new(io::Cursor::new(bytes.to_vec()));
        let mut reader = DocumentReader::from_read(source, "a", &replacing(options)).unwrap();
        let documents = read_all(&mut reader, 1).unwrap();
        (documents.join("|"), reader.n_replaced())
    };
    assert_eq!(count(b"a\xe2\x82b\xff", text(None)), ("a\u{fffd}b\u{fffd}".to_owned(), 2));
    assert_eq!(count(b"a\xff-b", text(Some("-"))), ("a\u{fffd}|b".to_owned(), 1));
    let lines = b"{\"text\": \"\\ud800x\\udc00\", \"\\udc00\": 1}\n{\"text\": \"\xff\"}";
    assert_eq!(count(lines, json_lines()), ("\u{fffd}x\u{fffd}|\u{fffd}".to_owned(), 3));
}

#[test]
fn documents_before_a_bad_one_are_given_out_and_the_error_repeats() {
    let source = Box::new(io::Cursor::new(b"{\"text\": \"a\"}\nx\n{\"text\": \"b\"}".to_vec()));
    let mut reader = DocumentReader::from_read(source, "a", &json_lines()).unwrap();
    let mut batch = DocumentBatch::default();
    assert!(reader.next_batch(1 << 20, &mut batch).unwrap());
    assert_eq!(batch.iter().collect::<Vec<_>>(), ["a"]);
    let first = reader.next_batch(1 << 20, &mut batch).unwrap_err();
    assert_eq!(reader.next_batch(1 << 20, &mut batch).unwrap_err(), first);
    assert_eq!(reader.n_documents(), 1);
}

#[test]
fn compressed_files_of_several_members_are_read_to_the_end() {
    for (name, compress) in [("a.txt.gz", gzip as fn(&[u8]) -> Vec<u8>), ("a.txt.zst", zstd)] {
        let bytes = [compress(b"one\n"), compress(b""), compress(b"two")].concat();
        let file = TemporaryFile::new(&format!("members-{name}"), &bytes);
        assert_eq!(file.read(&text(None)).unwrap(), ["one\ntwo"]);
        let mut reader = DocumentReader::open(&file.0, &text(None)).unwrap();
        read_all(&mut reader, 1).unwrap();
        assert_eq!(reader.n_bytes_read(), bytes.len() as u64);
    }
}

#[test]
fn a_compressed_file_cut_anywhere_is_an_error() {
    let content: Vec<u8> = (0..400_u32).flat_map(|n| (n * n).to_string().into_bytes()).collect();
    for (name, compress) in [("cut.txt.gz", gzip as fn(&[u8]) -> Vec<u8>), ("cut.txt.zst", zstd)] {
        let bytes = compress(&content);
        for n_kept in 0..bytes.len() {
            let error = TemporaryFile::new(name, &bytes[..n_kept]).read(&text(None)).unwrap_err();
            assert!(matches!(error, Error::Format { .. }), "{name} {n_kept}: {error}");
        }
        let mut damaged = bytes.clone();
        damaged[bytes.len() / 2] ^= 0x55;
        assert!(TemporaryFile::new(name, &damaged).read(&text(None)).is_err());
        let trailing = [bytes, b"garbage".to_vec()].concat();
        assert!(TemporaryFile::new(name, &trailing).read(&text(None)).is_err());
    }
}

#[test]
fn a_missing_file_gives_the_number_and_the_path() {
    let Err(Error::Io(error)) = DocumentReader::open(Path::new("/no/such.txt"), &text(None)) else {
        panic!("opened");
    };
    assert_eq!((error.code, error.path.as_str()), (Some(2), "/no/such.txt"));
    assert_eq!(error.problem, "No such file or directory");
}

#[test]
fn a_stop_loses_no_later_document() {
    let content = "abcdefgh\n".repeat(100_000);
    let source = Box::new(io::Cursor::new(content.into_bytes()));
    let mut reader = DocumentReader::from_read(source, "a", &text(Some("\n"))).unwrap();
    let mut batch = DocumentBatch::default();
    let stopped = reader.next_batch_or_stop(1, &mut batch, &mut || true);
    assert_eq!(stopped, Err(Error::Interrupted));
    assert_eq!(read_all(&mut reader, 1 << 20).unwrap().len(), 100_000);
}

#[test]
fn batches_are_bounded_in_empty_documents_too() {
    let source = Box::new(io::Cursor::new(vec![b'\n'; 100_000]));
    let mut reader = DocumentReader::from_read(source, "a", &text(Some("\n"))).unwrap();
    let mut batch = DocumentBatch::default();
    assert!(reader.next_batch(6400, &mut batch).unwrap());
    assert_eq!(batch.len(), 100);
}

#[test]
fn senseless_options_are_refused() {
    assert!(matches!(read(b"", &text(Some(""))), Err(Error::Config(_))));
    let parquet = ReadOptions { format: Some(DocumentFormat::Parquet), ..ReadOptions::default() };
    assert!(matches!(read(b"", &parquet), Err(Error::Unsupported { .. })));
}
