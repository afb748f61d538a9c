"""Every example in a docstring runs, and every public docstring is complete."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import merganser

MODULES = [
    info.name
    for info in pkgutil.walk_packages(merganser.__path__, "merganser.")
    if not info.name.endswith(("_core", "__main__")) and ".reference" not in info.name
]
PUBLIC = [getattr(merganser, name) for name in merganser.__all__ if not name.startswith("__")]


def public_callables():
    for thing in PUBLIC:
        if inspect.isfunction(thing):
            yield thing.__qualname__, thing
        elif inspect.isclass(thing):
            yield thing.__qualname__, thing
            for name, member in vars(thing).items():
                function = getattr(member, "__func__", member)
                if not name.startswith("_") and inspect.isfunction(function):
                    yield function.__qualname__, function


@pytest.mark.parametrize("name", ["merganser", *MODULES])
def test_docstring_examples_run(name, tmp_path):
    module = importlib.import_module(name)
    flags = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
    failed, _ = doctest.testmod(module, extraglobs={"tmp_path": tmp_path}, optionflags=flags)
    assert failed == 0


@pytest.mark.parametrize(("name", "thing"), list(public_callables()))
def test_docstring_names_every_parameter_and_result(name, thing):
    doc = inspect.getdoc(thing)
    assert doc, f"{name} has no docstring"
    if inspect.isclass(thing):
        return
    signature = inspect.signature(thing)
    for parameter in signature.parameters.values():
        if parameter.name not in {"self", "cls"}:
            assert parameter.name in doc, f"{name} does not describe {parameter.name}"
    returns = str(signature.return_annotation)
    if returns not in {"None", "<class 'inspect._empty'>"}:
        assert "Returns" in doc or "Yields" in doc, f"{name} does not say what it returns"


def test_public_arrays_state_dtype_and_shape():
    for name, thing in public_callables():
        doc = inspect.getdoc(thing) or ""
        for line in doc.splitlines():
            if line.strip().startswith("ndarray"):
                assert " of " in line and "shape (" in line, f"{name}: {line!r} must give dtype and shape"
