//! Training as SentencePiece 0.2.3 does it.

pub mod valid_piece;
