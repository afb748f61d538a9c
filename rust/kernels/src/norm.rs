//! [`Norm`]: layer norm and RMS norm of rows, and their gradients.

use pulp::{Arch, Simd, WithSimd};

use crate::lanes::{dot, sum};
use crate::threads::{MIN_SHARED, n_each, run_all};

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EPSILON: f32 = 0.1;

    /// The sum of the normalised, scaled and weighted numbers of a row, in double precision.
    fn loss(row: &[f64], weight: &[f32], d_out: &[f32], has_mean: bool) -> f64 {
        let n = f64::from(as_float(row.len()));
        let mean = if has_mean { row.iter().sum::<f64>() / n } else { 0.0 };
        let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        let deviation = (variance + f64::from(EPSILON)).sqrt();
        let factors =
            weight.iter().zip(d_out).map(|(weight, d)| f64::from(*weight) * f64::from(*d));
        row.iter().zip(factors).map(|(x, factor)| (x - mean) / deviation * factor).sum()
    }

    proptest! {
        #[test]
        fn gradients_are_the_slopes_of_the_norm(
            parts in (1_usize..70).prop_flat_map(|width| {
                [(); 4].map(|()| prop::collection::vec(-3_f32..3.0, width))
            }),
            has_mean in any::<bool>(),
            n_threads in 0_usize..3,
        ) {
            let [x, weight, bias, d_out] = parts;
            let width = x.len();
            let norm = Norm { weight: &weight, bias: has_mean.then_some(&bias[..]), epsilon: EPSILON };
            let (mut out, mut x_hat, mut inverse) = (x.clone(), x.clone(), [0.0]);
            norm.forward(&x, &mut out, &mut x_hat, &mut inverse, n_threads);
            let (mut d_x, mut d_weight, mut d_bias) = (x.clone(), x.clone(), x.clone());
            let to = NormGradients {
                d_x: &mut d_x,
                d_weight: &mut d_weight,
                d_bias: has_mean.then_some(&mut d_bias[..]),
            };
            gradients(&d_out, &x_hat, &inverse, &weight, to);
            let wide: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
            let shift: f64 = if has_mean { bias.iter().zip(&d_out).map(|(b, d)| f64::from(b * d)).sum() } else { 0.0 };
            let total: f64 = out.iter().zip(&d_out).map(|(o, d)| f64::from(*o) * f64::from(*d)).sum();
            prop_assert!((total - shift - loss(&wide, &weight, &d_out, has_mean)).abs() < 1e-2);
            for place in 0..width {
                let mut moved = wide.clone();
                moved[place] += 1e-5;
                let above = loss(&moved, &weight, &d_out, has_mean);
                moved[place] -= 2e-5;
                let slope = (above - loss(&moved, &weight, &d_out, has_mean)) / 2e-5;
                prop_assert!((f64::from(d_x[place]) - slope).abs() < 1e-3, "{} for {slope}", d_x[place]);
                prop_assert!((d_weight[place] - d_out[place] * x_hat[place]).abs() < 1e-6);
                prop_assert!(!has_mean || (d_bias[place] - d_out[place]).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn bits_do_not_depend_on_the_threads() {
        let width = 300;
        let x: Vec<f32> =
            (-1500_i16..1500).cycle().take(1000 * width).map(|i| f32::from(i) / 700.0).collect();
        let (weight, bias) = (vec![1.5; width], vec![0.3; width]);
        let norm = Norm { weight: &weight, bias: Some(&bias), epsilon: EPSILON };
        let [one, many] = [1, 3].map(|n_threads| {
            let (mut out, mut x_hat, mut inverse) = (x.clone(), x.clone(), vec![0.0; 1000]);
            norm.forward(&x, &mut out, &mut x_hat, &mut inverse, n_threads);
            (out, x_hat, inverse)
        });
        assert_eq!(one, many);
    }
}
