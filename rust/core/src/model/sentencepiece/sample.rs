//! [`Random`]: a small seeded generator (Steele, Lea, Flood 2014, "Fast Splittable Pseudorandom Number Generators").

/// Equal seeds give equal numbers on every machine.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Uniform in [0, 1), in steps of 2⁻⁵³.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
    pub(super) fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^= bits >> 31;
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// An index, each with a probability in proportion to the exponential of its logarithm.
    pub(super) fn choose(&mut self, logarithms: &[f64]) -> usize {
        let largest = logarithms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights = || logarithms.iter().map(|log| (log - largest).exp());
        let mut left = self.uniform() * weights().sum::<f64>();
        for (i, weight) in weights().enumerate() {
            if left < weight {
                return i;
            }
            left -= weight;
        }
        logarithms.len().saturating_sub(1)
    }
}
