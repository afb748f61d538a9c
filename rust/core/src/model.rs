//! Models: turn a pre-token into ids.

pub mod bpe;
