//! Training Unigram (Kudo 2018, "Subword Regularization", section 3.2) from word counts, as SentencePiece 0.2.3 does.
//!
//! Start from many seeds: every character, and the substrings with the largest frequency times length. Then, again and
//! again: estimate how often each piece is expected to occur in all segmentations of the words and take its score from that,
//! twice; and let the pieces go without which the likelihood of the text falls least, a quarter of them. When no more than
//! 1.1 times the pieces asked for are left, the best-scored are the vocabulary.
//!
//! The result depends neither on the number of threads, since sums are made in a fixed order, nor on the machine, since no
//! function of its mathematical library is used.

mod corpus;
mod definition;
mod edges;
mod em;
mod finish;
mod pieces;
mod prune;
mod seeds;
mod start;

use crate::error::{Error, Result};
use crate::parallel;
use crate::progress::{Phase, Progress};
use crate::train::{Dropped, PieceRules, Report, WordCounts};

use corpus::{Corpus, CorpusOptions};
pub use definition::{UnigramOptions, train};
use edges::{Edges, MAX_PIECES};
use finish::Alphabet;
pub(crate) use finish::most_seeds;
use start::seed_pieces;

/// What training starts from, beside the characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeedKind {
    /// The substrings with the largest frequency times length.
    Substrings,
    /// The tokens of a BPE vocabulary, larger than the one asked for: fewer and better ones (Land and Pinter 2026, "MinGram").
    Bpe,
}

/// How pieces are learned.
#[derive(Debug, Clone, PartialEq)]
pub struct LearnOptions {
    /// The share of all characters that are pieces; the rarest beyond it are unknown.
    pub character_coverage: f64,
    /// Characters that are pieces whether or not they occur.
    pub required_chars: String,
    /// Pieces that are in the vocabulary whatever their score.
    pub required_pieces: Vec<String>,
    /// Texts that are no pieces.
    pub forbidden: Vec<String>,
    /// What a piece may be.
    pub rules: PieceRules,
    /// What to start from.
    pub seeds: SeedKind,
    /// How many of them, at the most.
    pub seed_size: usize,
    /// The share of the pieces that a round of pruning keeps.
    pub shrinking_factor: f64,
    /// Steps of expectation maximisation in a round.
    pub n_sub_iterations: usize,
    /// Whether words are bytes, each of which the vocabulary spells as a character.
    pub is_byte_level: bool,
    /// The character at which a line ends, in words that hold it; it is no text. With it SentencePiece is followed also in
    /// what it does by accident: only substrings that are followed by different bytes are seeds, the space after a word and
    /// the end of a line among them, and unknown characters are taken for the most frequent one.
    pub line_end: Option<char>,
    /// Whether fewer pieces than asked for are a result rather than an error.
    pub allow_smaller: bool,
    /// How many tokens the vocabulary is to have: pieces, characters among them, and others.
    pub vocab_size: usize,
    /// Tokens of the vocabulary that are no pieces.
    pub n_other_tokens: usize,
    /// Threads; `None`: as many as the machine gives.
    pub n_threads: Option<usize>,
}

impl Default for LearnOptions {
    fn default() -> Self {
        Self {
            character_coverage: 0.9995,
            required_chars: String::new(),
            required_pieces: Vec::new(),
            forbidden: Vec::new(),
            rules: PieceRules::default(),
            seeds: SeedKind::Substrings,
            seed_size: 1_000_000,
            shrinking_factor: 0.75,
            n_sub_iterations: 2,
            is_byte_level: false,
            line_end: None,
            allow_smaller: false,
            vocab_size: 8000,
            n_other_tokens: 0,
            n_threads: None,
        }
    }
}

impl LearnOptions {
    /// How many pieces there are to learn.
    fn n_pieces(&self) -> usize {
        self.vocab_size.saturating_sub(self.n_other_tokens)
    }
}

/// Pieces that were learned.
#[derive(Debug, Clone, PartialEq)]
pub struct Learned {
    /// Pieces and their scores, best first; of scores equal in 32 bits the smaller in bytes first.
    pub pieces: Vec<(String, f64)>,
    /// What was seen, made and left out.
    pub report: Report,
}

