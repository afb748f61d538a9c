"""What a training step is made of: the cost of the tape, the time of each operation, and what kernels could save.

``python -m benchmarks.transformer_step`` measures the GPT step of `benchmarks.transformer` on one thread, in CPU time,
which other work on the machine changes little, three ways:

1. through the tape, and with the same operations wired by hand (`explicit_gradients`), taken in turn, after their
   gradients were found equal to the bit;
2. by operation;
3. each operation beside PyTorch's compiled kernels for it, on the step's shapes: what could still be saved by being as
   good. Where PyTorch is slower, nothing is saved.

Two decisions rest on it: that models are written on a tape, and which operations have kernels.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.transformer import QUICK, SIZES
from benchmarks.transformer_engines import build, draw
from merganser.transformer import AdamW, LmBatch, ops
from merganser.transformer import layers as layers_module
from merganser.transformer.blas import blas_threads
from merganser.transformer.mask import AttentionMask
from merganser.transformer.optimizer import clip_by_global_norm
from merganser.transformer.workspace import workspace

Params = dict[str, Any]
Run = Callable[[], object]


def explicit_gradients(params: Params, batch: LmBatch, config: Any) -> tuple[float, Params]:
    """Return the summed nats of GPT and the gradients of their mean, each backward function called by hand."""
    ids, width, n_heads = batch.inputs, config.d_model, config.n_heads
    gradients: Params = {}
    caches: dict[str, Any] = {}

    def forward(function: Callable[..., Any], name: str, *arguments: Any) -> Any:
        out, caches[name] = function(*arguments)
        return out

    def norm(x: Any, name: str) -> Any:
        weight, bias = params[f"{name}.weight"], params[f"{name}.bias"]
        return forward(ops.layer_norm_forward, name, x, weight, bias, config.norm_epsilon)

    def linear(x: Any, name: str) -> Any:
        return forward(ops.linear_forward, name, x, params[f"{name}.weight"], params[f"{name}.bias"])

    def back(function: Callable[..., Any], name: str, d_out: Any) -> Any:
        d_x, gradients[f"{name}.weight"], gradients[f"{name}.bias"] = function(d_out, caches[name])
        return d_x

    def heads(x: Any) -> Any:
        return x.reshape(*x.shape[:2], n_heads, -1)

    mask, scale = AttentionMask(is_causal=True), config.style.scale
    positions = np.broadcast_to(np.arange(ids.shape[1]), ids.shape)
    x = forward(ops.embedding_forward, "token_embedding", params["token_embedding.weight"], ids)
    x = x + forward(ops.embedding_forward, "position_embedding", params["position_embedding.weight"], positions)
    for index in range(config.n_layers):
        name = f"blocks.{index}"
        parts = np.split(linear(norm(x, f"{name}.attention_norm"), f"{name}.attention.qkv"), 3, axis=-1)
        mixed, caches[name] = ops.attention_forward(*map(heads, parts), mask, scale=scale)
        x = x + linear(mixed.reshape(x.shape), f"{name}.attention.out")
        hidden = linear(norm(x, f"{name}.feed_forward_norm"), f"{name}.feed_forward.up")
        curved = forward(ops.gelu_tanh_forward, f"{name}.gelu", hidden)
        x = x + linear(curved, f"{name}.feed_forward.down")
    rows = norm(x, "final_norm").reshape(-1, width)
    table = params["token_embedding.weight"]
    nats, cache = ops.linear_cross_entropy_forward(
        rows, table, None, batch.targets.reshape(-1), scale=1.0 / batch.n_targets
    )
    assert cache is not None
    d_rows, gradients["token_embedding.weight"], _ = ops.linear_cross_entropy_backward(1.0, cache)
    d_x = back(ops.layer_norm_backward, "final_norm", d_rows.reshape(x.shape))
    for index in reversed(range(config.n_layers)):
        name = f"blocks.{index}"
        d_hidden = back(ops.linear_backward, f"{name}.feed_forward.down", d_x)
        d_hidden = ops.gelu_tanh_backward(d_hidden, caches[f"{name}.gelu"])
        d_hidden = back(ops.linear_backward, f"{name}.feed_forward.up", d_hidden)
        d_x = d_x + back(ops.layer_norm_backward, f"{name}.feed_forward_norm", d_hidden)
        d_mixed = back(ops.linear_backward, f"{name}.attention.out", d_x)
        d_parts = np.empty((*d_x.shape[:2], 3 * width), d_x.dtype)
        q, k, v = map(heads, np.split(d_parts, 3, axis=-1))
        ops.attention_backward(heads(d_mixed), caches[name], into=(q, k, v))
        d_parts = back(ops.linear_backward, f"{name}.attention.qkv", d_parts)
        d_x = d_x + back(ops.layer_norm_backward, f"{name}.attention_norm", d_parts)
    for name in ("position_embedding", "token_embedding"):
        weight = f"{name}.weight"
        gradients[weight] = ops.embedding_backward(d_x, caches[name], gradients.get(weight))
    workspace().end_step()
    return float(nats.sum(dtype=np.float64)), gradients


def medians(runs: dict[str, Run], n_repeats: int) -> dict[str, float]:
    """Time functions in turn, after one run of each; return the median milliseconds."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(n_repeats + 1):
        for name, run in runs.items():
            began = time.process_time()
            run()
            if repeat:
                times[name].append(time.process_time() - began)
    return {name: 1e3 * statistics.median(values) for name, values in times.items()}


