"""Memory: caches are bounded, and nothing in a file or an argument makes a large allocation."""

import base64
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import child_process
import pytest
from definitions import added_token, load, tokenizer_json, vocabulary

import merganser as mg
from merganser.errors import ConfigError, MerganserError

MEBIBYTE = 1 << 20

GROWTH = """
import json
import numpy as np
import merganser as mg

def resident():
    for line in open("/proc/self/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024

letters = np.random.default_rng(1).integers(97, 123, size=(5_000_000, 12), dtype=np.uint8)
letters[:, -1] = 32
text = letters.tobytes()
del letters
tok = mg.train_bpe(["the lazy dog and the quick brown fox"], vocab_size=270)
tok.encode_to_numpy(text[:1_200_000], n_threads=2)
before = resident()
n_bytes = 0
for start in range(0, len(text), 12_000_000):
    for n_threads in (1, 2):
        ids = tok.encode_to_numpy(text[start : start + 12_000_000], n_threads=n_threads)
        n_bytes = max(n_bytes, ids.nbytes)
texts = [text[start : start + 1200] for start in range(0, len(text), 1200)]
n_list_bytes = sum(map(len, texts)) + 60 * len(texts)
batch = tok.encode_batch(texts, n_threads=2)
print(json.dumps({"growth": resident() - before, "output": batch.ids.nbytes + ids.nbytes, "texts": n_list_bytes}))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not tell resident memory")
def test_caches_are_bounded_when_words_never_repeat(report_line: Callable[[str], None]) -> None:
    measured = child_process.run(GROWTH)
    beyond = measured["growth"] - measured["output"] - measured["texts"]
    report_line(
        f"memory: encoding 60 MB of new words three times grows by {beyond / MEBIBYTE:.1f} MiB beyond input and output"
    )
    assert beyond < 64 * MEBIBYTE


LIMITED = """
import json, resource, sys
import merganser as mg
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
try:
    {action}
    print(json.dumps("accepted"))
except mg.errors.MerganserError as error:
    print(json.dumps(str(error)))
"""


def _json_with(edit: Callable[[dict], object]) -> str:
    definition = tokenizer_json(vocabulary("gpt2", 300), "gpt2")
    edit(definition)
    return json.dumps(definition)


@pytest.mark.parametrize("token_id", [10**9, 2**31 - 1, 2**31, 2**32 - 1])
@pytest.mark.parametrize("place", ["vocab", "added"])
def test_a_huge_id_is_refused_before_memory_is_taken(token_id: int, place: str) -> None:
    if place == "vocab":
        text = _json_with(lambda d: d["model"]["vocab"].update(zz=token_id))
    else:
        text = _json_with(lambda d: d["added_tokens"].append(added_token("<t>", token_id)))
    with pytest.raises(MerganserError, match=str(token_id)):
        mg.Tokenizer.from_json(text)


def test_a_huge_id_is_refused_under_a_memory_limit() -> None:
    text = _json_with(lambda d: d["model"]["vocab"].update(zz=10**9))
    message = child_process.run(LIMITED.format(action=f"mg.Tokenizer.from_json({text!r})"))
    assert "1000000000" in message


@pytest.mark.parametrize("vocab_size", [2**31, 2**32, 2**40, 2**62])
def test_a_huge_vocab_size_is_refused_before_memory_is_taken(vocab_size: int) -> None:
    with pytest.raises(ConfigError, match=f"vocab_size .*{vocab_size}"):
        mg.train_bpe(["the lazy dog"], vocab_size=vocab_size, allow_smaller=True)


def test_the_largest_vocab_size_takes_no_memory_of_itself() -> None:
    action = "assert mg.train_bpe(['ab'], vocab_size=2**30, allow_smaller=True).n_tokens == 257"
    assert child_process.run(LIMITED.format(action=action)) == "accepted"


def test_ids_with_gaps_take_memory_for_tokens_only() -> None:
    tok = load(tokenizer_json(vocabulary("gpt2", 300), "gpt2", ids=[place * 1000 for place in range(300)]))
    assert tok.vocab_size == 299_001
    assert tok.decode(tok.encode("the lazy dog")) == "the lazy dog"


LOADING = """
import json, os, sys
import merganser as mg

