"""What all models share: checks of what they are given, the loss and its gradients, fresh parameters.

A model is its configuration and nothing else. Parameters are a flat mapping from names to arrays; every call is a
function of (parameters, batch, random generator) and changes none of them.
"""

from __future__ import annotations

import abc
import dataclasses
import functools
import math
from collections.abc import Callable
from concurrent.futures import wait
from contextlib import AbstractContextManager
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from merganser.errors import ConfigError, NonFiniteError
from merganser.transformer.batch import IGNORED, Batch
from merganser.transformer.blas import blas_threads, same_blas_threads
from merganser.transformer.blocks import Shapes
from merganser.transformer.checks import whole_number
from merganser.transformer.configs import Config
from merganser.transformer.loss import Loss
from merganser.transformer.ops.product import multiply
from merganser.transformer.tape import Parameters, Tape
from merganser.transformer.threads import pool, run_all
from merganser.transformer.workspace import Array, workspace

ConfigT = TypeVar("ConfigT", bound=Config)
BatchT = TypeVar("BatchT", bound=Batch)


@dataclasses.dataclass(frozen=True)
class LossOptions:
    """How the loss of a batch is taken: the smoothing, and what each term's gradient is multiplied by."""

    label_smoothing: float = 0.0
    scales: tuple[float, ...] = (1.0, 1.0)


