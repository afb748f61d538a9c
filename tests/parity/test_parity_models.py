"""Every model on every kind of text: ids, decoded text and offsets equal those of its own library.

The summary at the end is the parity report: `pytest tests/parity/test_parity_models.py`. By default each cell is a
sample; ``--parity-full`` compares all of FLORES, more of the corpora and each hostile text whole (or as much of it as
tiktoken has a stack for).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from parity_texts import any_unicode_texts, corpus, flores, hostile, with_special_tokens
from references import CUT_CHARACTERS, MODELS, Subject, tally

SAMPLE_BYTES, FULL_BYTES = 200_000, 3_000_000
TEXTS = ["english", "multi", "code", "flores", "hostile", "random", "special tokens"]


@pytest.fixture(scope="module", params=MODELS)
def subject(request: pytest.FixtureRequest, data: Path, peer: Callable[[str], ModuleType]) -> Subject:
    library, load, folder = MODELS[request.param]
    return load(peer(library), request.param, data / "models" / folder)


@pytest.mark.parametrize("name", TEXTS)
def test_model_equals_its_library(
    subject: Subject, name: str, data: Path, request: pytest.FixtureRequest, report_line: Callable[[str], None]
) -> None:
    note = ""
    is_full = request.config.getoption("--parity-full")
    if name in ("english", "multi", "code"):
        texts = corpus(data, name, FULL_BYTES if is_full else SAMPLE_BYTES)
    elif name == "flores":
        texts = flores(data) if is_full else flores(data)[::20]
    elif name == "hostile":
        whole = [raw.decode(errors="replace") for raw in hostile(data).values()]
        texts = [subject.readable(text) if is_full else text[:CUT_CHARACTERS] for text in whole]
        cut = [len(text) for text, all_of_it in zip(texts, whole, strict=True) if len(text) < len(all_of_it)]
        note = f"; {len(cut)} texts cut to {max(cut):,} characters" if cut else "; whole"
    elif name == "random":
        texts = any_unicode_texts(10_000 if is_full else 1_000)
    else:
        texts = with_special_tokens(subject.special_tokens, 2_000 if is_full else 300)
    result = tally(subject, texts)
    report_line(f"parity: {subject.library}/{subject.name} {name}: {result}{note}")
    assert result.n_texts > 0
    assert result.n_differences == 0, result.first
