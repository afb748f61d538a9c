"""BPE training equals `tokenizers` 0.23.3: merges and ids, token for token.

`tokenizers` numbers symbols with affixes in the order of a hash table. It takes ours when they are given as its special
tokens, which come first; then nothing is left to chance.
"""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from parity_texts import corpus, hostile, random_texts

import merganser as mg

SIZE = 2_000_000


@pytest.fixture(params=["english", "multi", "code"])
def documents(request: pytest.FixtureRequest, data: Path) -> list[str]:
    """Lines from all over a corpus."""
    return [line for text in corpus(data, request.param, SIZE) for line in text.splitlines(keepends=True)]


def model_of(tok: mg.Tokenizer) -> tuple[dict[str, int], list[list[str]]]:
    """Ids by token and merges by rank, spelled."""
    model = json.loads(tok.to_json())["model"]
    return model["vocab"], model["merges"]


def peer_train(
    tokenizers: ModuleType, documents: list[str], pre_tokenizer: object, **options: Any
) -> tuple[dict[str, int], list[list[str]]]:
    """Train with tokenizers; the same shape as `model_of`."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    trainer = tokenizers.trainers.BpeTrainer(show_progress=False, **options)
    tokenizer.train_from_iterator(documents, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], model["merges"]


def is_made_again(merge: list[str], prefix: str) -> bool:
    """Whether a merge is of tokens that the prefix may spell: `tokenizers` merges such a pair in two steps."""
    return bool(prefix) and set("".join(merge)) <= set(prefix)


@pytest.mark.parametrize("options", [{}, {"min_frequency": 5}, {"max_token_length": 6, "vocab_size": 2_000}], ids=str)
def test_training_on_bytes_equals_tokenizers(
    documents: list[str], options: dict[str, Any], peer: Callable[[str], ModuleType]
) -> None:
    tokenizers = peer("tokenizers")
    options = {"vocab_size": 16_000, **options}
    tok = mg.train_bpe(documents, pre_tokenizer="gpt2", like="tokenizers", allow_smaller=True, **options)
    pre_tokenizers = tokenizers.pre_tokenizers
    theirs = peer_train(
        tokenizers,
        documents,
        pre_tokenizers.ByteLevel(add_prefix_space=False),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        **options,
    )
    assert model_of(tok) == theirs


@pytest.mark.parametrize(
    ("prefix", "suffix", "options"),
    [
        ("", "", {}),
        ("##", "", {}),
        ("", "</w>", {}),
        ("##", "</w>", {"min_frequency": 3, "max_token_length": 5}),
        ("##", "", {"limit_alphabet": 40}),
    ],
)
def test_training_on_characters_equals_tokenizers(
    documents: list[str], prefix: str, suffix: str, options: dict[str, Any], peer: Callable[[str], ModuleType]
) -> None:
    tokenizers = peer("tokenizers")
    own = dict(options)
    alphabet = mg.CharacterAlphabet(
        continuing_subword_prefix=prefix, end_of_word_suffix=suffix, limit=own.pop("limit_alphabet", None)
    )
    tok = mg.train_bpe(
        documents,
        vocab_size=12_000,
        pre_tokenizer="whitespace",
        alphabet=alphabet,
        like="tokenizers",
        allow_smaller=True,
        **own,
    )
    vocab, merges = model_of(tok)
    assert tok.training_report is not None
    first = sorted(vocab, key=lambda token: vocab[token])[: tok.training_report.n_alphabet]
    affixes = {"continuing_subword_prefix": prefix or None, "end_of_word_suffix": suffix or None}
    theirs = peer_train(
        tokenizers,
        documents,
        tokenizers.pre_tokenizers.Whitespace(),
        vocab_size=12_000,
        special_tokens=first,
        **{name: text for name, text in affixes.items() if text},
        **options,
    )
    assert vocab == theirs[0]
    assert [merge for merge in merges if not is_made_again(merge, prefix)] == [
        merge for merge in theirs[1] if not is_made_again(merge, prefix)
    ]


def test_going_on_from_gpt2_keeps_its_ids(data: Path) -> None:
    base = mg.Tokenizer.from_json((data / "models" / "gpt2" / "tokenizer.json").read_text(encoding="utf-8"))
    documents = corpus(data, "multi", SIZE)
    more = mg.train_bpe(documents, vocab_size=base.n_tokens + 3_000, continue_from=base)
    old, new = base.vocab(), more.vocab()
    assert {token: new[token] for token in old} == old
    assert sorted(new.values())[-3_000:] == list(range(base.vocab_size, base.vocab_size + 3_000))
    text = "".join(documents)
    assert more.decode(more.encode(text)) == text
    assert more.count(text) < 0.8 * base.count(text)


@pytest.mark.parametrize("pre_tokenizer", ["cl100k", "gpt2", "o200k", "qwen2"])
def test_superwords_are_encoded_alike_by_tokenizers(
    pre_tokenizer: str, data: Path, peer: Callable[[str], ModuleType]
) -> None:
    tokenizers = peer("tokenizers")
    kept = {name: corpus(data, name, SIZE) for name in ("english", "multi", "code")}
    train_on = [text for texts in kept.values() for text in texts[::2]]
    tok = mg.train_bpe(train_on, vocab_size=12_000, pre_tokenizer=pre_tokenizer, superwords=mg.Superwords(start=8_000))
    theirs = tokenizers.Tokenizer.from_str(tok.to_json())
    texts = [text for texts in kept.values() for text in texts[1::2]] + random_texts()
    # Their engine takes time quadratic in the longest runs.
    texts += [text.decode(errors="replace")[:20_000] for text in hostile(data).values()]
    for text in texts:
        assert tok.encode(text, on_special="text") == theirs.encode(text, add_special_tokens=False).ids
