"""Loss and gradients of a whole batch from its parts: steps of accumulation, and shards for threads.

Each part is divided by the number of targets of the *whole*, so that the sum over parts is the mean over all targets,
wherever the cuts are. Thread i has rows of its own of every part and gradients of its own; they are added in the order of the
threads. So the result depends on how many threads there are (in the last bits: sums are taken in another order), but never on
which of them was faster.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from merganser.errors import NonFiniteError
from merganser.transformer.batch import Batch
from merganser.transformer.loss import Loss
from merganser.transformer.randomness import generator

__all__ = ["Trainable", "check_finite", "loss_and_gradients"]

Params = dict[str, NDArray[np.float32]]


class Trainable(Protocol):
    """A model, as far as training needs it."""

    def initialize(self, *, seed: int) -> Params:
        """Return parameters to start from."""

    def loss(
        self, params: Params, batch: Any, *, rng: np.random.Generator | None = None, is_checked: bool = False
    ) -> Loss:
        """Return the loss; with `is_checked`, raise NonFiniteError at the first layer that is not finite."""

    def loss_and_gradients(
        self,
        params: Params,
        batch: Any,
        *,
        rng: np.random.Generator | None = None,
        label_smoothing: float = 0.0,
        gradients: Params | None = None,
        counts: tuple[int, ...] | None = None,
    ) -> tuple[Loss, Params]:
        """Return the loss and its gradients, divided by `counts` and added to `gradients`."""


def loss_and_gradients(
    model: Trainable,
    params: Params,
    batches: Sequence[Batch],
    *,
    seed: int,
    step: int,
    label_smoothing: float = 0.0,
    pool: ThreadPoolExecutor | None = None,
    n_threads: int = 1,
) -> tuple[Loss, Params]:
    """Return the loss and the gradients of several batches taken as one.

    Parameters
    ----------
    model : Trainable
        The model.
    params : dict of str to ndarray of float32, any shape ()
        Its parameters.
    batches : sequence of Batch
        The parts, at least one.
    seed, step : int
        Choose the dropout, together with the place of a part.
    label_smoothing : float, default 0.0
        Share of each target that goes to all classes alike.
    pool : ThreadPoolExecutor, optional
        Threads for the shards; needed where `n_threads` is above 1.
    n_threads : int, default 1
        Shards that each batch is cut into.

    Returns
    -------
    loss : Loss
    gradients : dict of str to ndarray of float32, any shape ()
    """
    counts = tuple(sum(column) for column in zip(*(batch.counts for batch in batches), strict=True))
    shards = [list(batch.split(n_threads)) for batch in batches]

    def work(shard: int) -> tuple[list[Loss], Params]:
        losses: list[Loss] = []
        gradients: Params = {}
        for part, parts in enumerate(shards):
            if shard < len(parts):
                loss, gradients = model.loss_and_gradients(
                    params,
                    parts[shard],
                    rng=generator(seed, step, part, shard),
                    label_smoothing=label_smoothing,
                    gradients=gradients,
                    counts=counts,
                )
                losses.append(loss)
        return losses, gradients

    results = [work(0)] if pool is None else list(pool.map(work, range(n_threads)))
    losses = [loss for found, _ in results for loss in found]
    total = sum(losses[1:], losses[0])
    gradients = results[0][1]
    for _, others in results[1:]:
        for name, gradient in others.items():
            gradients[name] += gradient
    return total, gradients


def check_finite(
    model: Trainable, params: Params, batches: Sequence[Batch], *, seed: int, step: int, n_threads: int, what: str
) -> None:
    """Raise the error that says where a loss or a gradient stopped being finite.

    Parameters
    ----------
    model, params, batches, seed, step, n_threads
        As given to `loss_and_gradients`.
    what : str
        What was found not to be finite, such as ``"loss is nan"``.

    Raises
    ------
    NonFiniteError
        Always; it names the step and the layer or, where parameters were broken before, those.
    """
    broken = [name for name, array in params.items() if not np.isfinite(array).all()]
    if broken:
        msg = f"step {step}: {what}; parameter {broken[0]} holds values that are not finite"
        raise NonFiniteError(msg)
    for part, batch in enumerate(batches):
        for shard, rows in enumerate(batch.split(n_threads)):
            try:
                model.loss(params, rows, rng=generator(seed, step, part, shard), is_checked=True)
            except NonFiniteError as error:
                msg = f"step {step}: {what}; {error}"
                raise NonFiniteError(msg) from None
    msg = f"step {step}: {what}, though the output of every layer is finite: a gradient overflowed"
    raise NonFiniteError(msg)


def is_finite(loss: Loss) -> bool:
    """Return whether every term of a loss is finite."""
    return all(math.isfinite(total) for total in loss.sums)
