"""Shards out: what is written is read back, and whatever happens on the way leaves a complete corpus or none."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import merganser as mg
from merganser import corpus
from merganser.errors import ConfigError, DisallowedSpecialError, ShardError, TextError

END = 256


@dataclass
class Ragged:
    ids: Any
    offsets: Any


class ByteTokenizer:
    """A token a byte; the text of the special token is refused, as a tokenizer refuses it."""

    vocab_size = 257
    fingerprint = "f" * 64

    def to_json(self) -> str:
        return '{"model": "bytes"}'

    def encode_batch(
        self, texts: Any, *, add_special_tokens: Any, on_special: Any, dtype: Any, n_threads: Any
    ) -> Ragged:
        ids: list[int] = []
        offsets = [0]
        for index, text in enumerate(texts):
            data = text if isinstance(text, bytes) else text.encode()
            if on_special == "raise" and b"<|end|>" in data:
                raise DisallowedSpecialError(f"text {index}: text contains the special token at byte 0")
            ids += data
            offsets.append(len(ids))
        return Ragged(np.array(ids, dtype=dtype), np.array(offsets, dtype=np.int64))


TOKENIZER = ByteTokenizer()
TEXTS = ["one", "", "zwölf", "", "x" * 40, "", "y"]


def naive_shards(lengths: list[int], shard_tokens: int) -> list[list[int]]:
    """Put a document into the open shard if it fits or the shard has no tokens yet."""
    shards: list[list[int]] = []
    for length in lengths:
        if not shards or (sum(shards[-1]) and sum(shards[-1]) + length > shard_tokens):
            shards.append([])
        shards[-1].append(length)
    return shards


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_encode_gives_back_what_went_in(tmp_path: Path) -> None:
    manifest = corpus.encode(TEXTS, TOKENIZER, tmp_path / "out", shard_tokens=10, append_id=np.int64(END))
    shards = corpus.open(tmp_path / "out", verify=True)
    assert shards.manifest == manifest
    assert len(shards) == len(TEXTS)
    assert [ids.tolist() for ids in shards] == [[*text.encode(), END] for text in TEXTS]
    assert shards[-1].tolist() == [ord("y"), END]
    assert shards[2].dtype == np.uint16
    assert not shards[2].flags.writeable
    assert (manifest.n_documents, manifest.n_bytes, manifest.max_id) == (7, sum(len(t.encode()) for t in TEXTS), END)
    assert shards.n_tokens == manifest.n_bytes + 7
    with pytest.raises(IndexError, match="document 7 is out of range: there are 7"):
        shards[7]
    assert "7 documents" in repr(shards)
    assert [ids.tolist() for ids in pickle.loads(pickle.dumps(shards))] == [ids.tolist() for ids in shards]
    assert shards.tokenizer_path.read_text() == TOKENIZER.to_json()


def test_files_are_raw_little_endian_ids_and_int64_ends(tmp_path: Path) -> None:
    corpus.encode(["ab", "", "c"], TOKENIZER, tmp_path, dtype="uint32")
    assert sorted(files(tmp_path)) == ["manifest.json", "shard-00000.bin", "shard-00000.idx", "tokenizer.json"]
    data = (tmp_path / "shard-00000.bin").read_bytes()
    assert data == b"a\0\0\0b\0\0\0c\0\0\0"
    assert np.fromfile(tmp_path / "shard-00000.idx", "<i8").tolist() == [2, 2, 3]
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["shards"][0]["ids"]["sha256"] == hashlib.sha256(data).hexdigest()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.text("abé", max_size=12), max_size=20),
    shard_tokens=st.integers(1, 30),
    append_id=st.sampled_from([None, END]),
    batch_bytes=st.integers(1, 300),
    data=st.data(),
)
def test_shards_match_naive(
    tmp_path: Path, texts: list[str], shard_tokens: int, append_id: int | None, batch_bytes: int, data: st.DataObject
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("merganser.corpus.shards.BATCH_BYTES", batch_bytes)
        patch.setattr(os, "fsync", lambda _: None)
        manifest = corpus.encode(
            texts, TOKENIZER, tmp_path / "out", shard_tokens=shard_tokens, append_id=append_id, overwrite=True
        )
    rows = [list(text.encode()) + ([END] if append_id else []) for text in texts]
    shards = corpus.open(tmp_path / "out", verify=True)
    assert [ids.tolist() for ids in shards] == rows
    expected = naive_shards(list(map(len, rows)), shard_tokens)
    assert [(s.n_documents, s.n_tokens) for s in manifest.shards] == [(len(s), sum(s)) for s in expected]
    flat = sum(rows, [])
    start = data.draw(st.integers(0, len(flat)))
    stop = data.draw(st.integers(start, len(flat)))
    assert shards.tokens(start, stop).tolist() == flat[start:stop]
    with pytest.raises(ConfigError):
        shards.tokens(0, len(flat) + 1)


def test_an_empty_corpus_is_a_corpus(tmp_path: Path) -> None:
    corpus.encode([], TOKENIZER, tmp_path / "a")
    shards = corpus.open(tmp_path / "a", verify=True)
    assert (len(shards), shards.n_tokens, shards.tokens(0, 0).size) == (0, 0, 0)
    corpus.encode(["", ""], TOKENIZER, tmp_path / "b")
    assert [ids.tolist() for ids in corpus.open(tmp_path / "b", verify=True)] == [[], []]


def test_encode_reads_documents_and_reports_progress(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    documents = corpus.read(path)
    reports: list[tuple] = []
    corpus.encode(documents, TOKENIZER, tmp_path / "out", progress=lambda *report: reports.append(report))
    assert reports == [(path.stat().st_size, path.stat().st_size, "encode")]
    assert len(corpus.open(tmp_path / "out")) == len(TEXTS)
    corpus.encode([b"bytes", "str"], TOKENIZER, tmp_path / "bytes", progress=True)


def test_an_error_names_file_and_document_and_leaves_nothing(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text("x-y-<|end|>" if name == "b" else "x-y")
    with pytest.raises(DisallowedSpecialError, match=r"b\.txt, document 2: text contains the special token at byte 0$"):
        corpus.encode(corpus.read(tmp_path / "*.txt", separator="-"), TOKENIZER, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(DisallowedSpecialError, match="documents, document 1: text"):
        corpus.encode(["a", "<|end|>"], TOKENIZER, tmp_path / "out")
    (tmp_path / "c.txt").write_bytes(b"\xff")
    with pytest.raises(TextError, match=r"c\.txt: invalid UTF-8 at byte 0"):
        corpus.encode(corpus.read(tmp_path / "c.txt"), TOKENIZER, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_real_tokenizer_encodes_and_its_errors_name_the_document(tmp_path: Path) -> None:
    tokenizer = mg.train_bpe(TEXTS, vocab_size=260, special_tokens=["<|end|>"])
    end = tokenizer.special_tokens["<|end|>"]
    corpus.encode(TEXTS, tokenizer, tmp_path / "out", append_id=end)
    shards = corpus.open(tmp_path / "out", verify=True)
    shards.check_tokenizer(tokenizer)
    assert mg.Tokenizer.load(shards.tokenizer_path) == tokenizer
    assert [tokenizer.decode(ids[:-1]) for ids in shards] == TEXTS
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in ["a", "b", "c<|end|>"]))
    with pytest.raises(DisallowedSpecialError, match=r"a\.jsonl, document 2: text contains .* at byte 1"):
        corpus.encode(corpus.read(path), tokenizer, tmp_path / "other")
    with pytest.raises(TextError, match="documents, document 1: lone surrogate"):
        corpus.encode(["a", "\ud800"], tokenizer, tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    "options",
    [
        {"dtype": "int64"},
        {"dtype": "bogus"},
        {"shard_tokens": 0},
        {"append_id": 257},
        {"append_id": -1},
        {"on_special": "ignore"},
    ],
)
def test_encode_refuses_senseless_options(tmp_path: Path, options: dict) -> None:
    with pytest.raises(ConfigError):
        corpus.encode([], TOKENIZER, tmp_path / "out", **options)
    big = ByteTokenizer()
    big.vocab_size = 65537
    with pytest.raises(ConfigError, match="dtype uint16 cannot hold vocab_size 65537"):
        corpus.encode([], big, tmp_path / "out", dtype="uint16")
    with pytest.raises(TypeError, match="got one str"):
        corpus.encode("text", TOKENIZER, tmp_path / "out")
    with pytest.raises(TypeError, match="document 1 must be str or bytes, got int"):
        corpus.encode(["a", 1], TOKENIZER, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_dtype_follows_the_vocabulary(tmp_path: Path) -> None:
    big = ByteTokenizer()
    for vocab_size, dtype in ((65536, "uint16"), (65537, "uint32")):
        big.vocab_size = vocab_size
        assert corpus.encode(["a"], big, tmp_path / dtype).dtype == dtype


def interrupted(error: BaseException) -> Any:
    yield "a" * 100
    raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("of the user's"), ZeroDivisionError()])
@pytest.mark.parametrize("has_old", [False, True])
def test_an_error_keeps_what_was_there(tmp_path: Path, error: BaseException, has_old: bool) -> None:
    if has_old:
        corpus.encode(TEXTS, TOKENIZER, tmp_path)
    before = files(tmp_path)
    with pytest.raises(type(error)) as caught:
        corpus.encode(interrupted(error), TOKENIZER, tmp_path, shard_tokens=1, overwrite=True)
    assert caught.value is error
    assert files(tmp_path) == before
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []


def test_overwrite_replaces_the_corpus_and_nothing_else(tmp_path: Path) -> None:
    corpus.encode(TEXTS, TOKENIZER, tmp_path, shard_tokens=1)
    (tmp_path / "notes.md").write_text("mine")
    first = files(tmp_path)
    with pytest.raises(FileExistsError, match="holds a corpus; pass overwrite=True"):
        corpus.encode(["new"], TOKENIZER, tmp_path)
    assert files(tmp_path) == first
    for text in ("new", "newer", "newest"):
        corpus.encode([text], TOKENIZER, tmp_path, overwrite=True)
        assert [ids.tolist() for ids in corpus.open(tmp_path, verify=True)] == [list(text.encode())]
        assert len(files(tmp_path)) == 5
    assert (tmp_path / "notes.md").read_text() == "mine"


def test_a_manifest_of_something_else_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(ShardError, match="not one of a corpus, and so is not replaced"):
        corpus.encode(["a"], TOKENIZER, tmp_path, overwrite=True)
    assert list(files(tmp_path)) == ["manifest.json"]


def failing(function: Any, calls: list[int], error: BaseException, n_steps: int) -> Any:
    """Make a function raise at step `n_steps` of all the functions that count in `calls`."""

    def call(*args: Any) -> Any:
        calls[0] += 1
        if calls[0] == n_steps + 1:
            raise error
        return function(*args)

    return call


@pytest.mark.parametrize("has_old", [False, True])
def test_an_error_in_any_step_leaves_old_or_new(tmp_path: Path, has_old: bool) -> None:
    """Every fsync and rename of a run fails once, with a full disk and with Ctrl-C."""
    n_steps = 0
    while True:
        for error in (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), KeyboardInterrupt()):
            out = tmp_path / f"{n_steps}-{type(error).__name__}"
            if has_old:
                corpus.encode(TEXTS, TOKENIZER, out)
            calls = [0]

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(os, "fsync", failing(os.fsync, calls, error, n_steps))
                patch.setattr(os, "replace", failing(os.replace, calls, error, n_steps))
                try:
                    corpus.encode(["new"], TOKENIZER, out, overwrite=has_old)
                    is_done = True
                except (OSError, KeyboardInterrupt):
                    is_done = False
            try:
                found = [ids.tolist() for ids in corpus.open(out, verify=True)]
            except (ShardError, FileNotFoundError):
                assert not has_old
                assert not out.exists() or files(out) == {}
            else:
                new, old = [list(b"new")], [list(text.encode()) for text in TEXTS]
                assert found in ([new, old] if has_old else [new])
                assert found == new or not is_done
                assert not any(name.endswith(".tmp") for name in files(out))
        if is_done:
            break
        n_steps += 1
    assert n_steps >= 8


def test_disk_full_says_which_file_and_keeps_the_old(tmp_path: Path) -> None:
    """RLIMIT_FSIZE stands for a full disk: a real failing write, in a process of its own."""
    corpus.encode(["old"], TOKENIZER, tmp_path / "out")
    before = files(tmp_path / "out")
    code = """
        import resource, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        try:
            corpus.encode(("x" * 1000 for _ in range(30_000)), TOKENIZER, out, overwrite=True)
        except OSError as error:
            print(error.errno, error.filename)
    """
    done = run(code, tmp_path / "out")
    assert done.stdout.split()[0] == str(errno.EFBIG), done.stderr
    assert done.stdout.rstrip().endswith("shard-00000.bin")
    assert files(tmp_path / "out") == before


def script(code: str, out: Path) -> list[str]:
    head = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
    head += f"from {Path(__file__).stem} import *\nout = {str(out)!r}\n"
    return [sys.executable, "-c", head + textwrap.dedent(code)]


def run(code: str, out: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(script(code, out), capture_output=True, text=True, timeout=60, check=False)


def wait_for_a_shard(out: Path, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 30
    while not list(out.glob(".encoding-*/*shard-00003.bin")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)


ENDLESS = """
    import itertools
    try:
        endless = ("x" * 100_000 for _ in itertools.count())
        corpus.encode(endless, TOKENIZER, out, shard_tokens=5_000_000, overwrite=True)
    except KeyboardInterrupt:
        print("stopped")
