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


def test_runs_of_torch_write_gradients_anew(optional_peer, monkeypatch):
    torch = optional_peer("torch")
    leaf = torch.ones(3, requires_grad=True)
    run = transformer_step.torch_run(lambda: 2 * leaf, [leaf])
    # Ones made within a run would be part of its time.
    monkeypatch.setattr(torch, "ones_like", None)
    for _ in range(3):
        run()
        assert leaf.grad.tolist() == [2, 2, 2]


def test_torch_is_told_all_leaves_of_each_operation(optional_peer, monkeypatch):
    optional_peer("torch")
    torch_run, n_checked = transformer_step.torch_run, []

    def leaves_of(node):
        found = {node.variable} if hasattr(node, "variable") else set()
        return found.union(*(leaves_of(parent) for parent, _ in node.next_functions if parent is not None))

    def checked(forward, leaves):
        assert leaves_of(forward().grad_fn) == set(leaves)
        n_checked.append(len(leaves))
        return torch_run(forward, leaves)

    monkeypatch.setattr(transformer_step, "torch_run", checked)
    transformer_step.beside_torch(QUICK, n_repeats=1)
    assert n_checked == [3, 1, 3, 2]
