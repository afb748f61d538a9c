"""Which query may look at which key.

Causality is told as how many keys a query sees, all else as numbers to add to the scores: 0 where it may look, minus
infinity where not.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from merganser.transformer.workspace import Array


@dataclasses.dataclass(frozen=True, eq=False)
class AttentionMask:
    """The conditions under which a query sees a key; all of them must hold.

    Parameters
    ----------
    is_causal : bool
        Query i, at place ``first_query + i`` among the keys, sees no key after its place.
    first_query : int
        Place of query 0 among the keys; above 0 where keys of earlier steps are cached.
    keys : ndarray of bool, shape (B, S), optional
        False at keys that nobody sees: padding.
    segments : ndarray of int, shape (B, T), optional
        A query sees keys of its own segment only; queries and keys are the same tokens.
    """

    is_causal: bool = False
    first_query: int = 0
    keys: NDArray[np.bool_] | None = None
    segments: NDArray[np.integer[Any]] | None = None

    @property
    def may_hide_all(self) -> bool:
        """Whether a query may be left without any key."""
        return self.keys is not None

    def n_seen(self, last_query: int, n_keys: int) -> int:
        """Return how many keys, from the first on, queries before ``last_query`` can see at most."""
        return min(n_keys, self.first_query + last_query) if self.is_causal else n_keys

    def additive(self, rows: slice, queries: slice, n_keys: int, dtype: DTypeLike) -> Array | None:
        """Return what to add to the scores of some queries with the first ``n_keys`` keys, causality aside.

        Returns
        -------
        ndarray of float, shape (rows or 1, 1, queries or 1, n_keys), or None
            None where causality alone decides.
        """
        allowed: NDArray[np.bool_] | None = None
        if self.keys is not None:
            allowed = self.keys[rows, None, :n_keys]
        if self.segments is not None:
            same = self.segments[rows, queries, None] == self.segments[rows, None, :n_keys]
            allowed = same if allowed is None else allowed & same
        if allowed is None or allowed.all():
            return None
        return np.where(allowed, 0.0, -np.inf).astype(dtype)[:, None]
