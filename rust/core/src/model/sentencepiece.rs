//! [`SentencePiece`]: segmentation as SentencePiece does it, by one of its four algorithms.
//!
//! An algorithm cuts the text into pieces. What is no piece is unknown: it becomes the tokens of its bytes under byte
//! fallback; otherwise unknown stretches next to each other are one unk token. Control pieces are never made from text.

mod bpe;
mod heap;
mod n_best;
mod spellings;

use crate::definition::{
    PieceKind, SentencePieceAlgorithm, SentencePieceDefinition, SentencePieceEntry,
};
use crate::error::{Error, Result};
use crate::model::lattice::{self, Laid};
use crate::model::piece_trie::PieceTrie;
use crate::model::viterbi::{Step, Viterbi};
use crate::model::{
    Random, Sampling, Token, Tokenize, byte_token, check_n_best, no_n_best, no_sampling,
};
use crate::pre_tokenizer::metaspace::METASPACE;
use crate::progress::Progress;
use bpe::ScoredBpe;

/// How much worse an unknown character is than the worst piece.
const UNK_PENALTY: f32 = 10.0;

/// Characters between two looks at whether to stop.
const POLL_CHARS: u32 = 1 << 14;

/// Numbers for pieces and characters must fit 32 bits several times.
const MAX_PIECES: usize = 1 << 28;

/// A SentencePiece model, ready to run.
#[derive(Debug)]
pub struct SentencePiece {
    algorithm: Algorithm,
    unk_id: u32,
    /// Whether each piece is not in use, and so unknown when it is left over; empty when all are.
    is_unused: Vec<bool>,
    /// The byte pieces; `None`: no byte fallback.
    bytes: Option<Box<[u32; 256]>>,
}

#[derive(Debug)]
enum Algorithm {
    /// The lattice of all paths has scores of its own.
    Unigram {
        viterbi: Viterbi,
        lattice_scores: Vec<f64>,
    },
    Bpe(ScoredBpe),
    Char {
        pieces: PieceTrie,
        user_defined: PieceTrie,
    },
    Word {
        pieces: PieceTrie,
    },
}

impl SentencePiece {
    /// Builds the tables.
    ///
    /// # Errors
    /// [`Error::Vocab`] when pieces contradict each other: none or several unknown ones, one empty or given twice, a score
    /// that is not finite, byte pieces missing or misspelled.
    pub fn new(definition: &SentencePieceDefinition) -> Result<Self> {
        let pieces = &definition.pieces;
        let unk_id = check_pieces(pieces)?;
        let bytes = byte_ids(definition)?;
        let all = || pieces.iter().zip(0_u32..);
        let tries = |is_in: &dyn Fn(PieceKind) -> bool| {
            let chosen = all().filter(|(piece, _)| is_in(piece.kind));
            PieceTrie::new(chosen.map(|(piece, id)| (piece.text.as_str(), id)))
        };
        let user_defined = |kind| kind == PieceKind::UserDefined;
        let producible = |kind| !matches!(kind, PieceKind::Control | PieceKind::Unknown);
        let algorithm = match definition.algorithm {
            SentencePieceAlgorithm::Unigram => unigram(pieces, unk_id),
            SentencePieceAlgorithm::Bpe => {
                Algorithm::Bpe(ScoredBpe::new(pieces, unk_id, tries(&user_defined))?)
            }
            SentencePieceAlgorithm::Char => {
                Algorithm::Char { pieces: tries(&producible), user_defined: tries(&user_defined) }
            }
            SentencePieceAlgorithm::Word => Algorithm::Word { pieces: tries(&producible) },
        };
        let mut is_unused: Vec<bool> =
            pieces.iter().map(|piece| piece.kind == PieceKind::Unused).collect();
        if !is_unused.contains(&true) {
            is_unused = Vec::new();
        }
        Ok(Self { algorithm, unk_id, is_unused, bytes })
    }

    /// Checks what [`SentencePiece::new`] checks.
    ///
    /// # Errors
    /// As [`SentencePiece::new`].
    pub fn check(definition: &SentencePieceDefinition) -> Result<()> {
        check_pieces(&definition.pieces)?;
        byte_ids(definition).map(drop)
    }

    /// Calls `each` with the pieces of `text`, in order.
    fn segment(&self, text: &str, progress: &Progress, mut each: impl FnMut(Step)) -> Result<()> {
        match &self.algorithm {
            Algorithm::Unigram { viterbi, .. } => viterbi.best_path(text, progress, each),
            Algorithm::Bpe(bpe) => bpe.segment(text, None, progress, &mut each),
            Algorithm::Char { pieces, user_defined } => {
                let mut start = 0;
                while let Some(rest) = text.get(start..).filter(|rest| !rest.is_empty()) {
                    let whole = user_defined.longest(rest.as_bytes());
                    let end = start + whole.map_or_else(|| char_len(rest), |(length, _)| length);
                    each(self.step(text, pieces, start, end));
                    start = end;
                }
                Ok(())
            }
            Algorithm::Word { pieces } => {
                let mut start = 0;
                for (end, _) in text.match_indices(METASPACE).filter(|&(end, _)| end > 0) {
                    each(self.step(text, pieces, start, end));
                    start = end;
                }
                each(self.step(text, pieces, start, text.len()));
                Ok(())
            }
        }
    }

