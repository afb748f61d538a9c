//! merganser-kernels: what the transformer computes outside NumPy.
//!
//! A kernel is here because a measurement showed that it pays, and beside the call of it (`transformer/ops/product.py`) stands
//! what it means in NumPy. Vectors are those of the processor at hand, by `pulp`.
#![forbid(unsafe_code)]
#![expect(
    clippy::inline_always,
    reason = "what works on vectors must become part of the function made for a processor"
)]

mod few_rows;

pub use few_rows::{Layout, multiply};
