"""Documents in: every format, every fault, bounded memory."""

import errno
import gzip
import json
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from merganser import _core, corpus
from merganser.errors import ConfigError, FormatError, MerganserError, MissingDependencyError, TextError


def write(path: Path, data: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def lines(*texts: str) -> bytes:
    return b"".join(json.dumps({"id": 1, "text": text}).encode() + b"\n" for text in texts)


def test_read_gives_the_same_documents_again(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", lines("one", "", "zwölf\n"))
    write(tmp_path / "b.txt", "whole\r\nfile")
    documents = corpus.read(tmp_path / "*")
    assert list(documents) == ["one", "", "zwölf\n", "whole\r\nfile"]
    assert list(documents) == ["one", "", "zwölf\n", "whole\r\nfile"]
    assert documents.n_documents_read == 4
    assert documents.total_bytes == documents.n_bytes_read > 0
    assert list(pickle.loads(pickle.dumps(documents))) == list(documents)
    assert "2 files" in repr(documents)


@pytest.mark.parametrize("suffix", [".jsonl", ".ndjson", ".json-lines", ".JSONL", ".jsonl.gz", ".jsonl.zst"])
def test_read_tells_json_lines_by_suffix(tmp_path: Path, suffix: str) -> None:
    data = lines("one", "two")
    packed = {".gz": gzip.compress, ".zst": zstandard.compress}.get(Path(suffix).suffix, bytes)(data)
    path = write(tmp_path / f"a{suffix}", packed)
    documents = corpus.read(path)
    assert list(documents) == ["one", "two"]
    assert documents.n_bytes_read == documents.total_bytes == len(packed)


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.py", "a", "a.json"])
def test_read_takes_other_suffixes_as_text(tmp_path: Path, name: str) -> None:
    assert list(corpus.read(write(tmp_path / name, '{"x": 1}'))) == ['{"x": 1}']


def test_read_format_overrides_the_suffix(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json.gz", gzip.compress(lines("one")))
    assert list(corpus.read(path, format="jsonl")) == ["one"]
    path = write(tmp_path / "a.parquet", "no table")
    assert list(corpus.read(path, format="text")) == ["no table"]


@pytest.mark.parametrize(
    ("content", "documents"),
    [
        ("", []),
        ("a", ["a"]),
        ("a<|end|>\n", ["a"]),
        ("a<|end|>\n<|end|>\nb", ["a", "", "b"]),
        ("<|end|>\n", [""]),
        ("a<|end|>b", ["a<|end|>b"]),
    ],
)
def test_read_splits_text_on_a_separator(tmp_path: Path, content: str, documents: list[str]) -> None:
    path = write(tmp_path / "a.txt", content)
    assert list(corpus.read(path, separator="<|end|>\n")) == documents


def test_read_takes_an_empty_file_as_an_empty_document(tmp_path: Path) -> None:
    assert list(corpus.read(write(tmp_path / "a.txt", ""))) == [""]
    assert list(corpus.read(write(tmp_path / "a.jsonl", ""))) == []


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30)), max_bytes=st.integers(1, 300))
def test_batches_together_match_what_was_written(tmp_path: Path, texts: list[str], max_bytes: int) -> None:
    path = write(tmp_path / "a.jsonl", lines(*texts))
    batches = list(corpus.read(path).batches(max_bytes))
    assert all(batches)
    assert sum(batches, []) == texts


def test_read_sorts_and_reads_each_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("b.txt", "a.txt", "deep/er/c.txt"):
        write(tmp_path / name, name)
    monkeypatch.chdir(tmp_path)
    documents = corpus.read("b.txt", "**/*.txt", "./a.txt", tmp_path / "a.txt")
    assert sorted(documents) == ["a.txt", "b.txt", "deep/er/c.txt"]
    assert len(documents.paths) == 3
    assert corpus.read("*.txt").paths == ("a.txt", "b.txt")


def test_read_prefers_a_file_that_is_spelled_like_a_glob(tmp_path: Path) -> None:
    path = write(tmp_path / "a[1].txt", "brackets")
    assert list(corpus.read(path)) == ["brackets"]


def test_read_names_what_matches_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no file matches the pattern.*\*\.txt"):
        corpus.read(tmp_path / "*.txt")
    with pytest.raises(FileNotFoundError) as caught:
        corpus.read(tmp_path / "a.txt")
    assert caught.value.filename == str(tmp_path / "a.txt")
    with pytest.raises(IsADirectoryError):
        corpus.read(tmp_path)


