"""Settings as text that is the same in each process: what a checkpoint keeps, and `Trainer.resume` compares.

`repr` is not: a function's has its address in memory, and NumPy's numbers write themselves unlike Python's.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

__all__ = ["described"]


def described(value: object) -> str:
    """Write a setting.

    Parameters
    ----------
    value : object
        A number, a text, a tuple; a dataclass or a `functools.partial` of such; what has a method ``describe()``; a
        function, which is told by its module and its name alone, as is an object without a `repr` of its own by its
        class.

    Returns
    -------
    str

    Examples
    --------
    >>> described((np.int64(3), np.float64(0.1)))
    '(3, 0.1)'
    >>> described(functools.partial(dataclasses.replace, rate=1e-3))
    'partial(dataclasses.replace, rate=0.001)'
    """
    if isinstance(value, tuple):
        return f"({', '.join(map(described, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, functools.partial):
        return _call("partial", (value.func, *value.args), value.keywords)
    if not isinstance(value, type):
        describe = getattr(value, "describe", None)
        if callable(describe):
            return str(describe())
        if dataclasses.is_dataclass(value):
            # As dataclasses write themselves.
            fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.repr}
            return _call(type(value).__qualname__, (), fields)
    return _plain(value)


def _call(name: str, values: tuple[object, ...], named: dict[str, object]) -> str:
    parts = [described(value) for value in values]
    parts += [f"{key}={described(value)}" for key, value in named.items()]
    return f"{name}({', '.join(parts)})"


def _plain(value: object) -> str:
    if isinstance(value, np.generic):
        return repr(value.item())
    # Functions, methods and classes have a name of their own.
    named = value if hasattr(value, "__qualname__") else type(value)
    if named is value or type(value).__repr__ is object.__repr__:
        return f"{named.__module__}.{named.__qualname__}"
    return repr(value)
