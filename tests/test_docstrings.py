"""Every public docstring is complete: parameters, result, and the dtype and shape of arrays."""

import inspect
import re

import pytest

import merganser

PUBLIC = [getattr(merganser, name) for name in merganser.__all__ if not name.startswith("__")]


def public_callables():
    for thing in PUBLIC:
        if inspect.isfunction(thing):
            yield thing.__qualname__, thing
        elif inspect.isclass(thing):
            yield thing.__qualname__, thing
            for name, member in inspect.getmembers(thing):
                function = getattr(member, "__func__", member)
                if not str(getattr(function, "__module__", "")).startswith("merganser"):
                    continue
                if not name.startswith("_") and inspect.isfunction(function):
                    yield function.__qualname__, function


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
                assert re.search(r" of .*shape \(", line), f"{name}: {line!r} must give dtype and shape"
