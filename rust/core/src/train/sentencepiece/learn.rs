//! From words to pieces.

use super::alphabet::Alphabet;
use super::metas::{Metas, metas};
use super::sentences::LINE_END;
use super::{Learned, SentencePieceOptions};
use crate::definition::{PieceKind, SentencePieceAlgorithm, SentencePieceEntry};
use crate::error::{Error, Result};
use crate::progress::{Phase, Progress};
use crate::train::bpe::{PiecesOptions, learn_pieces};
use crate::train::math::{ln, single};
use crate::train::piece_rules::{CUT, RARE};
use crate::train::unigram::{self, most_seeds};
use crate::train::{Dropped, Report, WordCounts, n_neighbours};

/// Learns a vocabulary from the words of [`super::Sentences`]; `dropped` is what those left out, for the report.
///
/// # Errors
/// [`Error::Config`] for options that contradict each other, a `vocab_size` below special pieces and alphabet, or above what
/// the words can give; [`Error::Interrupted`].
pub fn learn(
    counts: &WordCounts,
    dropped: Vec<Dropped>,
    options: &SentencePieceOptions,
    progress: &Progress,
) -> Result<Learned> {
    check(options)?;
    let metas = metas(options)?;
    let is_unigram = options.algorithm == SentencePieceAlgorithm::Unigram;
    progress.begin(if is_unigram { Phase::Seed } else { Phase::Merge }, 0);
    let line_end = is_unigram.then_some(LINE_END);
    let alphabet = Alphabet::new(counts, options, line_end, progress)?;
    if alphabet.characters.is_empty() {
        return Err(Error::Config("there is no text to learn from".to_owned()));
    }
    let unseen = alphabet.characters.iter().find(|&&(_, count)| count == 0);
    if let (SentencePieceAlgorithm::Char, Some((c, _))) = (options.algorithm, unseen) {
        let problem = format!("required_chars must occur in the text of a char model, got {c:?}");
        return Err(Error::Config(problem));
    }
    let room = room(counts, options, &metas, &alphabet)?;
    let learned = match options.algorithm {
        SentencePieceAlgorithm::Bpe => bpe(counts, options, &alphabet, room, progress)?,
        SentencePieceAlgorithm::Unigram => unigram(counts, options, &alphabet, room, progress)?,
        SentencePieceAlgorithm::Char => {
            shares(alphabet.characters.iter().map(|&(c, n)| (c, n)), room)
        }
        SentencePieceAlgorithm::Word => words(counts, &alphabet, room),
    };
    let mut report = Report::of(counts);
    report.n_alphabet = alphabet.characters.len() as u64;
    report.n_learned = match options.algorithm {
        SentencePieceAlgorithm::Word => learned.len() as u64,
        _ => learned.len().saturating_sub(alphabet.characters.len()) as u64,
    };
    report.dropped = dropped.into_iter().chain(alphabet.dropped).collect();
    let pieces = placed(metas, learned, options, &report)?;
    Ok(Learned { pieces, report })
}

type Scored = (String, f32);

fn check(options: &SentencePieceOptions) -> Result<()> {
    let max_length = options.rules.max_length;
    if options.algorithm == SentencePieceAlgorithm::Word && options.rules.treat_whitespace_as_suffix
    {
        let name = "treat_whitespace_as_suffix";
        return Err(Error::unsupported("train_sentencepiece", name, "not supported for word"));
    }
    let problem = if !(0.98..=1.0).contains(&options.character_coverage) {
        format!("character_coverage must be from 0.98 to 1, got {}", options.character_coverage)
    } else if !(1..=512).contains(&max_length) {
        format!("max_sentencepiece_length must be from 1 to 512, got {max_length}")
    } else if options.required_chars.contains([RARE, CUT, ' ']) {
        "required_chars must not hold a space, U+2585 or U+001F".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::Config(problem))
}

/// How many pieces there are to learn.
fn room(
    counts: &WordCounts,
    options: &SentencePieceOptions,
    metas: &Metas,
    alphabet: &Alphabet,
) -> Result<usize> {
    let n_characters = alphabet.characters.len();
    let n_required = match options.algorithm {
        SentencePieceAlgorithm::Bpe | SentencePieceAlgorithm::Unigram => n_characters,
        SentencePieceAlgorithm::Char | SentencePieceAlgorithm::Word => 0,
    };
    let least = metas.len() + n_required;
    if options.vocab_size < least {
        let most = match options.algorithm {
            SentencePieceAlgorithm::Bpe => n_characters + n_neighbours(counts, false),
            SentencePieceAlgorithm::Unigram => {
                n_characters + most_seeds(counts, false, options.unigram.seed_size)
            }
            SentencePieceAlgorithm::Char => n_characters,
            SentencePieceAlgorithm::Word => counts.len(),
        };
        return Err(Error::Config(format!(
            "vocab_size must be at least {least} ({} special, user-defined and byte pieces and {n_required} characters), and \
             this text gives no more than {} pieces, got {}; ask for more, or for a smaller character_coverage",
            metas.len(),
            metas.len() + most,
            options.vocab_size
        )));
    }
    Ok(options.vocab_size - metas.len())
}

