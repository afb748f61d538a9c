"""The reference BPE equals Hugging Face tokenizers (training, pre-tokens, encoding) and tiktoken (encoding)."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
import regex  # type: ignore[import-untyped]

from merganser.reference import bpe

tokenizers = pytest.importorskip("tokenizers", reason="parity with Hugging Face tokenizers needs tokenizers")
tiktoken = pytest.importorskip("tiktoken", reason="parity with tiktoken needs tiktoken")

VECTORS = Path(__file__).parents[1] / "vectors"
CHARACTERS = bpe.byte_characters()
PATTERN_NAMES = sorted(bpe.PATTERNS)
# Stands between the words fed to tokenizers, which trains from text only; no word here contains it.
SEPARATOR = "\u2042"
# Pieces whose neighbourhood decides where a pattern cuts.
TRICKY = list(" \t\n\r'stSTmMdD/!_aéЖ中1²٣\u0301\u017f\u01c5\u02b0\u00a0\u3000\u200b\u0085\x00\x1c")
TRICKY += ["  ", "'ll", "'VE", "'re", "\r\n", "\n\n", "🙂", "abc", "AbC", "1234"]


def spell(token: bytes) -> str:
    """Spell bytes with GPT-2's characters."""
    return "".join(CHARACTERS[byte] for byte in token)


def split_by(pattern: str) -> Any:
    """Build the pre-tokenizer of tokenizers that cuts by one of our patterns."""
    return tokenizers.pre_tokenizers.Split(tokenizers.Regex(bpe.PATTERNS[pattern]), "isolated")


def byte_level() -> Any:
    """Build the pre-tokenizer of tokenizers that spells bytes and cuts nothing."""
    return tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)


