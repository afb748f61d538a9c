//! [`Pieces`]: the vocabulary while it shrinks.

/// The score of a piece that is gone.
const GONE: f64 = f64::NEG_INFINITY;

/// Pieces by id: first every character of the alphabet, by symbol, then longer ones. Characters keep their ids even when they
/// are no pieces any more; of the others those that are gone are taken out by [`Pieces::renumber`].
#[derive(Debug, Default)]
pub(super) struct Pieces {
    pub(super) texts: Vec<Box<str>>,
    scores: Vec<f64>,
    n_chars: Vec<u8>,
    required: Vec<bool>,
    /// How many characters the alphabet has.
    n_alphabet: usize,
    /// The character that is taken to occur wherever one is unknown: see [`Pieces::take_unknown_for`].
    unknown_is: Option<usize>,
}

impl Pieces {
    /// Appends a piece; those of the alphabet come first.
    pub(super) fn push(&mut self, text: Box<str>, score: f64, is_required: bool) {
        let n_chars = u8::try_from(text.chars().count()).unwrap_or(u8::MAX);
        if n_chars == 1 {
            self.n_alphabet = self.texts.len() + 1;
        }
        self.texts.push(text);
        self.scores.push(score);
        self.n_chars.push(n_chars);
        self.required.push(is_required);
    }

    /// Takes every unknown character for this one.
    ///
    /// SentencePiece gives unknown characters the id 0 while it trains, which is that of the most frequent character. So a
    /// piece whose characters are no pieces by themselves seems easy to replace, and seldom lasts.
    pub(super) fn take_unknown_for(&mut self, character: usize) {
        self.unknown_is = Some(character);
    }

    /// The piece that stands for `piece` in counts.
    pub(super) fn counted_as(&self, piece: usize) -> usize {
        self.unknown_is.filter(|_| !self.is_alive(piece)).unwrap_or(piece)
    }

    /// Moves the counts of unknown characters to the one that they are taken for, or drops them.
    pub(super) fn count_unknown(&self, counts: &mut [f64]) {
        for piece in (0..self.n_alphabet).filter(|&piece| !self.is_alive(piece)) {
            let count = std::mem::take(&mut counts[piece]);
            if let Some(counted_as) = self.unknown_is {
                counts[counted_as] += count;
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }

    /// How many are alive.
    pub(super) fn n_alive(&self) -> usize {
        self.scores.iter().filter(|&&score| score > GONE).count()
    }

    pub(super) fn is_alive(&self, piece: usize) -> bool {
        self.scores[piece] > GONE
    }

    /// Its score, if it is alive.
    pub(super) fn score(&self, piece: usize) -> Option<f64> {
        Some(self.scores[piece]).filter(|&score| score > GONE)
    }

    pub(super) fn n_chars(&self, piece: usize) -> u8 {
        self.n_chars[piece]
    }

    /// Whether it is a character of the alphabet.
    pub(super) fn is_char(&self, piece: usize) -> bool {
        piece < self.n_alphabet
    }

    /// Whether it must not go.
    pub(super) fn is_required(&self, piece: usize) -> bool {
        self.required[piece]
    }

    /// The lowest score of those alive.
    pub(super) fn worst_score(&self) -> f64 {
        let alive = self.scores.iter().copied().filter(|&score| score > GONE);
        alive.reduce(f64::min).unwrap_or(0.0)
    }

    /// Gives every piece a new score; those without one go.
    pub(super) fn rescore(&mut self, score: impl Fn(usize) -> Option<f64>) {
        for (piece, old) in self.scores.iter_mut().enumerate() {
            *old = score(piece).unwrap_or(GONE);
        }
    }

    /// Lets all other pieces go.
    pub(super) fn keep_only(&mut self, kept: &[bool]) {
        for (score, _) in self.scores.iter_mut().zip(kept).filter(|&(_, &is_kept)| !is_kept) {
            *score = GONE;
        }
    }

    /// Takes out the pieces that are gone, but for characters; returns the new id of each.
    pub(super) fn renumber(&mut self) -> Vec<Option<u32>> {
        let stays: Vec<bool> =
            (0..self.len()).map(|piece| self.is_char(piece) || self.is_alive(piece)).collect();
        keep(&mut self.texts, &stays);
        keep(&mut self.scores, &stays);
        keep(&mut self.n_chars, &stays);
        keep(&mut self.required, &stays);
        let mut next = 0..;
        stays.iter().map(|&stays| if stays { next.next() } else { None }).collect()
    }
}

fn keep<T>(values: &mut Vec<T>, stays: &[bool]) {
    let mut stays = stays.iter();
    values.retain(|_| stays.next().is_some_and(|&stays| stays));
}
