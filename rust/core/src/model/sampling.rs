//! [`Sampling`]: how one segmentation of many is drawn (subword regularization).

use crate::error::{Error, Result};

/// The largest number of best segmentations, as in SentencePiece.
const MAX_N_BEST: usize = 1024;

/// What a caller may choose; what is `None` is as the model says.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sampling {
    /// BPE: the probability with which a merge is left out (Provilkov et al. 2020, "BPE-Dropout").
    pub dropout: Option<f64>,
    /// Unigram: each segmentation has a probability in proportion to the `alpha`-th power of its own (Kudo 2018, "Subword
    /// Regularization"); 1 by default.
    pub alpha: Option<f64>,
    /// Unigram: only so many of the best segmentations of a pre-token are drawn from; all by default.
    pub n_best: Option<usize>,
}

impl Sampling {
    /// The dropout of BPE whose own is `own`.
    ///
    /// # Errors
    /// [`Error::Config`] when there is none, it is out of range, or something else is chosen.
    pub(crate) fn of_bpe(self, own: Option<f64>) -> Result<f64> {
        if self.alpha.is_some() || self.n_best.is_some() {
            let problem = "BPE is sampled from with dropout; alpha and n_best are for Unigram";
            return Err(Error::Config(problem.to_owned()));
        }
        let dropout = self.dropout.or(own).ok_or_else(|| {
            Error::Config("dropout must be given: BPE leaves out merges with it".to_owned())
        })?;
        if (0.0..=1.0).contains(&dropout) {
            return Ok(dropout);
        }
        Err(Error::Config(format!("dropout must be from 0 to 1, got {dropout}")))
    }

    /// Exponent and number of the best of Unigram.
    ///
    /// # Errors
    /// [`Error::Config`] when one is out of range, or something else is chosen.
    pub(crate) fn of_unigram(self) -> Result<(f64, Option<usize>)> {
        if self.dropout.is_some() {
            let problem = "Unigram is sampled from with alpha and n_best; dropout is for BPE";
            return Err(Error::Config(problem.to_owned()));
        }
        let alpha = self.alpha.unwrap_or(1.0);
        if !alpha.is_finite() || alpha < 0.0 {
            return Err(Error::Config(format!("alpha must be at least 0 and finite, got {alpha}")));
        }
        self.n_best.map_or(Ok(()), |n| check_n_best("n_best", n))?;
        Ok((alpha, self.n_best))
    }
}

/// Refuses a number of best segmentations out of range; `name` says what the caller calls it.
pub(crate) fn check_n_best(name: &str, n: usize) -> Result<()> {
    if (1..=MAX_N_BEST).contains(&n) {
        return Ok(());
    }
    Err(Error::Config(format!("{name} must be from 1 to {MAX_N_BEST}, got {n}")))
}
