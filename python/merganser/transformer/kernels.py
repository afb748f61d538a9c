"""The kernels of `rust/kernels`, asked for by name.

An operation asks for its kernel and, where there is none, does the same in NumPy: the two stand one below the other in
`ops` and in `optimizer`, and tests hold them equal. There is none for arrays that are not contiguous float32, none in
an extension that lacks it, and none at all with ``MERGANSER_KERNELS=0`` in the environment: NumPy alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np

from merganser import _core
from merganser.transformer.workspace import Array

IS_ENABLED = os.environ.get("MERGANSER_KERNELS", "1") != "0"


def kernel(name: str, *arrays: Array) -> Callable[..., None] | None:
    """Return the kernel of a name, or None where it is not at hand or cannot read one of the arrays."""
    if not IS_ENABLED:
        return None
    for array in arrays:
        flags = array.flags
        # A file may map an array to any place.
        if array.dtype != np.float32 or not flags.c_contiguous or not flags.aligned:
            return None
    found: Callable[..., None] | None = getattr(_core, name, None)
    return found
