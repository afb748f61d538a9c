"""The command line: what it writes and prints, and what it says of wrong input. Slow imports: few real processes."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import merganser as mg
from merganser import cli, demo
from merganser.errors import ConfigError, ShardError
from merganser.inspection import inspect_text, visible
from merganser.training import methods

TEXT = "low lower lowest\nnew newer newest\n" * 20
RUNNER = CliRunner(env={"NO_COLOR": "1", "COLUMNS": "100", "TERM": "dumb"})


def run(*arguments: object, stdin: bytes | None = None) -> Any:
    result = RUNNER.invoke(cli.app, [str(argument) for argument in arguments], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def run_process(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "merganser", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)


def assert_error(result: Any, *words: str) -> None:
    assert result.exit_code == 1, result.output
    assert result.stderr.startswith("error: ")
    assert "Traceback" not in result.output
    for word in words:
        assert word in result.stderr


@pytest.fixture
def text_path(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return path


@pytest.fixture(scope="module")
def tokenizer_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    mg.train_bpe([TEXT], vocab_size=265, special_tokens=["<|end|>"], pre_tokenizer="gpt2").save(path)
    return path


def test_train_writes_what_the_library_trains(text_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    options = ["--method", "bpe", "--vocab-size", 264, "--pre-tokenizer", "gpt2", "--min-frequency", 2, "--threads", 1]
    specials = ["--special-token", "<a>", "--special-token", "<b>"]
    result = run("train", *options, *specials, "--max-token-length", 4, "--normalizer", "nfc", "--out", out, text_path)
    assert result.exit_code == 0, result.output
    assert "trained bpe on 1 document in " in result.stdout
    assert ": 264 tokens, 2 of them special\n" in result.stdout
    assert f"wrote {out}\n" in result.stdout
    expected = mg.train_bpe(
        [TEXT],
        vocab_size=264,
        pre_tokenizer="gpt2",
        normalizer="nfc",
        min_frequency=2,
        special_tokens=["<a>", "<b>"],
        max_token_length=4,
    )
    assert mg.Tokenizer.load(out) == expected


def test_train_has_a_method_of_each_kind(text_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    options = ["--vocab-size", 500, "--allow-smaller", "--out", out]
    result = run("train", "--method", "unigram", "--byte-fallback", "--max-token-length", 5, *options, text_path)
    assert result.exit_code == 0, result.output
    expected = mg.train_unigram([TEXT], vocab_size=500, byte_fallback=True, max_piece_length=5, allow_smaller=True)
    assert mg.Tokenizer.load(out) == expected
    assert run("train", "--method", "wordpiece", *options, text_path).exit_code == 0
    assert mg.Tokenizer.load(out) == mg.train_wordpiece([TEXT], vocab_size=500, allow_smaller=True)
    assert_error(run("train", "--method", "unigram", "--min-frequency", 2, *options, text_path), "--min-frequency")
    assert_error(
        run("train", "--byte-fallback", *options, text_path), "--byte-fallback is not an option of --method bpe"
    )


def test_train_takes_superwords(text_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    options = ["--vocab-size", 290, "--superwords", 265, "--allow-smaller", "--out", out]
    assert run("train", *options, text_path).exit_code == 0
    expected = mg.train_bpe([TEXT], vocab_size=290, superwords=mg.Superwords(start=265), allow_smaller=True)
    assert mg.Tokenizer.load(out) == expected
    assert_error(run("train", *options, "-"), "standard input and pipes give them once")
    # The format is checked first, with as much room as they need.
    many = ["--vocab-size", 80_000, "--superwords", 70_000, "--allow-smaller", "--out", out]
    assert run("train", *many, text_path).exit_code == 0
    assert 256 < mg.Tokenizer.load(out).n_tokens < 400
    assert_error(run("train", "--method", "unigram", *options, text_path), "--superwords is not an option of --method")


def test_the_format_is_checked_on_a_text_besides_special_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Any] = []
    monkeypatch.setattr(methods.files, "data_of", lambda inner, *_: tried.append(inner))
    for specials in (["[UNK]"], ["[UNK]", "a"], ["[UNK]", *"abcdefghijklmnopqrstuvwxyz"]):
        methods.check_format("wordpiece", {"special_token": specials}, tmp_path / "out.json")
        assert tried.pop().n_tokens == len(specials) + 1


def test_train_reads_json_lines_separators_and_standard_input(text_path: Path, tmp_path: Path) -> None:
    lines = tmp_path / "a.jsonl"
    lines.write_text('{"body": "aaaa"}\n{"body": "bb"}\n')
    out = tmp_path / "out.json"
    assert run("train", "--vocab-size", 257, "--out", out, "--text-field", "body", lines).exit_code == 0
    result = run("train", "--vocab-size", 257, "--out", out, "--separator", "lowest\n", text_path)
    assert "on 21 documents" in result.stdout
    result = run_process("train", "--vocab-size", 257, "--out", out, "-", input="aaaa")
    assert result.returncode == 0, result.stderr
    assert mg.Tokenizer.load(out).token_bytes(256) == b"aa"


def test_train_counts_what_it_replaced(tmp_path: Path) -> None:
    path = tmp_path / "bad.txt"
    path.write_bytes(b"aaaa\xff aaaa\xfe")
    out = tmp_path / "out.json"
    assert_error(run("train", "--vocab-size", 257, "--out", out, path), "bad.txt", "byte")
    assert not out.exists()
    result = run("train", "--vocab-size", 257, "--out", out, "--errors", "replace", path)
    assert "replaced 2 invalid sequences by U+FFFD\n" in result.stdout


def test_train_wrong_input(text_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    assert_error(run("train", "--out", out, tmp_path / "absent.txt"), "absent.txt: No such file or directory")
    assert_error(run("train", "--out", out, tmp_path / "*.nothing"), "no file matches the pattern")
    assert_error(run("train", "--out", out, "--vocab-size", 40_000, text_path), "40000", "--allow-smaller")
    assert_error(run("train", "--out", tmp_path / "no" / "out.json", text_path), "No such file or directory")
    assert run("train", "--out", out, "--vocab-size", 40_000, "--allow-smaller", text_path).exit_code == 0
    for usage in (["--vocab-size", "many"], ["--vocab-size", "0"], ["--method", "magic"], ["--unknown"]):
        result = run("train", "--out", out, *usage, text_path)
        assert result.exit_code == 2
        assert "Traceback" not in result.output


def test_train_allows_a_smaller_vocabulary(text_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    result = run("train", "--out", out, "--vocab-size", 40_000, "--allow-smaller", text_path)
    assert result.exit_code == 0
    assert mg.Tokenizer.load(out).n_tokens < 300


@pytest.mark.parametrize(
    ("name", "options", "problem"),
    [
        ("out.tiktoken", ["--method", "wordpiece"], "tiktoken"),
        ("out.tiktoken", ["--method", "unigram", "--byte-fallback"], "tiktoken"),
        ("out.model", ["--method", "wordpiece"], "SentencePiece"),
        ("vocab.txt", [], "vocab.txt"),
        ("vocab.json", ["--method", "unigram"], "merges.txt"),
        ("out.json", ["--method", "sentencepiece"], "tokenizer.json cannot say"),
        ("out.json", ["--method", "unigram", "--special-token", ""], "special_tokens"),
    ],
)
def test_train_refuses_at_once_what_cannot_be_saved(
    name: str, options: list[str], problem: str, text_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "train_by", lambda *_: pytest.fail("it was trained"))
    assert_error(run("train", "--out", tmp_path / name, *options, text_path), problem)
    assert [path.name for path in tmp_path.iterdir()] == ["text.txt"]


@pytest.mark.parametrize("method", ["bpe", "wordpiece", "unigram", "sentencepiece"])
def test_train_makes_a_folder_of_any_kind_only_with_its_file(method: str, text_path: Path, tmp_path: Path) -> None:
    result = run(
        "train", "--method", method, "--vocab-size", 300, "--allow-smaller", "--out", tmp_path / "a", text_path
    )
    assert result.exit_code == 0, result.output
    assert len(list((tmp_path / "a").iterdir())) == 1


def test_train_counts_in_the_memory_given(text_path: Path, tmp_path: Path) -> None:
    options = ["--vocab-size", 264, "--out", tmp_path / "out.json", text_path]
    for size in ("4G", "64m", "1.5 GiB", "8000000"):
        assert run("train", "--max-memory", size, "--spill-dir", tmp_path, *options).exit_code == 0
    assert_error(run("train", "--max-memory", "0", *options), "max_memory must be at least 1", "got 0")
    assert_error(run("train", "--max-memory", "100", *options), "--max-memory 100; with --min-count 21 those")
    result = run("train", "--max-memory", "100", "--min-count", 21, "--allow-smaller", *options)
    assert result.exit_code == 0, result.output
    assert_error(run("train", "--max-memory", "9" * 400 + "G", *options), "max_memory must be")
    for wrong in ("much", "", "-1", "4X", "1e9"):
        result = run("train", "--max-memory", wrong, *options)
        assert result.exit_code == 2
        assert "such as 512M or 4G" in " ".join(result.stderr.split())


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_train_tells_of_a_folder_without_permission(text_path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    assert_error(run("train", "--out", folder / "out.json", text_path), "closed: cannot be written to")


def test_encode_writes_shards_that_read_back(tokenizer_path: Path, tmp_path: Path) -> None:
    lines = tmp_path / "a.jsonl"
    texts = ["low newest", "", "naïve"]
    lines.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    out = tmp_path / "shards"
    options = ["--tokenizer", tokenizer_path, "--out", out, "--append", "<|end|>", "--dtype", "uint32"]
    result = run("encode", *options, "--shard-tokens", 5, lines)
    assert result.exit_code == 0, result.output
    assert "encoded 3 documents, 0.0 MB, into " in result.stdout
    shards = mg.corpus.open(out, verify=True)
    assert f"wrote {len(shards.manifest.shards)} shards of uint32 to {out}\n" in result.stdout
    tokenizer = mg.Tokenizer.load(tokenizer_path)
    assert [tokenizer.decode(ids) for ids in shards] == [f"{text}<|end|>" for text in texts]


def test_encode_wrong_input(tokenizer_path: Path, text_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    options = ["--tokenizer", tokenizer_path, "--out", out]
    assert_error(run("encode", *options, "--append", "<x>", text_path), "'<x>' is not a special token", "<|end|>")
    special = tmp_path / "special.txt"
    special.write_text("a<|end|>")
    assert_error(run("encode", *options, special), "special.txt, document 0", "byte 1", "--on-special encode")
    assert_error(run("encode", "--tokenizer", text_path, "--out", out, text_path), "text.txt: ")
    assert_error(run("encode", "--tokenizer", tmp_path / "no", "--out", out, text_path), "No such file or directory")
    assert not out.exists()
    assert run("encode", *options, "--on-special", "text", special).exit_code == 0
    assert_error(run("encode", *options, text_path), "holds a corpus; pass --overwrite to replace it")
    assert run("encode", *options, "--overwrite", text_path).exit_code == 0
    assert_error(run("encode", "--tokenizer", tokenizer_path, "--out", text_path, text_path), "text.txt: ")


def test_compare_prints_a_table_or_json(tokenizer_path: Path, text_path: Path, tmp_path: Path) -> None:
    ranks = tmp_path / "other"
    mg.train_bpe([TEXT], vocab_size=256, pre_tokenizer="gpt2").save(ranks)
    result = run("compare", tokenizer_path, ranks, "--text", text_path)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines[4:6]] == ["tokenizer", "other"]
    assert f"1 document, {len(TEXT)} bytes, 120 words" in result.stdout
    result = run("compare", tokenizer_path, ranks, "--text", text_path, "--json", "--separator", "\n", "--threads", 2)
    data = json.loads(result.stdout)
    assert (data["text"]["n_documents"], data["n_threads"]) == (40, 2)
    assert [row["name"] for row in data["tokenizers"]] == ["tokenizer", "other"]
    result = run_process("compare", ranks, "--text", "-", "--json", input="new")
    assert json.loads(result.stdout)["text"]["n_bytes"] == 3


def test_compare_wrong_input(tokenizer_path: Path, text_path: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.txt"
    empty.touch()
    assert_error(run("compare", tokenizer_path, "--text", empty), "the text is empty")
    assert_error(run("compare", text_path, "--text", text_path), "text.txt: ")
    assert_error(run("compare", tmp_path, "--text", text_path), "holds no tokenizer")
    assert_error(run("compare", tokenizer_path, "--text", tmp_path), "is a folder")
    assert run("compare", tokenizer_path).exit_code == 2


def test_inspect_shows_tokens(tokenizer_path: Path) -> None:
    result = run("inspect", tokenizer_path, "low ä\n\t")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[:2] == ["lo|w|·|<C3>|<A4>|↵", "|→"]
    assert "<C3>   c3" in result.stdout
    assert lines[-1] == "7 tokens, 8 bytes"
    assert "no tokens" in run("inspect", tokenizer_path, "").stdout


def test_inspect_of_a_long_text_shows_its_beginning(tokenizer_path: Path) -> None:
    shown = run("inspect", tokenizer_path, "-", stdin=b"\xc3\xa4" * 50_000).stdout
    assert "100,000 bytes; the first 2,000 are shown" in shown
    assert shown.count("\n") < 5_000


def test_inspect_json(tokenizer_path: Path) -> None:
    result = run("inspect", tokenizer_path, "--json", "--on-special", "encode", "-", stdin="ä<|end|>".encode())
    tokenizer = mg.Tokenizer.load(tokenizer_path)
    first, second = tokenizer.encode("ä")
    assert json.loads(result.stdout) == [
        {"id": first, "bytes": "c3", "text": None, "is_special": False},
        {"id": second, "bytes": "a4", "text": None, "is_special": False},
        {"id": 0, "bytes": b"<|end|>".hex(), "text": "<|end|>", "is_special": True},
    ]


def test_inspect_wrong_input(tokenizer_path: Path) -> None:
    assert_error(run("inspect", tokenizer_path, "a<|end|>"), '"<|end|>" at byte 1', "--on-special text")
    assert_error(run("inspect", tokenizer_path, "a\udcff"), "surrogate")
    assert_error(run("inspect", tokenizer_path, "-", stdin=b"a\xff"), "UTF-8")


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b" a\r\n", "·a␍↵"),
        ("日".encode()[:2], "<E6><97>"),
        ("é日".encode()[1:], "<A9>日"),
        (b"\x1b[2J\x00", "<1B>[2J<00>"),
        ("\u202e\u200b\xa0".encode(), "<E2><80><AE><E2><80><8B><C2><A0>"),
        (b"[bold]", "[bold]"),
    ],
)
def test_visible_hides_nothing(data: bytes, shown: str) -> None:
    assert visible(data) == shown


def test_inspected_tokens_hold_the_text(tokenizer_path: Path) -> None:
    tokens = inspect_text(mg.Tokenizer.load(tokenizer_path), TEXT)
    assert b"".join(token.data for token in tokens) == TEXT.encode()


@pytest.fixture
def small_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "run_demo", functools.partial(demo.run_demo, max_bytes=300_000))


@pytest.mark.usefixtures("small_demo")
def test_demo_makes_checks_and_lists_its_files(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    result = run("demo", "--out", out, "--vocab-size", 300, "--threads", 1)
    assert result.exit_code == 0, result.output
    for name in ("bytes", "gpt2", "cl100k", "o200k"):
        assert mg.Tokenizer.load(out / "tokenizers" / f"{name}.json").vocab_size == (257 if name == "bytes" else 300)
        assert f"\n{name} " in result.stdout
    documents = list(demo.standard_library(max_bytes=300_000))
    shards = mg.corpus.open(out / "shards", verify=True)
    tokenizer = mg.Tokenizer.load(out / "tokenizers" / "cl100k.json")
    assert [tokenizer.decode_bytes(ids[:-1]) for ids in shards] == documents
    assert f"{len(documents)} documents came back byte for byte" in result.stdout
    assert json.loads((out / "comparison.json").read_text())["text"]["n_documents"] == -(-len(documents) // 10)
    listed = {*json.loads((out / "merganser-demo.json").read_text())["files"], "merganser-demo.json"}
    assert listed == {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("small_demo")
def test_demo_replaces_only_its_own_output(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    out.mkdir()
    assert run("demo", "--out", out, "--vocab-size", 300).exit_code == 0
    assert run("demo", "--out", out, "--vocab-size", 301).exit_code == 0
    assert mg.Tokenizer.load(out / "tokenizers" / "gpt2.json").vocab_size == 301
    (out / "shards" / "notes.txt").write_text("mine")
    assert_error(run("demo", "--out", out, "--vocab-size", 302), "shards/notes.txt, which no demo wrote")
    assert (out / "shards" / "notes.txt").read_text() == "mine"
    assert mg.Tokenizer.load(out / "tokenizers" / "gpt2.json").vocab_size == 301
    (out / "shards" / "notes.txt").unlink()
    (out / "merganser-demo.json").write_text("[]")
    assert_error(run("demo", "--out", out), "which no demo wrote")
    (tmp_path / "file").touch()
    assert_error(run("demo", "--out", tmp_path / "file"), "file: ")


@pytest.mark.usefixtures("small_demo")
def test_demo_that_fails_leaves_no_folder(tmp_path: Path) -> None:
    assert_error(run("demo", "--out", tmp_path / "demo", "--vocab-size", 4_000_000), "vocab_size")
    assert not (tmp_path / "demo").exists()
    with pytest.raises(ConfigError, match="this Python carries no text"):
        list(demo.standard_library(max_bytes=1))


def test_demo_notices_text_that_does_not_come_back(tokenizer_path: Path, tmp_path: Path) -> None:
    tokenizer = mg.Tokenizer.load(tokenizer_path)
    mg.corpus.encode(["one", "two"], tokenizer, tmp_path, append_id=0)
    demo.check_shards(tmp_path, [b"one", b"two"])
    with pytest.raises(ShardError, match="document 1 did not come back"):
        demo.check_shards(tmp_path, [b"one", b"too"])
    with pytest.raises(ShardError, match="1 documents went in, 2 came back"):
        demo.check_shards(tmp_path, [b"one"])


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for other processes")
@pytest.mark.parametrize("n_lines", [0, 1, 2, 5])
def test_demo_interrupted_leaves_nothing(tmp_path: Path, n_lines: int) -> None:
    command = [sys.executable, "-m", "merganser", "demo", "--out", str(tmp_path / "demo"), "--threads", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        if n_lines:
            for _ in range(n_lines):
                process.stdout.readline()
        else:
            while not (tmp_path / "demo").exists():
                time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for other processes")
def test_encode_interrupted_leaves_nothing(tokenizer_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    command = [sys.executable, "-m", "merganser", "encode", "--tokenizer", str(tokenizer_path), "--out", str(out), "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while not out.exists():
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == (b"", b"")
    assert process.returncode == 130
    assert not out.exists()


def test_module_and_version() -> None:
    result = run_process("--version")
    assert (result.returncode, result.stdout) == (0, f"merganser {mg.__version__}\n")
    assert run("--help").exit_code == 0
    for command in ("train", "encode", "compare", "inspect", "demo"):
        result = run(command, "--help")
        assert result.exit_code == 0
        assert "Example: merganser" in result.stdout


def test_errors_of_a_process_are_one_line(text_path: Path) -> None:
    result = run_process("inspect", text_path, "a")
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith(f"error: {text_path}: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGPIPE")
def test_broken_pipe_is_quiet(tokenizer_path: Path) -> None:
    command = [sys.executable, "-m", "merganser", "inspect", "--json", str(tokenizer_path), "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.write(b"low " * 50_000)
        process.stdin.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_output_that_cannot_show_a_character_is_no_error(tokenizer_path: Path) -> None:
    result = run_process("inspect", tokenizer_path, "low low", env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert result.returncode == 0
    assert r"lo|w|\xb7lo|w" in result.stdout
