//! [`Activation`]: pointwise functions of a network, and their slopes.

use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use pulp::{Arch, Simd, WithSimd};

use crate::lanes::{exp, polynomial};
use crate::threads::{MIN_SHARED, n_each, run_all};

/// A function of each number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x Phi(x)`, with the normal distribution.
    Gelu,
    /// `x / 2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`.
    GeluTanh,
    /// `x / (1 + e^-x)`.
    Silu,
}

impl Activation {
    /// Writes the value at each of `x` to `out`.
    ///
    /// # Panics
    /// If there are not as many.
    pub fn forward(self, x: &[f32], out: &mut [f32], n_threads: usize) {
        assert_eq!(x.len(), out.len(), "as many numbers must come out as go in");
        let n = n_each(x.len(), n_threads, 64, MIN_SHARED);
        let arch = Arch::new();
        run_all(x.chunks(n).zip(out.chunks_mut(n)), |(x, out)| match self {
            Self::Gelu => arch.dispatch(Forward(x, out, Gelu)),
            Self::GeluTanh => arch.dispatch(Forward(x, out, GeluTanh)),
            Self::Silu => arch.dispatch(Forward(x, out, Silu)),
        });
    }

    /// Writes the slope at each of `x` times that of `d_out` to `d_x`.
    ///
    /// # Panics
    /// If there are not as many.
    pub fn backward(self, x: &[f32], d_out: &[f32], d_x: &mut [f32], n_threads: usize) {
        assert_eq!((x.len(), x.len()), (d_out.len(), d_x.len()), "all must be as many");
        let n = n_each(x.len(), n_threads, 64, MIN_SHARED);
        let arch = Arch::new();
        let parts = x.chunks(n).zip(d_out.chunks(n)).zip(d_x.chunks_mut(n));
        run_all(parts, |((x, d_out), d_x)| match self {
            Self::Gelu => arch.dispatch(Backward(x, d_out, d_x, Gelu)),
            Self::GeluTanh => arch.dispatch(Backward(x, d_out, d_x, GeluTanh)),
            Self::Silu => arch.dispatch(Backward(x, d_out, d_x, Silu)),
        });
    }
}

trait Curve {
    fn value(x: f32) -> f32;
    fn slope(x: f32) -> f32;
}

struct Forward<'a, C>(&'a [f32], &'a mut [f32], C);

impl<C: Curve> WithSimd for Forward<'_, C> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (x, out) in self.0.iter().zip(self.1) {
            *out = C::value(*x);
        }
    }
}

struct Backward<'a, C>(&'a [f32], &'a [f32], &'a mut [f32], C);

impl<C: Curve> WithSimd for Backward<'_, C> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for ((x, d_out), d_x) in self.0.iter().zip(self.1).zip(self.2) {
            *d_x = d_out * C::slope(*x);
        }
    }
}

struct Gelu;

/// `P` of `erf(x / sqrt(2)) = tanh(x P(x^2))`, lowest power first: that of `transformer/ops/activation.py`, where it is derived.
const ERF: [f32; 7] = {
    let of_z: [f64; 7] = [
        1.128_379_705_497_345_2,
        0.102_765_481_168_700_89,
        -0.000_184_382_964_978_404_66,
        -0.000_625_720_260_866_890_6,
        8.971_286_720_676_584e-5,
        -5.985_739_645_112_645e-6,
        1.589_631_961_651_769_7e-7,
    ];
    let mut of_x = [0.0; 7];
    // z = x / sqrt(2)
    let (mut factor, mut i) = (std::f64::consts::FRAC_1_SQRT_2, 0);
    while i < 7 {
        of_x[i] = narrow(of_z[i] * factor);
        factor *= 0.5;
        i += 1;
    }
    of_x
};

#[expect(
    clippy::cast_possible_truncation,
    reason = "constants are rounded to the type that is computed in"
)]
const fn narrow(x: f64) -> f32 {
    x as f32
}

/// `e^-y` for which the normal distribution is `1 / (1 + e^-y)`.
#[inline(always)]
fn normal_odds(x: f32) -> f32 {
    exp(-2.0 * x * polynomial(ERF, x * x))
}

impl Curve for Gelu {
    #[inline(always)]
    fn value(x: f32) -> f32 {
        x / (1.0 + normal_odds(x))
    }

    #[inline(always)]
    fn slope(x: f32) -> f32 {
        let density = exp(-0.5 * (x * x)) * (0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2);
        1.0 / (1.0 + normal_odds(x)) + x * density
    }
}

struct GeluTanh;

const CUBIC: f32 = 0.044_715;
/// `2 sqrt(2/pi)`: with t the tanh of u, `(1 + t) / 2` is `1 / (1 + e^-2u)`.
const TWICE: f32 = 2.0 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2;

