//! [`Sentences`]: counts the words of sentences.
//!
//! A sentence is a line. Empty ones, those that are too long, and those with a character that is reserved, for rare ones or
//! for the end of a sentence, are left out; the latter two are counted. It is normalized, special and user-defined pieces in
//! it become cuts, the longest first, and it is split into words before each space. All but the last is done here, many
//! sentences at a time; what is then a text for the [`WordCounter`] needs no normalizer.

use aho_corasick::{AhoCorasick, MatchKind};

use super::SentencePieceOptions;
use super::metas::metas;
use super::rules::charsmap_of;
use crate::definition::SentencePieceAlgorithm;
use crate::error::{Error, Result};
use crate::normalizer::{Normalization, Normalizer, SentencePiece};
use crate::parallel;
use crate::pre_tokenizer::metaspace::METASPACE;
use crate::pre_tokenizer::{Metaspace, Pattern, PreTokenizer, PrependScheme, Split, SplitBehavior};
use crate::progress::Progress;
use crate::traced::Traced;
use crate::train::piece_rules::{CUT, RARE};
use crate::train::{Counted, Dropped, PieceRules, Spilling, Stages, WordCounter};

/// What is put at the end of a sentence for Unigram, which looks at what follows a word: no character, and no text has it.
pub(super) const LINE_END: char = '\u{10FFFF}';

/// Bytes of sentences that a thread normalizes without a break.
const CHUNK_BYTES: usize = 1 << 18;

/// See the module's head.
#[derive(Debug)]
pub struct Sentences {
    normalization: Normalization,
    pieces: AhoCorasick,
    counter: WordCounter,
    n_threads: usize,
    max_length: usize,
    /// Whether a sentence is to end with [`LINE_END`].
    marks_ends: bool,
    n_texts: usize,
    n_bytes: u64,
    n_long: u64,
    n_reserved: u64,
}

impl Sentences {
    /// With `spilling` the memory of the counts is bounded.
    ///
    /// # Errors
    /// [`Error::Config`] for options that contradict each other.
    pub fn new(options: &SentencePieceOptions, spilling: Option<Spilling>) -> Result<Self> {
        let metas = metas(options)?;
        let pieces = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(metas.values().map(|piece| &piece.text))
            .map_err(|problem| Error::Config(format!("special pieces: {problem}")))?;
        let normalizer = Normalizer::SentencePiece(SentencePiece {
            name: options.normalization_rule_name.clone(),
            charsmap: charsmap_of(&options.normalization_rule_name)?.to_vec(),
            add_dummy_prefix: options.add_dummy_prefix,
            remove_extra_whitespaces: options.remove_extra_whitespaces,
            escape_whitespaces: true,
            treat_whitespace_as_suffix: options.rules.treat_whitespace_as_suffix,
            user_defined: Vec::new(),
        });
        let is_word = options.algorithm == SentencePieceAlgorithm::Word;
        let splits = options.rules.split_by_whitespace || is_word;
        let pre_tokenizer = splits.then(|| at_spaces(&options.rules));
        let stages = Stages { normalizer: None, pre_tokenizer };
        let is_bounded = spilling.is_some();
        let counter = WordCounter::new(stages.pipeline(&[])?, options.n_threads, spilling);
        // Prepared text has no spaces, and a chunk is a sentence: quicker to count, but more to keep, or to spill.
        let counter = if is_bounded { counter.without_chunks() } else { counter };
        Ok(Self {
            normalization: Normalization::new(Some(&normalizer))?,
            pieces,
            counter,
            n_threads: parallel::n_threads(options.n_threads),
            max_length: options.max_sentence_length.unwrap_or(usize::MAX),
            marks_ends: options.algorithm == SentencePieceAlgorithm::Unigram,
            n_texts: 0,
            n_bytes: 0,
            n_long: 0,
            n_reserved: 0,
        })
    }

    /// How many texts were counted.
    pub fn n_texts(&self) -> usize {
        self.n_texts
    }

    /// How many bytes the texts had.
    pub fn n_bytes(&self) -> u64 {
        self.n_bytes
    }

    /// Counts the words of the lines of `texts`.
    ///
    /// # Errors
    /// Those of [`WordCounter::count`].
    pub fn count(&mut self, texts: &[&str], progress: &Progress) -> Result<()> {
        self.n_texts += texts.len();
        self.count_lines(texts, progress)
    }