@dataclasses.dataclass(frozen=True)
class Model(abc.ABC, Generic[ConfigT]):
    """A model of any family.

    Parameters
    ----------
    config : Config
        The configuration of the family.
    """

    config: ConfigT

    @abc.abstractmethod
    def shapes(self) -> Shapes:
        """Return the shape of each parameter by name, in the order of the forward pass."""

    @abc.abstractmethod
    def check_batch(self, batch: Batch) -> None:
        """Raise ConfigError where a batch holds what the model cannot take."""

    @abc.abstractmethod
    def _nats(self, tape: Tape, batch: Any, options: LossOptions) -> tuple[Array, ...]:
        """Run the model; return the nats at the targets of each term."""

    @abc.abstractmethod
    def _fresh(self, name: str, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        """Return the initial value of a weight that is neither a bias nor a norm's."""

    @property
    def n_parameters(self) -> int:
        """Number of parameters, tied ones counted once."""
        return sum(math.prod(shape) for shape in self.shapes().values())

    def initialize(self, *, seed: int) -> dict[str, NDArray[np.float32]]:
        """Make fresh parameters.

        Parameters
        ----------
        seed : int
            Not negative. Each parameter depends on it and on the parameter's place alone.

        Returns
        -------
        dict of str to ndarray of float32
            Biases are 0 and norms 1; weights are drawn as the family's publication says.
        """
        seed = whole_number("seed", seed, 0)
        parameters: dict[str, NDArray[np.float32]] = {}
        for place, (name, shape) in enumerate(self.shapes().items()):
            if name.endswith("bias"):
                parameters[name] = np.zeros(shape, np.float32)
            elif name.endswith("norm.weight"):
                parameters[name] = np.ones(shape, np.float32)
            else:
                parameters[name] = self._fresh(name, shape, np.random.default_rng([seed, place]))
        return parameters

    def check_parameters(self, parameters: Parameters) -> None:
        """Raise ConfigError unless there is exactly one array of the right shape and dtype for every name."""
        shapes = self.shapes()
        for name, shape in shapes.items():
            if name not in parameters:
                raise ConfigError(f"parameters lack {name!r} of shape {shape}")
            array = parameters[name]
            if array.shape != shape:
                raise ConfigError(f"parameter {name!r} must have the shape {shape}, got {array.shape}")
            if array.dtype not in (np.float32, np.float64):
                raise ConfigError(f"parameter {name!r} must be of float32, got {array.dtype}")
        if len(parameters) > len(shapes):
            extra = sorted(set(parameters) - set(shapes))
            raise ConfigError(f"parameters have {extra[0]!r}, which this model does not")

    def loss(
        self,
        params: Parameters,
        batch: Batch,
        *,
        label_smoothing: float = 0.0,
        has_per_token: bool = False,
        n_threads: int = 1,
    ) -> Loss:
        """Return the loss of a batch, without dropout.

        Parameters
        ----------
        params : mapping of str to ndarray of float32
        batch : Batch
            Of a kind that the model takes.
        label_smoothing : float
            Share of the target that is spread over all classes.
        has_per_token : bool
            Whether to keep the nats at each position.
        n_threads : int
            Threads, each of which takes a share of the rows.

        Returns
        -------
        Loss
        """
        self._check(params, batch, label_smoothing)
        shards = list(batch.split(max(1, n_threads)))

        def run(index: int) -> Loss:
            with quiet():
                nats = self._nats(Tape(params), shards[index], LossOptions(label_smoothing))
            workspace().end_step()
            return _loss(nats, shards[index], has_per_token=has_per_token)

        losses = _run_shards(run, len(shards))
        return self._checked(sum(losses[1:], losses[0]), params, batch)

    def loss_and_gradients(
        self,
        params: Parameters,
        batch: Batch,
        *,
        rng: np.random.Generator | None = None,
        label_smoothing: float = 0.0,
        gradients: dict[str, Array] | None = None,
        total: tuple[int, ...] | None = None,
        n_threads: int = 1,
    ) -> tuple[Loss, dict[str, Array]]:
        """Return the loss of a batch, and the gradients of its mean by every parameter.

        Parameters
        ----------
        params : mapping of str to ndarray of float32
        batch : Batch
            Of a kind that the model takes.
        rng : numpy.random.Generator, optional
            Source of dropout; without it there is none.
        label_smoothing : float
            Share of the target that is spread over all classes.
        gradients : dict of str to ndarray, optional
            Gradients to add to, as a first batch of the same step gave them; changed in place.
        total : tuple of int, optional
            What the sum of each term is divided by: the counts of the batch, unless it is one of several in a step.
        n_threads : int
            Threads, each of which takes a share of the rows. The result depends on it in the last bits.

        Returns
        -------
        loss : Loss
        gradients : dict of str to ndarray of float32
            By name; a parameter that the batch does not use is absent.

        Raises
        ------
        ConfigError
            The batch or the parameters do not fit the model, or there is no target.
        NonFiniteError
            The loss is NaN or infinite; the message names the layer where that began.
        """
        self._check(params, batch, label_smoothing)
        counts = batch.counts if total is None else total
        if total is None and not any(counts):
            raise ConfigError("batch must have a target that is not ignored")
        options = LossOptions(label_smoothing, tuple(1.0 / count if count else 0.0 for count in counts))
        shards = list(batch.split(max(1, n_threads)))
        rngs = [None] * len(shards) if rng is None else [_child(rng) for _ in shards]
        accumulated: list[dict[str, Array]] = [{} for _ in shards]
        if gradients is not None:
            accumulated[0] = gradients

        def run(index: int) -> Loss:
            tape = Tape(params, gradients=accumulated[index], rng=rngs[index])
            with quiet():
                loss = _loss(self._nats(tape, shards[index], options), shards[index])
                if math.isfinite(loss.mean):
                    tape.backward()
            workspace().end_step()
            return loss

        losses = _run_shards(run, len(shards))
        loss = self._checked(sum(losses[1:], losses[0]), params, batch)
        summed, *others = accumulated
        for other in others:
            pairs = [(summed[name], gradient) for name, gradient in other.items() if name in summed]
            run_all((functools.partial(np.add, *pair, out=pair[0]) for pair in pairs), len(shards))
            summed |= {name: gradient for name, gradient in other.items() if name not in summed}
        return loss, summed

    def _check(self, params: Parameters, batch: Batch, label_smoothing: float) -> None:
        self.check_parameters(params)
        self.check_batch(batch)
        if not 0 <= label_smoothing < 1:
            raise ConfigError(f"label_smoothing must be at least 0 and below 1, got {label_smoothing}")

    def _checked(self, loss: Loss, params: Parameters, batch: Batch) -> Loss:
        if math.isfinite(loss.mean):
            return loss
        broken = not_finite(params)
        if broken is not None:
            raise NonFiniteError(f"the loss is {loss.mean}: parameter {broken!r} is not finite")
        try:
            with quiet():
                self._nats(Tape(params, is_checked=True), batch, LossOptions())
        except NonFiniteError as error:
            raise NonFiniteError(f"the loss is {loss.mean}: {error}") from None
        raise NonFiniteError(
            f"the loss is {loss.mean}: every layer is finite without dropout, the logits are too large"
        )


def quiet() -> AbstractContextManager[None]:
    """Let a number overflow without a warning: a loss or logits that are not finite raise, and say where."""
    return np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore")


def not_finite(params: Parameters) -> str | None:
    """Return the name of the first parameter that holds NaN or infinity; None if none does."""
    return next((name for name, array in params.items() if not np.isfinite(array).all()), None)


def _loss(nats: tuple[Array, ...], batch: Batch, *, has_per_token: bool = False) -> Loss:
    sums = tuple(float(term.sum(dtype=np.float64)) for term in nats)
    return Loss(sums=sums, counts=batch.counts, per_token=nats[0] if has_per_token else None)


def _child(rng: np.random.Generator) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(int(rng.integers(1 << 63))))


