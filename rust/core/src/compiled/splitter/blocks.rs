//! Boundaries of 64 bytes of ASCII at once, by masks instead of steps.
//!
//! A block starts where a pre-token starts, so nothing before it matters. Its classes are one bit a byte; "starts a run" is
//! then `class & !(class << 1)`, and every rule of a pattern is a few such operations, one for 64 bytes. What a rule needs to
//! know beyond a byte (two bytes ahead for a contraction, the end of a run of white space) makes the starts behind it
//! *untrusted*: the pre-token that an untrusted start would end is where the next block starts. Where a block gives nothing,
//! because of other than ASCII or a pre-token longer than a block, the splitter that goes byte by byte takes one step.

use merganser_simd::{BlockMasks, Classifier};

use super::contraction;

const N: u32 = 64;
/// Bytes that a decision may look ahead.
const AHEAD: u32 = 2;

/// Where pre-tokens start in a block, and below which bit that is certain.
#[derive(Debug, Clone, Copy)]
pub(super) struct Starts {
    pub(super) bits: u64,
    pub(super) trusted: u32,
}

impl Starts {
    /// Nothing is certain.
    pub(super) const NONE: Self = Self { bits: 1, trusted: 0 };

    /// The certain starts after the first.
    pub(super) fn after_first(self) -> u64 {
        self.bits & below(self.trusted) & !1
    }
}

/// The bits below `n`.
pub(super) const fn below(n: u32) -> u64 {
    if n >= N { u64::MAX } else { (1 << n) - 1 }
}

/// The classes that the patterns speak of, and how many bytes are ASCII.
struct Classes {
    letter: u64,
    digit: u64,
    newline: u64,
    /// White space but newlines.
    blank: u64,
    symbol: u64,
    space: u64,
    trusted: u32,
}

impl Classes {
    fn new(masks: &BlockMasks) -> Self {
        let &BlockMasks { letter, digit, space, newline, other_white_space, non_ascii, .. } = masks;
        let blank = space | other_white_space;
        let symbol = !(letter | digit | blank | newline | non_ascii);
        let trusted = non_ascii.trailing_zeros().saturating_sub(AHEAD);
        Self { letter, digit, newline, blank, symbol, space, trusted }
    }

    fn text(&self) -> u64 {
        self.letter | self.digit | self.symbol
    }
}

/// The starts of runs.
const fn first_of(class: u64) -> u64 {
    class & !(class << 1)
}

/// Length of the run of `class` that starts at `place`.
const fn run_len(class: u64, place: u32) -> u32 {
    (!(class >> place)).trailing_zeros()
}

/// Each set bit, lowest first.
fn each_bit(mut bits: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let bit = bits.trailing_zeros();
        (bit < N).then(|| {
            bits &= bits - 1;
            bit
        })
    })
}

const fn bit(place: u32) -> u64 {
    if place >= N { 0 } else { 1 << place }
}

/// GPT-2's pattern.
pub(super) fn gpt2(classifier: Classifier, block: &[u8; 64]) -> Starts {
    let masks = classifier.classify(block);
    let classes = Classes::new(&masks);
    let Classes { letter, digit, newline, blank, symbol, space, trusted } = classes;
    let white = blank | newline;
    let text = first_of(letter) | first_of(digit) | first_of(symbol);
    // A space belongs to what follows it; of longer white space the last character stands apart.
    let mut bits = 1 | (text & !(space << 1)) | first_of(white) | (white & (classes.text() >> 1));
    for place in each_bit(masks.apostrophe & bits & below(trusted)) {
        if let Some(len) = super::gpt2::contraction(block, place as usize) {
            bits &= !bit(place + 1);
            #[expect(clippy::cast_possible_truncation, reason = "1 or 2")]
            let end = place + 1 + len as u32;
            bits |= bit(end);
        }
    }
    Starts { bits, trusted }
}