"""


@pytest.mark.parametrize("has_old", [False, True])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_leaves_nothing_that_looks_complete(tmp_path: Path, number: signal.Signals, has_old: bool) -> None:
    if has_old:
        corpus.encode(["old"], TOKENIZER, tmp_path)
    before = files(tmp_path)
    process = subprocess.Popen(script(ENDLESS, tmp_path), stdout=subprocess.PIPE)
    wait_for_a_shard(tmp_path, process)
    with pytest.raises(BlockingIOError, match="another run is encoding into this folder"):
        corpus.encode(["b"], TOKENIZER, tmp_path, overwrite=True)
    process.send_signal(number)
    output, _ = process.communicate(timeout=30)
    left = {name: data for name, data in files(tmp_path).items() if not name.startswith(".encoding-")}
    assert left == before
    if number == signal.SIGINT:
        assert output == b"stopped\n"
        assert files(tmp_path) == before
    if not has_old:
        with pytest.raises(ShardError, match="incomplete corpus: it has no manifest"):
            corpus.open(tmp_path)
    corpus.encode(["new"], TOKENIZER, tmp_path, overwrite=has_old)
    assert corpus.open(tmp_path, verify=True)[0].tolist() == list(b"new")
    assert len(files(tmp_path)) == 4


KILLED_IN_A_STEP = """
    def run_until(step, folder):
        calls = 0
        def dying(function):
            def call(*arguments):
                nonlocal calls
                calls += 1
                if calls > step:
                    os.kill(os.getpid(), signal.SIGKILL)
                return function(*arguments)
            return call
        os.fsync, os.replace = dying(os.fsync), dying(os.replace)
        corpus.encode(["new"], TOKENIZER, folder, overwrite=True)
        os._exit(0)

    for step in range(100):
        corpus.encode(TEXTS, TOKENIZER, f"{out}/{step}")
        child = os.fork()
        if child == 0:
            run_until(step, f"{out}/{step}")
        if os.waitpid(child, 0)[1] == 0:
            break
