"""`Trainer`: updates that are a function of the state, the seed and the step, and of nothing else.

A batch is asked for by its number, dropout is drawn from a generator of (seed, step, part), and the state holds the
rest. So k steps, a checkpoint, and n - k steps more give the very bits of n steps at once.

Batches that make one update together are each divided by the number of targets of *all* of them: the gradient is that
of the mean over all targets, wherever the cuts are.
"""

from __future__ import annotations

import dataclasses
import errno
import math
import numbers
import os
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from merganser.errors import ConfigError, NonFiniteError
from merganser.progress import Progress, Report, reporting
from merganser.transformer.batch import Batch
from merganser.transformer.checkpoint import TrainingState, checkpoint_steps, load_checkpoint, save_checkpoint
from merganser.transformer.checks import whole_number
from merganser.transformer.curves import TrainingLog
from merganser.transformer.describing import described
from merganser.transformer.loss import Loss
from merganser.transformer.model import not_finite
from merganser.transformer.optimizer import Adam, AdamW, clip_by_global_norm
from merganser.transformer.randomness import generator
from merganser.transformer.schedules import Schedule

__all__ = ["StepReport", "Trainable", "Trainer"]

Params = dict[str, NDArray[np.float32]]


class Trainable(Protocol):
    """A model, as far as training needs it."""

    def initialize(self, *, seed: int) -> Params:
        """Return parameters to start from."""

    def loss(self, params: Params, batch: Any) -> Loss:
        """Return the loss of a batch, without dropout."""

    def loss_and_gradients(
        self,
        params: Params,
        batch: Any,
        *,
        rng: np.random.Generator | None = None,
        label_smoothing: float = 0.0,
        gradients: Params | None = None,
        total: tuple[int, ...] | None = None,
        n_threads: int = 1,
    ) -> tuple[Loss, Params]:
        """Return the loss, and its gradients divided by `total` and added to `gradients`."""