    fn count_lines(&mut self, texts: &[&str], progress: &Progress) -> Result<()> {
        let mut chunks: Vec<Vec<&str>> = vec![Vec::new()];
        let mut n_bytes = 0;
        for text in texts {
            self.n_bytes += text.len() as u64;
            for line in text.split('\n').filter(|line| !line.is_empty()) {
                if line.len() > self.max_length {
                    self.n_long += 1;
                } else if line.contains(RARE) || (self.marks_ends && line.contains(LINE_END)) {
                    self.n_reserved += 1;
                } else {
                    if n_bytes >= CHUNK_BYTES {
                        chunks.push(Vec::new());
                        n_bytes = 0;
                    }
                    n_bytes += line.len();
                    if let Some(chunk) = chunks.last_mut() {
                        chunk.push(line);
                    }
                }
            }
        }
        let mut threads = vec![(); self.n_threads.min(chunks.len())];
        let prepared = parallel::map(&mut threads, chunks.len(), |(), i| {
            self.prepared(chunks.get(i).map_or(&[][..], Vec::as_slice), progress)
        })?;
        drop(chunks);
        let sentences: Vec<&str> = prepared.iter().flat_map(Prepared::sentences).collect();
        self.counter.count(&sentences, progress)
    }

    /// Counts a text that comes in pieces: the lines of `text` that are whole, and all of it if it is the last piece. Returns
    /// how many bytes were counted; the next piece begins with the rest. Zero: give more at once.
    ///
    /// # Errors
    /// As [`Sentences::count`].
    pub fn count_piece(&mut self, text: &str, is_last: bool, progress: &Progress) -> Result<usize> {
        let whole = if is_last { text.len() } else { text.rfind('\n').map_or(0, |end| end + 1) };
        self.n_texts += usize::from(is_last);
        self.count_lines(&[text.get(..whole).unwrap_or_default()], progress)?;
        Ok(whole)
    }

    /// The sentences as the words are to be counted in.
    fn prepared(&self, lines: &[&str], progress: &Progress) -> Result<Prepared> {
        let mut prepared = Prepared::default();
        for line in lines {
            let mut sentence = Traced::untraced(line);
            self.normalization.normalize(&mut sentence, progress)?;
            let sentence = sentence.text();
            if sentence.is_empty() {
                continue;
            }
            let mut kept = 0;
            for found in self.pieces.find_iter(sentence) {
                prepared.text.push_str(sentence.get(kept..found.start()).unwrap_or_default());
                prepared.text.push(CUT);
                kept = found.end();
            }
            prepared.text.push_str(sentence.get(kept..).unwrap_or_default());
            if self.marks_ends {
                prepared.text.push(LINE_END);
            }
            prepared.ends.push(prepared.text.len());
        }
        Ok(prepared)
    }

    /// The words that occur at least `min_count` times, and the sentences that were left out.
    ///
    /// # Errors
    /// Those of [`WordCounter::finish`].
    pub fn finish(self, min_count: u64, progress: &Progress) -> Result<(Counted, Vec<Dropped>)> {
        let max = self.max_length;
        let reserved = if self.marks_ends {
            "sentences with U+2585 or U+10FFFF"
        } else {
            "sentences with U+2585"
        };
        let long = format!("sentences of more than {max} bytes");
        let all = [
            Dropped::some(long, self.n_long, self.n_long.into()),
            Dropped::some(reserved, self.n_reserved, self.n_reserved.into()),
        ];
        let all = all.into_iter().flatten().collect();
        Ok((self.counter.finish(min_count, progress)?, all))
    }
}

/// Normalized sentences, one after the other.
#[derive(Debug, Default)]
struct Prepared {
    text: String,
    ends: Vec<usize>,
}

impl Prepared {
    fn sentences(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).filter_map(|(start, &end)| self.text.get(start..end))
    }
}

/// Splits before each space, or behind it; or before each run of them.
fn at_spaces(rules: &PieceRules) -> PreTokenizer {
    let (suffix, runs) = (rules.treat_whitespace_as_suffix, rules.allow_whitespace_only_pieces);
    if !suffix && !runs {
        return PreTokenizer::Metaspace(Metaspace {
            replacement: METASPACE,
            prepend_scheme: PrependScheme::Never,
            split: true,
        });
    }
    let pattern = if runs { format!("{METASPACE}+") } else { METASPACE.to_string() };
    let behavior =
        if suffix { SplitBehavior::MergedWithPrevious } else { SplitBehavior::MergedWithNext };
    PreTokenizer::Split(Split { pattern: Pattern::Regex(pattern), behavior, invert: false })
}
