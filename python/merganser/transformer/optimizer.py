"""Adam and AdamW, and clipping by the global norm.

An optimizer is its settings; what it remembers is in `Moments`, so that training is a function of a state that can be
saved. Updates are made in place, a cache-sized piece at a time: a parameter, its gradient and both moments are read and
written once, and no array as large as a parameter is ever made.

Both follow PyTorch's arithmetic: epsilon is added to the corrected root, ``sqrt(v / (1 - b2**t)) + epsilon``.

References
----------
Kingma and Ba, Adam, 2015, algorithm 1; Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019, algorithm 2.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from merganser.errors import ConfigError
from merganser.transformer.kernels import run_kernel
from merganser.transformer.threads import run_all
from merganser.transformer.workspace import empty

__all__ = ["Adam", "AdamW", "Moments", "ParameterGroup", "clip_by_global_norm", "global_norm"]

Arrays = Mapping[str, NDArray[np.float32]]
# Two scratch arrays and four pieces of this many float32 stay in a second-level cache.
PIECE = 1 << 15


@dataclasses.dataclass(frozen=True)
class ParameterGroup:
    r"""Settings of the parameters whose whole name matches a pattern.

    Parameters
    ----------
    pattern : str
        Regular expression that must match the whole name, such as ``r".*\.bias"``.
    weight_decay : float, optional
        In place of the optimizer's.
    rate_scale : float, default 1.0
        Multiplies the learning rate; 0 keeps the parameters as they are.
    """

    pattern: str
    weight_decay: float | None = None
    rate_scale: float = 1.0

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern)
        except re.error as error:
            msg = f"pattern {self.pattern!r} is not a regular expression: {error}"
            raise ConfigError(msg) from None
        for name in ("weight_decay", "rate_scale"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                msg = f"{name} must be finite and not negative, got {value}"
                raise ConfigError(msg)


@dataclasses.dataclass
class Moments:
    """What Adam remembers: for each parameter, running means of its gradient and of the gradient's square."""

    first: dict[str, NDArray[np.float32]]
    second: dict[str, NDArray[np.float32]]


