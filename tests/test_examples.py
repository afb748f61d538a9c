"""The examples in docstrings run and show what they say."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import merganser

MODULES = ["merganser"] + [
    module.name
    for module in pkgutil.walk_packages(merganser.__path__, "merganser.")
    if not module.name.endswith((".__main__", "._core"))
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_module_hold(name: str, tmp_path: Path) -> None:
    module = importlib.import_module(name)
    flags = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
    result = doctest.testmod(module, extraglobs={"tmp_path": tmp_path}, optionflags=flags, report=False)
    assert result.failed == 0