def tape_and_explicit(size: dict[str, Any], n_repeats: int) -> dict[str, float]:
    """Check that both ways give the same bits, then time them."""
    model, params, batch = _subject(size)
    loss, by_tape = model.loss_and_gradients(params, batch)
    nats, by_hand = explicit_gradients(params, batch, model.config)
    differing = [name for name, array in by_tape.items() if array.tobytes() != by_hand[name].tobytes()]
    if differing or set(by_tape) != set(by_hand) or nats != loss.sum_nats:
        msg = f"the two ways differ: loss {loss.sum_nats} and {nats}, gradients of {differing}"
        raise ValueError(msg)
    runs: dict[str, Run] = {
        "tape": lambda: model.loss_and_gradients(params, batch),
        "explicit": lambda: explicit_gradients(params, batch, model.config),
    }
    return medians(runs, n_repeats)


@contextlib.contextmanager
def timed_operations(times: dict[str, float]) -> Iterator[None]:
    """Add the seconds of every operation to `times`, by its name."""

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            began = time.process_time()
            try:
                return function(*arguments, **options)
            finally:
                times[name] += time.process_time() - began

        return run

    kinds = layers_module._ACTIVATIONS
    names = [name for name in ops.__all__ if name.endswith(("_forward", "_backward"))]
    kept, kept_kinds = {name: getattr(ops, name) for name in names}, dict(kinds)
    try:
        for name, function in kept.items():
            setattr(ops, name, timed(name, function))
        for kind, pair in kept_kinds.items():
            kinds[kind] = (timed(f"{kind}_forward", pair[0]), timed(f"{kind}_backward", pair[1]))
        yield
    finally:
        for name, function in kept.items():
            setattr(ops, name, function)
        kinds.update(kept_kinds)


def by_operation(size: dict[str, Any], n_repeats: int) -> dict[str, float]:
    """Return the milliseconds of a step in each operation, the update included; ``"the rest"`` is none of them."""
    model, params, batch = _subject(size)
    optimizer, times = AdamW(decays_vectors=True), defaultdict(float)
    moments = optimizer.start(params)
    _, gradients = model.loss_and_gradients(params, batch)
    total = 0.0
    for step in range(n_repeats):
        began = time.process_time()
        with timed_operations(times):
            _, gradients = model.loss_and_gradients(params, batch)
        between = time.process_time()
        clip_by_global_norm(gradients, 1.0)
        clipped = time.process_time()
        optimizer.update(params, gradients, moments, step=step, rate=1e-4)
        times["clip_by_global_norm"] += clipped - between
        times["AdamW.update"] += time.process_time() - clipped
        total += time.process_time() - began
    times["the rest"] = total - sum(times.values())
    return {name: 1e3 * seconds / n_repeats for name, seconds in sorted(times.items(), key=lambda item: -item[1])}


def torch_run(forward: Callable[[], Any], leaves: list[Any]) -> Run:
    """Return a run of PyTorch forward and backward, which writes the gradients of `leaves` anew each time."""
    import torch

    d_out = torch.ones_like(forward())

    def run() -> None:
        for leaf in leaves:
            # A gradient that is there would be added to: a pass over it that we do not make.
            leaf.grad = None
        forward().backward(d_out)

    return run


