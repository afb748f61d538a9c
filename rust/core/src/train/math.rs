//! Logarithms and their kin from additions, multiplications and divisions alone, which every machine rounds alike: those of
//! the system's library differ in the last bit from one system to the next, and so would the scores.

/// ln 2 as a sum of two numbers, the first with few enough bits that its product with a small integer is exact.
const LN_2: (f64, f64) = (0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10);

/// The natural logarithm of a positive, finite number.
pub(super) fn ln(x: f64) -> f64 {
    if x <= 0.0 {
        return f64::NEG_INFINITY;
    }
    if x < f64::MIN_POSITIVE {
        return ln(x * power_of_2(64)) - 64.0 * std::f64::consts::LN_2;
    }
    // x = m * 2^e with m from 1/sqrt 2 to sqrt 2; ln m = 2 artanh s with s = (m - 1) / (m + 1), which is small.
    let bits = x.to_bits();
    let mut exponent = i32::try_from(bits >> 52).unwrap_or_default() - 1023;
    let mut mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa /= 2.0;
        exponent += 1;
    }
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let series = (0..12).rev().fold(0.0, |sum, k| sum * square + 1.0 / f64::from(2 * k + 1));
    let exponent = f64::from(exponent);
    exponent * LN_2.0 + (2.0 * s * series + exponent * LN_2.1)
}

/// e to the power of `x`; 0 where that is too small for a number of full precision.
pub(super) fn exp(x: f64) -> f64 {
    if x < -700.0 {
        return 0.0;
    }
    let exponent = (x / std::f64::consts::LN_2).round().min(1000.0);
    let rest = x - exponent * LN_2.0 - exponent * LN_2.1;
    let series = (1..15).rev().fold(1.0, |sum, k| 1.0 + sum * rest / f64::from(k));
    #[expect(clippy::cast_possible_truncation, reason = "between -1011 and 1000")]
    let exponent = exponent as i64;
    series * power_of_2(exponent)
}

/// 2 to a power; the nearest that there is when that is out of range.
pub(super) fn power_of_2(exponent: i64) -> f64 {
    let biased = exponent.clamp(-1022, 1023) + 1023;
    f64::from_bits(biased.unsigned_abs() << 52)
}

/// The derivative of the logarithm of the gamma function, for a positive number.
///
/// By its recurrence, ψ(x) = ψ(x + 1) - 1/x, up to where the asymptotic series has full precision (Abramowitz and Stegun
/// 1964, 6.3.5 and 6.3.18).
pub(super) fn digamma(x: f64) -> f64 {
    /// B_2k / 2k for k from 1 on.
    const SERIES: [f64; 7] = [
        1.0 / 12.0,
        -1.0 / 120.0,
        1.0 / 252.0,
        -1.0 / 240.0,
        1.0 / 132.0,
        -691.0 / 32760.0,
        1.0 / 12.0,
    ];
    let mut x = x;
    let mut steps = 0.0;
    while x < 10.0 {
        steps += 1.0 / x;
        x += 1.0;
    }
    let inverse = 1.0 / (x * x);
    let series = SERIES.iter().rev().fold(0.0, |sum, term| (sum + term) * inverse);
    ln(x) - 0.5 / x - series - steps
}

/// Rounded to 12 decimals. A number of so few digits is read back from text as it was by any reader, also by those, like
/// serde_json's and so that of Hugging Face's library, that are off by a bit on longer ones.
pub(super) fn decimal(x: f64) -> f64 {
    const UNIT: f64 = 1e12;
    (x * UNIT).round() / UNIT
}

/// Rounded to 32 bits.
#[expect(clippy::cast_possible_truncation, reason = "what rounding is")]
pub(super) fn single(x: f64) -> f32 {
    x as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ln_and_exp_match_those_of_the_system() {
        for i in -3000..3000_i32 {
            let x = f64::from(i) * 0.2173;
            let power = exp(x);
            assert!((power / x.exp() - 1.0).abs() < 1e-14, "exp({x})");
            assert!((ln(power) - power.ln()).abs() <= 1e-15 * x.abs().max(1.0), "ln({power})");
        }
        assert!((ln(1e-310) - 1e-310_f64.ln()).abs() < 1e-12);
        assert_eq!(exp(-1e9).to_bits(), 0);
    }

    #[test]
    fn digamma_gives_known_values() {
        let euler = 0.577_215_664_901_532_9;
        assert!((digamma(1.0) + euler).abs() < 1e-14);
        assert!((digamma(0.5) + euler + 2.0 * std::f64::consts::LN_2).abs() < 1e-14);
        assert!((digamma(100.0) - 4.600_161_852_738_087).abs() < 1e-14);
    }
}
