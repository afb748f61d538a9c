//! Training vocabularies: text -> [`WordCounts`] -> a trainer -> [`crate::Definition`].
//!
//! Trainers see counts, never text: they are pure and deterministic, and counting can be done anywhere and summed.

pub mod bpe;
pub mod sentencepiece;
pub mod word_counts;

pub use word_counts::{WordCounter, WordCounts};
