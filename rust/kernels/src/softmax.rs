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