    /// The piece that is `text[start..end]`.
    fn step(&self, text: &str, pieces: &PieceTrie, start: usize, end: usize) -> Step {
        let found = text.as_bytes().get(start..end).and_then(|piece| pieces.get(piece));
        Step { id: found.unwrap_or(self.unk_id), start, end }
    }

    /// Appends the tokens of a piece.
    #[inline]
    fn push(&self, text: &str, step: Step, tokens: &mut Vec<Token>) {
        let Step { mut id, start, end } = step;
        if self.is_unused.get(id as usize) == Some(&true) {
            id = self.unk_id;
        }
        if id != self.unk_id {
            tokens.push(Token { id, start, end });
        } else if let Some(bytes) = &self.bytes {
            let spelling = text.as_bytes().get(start..end).unwrap_or_default();
            // As in SentencePiece, the last byte stands for the whole piece, and those before it for nothing.
            tokens.extend(spelling.iter().zip(1..).map(|(&byte, n_bytes)| Token {
                id: bytes[usize::from(byte)],
                start,
                end: if n_bytes == spelling.len() { end } else { start },
            }));
        } else {
            match tokens.last_mut() {
                Some(last) if last.id == id && last.end == start => last.end = end,
                _ => tokens.push(Token { id, start, end }),
            }
        }
    }

    fn tokens_of(&self, text: &str, steps: impl IntoIterator<Item = Step>) -> Vec<Token> {
        let mut tokens = Vec::new();
        for step in steps {
            self.push(text, step, &mut tokens);
        }
        tokens
    }
}

impl Tokenize for SentencePiece {
    fn kind(&self) -> &'static str {
        match &self.algorithm {
            Algorithm::Unigram { .. } => "Unigram",
            Algorithm::Bpe(_) => "BPE",
            Algorithm::Char { .. } => "SentencePiece's Char",
            Algorithm::Word { .. } => "SentencePiece's Word",
        }
    }

    fn sample(
        &self,
        pre_token: &str,
        sampling: Sampling,
        random: &mut Random,
        progress: &Progress,
        tokens: &mut Vec<Token>,
    ) -> Result<()> {
        match &self.algorithm {
            Algorithm::Unigram { viterbi, lattice_scores } => {
                let (alpha, n_best) = sampling.of_unigram()?;
                if let Some(n) = n_best {
                    let best = self.n_best(pre_token, n, progress)?;
                    tokens.append(&mut random.choose_scored(best, alpha));
                    return Ok(());
                }
                let chance = (alpha, random);
                for step in lattice::sample(viterbi, lattice_scores, pre_token, chance, progress)? {
                    self.push(pre_token, step, tokens);
                }
                Ok(())
            }
            Algorithm::Bpe(bpe) => {
                let dropout = sampling.of_bpe(None)?;
                bpe.segment(pre_token, Some((dropout, random)), progress, &mut |step| {
                    self.push(pre_token, step, tokens);
                })
            }
            _ => Err(no_sampling(self.kind())),
        }
    }

    fn n_best(
        &self,
        pre_token: &str,
        n: usize,
        progress: &Progress,
    ) -> Result<Vec<(Vec<Token>, f64)>> {
        let Algorithm::Unigram { viterbi, lattice_scores } = &self.algorithm else {
            return Err(no_n_best(self.kind()));
        };
        check_n_best("n", n)?;
        let laid = Laid::whole(viterbi, lattice_scores, pre_token, progress)?;
        let best = n_best::n_best(&laid, n, progress)?;
        if n == 1 {
            let mut tokens = Vec::new();
            self.tokenize(pre_token, progress, &mut tokens)?;
            let score = best.first().map_or(0.0, |&(_, score)| f64::from(score));
            return Ok(vec![(tokens, score)]);
        }
        let tokens_of = |path| self.tokens_of(pre_token, path);
        Ok(best.into_iter().map(|(path, score)| (tokens_of(path), f64::from(score))).collect())
    }

    fn tokenize(
        &self,
        pre_token: &str,
        progress: &Progress,
        tokens: &mut Vec<Token>,
    ) -> Result<()> {
        self.segment(pre_token, progress, |step| self.push(pre_token, step, tokens))
    }

    fn next_cut(&self, text: &str, from: usize) -> usize {
        match &self.algorithm {
            Algorithm::Bpe(bpe) => bpe.next_cut(text, from, self.bytes.is_some()),
            _ => text.len(),
        }
    }
}

