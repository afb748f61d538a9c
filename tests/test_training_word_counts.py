"""Word counts: one value however counted, exact weights, bounded memory, and what was used of each source."""

import math
import os
import pickle
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import child_process
import pytest
from common_checks import deadline
from hypothesis import given, settings
from hypothesis import strategies as st
from trainers import random_documents

import merganser as mg
from merganser.errors import ConfigError, FormatError, TextError
from merganser.reference.bpe import byte_characters

PLAIN_TEXTS = st.lists(
    st.one_of(
        st.text(max_size=30),
        st.lists(st.sampled_from(["the ", "cat", "s ", "\n", " ", "\u2581", "e\u0301", "東京 ", "it's", "A", "!"])).map(
            "".join
        ),
    ),
    max_size=8,
)
STAGES = [
    {"pre_tokenizer": "gpt2"},
    {"pre_tokenizer": "o200k", "normalizer": "nfc"},
    {"pre_tokenizer": "bert", "normalizer": "bert"},
    {"pre_tokenizer": "whitespace", "normalizer": "nfkc"},
    {"pre_tokenizer": "metaspace"},
    {"pre_tokenizer": "metaspace", "normalizer": "nfkd"},
    {"pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": True}},
    {"pre_tokenizer": {"type": "Digits", "individual_digits": True}},
]


def count(documents: Any, **options: Any) -> mg.WordCounts:
    """Count with GPT-2's pattern unless told otherwise."""
    return mg.WordCounts.count(documents, **{"pre_tokenizer": "gpt2", **options})


def test_word_counts_keep_counts_of_64_bits() -> None:
    counts = mg.WordCounts.from_dict({"aa": 2**62, "ab": 2**62})
    assert counts.total == 2**63
    assert counts["aa"] == 2**62
    assert counts[b"no"] == 0
    more = counts + mg.WordCounts.from_dict({"aa": 2**62, "ab": 2**62 - 1})
    assert (more["aa"], more["ab"], more.total) == (2**63, 2**63 - 1, 2**64 - 1)


def test_word_counts_raise_when_a_sum_would_not_fit() -> None:
    half = mg.WordCounts.from_dict({"a": 2**63})
    with pytest.raises(ConfigError, match="64 bits"):
        half + half
    with pytest.raises(ConfigError, match="64 bits"):
        mg.WordCounts.from_dict({"a": 2**63, "b": 2**63})


def test_word_counts_refuse_counts_out_of_range() -> None:
    for bad in (-1, 2**64, -(2**70), 2**70):
        with pytest.raises(ConfigError, match=rf"got {bad} for b'a'"):
            mg.WordCounts.from_dict({"a": bad})
    for bad in (1.5, "1", None):
        with pytest.raises(TypeError):
            mg.WordCounts.from_dict({"a": bad})
    with pytest.raises(TypeError):
        mg.WordCounts.from_dict({5: 1})


def test_word_counts_are_a_value() -> None:
    counts = mg.WordCounts.count(["the cat", "the dog"], pre_tokenizer="gpt2")
    assert counts.items() == [(b" cat", 1), (b" dog", 1), (b"the", 2)]
    assert (len(counts), counts.total) == (3, 4)
    assert counts == mg.WordCounts.from_dict({"the": 2, " cat": 1, " dog": 1}, pre_tokenizer="gpt2")
    assert counts != mg.WordCounts.from_dict({"the": 2, " cat": 1, " dog": 1}, pre_tokenizer="cl100k")
    assert counts != 5
    copied = pickle.loads(pickle.dumps(counts))
    assert copied == counts
    assert (copied.pre_tokenizer, copied.normalizer) == ("gpt2", None)
    with pytest.raises(TypeError):
        mg.WordCounts()


