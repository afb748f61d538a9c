"""The kernels of `rust/kernels`, run by name.

An operation runs its kernel or, where that is not to be had, does the same in NumPy: the two stand one below the other
in `ops` and in `optimizer`, and tests hold them equal. With ``MERGANSER_KERNELS=0`` in the environment there are none:
NumPy alone.
"""

from __future__ import annotations

import os

from merganser import _core

IS_ENABLED = os.environ.get("MERGANSER_KERNELS", "1") != "0"


def run_kernel(name: str, *arguments: object) -> bool:
    """Run a kernel; return False, with nothing done, where there is none or it cannot work on its arguments.

    It works on contiguous arrays of float32, of shapes that fit each other, those that it writes to writeable. And no
    other thread may be in a kernel that writes to one of them.
    """
    function = getattr(_core, name, None) if IS_ENABLED else None
    if function is None:
        return False
    try:
        function(*arguments)
    except (TypeError, ValueError):
        return False
    return True
