"""The value of a loss, kept as sums and counts so that parts add up to the whole exactly."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True, eq=False)
class Loss:
    """Cross-entropy in nats: a sum and a number of targets for each term.

    Most losses have one term. BERT's pre-training has two (masked tokens, next sentence), each divided by its own
    number of targets.

    Parameters
    ----------
    sums : tuple of float
        Nats, summed over the targets, one number a term.
    counts : tuple of int
        Targets, one number a term.
    per_token : ndarray of float32, optional
        Nats at each position of the first term's targets, 0 where ignored; None unless asked for.

    Examples
    --------
    >>> whole = Loss(sums=(6.0,), counts=(3,)) + Loss(sums=(2.0,), counts=(1,))
    >>> whole.sum_nats, whole.n_targets, whole.mean
    (8.0, 4, 2.0)
    """

    sums: tuple[float, ...]
    counts: tuple[int, ...]
    per_token: NDArray[np.float32] | None = None

    @property
    def sum_nats(self) -> float:
        """Nats of the first term, summed over its targets."""
        return self.sums[0]

    @property
    def n_targets(self) -> int:
        """Number of targets of the first term."""
        return self.counts[0]

    @property
    def mean(self) -> float:
        """Mean nats per target, summed over the terms; a term without targets is 0."""
        return sum(total / count if count else 0.0 for total, count in zip(self.sums, self.counts, strict=True))

    def __add__(self, other: Loss) -> Loss:
        """Return the loss of two parts of one batch: rows of ``self``, then rows of ``other``."""
        per_token = None
        if self.per_token is not None and other.per_token is not None:
            per_token = np.concatenate([self.per_token, other.per_token])
        return Loss(
            sums=tuple(a + b for a, b in zip(self.sums, other.sums, strict=True)),
            counts=tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)),
            per_token=per_token,
        )
