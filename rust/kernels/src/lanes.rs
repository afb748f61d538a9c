//! Arithmetic that the compiler turns into vectors of whichever processor a function is made for.
//!
//! All of it is rounded as written, no product is fused with a sum, and sums are taken in [`LANES`] parts: so every processor
//! gives the same bits.

use std::f32::consts::LOG2_E;

/// So many parts of a sum are taken side by side.
pub(crate) const LANES: usize = 32;

/// `1.5 * 2^23`: added to a small number, it rounds it to a whole one and leaves that in the lowest bits.
const ROUNDING: f32 = 12_582_912.0;
/// The natural logarithm of 2, in two parts: products of the first with small whole numbers are exact.
const LN_2: [f32; 2] = [355.0 / 512.0, -2.121_944_4e-4];
/// `(e^r - 1 - r) / r^2` for `|r| <= ln(2) / 2`, lowest power first: the polynomial of degree 4 of least relative error of the
/// whole, found by weighted least squares.
const EXP: [f32; 5] = [0.499_999_94, 0.166_665_2, 0.041_668_39, 0.008_368_71, 0.001_381_461_3];
/// Below it the result would have fewer bits than a number of full precision, and is 0.
const LEAST: f32 = -87.0;
/// Above it there is no finite result.
const MOST: f32 = 88.722_83;

/// `e^x` within 8.1e-8 of itself. It is 0 from -87 downwards, where the true value is below 1.7e-38; not a number stays none.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    let near = if x > MOST { MOST } else { x };
    let shifted = near * LOG2_E + ROUNDING;
    let n = shifted - ROUNDING;
    let r = near - n * LN_2[0] - n * LN_2[1];
    let power = polynomial(EXP, r) * (r * r) + r + 1.0;
    // Times 2^n; n is 128 only where the power is below 1.
    let doubled = f32::from_bits(power.to_bits().wrapping_add(shifted.to_bits() << 23));
    // Not a number passes no comparison; its bits were shifted and added to themselves above.
    let result = if x <= MOST { doubled } else { x * f32::INFINITY };
    if x < LEAST { 0.0 } else { result }
}

/// The value of a polynomial, given its coefficients, lowest power first.
#[inline(always)]
pub(crate) fn polynomial<const N: usize>(coefficients: [f32; N], x: f32) -> f32 {
    let mut value = coefficients[N - 1];
    for coefficient in coefficients[..N - 1].iter().rev() {
        value = value * x + coefficient;
    }
    value
}

/// The sum of numbers.
#[inline(always)]
pub(crate) fn sum(numbers: &[f32]) -> f32 {
    let (chunks, rest) = numbers.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for chunk in chunks {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *sum += x;
        }
    }
    total(sums) + rest.iter().sum::<f32>()
}

/// The sum of the products of numbers with others, as many.
#[inline(always)]
pub(crate) fn dot(numbers: &[f32], others: &[f32]) -> f32 {
    let (chunks, rest) = numbers.as_chunks::<LANES>();
    let (other_chunks, other_rest) = others.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (chunk, others) in chunks.iter().zip(other_chunks) {
        for (sum, (x, y)) in sums.iter_mut().zip(chunk.iter().zip(others)) {
            *sum += x * y;
        }
    }
    total(sums) + rest.iter().zip(other_rest).map(|(x, y)| x * y).sum::<f32>()
}

/// The greatest of numbers, those that are none left aside; minus infinity without any.
#[inline(always)]
pub(crate) fn greatest(numbers: &[f32]) -> f32 {
    let (chunks, rest) = numbers.as_chunks::<LANES>();
    let mut found = [f32::NEG_INFINITY; LANES];
    for chunk in chunks {
        for (found, &x) in found.iter_mut().zip(chunk) {
            *found = if x > *found { x } else { *found };
        }
    }
    found.iter().chain(rest).fold(f32::NEG_INFINITY, |most, &x| if x > most { x } else { most })
}

/// The sum of the parts, by halves.
#[inline(always)]
pub(crate) fn total(mut sums: [f32; LANES]) -> f32 {
    let mut n = LANES;
    while n > 1 {
        n /= 2;
        for i in 0..n {
            sums[i] += sums[i + n];
        }
    }
    sums[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn exp_is_exact_to_a_unit_in_the_last_place() {
        let mut x = LEAST;
        while x < MOST {
            let (found, truth) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((found / truth - 1.0).abs() < 8.2e-8, "exp({x}) is {truth}, not {found}");
            x += 0.000_31;
        }
        for (x, truth) in [
            (0.0, 1.0),
            (-0.0, 1.0),
            (f32::NEG_INFINITY, 0.0),
            (-1e30, 0.0),
            (-87.1, 0.0),
            (88.8, f32::INFINITY),
            (f32::INFINITY, f32::INFINITY),
        ] {
            assert_eq!(exp(x).to_bits(), f32::to_bits(truth), "exp({x})");
        }
        assert!(exp(MOST).is_finite());
        for bits in [0x7fc0_0000, 0x7fc0_0001, 0x7fff_ffff, 0xffff_ffff, 0xff80_0001, 0x7fbf_ffff] {
            assert!(exp(f32::from_bits(bits)).is_nan(), "{bits:x}");
        }
    }

    proptest! {
        #[test]
        fn reductions_are_those_of_plain_loops(numbers in prop::collection::vec(-9_i8..9, 0..150)) {
            let numbers: Vec<f32> = numbers.into_iter().map(f32::from).collect();
            let squares: f32 = numbers.iter().map(|x| x * x).sum();
            let most = numbers.iter().fold(f32::NEG_INFINITY, |most, &x| most.max(x));
            // Sums of whole numbers are exact in any order; that of none is -0 in Rust.
            let plain = [numbers.iter().sum::<f32>() + 0.0, squares + 0.0, most];
            let found = [sum(&numbers) + 0.0, dot(&numbers, &numbers) + 0.0, greatest(&numbers)];
            prop_assert_eq!(found.map(f32::to_bits), plain.map(f32::to_bits));
        }
    }
}
