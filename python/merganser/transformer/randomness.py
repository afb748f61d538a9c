"""Random numbers that are functions of where they are needed, never of what was drawn before.

A generator is made from a seed and a path of whole numbers such as (step, part of the batch). So a training can be
taken up at any step, and rows of a batch can be drawn in any order, with the same result.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from merganser.transformer.checks import whole_number

__all__ = ["generator", "permuted"]

_N_ROUNDS = 4
_ODD = np.uint64(0x9E3779B97F4A7C15)


def generator(seed: int, *path: int) -> np.random.Generator:
    """Return the generator of a place.

    Parameters
    ----------
    seed : int
        Not negative.
    *path : int
        Whole numbers, not negative, that name the place.

    Returns
    -------
    numpy.random.Generator

    Examples
    --------
    >>> generator(1, 2).random() == generator(1, 2).random() != generator(1, 3).random()
    True
    """
    numbers = [whole_number("seed", seed, 0), len(path), *(whole_number("path", number, 0) for number in path)]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(numbers)))


def permuted(indices: NDArray[np.int64], n: int, *, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return where a random permutation of ``range(n)`` sends `indices`, without making the permutation.

    Parameters
    ----------
    indices : ndarray of int64, shape (k,)
        Numbers below `n`.
    n : int
        Size of the range; at least 1.
    seed, epoch : int
        Choose the permutation.

    Returns
    -------
    ndarray of int64, shape (k,)

    Notes
    -----
    A Feistel network over the next even number of bits permutes a range at most four times as large; a result outside
    of ``range(n)`` is sent through again until it falls inside (Black and Rogaway, Ciphers with Arbitrary Finite
    Domains, 2002). So it takes no memory, whatever `n`.

    Examples
    --------
    >>> import numpy as np
    >>> sorted(permuted(np.arange(10), 10, seed=0, epoch=1).tolist())
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """
    half = np.uint64(max(1, ((n - 1).bit_length() + 1) // 2))
    low = np.uint64((1 << int(half)) - 1)
    keys = generator(seed, epoch).integers(0, 1 << 63, size=_N_ROUNDS, dtype=np.uint64)
    values = np.asarray(indices, dtype=np.uint64).copy()
    outside = np.ones(values.shape, dtype=np.bool_)
    while outside.any():
        left, right = values[outside] >> half, values[outside] & low
        for key in keys:
            left, right = right, left ^ (_mix(right + key) & low)
        values[outside] = (left << half) | right
        outside = values >= n
    return values.astype(np.int64)


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread every bit of a number over the others; overflow is meant."""
    values = (values ^ (values >> np.uint64(31))) * _ODD
    values = (values ^ (values >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    return values ^ (values >> np.uint64(32))