@pytest.mark.parametrize(
    "options", [{"separator": ""}, {"format": "csv"}, {"errors": "ignore"}, {"format": "parquet", "patterns": ["-"]}]
)
def test_read_refuses_senseless_options(tmp_path: Path, options: dict) -> None:
    patterns = options.pop("patterns", [write(tmp_path / "a.txt", "")])
    with pytest.raises(ConfigError):
        corpus.read(*patterns, **options)
    with pytest.raises(ConfigError):
        corpus.read()


def test_a_file_that_vanished_raises_file_not_found(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "a")
    documents = corpus.read(path)
    path.unlink()
    with pytest.raises(FileNotFoundError) as caught:
        list(documents)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOENT, str(path))


def test_core_raises_the_subclass_of_os_error(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        _core.DocumentReader(tmp_path, "text", "text", None, "strict").next_batch(1)
    with pytest.raises(NotADirectoryError):
        _core.DocumentReader(write(tmp_path / "a", "") / "b", "text", "text", None, "strict")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"txt": "a"}', 'line 2, byte 14: field "text" is missing'),
        (b'{"text": null}', 'field "text" must be a string, got null'),
        (b'{"text": 5}', "must be a string, got a number"),
        (b'{"text": "a"', "line 2, byte 25: invalid JSON: EOF"),
        (b"[]", "invalid JSON"),
        (b"NaN", "invalid JSON"),
        (b'{"text": "\\ud800"}', "lone surrogate"),
    ],
)
def test_json_lines_faults_say_where(tmp_path: Path, line: bytes, message: str) -> None:
    path = write(tmp_path / "a.jsonl", b'{"text": "a"}\n' + line + b"\n")
    iterator = iter(corpus.read(path))
    assert next(iterator) == "a"
    with pytest.raises(FormatError) as caught:
        next(iterator)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_json_lines_text_field_and_equal_keys(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '\ufeff{"body": 1, "x": {"body": "no"}, "body": "last"}\n\n')
    assert list(corpus.read(path, text_field="body")) == ["last"]


@pytest.mark.parametrize(("name", "line"), [("a.txt", ""), ("a.jsonl", ", line 1")])
def test_invalid_utf8_gives_the_byte_offset(tmp_path: Path, name: str, line: str) -> None:
    data = b'{"text": "ab\xff\xe2\x82c"}'
    path = write(tmp_path / name, data)
    with pytest.raises(TextError, match=f"{name}{line}: invalid UTF-8 at byte 12; pass errors=") as caught:
        list(corpus.read(path))
    assert isinstance(caught.value, ValueError)
    documents = corpus.read(path, errors="replace")
    text = data.decode(errors="replace")
    assert list(documents) == [text if name == "a.txt" else json.loads(text)["text"]]
    assert documents.n_replaced == 2