impl Curve for GeluTanh {
    #[inline(always)]
    fn value(x: f32) -> f32 {
        x / (1.0 + exp(-TWICE * ((CUBIC * (x * x) + 1.0) * x)))
    }

    #[inline(always)]
    fn slope(x: f32) -> f32 {
        // Further out it is 0 or 1 to the last bit, and x^2 may overflow.
        let x = x.clamp(-9.0, 9.0);
        let cubic = CUBIC * (x * x);
        let odds = exp(-TWICE * ((cubic + 1.0) * x));
        let share = 1.0 / (1.0 + odds);
        share + x * (share * (odds * share)) * (TWICE * (3.0 * cubic + 1.0))
    }
}

struct Silu;

impl Curve for Silu {
    #[inline(always)]
    fn value(x: f32) -> f32 {
        x / (1.0 + exp(-x))
    }

    #[inline(always)]
    fn slope(x: f32) -> f32 {
        // Further out it is 0 or 1 to the last bit.
        let x = x.clamp(-80.0, 80.0);
        let odds = exp(-x);
        let share = 1.0 / (1.0 + odds);
        share + x * (share * (odds * share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `tanh` of the normal distribution's share: `Phi` by Simpson's rule from 0.
    fn normal_distribution(x: f64) -> f64 {
        let density = |y: f64| (-0.5 * y * y).exp() / std::f64::consts::TAU.sqrt();
        let n = 400;
        let step = x / f64::from(n);
        let inner: f64 =
            (1..n).map(|i| density(step * f64::from(i)) * f64::from(2 + i % 2 * 2)).sum();
        0.5 + step / 3.0 * (density(0.0) + inner + density(x))
    }

    fn truth(activation: Activation, x: f64) -> f64 {
        match activation {
            Activation::Gelu => x * normal_distribution(x),
            Activation::GeluTanh => {
                let u = std::f64::consts::FRAC_2_PI.sqrt() * (x + 0.044_715 * x.powi(3));
                x / 2.0 * (1.0 + u.tanh())
            }
            Activation::Silu => x / (1.0 + (-x).exp()),
        }
    }

    const ALL: [Activation; 3] = [Activation::Gelu, Activation::GeluTanh, Activation::Silu];

    #[test]
    fn values_and_slopes_are_those_of_double_precision() {
        let x: Vec<f32> = (-9_000_i16..9_000).map(|i| f32::from(i) / 1000.0).collect();
        let d_out: Vec<f32> = x.iter().map(|x| x - 2.0).collect();
        for activation in ALL {
            for n_threads in [0, 1, 3] {
                let (mut out, mut d_x) = (vec![f32::NAN; x.len()], vec![f32::NAN; x.len()]);
                activation.forward(&x, &mut out, n_threads);
                activation.backward(&x, &d_out, &mut d_x, n_threads);
                for (i, &x) in x.iter().enumerate() {
                    let wide = f64::from(x);
                    let value = truth(activation, wide);
                    let slope =
                        (truth(activation, wide + 1e-5) - truth(activation, wide - 1e-5)) / 2e-5;
                    let [found, found_slope] = [out[i], d_x[i]].map(f64::from);
                    assert!(
                        (found - value).abs() < 4e-7 * value.abs().max(1.0),
                        "{activation:?} {x} {value} {found}"
                    );
                    let slope = f64::from(d_out[i]) * slope;
                    assert!(
                        (found_slope - slope).abs() < 5e-6,
                        "{activation:?} {x} {slope} {found_slope}"
                    );
                }
            }
        }
    }

    #[test]
    fn far_out_they_are_straight() {
        let x = [-f32::MAX, -1e30, -200.0, 200.0, 1e30, f32::MAX, f32::NAN];
        for activation in ALL {
            let (mut out, mut d_x) = ([1.0; 7], [1.0; 7]);
            activation.forward(&x, &mut out, 1);
            activation.backward(&x, &[1.0; 7], &mut d_x, 1);
            assert_eq!(out[..6], [0.0, 0.0, 0.0, 200.0, 1e30, f32::MAX], "{activation:?}");
            for (found, slope) in d_x.iter().zip([0.0, 0.0, 0.0, 1.0, 1.0, 1.0]) {
                assert!((found - slope).abs() < 1e-20, "{activation:?}: {found} for {slope}");
            }
            assert!(out[6].is_nan() && d_x[6].is_nan(), "{activation:?}");
        }
    }

    #[test]
    fn bits_do_not_depend_on_the_threads() {
        let x: Vec<f32> =
            (-1700_i16..1700).cycle().take(200_003).map(|i| f32::from(i) / 500.0).collect();
        for activation in ALL {
            let [one, many] = [1, 3].map(|n_threads| {
                let mut out = vec![0.0; x.len()];
                activation.forward(&x, &mut out, n_threads);
                out
            });
            assert_eq!(one, many);
        }
    }
}
