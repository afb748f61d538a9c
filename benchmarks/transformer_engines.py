"""What `benchmarks.transformer` measures: this library and its peers, each doing a task from the same weights.

An engine is made from (task, size, number of threads, folder with the weights); `run` does the task once and returns
what must be equal between engines: the loss, some logits, or the tokens.
"""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from typing import Any

import numpy as np

RATE = 1e-4
DECAY = 0.01
WEIGHTS = "ours.safetensors"


def build(size: dict[str, Any], task: str) -> tuple[Any, dict[str, Any]]:
    """Return our model of a task and its parameters."""
    from merganser.transformer import Gpt, GptConfig, Seq2Seq, Seq2SeqConfig

    shape = {"vocab_size": size["vocab"], "d_model": size["width"], "d_ff": 4 * size["width"], "n_heads": size["heads"]}
    still = {"dropout": 0.0, "attention_dropout": 0.0}
    if task == "pair-step":
        config = Seq2SeqConfig(
            **shape,
            **still,
            n_layers=size["layers"],
            n_decoder_layers=size["layers"],
            max_positions=512,
            norm_position="post",
            positions="sinusoidal_halves",
            has_output_bias=True,
            start_id=size["vocab"] - 1,
        )
        model: Any = Seq2Seq(config)
    else:
        model = Gpt(GptConfig(**shape, **still, n_layers=size["layers"], embedding_dropout=0.0, max_positions=1024))
    return model, model.initialize(seed=0)


def draw(size: dict[str, Any]) -> np.ndarray:
    """Return ids that both engines read."""
    return np.random.default_rng(0).integers(3, size["vocab"] - 1, size=(2, size["rows"], size["columns"] + 1))


class Ours:
    """This library."""

    def __init__(self, task: str, size: dict[str, Any], n_threads: int, folder: str) -> None:
        from merganser.transformer import Adam, AdamW, Constant, LmBatch, Seq2SeqBatch, Trainer

        self.model, params = build(size, task)
        first, second = draw(size)
        self.task, self.size, self.params = task, size, params
        self.prompts = list(first[:, :-1])
        if task == "pair-step":
            self.batch: Any = Seq2SeqBatch(source=first[:, :-1], target_inputs=second[:, :-1], targets=second[:, 1:])
        else:
            self.batch = LmBatch(inputs=first[:, :-1], targets=first[:, 1:])
        if task.endswith("-step"):
            optimizer = Adam(beta2=0.98, epsilon=1e-9) if task == "pair-step" else AdamW(decays_vectors=True)
            self.trainer = Trainer(
                model=self.model,
                batches=lambda _: self.batch,
                schedule=Constant(RATE),
                n_steps=1 << 30,
                optimizer=optimizer,
                n_threads=n_threads,
            )
            self.state = self.trainer.start(params)

    def run(self) -> list[float]:
        """Do the task once; return what must be equal."""
        from merganser.transformer import generate

        if self.task.endswith("-step"):
            return [self.trainer.step(self.state).loss]
        if self.task == "gpt2-forward":
            return self.model.logits(self.params, self.batch)[0, -1, :50].tolist()
        rows = generate(self.model, self.params, self.prompts, max_new_tokens=self.size["new"])
        return [float(token) for row in rows for token in row.tolist()]


