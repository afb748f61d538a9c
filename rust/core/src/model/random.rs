//! [`Random`]: the small seeded generator of everything that segments at random (SplitMix64: Steele, Lea, Flood 2014, "Fast
//! Splittable Pseudorandom Number Generators").

/// A sequence of random numbers, the same for the same seed on every machine.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The sequence of a seed for the item of this index: for the first, that of the seed itself.
    pub fn of_item(seed: u64, index: u64) -> Self {
        match index {
            0 => Self::new(seed),
            // Seeds next to each other would give, shifted, the same sequence: the index goes through the generator.
            _ => Self::new(seed ^ Self::new(index).next_u64()),
        }
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// The next number from 0 to less than 1, of 24 random bits.
    #[expect(clippy::cast_precision_loss, reason = "24 bits fit")]
    pub fn next_f32(&mut self) -> f32 {
        (self.next_u64() >> 40) as f32 / (1_u32 << 24) as f32
    }

    /// The next number from 0 to less than 1, of 53 random bits.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    pub fn next_f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// An index, each with a probability in proportion to the `alpha`-th power of that whose logarithm is given.
    pub(crate) fn choose(&mut self, logarithms: &[f64], alpha: f64) -> usize {
        let largest = logarithms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        // The power is taken of the differences: of the logarithms themselves it could overflow.
        let weights = || logarithms.iter().map(|log| (alpha * (log - largest)).exp());
        let mut left = self.next_f64() * weights().sum::<f64>();
        for (i, weight) in weights().enumerate() {
            if left < weight {
                return i;
            }
            left -= weight;
        }
        logarithms.len().saturating_sub(1)
    }

    /// One of several by their scores, as [`Random::choose`] does by logarithms.
    pub(crate) fn choose_scored<T>(&mut self, mut scored: Vec<(T, f64)>, alpha: f64) -> T {
        let logarithms: Vec<f64> = scored.iter().map(|&(_, score)| score).collect();
        scored.swap_remove(self.choose(&logarithms, alpha)).0
    }
}
