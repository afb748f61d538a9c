"""Intervals for bits per byte: documents and seeds are drawn again, the same for both sides of a difference.

A difference of two tokenizers on the same documents varies far less than either figure, since a document that is hard
for one is hard for the other. Hence the paired bootstrap: each resample takes some documents and some seeds, and both
figures are computed on those.

References
----------
Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentile interval).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from merganser.transformer.randomness import generator

__all__ = ["bootstrap_bits_per_byte", "interval"]

N_RESAMPLES = 2000
COVERAGE = 0.95


def bootstrap_bits_per_byte(
    nats: NDArray[np.float64], n_bytes: NDArray[np.int64], *, seed: int = 0, n_resamples: int = N_RESAMPLES
) -> NDArray[np.float64]:
    """Return bits per byte on resamples of seeds and documents.

    Parameters
    ----------
    nats : ndarray of float64, shape (n_tokenizers, n_seeds, n_documents)
        Sum of nats of each document.
    n_bytes : ndarray of int64, shape (n_documents,)
        Bytes of each document.
    seed : int, default 0
        Chooses the resamples.
    n_resamples : int
        How many.

    Returns
    -------
    ndarray of float64, shape (n_tokenizers, n_resamples)
        Column i is of the same resample for every tokenizer.
    """
    rng = generator(seed, 0)
    _, n_seeds, n_documents = nats.shape
    result = np.empty((len(nats), n_resamples))
    for column in range(n_resamples):
        documents = rng.integers(0, n_documents, size=n_documents)
        seeds = rng.integers(0, n_seeds, size=n_seeds)
        totals = nats[:, seeds][:, :, documents].sum(axis=2).mean(axis=1)
        result[:, column] = totals / math.log(2) / n_bytes[documents].sum()
    return result


def interval(samples: NDArray[np.float64]) -> tuple[float, float]:
    """Return the range that holds the middle 95 % of samples.

    Parameters
    ----------
    samples : ndarray of float64, shape (n_resamples,)
        Results of resamples.

    Returns
    -------
    low, high : float

    Examples
    --------
    >>> import numpy as np
    >>> low, high = interval(np.arange(1001.0))
    >>> round(low), round(high)
    (25, 975)
    """
    low, high = np.quantile(samples, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return float(low), float(high)