fn char_len(text: &str) -> usize {
    text.chars().next().map_or(0, char::len_utf8)
}

/// Checks the pieces, and gives the id of the unknown one.
pub(crate) fn check_pieces(pieces: &[SentencePieceEntry]) -> Result<u32> {
    let refuse = |id: u32, problem: &str| Err(Error::Vocab(format!("piece {id} {problem}")));
    if pieces.len() >= MAX_PIECES {
        let problem = format!("there must be fewer than {MAX_PIECES} pieces, got {}", pieces.len());
        return Err(Error::Vocab(problem));
    }
    let mut unk_id = None;
    let mut seen = crate::vocab::SeededMap::with_capacity(pieces.len());
    for (piece, id) in pieces.iter().zip(0..) {
        if piece.text.is_empty() {
            return refuse(id, "is empty");
        }
        if piece.text.contains('\0') {
            return refuse(id, "holds U+0000");
        }
        if !piece.score.is_finite() {
            return refuse(id, "has a score that is not finite");
        }
        if let Some(first) = seen.insert(piece.text.as_str(), id) {
            return refuse(id, &format!("is the same as piece {first}"));
        }
        if piece.kind == PieceKind::Unknown
            && let Some(first) = unk_id.replace(id)
        {
            return refuse(id, &format!("is unknown, as is piece {first}: there must be one"));
        }
    }
    unk_id.ok_or_else(|| Error::Vocab("there is no unknown piece".to_owned()))
}

/// The ids of the byte pieces, if unknown pieces become bytes.
fn byte_ids(definition: &SentencePieceDefinition) -> Result<Option<Box<[u32; 256]>>> {
    let mut ids = Box::new([None; 256]);
    let names: Vec<String> = (0..256).map(byte_token).collect();
    for (piece, id) in definition.pieces.iter().zip(0_u32..) {
        if piece.kind != PieceKind::Byte {
            continue;
        }
        let Some(byte) = names.iter().position(|name| *name == piece.text) else {
            return Err(Error::Vocab(format!(
                "piece {id} stands for a byte and must be <0x00> to <0xFF>, got {}",
                crate::format::quote(&piece.text)
            )));
        };
        ids[byte] = Some(id);
    }
    match (definition.byte_fallback, ids.iter().position(Option::is_none)) {
        (true, Some(byte)) => {
            Err(Error::Vocab(format!("byte fallback needs the piece {}", byte_token(byte))))
        }
        (false, _) if ids.iter().any(Option::is_some) => {
            Err(Error::Vocab("there are byte pieces, but byte fallback is off".to_owned()))
        }
        (false, _) => Ok(None),
        (true, None) => Ok(Some(Box::new(ids.map(Option::unwrap_or_default)))),
    }
}

/// A user-defined piece has a score above that of any other, which are logarithms of probabilities, and more so a long one:
/// so it wins over other paths.
fn unigram(pieces: &[SentencePieceEntry], unk_id: u32) -> Algorithm {
    let normal = || pieces.iter().filter(|piece| piece.kind == PieceKind::Normal);
    let worst = normal().map(|piece| piece.score).fold(f32::MAX, f32::min);
    let bonus = |length: usize| f64::from(narrow(to_f64(length) * 0.1 - 0.1));
    let is_used = |kind| matches!(kind, PieceKind::Normal | PieceKind::UserDefined);
    let used = pieces.iter().zip(0..).filter(|(piece, _)| is_used(piece.kind));
    let trie = PieceTrie::new(used.map(|(piece, id)| (piece.text.as_str(), id)));
    let score = |piece: &SentencePieceEntry, length| match piece.kind {
        PieceKind::UserDefined => bonus(length),
        _ => f64::from(piece.score),
    };
    let viterbi = Viterbi {
        trie,
        scores: pieces.iter().map(|piece| score(piece, piece.text.len())).collect(),
        unk_score: f64::from(worst - UNK_PENALTY),
        unk_id: Some(unk_id),
        rounds: true,
    };
    // The lattice of all paths counts characters where the search for the best one counts bytes.
    let of_lattice = |piece: &SentencePieceEntry| score(piece, piece.text.chars().count());
    let lattice_scores = pieces.iter().map(of_lattice).collect();
    Algorithm::Unigram { viterbi, lattice_scores }
}

#[expect(clippy::cast_precision_loss, reason = "as SentencePiece multiplies")]
fn to_f64(length: usize) -> f64 {
    length as f64
}

#[expect(clippy::cast_possible_truncation, reason = "as SentencePiece keeps scores")]
fn narrow(score: f64) -> f32 {
    score as f32
}