/// cl100k's pattern.
pub(super) fn cl100k(classifier: Classifier, block: &[u8; 64], max_digits: u8) -> Starts {
    let masks = classifier.classify(block);
    let classes = Classes::new(&masks);
    let mut trusted = classes.trusted;
    let symbol = symbol_starts(&classes);
    let mut bits = 1
        | symbol
        | word_starts(&classes, symbol)
        | white_space_starts(&classes, &mut trusted)
        | digit_starts(classes.digit, max_digits);
    for place in each_bit(masks.apostrophe & symbol & below(trusted)) {
        if let Some(len) = contraction_in(block, place) {
            bits |= bit(place + 1 + len);
        }
    }
    Starts { bits, trusted }
}

/// o200k's pattern.
pub(super) fn o200k(classifier: Classifier, block: &[u8; 64]) -> Starts {
    let masks = classifier.classify(block);
    let classes = Classes::new(&masks);
    let mut trusted = classes.trusted;
    let symbol = symbol_starts(&classes);
    let lower = classes.letter & !masks.upper;
    let mut bits = 1
        | symbol
        | word_starts(&classes, symbol)
        | (masks.upper & (lower << 1))
        | white_space_starts(&classes, &mut trusted)
        | digit_starts(classes.digit, 3);
    // A contraction belongs to the word before it, unless a pre-token has just ended there.
    let mut forced = 1_u64;
    for place in each_bit(masks.apostrophe & (classes.letter << 1) & below(trusted)) {
        if forced & bit(place) == 0
            && let Some(len) = contraction_in(block, place)
        {
            bits &= !(below(place + 1 + len) & !below(place));
            forced |= bit(place + 1 + len);
            bits |= bit(place + 1 + len);
        }
    }
    // A slash after newlines after symbols goes with them: rare, and left to the other splitter.
    let after_eaten = (eaten_newlines(&classes) << 1) & classes.symbol;
    if let Some(place) = each_bit(after_eaten).find(|&place| block[place as usize] == b'/') {
        trusted = trusted.min(place);
    }
    Starts { bits, trusted }
}

#[expect(clippy::cast_possible_truncation, reason = "1 or 2")]
fn contraction_in(block: &[u8; 64], place: u32) -> Option<u32> {
    contraction(block, place as usize).map(|len| len as u32)
}

/// ` ?[^\s\p{L}\p{N}]+`: a run of symbols, unless a space before it starts the pre-token.
fn symbol_starts(classes: &Classes) -> u64 {
    first_of(classes.symbol) & !(classes.space << 1)
}

/// `[^\r\n\p{L}\p{N}]?\p{L}+`: a run of letters, unless one blank or symbol before it starts the pre-token. Of blanks the one
/// before other text always starts one.
fn word_starts(classes: &Classes, symbol_starts: u64) -> u64 {
    first_of(classes.letter) & !((symbol_starts | classes.blank) << 1)
}

/// Newlines behind symbols belong to them: `[^\s\p{L}\p{N}]+[\r\n]*`.
fn eaten_newlines(classes: &Classes) -> u64 {
    let first = (classes.symbol << 1) & classes.newline;
    // The sum carries through each run that `first` starts and clears it.
    classes.newline & !classes.newline.wrapping_add(first)
}

/// `\s*[\r\n]+|\s+(?!\S)|\s+`: white space up to its last newline; of the blanks after it all but the last, and the last.
fn white_space_starts(classes: &Classes, trusted: &mut u32) -> u64 {
    let Classes { newline, blank, .. } = *classes;
    let newline = newline & !eaten_newlines(classes);
    let last = blank & (classes.text() >> 1);
    let mut bits = first_of(blank | newline) | last;
    for place in each_bit(blank & (newline << 1)) {
        let end = place + run_len(blank, place);
        if end >= *trusted {
            *trusted = (*trusted).min(place);
            break;
        }
        if classes.newline & bit(end) == 0 {
            bits |= bit(place);
        }
    }
    bits
}

/// `\p{N}{1,max_digits}`
fn digit_starts(digit: u64, max_digits: u8) -> u64 {
    let mut bits = first_of(digit);
    for place in each_bit(bits) {
        let len = run_len(digit, place);
        bits =
            (0..len).step_by(usize::from(max_digits)).fold(bits, |bits, i| bits | bit(place + i));
    }
    bits
}
