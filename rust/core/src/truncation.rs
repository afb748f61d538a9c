//! Truncation: how long a finished sequence may be, and what gives way.

/// How sequences are cut to a length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truncation {
    /// Ids that a finished sequence may have at the most, those of the post-processor counted.
    pub max_length: usize,
    /// Which sequence of a pair gives way.
    pub strategy: TruncationStrategy,
    /// Ids that each overflowing stretch repeats of the one before.
    pub stride: usize,
    /// The side that is cut off.
    pub side: Side,
}

/// Which sequence of a pair is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TruncationStrategy {
    /// The longer one, until both are equally long, then both.
    LongestFirst,
    /// The first.
    OnlyFirst,
    /// The second.
    OnlySecond,
}

/// A side of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Where the sequence begins.
    Left,
    /// Where it ends.
    Right,
}