@dataclasses.dataclass(frozen=True)
class Adam:
    """Adam; weight decay, if any, is added to the gradient.

    Parameters
    ----------
    beta1, beta2 : float
        Decay of the two running means.
    epsilon : float
        Added to the root in the denominator.
    weight_decay : float
        Pull towards zero.
    decays_vectors : bool
        Whether parameters of fewer than two axes (biases, norms) decay, too.
    groups : tuple of ParameterGroup
        The first whose pattern matches a name gives that parameter's settings.

    Examples
    --------
    >>> import numpy as np
    >>> params = {"w": np.ones((1, 2), np.float32)}
    >>> optimizer = AdamW(weight_decay=0.5)
    >>> moments = optimizer.start(params)
    >>> gradients = {"w": np.array([[2.0, -3.0]], np.float32)}
    >>> optimizer.update(params, gradients, moments, step=0, rate=0.1)
    >>> params["w"].round(4).tolist()
    [[0.8500000238418579, 1.0499999523162842]]
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    decays_vectors: bool = False
    groups: tuple[ParameterGroup, ...] = ()

    is_decoupled = False

    def __post_init__(self) -> None:
        if not (0 <= self.beta1 < 1 and 0 <= self.beta2 < 1):
            msg = f"beta1 and beta2 must be at least 0 and below 1, got {self.beta1} and {self.beta2}"
            raise ConfigError(msg)
        if not 0 < self.epsilon < math.inf:
            msg = f"epsilon must be finite and positive, got {self.epsilon}"
            raise ConfigError(msg)
        if not 0 <= self.weight_decay < math.inf:
            msg = f"weight_decay must be finite and not negative, got {self.weight_decay}"
            raise ConfigError(msg)

    def start(self, params: Arrays) -> Moments:
        """Return the memory of an optimizer that has seen nothing: zeros in the shapes of `params`.

        Parameters
        ----------
        params : mapping of str to ndarray of float32, any shape ()
            What will be learned.

        Returns
        -------
        Moments

        Raises
        ------
        ConfigError
            A group's pattern matches no parameter.
        """
        for group in self.groups:
            if not any(re.fullmatch(group.pattern, name) for name in params):
                msg = f"pattern {group.pattern!r} of groups matches no parameter, such as {next(iter(params), None)!r}"
                raise ConfigError(msg)
        return Moments(
            first={name: np.zeros(array.shape, np.float32) for name, array in params.items()},
            second={name: np.zeros(array.shape, np.float32) for name, array in params.items()},
        )

    def update(
        self,
        params: Arrays,
        gradients: Arrays,
        moments: Moments,
        *,
        step: int,
        rate: float,
        gradient_scale: float = 1.0,
        n_threads: int = 1,
    ) -> None:
        """Make one update in place.

        Parameters
        ----------
        params : mapping of str to ndarray of float32, any shape ()
            What is learned; written to.
        gradients : mapping of str to ndarray of float32, any shape ()
            In the shapes of the parameters; a parameter without one stays as it is.
        moments : Moments
            Memory of the updates so far; written to.
        step : int
            Updates made so far.
        rate : float
            Learning rate.
        gradient_scale : float, default 1.0
            Multiplies every gradient on the way, such as the factor of `clip_by_global_norm`.
        n_threads : int, default 1
            Threads; the numbers do not depend on it.
        """
        works: list[Callable[[], None]] = []
        for name, param in params.items():
            gradient = gradients.get(name)
            if gradient is None:
                continue
            if gradient.shape != param.shape:
                msg = f"gradient of {name} must have the shape {param.shape}, got {gradient.shape}"
                raise ConfigError(msg)
            decay, scale = self._settings(name, param)
            if scale:
                flat = [_flat(array) for array in (param, gradient, moments.first[name], moments.second[name])]
                for start in range(0, param.size, PIECE):
                    pieces = [array[start : start + PIECE] for array in flat]
                    works.append(
                        functools.partial(self._update_piece, pieces, step, rate * scale, decay, gradient_scale)
                    )
        run_all(works, n_threads)

    def _settings(self, name: str, param: NDArray[np.float32]) -> tuple[float, float]:
        """Return weight decay and scale of the learning rate of one parameter."""
        for group in self.groups:
            if re.fullmatch(group.pattern, name):
                decay = self.weight_decay if group.weight_decay is None else group.weight_decay
                return decay, group.rate_scale
        return (self.weight_decay if param.ndim > 1 or self.decays_vectors else 0.0), 1.0

    def _update_piece(
        self,
        pieces: Sequence[NDArray[np.float32]],
        step: int,
        rate: float,
        decay: float,
        gradient_scale: float,
    ) -> None:
        # Python floats: a float64 scalar of NumPy would turn every product into float64.
        keep, decay = (1.0 - rate * decay, 0.0) if self.is_decoupled else (1.0, decay)
        root_scale = 1.0 / math.sqrt(1.0 - self.beta2 ** (step + 1))
        rate /= 1.0 - self.beta1 ** (step + 1)
        first_share, second_share = 1.0 - self.beta1, 1.0 - self.beta2
        moments = first_share, self.beta2, second_share, root_scale, self.epsilon
        if run_kernel("adam_update", *pieces, gradient_scale, keep, decay, *moments, rate):
            return
        param, gradient, first, second = pieces
        scaled, root = empty((2, param.size))
        # As silent as the kernel: `Trainer` looks for what is not finite where it matters.
        with np.errstate(over="ignore", invalid="ignore"):
            np.multiply(gradient, gradient_scale, out=scaled)
            if keep != 1.0:
                param *= keep
            if decay:
                np.multiply(param, decay, out=root)
                scaled += root
            np.subtract(scaled, first, out=root)
            root *= first_share
            first += root
            np.multiply(scaled, scaled, out=scaled)
            scaled *= second_share
            second *= self.beta2
            second += scaled
            np.sqrt(second, out=root)
            root *= root_scale
            root += self.epsilon
            np.divide(first, root, out=root)
            root *= rate
            param -= root


@dataclasses.dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay: parameters shrink by ``rate * weight_decay`` whatever the gradient."""

    weight_decay: float = 0.01

    is_decoupled = True


def global_norm(gradients: Arrays) -> float:
    """Return the Euclidean norm of all gradients taken as one vector; infinite or NaN where one of them is."""
    total = 0.0
    for gradient in gradients.values():
        flat = _flat(gradient)
        with np.errstate(over="ignore", invalid="ignore"):
            square = float(np.dot(flat, flat))
        if not math.isfinite(square):
            # The square may overflow float32 where the norm does not.
            square = float(np.sum(np.square(flat, dtype=np.float64)))
        total += square
    return math.sqrt(total)


def clip_by_global_norm(gradients: Arrays, max_norm: float) -> tuple[float, float]:
    """Return the factor that brings the global norm down to `max_norm`, and the norm; nothing is written.

    Parameters
    ----------
    gradients : mapping of str to ndarray of float32, any shape ()
        All gradients.
    max_norm : float
        Largest norm allowed.

    Returns
    -------
    factor : float
        At most 1; pass it to `Adam.update` as ``gradient_scale``.
    norm : float
        The norm before.

    Examples
    --------
    >>> import numpy as np
    >>> factor, norm = clip_by_global_norm({"w": np.array([3.0, 4.0], np.float32)}, max_norm=1.0)
    >>> round(factor, 6), norm
    (0.2, 5.0)
    """
    norm = global_norm(gradients)
    return (min(1.0, max_norm / (norm + 1e-6)) if math.isfinite(norm) else 1.0), norm


def _flat(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """View an array as one row; a copy would swallow what is written to it."""
    if not array.flags.c_contiguous:
        msg = "parameters and gradients must be contiguous arrays"
        raise ConfigError(msg)
    return array.reshape(-1)