class Torch:
    """PyTorch, eager; transformers for what it is compared with by name."""

    def __init__(self, task: str, size: dict[str, Any], n_threads: int, folder: str) -> None:
        import torch

        torch.set_num_threads(n_threads)
        self.torch, self.task, self.size = torch, task, size
        first, second = (torch.from_numpy(array) for array in draw(size))
        self.inputs, self.targets = first[:, :-1].contiguous(), first[:, 1:].contiguous()
        self.second = second
        if task in {"gpt-step", "gpt2-forward"}:
            from merganser.transformer.tensor_file import TensorFile

            arrays = TensorFile(Path(folder, WEIGHTS))
            is_step = task == "gpt-step"
            self.params = {name: torch.from_numpy(arrays[name]).requires_grad_(is_step) for name in arrays}
            parameters = list(self.params.values())
        else:
            import transformers

            transformers.logging.set_verbosity_error()
            kind = transformers.MarianMTModel if task == "pair-step" else transformers.GPT2LMHeadModel
            self.model = kind.from_pretrained(folder).float()
            self.model.train(task == "pair-step")
            parameters = list(self.model.parameters())
        self.parameters = parameters
        if task == "gpt-step":
            self.optimizer = torch.optim.AdamW(parameters, lr=RATE, fused=True)
        elif task == "pair-step":
            self.optimizer = torch.optim.Adam(parameters, lr=RATE, betas=(0.9, 0.98), eps=1e-9, fused=True)

    def logits(self) -> Any:
        """Run GPT forward."""
        torch, params, size = self.torch, self.params, self.size
        functional = torch.nn.functional
        rows, columns, width = size["rows"], size["columns"], size["width"]
        x = functional.embedding(self.inputs, params["token_embedding.weight"])
        x = x + params["position_embedding.weight"][:columns]
        for block in range(size["layers"]):
            name = f"blocks.{block}"
            normed = self.norm(x, f"{name}.attention_norm")
            parts = self.linear(normed, f"{name}.attention.qkv").split(width, dim=-1)
            q, k, v = (part.view(rows, columns, size["heads"], -1).transpose(1, 2) for part in parts)
            mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.linear(mixed.transpose(1, 2).reshape(rows, columns, width), f"{name}.attention.out")
            hidden = self.linear(self.norm(x, f"{name}.feed_forward_norm"), f"{name}.feed_forward.up")
            hidden = functional.gelu(hidden, approximate="tanh")
            x = x + self.linear(hidden, f"{name}.feed_forward.down")
        return self.norm(x, "final_norm") @ params["token_embedding.weight"].T

    def norm(self, x: Any, name: str) -> Any:
        """Run layer norm."""
        weight, bias = self.params[f"{name}.weight"], self.params[f"{name}.bias"]
        return self.torch.nn.functional.layer_norm(x, weight.shape, weight, bias, 1e-5)

    def linear(self, x: Any, name: str) -> Any:
        """Multiply by a weight of shape (in, out) and add a bias, in one call."""
        flat = self.torch.addmm(self.params[f"{name}.bias"], x.reshape(-1, x.shape[-1]), self.params[f"{name}.weight"])
        return flat.view(*x.shape[:-1], -1)

    def run(self) -> list[float]:
        """Do the task once; return what must be equal."""
        torch = self.torch
        if self.task == "gpt2-forward":
            with torch.no_grad():
                return self.logits()[0, -1, :50].tolist()
        if self.task.startswith("generate"):
            with torch.no_grad():
                found = self.model.generate(
                    self.inputs,
                    attention_mask=torch.ones_like(self.inputs),
                    max_new_tokens=self.size["new"],
                    do_sample=False,
                    eos_token_id=None,
                    pad_token_id=0,
                )
            return [float(token) for token in found[:, self.inputs.shape[1] :].flatten().tolist()]
        self.optimizer.zero_grad(set_to_none=True)
        if self.task == "pair-step":
            logits = self.model(input_ids=self.inputs, decoder_input_ids=self.second[:, :-1], use_cache=False).logits
            targets = self.second[:, 1:]
        else:
            logits, targets = self.logits(), self.targets
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        return [loss.item()]