/// Merges, and then the alphabet; the score is minus the place.
fn bpe(
    counts: &WordCounts,
    options: &SentencePieceOptions,
    alphabet: &Alphabet,
    room: usize,
    progress: &Progress,
) -> Result<Vec<Scored>> {
    let rules = options.rules;
    let is_valid = |piece: &[u8]| std::str::from_utf8(piece).is_ok_and(|piece| rules.allow(piece));
    let characters = alphabet.chars();
    let n_pieces = room - characters.len();
    let pieces_options = PiecesOptions { n_pieces, characters: &characters, is_valid: &is_valid };
    let learned = learn_pieces(counts, pieces_options, progress)?;
    let merged = learned.into_iter().map(|(piece, _)| piece);
    let all = merged.chain(characters.iter().map(char::to_string));
    Ok(all.enumerate().map(|(place, piece)| (piece, score_of(place))).collect())
}

#[expect(clippy::cast_precision_loss, reason = "as SentencePiece keeps scores")]
fn score_of(place: usize) -> f32 {
    -(place as f32)
}

fn unigram(
    counts: &WordCounts,
    options: &SentencePieceOptions,
    alphabet: &Alphabet,
    room: usize,
    progress: &Progress,
) -> Result<Vec<Scored>> {
    let rules = &options.rules;
    let unknown = [
        (rules.treat_whitespace_as_suffix, "treat_whitespace_as_suffix"),
        (rules.allow_whitespace_only_pieces, "allow_whitespace_only_pieces"),
    ];
    if let Some((_, name)) = unknown.into_iter().find(|&(is_asked, _)| is_asked) {
        return Err(Error::unsupported("train_sentencepiece", name, "not supported for unigram"));
    }
    let learning = &options.unigram;
    let learned = unigram::learn(
        counts,
        &unigram::LearnOptions {
            character_coverage: 0.0,
            required_chars: alphabet.chars().into_iter().collect(),
            rules: *rules,
            seed_size: learning.seed_size,
            shrinking_factor: f64::from(learning.shrinking_factor),
            n_sub_iterations: learning.n_sub_iterations,
            line_end: Some(LINE_END),
            allow_smaller: true,
            n_other_tokens: options.vocab_size - room,
            vocab_size: options.vocab_size,
            n_threads: options.n_threads,
            ..unigram::LearnOptions::default()
        },
        progress,
    )?;
    Ok(learned.pieces.into_iter().map(|(piece, score)| (piece, single(score))).collect())
}

/// The words without rare characters, the most frequent first.
fn words(counts: &WordCounts, alphabet: &Alphabet, room: usize) -> Vec<Scored> {
    let mut known = alphabet.chars();
    known.sort_unstable();
    let is_known = |word: &str| word.chars().all(|c| known.binary_search(&c).is_ok());
    let total: u64 = counts.total();
    let by_count = counts.by_count().into_iter().filter_map(|index| counts.get(index));
    let words = by_count
        .filter_map(|(word, count)| Some((std::str::from_utf8(word).ok()?, count)))
        .filter(|(word, _)| is_known(word));
    scored(words.take(room), total)
}

/// The most frequent, as many as there is room for.
fn shares(counted: impl Iterator<Item = (char, u64)> + Clone, room: usize) -> Vec<Scored> {
    let total = counted.clone().map(|(_, count)| count).sum();
    scored(counted.take(room), total)
}

/// Each with the logarithm of its share.
fn scored(counted: impl Iterator<Item = (impl ToString, u64)>, total: u64) -> Vec<Scored> {
    #[expect(clippy::cast_precision_loss, reason = "as SentencePiece counts")]
    let log = |count: u64| single(ln(f64::from(count as f32)));
    counted.map(|(text, count)| (text.to_string(), log(count) - log(total))).collect()
}

/// All pieces by id: the learned ones fill what is free.
fn placed(
    mut metas: Metas,
    learned: Vec<Scored>,
    options: &SentencePieceOptions,
    report: &Report,
) -> Result<Vec<SentencePieceEntry>> {
    let n_pieces = metas.len() + learned.len();
    let is_exact = options.hard_vocab_limit && options.algorithm != SentencePieceAlgorithm::Char;
    if is_exact && n_pieces < options.vocab_size {
        let least = n_pieces - usize::try_from(report.n_learned).unwrap_or_default();
        return Err(Error::Config(format!(
            "vocab_size {} cannot be reached: this text gives at least {least} and at most {n_pieces} pieces; ask for as many, \
             give more text, or pass hard_vocab_limit=False",
            options.vocab_size
        )));
    }
    let mut learned = learned.into_iter();
    let mut pieces = Vec::with_capacity(n_pieces);
    for id in 0..n_pieces {
        let normal = |(text, score): Scored| SentencePieceEntry {
            text: text.into(),
            score,
            kind: PieceKind::Normal,
        };
        pieces.extend(metas.remove(&id).or_else(|| learned.next().map(normal)));
    }
    match metas.into_iter().next() {
        Some((id, meta)) => Err(Error::Config(format!(
            "{:?} has the id {id}, but there are only {n_pieces} pieces",
            meta.text
        ))),
        None => Ok(pieces),
    }
}