def status(key):
    for line in open("/proc/self/status"):
        if line.startswith(key):
            return int(line.split()[1]) * 1024

before = status("VmRSS")
tok = mg.Tokenizer.load({path!r}, **{options!r})
print(json.dumps([status("VmHWM") - before, tok.n_tokens]))
"""

SHORT = ["".join(letters) for letters in itertools.product("abcdefghijklmnopqrstuvwxyz012345", repeat=4)][:250_000]
NESTED = ["a" * length for length in range(1, 4000)]


def _varint(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _sentencepiece(pieces: list[str], model_type: int) -> bytes:
    unknown = _field(1, _field(1, b"<unk>") + b"\x18\x02")
    trainer = _field(2, _varint(3 << 3) + _varint(model_type))
    return unknown + b"".join(_field(1, _field(1, piece.encode())) for piece in pieces) + trainer


def _bpe(pieces: list[str]) -> bytes:
    parts = sorted({piece[:length] for piece in pieces for length in range(1, len(piece) + 1)}, key=len)
    merges = [f"{part[:-1]} {part[-1]}" for part in parts if len(part) > 1]
    # A merge of a part and a letter needs the letter.
    letters = sorted({part[-1] for part in parts} - {*parts})
    return _json({"type": "BPE", "vocab": {part: id_ for id_, part in enumerate(letters + parts)}, "merges": merges})


def _json(model: dict) -> bytes:
    return json.dumps({"version": "1.0", "added_tokens": [], "model": model}).encode()


def _ranks(pieces: list[str]) -> bytes:
    tokens = [bytes([byte]) for byte in range(256)] + [piece.encode() for piece in pieces if len(piece) > 1]
    return b"".join(b"%s %d\n" % (base64.b64encode(token), rank) for rank, token in enumerate(tokens))


FILES: dict[str, tuple[str, Callable[[list[str]], bytes], dict[str, object]]] = {
    "SentencePiece BPE": ("x.model", lambda pieces: _sentencepiece(pieces, 2), {}),
    "SentencePiece Unigram": ("x.model", lambda pieces: _sentencepiece(pieces, 1), {}),
    "BPE": ("tokenizer.json", _bpe, {}),
    "Unigram": ("tokenizer.json", lambda p: _json({"type": "Unigram", "unk_id": 0, "vocab": [[x, -1] for x in p]}), {}),
    "WordPiece": (
        "tokenizer.json",
        lambda pieces: _json(
            {
                "type": "WordPiece",
                "unk_token": pieces[0],
                "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 100,
                "vocab": {piece: i for i, piece in enumerate(pieces)},
            }
        ),
        {},
    ),
    "vocab.txt": ("vocab.txt", lambda p: "\n".join(["[UNK]", "[CLS]", "[SEP]", *p]).encode(), {"lowercase": False}),
    "tiktoken": ("x.tiktoken", _ranks, {"pattern": "gpt2"}),
}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not tell resident memory")
@pytest.mark.parametrize("pieces", [SHORT, NESTED], ids=["short", "nested"])
@pytest.mark.parametrize("kind", FILES)
def test_loading_takes_memory_in_proportion_to_the_file(
    kind: str, pieces: list[str], tmp_path: Path, report_line: Callable[[str], None]
) -> None:
    name, write, options = FILES[kind]
    path = tmp_path / name
    path.write_bytes(write(pieces))
    peak, n_tokens = child_process.run(LOADING.format(path=str(path), options=options))
    assert n_tokens >= len(pieces)
    n_bytes = path.stat().st_size
    report_line(
        f"memory: loading {kind} of {n_tokens:,} tokens takes {peak / n_bytes:.1f} times the file, "
        f"{peak / n_tokens:.0f} bytes a token"
    )
    # A token has a cost of its own, which counts where a file is a list of very short ones.
    assert peak < max(16 * n_bytes, 256 * n_tokens)