def test_word_counts_add_up_only_when_made_alike() -> None:
    gpt2, cl100k = (mg.WordCounts.count(["a b"], pre_tokenizer=name) for name in ("gpt2", "cl100k"))
    with pytest.raises(ConfigError, match=r"gpt2.*cl100k"):
        gpt2 + cl100k
    with pytest.raises(ConfigError, match="nfc"):
        gpt2 + mg.WordCounts.count(["a b"], pre_tokenizer="gpt2", normalizer="nfc")
    with pytest.raises(TypeError):
        gpt2 + {"a": 1}
    with pytest.raises(ConfigError, match="count anew"):
        mg.train_bpe(gpt2, vocab_size=256, pre_tokenizer="cl100k")
    same = mg.WordCounts.count(
        ["a b"], pre_tokenizer={"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    )
    assert (gpt2 + same).items() == [(b" b", 2), (b"a", 2)]


def test_counting_numbers_documents_over_all_it_has_read() -> None:
    """Documents are counted some megabytes at a time; their numbers must not start anew each time."""
    documents = ["word " * 2_000_000] * 3 + ["fine", b"bad \xff"]
    with pytest.raises(TextError, match=r"\b4: .*at byte 4"):
        mg.WordCounts.count(documents)
    with pytest.raises(TypeError, match="document 4 must be"):
        mg.WordCounts.count([*documents[:4], 5])


@settings(deadline=None)
@given(left=PLAIN_TEXTS, right=PLAIN_TEXTS, stages=st.sampled_from(STAGES), n_threads=st.sampled_from([1, 2, 8]))
def test_counts_of_parts_add_up_to_those_of_the_whole(
    left: list[str], right: list[str], stages: dict[str, Any], n_threads: int
) -> None:
    parts = count(left, **stages, n_threads=n_threads) + count(right, **stages)
    whole = count(left + right, **stages)
    assert parts == whole
    assert parts.items() == whole.items()


@settings(deadline=None)
@given(texts=PLAIN_TEXTS, stages=st.sampled_from(STAGES), max_memory=st.sampled_from([1 << 14, 1 << 16, 1 << 30]))
def test_counts_are_the_same_in_any_memory(texts: list[str], stages: dict[str, Any], max_memory: int) -> None:
    assert count(texts, **stages, max_memory=max_memory, n_threads=1) == count(texts, **stages)


@settings(deadline=None)
@given(counts=st.dictionaries(st.binary(min_size=1, max_size=40), st.integers(1, 2**40)))
def test_saved_counts_are_the_counts(counts: dict[str | bytes, int]) -> None:
    words = mg.WordCounts.from_dict(counts, pre_tokenizer="bert", normalizer="nfc")
    copied = pickle.loads(pickle.dumps(words))
    assert copied == words
    assert dict(copied.items()) == counts
    assert (copied.pre_tokenizer, copied.normalizer) == ("bert", "nfc")


CHARACTER_BYTES = {character: byte for byte, character in byte_characters().items()}


@pytest.mark.parametrize("stages", STAGES, ids=str)
def test_words_are_the_pre_tokens_of_each_document(stages: dict[str, Any]) -> None:
    """Chunks and pieces are an inner matter: the words are what a tokenizer of the same stages sees."""
    texts = [
        "  The cat's  caf\u00e9 \u6771\u4eac\u3067\u3059, e\u0301t\u00e9\n\nsat. ",
        "\u2581x \u00a0y\u2003z \u2581\u2581 a\u2581b",
        "\n \n\r\n\tx \u0301\u0301 \u0300",
        "",
        " ",
        "\x00",
        "ONE two\x00three\x0bfo\u0301ur " * 20_000,
    ]
    counted = count(texts, **stages, n_threads=2)
    is_byte_level = stages["pre_tokenizer"] in ("gpt2", "o200k")

    def spell(word: str) -> bytes:
        return bytes(CHARACTER_BYTES[character] for character in word) if is_byte_level else word.encode()

    tok = mg.train_unigram(count(["a"], **stages), vocab_size=300, allow_smaller=True)
    words: Counter[bytes] = Counter()
    for text in texts:
        words.update(map(spell, tok.pre_tokenize(text)))
    assert dict(counted.items()) == dict(words)


def test_special_tokens_are_left_out_of_chunks() -> None:
    for stages in STAGES:
        given_tokens = count(["a<|x|>b <|x|> c"], **stages, special_tokens=["<|x|>"])
        assert given_tokens.total > 0
        assert not any(b"|" in word for word in given_tokens)
    bert = count(["a<|x|>b <|x|> c"], pre_tokenizer="bert", special_tokens=["<|x|>"])
    assert bert.items() == [(b"a", 1), (b"b", 1), (b"c", 1)]
    metaspace = count(["a<|x|>b <|x|> c"], pre_tokenizer="metaspace", special_tokens=["<|x|>"])
    assert dict(metaspace.items()) == {"▁".encode(): 1, "▁a".encode(): 1, "▁b".encode(): 1, "▁c".encode(): 1}


def test_counts_times_a_weight_are_exact() -> None:
    counts = mg.WordCounts.from_dict({"a": 1, "b": 3, "c": 5, "d": 2**62})
    assert dict((counts * 3).items()) == {b"a": 3, b"b": 9, b"c": 15, b"d": 3 * 2**62}
    assert 3 * counts == counts * 3
    halves = counts.scaled(0.5)
    assert dict(halves.items()) == {b"b": 2, b"c": 2, b"d": 2**61}
    tenth = Fraction(0.1)
    assert counts.scaled(0.1)["d"] == round(2**62 * tenth)
    assert len(counts * 0) == 0
    for bad in (-1, math.nan, math.inf, Fraction(1, 2**64), 2**64):
        with pytest.raises(ConfigError, match="a weight must be"):
            counts.scaled(bad)
    with pytest.raises(ConfigError, match="64 bits"):
        counts * 4
    with pytest.raises(TypeError):
        counts * "2"
    with pytest.raises(TypeError):
        counts.scaled(True)


def test_a_weight_that_is_no_short_fraction_says_how_to_write_it() -> None:
    counts = mg.WordCounts.from_dict({"a": 100_000})
    with pytest.raises(ConfigError, match=r"got 0\.0001 as a float; write Fraction\('0\.0001'\)$"):
        count({"a": ["b"]}, weights={"a": 1e-4})
    assert counts.scaled(Fraction("0.0001"))["a"] == 10
    for hopeless in (1e-300, float("nan"), float("inf"), -1.0, 1 << 64):
        with pytest.raises(ConfigError, match=r"below 2\*\*64, got [^;]*$"):
            counts.scaled(hopeless)


def test_filter_and_most_common_choose_words() -> None:
    counts = mg.WordCounts.from_dict({"a": 1, "b": 3, "c": 3, "dd": 7})
    assert counts.most_common(2) == [(b"dd", 7), (b"b", 3)]
    assert counts.most_common() == [(b"dd", 7), (b"b", 3), (b"c", 3), (b"a", 1)]
    assert counts.most_common(-1) == []
    assert counts.filter(min_count=3).items() == [(b"b", 3), (b"c", 3), (b"dd", 7)]
    assert counts.filter(predicate=lambda word, count: len(word) + count > 4).items() == [(b"dd", 7)]
    for bad in (-1, 2**64):
        with pytest.raises(ConfigError, match="min_count"):
            counts.filter(min_count=bad)


def test_samples_are_drawn_without_replacement_and_by_seed() -> None:
    counts = mg.WordCounts.from_dict({f"w{k}": k + 1 for k in range(50)})
    drawn = counts.sample(300, seed=1)
    assert drawn.total == 300
    assert all(drawn[word] <= counts[word] for word in drawn)
    assert drawn == counts.sample(300, seed=1)
    assert drawn != counts.sample(300, seed=2)
    assert counts.sample(counts.total) == counts
    half = counts.sample(fraction=0.5, seed=3)
    assert 500 < half.total < 775
    assert counts.sample(fraction=1) == counts
    assert len(mg.WordCounts.from_dict({}).sample(0)) == 0
    for bad in ({}, {"n": 1, "fraction": 0.5}, {"n": -1}, {"n": counts.total + 1}, {"fraction": 1.5}):
        with pytest.raises(ConfigError):
            counts.sample(**bad)


def test_sources_are_weighed_and_reported() -> None:
    sources = {"en": ["a b", "c"], "de": ["x"]}
    counts = count(sources, pre_tokenizer="whitespace", weights={"de": 3})
    assert dict(counts.items()) == {b"a": 1, b"b": 1, b"c": 1, b"x": 3}
    assert counts.sources == (
        {"name": "en", "documents": 2, "bytes": 4, "words": 3},
        {"name": "de", "documents": 1, "bytes": 1, "words": 1, "weight": 3},
    )
    with pytest.raises(ConfigError, match="'fr'"):
        count(sources, weights={"fr": 1})
    with pytest.raises(ConfigError, match="not both"):
        count(sources, weights={"de": 1}, temperature=0.5)
    with pytest.raises(ConfigError, match="a mapping"):
        count(["a"], temperature=0.5)
    with pytest.raises(ConfigError, match="must have a name"):
        count({"": ["a"]})


def test_temperature_evens_out_sources() -> None:
    sources = {"large": ["a " * 8000], "small": ["b " * 1000], "empty": []}
    weights = {source["name"]: source.get("weight", 1) for source in count(sources, temperature=0).sources}
    assert weights["large"] == pytest.approx(9 / 16, abs=1e-6)
    assert weights["small"] == pytest.approx(9 / 2, abs=1e-6)
    assert count(sources, temperature=1) == count(sources)
    shares = count(sources, temperature=0.5, pre_tokenizer="whitespace")
    assert shares["a"] / shares["b"] == pytest.approx(math.sqrt(8), rel=1e-3)
    with pytest.raises(ConfigError, match="temperature must be from 0 to 1"):
        count(sources, temperature=-1)


def test_documents_are_drawn_from_all_of_a_source() -> None:
    documents = [f"d{k:04}" for k in range(1000)]
    drawn = count(documents, pre_tokenizer="whitespace", max_bytes=500, seed=5)
    assert (drawn.total, drawn.sources[0]["documents_offered"], drawn.sources[0]["bytes"]) == (100, 1000, 500)
    places = [int(word[1:]) for word in drawn]
    assert min(places) < 100
    assert max(places) > 900
    assert drawn == count(iter(documents), pre_tokenizer="whitespace", max_bytes=500, seed=5)
    assert drawn != count(documents, pre_tokenizer="whitespace", max_bytes=500, seed=6)
    large = count([*documents, "x" * 600], pre_tokenizer="whitespace", max_bytes=500)
    assert large.sources[0]["too_large"] == 1
    with pytest.raises(ConfigError, match="no document drawn fits max_bytes = 3"):
        count(documents, max_bytes=3)
    with pytest.raises(ConfigError, match="max_bytes"):
        count(documents, max_bytes=0)


BAD = ["fine", b"caf\xe9 x", "lone \ud800", "end"]


def test_bad_text_is_refused_skipped_or_replaced_and_told() -> None:
    with pytest.raises(TextError, match=r"text 1: invalid UTF-8 at byte 3"):
        count(BAD)
    skipped = count(BAD, on_error="skip", pre_tokenizer="whitespace")
    assert dict(skipped.items()) == {b"fine": 1, b"end": 1}
    assert (skipped.sources[0]["documents"], skipped.sources[0]["skipped"]) == (2, 2)
    replaced = count(BAD, on_error="replace", pre_tokenizer="whitespace-split")
    assert replaced["caf\ufffd"] == 1
    assert (replaced.sources[0]["documents"], replaced.sources[0]["replaced"]) == (4, 2)
    with pytest.raises(ConfigError, match="on_error"):
        count(BAD, on_error="ignore")


def test_files_are_counted_as_their_documents(tmp_path: Path) -> None:
    words = ["The", "caf\u00e9", "cat's", "東京", "\n\n", "sat", "<|x|>", "  ", "mat", "123"]
    text = " ".join(random.Random(1).choices(words, k=1_500_000))
    path = tmp_path / "a.txt"
    path.write_text(text, encoding="utf-8")
    for stages in (
        {"pre_tokenizer": "cl100k"},
        {"pre_tokenizer": "bert", "normalizer": "bert"},
        {"pre_tokenizer": "metaspace"},
    ):
        for options in ({}, {"special_tokens": ["<|x|>"]}, {"special_tokens": ["< "]}):
            told: list[tuple[int, int | None, str]] = []
            counts = count(
                mg.read(path),
                **stages,
                **options,
                progress=lambda *report, told=told: told.append(report),
            )
            assert counts == count([text], **stages, **options)
            assert counts.sources[0] == {
                "name": "",
                "documents": 1,
                "bytes": path.stat().st_size,
                "words": counts.total,
            }
            of_count = [report for report in told if report[2] == "count"]
            assert of_count[-1] == (path.stat().st_size, path.stat().st_size, "count")
            done, total, phase = told[-1]
            assert (done, phase) == (total, "gather")
    lines = count(mg.read(path, separator="\n\n"))
    assert lines == count(text.removesuffix("\n\n").split("\n\n"))
    assert lines.sources[0]["documents"] == text.removesuffix("\n\n").count("\n\n") + 1


def test_a_bad_byte_in_a_large_file_is_placed(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    data = bytearray(b"some words \xc3\xa9 " * 700_000)
    data[9_000_001:9_000_001] = b"\xff"
    path.write_bytes(data)
    place = next(place for place in (9_000_001,) if data[place] == 0xFF)
    with pytest.raises(TextError, match=rf"invalid UTF-8 at byte ({place}|{place - 1})\b"):
        count(mg.read(path))
    replaced = count(mg.read(path, errors="replace"))
    assert replaced == count([bytes(data).decode(errors="replace")])
    assert replaced.sources[0]["replaced"] == bytes(data).decode(errors="replace").count("\ufffd")


def test_empty_sources_count_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_bytes(b"")
    for nothing in ([], iter(()), [""], {"a": [], "b": [""]}, mg.read(tmp_path / "empty.txt")):
        counts = count(nothing)
        assert (len(counts), counts.total) == (0, 0)


@pytest.mark.parametrize("stages", STAGES, ids=str)
@pytest.mark.parametrize("document", ["a" * 10**7, " " * 10**7, "ab " * 10**6], ids=["letter", "space", "words"])
def test_one_long_line_is_counted(document: str, stages: dict[str, Any]) -> None:
    with deadline():
        counts = count([document], **stages)
    assert counts.total < 2 * 10**7


def test_tables_that_outgrow_their_memory_are_spilled(tmp_path: Path) -> None:
    documents = list(random_documents(60, bits=[44]))
    expected = count(documents)
    counts = count(documents, max_memory=40_000_000, spill_dir=tmp_path, n_threads=2)
    assert counts == expected
    assert counts.n_spilled_bytes > 10_000_000
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConfigError, match="min_count"):
        count(documents, max_memory=4_000_000, spill_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []
    frequent = count(documents, max_memory=4_000_000, min_count=2)
    assert frequent == expected.filter(min_count=2)
    dropped = frequent.sources[0]["rare_words_dropped"]
    assert dropped == len(expected) - len(frequent)
    chunks = count(documents, max_memory=40_000_000, pre_tokenizer="bert", normalizer="bert")
    assert chunks.n_spilled_bytes > 5_000_000
    assert chunks == count(documents, pre_tokenizer="bert", normalizer="bert")
    with pytest.raises(ConfigError, match="spill_dir needs max_memory"):
        count(documents, spill_dir=tmp_path)
    with pytest.raises(ConfigError, match="max_memory"):
        count(documents, max_memory=0)


BOUNDED = """
import json
import merganser as mg
from benchmarks.measure import peak_bytes
from trainers import random_documents
mg.WordCounts.count(["warm"], max_memory=1 << 20)
before = peak_bytes()
options = dict(pre_tokenizer="gpt2", max_memory={max_memory}, min_count=2, n_threads=2)
counts = mg.WordCounts.count(random_documents(120, bits=[44]), **options)
print(json.dumps([peak_bytes() - before, counts.n_spilled_bytes, counts.sources[0]["words"]]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_memory_stays_within_its_bound() -> None:
    bounded, spilled, n_words = child_process.run(BOUNDED.format(max_memory=24 << 20))
    free, _, _ = child_process.run(BOUNDED.format(max_memory=1 << 40))
    assert (spilled > 0, n_words > 2_000_000) == (True, True)
    assert bounded < 80_000 << 10
    assert free > bounded + (30_000 << 10)


FULL = """
import json, os, resource, signal
import merganser as mg
from trainers import random_documents
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    mg.WordCounts.count(random_documents(20, bits=[44]), pre_tokenizer="gpt2", max_memory=2 << 20, spill_dir={folder!r})
except OSError as error:
    print(json.dumps([error.errno, len(os.listdir({folder!r}))]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_FSIZE")
def test_a_disk_that_fills_raises_and_leaves_nothing(tmp_path: Path) -> None:
    assert child_process.run(FULL.format(folder=str(tmp_path))) == [27, 0]


def test_saved_counts_are_one_file(tmp_path: Path) -> None:
    path = tmp_path / "words.bin"
    counts = count({"en": ["the cat", "the dog"]}, weights={"en": 2})
    counts.save(path)
    loaded = mg.WordCounts.load(path)
    assert (loaded, loaded.sources, loaded.pre_tokenizer) == (counts, counts.sources, "gpt2")
    assert [entry.name for entry in tmp_path.iterdir()] == ["words.bin"]
    counts.save(path)
    assert path.read_bytes() == loaded._to_bytes()


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "words.bin"
    data = mg.WordCounts.from_dict({f"w{k}": k + 1 for k in range(20)})._to_bytes()
    damaged = [b"", data[:20], data + b"x", b"x" + data, *(data[:n] for n in range(0, len(data), 7))]
    damaged += [data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :] for place in range(0, len(data), 3)]
    for bytes_ in damaged:
        path.write_bytes(bytes_)
        with pytest.raises(FormatError, match="word counts file"):
            mg.WordCounts.load(path)
    with pytest.raises(FileNotFoundError):
        mg.WordCounts.load(tmp_path / "none")


def hostile(description: bytes, n_words: int, body: bytes) -> bytes:
    """Make a file whose checksum fits."""
    import hashlib

    data = b"merganser word counts 1\n" + len(description).to_bytes(8, "little") + description
    data += n_words.to_bytes(8, "little") + body
    return data + hashlib.sha256(data).digest()


DESCRIPTION = b'{"normalizer": null, "pre_tokenizer": "gpt2", "sources": []}'


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (hostile(DESCRIPTION, 2**62, b"\0\1a\1"), "more than fits"),
        (hostile(DESCRIPTION, 1, b"\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\1a\1"), "ends inside"),
        (hostile(DESCRIPTION, 1, b"\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7fa\1"), "exceeds 64 bits"),
        (hostile(DESCRIPTION, 1, b"\1\1a\1"), "shares more"),
        (hostile(DESCRIPTION, 1, b"\0\1a\0"), "count is zero"),
        (hostile(DESCRIPTION, 2, b"\0\1b\1\0\1a\1"), "not greater"),
        (hostile(DESCRIPTION, 2, b"\0\1b\1\1\0\1\0"), "not greater"),
        (hostile(DESCRIPTION, 1, b"\0\1b\1\0"), "bytes after"),
        (hostile(b"[]", 0, b""), "description"),
        (hostile(b"\xff", 0, b""), "UTF-8"),
        (hostile(b'{"normalizer": null, "pre_tokenizer": "x", "sources": []}', 0, b""), "pre_tokenizer"),
        (hostile(b"[" * 100_000, 0, b""), "description"),
    ],
)
def test_hostile_files_are_refused_before_memory_is_taken(tmp_path: Path, data: bytes, problem: str) -> None:
    path = tmp_path / "words.bin"
    path.write_bytes(data)
    with pytest.raises(FormatError, match=problem):
        mg.WordCounts.load(path)
    path.write_bytes(hostile(DESCRIPTION, 1, b"\0\1b\1"))
    assert mg.WordCounts.load(path).items() == [(b"b", 1)]


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("stages", [STAGES[1], STAGES[2], STAGES[4], STAGES[7]], ids=str)
def test_counting_stops_at_an_interrupt(stages: dict[str, Any]) -> None:
    text = "Some caf\u00e9 words, 123 of them. " * 40_000
    documents = (text for _ in range(10_000))
    started = [0.0]

    def interrupt() -> None:
        started[0] = time.perf_counter()
        os.kill(os.getpid(), 2)

    timer = threading.Timer(0.5, interrupt)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        count(documents, **stages)
    assert time.perf_counter() - started[0] < 1.0


def test_counting_passes_on_what_the_source_raises() -> None:
    class MineError(Exception):
        pass

    def documents() -> Iterator[str]:
        yield "fine"
        raise MineError

    for options in ({}, {"max_bytes": 10}, {"max_memory": 1 << 20}):
        with pytest.raises(MineError):
            count(documents(), **options)


def test_stages_are_given_by_name_or_as_in_a_file() -> None:
    counts = count(["Ab Cd"], pre_tokenizer={"type": "BertPreTokenizer"}, normalizer={"type": "Lowercase"})
    assert (counts.pre_tokenizer, counts.normalizer) == ("bert", "lowercase")
    assert Counter(dict(counts.items())) == Counter([b"ab", b"cd"])
    for bad in ("gpt5", 5, {"type": "Foo"}, {}):
        with pytest.raises((ConfigError, FormatError), match="pre_tokenizer"):
            count(["a"], pre_tokenizer=bad)