/// Learns pieces and their scores: what every Unigram trainer is made of.
///
/// # Errors
/// [`Error::Config`] when an option is out of its range, when a word is not UTF-8 text, and when the counts cannot give as
/// many pieces as asked for or the alphabet alone has more; [`Error::Interrupted`].
pub fn learn(counts: &WordCounts, options: &LearnOptions, progress: &Progress) -> Result<Learned> {
    check(options)?;
    progress.begin(Phase::Seed, 0);
    let n_threads = parallel::n_threads(options.n_threads);
    let required: String = options
        .required_chars
        .chars()
        .chain(options.required_pieces.iter().flat_map(|piece| piece.chars()))
        .collect();
    let corpus_options = CorpusOptions {
        character_coverage: options.character_coverage,
        required: &required,
        is_byte_level: options.is_byte_level,
        line_end: options.line_end,
    };
    let corpus = Corpus::new(counts, &corpus_options, progress)?;
    let n_alphabet = corpus.alphabet.len() - 1;
    let alphabet = Alphabet::of(&corpus, options);
    alphabet.check_room(counts, options)?;
    let mut report = Report { n_alphabet: n_alphabet as u64, ..Report::of(counts) };
    let (n_rare, n_rare_occurrences) = corpus.rare;
    let coverage = options.character_coverage;
    report.dropped.extend(Dropped::beyond_coverage(coverage, n_rare, n_rare_occurrences));
    let mut pieces = seed_pieces(counts, &corpus, options, n_threads, progress)?;
    let mut edges = Edges::new(&corpus, &pieces.texts, progress)?;
    drop(corpus);
    let n_wanted = options.n_pieces() + options.n_other_tokens;
    let n_desired = n_wanted.saturating_add(n_wanted / 10);
    let (n_sub_iterations, mut n_done) = (options.n_sub_iterations as u64, 0);
    loop {
        let n_edges = edges.n_edges();
        let n_left = edges_left(n_edges, pieces.n_alive(), n_desired, options.shrinking_factor);
        // A round goes through all edges for each step, and once more to prune.
        let of_passes = |n_edges: u64, n: u64| n_edges.saturating_mul(n);
        let total = of_passes(n_done + n_left, n_sub_iterations + 1);
        let done = of_passes(n_done, n_sub_iterations + 1);
        progress.begin_at(Phase::Em, done, total);
        for _ in 0..options.n_sub_iterations {
            em::step(&edges, &mut pieces, n_threads, progress)?;
        }
        let done = done.saturating_add(of_passes(n_edges, n_sub_iterations));
        progress.begin_at(Phase::Prune, done, total);
        let n_kept = n_desired.max(share(options.shrinking_factor, pieces.n_alive()));
        prune::shrink(&mut edges, &mut pieces, n_kept, n_threads, progress)?;
        n_done += n_edges;
        if pieces.n_alive() <= n_desired {
            break;
        }
    }
    prune::drop_unreachable(&edges, &mut pieces);
    let pieces = alphabet.finish(&pieces, options)?;
    report.n_learned = (pieces.len() - n_alphabet.min(pieces.len())) as u64;
    Ok(Learned { pieces, report })
}

/// How many edges all rounds to come will go through, if they shrink as the pieces do.
fn edges_left(n_edges: u64, n_pieces: usize, n_desired: usize, factor: f64) -> u64 {
    let (mut n_left, mut n_pieces, mut per_round) = (n_edges, n_pieces, n_edges);
    loop {
        n_pieces = n_desired.max(share(factor, n_pieces));
        if n_pieces <= n_desired {
            return n_left;
        }
        per_round = share(factor, usize::try_from(per_round).unwrap_or(usize::MAX)) as u64;
        n_left += per_round;
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "between 0 and `n`, which is below 2^32"
)]
fn share(factor: f64, n: usize) -> usize {
    (factor * n as f64) as usize
}

fn check(options: &LearnOptions) -> Result<()> {
    let LearnOptions { character_coverage, shrinking_factor, n_sub_iterations, seed_size, .. } =
        options;
    let max_length = options.rules.max_length;
    let problem = if !(0.0..=1.0).contains(character_coverage) {
        format!("character_coverage must be from 0 to 1, got {character_coverage}")
    } else if !(0.1..=0.99).contains(shrinking_factor) {
        format!("shrinking_factor must be from 0.1 to 0.99, got {shrinking_factor}")
    } else if !(1..=100).contains(n_sub_iterations) {
        format!("n_sub_iterations must be from 1 to 100, got {n_sub_iterations}")
    } else if !(1..=MAX_SEEDS).contains(seed_size) {
        format!("seed_size must be from 1 to {MAX_SEEDS}, got {seed_size}")
    } else if !(1..=MAX_LENGTH).contains(&max_length) {
        format!("max_piece_length must be from 1 to {MAX_LENGTH}, got {max_length}")
    } else {
        return Ok(());
    };
    Err(Error::Config(problem))
}

/// Leaves room for the alphabet.
const MAX_SEEDS: usize = MAX_PIECES - (1 << 21);
const MAX_LENGTH: usize = 250;
