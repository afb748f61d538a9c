"""Training: the same bytes whatever the road, exact options, 64-bit counts, errors that say where."""

import base64
import hashlib
import json
import pickle
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import child_process
import pytest
from common_checks import deadline
from definitions import TRAINING_TEXT

import merganser as mg
from merganser.errors import ConfigError, TextError
from merganser.reference import bpe

VECTORS = Path(__file__).parent / "vectors"
CHARACTER_BYTES = {character: byte for byte, character in bpe.byte_characters().items()}


def read_cases(name: str) -> list[Any]:
    """Read golden cases as parameters; the first line of their file is the header."""
    lines = (VECTORS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [pytest.param(case, id=case["name"]) for case in map(json.loads, lines[1:])]


def unspell(token: str) -> bytes:
    """Turn GPT-2's spelling of bytes back into bytes."""
    return bytes(CHARACTER_BYTES[character] for character in token)


def learned_tokens(tok: mg.Tokenizer, n_special: int = 0, n_alphabet: int = 256) -> list[bytes]:
    """The products of merges, in their order."""
    return [tok.token_bytes(token_id) for token_id in range(n_special + n_alphabet, tok.n_tokens)]


def train_from(counts: dict[str | bytes, int], **options: Any) -> mg.Tokenizer:
    """Train on word counts."""
    return mg.train_bpe(mg.WordCounts.from_dict(counts), **options)


def agrees_with_the_reference(case: dict[str, Any]) -> bool:
    """Whether a golden case is out of reach of the two rules of the library's own.

    A pair that spells a special token is never merged, and a vocabulary must have room for the alphabet.
    """
    special_tokens = case["options"]["special_tokens"]
    products = {unspell(left + right) for left, right in case["merges"]}
    singles = {token for token in special_tokens if len(token.encode()) == 1}
    n_least = len(case["tokens"]) - len(products)
    return (
        not singles
        and products.isdisjoint(map(str.encode, special_tokens))
        and case["options"]["vocab_size"] >= n_least
    )


@pytest.mark.parametrize("case", [case for case in read_cases("bpe_train") if agrees_with_the_reference(*case.values)])
def test_train_equals_golden_case(case: dict[str, Any]) -> None:
    options = dict(case["options"])
    given = options["initial_alphabet"]
    options["initial_alphabet"] = bytes(range(256) if given is None else given)
    n_special = len(options["special_tokens"])
    tok = train_from(dict(case["words"]), allow_smaller=True, **options)
    tokens = [tok.token_bytes(token_id) for token_id in range(tok.n_tokens)]
    assert tokens[:n_special] == [token.encode() for token in options["special_tokens"]]
    assert tokens[n_special:] == [unspell(token) for token in case["tokens"][n_special:]]
    assert json.loads(tok.to_json())["model"]["merges"] == [list(merge) for merge in case["merges"]]


SCRIPT = """
import hashlib, json
import merganser as mg
from definitions import TRAINING_TEXT
words = TRAINING_TEXT.split(" ")
documents = [" ".join(words[n % 17 :: 1 + n % 5]) for n in range(3000)]
options = {"special_tokens": ["<|end|>"], "allow_smaller": True}
texts = [
    mg.train_bpe(documents, vocab_size=700, pre_tokenizer=name, n_threads=n_threads, **options).to_json()
    for name in ("gpt2", "cl100k", "o200k")
    for n_threads in (1, 2, 8, None)
]
print(json.dumps([hashlib.sha256(text.encode()).hexdigest() for text in texts]))
"""


def test_train_gives_the_same_bytes_in_any_process_with_any_number_of_threads() -> None:
    first, second = (child_process.run(SCRIPT, PYTHONHASHSEED=seed) for seed in ("1", "2"))
    assert first == second
    for place in range(0, len(first), 4):
        assert len(set(first[place : place + 4])) == 1
    assert len(set(first)) == 3


def test_train_ignores_the_order_and_cutting_of_documents() -> None:
    documents = [part + " " for part in TRAINING_TEXT.split("\n")]
    expected = mg.train_bpe(documents, vocab_size=500).to_json()
    shuffled = documents.copy()
    random.Random(3).shuffle(shuffled)
    assert mg.train_bpe(shuffled, vocab_size=500).to_json() == expected
    assert mg.train_bpe((part.encode() for part in documents), vocab_size=500).to_json() == expected


def test_train_ignores_the_order_of_words() -> None:
    counts = dict(mg.WordCounts.count([TRAINING_TEXT]).items())
    backwards = dict(reversed(counts.items()))
    assert train_from(backwards, vocab_size=500).to_json() == train_from(counts, vocab_size=500).to_json()


def test_train_counts_pairs_in_64_bits() -> None:
    # 3e9 wraps to a negative number in 32 bits signed, 5e9 to 705,032,704 in 32 bits unsigned.
    tok = train_from(
        {"aa": 3_000_000_000, "bb": 2_000_000_000, "cc": 5_000_000_000, "dd": 1_000_000_000}, vocab_size=260
    )
    assert learned_tokens(tok) == [b"cc", b"aa", b"bb", b"dd"]
    tok = train_from({"ab": 2**61, "xab": 2**61, "cd": 2**62 - 1}, vocab_size=259)
    assert learned_tokens(tok) == [b"ab", b"cd", b"xab"]


@pytest.mark.parametrize(
    "counts",
    [{"aa": 2**63}, {"ab": 2**62, "abc": 2**62, "abd": 2**62}, {"ababab": 2**62}, {"aa": 2**64 - 1}],
)
def test_train_raises_when_a_count_would_not_fit(counts: dict[str | bytes, int]) -> None:
    with pytest.raises(ConfigError, match="bits"):
        train_from(counts, vocab_size=257)


def test_train_takes_the_stages_of_word_counts() -> None:
    counts = mg.WordCounts.count(["cafe\u0301 cafe\u0301"], pre_tokenizer="gpt2", normalizer="nfc")
    tok = mg.train_bpe(counts, vocab_size=258)
    assert tok.encode("cafe\u0301") == tok.encode("caf\u00e9")
    assert tok == mg.train_bpe(["cafe\u0301 cafe\u0301"], vocab_size=258, pre_tokenizer="gpt2", normalizer="nfc")


@pytest.mark.parametrize("vocab_size", [1, 100, 257, 0, -1, 2**31, 2**40, 2**63, 2**70, -(2**70)])
def test_train_refuses_vocab_size_out_of_range(vocab_size: int) -> None:
    with pytest.raises(ConfigError, match=rf"vocab_size must be .*{vocab_size}"):
        mg.train_bpe(["abab"], vocab_size=vocab_size, special_tokens=["<a>", "<b>"], allow_smaller=True)


def test_train_names_the_largest_vocab_size_that_can_be_reached() -> None:
    with pytest.raises(ConfigError, match=r"vocab_size 300 cannot be reached: .* at most 258 tokens"):
        mg.train_bpe(["abc"], vocab_size=300)
    assert mg.train_bpe(["abc"], vocab_size=258).n_tokens == 258
    with pytest.raises(ConfigError, match=r"259.*at most 258"):
        mg.train_bpe(["abc"], vocab_size=259)
    with pytest.raises(ConfigError, match=r"at least 258.*got 257"):
        mg.train_bpe(["abc"], vocab_size=257, special_tokens=["<a>", "<b>"])
    assert mg.train_bpe(["abc"], vocab_size=300, allow_smaller=True).n_tokens == 258
    assert mg.train_bpe(["abc"], vocab_size=2**30, allow_smaller=True).n_tokens == 258


@pytest.mark.parametrize(
    "options",
    [
        {"min_frequency": -1},
        {"min_frequency": 2**70},
        {"max_token_length": 0},
        {"max_token_length": 2**70},
        {"n_threads": 0},
        {"n_threads": -1},
        {"pre_tokenizer": "gpt5"},
        {"normalizer": "nfx"},
        {"special_tokens": [""]},
        {"special_tokens": ["<a>", "<a>"]},
    ],
    ids=str,
)
def test_train_refuses_options_out_of_range(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        mg.train_bpe(["abab"], vocab_size=300, allow_smaller=True, **options)


@pytest.mark.parametrize(
    "options", [{"vocab_size": "300"}, {"vocab_size": None}, {"vocab_size": 300.0}, {"special_tokens": "<a>"}], ids=str
)
def test_train_refuses_options_of_another_type(options: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        mg.train_bpe(["abab"], **{"vocab_size": 300, "allow_smaller": True, **options})


@pytest.mark.parametrize(("min_frequency", "n_merges"), [(0, 3), (1, 3), (2, 2), (3, 1), (4, 0), (2**63 - 1, 0)])
def test_train_stops_below_min_frequency(min_frequency: int, n_merges: int) -> None:
    counts = {"ab": 3, "cd": 2, "ef": 1}
    tok = train_from(counts, vocab_size=300, min_frequency=min_frequency, allow_smaller=True)
    assert tok.n_tokens == 256 + n_merges
    with pytest.raises(ConfigError, match=f"at most {256 + n_merges} tokens"):
        train_from(counts, vocab_size=300, min_frequency=min_frequency)


@pytest.mark.parametrize(("limit", "longest"), [(1, 1), (2, 2), (3, 3), (4, 4), (7, 7), (8, 8), (9, 9), (None, 32)])
def test_train_keeps_tokens_within_max_token_length(limit: int | None, longest: int) -> None:
    documents = ["".join(random.Random(seed).choices("ab", k=40)) for seed in range(50)] + ["a" * 32] * 50
    tok = mg.train_bpe(documents, vocab_size=2_000, max_token_length=limit, allow_smaller=True)
    lengths = [len(tok.token_bytes(token_id)) for token_id in range(tok.n_tokens)]
    assert max(lengths) >= longest if limit is None else max(lengths) == longest


def test_max_token_length_is_in_bytes() -> None:
    counts = {"東東": 5}
    tok = train_from(counts, vocab_size=300, max_token_length=5, allow_smaller=True)
    assert max(len(token) for token in tok.vocab()) <= 5
    assert "東".encode() in tok.vocab()
    assert "東東".encode() in train_from(counts, vocab_size=300, max_token_length=6, allow_smaller=True).vocab()


def test_train_leaves_out_special_tokens() -> None:
    tok = mg.train_bpe(["<|end|>"] * 100 + ["ab<|end|>ab"], vocab_size=258, special_tokens=["<|end|>"])
    assert learned_tokens(tok, n_special=1) == [b"ab"]
    assert tok.special_tokens == {"<|end|>": 0}
    with pytest.raises(ConfigError, match="at most 258"):
        mg.train_bpe(["<|end|>"] * 100 + ["ab<|end|>ab"], vocab_size=259, special_tokens=["<|end|>"])


@pytest.mark.parametrize("special_token", [" the", "the", "th", "<|", "éé", " dog", "aaaa"])
def test_train_never_makes_a_special_token_by_merging(special_token: str) -> None:
    counts = {" the": 100, "the": 90, " <|": 80, "<|<|": 70, "éé": 60, " dogs": 50, "aaaaaaaa": 40}
    tok = train_from(counts, vocab_size=400, special_tokens=[special_token], allow_smaller=True)
    learned = learned_tokens(tok, n_special=1)
    assert special_token.encode() not in learned
    assert len(set(learned)) == len(learned)
    for word in counts:
        assert 0 not in tok.encode(word, on_special="text")


@pytest.mark.parametrize("special_token", ["a", "é", "Ġ", "Ġthe", "Ã©"])
def test_train_gives_no_file_that_cannot_be_loaded_when_a_special_token_looks_like_a_spelling(
    special_token: str,
) -> None:
    """A special token may be written as a token is spelled in ``tokenizer.json``: the file would contradict itself."""
    try:
        tok = mg.train_bpe(["é the the the the a"], vocab_size=300, special_tokens=[special_token], allow_smaller=True)
    except ConfigError as error:
        assert special_token in str(error)  # noqa: PT017  # refusing is right too
        return
    assert mg.Tokenizer.from_json(tok.to_json()) == tok
    assert pickle.loads(pickle.dumps(tok)) == tok


def test_train_orders_ids_special_alphabet_merges() -> None:
    tok = train_from({"abab": 1}, vocab_size=6, special_tokens=["<y>", "<x>"], initial_alphabet=b"")
    assert [tok.token_bytes(token_id) for token_id in range(6)] == [b"<y>", b"<x>", b"a", b"b", b"ab", b"abab"]


def test_initial_alphabet_joins_the_bytes_that_occur() -> None:
    tok = train_from({"ab": 1}, vocab_size=10, initial_alphabet=b"zab\xff", allow_smaller=True)
    assert sorted(tok.vocab()) == sorted([b"a", b"b", b"z", b"\xff", b"ab"])
    assert tok.decode_bytes(tok.encode("zab")) == b"zab"


def test_train_on_nothing_gives_the_alphabet() -> None:
    for nothing in (
        [],
        [""],
        ["", b""],
        iter(()),
        mg.WordCounts.from_dict({}),
        mg.WordCounts.from_dict({"": 5, "a": 0}),
    ):
        tok = mg.train_bpe(nothing, vocab_size=256)
        assert tok.n_tokens == 256
        assert tok.decode(tok.encode("whatever 東")) == "whatever 東"
    with pytest.raises(ConfigError, match="at most 256"):
        mg.train_bpe([], vocab_size=257)


@pytest.mark.parametrize(
    "document", ["a" * 1_000_000, " " * 1_000_000, "\n" * 1_000_000, "ab" * 500_000, "7" * 1_000_000]
)
def test_train_on_one_repetition_ends(document: str) -> None:
    with deadline():
        tok = mg.train_bpe([document], vocab_size=276, allow_smaller=True)
    assert tok.decode(tok.encode(document)) == document
    assert tok.count(document) <= 1_000_000 // 3 + 1


def test_train_on_a_million_bytes_of_base64_ends() -> None:
    blob = base64.b64encode(random.Random(5).randbytes(750_000)).decode()
    with deadline():
        tok = mg.train_bpe([blob], vocab_size=2_000)
    assert tok.decode(tok.encode(blob)) == blob


def test_train_on_every_character_ends() -> None:
    everything = "".join(chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)
    with deadline():
        tok = mg.train_bpe([everything], vocab_size=1_000)
    assert tok.decode(tok.encode(everything)) == everything


def test_train_passes_on_what_the_iterator_raises() -> None:
    class MineError(Exception):
        pass

    def documents() -> Iterator[str]:
        yield "fine"
        raise MineError

    with pytest.raises(MineError):
        mg.train_bpe(documents(), vocab_size=300)


@pytest.mark.parametrize("bad", [None, 5, 1.5, ["a"], bytearray(b"a"), object()], ids=lambda bad: type(bad).__name__)
def test_train_names_the_document_that_is_no_text(bad: object) -> None:
    with pytest.raises(TypeError, match=rf"document 2 must be str or bytes, got {type(bad).__name__}"):
        mg.train_bpe(["fine", b"fine", bad], vocab_size=300)
    with pytest.raises(TypeError, match="document 2 must be"):
        mg.WordCounts.count(["fine", b"fine", bad])


@pytest.mark.parametrize(
    ("bad", "place"),
    [(b"ab\xff", "byte 2"), (b"\xc3", "byte 0"), ("ab\ud800", "character 2"), (b"caf\xc3\xa9 \xed\xa0\x80", "byte 6")],
)
def test_train_names_document_and_place_of_bad_text(bad: str | bytes, place: str) -> None:
    with pytest.raises(TextError, match=rf"2: .* at {place}\b"):
        mg.train_bpe(["fine", "fine", bad, "fine"], vocab_size=300)


@pytest.mark.parametrize("one", ["text", b"text", Path("corpus.txt")], ids=lambda one: type(one).__name__)
def test_train_refuses_one_text_as_documents(one: Any) -> None:
    with pytest.raises(TypeError, match="many texts"):
        mg.train_bpe(one, vocab_size=300)
    with pytest.raises(TypeError, match="many texts"):
        mg.WordCounts.count(one)


def test_train_tells_progress() -> None:
    told: list[tuple[int, int | None, str]] = []
    mg.train_bpe(
        [TRAINING_TEXT] * 20, vocab_size=500, progress=lambda done, total, phase: told.append((done, total, phase))
    )
    assert {phase for _, _, phase in told} == {"count", "gather", "merge"}
    for phase in ("count", "gather", "merge"):
        done = [done for done, _, told_phase in told if told_phase == phase]
        assert done == sorted(done)
    done, total, _ = told[-1]
    assert done == total


def test_train_passes_on_what_progress_raises() -> None:
    def progress(_done: int, _total: int | None, phase: str) -> None:
        raise KeyError(phase)

    for phase in ("count", "merge"):
        documents = mg.WordCounts.from_dict({"ab": 1}) if phase == "merge" else ["ab"]
        with pytest.raises(KeyError, match=phase):
            mg.train_bpe(documents, vocab_size=257, progress=progress)


def test_trained_tokenizer_is_that_of_its_json() -> None:
    tok = mg.train_bpe(
        [TRAINING_TEXT], vocab_size=600, special_tokens=["<|end|>"], normalizer="nfc", pre_tokenizer="o200k"
    )
    again = mg.Tokenizer.from_json(tok.to_json())
    assert again == tok
    assert again.to_json() == tok.to_json()
    document = json.loads(tok.to_json())
    del document["model"]["training"]
    bare = mg.Tokenizer.from_json(json.dumps(document))
    assert tok.fingerprint == hashlib.sha256(bare.to_json().encode()).hexdigest()
