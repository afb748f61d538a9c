"""Memory: caches are bounded, and nothing in a file or an argument makes a large allocation."""

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
