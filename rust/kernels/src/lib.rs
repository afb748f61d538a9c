//! merganser-kernels: what the transformer computes outside NumPy.
//!
//! A kernel is here because a measurement showed that it pays, and beside each call of one (`transformer/ops`) stands what it
//! means in NumPy. Vectors are those of the processor at hand, by `pulp`.
#![forbid(unsafe_code)]
#![expect(
    clippy::inline_always,
    reason = "what works on vectors must become part of the function made for a processor"
)]

mod activation;
mod adam;
mod few_rows;
mod lanes;
mod norm;
mod softmax;
mod threads;

pub use activation::Activation;
pub use adam::Adam;
pub use few_rows::{Layout, multiply};
pub use norm::{Norm, NormGradients, gradients as norm_gradients};
pub use softmax::{d_scores, exponentials};
