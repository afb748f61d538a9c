"""Beam search: the likeliest sequences that a search of bounded width finds.

Of all continuations of the beams of a row, the likeliest are kept; one that ends in a stop id is finished, with a score
of its log probability divided by ``length ** length_penalty``. A row is done when ``n_beams`` are finished and its best
running beam, at its present length, no longer beats the worst of them; `early_stopping` says otherwise. The rules are
those of `transformers`, and so are the results.

References
----------
Wu et al., Google's Neural Machine Translation System, 2016, section 7.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from merganser.errors import ConfigError
from merganser.transformer.checks import whole_number
from merganser.transformer.decoding import Decoder, DecoderModel, EncoderDecoderModel, Params, Prompts

__all__ = ["Hypothesis", "beam_search"]

# Powers of e up to this, and their inverses, are numbers of float64.
_LARGEST_EXPONENT = 700.0


@dataclasses.dataclass(frozen=True, eq=False)
class Hypothesis:
    """A sequence that was found.

    Attributes
    ----------
    ids : ndarray of int64, shape (n_new_tokens,)
        The new tokens; the stop id, where there is one, is the last.
    log_probability : float
        Sum over the new tokens, in nats.
    score : float
        The log probability divided by ``n_new_tokens ** length_penalty``.
    """

    ids: NDArray[np.int64]
    log_probability: float
    score: float


@dataclasses.dataclass(frozen=True)
class _Rules:
    """How wide a search is, and when it ends."""

    max_new_tokens: int
    n_beams: int
    length_penalty: float
    early_stopping: bool | Literal["never"]
    stops: frozenset[int]

    def score(self, total: float, length: int) -> float:
        """Return what hypotheses are ranked by."""
        return float(total / length**self.length_penalty)

    def is_done(self, row: _Row, length: int) -> bool:
        """Say whether what still runs in a row of this length is given up."""
        if not row.beams:
            return True
        if len(row.finished) < self.n_beams:
            return False
        if self.early_stopping is True:
            return True
        # A long hypothesis may be worth more than it seems yet: "never" grants each beam its best length.
        if self.early_stopping == "never" and self.length_penalty > 0:
            length = self.max_new_tokens
        return self.score(row.beams[0][1], length) <= row.finished[-1].score


@dataclasses.dataclass
class _Row:
    """The search of one prompt: its running beams (tokens and log probability) and its finished hypotheses."""

    beams: list[tuple[tuple[int, ...], float]]
    finished: list[Hypothesis]


def beam_search(
    model: DecoderModel | EncoderDecoderModel,
    params: Params,
    prompts: Prompts,
    *,
    max_new_tokens: int,
    n_beams: int = 4,
    length_penalty: float = 1.0,
    early_stopping: bool | Literal["never"] = False,
    stop_ids: Collection[int] = (),
    banned_ids: Collection[int] = (),
) -> list[list[Hypothesis]]:
    """Search likely continuations of prompts, or answers to them.

    Parameters
    ----------
    model, params, prompts
        As for `generate`.
    max_new_tokens : int
        Most tokens of a hypothesis.
    n_beams : int, default 4
        Hypotheses kept at each length, and in the end.
    length_penalty : float, default 1.0
        Above 0 favours long hypotheses, below 0 short ones.
    early_stopping : bool or "never", default False
        When a row of `n_beams` finished hypotheses is done: True at once; False when the best running beam, at its
        present length, scores no better than the worst of them; ``"never"`` when no length could make it better.
    stop_ids : collection of int
        Any of these ends a hypothesis.
    banned_ids : collection of int
        In no hypothesis; what the model gives them counts as lost, as in `transformers`.

    Returns
    -------
    list of list of Hypothesis
        For each prompt, at most `n_beams`, the best first.

    Raises
    ------
    ConfigError
        The prompts, the parameters, the ids or the lengths do not fit the model, or a setting is out of its range.
    NonFiniteError
        The logits are NaN or infinite, as they are with broken parameters.

    Examples
    --------
    >>> from merganser.transformer import Gpt, GptConfig, beam_search
    >>> model = Gpt(GptConfig(vocab_size=16, max_positions=8, d_model=8, d_ff=16, n_layers=1, n_heads=2))
    >>> found = beam_search(model, model.initialize(seed=0), [[1, 2], [3]], max_new_tokens=4, n_beams=3)
    >>> [len(hypotheses) for hypotheses in found], found[0][0].score >= found[0][1].score
    ([3, 3], True)
    """
    max_new_tokens = whole_number("max_new_tokens", max_new_tokens, 1)
    n_beams = whole_number("n_beams", n_beams, 1)
    if not abs(length_penalty) * math.log(max(2, max_new_tokens)) <= _LARGEST_EXPONENT:
        msg = f"length_penalty must leave {max_new_tokens} ** length_penalty a finite number, got {length_penalty}"
        raise ConfigError(msg)
    if not (isinstance(early_stopping, bool) or early_stopping == "never"):
        msg = f'early_stopping must be True, False or "never", got {early_stopping!r}'
        raise ConfigError(msg)
    decoder = Decoder(model, params, prompts, max_new_tokens=max_new_tokens, stop_ids=stop_ids, banned_ids=banned_ids)
    rules = _Rules(max_new_tokens, n_beams, length_penalty, early_stopping, frozenset(decoder.stops.tolist()))
    rows = [_Row(beams=[((), 0.0)], finished=[]) for _ in range(decoder.n_rows)]
    active = list(range(len(rows)))
    for length in range(1, max_new_tokens + 1):
        log_probabilities = _log_softmax(decoder.logits)
        log_probabilities[:, decoder.banned] = -np.inf
        sources: list[int] = []
        offset, remaining = 0, []
        for index in active:
            row = rows[index]
            n_running = len(row.beams)
            parents = _extend(row, log_probabilities[offset : offset + n_running], rules, length)
            if not rules.is_done(row, length):
                sources += [offset + parent for parent in parents]
                remaining.append(index)
            offset += n_running
        active = remaining
        if not active:
            break
        decoder.reorder(np.array(sources))
        decoder.advance(np.array([beam[-1] for index in active for beam, _ in rows[index].beams]))
    return [row.finished for row in rows]


def _extend(row: _Row, log_probabilities: NDArray[np.float64], rules: _Rules, length: int) -> list[int]:
    """Take a row one token further; return, for each beam that runs on, the beam it came from."""
    totals = log_probabilities + np.array([total for _, total in row.beams])[:, None]
    # With so many candidates, n_beams are left to run on though every other one has stopped.
    n_candidates = min(max(2, 1 + len(rules.stops)) * rules.n_beams, totals.size)
    candidates = _largest(totals.reshape(-1), n_candidates)
    running: list[tuple[tuple[int, ...], float]] = []
    parents: list[int] = []
    for rank, candidate in enumerate(candidates.tolist()):
        parent, token = divmod(candidate, totals.shape[1])
        total = float(totals[parent, token])
        if total == -np.inf:
            continue
        ids = (*row.beams[parent][0], token)
        if length == rules.max_new_tokens or token in rules.stops:
            # A stop further down the list would not have been among the beams.
            if rank < rules.n_beams:
                row.finished.append(Hypothesis(np.array(ids), total, rules.score(total, length)))
        elif len(running) < rules.n_beams:
            running.append((ids, total))
            parents.append(parent)
    row.finished.sort(key=lambda hypothesis: -hypothesis.score)
    del row.finished[rules.n_beams :]
    row.beams = running
    return parents


def _largest(values: NDArray[np.float64], n: int) -> NDArray[np.int64]:
    """Return the places of the n largest values, the largest first, the earlier of equals first."""
    least = np.partition(values, -n)[-n]
    places = np.flatnonzero(values >= least)
    return places[np.argsort(-values[places], kind="stable")][:n]


def _log_softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    shifted = np.asarray(logits, np.float64)
    shifted = shifted - shifted.max(axis=1, keepdims=True)
    result: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result
