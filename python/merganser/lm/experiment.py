"""`compare_bits_per_byte`: the same small GPT, trained on the same bytes of text through several tokenizers.

What is the same for all: the body of the model, the documents, the windows that they are cut into, by byte, the order
of the windows for a seed, the bytes of context, and the learning rate at each share of the training. A window's row is
a start token and the tokens that start in its bytes. What differs is how many tokens those are, and the size of the
embedding.

Held-out documents are read in windows that overlap by half, every token scored once with at least half a window before
it where the document has so much. The start token is never a target, and no tokenizer's special tokens occur: numerator
and denominator are of the text alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from merganser.arguments import check_limits
from merganser.compare.naming import Listed, Named, load_named
from merganser.errors import ConfigError
from merganser.lm.result import LmComparison, LmRow
from merganser.lm.statistics import bootstrap_bits_per_byte, interval
from merganser.lm.streams import Split, Stream, encode_stream, split_documents
from merganser.progress import Progress, Report, reporting
from merganser.tokenizer import Tokenizer
from merganser.transformer import AdamW, Cosine, Gpt, GptConfig, LmBatch, Trainer
from merganser.transformer.evaluation import bits_per_byte, row_batch, score_rows, sliding_windows
from merganser.transformer.loader import epoch_order

__all__ = ["LmSettings", "compare_bits_per_byte"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class LmSettings:
    """What is trained, and on how much.

    Parameters
    ----------
    train_bytes : int, default 4_000_000
        Text that each training reads, repeats included.
    held_out_bytes : int, default 200_000
        Text that is held out, whole documents, at most a third of all.
    context_bytes : int, default 512
        Length of a window.
    n_rows : int, default 16
        Windows of a batch.
    seeds : tuple of int
        One training each; three are the least for an interval that means something.
    budget : {"bytes", "flops"}
        What is equal: the text that is read, or the arithmetic, for which the first tokenizer's at `train_bytes` is the
        measure.
    d_model, n_layers, n_heads, d_ff : int
        The model.
    rate : float
        Highest learning rate.
    n_threads : int, default 2
        Threads of training and scoring. Results depend on the number in their last bits, so it does not follow the
        machine.
    """

    train_bytes: int = 4_000_000
    held_out_bytes: int = 200_000
    context_bytes: int = 512
    n_rows: int = 16
    seeds: tuple[int, ...] = (0, 1, 2)
    budget: Literal["bytes", "flops"] = "bytes"
    d_model: int = 128
    n_layers: int = 4
    n_heads: int = 4
    d_ff: int = 512
    rate: float = 2e-3
    n_threads: int = 2

    def __post_init__(self) -> None:
        check_limits(
            train_bytes=(self.train_bytes, 1),
            held_out_bytes=(self.held_out_bytes, 1),
            context_bytes=(self.context_bytes, 2),
            n_rows=(self.n_rows, 1),
            n_threads=(self.n_threads, 1),
        )
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            msg = f"seeds must be different numbers, not negative, at least one, got {list(self.seeds)}"
            raise ConfigError(msg)
        if self.budget not in ("bytes", "flops"):
            msg = f'budget must be "bytes" or "flops", got {self.budget!r}'
            raise ConfigError(msg)
        # Both check what they are given, before anything is encoded.
        self.model_config(vocab_size=1, max_positions=1)
        Cosine(self.rate, n_steps=1)

    def model_config(self, *, vocab_size: int, max_positions: int) -> GptConfig:
        """Return the configuration of the model of a tokenizer.

        Parameters
        ----------
        vocab_size, max_positions : int
            What differs from one tokenizer to the other.

        Returns
        -------
        GptConfig
        """
        return GptConfig(
            vocab_size=vocab_size,
            max_positions=max_positions,
            d_model=self.d_model,
            n_layers=self.n_layers,
            n_heads=self.n_heads,
            d_ff=self.d_ff,
            dropout=0.0,
            attention_dropout=0.0,
            embedding_dropout=0.0,
        )


def compare_bits_per_byte(
    tokenizers: Named | Listed,
    documents: Iterable[str | bytes],
    *,
    settings: LmSettings | None = None,
    progress: Progress = None,
) -> LmComparison:
    """Train the same model on the tokens of each tokenizer and compare bits per byte on held-out documents.

    Parameters
    ----------
    tokenizers : mapping of str to Tokenizer, or iterable of Tokenizers and paths
        As for `merganser.compare`: a tokenizer's truncation and padding are left out. Differences are to the first.
    documents : Documents or iterable of str or bytes
        The text: at least three different documents. All of it is held in memory.
    settings : LmSettings, optional
        What is trained.
    progress : bool, callable or None, default None
        True draws a bar; a callable is called as ``progress(done, total, "train: ...")`` with steps.

    Returns
    -------
    LmComparison

    Raises
    ------
    ConfigError
        There are too few documents, or a setting is out of its range.
    TextError, UnknownTokenError
        A document cannot be encoded.

    Notes
    -----
    A training with the defaults takes about a minute on two cores, and there is one for each tokenizer and seed. The
    result is a function of the arguments.

    Examples
    --------
    >>> import merganser as mg
    >>> from merganser.lm import LmSettings, compare_bits_per_byte
    >>> texts = [f"the cat number {number} sat on the mat" for number in range(40)]
    >>> tokenizers = {"bytes": mg.train_bpe(texts, vocab_size=256), "words": mg.train_bpe(texts, vocab_size=280)}
    >>> settings = LmSettings(train_bytes=20_000, held_out_bytes=300, context_bytes=32, seeds=(0,), d_model=16,
    ...                       n_layers=1, n_heads=2, d_ff=32, rate=0.01)
    >>> comparison = compare_bits_per_byte(tokenizers, texts, settings=settings)
    >>> all(row.bits_per_byte < 4 for row in comparison)
    True
    """
    settings = LmSettings() if settings is None else settings
    named = load_named(tokenizers)
    split = split_documents(documents, held_out_bytes=settings.held_out_bytes, seed=0)
    windows = [
        (document, start, min(start + settings.context_bytes, len(text)))
        for document, text in enumerate(split.training)
        for start in range(0, len(text), settings.context_bytes)
    ]
    contestants = [_Contestant(name, tokenizer, split, windows, settings) for name, tokenizer in named]
    measure = contestants[0].flops(contestants[0].n_steps)
    if settings.budget == "flops":
        for contestant in contestants:
            contestant.n_steps = max(1, round(measure / contestant.flops(1)))
    total = sum(contestant.n_steps for contestant in contestants) * len(settings.seeds)
    with reporting(progress) as report:
        done = 0
        # All tokenizers of a seed, then the next seed: what is shown early is comparable.
        for seed in settings.seeds:
            for contestant in contestants:
                contestant.train(seed, report, done, total)
                done += contestant.n_steps
    return _result(contestants, split, settings)


class _Contestant:
    """A tokenizer, its view of the text, and what its model gave."""

    def __init__(
        self,
        name: str,
        tokenizer: Tokenizer,
        split: Split,
        windows: list[tuple[int, int, int]],
        settings: LmSettings,
    ) -> None:
        self.name, self.tokenizer, self.settings, self.windows = name, tokenizer, settings, windows
        self.training = encode_stream(name, tokenizer, split.training, n_threads=settings.n_threads)
        self.held_out = encode_stream(name, tokenizer, split.held_out, n_threads=settings.n_threads)
        self.rows = [self.training.cut(*window) for window in windows]
        self.test_rows, self.test_documents = _test_rows(self.held_out, split.held_out, settings.context_bytes)
        self.start_id = tokenizer.vocab_size
        lengths = [len(row) for row in self.rows] + [len(ids) for ids, _ in self.test_rows]
        if not any(lengths) or not self.test_rows:
            msg = f"{name}: the text must give tokens, both to train on and held out"
            raise ConfigError(msg)
        # A text may have more tokens than bytes where a space is put in front.
        n_positions = max(settings.context_bytes, *lengths)
        self.model = Gpt(settings.model_config(vocab_size=tokenizer.vocab_size + 1, max_positions=n_positions))
        mean_bytes = sum(stop - start for _, start, stop in windows) / len(windows)
        self.n_steps = max(1, round(settings.train_bytes / (settings.n_rows * mean_bytes)))
        self.records: list[dict[str, Any]] = []

    @property
    def n_embedding_parameters(self) -> int:
        """Parameters of the embedding, which is the output layer too."""
        return self.model.config.vocab_size * self.model.config.d_model

    def flops(self, n_steps: float) -> float:
        """Estimate the arithmetic of so many steps: forward and backward, padding left out."""
        config = self.model.config
        lengths = np.array([len(row) for row in self.rows], dtype=np.float64)
        per_token = 6.0 * (self.model.n_parameters - config.max_positions * config.d_model)
        # Queries times keys and weights times values, forward and backward, and half of it is masked.
        attention = 6.0 * config.n_layers * config.d_model * lengths**2
        per_row = (per_token * lengths + attention).mean()
        return float(n_steps * self.settings.n_rows * per_row)

    def batch(self, number: int, seed: int) -> LmBatch:
        """Return a batch of windows, the same for every tokenizer."""
        rows = [(self.rows[item], 0) for item in self._items(number, seed) if len(self.rows[item])]
        if not rows:
            msg = f"{self.name}: no token starts in any window of a batch: context_bytes is too small for its tokens"
            raise ConfigError(msg)
        return row_batch(rows, start_id=self.start_id)

    def train(self, seed: int, report: Report, done: int, total: int) -> None:
        """Train a model from a seed and score the held-out documents."""
        trainer = Trainer(
            model=self.model,
            batches=lambda number: self.batch(number, seed),
            schedule=Cosine(
                self.settings.rate,
                n_steps=self.n_steps,
                n_warmup=self.n_steps // 10,
                floor=self.settings.rate / 10,
            ),
            n_steps=self.n_steps,
            optimizer=AdamW(beta2=0.98, weight_decay=0.1),
            seed=seed,
            n_threads=self.settings.n_threads,
        )

        def show(step: int, _total: int | None, phase: str) -> None:
            report(done + step, total, f"{phase}, {self.name} seed {seed}")

        state = trainer.run(progress=show)
        nats = score_rows(
            self.model, state.params, self.test_rows, start_id=self.start_id, n_threads=self.settings.n_threads
        )
        n_documents = len(self.held_out.ids)
        document_nats = np.bincount(self.test_documents, weights=nats, minlength=n_documents)
        items = np.concatenate([self._items(number, seed) for number in range(self.n_steps)])
        self.records.append(
            {
                "tokenizer": self.name,
                "seed": seed,
                "step": self.n_steps,
                "train_bytes": sum(self.windows[item][2] - self.windows[item][1] for item in items.tolist()),
                "train_tokens": sum(len(self.rows[item]) for item in items.tolist()),
                "train_flops": self.flops(self.n_steps),
                "nats": float(document_nats.sum()),
                "tokens": sum(map(len, self.held_out.ids)),
                "document_nats": document_nats.tolist(),
            }
        )

    def _items(self, number: int, seed: int) -> NDArray[np.int64]:
        return epoch_order(number, n_items=len(self.windows), n_rows=self.settings.n_rows, seed=seed)


def _test_rows(
    stream: Stream, texts: list[bytes], context_bytes: int
) -> tuple[list[tuple[NDArray[Any], int]], NDArray[np.int64]]:
    """Cut held-out documents into rows, and check that every token is scored in exactly one."""
    rows, documents = [], []
    for document, text in enumerate(texts):
        for window in sliding_windows(len(text), context_bytes):
            ids = stream.cut(document, window.start, window.stop)
            n_context = len(stream.cut(document, window.start, window.first_scored))
            if len(ids) > n_context:
                rows.append((ids, n_context))
                documents.append(document)
    n_scored = sum(len(ids) - n_context for ids, n_context in rows)
    if n_scored != sum(map(len, stream.ids)):
        msg = f"{n_scored} tokens would be scored of {sum(map(len, stream.ids))}"
        raise AssertionError(msg)
    return rows, np.array(documents, dtype=np.int64)


def _result(contestants: list[_Contestant], split: Split, settings: LmSettings) -> LmComparison:
    n_bytes = np.array([len(text) for text in split.held_out], dtype=np.int64)
    nats = np.array([[record["document_nats"] for record in contestant.records] for contestant in contestants])
    samples = bootstrap_bits_per_byte(nats, n_bytes)
    figures = [bits_per_byte(float(row.sum(axis=1).mean()), int(n_bytes.sum())) for row in nats]
    rows = []
    for place, contestant in enumerate(contestants):
        low, high = interval(samples[place])
        difference_low, difference_high = interval(samples[place] - samples[0])
        records = contestant.records
        rows.append(
            LmRow(
                name=contestant.name,
                fingerprint=contestant.tokenizer.fingerprint,
                vocab_size=contestant.tokenizer.vocab_size,
                n_body_parameters=contestant.model.n_parameters - contestant.n_embedding_parameters,
                n_embedding_parameters=contestant.n_embedding_parameters,
                n_steps=contestant.n_steps,
                train_bytes=round(sum(record["train_bytes"] for record in records) / len(records)),
                train_tokens=round(sum(record["train_tokens"] for record in records) / len(records)),
                train_flops=records[0]["train_flops"],
                n_bytes=int(n_bytes.sum()),
                n_tokens=records[0]["tokens"],
                bits_per_byte=figures[place],
                low=low,
                high=high,
                difference=figures[place] - figures[0],
                difference_low=difference_low,
                difference_high=difference_high,
                n_lossy=contestant.training.n_lossy + contestant.held_out.n_lossy,
            )
        )
    for contestant in contestants:
        for record in contestant.records:
            record["bytes"] = int(n_bytes.sum())
    return LmComparison(
        rows=tuple(rows),
        settings={**dataclasses.asdict(settings), "seeds": list(settings.seeds)},
        n_training_documents=len(split.training),
        n_held_out_documents=len(split.held_out),
        n_duplicates=split.n_duplicates,
        records=tuple(record for contestant in contestants for record in contestant.records),
    )
