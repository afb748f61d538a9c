"""What the benchmark of a step says it compares is equal, and it leaves nothing of its clocks behind."""

from __future__ import annotations

import pytest

from benchmarks import transformer_step
from benchmarks.transformer import QUICK
from merganser.transformer import layers, ops


def test_explicit_wiring_gives_the_bits_of_the_tape():
    # Raises where a gradient differs.
    found = transformer_step.tape_and_explicit(QUICK, n_repeats=1)
    assert min(found.values()) > 0


def test_a_difference_is_found(monkeypatch):
    explicit = transformer_step.explicit_gradients

    def wrong(*arguments):
        nats, gradients = explicit(*arguments)
        gradients["blocks.0.attention.qkv.bias"][0] += 1
        return nats, gradients

    monkeypatch.setattr(transformer_step, "explicit_gradients", wrong)
    with pytest.raises(ValueError, match=r"gradients of \['blocks\.0\.attention\.qkv\.bias'\]"):
        transformer_step.tape_and_explicit(QUICK, n_repeats=1)


def test_operations_of_a_step_make_up_its_time():
    before = {name: getattr(ops, name) for name in ops.__all__}
    activations = dict(layers._ACTIVATIONS)
    times = transformer_step.by_operation(QUICK, n_repeats=2)
    for name in ("linear_forward", "linear_backward", "attention_backward", "gelu_tanh_forward", "AdamW.update"):
        assert times[name] > 0
    assert times["the rest"] > 0
    assert {name: getattr(ops, name) for name in ops.__all__} == before
    assert activations == layers._ACTIVATIONS


def test_torch_is_timed_beside_every_operation(optional_peer):
    optional_peer("torch")
    found = transformer_step.beside_torch(QUICK, n_repeats=1)
    assert list(found) == ["layer norm", "GELU", "attention", "output layer", "AdamW"]
    assert all(ours > 0 and theirs > 0 for ours, theirs, _ in found.values())
