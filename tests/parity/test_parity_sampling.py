"""The best segmentations of a SentencePiece model are those that SentencePiece gives, with the same scores."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import merganser as mg

TEXTS = [
    "",
    "a",
    "Hello world",
    "The quick brown fox jumps over the lazy dog.",
    "unaffable internationalization",
    "naïve 日本語 café",
    "  two  spaces ",
    "12,345.67%",
    "aaaaaaaaaaaaaaaa",
]


@pytest.mark.parametrize("model", ["albert-base-v2/spiece.model", "xlnet-base-cased/tokenizer.model"])
@pytest.mark.parametrize("n", [1, 2, 10, 100])
def test_n_best_equals_sentencepiece(model: str, n: int, data: Path, peer: Callable[[str], ModuleType]) -> None:
    path = data / "models" / model
    tok = mg.Tokenizer.load(path)
    library = peer("sentencepiece").SentencePieceProcessor(model_file=str(path))
    for text in TEXTS:
        best = library.nbest_encode(text, nbest_size=n, return_type="proto").nbests
        expected = [([piece.id for piece in one.pieces], one.score) for one in best]
        found = tok.n_best(text, n)
        assert [ids for ids, _ in found] == [ids for ids, _ in expected]
        # The best one alone it does not score.
        if n > 1:
            assert [score for _, score in found] == pytest.approx([score for _, score in expected], abs=1e-4)


@pytest.mark.parametrize("model", ["albert-base-v2/spiece.model", "llama-2-spm/tokenizer.model"])
def test_sample_spells_the_same_text(model: str, data: Path) -> None:
    tok = mg.Tokenizer.load(data / "models" / model)
    is_bpe = model.startswith("llama")
    for text in TEXTS:
        expected = tok.decode(tok.encode(text))
        drawn = {tuple(tok.sample(text, seed=seed, **({"dropout": 0.3} if is_bpe else {}))) for seed in range(5)}
        assert {tok.decode(list(ids)) for ids in drawn} == {expected}
