"""Learning rates over training: each schedule is a function from the number of updates made so far to a rate.

The first update asks for step 0. A warm-up therefore begins with a rate of 0, as in the field's other libraries, so
that a recipe written for them means the same here.

References
----------
Vaswani et al., Attention Is All You Need, 2017, section 5.3 (`Noam`); Loshchilov and Hutter, SGDR, 2017 (`Cosine`).
"""

from __future__ import annotations

import dataclasses
import math
from typing import Protocol

from merganser.errors import ConfigError

__all__ = ["Constant", "Cosine", "Linear", "Noam", "Schedule"]


class Schedule(Protocol):
    """A learning rate for each step."""

    def __call__(self, step: int) -> float:
        """Return the rate of the update that follows `step` others."""


@dataclasses.dataclass(frozen=True)
class Constant:
    """The same rate at every step, after a linear warm-up.

    Parameters
    ----------
    rate : float
        The learning rate.
    n_warmup : int, default 0
        Steps over which the rate rises from 0.

    Examples
    --------
    >>> [Constant(0.5, n_warmup=2)(step) for step in range(4)]
    [0.0, 0.25, 0.5, 0.5]
    """

    rate: float
    n_warmup: int = 0

    def __post_init__(self) -> None:
        _check(self.rate, self.n_warmup)

    def __call__(self, step: int) -> float:
        """Return the rate of the update that follows `step` others."""
        return self.rate * _warmup(step, self.n_warmup)


@dataclasses.dataclass(frozen=True)
class Linear:
    """A linear warm-up to `rate`, then a straight line to 0 at `n_steps`.

    Parameters
    ----------
    rate : float
        The highest learning rate.
    n_steps : int
        Steps of the whole training.
    n_warmup : int, default 0
        Steps over which the rate rises from 0.

    Examples
    --------
    >>> [Linear(1.0, n_steps=4, n_warmup=2)(step) for step in range(6)]
    [0.0, 0.5, 1.0, 0.5, 0.0, 0.0]
    """

    rate: float
    n_steps: int
    n_warmup: int = 0

    def __post_init__(self) -> None:
        _check(self.rate, self.n_warmup, self.n_steps)

    def __call__(self, step: int) -> float:
        """Return the rate of the update that follows `step` others."""
        if step < self.n_warmup:
            return self.rate * _warmup(step, self.n_warmup)
        return self.rate * max(0.0, (self.n_steps - step) / max(1, self.n_steps - self.n_warmup))


@dataclasses.dataclass(frozen=True)
class Cosine:
    """A linear warm-up to `rate`, then half a cosine down to `floor` at `n_steps`, where it stays.

    Parameters
    ----------
    rate : float
        The highest learning rate.
    n_steps : int
        Steps of the whole training.
    n_warmup : int, default 0
        Steps over which the rate rises from 0.
    floor : float, default 0.0
        The lowest rate after the warm-up.

    Examples
    --------
    >>> [round(Cosine(1.0, n_steps=4, floor=0.1)(step), 3) for step in range(6)]
    [1.0, 0.868, 0.55, 0.232, 0.1, 0.1]
    """

    rate: float
    n_steps: int
    n_warmup: int = 0
    floor: float = 0.0

    def __post_init__(self) -> None:
        _check(self.rate, self.n_warmup, self.n_steps)
        if not 0 <= self.floor <= self.rate:
            msg = f"floor must lie between 0 and rate {self.rate}, got {self.floor}"
            raise ConfigError(msg)

    def __call__(self, step: int) -> float:
        """Return the rate of the update that follows `step` others."""
        if step < self.n_warmup:
            return self.rate * _warmup(step, self.n_warmup)
        done = min(1.0, (step - self.n_warmup) / max(1, self.n_steps - self.n_warmup))
        return self.floor + (self.rate - self.floor) * 0.5 * (1.0 + math.cos(math.pi * done))


@dataclasses.dataclass(frozen=True)
class Noam:
    """The paper's schedule: a linear warm-up, then the inverse square root of the step.

    ``factor * d_model**-0.5 * min(step**-0.5, step * n_warmup**-1.5)``, with step 0 taken as step 1.

    Parameters
    ----------
    d_model : int
        Width of the model.
    n_warmup : int, default 4000
        Step at which the rate is highest.
    factor : float, default 1.0
        Multiplies every rate.

    Examples
    --------
    >>> round(Noam(512)(4000), 10)
    0.0006987712
    """

    d_model: int
    n_warmup: int = 4000
    factor: float = 1.0

    def __post_init__(self) -> None:
        _check(self.factor, self.n_warmup)
        if self.d_model < 1 or self.n_warmup < 1:
            msg = f"d_model and n_warmup must be at least 1, got {self.d_model} and {self.n_warmup}"
            raise ConfigError(msg)

    def __call__(self, step: int) -> float:
        """Return the rate of the update that follows `step` others."""
        step = max(step, 1)
        return float(self.factor * self.d_model**-0.5 * min(step**-0.5, step * self.n_warmup**-1.5))


def _warmup(step: int, n_warmup: int) -> float:
    return min(1.0, step / n_warmup) if n_warmup else 1.0


def _check(rate: float, n_warmup: int, n_steps: int | None = None) -> None:
    if not (math.isfinite(rate) and rate >= 0):
        msg = f"rate must be finite and not negative, got {rate}"
        raise ConfigError(msg)
    if n_warmup < 0:
        msg = f"n_warmup must not be negative, got {n_warmup}"
        raise ConfigError(msg)
    if n_steps is not None and n_steps < max(1, n_warmup):
        msg = f"n_steps must be at least 1 and n_warmup {n_warmup}, got {n_steps}"
        raise ConfigError(msg)
