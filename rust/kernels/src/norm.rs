//! [`Norm`]: layer norm and RMS norm of rows, and their gradients.

use pulp::{Arch, Simd, WithSimd};

use crate::lanes::{dot, sum};
use crate::threads::{n_each, run_all};

/// A norm over rows as long as its weight: with a bias layer norm (Ba, Kiros and Hinton, 2016), without one RMS norm (Zhang
/// and Sennrich, 2019), which leaves the mean alone.
#[derive(Debug, Clone, Copy)]
pub struct Norm<'a> {
    /// What each number of a normalised row is multiplied by.
    pub weight: &'a [f32],
    /// What is then added.
    pub bias: Option<&'a [f32]>,
    /// Added to the variance.
    pub epsilon: f32,
}

/// Fewer numbers stay on one thread.
const MIN_SHARED: usize = 1 << 16;

impl Norm<'_> {
    /// Writes normalised rows to `x_hat`, each row's factor to `inverse`, and scaled and shifted rows to `out`.
    ///
    /// # Panics
    /// If the lengths do not fit each other.
    pub fn forward(
        self,
        x: &[f32],
        out: &mut [f32],
        x_hat: &mut [f32],
        inverse: &mut [f32],
        n_threads: usize,
    ) {
        let width = self.weight.len();
        assert!(
            self.bias.is_none_or(|bias| bias.len() == width),
            "weight and bias must be as long"
        );
        assert_eq!(
            [x.len(); 3],
            [inverse.len() * width, out.len(), x_hat.len()],
            "rows must be as long as the weight"
        );
        if x.is_empty() {
            return;
        }
        let n_rows = n_each(inverse.len(), n_threads, 1, MIN_SHARED / width);
        let n = n_rows * width;
        let arch = Arch::new();
        let parts = x
            .chunks(n)
            .zip(out.chunks_mut(n))
            .zip(x_hat.chunks_mut(n))
            .zip(inverse.chunks_mut(n_rows));
        run_all(parts, |(((x, out), x_hat), inverse)| {
            arch.dispatch(Forward { norm: self, x, out, x_hat, inverse });
        });
    }
}

struct Forward<'a> {
    norm: Norm<'a>,
    x: &'a [f32],
    out: &'a mut [f32],
    x_hat: &'a mut [f32],
    inverse: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Norm { weight, bias, epsilon } = self.norm;
        let width = weight.len();
        let per_width = 1.0 / as_float(width);
        let rows = self.x.chunks_exact(width).zip(self.x_hat.chunks_exact_mut(width));
        let outs = self.out.chunks_exact_mut(width).zip(self.inverse);
        for ((row, hat), (out, inverse)) in rows.zip(outs) {
            let mean = if bias.is_some() { sum(row) * per_width } else { 0.0 };
            for (hat, x) in hat.iter_mut().zip(row) {
                *hat = x - mean;
            }
            let factor = 1.0 / (dot(hat, hat) * per_width + epsilon).sqrt();
            *inverse = factor;
            match bias {
                Some(bias) => {
                    for (((hat, out), weight), bias) in
                        hat.iter_mut().zip(out).zip(weight).zip(bias)
                    {
                        *hat *= factor;
                        *out = *hat * weight + bias;
                    }
                }
                None => {
                    for ((hat, out), weight) in hat.iter_mut().zip(out).zip(weight) {
                        *hat *= factor;
                        *out = *hat * weight;
                    }
                }
            }
        }
    }
}

/// What [`gradients`] writes.
#[derive(Debug)]
pub struct NormGradients<'a> {
    /// Of the rows.
    pub d_x: &'a mut [f32],
    /// Of the weight.
    pub d_weight: &'a mut [f32],
    /// Of the bias, where there is one: without, the mean was left alone.
    pub d_bias: Option<&'a mut [f32]>,
}

/// Writes the gradients for those of the output, `d_out`, and what [`Norm::forward`] wrote.
///
/// # Panics
/// If the lengths do not fit each other.
pub fn gradients(
    d_out: &[f32],
    x_hat: &[f32],
    inverse: &[f32],
    weight: &[f32],
    to: NormGradients<'_>,
) {
    let width = weight.len();
    assert!(
        to.d_bias.as_ref().is_none_or(|d_bias| d_bias.len() == width),
        "weight and bias must be as long"
    );
    assert_eq!(to.d_weight.len(), width, "the weight and its gradient must be as long");
    assert_eq!(
        [inverse.len() * width; 3],
        [d_out.len(), x_hat.len(), to.d_x.len()],
        "rows must be as long as the weight"
    );
    to.d_weight.fill(0.0);
    Arch::new().dispatch(Backward { d_out, x_hat, inverse, weight, to });
}

struct Backward<'a> {
    d_out: &'a [f32],
    x_hat: &'a [f32],
    inverse: &'a [f32],
    weight: &'a [f32],
    to: NormGradients<'a>,
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let NormGradients { d_x, d_weight, mut d_bias } = self.to;
        let width = self.weight.len();
        if let Some(d_bias) = &mut d_bias {
            d_bias.fill(0.0);
        }
        if width == 0 {
            return;
        }
        let per_width = 1.0 / as_float(width);
        let rows = self.d_out.chunks_exact(width).zip(self.x_hat.chunks_exact(width));
        let outs = d_x.chunks_exact_mut(width).zip(self.inverse);
        for ((d_row, hat), (d_hat, inverse)) in rows.zip(outs) {
            let places =
                d_hat.iter_mut().zip(&mut *d_weight).zip(d_row.iter().zip(hat).zip(self.weight));
            for ((d_hat, d_weight), ((d, hat), weight)) in places {
                *d_hat = d * weight;
                *d_weight += d * hat;
            }
            let mean = if let Some(d_bias) = &mut d_bias {
                for (d_bias, d) in d_bias.iter_mut().zip(d_row) {
                    *d_bias += d;
                }
                sum(d_hat) * per_width
            } else {
                0.0
            };
            let slope = dot(d_hat, hat) * per_width;
            for (d_hat, hat) in d_hat.iter_mut().zip(hat) {
                *d_hat = (*d_hat - mean - hat * slope) * inverse;
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "no row is as long as 2^24")]
fn as_float(width: usize) -> f32 {
    width as f32
}
