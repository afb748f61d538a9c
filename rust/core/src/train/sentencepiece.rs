//! Training as SentencePiece 0.2.3 does it.

pub mod rules;
pub mod valid_piece;