@dataclasses.dataclass(frozen=True)
class StepReport:
    """What one update did.

    Attributes
    ----------
    step : int
        Updates made, this one included.
    loss : float
        Mean nats a target, before the update.
    rate : float
        Learning rate.
    gradient_norm : float
        Global norm before clipping.
    n_targets : int
        Targets of all parts.
    seconds : float
        Wall time.
    evaluation : float or None
        What `Trainer.evaluate` gave after the update.
    """

    step: int
    loss: float
    rate: float
    gradient_norm: float
    n_targets: int
    seconds: float
    evaluation: float | None = None

    @property
    def tokens_per_second(self) -> float:
        """Targets learned from in a second."""
        return self.n_targets / self.seconds if self.seconds > 0 else math.inf


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trainer:
    """How a model is trained.

    Parameters
    ----------
    model : Trainable
        `Gpt`, `Bert`, `T5`, `Seq2Seq`, or what has their `initialize`, `loss` and `loss_and_gradients`.
    batches : callable
        ``batches(number)`` returns a batch; see `Blocks` and `Pairs`. Must be a function of the number. Where it has a
        method ``describe()``, as those two have, `resume` asks that the str which that returns be the same, so it must
        be short and the same in each process; any other is "a function", and that it is the same is left to you.
    schedule : Schedule
        Learning rate of each step: `Constant`, `Cosine`, `Linear`, `Noam` or a function of the step, which `resume`
        knows by its module and name alone.
    n_steps : int
        Updates of the whole training.
    optimizer : Adam
        `AdamW` with its defaults, if not given.
    seed : int, default 0
        Chooses the first parameters and the dropout.
    clip_norm : float or None, default 1.0
        Gradients are scaled down to this global norm.
    accumulation : int, default 1
        Batches that make one update together.
    label_smoothing : float, default 0.0
        Share of each target that goes to all classes alike.
    n_threads : int, default 1
        Each batch is cut into so many parts, a thread each, and matrix products use one thread. With 1, the batch
        stays whole and products use the threads that NumPy was started with.
    checkpoints : str or PathLike, optional
        Folder for checkpoints.
    checkpoint_every : int, optional
        Steps between two; the last step always gets one, where there is a folder.
    n_kept : int or None, default 2
        Checkpoints kept; None: all.
    log : str or PathLike, optional
        File of JSON lines, a step each.
    evaluate : callable, optional
        ``evaluate(params)`` returns a number to log, such as a held-out loss.
    evaluate_every : int, optional
        Steps between two; None: after the last step only.

    Notes
    -----
    With the same settings, state and NumPy the results are equal to the bit. Another `n_threads` takes sums in another
    order, and changes dropout, which is drawn for each part.

    Examples
    --------
    >>> import numpy as np
    >>> from merganser.transformer import ArraySource, Blocks, Constant, Gpt, GptConfig, Trainer
    >>> config = GptConfig(vocab_size=8, max_positions=4, d_model=8, d_ff=16, n_layers=1, n_heads=2)
    >>> batches = Blocks(ArraySource(np.arange(64) % 8), n_rows=4, length=4)
    >>> trainer = Trainer(model=Gpt(config), batches=batches, schedule=Constant(0.02), n_steps=30)
    >>> state = trainer.run()
    >>> state.step, trainer.loss(state.params, batches(0)).mean < 0.5
    (30, True)
    """

    model: Trainable
    batches: Callable[[int], Batch]
    schedule: Schedule
    n_steps: int
    optimizer: Adam = dataclasses.field(default_factory=AdamW)
    seed: int = 0
    clip_norm: float | None = 1.0
    accumulation: int = 1
    label_smoothing: float = 0.0
    n_threads: int = 1
    checkpoints: str | os.PathLike[str] | None = None
    checkpoint_every: int | None = None
    n_kept: int | None = 2
    log: str | os.PathLike[str] | None = None
    evaluate: Callable[[Params], float] | None = None
    evaluate_every: int | None = None

    def __post_init__(self) -> None:
        for name in ("n_steps", "accumulation", "n_threads", "checkpoint_every", "n_kept", "evaluate_every"):
            value = getattr(self, name)
            if value is not None:
                whole_number(name, value, 1)
        whole_number("seed", self.seed, 0)
        for name, value, wanted in (
            ("batches", self.batches, "a function of a batch's number, such as Blocks(...)"),
            ("schedule", self.schedule, "a function of the step, such as Constant(0.001)"),
        ):
            if not callable(value):
                msg = f"{name} must be {wanted}, got {value!r}"
                raise ConfigError(msg)
        if isinstance(self.optimizer, type) or not hasattr(self.optimizer, "start"):
            msg = f"optimizer must be an optimizer, such as AdamW(), got {self.optimizer!r}"
            raise ConfigError(msg)
        if self.clip_norm is not None and not self.clip_norm > 0:
            msg = f"clip_norm must be positive, got {self.clip_norm}"
            raise ConfigError(msg)
        if not 0 <= self.label_smoothing < 1:
            msg = f"label_smoothing must be at least 0 and below 1, got {self.label_smoothing}"
            raise ConfigError(msg)
        if self.checkpoint_every is not None and self.checkpoints is None:
            msg = "checkpoint_every needs the folder checkpoints"
            raise ConfigError(msg)

    def start(self, params: Params | None = None) -> TrainingState:
        """Return the state before the first update.

        Parameters
        ----------
        params : dict of str to ndarray of float32, any shape (), optional
            What to start from, such as pretrained parameters; copied. None: the model's own, drawn from `seed`.

        Returns
        -------
        TrainingState
        """
        if params is None:
            params = self.model.initialize(seed=self.seed)
        else:
            params = {name: array.copy() for name, array in params.items()}
        return TrainingState(step=0, params=params, moments=self.optimizer.start(params))

    def resume(self) -> TrainingState:
        """Return the state of the newest checkpoint.

        Returns
        -------
        TrainingState

        Raises
        ------
        FileNotFoundError
            There is none.
        ConfigError
            It was made with other settings, so that what follows would not be what was begun.
        FormatError
            It is damaged.
        """
        if self.checkpoints is None:
            msg = "resume needs the folder checkpoints"
            raise ConfigError(msg)
        state, settings = load_checkpoint(self.checkpoints)
        for name, value in self._settings().items():
            if settings.get(name) != value:
                msg = f"the checkpoint was made with {name} {settings.get(name)}, not {value}"
                raise ConfigError(msg)
        return state

    def run(self, state: TrainingState | None = None, *, progress: Progress = None) -> TrainingState:
        """Make the updates that are left.

        Parameters
        ----------
        state : TrainingState, optional
            Where to go on; its arrays are written to. None: `start`.
        progress : bool or callable, optional
            True draws a bar with loss, tokens a second and the time left; a callable is told
            (steps done, steps in all, ``"train: ..."``).

        Returns
        -------
        TrainingState
            The same object, after the last update.

        Raises
        ------
        ConfigError
            The schedule gives a rate that is not finite, or negative; names the step.
        NonFiniteError
            A loss or gradient is NaN or infinite; names the step and the layer. `state` is as it was before that step.
            Or the state itself is; so no checkpoint ever is, and `resume` goes back to the last one.
        FileExistsError
            `checkpoints` holds later steps than `state`: of another training, or of this one, to be resumed.
        """
        state = self.start() if state is None else state
        if self.checkpoints is not None:
            _refuse_later_steps(self.checkpoints, state.step)
        with TrainingLog(self.log, after=state.step) as log, reporting(progress) as report:
            while state.step < self.n_steps:
                record = self.step(state)
                is_checkpoint_due = self._is_due(state.step, self.checkpoint_every)
                if is_checkpoint_due:
                    _check_finite(state, record.rate)
                if self.evaluate is not None and self._is_due(state.step, self.evaluate_every):
                    record = dataclasses.replace(record, evaluation=float(self.evaluate(state.params)))
                log.write(record)
                _show(report, record, self.n_steps)
                if self.checkpoints is not None and is_checkpoint_due:
                    save_checkpoint(self.checkpoints, state, settings=self._settings(), n_kept=self.n_kept)
        return state

    def step(self, state: TrainingState) -> StepReport:
        """Make one update.

        Parameters
        ----------
        state : TrainingState
            Written to.

        Returns
        -------
        StepReport

        Raises
        ------
        ConfigError, NonFiniteError
            As `run`, but that the state is not looked at after the update.
        """
        began = time.perf_counter()
        rate = self._rate(state.step)
        first = state.step * self.accumulation
        batches = [self.batches(number) for number in range(first, first + self.accumulation)]
        try:
            loss, gradients = self._loss_and_gradients(state, batches)
        except NonFiniteError as error:
            if state.step:
                _check_finite(state, self._rate(state.step - 1))
            msg = f"step {state.step}: {error}"
            raise NonFiniteError(msg) from None
        factor, norm = clip_by_global_norm(gradients, math.inf if self.clip_norm is None else self.clip_norm)
        if not math.isfinite(norm):
            # The backward pass goes from the last parameter to the first.
            broken = [name for name in state.params if name in gradients and not np.isfinite(gradients[name]).all()]
            where = f"the gradient of {broken[-1]} is not" if broken else "only their squares overflow"
            msg = f"step {state.step}: the loss is finite, its gradients are not: {where}"
            raise NonFiniteError(msg)
        self.optimizer.update(
            state.params,
            gradients,
            state.moments,
            step=state.step,
            rate=rate,
            gradient_scale=factor,
            n_threads=self.n_threads,
        )
        state.step += 1
        return StepReport(state.step, loss.mean, rate, norm, sum(loss.counts), time.perf_counter() - began)

    def _rate(self, step: int) -> float:
        rate = self.schedule(step)
        if not isinstance(rate, numbers.Real) or not 0 <= rate < math.inf:
            msg = f"step {step}: schedule must give a rate that is finite and not negative, got {rate!r}"
            raise ConfigError(msg)
        return float(rate)

    def _loss_and_gradients(self, state: TrainingState, batches: Sequence[Batch]) -> tuple[Loss, Params]:
        """Return the loss and the gradients of all parts taken as one batch."""
        total = tuple(sum(column) for column in zip(*(batch.counts for batch in batches), strict=True))
        if not any(total):
            msg = f"step {state.step}: the batch must have a target that is not ignored"
            raise ConfigError(msg)
        losses: list[Loss] = []
        gradients: Params = {}
        for part, batch in enumerate(batches):
            loss, gradients = self.model.loss_and_gradients(
                state.params,
                batch,
                rng=generator(self.seed, state.step, part),
                label_smoothing=self.label_smoothing,
                gradients=gradients,
                total=total,
                n_threads=self.n_threads,
            )
            losses.append(loss)
        return sum(losses[1:], losses[0]), gradients

    def loss(self, params: Params, batch: Batch) -> Loss:
        """Return the loss of a batch without dropout and smoothing.

        Parameters
        ----------
        params : dict of str to ndarray of float32, any shape ()
            Parameters.
        batch : Batch
            The batch.

        Returns
        -------
        Loss
        """
        return self.model.loss(params, batch)

    def _is_due(self, step: int, every: int | None) -> bool:
        return step == self.n_steps or (every is not None and step % every == 0)

    def _settings(self) -> dict[str, str]:
        """Return what must be the same for a training to go on as it was begun."""
        names = ("optimizer", "schedule", "seed", "clip_norm", "accumulation", "label_smoothing", "n_threads")
        settings = {name: described(getattr(self, name)) for name in names}
        describe = getattr(self.batches, "describe", None)
        batches = describe() if callable(describe) else "a function"
        return {"model": described(getattr(self.model, "config", None)), "batches": batches, **settings}


def _check_finite(state: TrainingState, rate: float) -> None:
    """Raise NonFiniteError where an update has gone beyond float32, which the next loss may not show."""
    parts = {
        "parameter": state.params,
        "first moment of": state.moments.first,
        "second moment of": state.moments.second,
    }
    for part, arrays in parts.items():
        broken = not_finite(arrays)
        if broken is not None:
            msg = f"step {state.step - 1}: after the update at rate {rate:g} the {part} {broken!r} is not finite"
            raise NonFiniteError(msg)


def _refuse_later_steps(folder: str | os.PathLike[str], step: int) -> None:
    """Keep a training from running into checkpoints that it has not made."""
    steps = checkpoint_steps(folder)
    if steps and steps[-1] > step:
        msg = f"holds a checkpoint of step {steps[-1]}; resume, or choose another folder"
        raise FileExistsError(errno.EEXIST, msg, os.fspath(folder))


def _show(report: Report, record: StepReport, n_steps: int) -> None:
    report(record.step, n_steps, f"train: loss {record.loss:.3f}, {record.tokens_per_second:,.0f} tokens/s")
