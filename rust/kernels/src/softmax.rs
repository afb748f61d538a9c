//! [`exponentials`] and [`d_scores`]: softmax along rows, all but its division, and its gradient.

use pulp::{Arch, Simd, WithSimd};

use crate::lanes::{LANES, exp, greatest, total};

/// Replaces each number of the first `n_seen` of a row by `exp(x - greatest)`, and the others by 0. Returns the sum, and the
/// greatest.
///
/// Minus infinity becomes 0, even where the whole row is; the greatest of such a row is told as 0.
pub fn exponentials(row: &mut [f32], n_seen: usize) -> (f32, f32) {
    let (seen, hidden) = row.split_at_mut(n_seen.min(row.len()));
    hidden.fill(0.0);
    Arch::new().dispatch(Exponentials(seen))
}

struct Exponentials<'a>(&'a mut [f32]);

impl WithSimd for Exponentials<'_> {
    type Output = (f32, f32);

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> (f32, f32) {
        let most = greatest(self.0);
        let most = if most == f32::NEG_INFINITY { 0.0 } else { most };
        let (chunks, rest) = self.0.as_chunks_mut::<LANES>();
        let mut sums = [0.0; LANES];
        for chunk in chunks {
            for (sum, x) in sums.iter_mut().zip(chunk) {
                *x = exp(*x - most);
                *sum += *x;
            }
        }
        let mut of_rest = 0.0;
        for x in rest {
            *x = exp(*x - most);
            of_rest += *x;
        }
        (total(sums) + of_rest, most)
    }
}

/// Replaces each gradient `d` of a row of weights by that of its score, `(d - r) power`.
///
/// # Panics
/// If there are not as many.
pub fn d_scores(row: &mut [f32], r: f32, powers: &[f32]) {
    assert_eq!(row.len(), powers.len(), "each needs its power");
    Arch::new().dispatch(Scores(row, r, powers));
}

struct Scores<'a>(&'a mut [f32], f32, &'a [f32]);

impl WithSimd for Scores<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (d, power) in self.0.iter_mut().zip(self.2) {
            *d = (*d - self.1) * power;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_become_exponentials_of_what_they_see(
            row in prop::collection::vec(-40_f32..40.0, 0..100),
            n_seen in 0_usize..120,
        ) {
            let mut powers = row.clone();
            let (sum, most) = exponentials(&mut powers, n_seen);
            let n_seen = n_seen.min(row.len());
            let wide: Vec<f64> = row[..n_seen].iter().map(|&x| f64::from(x)).collect();
            let greatest = wide.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            prop_assert_eq!(f64::from(most).to_bits(), if n_seen == 0 { 0.0_f64 } else { greatest }.to_bits());
            let truth: Vec<f64> = wide.iter().map(|x| (x - greatest).exp()).collect();
            prop_assert!((f64::from(sum) - truth.iter().sum::<f64>()).abs() < 1e-4);
            for (power, truth) in powers.iter().zip(truth.into_iter().chain(std::iter::repeat(0.0))) {
                prop_assert!((f64::from(*power) - truth).abs() < 1e-5, "{power} for {truth}");
            }
            let mut d = row.clone();
            d_scores(&mut d, 0.5, &powers);
            for ((d, x), power) in d.iter().zip(&row).zip(&powers) {
                prop_assert_eq!(d.to_bits(), ((x - 0.5) * power).to_bits());
            }
        }
    }

    #[test]
    fn minus_infinity_becomes_zero_even_alone() {
        let mut row = [f32::NEG_INFINITY; 3];
        assert_eq!(exponentials(&mut row, 3), (0.0, 0.0));
        assert_eq!(row.map(f32::to_bits), [0; 3]);
        let mut row = [0.0, f32::NAN];
        assert!(exponentials(&mut row, 2).0.is_nan());
    }
}
