"""Choosing the next token from its logits: the largest, or a draw from what some filters leave.

The filters are applied in this order: repetition penalty, temperature, top-k, top-p, min-p; each sees what the ones
before left. They keep the sets that the classes of the same names in `transformers` keep.

References
----------
Keskar et al., CTRL, 2019 (repetition penalty); Fan et al., Hierarchical Neural Story Generation, 2018 (top-k); Holtzman
et al., The Curious Case of Neural Text Degeneration, 2020 (top-p); Nguyen et al., Min-p Sampling, 2024.
"""

from __future__ import annotations

import dataclasses
import numbers
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merganser.errors import ConfigError, NonFiniteError
from merganser.transformer.checks import whole_number
from merganser.transformer.randomness import generator

__all__ = ["Sampling"]

Logits = NDArray[np.float64]

# Within these no logit of float32 that is divided or multiplied overflows.
_LEAST_PENALTY, _LARGEST_PENALTY = 1e-200, 1e200


@dataclasses.dataclass(frozen=True)
class Sampling:
    """How the next token is chosen. The default draws from the model's distribution as it is.

    Parameters
    ----------
    temperature : float, default 1.0
        Divides the logits; below 1 sharpens; 0 takes the largest (greedy), whatever the filters.
    top_k : int, optional
        Keep the so many likeliest tokens, and those as likely as the last of them.
    top_p : float, optional
        Keep the likeliest tokens until their probabilities sum to this.
    min_p : float, optional
        Keep tokens at least this many times as likely as the likeliest.
    repetition_penalty : float, default 1.0
        Logits of tokens that occurred before, the prompt included, are divided by it where positive and multiplied
        where negative; from 1e-200 to 1e200.
    seed : int, default 0
        Draws of row r at its step s are a function of (seed, r, s).

    Examples
    --------
    >>> import numpy as np
    >>> logits = np.log(np.array([[0.5, 0.3, 0.15, 0.05]]))
    >>> Sampling(top_p=0.7).probabilities(logits).round(3).tolist()
    [[0.625, 0.375, 0.0, 0.0]]
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("temperature", "top_p", "min_p", "repetition_penalty"):
            value = getattr(self, name)
            if not isinstance(value, numbers.Real) and not (value is None and name in {"top_p", "min_p"}):
                msg = f"{name} must be a number, got {value!r}"
                raise ConfigError(msg)
        if not (0 <= self.temperature < np.inf):
            msg = f"temperature must be finite and not negative, got {self.temperature}"
            raise ConfigError(msg)
        object.__setattr__(self, "seed", whole_number("seed", self.seed, 0))
        if self.top_k is not None:
            object.__setattr__(self, "top_k", whole_number("top_k", self.top_k, 1))
        for name in ("top_p", "min_p"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= 1:
                msg = f"{name} must be above 0 and at most 1, got {value}"
                raise ConfigError(msg)
        if not (_LEAST_PENALTY <= self.repetition_penalty <= _LARGEST_PENALTY):
            msg = (
                f"repetition_penalty must be from {_LEAST_PENALTY:g} to {_LARGEST_PENALTY:g}, "
                f"got {self.repetition_penalty}"
            )
            raise ConfigError(msg)

    def choose(
        self,
        logits: NDArray[Any],
        *,
        rows: NDArray[np.int64],
        step: int,
        seen: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.int64]:
        """Choose a token for each row.

        Parameters
        ----------
        logits : ndarray of float, shape (B, V)
            Of the next token.
        rows : ndarray of int64, shape (B,)
            Number of each row, for its draws.
        step : int
            Tokens that were chosen before.
        seen : ndarray of bool, shape (B, V), optional
            Which tokens each row holds; needed for the repetition penalty.

        Returns
        -------
        ndarray of int64, shape (B,)

        Raises
        ------
        NonFiniteError
            There is nothing to draw from: a row holds NaN or infinity, or minus infinity alone.
        """
        if self.temperature == 0:
            largest: NDArray[np.int64] = np.argmax(self._penalised(np.asarray(logits, np.float64), seen), axis=1)
            return largest
        cumulative = np.cumsum(self.probabilities(logits, seen=seen), axis=1)
        draws = np.array([generator(self.seed, row, step).random() for row in rows.tolist()])
        # Scaled by the total, which rounding leaves a little off 1, so that a token of probability 0 is never drawn.
        scaled = draws * cumulative[:, -1]
        return np.array(
            [np.searchsorted(row, draw, side="right") for row, draw in zip(cumulative, scaled, strict=True)],
            dtype=np.int64,
        )

    def probabilities(self, logits: NDArray[Any], *, seen: NDArray[np.bool_] | None = None) -> Logits:
        """Return the distribution that is drawn from.

        Parameters
        ----------
        logits : ndarray of float, shape (B, V)
            Of the next token.
        seen : ndarray of bool, shape (B, V), optional
            Which tokens each row holds.

        Returns
        -------
        ndarray of float64, shape (B, V)

        Raises
        ------
        NonFiniteError
            A row holds NaN or infinity, or minus infinity alone.
        """
        kept = self._penalised(np.array(logits, np.float64), seen)
        largest = kept.max(axis=1, keepdims=True)
        if not np.isfinite(largest).all():
            msg = "the largest logit of each row must be a finite number"
            raise NonFiniteError(msg)
        if self.temperature == 0:
            return np.asarray(kept == largest, np.float64)
        # The largest is taken off first: with a tiny temperature all others become minus infinity, which is the limit.
        with np.errstate(over="ignore"):
            kept = (kept - largest) / self.temperature
        if self.top_k is not None and self.top_k < kept.shape[1]:
            least = np.partition(kept, -self.top_k, axis=1)[:, -self.top_k, None]
            kept = np.where(kept < least, -np.inf, kept)
        if self.top_p is not None and self.top_p < 1:
            kept = _keep_top_p(kept, self.top_p)
        probabilities = _softmax(kept)
        if self.min_p is not None:
            probabilities[probabilities < self.min_p * probabilities.max(axis=1, keepdims=True)] = 0.0
            probabilities /= probabilities.sum(axis=1, keepdims=True)
        return probabilities

    def _penalised(self, logits: Logits, seen: NDArray[np.bool_] | None) -> Logits:
        if self.repetition_penalty == 1.0 or seen is None:
            return logits
        penalty = self.repetition_penalty
        return np.where(seen, np.where(logits > 0, logits / penalty, logits * penalty), logits)


def _keep_top_p(logits: Logits, top_p: float) -> Logits:
    order = np.argsort(logits, axis=1, kind="stable")
    below = np.cumsum(_softmax(np.take_along_axis(logits, order, axis=1)), axis=1)
    is_dropped = below <= 1.0 - top_p
    is_dropped[:, -1] = False
    dropped = np.zeros_like(is_dropped)
    np.put_along_axis(dropped, order, is_dropped, axis=1)
    return np.where(dropped, -np.inf, logits)


def _softmax(logits: Logits) -> Logits:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: Logits = powers / powers.sum(axis=1, keepdims=True)
    return result