"""


def test_a_run_killed_in_any_step_leaves_old_or_new(tmp_path: Path) -> None:
    done = run(KILLED_IN_A_STEP, tmp_path)
    assert done.returncode == 0, done.stderr
    new, old = [list(b"new")], [list(text.encode()) for text in TEXTS]
    found = [
        [ids.tolist() for ids in corpus.open(tmp_path / str(step), verify=True)]
        for step in range(len(list(tmp_path.iterdir())))
    ]
    assert len(found) >= 9
    n_old = found.count(old)
    assert found == [old] * n_old + [new] * (len(found) - n_old)
    for folder in tmp_path.iterdir():
        corpus.encode(["newest"], TOKENIZER, folder, overwrite=True)
        assert corpus.open(folder, verify=True)[0].tolist() == list(b"newest")
        assert len(files(folder)) == 4


def test_stray_shards_are_not_replaced_unasked(tmp_path: Path) -> None:
    (tmp_path / "shard-00007.bin").write_bytes(b"whose?")
    with pytest.raises(FileExistsError, match=r"holds shard-00007\.bin but no manifest\.json"):
        corpus.encode(["a"], TOKENIZER, tmp_path)
    corpus.encode(["a"], TOKENIZER, tmp_path, overwrite=True)
    assert len(files(tmp_path)) == 4


def test_open_tells_what_is_wrong_with_files(tmp_path: Path) -> None:
    corpus.encode(TEXTS, TOKENIZER, tmp_path)
    path = tmp_path / "shard-00000.bin"
    data = path.read_bytes()
    path.write_bytes(data[:-12])
    with pytest.raises(ShardError, match=r"shard-00000\.bin: 12 bytes missing"):
        corpus.open(tmp_path)
    path.write_bytes(data + b"1234")
    with pytest.raises(ShardError, match=r"shard-00000\.bin: 4 bytes too many"):
        corpus.open(tmp_path)
    path.write_bytes(b"?" + data[1:])
    corpus.open(tmp_path)
    with pytest.raises(ShardError, match=r"shard-00000\.bin: its bytes are not those that were written"):
        corpus.open(tmp_path, verify=True)
    path.unlink()
    with pytest.raises(ShardError, match=r"shard-00000\.bin: the file is missing"):
        corpus.open(tmp_path)
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(ShardError, match="incomplete corpus"):
        corpus.open(tmp_path)
    with pytest.raises(FileNotFoundError):
        corpus.open(tmp_path / "nowhere")


def test_damaged_ends_raise_instead_of_giving_other_ids(tmp_path: Path) -> None:
    corpus.encode(["ab", "cd"], TOKENIZER, tmp_path)
    np.array([-1, 4], "<i8").tofile(tmp_path / "shard-00000.idx")
    shards = corpus.open(tmp_path)
    with pytest.raises(ShardError, match=r"shard-00000\.idx: document 0 is damaged"):
        shards[0]
    np.array([2**60, 4], "<i8").tofile(tmp_path / "shard-00000.idx")
    with pytest.raises(ShardError, match="is damaged"):
        corpus.open(tmp_path)[1]


def test_check_tokenizer_refuses_another(tmp_path: Path) -> None:
    corpus.encode(["a"], TOKENIZER, tmp_path)
    shards = corpus.open(tmp_path)
    shards.check_tokenizer(TOKENIZER)
    other = ByteTokenizer()
    other.fingerprint = "0" * 64
    with pytest.raises(ShardError, match=r"was encoded by tokenizer f{12}\.\.\., not by 0{12}"):
        shards.check_tokenizer(other)


def test_manifest_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    for name in ("a", "b"):
        corpus.encode(TEXTS, TOKENIZER, tmp_path / name)
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_nothing_is_left_open_or_locked(tmp_path: Path) -> None:
    n_open = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    with pytest.raises(KeyboardInterrupt):
        corpus.encode(interrupted(KeyboardInterrupt()), TOKENIZER, tmp_path)
    corpus.encode(["a"], TOKENIZER, tmp_path)
    if n_open:
        assert len(os.listdir("/proc/self/fd")) == n_open
