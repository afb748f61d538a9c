//! Padding: how the sequences of a batch become equally long.

use crate::truncation::Side;

/// How sequences are filled up to a length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Padding {
    /// To what length.
    pub strategy: PaddingStrategy,
    /// The side that is filled.
    pub side: Side,
    /// The length is rounded up to a multiple of this.
    pub multiple_of: Option<usize>,
    /// The id that fills.
    pub id: u32,
    /// Its type id.
    pub type_id: u32,
    /// Its text.
    pub token: String,
}

/// To what length sequences are filled up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaddingStrategy {
    /// That of the longest of the batch.
    BatchLongest,
    /// This one.
    Fixed(usize),
}
