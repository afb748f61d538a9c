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


class Value:
    """An array on its way through the model, and the gradient of the loss by it."""

    __slots__ = ("_is_own", "data", "gradient")

    def __init__(self, data: Array) -> None:
        self.data = data
        self.gradient: Array | None = None
        self._is_own = False

    def add_gradient(self, gradient: Array) -> None:
        """Add a gradient. The array given is never written to: other values may hold it too."""
        if self.gradient is None:
            self.gradient = gradient
        elif self._is_own:
            self.gradient += gradient
        else:
            total = empty_like(gradient)
            np.add(self.gradient, gradient, out=total)
            self.gradient, self._is_own = total, True

    def take_gradient(self) -> Array:
        """Return the gradient, complete by now, and forget it."""
        gradient = np.zeros_like(self.data) if self.gradient is None else self.gradient
        self.gradient = None
        return gradient


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
        self._notes: list[Callable[[], None]] = []

    @property
    def is_recording(self) -> bool:
        """Whether a backward pass will follow."""
        return self.gradients is not None

    def value(self, data: Array, layer: str) -> Value:
        """Wrap the output of a layer; the name is for the message where it is not finite."""
        if self.is_checked and not np.isfinite(data).all():
            raise NonFiniteError(f"{layer} is the first layer whose output is not finite")
        return Value(data)

    def note(self, backward: Callable[[], None]) -> None:
        """Remember how to pass a gradient back through the layer that just ran."""
        if self.is_recording:
            self._notes.append(backward)

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
            self._notes.pop()()