def peer_train(words: list[tuple[str, int]], options: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Train with tokenizers; return tokens by id and merges by rank, spelled."""
    alphabet, max_token_length = options["initial_alphabet"], options["max_token_length"]
    # Its limit is one more than the longest token it makes.
    limit = {} if max_token_length is None else {"max_token_length": max_token_length + 1}
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=options["vocab_size"],
        special_tokens=list(options["special_tokens"]),
        min_frequency=options["min_frequency"],
        initial_alphabet=[CHARACTERS[byte] for byte in (range(256) if alphabet is None else alphabet)],
        show_progress=False,
        **limit,
    )
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    cut_words = tokenizers.pre_tokenizers.Split(SEPARATOR, "removed")
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence([cut_words, byte_level()])
    tokenizer.train_from_iterator(((word + SEPARATOR) * count for word, count in words), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return sorted(model["vocab"], key=model["vocab"].__getitem__), model["merges"]


def reference_train(words: list[tuple[str, int]], options: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Train with the reference; return the same shape as `peer_train`."""
    given = {name: value for name, value in options.items() if value is not None}
    tokens, merges = bpe.train({word.encode(): count for word, count in words}, **given)
    n_special = len(options["special_tokens"])
    spelled = [token.decode() for token in tokens[:n_special]] + [spell(token) for token in tokens[n_special:]]
    return spelled, [[spell(left), spell(right)] for left, right in merges]


def peer_encode(text: str, tokens: list[str], merges: list[list[str]], pattern: str, ignore_merges: bool) -> list[int]:
    """Encode with the BPE model of tokenizers."""
    vocab = {token: token_id for token_id, token in enumerate(tokens)}
    model = tokenizers.models.BPE(vocab=vocab, merges=[(a, b) for a, b in merges], ignore_merges=ignore_merges)
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence([split_by(pattern), byte_level()])
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    return ids


def random_words(rng: random.Random) -> list[tuple[str, int]]:
    """Draw words that repeat: of one letter, of mostly one letter, or of up to three letters."""
    letters = rng.choice(["a", "aaaab", "ab", "abc", " a\n", "é中a"])
    words = {"".join(rng.choices(letters, k=rng.randint(1, 12))) for _ in range(rng.randint(1, 12))}
    return [(word, rng.choice([1, 1, 2, 3, rng.randint(1, 20)])) for word in sorted(words)]


def random_text(rng: random.Random) -> str:
    return "".join(rng.choices(TRICKY, k=rng.randint(1, 40)))


def read_cases(name: str) -> list[dict[str, Any]]:
    lines = (VECTORS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines[1:]]


@pytest.mark.parametrize("seed", range(300))
def test_train_equals_tokenizers(seed: int) -> None:
    rng = random.Random(seed)
    words = random_words(rng)
    options = {
        "vocab_size": rng.randint(0, 60),
        "special_tokens": rng.choice([[], [], ["<|end|>"], ["<|end|>", "<|pad|>"]]),
        "min_frequency": rng.choice([0, 0, 1, 2, 5]),
        "max_token_length": rng.choice([None, None, 2, 3, 4, 7]),
        "initial_alphabet": rng.choice([[], [], list(b"abc")]),
    }
    assert reference_train(words, options) == peer_train(words, options)


@pytest.mark.parametrize("pattern", PATTERN_NAMES)
def test_pre_tokenize_equals_tokenizers(pattern: str) -> None:
    rng = random.Random(7)
    peer = split_by(pattern)
    for text in (random_text(rng) for _ in range(2000)):
        pieces = [text[start:stop] for _, (start, stop) in peer.pre_tokenize_str(text)]
        assert [piece.decode() for piece in bpe.pre_tokenize(text, pattern)] == pieces


@pytest.mark.parametrize(
    ("pattern", "constructor"), [("gpt2", "gpt2"), ("cl100k", "cl100k_base"), ("o200k", "o200k_base")]
)
def test_pre_tokenize_equals_tiktokens_published_pattern(
    pattern: str, constructor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = pytest.importorskip("tiktoken_ext.openai_public", reason="tiktoken carries the published patterns")
    for download in ("data_gym_to_mergeable_bpe_ranks", "load_tiktoken_bpe"):
        monkeypatch.setattr(published, download, lambda *_, **__: {})
    peer = regex.compile(getattr(published, constructor)()["pat_str"])
    rng = random.Random(10)
    for _ in range(2000):
        # tiktoken's cl100k takes white space that ends a text as one piece; the form used here stops at a newline.
        text = random_text(rng) + ("." if pattern == "cl100k" else "")
        assert [piece.decode() for piece in bpe.pre_tokenize(text, pattern)] == peer.findall(text)


def test_pre_tokenize_equals_tokenizers_own_gpt2_pattern() -> None:
    rng = random.Random(8)
    peer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    for text in (random_text(rng) for _ in range(2000)):
        assert [spell(piece) for piece in bpe.pre_tokenize(text, "gpt2")] == [p for p, _ in peer.pre_tokenize_str(text)]


@pytest.mark.parametrize("pattern", PATTERN_NAMES)
def test_encode_equals_tokenizers_and_tiktoken(pattern: str) -> None:
    rng = random.Random(9)
    texts = [random_text(rng) for _ in range(60)]
    vocabulary = bpe.train(bpe.count_words(texts, pattern), vocab_size=400)
    tokens = [spell(token) for token in vocabulary.tokens]
    merges = [[spell(left), spell(right)] for left, right in vocabulary.merges]
    ranks = {token: token_id for token_id, token in enumerate(vocabulary.tokens)}
    encoding = tiktoken.Encoding(pattern, pat_str=bpe.PATTERNS[pattern], mergeable_ranks=ranks, special_tokens={})
    for text in texts + [random_text(rng) for _ in range(60)]:
        ids = bpe.encode(text, vocabulary, pattern)
        assert ids == peer_encode(text, tokens, merges, pattern, ignore_merges=False)
        # tiktoken takes a pre-token that is a token at once.
        assert bpe.encode(text, vocabulary, pattern, ignore_merges=True) == encoding.encode_ordinary(text)


def test_golden_train_cases_equal_tokenizers() -> None:
    for case in read_cases("bpe_train"):
        expected = (case["tokens"], case["merges"])
        assert peer_train([(word, count) for word, count in case["words"]], case["options"]) == expected, case["name"]


def test_golden_pre_tokenize_cases_equal_tokenizers() -> None:
    for case in read_cases("pre_tokenize"):
        text = case["text"]
        pieces = [text[start:stop] for _, (start, stop) in split_by(case["pattern"]).pre_tokenize_str(text)]
        assert pieces == case["pieces"], case["name"]


def test_golden_encode_cases_equal_tokenizers() -> None:
    for case in read_cases("bpe_encode"):
        ids = peer_encode(case["text"], case["tokens"], case["merges"], case["pattern"], case["ignore_merges"])
        assert ids == case["ids"], case["name"]
