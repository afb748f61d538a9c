//! merganser-core: exact, fast subword tokenization. No Python, no printing, no environment.
//!
//! A [`Definition`] is the data a tokenizer is made of; formats read and write it. A [`Tokenizer`] is compiled from one.
//! `DESIGN.md` beside this crate says why the algorithms are right.
#![forbid(unsafe_code)]

pub mod added_tokens;
mod bounds;
pub mod char_class;
pub mod compiled;
pub mod decoder;
pub mod definition;
pub mod documents;
pub mod encoding;
pub mod error;
pub mod format;
pub mod model;
pub mod normalizer;
pub mod padding;
pub mod parallel;
pub mod pipeline;
pub mod post_processor;
pub mod pre_tokenizer;
pub mod progress;
pub mod tokenizer;
pub mod traced;
pub mod train;
pub mod truncation;
pub mod vocab;

pub use definition::Definition;
pub use error::{Error, Result};
pub use tokenizer::Tokenizer;

#[cfg(test)]
mod tests;
