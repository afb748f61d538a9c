//! [`Written`]: digits that the reader takes for a score.
//!
//! The reader is as exact as the reference library's, whose sums it must equal: it takes the digits as a whole number,
//! rounded to 53 bits, times or by a power of ten, rounded again. So of a number's own digits it may miss the last bit, and
//! with that power of ten there may be no digits at all for the number. With another there are.

use serde::Serialize;
use serde_json::value::RawValue;

/// Numbers next to one another that are tried for one power of ten.
const N_NEIGHBOURS: usize = 4;

/// Powers of ten that are tried: with each, whole numbers have up to 19 digits.
const N_POWERS: i32 = 8;

/// A score to be written.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Written {
    /// By the shortest digits of this number.
    Number(f64),
    /// By these digits.
    Digits(Box<RawValue>),
}

impl Written {
    /// What is read as `score`.
    pub(super) fn of(score: f64) -> Self {
        let is_read = |digits: &str| {
            serde_json::from_str(digits).is_ok_and(|read: f64| read.to_bits() == score.to_bits())
        };
        let of_number = |number: &f64| is_read(&serde_json::to_string(number).unwrap_or_default());
        if let Some(number) = neighbours(score).find(of_number) {
            return Self::Number(number);
        }
        let sign = if score.is_sign_negative() { "-" } else { "" };
        let power = exponent(score.abs());
        let digits = (0..N_POWERS).flat_map(|i| {
            let exponent = power - 18 + i;
            let whole = score.abs() / 10_f64.powi(exponent);
            neighbours(whole).map(move |whole| format!("{sign}{whole:.0}e{exponent}"))
        });
        let found = digits.into_iter().find(|digits| is_read(digits));
        found
            .and_then(|digits| RawValue::from_string(digits).ok())
            .map_or(Self::Number(score), Self::Digits)
    }
}

/// The number, and those next to it, the nearest first.
fn neighbours(number: f64) -> impl Iterator<Item = f64> {
    let below = std::iter::successors(Some(number), |number| Some(number.next_down()));
    let above = std::iter::successors(Some(number), |number| Some(number.next_up()));
    below.zip(above).take(N_NEIGHBOURS).flat_map(|(below, above)| [below, above])
}

#[expect(clippy::cast_possible_truncation, reason = "at most 308")]
fn exponent(number: f64) -> i32 {
    if number > 0.0 { number.log10().floor() as i32 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Random;

    #[test]
    fn every_score_is_written_so_that_it_is_read() {
        let mut random = Random::new(3);
        let mut n_digits = 0;
        for _ in 0..50_000 {
            let score = f64::from_bits(random.next_u64());
            if !score.is_finite() || score.abs() > 1e300 || score.abs() < 1e-280 {
                continue;
            }
            for score in [score, score % 1e45] {
                let written = Written::of(score);
                n_digits += usize::from(matches!(written, Written::Digits(_)));
                let json = serde_json::to_string(&written).unwrap();
                assert_eq!(serde_json::from_str::<f64>(&json).unwrap().to_bits(), score.to_bits());
            }
        }
        assert!(n_digits > 0);
    }
}
