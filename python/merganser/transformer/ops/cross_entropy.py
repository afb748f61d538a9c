"""The output layer and its cross-entropy as one op, so that the logits of all positions never exist at once.

For a vocabulary V the logits (N, V) dwarf all else in memory. So rows are taken in blocks: their logits, the loss, and
at once the gradients, before the next block overwrites the buffer. The backward function only hands them over.

With logits l and target y, the loss is ``lse(l) - l_y``, and with label smoothing e (Szegedy et al., 2016; e is spread
over all V classes) ``lse(l) - (1 - e) l_y - e mean(l)``. Its gradient is ``softmax(l) - (1 - e) [y] - e/V``. The
softmax is never normalised: the block holds ``exp(l - max)``, and each row's factor goes to the small matrices.

For few classes there is the plain op on logits as well.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from merganser.transformer.batch import IGNORED
from merganser.transformer.ops.product import multiply
from merganser.transformer.ops.softmax import exponentials
from merganser.transformer.workspace import Array, empty

# Logits in a block. More rows make the products more efficient, fewer save memory.
_BLOCK_ELEMENTS = 1 << 21
_MIN_ROWS = 256


class CrossEntropyCache(NamedTuple):
    """What `linear_cross_entropy_backward` needs: the gradients."""

    d_x: Array
    d_weight: Array
    d_bias: Array | None


def linear_cross_entropy_forward(
    x: Array,
    weight: Array,
    bias: Array | None,
    targets: NDArray[np.integer[Any]],
    *,
    label_smoothing: float = 0.0,
    scale: float | None = None,
) -> tuple[Array, CrossEntropyCache | None]:
    """Return the cross-entropy of ``softmax(x weight^T + bias)`` at each target.

    Parameters
    ----------
    x : ndarray of float, shape (N, D)
    weight : ndarray of float, shape (V, D)
    bias : ndarray of float, shape (V,), optional
    targets : ndarray of int, shape (N,)
        Each in 0 to V - 1, or `IGNORED`.
    label_smoothing : float
        Share of the target that is spread over all classes.
    scale : float, optional
        The gradients are those of ``scale * sum(loss)``. Without it none are made, and the cache is None.

    Returns
    -------
    loss : ndarray of float, shape (N,)
        Nats; 0 where ignored.
    cache : CrossEntropyCache or None
    """
    counted = np.flatnonzero(targets != IGNORED)
    is_partial = len(counted) < len(targets)
    rows, wanted = (x[counted], targets[counted]) if is_partial else (x, targets)
    vocab_size = weight.shape[0]
    step = min(max(_BLOCK_ELEMENTS // vocab_size, _MIN_ROWS), max(len(rows), 1))
    buffer = empty((step, vocab_size), x.dtype)
    losses = np.zeros(len(rows), x.dtype)
    gradients = _Gradients(rows, weight, bias, scale) if scale is not None else None
    for start in range(0, len(rows), step):
        part = slice(start, min(start + step, len(rows)))
        logits = buffer[: part.stop - part.start]
        multiply(rows[part], weight.T, logits)
        sums = _exponentials(logits, bias, wanted[part], losses[part], label_smoothing)
        if gradients is not None:
            gradients.add(part, logits, sums, wanted[part], label_smoothing)
    if not is_partial:
        return losses, gradients.cache() if gradients is not None else None
    loss = np.zeros(len(targets), x.dtype)
    loss[counted] = losses
    if gradients is None:
        return loss, None
    d_x = np.zeros_like(x)
    d_x[counted] = gradients.d_rows
    return loss, CrossEntropyCache(d_x, gradients.d_weight, gradients.d_bias)


def linear_cross_entropy_backward(d_loss: float, cache: CrossEntropyCache) -> tuple[Array, Array, Array | None]:
    """Return the gradients of ``x``, ``weight`` and ``bias``, times ``d_loss``."""
    d_x, d_weight, d_bias = cache
    if d_loss != 1.0:
        d_x *= d_loss
        d_weight *= d_loss
        if d_bias is not None:
            d_bias *= d_loss
    return d_x, d_weight, d_bias


class SoftmaxCache(NamedTuple):
    """What `cross_entropy_backward` needs."""

    probabilities: Array
    targets: NDArray[np.integer[Any]]
    label_smoothing: float


def cross_entropy_forward(
    logits: Array, targets: NDArray[np.integer[Any]], *, label_smoothing: float = 0.0
) -> tuple[Array, SoftmaxCache]:
    """Return the cross-entropy of ``softmax(logits)`` at each target.

    Parameters
    ----------
    logits : ndarray of float, shape (N, C)
        Minus infinity excludes a class, which no target may then name.
    targets : ndarray of int, shape (N,)
        Each in 0 to C - 1, or `IGNORED`.
    label_smoothing : float
        Share of the target that is spread over all classes.

    Returns
    -------
    loss : ndarray of float, shape (N,)
        Nats; 0 where ignored.
    cache : SoftmaxCache
    """
    powers = logits.copy()
    losses = np.empty(len(powers), powers.dtype)
    is_counted = targets != IGNORED
    sums = _exponentials(powers, None, np.where(is_counted, targets, 0), losses, label_smoothing)
    powers /= sums[:, None]
    losses[~is_counted] = 0.0
    return losses, SoftmaxCache(powers, targets, label_smoothing)


def cross_entropy_backward(d_loss: float, cache: SoftmaxCache) -> Array:
    """Return the gradient of ``logits`` for the sum of the losses, times ``d_loss``."""
    probabilities, targets, label_smoothing = cache
    is_counted = targets != IGNORED
    d_logits: Array = probabilities - label_smoothing / probabilities.shape[1]
    d_logits[np.flatnonzero(is_counted), targets[is_counted]] -= 1.0 - label_smoothing
    d_logits *= d_loss
    d_logits[~is_counted] = 0.0
    return d_logits


def _exponentials(
    logits: Array, bias: Array | None, targets: NDArray[np.integer[Any]], losses: Array, label_smoothing: float
) -> Array:
    """Replace logits by ``exp(logit - max of the row)``; write the losses; return the sums, shape (N,)."""
    if bias is not None:
        logits += bias
    expected = (1.0 - label_smoothing) * logits[np.arange(len(logits)), targets]
    if label_smoothing:
        expected += logits @ np.full(logits.shape[1], label_smoothing / logits.shape[1], logits.dtype)
    sums, highest = exponentials(logits)
    expected -= highest
    np.subtract(np.log(sums), expected, out=losses)
    return sums


class _Gradients:
    """The gradients, added up block by block."""

    def __init__(self, rows: Array, weight: Array, bias: Array | None, scale: float) -> None:
        self.rows, self.weight, self.scale = rows, weight, scale
        self.d_rows = empty(rows.shape, rows.dtype)
        self.d_weight = empty(weight.shape, rows.dtype)
        self.d_bias = None if bias is None else np.zeros_like(bias)
        self.scratch: Array | None = None
        if not len(rows):
            self.d_weight.fill(0.0)

    def add(
        self, part: slice, powers: Array, sums: Array, targets: NDArray[np.integer[Any]], label_smoothing: float
    ) -> None:
        """Add a block: ``powers`` holds the exponentials, row i to be divided by ``sums[i]``."""
        if label_smoothing:
            powers -= (label_smoothing / powers.shape[1] * sums)[:, None]
        powers[np.arange(len(powers)), targets] -= (1.0 - label_smoothing) * sums
        factors = self.scale / sums
        multiply(powers, self.weight, self.d_rows[part])
        self.d_rows[part] *= factors[:, None]
        scaled = self.rows[part] * factors[:, None]
        if part.start == 0:
            multiply(powers.T, scaled, self.d_weight)
        else:
            if self.scratch is None:
                self.scratch = empty(self.d_weight.shape, self.d_weight.dtype)
            multiply(powers.T, scaled, self.scratch)
            self.d_weight += self.scratch
        if self.d_bias is not None:
            self.d_bias += factors @ powers

    def cache(self) -> CrossEntropyCache:
        return CrossEntropyCache(self.d_rows, self.d_weight, self.d_bias)