class Functional:
    """The same step in a library that differentiates NumPy-like code: for reference, a GPT step only.

    The model is written once, in the functions that both have; what they differ in is `Jax` and `Autograd`.
    """

    def __init__(self, numpy: Any, task: str, size: dict[str, Any], folder: str) -> None:
        from merganser.transformer.tensor_file import TensorFile

        if task not in REFERENCE_TASKS:
            msg = f"{type(self).__name__} is measured at {', '.join(REFERENCE_TASKS)}, got {task}"
            raise ValueError(msg)
        self.np, self.size = numpy, size
        arrays = TensorFile(Path(folder, WEIGHTS))
        self.params = {name: numpy.array(np.array(arrays[name])) for name in arrays}
        first, _ = draw(size)
        self.inputs, self.targets = first[:, :-1], first[:, 1:]
        self.moments = [{name: numpy.zeros_like(array) for name, array in self.params.items()} for _ in range(2)]
        self.n_steps = 0

    def loss(self, params: dict[str, Any]) -> Any:
        """Return the mean cross-entropy of GPT."""
        numpy, size = self.np, self.size
        rows, columns, width = size["rows"], size["columns"], size["width"]
        x = params["token_embedding.weight"][self.inputs] + params["position_embedding.weight"][:columns]
        is_hidden = np.triu(np.ones((columns, columns), bool), 1)
        for block in range(size["layers"]):
            name = f"blocks.{block}"
            normed = self._norm(params, x, f"{name}.attention_norm")
            parts = self._linear(params, normed, f"{name}.attention.qkv")
            parts = numpy.reshape(parts, (rows, columns, 3, size["heads"], width // size["heads"]))
            q, k, v = (numpy.transpose(parts[:, :, part], (0, 2, 1, 3)) for part in range(3))
            scores = numpy.matmul(q, numpy.swapaxes(k, 2, 3)) * (width // size["heads"]) ** -0.5
            scores = numpy.where(is_hidden, -1e30, scores)
            powers = numpy.exp(scores - numpy.max(scores, axis=-1, keepdims=True))
            mixed = numpy.matmul(powers / numpy.sum(powers, axis=-1, keepdims=True), v)
            mixed = numpy.reshape(numpy.transpose(mixed, (0, 2, 1, 3)), (rows, columns, width))
            x = x + self._linear(params, mixed, f"{name}.attention.out")
            hidden = self._linear(params, self._norm(params, x, f"{name}.feed_forward_norm"), f"{name}.feed_forward.up")
            curve = numpy.tanh(math.sqrt(2 / math.pi) * (hidden + 0.044715 * hidden * hidden * hidden))
            x = x + self._linear(params, 0.5 * hidden * (1.0 + curve), f"{name}.feed_forward.down")
        x = self._norm(params, x, "final_norm")
        logits = numpy.matmul(numpy.reshape(x, (-1, width)), params["token_embedding.weight"].T)
        logits = logits - numpy.max(logits, axis=-1, keepdims=True)
        wanted = logits[np.arange(rows * columns), self.targets.reshape(-1)]
        return numpy.mean(numpy.log(numpy.sum(numpy.exp(logits), axis=-1)) - wanted)

    def _norm(self, params: dict[str, Any], x: Any, name: str) -> Any:
        centred = x - self.np.mean(x, axis=-1, keepdims=True)
        deviation = self.np.sqrt(self.np.mean(centred * centred, axis=-1, keepdims=True) + 1e-5)
        return centred / deviation * params[f"{name}.weight"] + params[f"{name}.bias"]

    def _linear(self, params: dict[str, Any], x: Any, name: str) -> Any:
        return self.np.matmul(x, params[f"{name}.weight"]) + params[f"{name}.bias"]

    def update(self, params: Any, moments: Any, gradients: Any, step: Any) -> tuple[Any, Any]:
        """Clip, and take a step of AdamW."""
        numpy = self.np
        norm = numpy.sqrt(sum(numpy.sum(gradient * gradient) for gradient in gradients.values()))
        factor = numpy.minimum(1.0, 1.0 / (norm + 1e-6)).astype(np.float32)
        first_bias, second_bias = 1 - 0.9**step, 1 - 0.999**step
        new: tuple[dict[str, Any], ...] = ({}, {}, {})
        for name, parameter in params.items():
            gradient = gradients[name] * factor
            first = 0.9 * moments[0][name] + 0.1 * gradient
            second = 0.999 * moments[1][name] + 0.001 * gradient * gradient
            change = first / first_bias / (numpy.sqrt(second / second_bias) + 1e-8)
            new[0][name] = parameter * (1 - RATE * DECAY) - RATE * change
            new[1][name], new[2][name] = first, second
        return new[0], [new[1], new[2]]


class Jax(Functional):
    """JAX, the whole step compiled into one function."""

    def __init__(self, task: str, size: dict[str, Any], n_threads: int, folder: str) -> None:
        import jax

        super().__init__(importlib.import_module("jax.numpy"), task, size, folder)

        def step(params: Any, moments: Any, number: Any) -> Any:
            loss, gradients = jax.value_and_grad(self.loss)(params)
            return loss, *self.update(params, moments, gradients, number)

        self.step = jax.jit(step, donate_argnums=(0, 1))

    def run(self) -> list[float]:
        """Do the task once; return what must be equal."""
        self.n_steps += 1
        loss, self.params, self.moments = self.step(self.params, self.moments, float(self.n_steps))
        # The loss is ready before the update is.
        self.params["final_norm.weight"].block_until_ready()
        return [float(loss)]


class Autograd(Functional):
    """autograd (HIPS), which records every operation of NumPy."""

    def __init__(self, task: str, size: dict[str, Any], n_threads: int, folder: str) -> None:
        super().__init__(importlib.import_module("autograd.numpy"), task, size, folder)
        self.value_and_gradients = importlib.import_module("autograd").value_and_grad(self.loss)

    def run(self) -> list[float]:
        """Do the task once; return what must be equal."""
        self.n_steps += 1
        loss, gradients = self.value_and_gradients(self.params)
        self.params, self.moments = self.update(self.params, self.moments, gradients, self.n_steps)
        return [float(loss)]


REFERENCE_TASKS = ("gpt-step",)
NUMPY_ALONE = "NumPy alone"
ENGINES: dict[str, Any] = {"merganser": Ours, NUMPY_ALONE: Ours, "torch": Torch, "jax": Jax, "autograd": Autograd}