def beside_torch(size: dict[str, Any], n_repeats: int) -> dict[str, tuple[float, float, int]]:
    """Return, for each operation but the linear layers, our milliseconds, PyTorch's, and its calls in a step.

    Both run forward and backward. Attention and the output layer are taken whole, with their products.
    """
    import torch

    torch.set_num_threads(1)
    functional = torch.nn.functional
    n_rows, n_columns, width, n_layers = (size[name] for name in ("rows", "columns", "width", "layers"))
    rng = np.random.default_rng(0)

    def pair(*shape: int) -> tuple[Any, Any]:
        array = rng.standard_normal(shape).astype(np.float32)
        return array, torch.from_numpy(array.copy()).requires_grad_()

    def compare(ours: Run, theirs: Callable[[], Any], leaves: list[Any], calls: int) -> tuple[float, float, int]:
        def run_ours() -> None:
            ours()
            workspace().end_step()

        found = medians({"ours": run_ours, "torch": torch_run(theirs, leaves)}, n_repeats)
        return found["ours"], found["torch"], calls

    result = {}
    (x, tx), (w, tw), (b, tb) = pair(n_rows * n_columns, width), pair(width), pair(width)
    d_x = np.ones_like(x)
    result["layer norm"] = compare(
        lambda: ops.layer_norm_backward(d_x, ops.layer_norm_forward(x, w, b, 1e-5)[1]),
        lambda: functional.layer_norm(tx, (width,), tw, tb, 1e-5),
        [tx, tw, tb],
        2 * n_layers + 1,
    )
    h, th = pair(n_rows * n_columns, 4 * width)
    d_h = np.ones_like(h)
    result["GELU"] = compare(
        lambda: ops.gelu_tanh_backward(d_h, ops.gelu_tanh_forward(h)[1]),
        lambda: functional.gelu(th, approximate="tanh"),
        [th],
        n_layers,
    )
    parts = [pair(n_rows, n_columns, size["heads"], width // size["heads"]) for _ in range(3)]
    (q, k, v), tensors = [array for array, _ in parts], [tensor for _, tensor in parts]
    d_mixed = np.ones_like(q)
    mask, scale = AttentionMask(is_causal=True), (width // size["heads"]) ** -0.5
    result["attention"] = compare(
        lambda: ops.attention_backward(d_mixed, ops.attention_forward(q, k, v, mask, scale=scale)[1]),
        lambda: functional.scaled_dot_product_attention(*(t.transpose(1, 2) for t in tensors), is_causal=True),
        tensors,
        n_layers,
    )
    # Small, as weights are: large logits would leave denormal exponentials, which are slow everywhere.
    table = 0.02 * pair(size["vocab"], width)[0]
    ttable = torch.from_numpy(table.copy()).requires_grad_()
    targets = rng.integers(0, size["vocab"], size=len(x))
    ttargets = torch.from_numpy(targets)
    result["output layer"] = compare(
        lambda: ops.linear_cross_entropy_forward(x, table, None, targets, scale=1.0 / len(x)),
        lambda: functional.cross_entropy(tx @ ttable.T, ttargets),
        [tx, ttable],
        1,
    )
    _, params, _ = _subject(size)
    gradients = {name: np.full_like(array, 1e-3) for name, array in params.items()}
    optimizer = AdamW(decays_vectors=True)
    moments = optimizer.start(params)
    parameters = [torch.nn.Parameter(torch.from_numpy(array.copy())) for array in params.values()]
    for parameter in parameters:
        parameter.grad = torch.full_like(parameter, 1e-3)
    fused = torch.optim.AdamW(parameters, lr=1e-4, fused=True)
    runs: dict[str, Run] = {
        "ours": lambda: optimizer.update(params, gradients, moments, step=1, rate=1e-4),
        "torch": fused.step,
    }
    found = medians(runs, n_repeats)
    result["AdamW"] = (found["ours"], found["torch"], 1)
    return result


def _subject(size: dict[str, Any]) -> tuple[Any, Params, LmBatch]:
    model, params = build(size, "gpt-step")
    ids = draw(size)[0]
    return model, params, LmBatch(inputs=ids[:, :-1], targets=ids[:, 1:])


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="small sizes, which say nothing of speed")
    options = parser.parse_args()
    size, n_repeats = (QUICK, 3) if options.quick else (SIZES["gpt-step"], options.repeats)
    tiny = {**size, "width": 8, "heads": 2, "vocab": 16, "rows": 1, "columns": 2}
    with blas_threads(1):
        for name, shape in (("the step", size), ("next to no arithmetic", tiny)):
            found = tape_and_explicit(shape, n_repeats)
            difference = found["tape"] - found["explicit"]
            print(f"{name}: tape {found['tape']:.2f} ms, explicit {found['explicit']:.2f} ms, {difference:+.2f} ms")
        times = by_operation(size, n_repeats)
        step = sum(times.values())
        print(f"\nstep with update: {step:.1f} ms")
        for name, milliseconds in times.items():
            if milliseconds:
                print(f"{name:<32}{milliseconds:8.1f} ms {milliseconds / step:6.1%}")
        if importlib.util.find_spec("torch") is None:
            print("\ntorch is not installed: no kernels to compare with")
            return
        print()
        saved = 0.0
        for name, (ours, theirs, calls) in beside_torch(size, n_repeats).items():
            gain = calls * (ours - theirs)
            saved += max(0.0, gain)
            print(f"{name:<16}{calls:2} x {ours:7.2f} ms, torch {theirs:7.2f} ms: {gain:+7.1f} ms of a step")
        print(f"kernels as good as torch's would save {saved:.1f} ms of {step:.1f} ms, {saved / step:.1%}")


if __name__ == "__main__":
    main()
