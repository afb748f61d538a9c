"""The tape: what the forward pass did, so that the backward pass can undo it in reverse.

A model is written forward only, in the layers of `layers.py`. Each layer calls one forward operation, and notes on the
tape how its backward operation turns the gradient of its output into those of its inputs and parameters. There are
some ten notes a block, each worth milliseconds of arithmetic, so the tape itself costs nothing that could be measured.
As a note is taken back, what it kept is released: memory falls again as the backward pass goes.

The same model code serves inference: a tape without ``gradients`` notes nothing and keeps nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from merganser.errors import NonFiniteError
from merganser.transformer.workspace import Array, empty_like

Parameters = Mapping[str, Array]
"""Parameters or gradients by name."""


class Gradient:
    """Where the gradient of the loss by a value is added up.

    Notes on the tape hold this and not the value, so that an array which no backward operation needs is released while
    the forward pass is still on its way.
    """

    __slots__ = ("_is_own", "_total")

    def __init__(self) -> None:
        self._total: Array | None = None
        self._is_own = False

    def add(self, gradient: Array) -> None:
        """Add an array. It is never written to: other values may hold it too."""
        if self._total is None:
            self._total = gradient
        elif self._is_own:
            self._total += gradient
        else:
            total = empty_like(gradient)
            np.add(self._total, gradient, out=total)
            self._total, self._is_own = total, True

    def take(self) -> Array | None:
        """Return the sum, complete by now, and forget it; None where nothing depends on the value."""
        total, self._total = self._total, None
        return total


class Value:
    """An array on its way through the model, and its gradient."""

    __slots__ = ("data", "gradient")

    def __init__(self, data: Array) -> None:
        self.data = data
        self.gradient = Gradient()


class Tape:
    """One pass of a model over a batch.

    Parameters
    ----------
    parameters : mapping of str to ndarray
        By name.
    gradients : dict of str to ndarray, optional
        Where the gradients of parameters are added; without it nothing is recorded.
    rng : numpy.random.Generator, optional
        Source of dropout; without it there is none.
    is_checked : bool
        Whether each layer's output is looked at, and the first that is not finite raises.
    """

    def __init__(
        self,
        parameters: Parameters,
        *,
        gradients: dict[str, Array] | None = None,
        rng: np.random.Generator | None = None,
        is_checked: bool = False,
    ) -> None:
        self.parameters = parameters
        self.gradients = gradients
        self.rng = rng
        self.is_checked = is_checked
        self._notes: list[tuple[Gradient, Callable[[Array], None]]] = []

    @property
    def is_recording(self) -> bool:
        """Whether a backward pass will follow."""
        return self.gradients is not None

    def value(self, data: Array, layer: str) -> Value:
        """Wrap the output of a layer; the name is for the message where it is not finite."""
        if self.is_checked and not np.isfinite(data).all():
            raise NonFiniteError(f"{layer} is the first layer whose output is not finite")
        return Value(data)

    def note(self, out: Value, backward: Callable[[Array], None]) -> None:
        """Remember how to pass the gradient of ``out`` back through the layer that just made it.

        ``backward`` should hold gradients and caches, not values.
        """
        if self.is_recording:
            self._notes.append((out.gradient, backward))

    def add_gradient(self, name: str, gradient: Array) -> None:
        """Add to the gradient of a parameter. The first array becomes the tape's own."""
        if self.gradients is None:
            return
        total = self.gradients.get(name)
        if total is None:
            self.gradients[name] = gradient
        else:
            total += gradient

    def fold_gradient(self, name: str, fold: Callable[[Array | None], Array]) -> None:
        """Replace the gradient of a parameter, None at first, by what ``fold`` makes of it."""
        if self.gradients is not None:
            self.gradients[name] = fold(self.gradients.get(name))

    def backward(self) -> None:
        """Go through the notes from the last to the first."""
        while self._notes:
            gradient, backward = self._notes.pop()
            d_out = gradient.take()
            if d_out is not None:
                backward(d_out)
