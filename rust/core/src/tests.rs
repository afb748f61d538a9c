//! The whole held to slow oracles ([`naive`]) on random input, to its promises about errors, and to the cases that Rust
//! and Python share.

mod decoding;
mod errors;
mod finishing;
mod models;
mod naive;
mod patterns;
mod pre_tokenizers;
mod properties;
mod sampling;
mod special;
mod strategies;
mod training;
mod training_bpe;
mod training_superwords;
mod training_word_counts;
mod training_wordpiece;
mod vectors;