def test_a_byte_order_mark_is_text_in_text(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "\ufeffa")
    assert list(corpus.read(path)) == ["\ufeffa"] == [path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_truncated_compression_is_an_error(tmp_path: Path, suffix: str) -> None:
    data = os.urandom(200_000).hex().encode()
    packed = gzip.compress(data) if suffix == ".gz" else zstandard.compress(data)
    for n_kept in (0, 3, 20, len(packed) // 2, len(packed) - 1):
        path = write(tmp_path / f"a.txt{suffix}", packed[:n_kept])
        with pytest.raises(FormatError, match=rf"{suffix}: (ends before its data does|is empty)"):
            list(corpus.read(path, separator="0"))
    write(path, packed + packed)
    assert list(corpus.read(path)) == [(data + data).decode()]


def test_parquet_is_read_like_the_rest(tmp_path: Path) -> None:
    texts = ["one", "", "zwölf", *map(str, range(1000))]
    for number, kind in enumerate([pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]):
        table = pa.table({"id": range(len(texts)), "text": pa.array(texts).cast(kind)})
        path = tmp_path / f"{number}.parquet"
        pq.write_table(table, path, row_group_size=300)
        documents = corpus.read(path)
        assert list(documents) == texts
        assert sum(documents.batches(1000), []) == texts
        assert documents.n_documents_read == len(texts)
        assert documents.n_bytes_read == documents.total_bytes == path.stat().st_size


def test_parquet_faults_say_where(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a", None], "n": [1, 2]}), path)
    iterator = iter(corpus.read(path))
    assert next(iterator) == "a"
    with pytest.raises(FormatError, match=r"a\.parquet, row 1: 'text' is null"):
        next(iterator)
    with pytest.raises(FormatError, match="column 'body' is missing; there are 'text', 'n'"):
        list(corpus.read(path, text_field="body"))
    with pytest.raises(FormatError, match="column 'n' must hold strings, got int64"):
        list(corpus.read(path, text_field="n"))
    data = path.read_bytes()
    for damaged in (b"", b"PAR1", data[:-20], b"x" * 100):
        with pytest.raises(FormatError):
            list(corpus.read(write(path, damaged)))


def test_parquet_with_invalid_utf8(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": pa.array([b"a", b"b\xff\xef\xbf\xbd"], pa.binary())}), path)
    with pytest.raises(TextError, match="row 1: invalid UTF-8 at byte 1"):
        list(corpus.read(path))
    documents = corpus.read(path, errors="replace")
    assert list(documents) == ["a", "b\ufffd\ufffd"]
    assert documents.n_replaced == 1


def test_parquet_without_pyarrow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'merganser\[corpus\]'"):
        list(corpus.read(write(tmp_path / "a.parquet", "")))


def run(code: str, stdin: bytes = b"") -> subprocess.CompletedProcess:
    code = "import merganser.corpus as corpus, sys, signal, os, threading, time\n" + code
    return subprocess.run([sys.executable, "-c", code], input=stdin, capture_output=True, timeout=60, check=False)


def test_standard_input_is_read_once() -> None:
    done = run(
        "d = corpus.read('-', separator='\\n')\nprint(list(d), d.total_bytes, d.n_bytes_read)\nlist(d)\n",
        stdin=b"one\ntwo",
    )
    assert done.stdout == b"['one', 'two'] None 7\n"
    assert b"ConfigError: standard input can be read only once" in done.stderr
    done = run("print(list(corpus.read('-', format='jsonl')))", stdin=lines("a"))
    assert done.stdout == b"['a']\n"


def test_control_c_breaks_a_read_that_waits() -> None:
    code = (
        "threading.Timer(0.5, lambda: (times.append(time.monotonic()), os.kill(os.getpid(), signal.SIGINT))).start()\n"
        "times = []\n"
        "try: list(corpus.read('-'))\n"
        "except KeyboardInterrupt: print(time.monotonic() - times[0] < 0.2)\n"
    )
    # A process that was started in the background ignores the signal unless told otherwise.
    code = "signal.signal(signal.SIGINT, signal.default_int_handler)\n" + code
    code = "import merganser.corpus as corpus, signal, os, threading, time\n" + code
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.read() == b"True\n"
    finally:
        process.kill()
        process.communicate()


def test_a_pipe_has_no_size(tmp_path: Path) -> None:
    path = tmp_path / "pipe.jsonl"
    os.mkfifo(path)
    thread = threading.Thread(target=lambda: path.write_bytes(lines("a", "b")))
    thread.start()
    documents = corpus.read(path)
    assert list(documents) == ["a", "b"]
    assert documents.total_bytes is None
    thread.join()


def test_passes_are_independent(tmp_path: Path) -> None:
    documents = corpus.read(write(tmp_path / "a.txt", "1 2 3"), separator=" ")
    assert [(a, b) for a, b in zip(documents, documents, strict=True)] == [("1", "1"), ("2", "2"), ("3", "3")]


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """300 MB of JSON lines, compressed to little, need less than 200 MiB, the interpreter with numpy included."""
    line = json.dumps({"text": "word " * 2000}).encode() + b"\n"
    path = tmp_path / "a.jsonl.zst"
    with zstandard.open(path, "wb") as file:
        for _ in range(600):
            file.write(line * 50)
    code = (
        f"d = corpus.read({str(path)!r})\n"
        "n = sum(map(len, d))\n"
        # Not `ru_maxrss`, which starts from what the process that tests has taken.
        "peak = next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1]\n"
        "print(n, int(peak) // 1024)\n"
    )
    done = run(code)
    n_characters, peak = map(int, done.stdout.split())
    assert n_characters == 600 * 50 * 10_000
    assert peak < 200, f"{peak} MiB"


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=60), name=st.sampled_from(["a.jsonl", "a.txt", "a.txt.gz", "a.jsonl.zst", "a.parquet"]))
def test_any_bytes_give_documents_or_an_error_of_ours(tmp_path: Path, data: bytes, name: str) -> None:
    path = write(tmp_path / name, data)
    for errors in ("strict", "replace"):
        try:
            assert all(isinstance(text, str) for text in corpus.read(path, errors=errors))
        except MerganserError:
            pass