def _run_shards(run: Callable[[int], Loss], n_shards: int) -> list[Loss]:
    """Run each shard in a thread of its own, with one BLAS thread each."""
    if n_shards == 1:
        with same_blas_threads():
            return [run(0)]
    with blas_threads(1):
        others = [pool(n_shards).submit(run, index) for index in range(1, n_shards)]
        try:
            first = run(0)
        finally:
            # They count on the BLAS that is set here.
            wait(others)
        return [first, *(future.result() for future in others)]


def check_range(name: str, ids: NDArray[np.integer[Any]] | None, limit: int, *, allow_ignored: bool = False) -> None:
    """Raise ConfigError unless every id is at least 0 and below ``limit``."""
    if ids is None:
        return
    bad = (ids < 0) | (ids >= limit)
    if allow_ignored:
        bad &= ids != IGNORED
    if bad.any():
        place = tuple(int(index) for index in np.argwhere(bad)[0])
        raise ConfigError(f"{name} must be at least 0 and below {limit}, got {int(ids[place])} at {place}")


def check_length(name: str, n_columns: int, max_positions: int) -> None:
    """Raise ConfigError where a row is longer than the model has positions."""
    if n_columns > max_positions:
        raise ConfigError(f"{name} must have at most {max_positions} columns, one a position, got {n_columns}")


def check_kind(batch: Batch, kind: type[BatchT]) -> BatchT:
    """Return the batch; raise ConfigError unless it is of the kind."""
    if not isinstance(batch, kind):
        raise ConfigError(f"batch must be {kind.__name__} for this model, got {type(batch).__name__}")
    return batch


def draw_normal(shape: tuple[int, ...], std: float, rng: np.random.Generator) -> Array:
    """Draw a weight from a normal distribution."""
    weight = rng.standard_normal(shape, dtype=np.float32)
    weight *= std
    return weight


def output_logits(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """Return ``x weight^T + bias`` in an array that belongs to the caller.

    All rows go through one product, for each would read the whole weight again.
    """
    rows = x.reshape(-1, x.shape[-1])
    logits = np.empty((len(rows), len(weight)), np.result_type(rows, weight))
    multiply(rows, weight.T, logits)
    if bias is not None:
        logits += bias
    workspace().end_step()
    return logits.reshape(*x.shape[:-1], len(weight))
