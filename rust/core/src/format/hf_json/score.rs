//! [`Written`]: digits that the reader takes for a score.
//!
//! The reader is as exact as the reference library's, whose sums it must equal: it takes the digits as a whole number below
//! 2⁶⁴, rounded to 53 bits, times or by a power of ten, rounded again. So of a number's own digits it may miss the last bit, and
//! with that power of ten there may be no digits at all for the number. All other powers are tried: every score that was ever
//! read is found. One that no digits are read as is written as itself.

use serde::Serialize;
use serde_json::value::RawValue;

/// Numbers next to one another that are tried for one power of ten.
const N_NEIGHBOURS: usize = 4;

/// Digits of the largest whole number.
const N_DIGITS: i32 = 20;

/// The largest power of ten that is a number.
const MAX_POWER: i32 = 308;

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
        let last = exponent(score.abs());
        let digits = (last - N_DIGITS..=last).flat_map(|exponent| {
            let whole = if exponent >= 0 {
                score.abs() / power(exponent)
            } else {
                // In two steps where the power would be too large.
                let rest = (-exponent - MAX_POWER).max(0);
                score.abs() * power(-exponent - rest) * power(rest)
            };
            neighbours(whole).map(move |whole| format!("{sign}{whole:.0}e{exponent}"))
        });
        let found = digits.into_iter().find(|digits| is_read(digits));
        found
            .and_then(|digits| RawValue::from_string(digits).ok())
            .map_or(Self::Number(score), Self::Digits)
    }
}

/// The score as it is read again: itself if any digits are read as it, and otherwise the nearest.
pub(crate) fn readable(score: f64) -> f64 {
    let digits = serde_json::to_string(&Written::of(score)).unwrap_or_default();
    serde_json::from_str(&digits).unwrap_or(score)
}

/// The number, and those next to it, the nearest first.
fn neighbours(number: f64) -> impl Iterator<Item = f64> {
    let below = std::iter::successors(Some(number), |number| Some(number.next_down()));
    let above = std::iter::successors(Some(number), |number| Some(number.next_up()));
    below.zip(above).take(N_NEIGHBOURS).flat_map(|(below, above)| [below, above])
}

/// The nearest number to a power of ten; powers by multiplication are not.
fn power(exponent: i32) -> f64 {
    format!("1e{exponent}").parse().unwrap_or(f64::INFINITY)
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
    fn every_score_that_can_be_read_is_written_so_that_it_is_read() {
        let mut random = Random::new(3);
        let mut n_digits = 0;
        for _ in 0..20_000 {
            let whole = random.next_u64() >> (random.next_u64() % 64);
            let exponent = random.next_u64() % 40 + 300 * (random.next_u64() % 3);
            for digits in [format!("-{whole}e-{exponent}"), format!("{whole}e{}", exponent % 280)] {
                let score: f64 = serde_json::from_str(&digits).unwrap();
                let written = Written::of(score);
                n_digits += usize::from(matches!(written, Written::Digits(_)));
                let json = serde_json::to_string(&written).unwrap();
                let read: f64 = serde_json::from_str(&json).unwrap();
                assert_eq!(read.to_bits(), score.to_bits(), "{digits}");
            }
        }
        assert!(n_digits > 0);
    }
}
