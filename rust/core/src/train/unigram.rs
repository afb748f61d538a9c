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
mod math;
mod pieces;
mod prune;
mod rules;
mod seeds;

use rustc_hash::FxHashSet;

use crate::error::{Error, Result};
use crate::parallel;
use crate::progress::{Phase, Progress};
use crate::train::{Dropped, Report, WordCounts};

use corpus::{Corpus, CorpusOptions, to_f64};
pub use definition::{UnigramOptions, train};
use edges::{Edges, MAX_PIECES};
pub(crate) use math::ln;
use math::single;
use pieces::Pieces;
use rules::Judge;
pub use rules::PieceRules;
use seeds::Finder;

/// How pieces are learned.
#[derive(Debug, Clone, PartialEq)]
pub struct LearnOptions {
    /// How many pieces, characters among them.
    pub n_pieces: usize,
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
    /// How many substrings to start from.
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
    /// Tokens of the vocabulary that are no pieces, for messages.
    pub n_other_tokens: usize,
    /// Threads; `None`: as many as the machine gives.
    pub n_threads: Option<usize>,
}

impl Default for LearnOptions {
    fn default() -> Self {
        Self {
            n_pieces: 8000,
            character_coverage: 0.9995,
            required_chars: String::new(),
            required_pieces: Vec::new(),
            forbidden: Vec::new(),
            rules: PieceRules::default(),
            seed_size: 1_000_000,
            shrinking_factor: 0.75,
            n_sub_iterations: 2,
            is_byte_level: false,
            line_end: None,
            allow_smaller: false,
            n_other_tokens: 0,
            n_threads: None,
        }
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
    alphabet.check_room(options)?;
    let mut report = Report { n_alphabet: n_alphabet as u64, ..Report::of(counts) };
    report.dropped = dropped(&corpus, options);
    let mut pieces = seed_pieces(&corpus, options, n_threads, progress)?;
    let mut edges = Edges::new(&corpus, &pieces.texts, progress)?;
    drop(corpus);
    let n_wanted = options.n_pieces + options.n_other_tokens;
    let n_desired = n_wanted.saturating_add(n_wanted / 10);
    let (n_sub_iterations, mut n_done) = (options.n_sub_iterations as u64, 0);
    loop {
        let n_edges = edges.n_edges();
        let n_left = edges_left(n_edges, pieces.n_alive(), n_desired, options.shrinking_factor);
        progress.begin(Phase::Em, (n_done + n_left).saturating_mul(n_sub_iterations));
        progress.advance(n_done.saturating_mul(n_sub_iterations))?;
        for _ in 0..options.n_sub_iterations {
            em::step(&edges, &mut pieces, n_threads, progress)?;
        }
        progress.begin(Phase::Prune, n_done + n_left);
        progress.advance(n_done)?;
        let n_kept = n_desired.max(share(options.shrinking_factor, pieces.n_alive()));
        prune::shrink(&mut edges, &mut pieces, n_kept, n_threads, progress)?;
        n_done += n_edges;
        if pieces.n_alive() <= n_desired {
            break;
        }
    }
    prune::drop_unreachable(&mut edges, &mut pieces);
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
    let max_length = options.rules.max_piece_length;
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
const MAX_LENGTH: u8 = 250;

fn dropped(corpus: &Corpus, options: &LearnOptions) -> Vec<Dropped> {
    let (n_different, n_occurrences) = corpus.rare;
    if n_different == 0 {
        return Vec::new();
    }
    vec![Dropped {
        what: format!("characters beyond character_coverage {}", options.character_coverage),
        n_different,
        n_occurrences: u64::try_from(n_occurrences).unwrap_or(u64::MAX),
    }]
}

/// The pieces to start from, with scores after their frequency times length.
fn seed_pieces(
    corpus: &Corpus,
    options: &LearnOptions,
    n_threads: usize,
    progress: &Progress,
) -> Result<Pieces> {
    let finder = Finder {
        corpus,
        judge: Judge::new(options.rules, &corpus.alphabet),
        max_length: options.rules.max_piece_length,
        n_seeds: options.seed_size,
        sees_line_ends: options.line_end.is_some(),
    };
    let seeds = finder.find(n_threads, progress)?;
    let forbidden: FxHashSet<&str> = options.forbidden.iter().map(String::as_str).collect();
    let required: FxHashSet<&str> = options.required_pieces.iter().map(String::as_str).collect();
    let chars = (1..corpus.alphabet.len()).map(|symbol| {
        // One that does not occur has no score that counts: what it is given is that of the rarest.
        (corpus.alphabet[symbol].to_string(), to_f64(corpus.counts[symbol].max(1)))
    });
    let longer = seeds.iter().map(|seed| {
        let mut text = String::new();
        corpus.spell(finder.symbols(seed), &mut text);
        (text, seed.score)
    });
    let mut missing = required.clone();
    let seeds: Vec<(String, f64)> = chars
        .chain(longer)
        .filter(|(text, _)| {
            missing.remove(text.as_str());
            !forbidden.contains(text.as_str()) || text.chars().count() == 1
        })
        .collect();
    let mut missing: Vec<&str> = missing.into_iter().collect();
    missing.sort_unstable();
    let missing = missing.into_iter().map(|text| (text.to_owned(), 1.0));
    let sum = ln(seeds.iter().map(|(_, score)| score).sum::<f64>() + missing.len() as f64);
    let mut pieces = Pieces::default();
    for (text, score) in seeds.into_iter().chain(missing) {
        let is_required = required.contains(text.as_str());
        pieces.push(text.into_boxed_str(), ln(score) - sum, is_required);
    }
    if let Some(&most_frequent) = corpus.by_count.first().filter(|_| options.line_end.is_some()) {
        pieces.take_unknown_for(most_frequent as usize - 1);
    }
    Ok(pieces)
}

/// The characters, which are in the vocabulary at the end, the most frequent first.
struct Alphabet {
    chars: Vec<char>,
}

impl Alphabet {
    fn of(corpus: &Corpus, options: &LearnOptions) -> Self {
        let is_allowed = |c: &char| {
            let mut buffer = [0; 4];
            let text = c.encode_utf8(&mut buffer);
            !options.forbidden.iter().any(|forbidden| forbidden == text)
        };
        let chars = corpus.by_count.iter().map(|&symbol| corpus.alphabet[symbol as usize]);
        Self { chars: chars.filter(is_allowed).collect() }
    }

    fn n_required(&self, options: &LearnOptions) -> usize {
        let longer: FxHashSet<&String> =
            options.required_pieces.iter().filter(|piece| piece.chars().count() > 1).collect();
        self.chars.len() + longer.len()
    }

    fn check_room(&self, options: &LearnOptions) -> Result<()> {
        let least = self.n_required(options);
        if options.n_pieces >= least {
            return Ok(());
        }
        Err(Error::Config(format!(
            "vocab_size must be at least {}, for {} characters, {} required pieces and {} other tokens, got {}; ask for more, \
             or for a smaller character_coverage",
            least + options.n_other_tokens,
            self.chars.len(),
            least - self.chars.len(),
            options.n_other_tokens,
            options.n_pieces + options.n_other_tokens,
        )))
    }

    /// The vocabulary: what is required, and then the best-scored pieces.
    fn finish(&self, pieces: &Pieces, options: &LearnOptions) -> Result<Vec<(String, f64)>> {
        /// How far apart the scores of characters are that have lost theirs.
        const STEP: f64 = 0.0001;
        let mut best: Vec<(&str, f64)> = (0..pieces.len())
            .filter_map(|piece| Some((&*pieces.texts[piece], pieces.score(piece)?)))
            .collect();
        best.sort_unstable_by(|a, b| single(b.1).total_cmp(&single(a.1)).then(a.0.cmp(b.0)));
        let scores: rustc_hash::FxHashMap<&str, f64> = best.iter().copied().collect();
        let mut next = pieces.worst_score();
        let mut chosen: Vec<(String, f64)> = Vec::new();
        let chars = self.chars.iter().map(char::to_string);
        let mut taken: FxHashSet<String> = FxHashSet::default();
        for text in chars.chain(options.required_pieces.iter().cloned()) {
            if !taken.insert(text.clone()) {
                continue;
            }
            let score = scores.get(text.as_str()).copied().unwrap_or_else(|| {
                next += STEP;
                next - STEP
            });
            chosen.push((text, score));
        }
        let forbidden: FxHashSet<&str> = options.forbidden.iter().map(String::as_str).collect();
        let others =
            best.iter().filter(|(text, _)| !taken.contains(*text) && !forbidden.contains(text));
        let n_more = options.n_pieces.saturating_sub(chosen.len());
        chosen.extend(others.take(n_more).map(|&(text, score)| (text.to_owned(), score)));
        if chosen.len() < options.n_pieces && !options.allow_smaller {
            return Err(Error::Config(format!(
                "vocab_size {} cannot be reached: these word counts give at least {} and at most {} tokens; ask for as many, \
                 count more text, or pass allow_smaller=True",
                options.n_pieces + options.n_other_tokens,
                self.n_required(options) + options.n_other_tokens,
                chosen.len() + options.n_other_tokens,
            )));
        }
        chosen.sort_unstable_by(|a, b| single(b.1).total_cmp(&single(a.1)).then(a.0.cmp(&b.0)));
        Ok(chosen)
    }
}
