"""The documents say what is so: README's examples run, in order and as written, and links lead somewhere.

The text is of Python's standard library, enough of it for the sizes that the examples ask for.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import zstandard
from typer.testing import CliRunner

import merganser as mg
from merganser import cli
from merganser.demo import standard_library

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "rust/core/DESIGN.md",
    "benchmarks/README.md",
)
TEXT_BYTES = 4_000_000
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")


def blocks(language: str) -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return [block for found, block in BLOCK.findall(text) if found == language]


def without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "code", BLOCK.sub("", text))


def anchor_of(heading: str) -> str:
    """The anchor that a heading gets on the pages that show Markdown."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder that holds the files the examples speak of."""
    texts = [document.decode() for document in standard_library(max_bytes=TEXT_BYTES)]
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    for name in ("data", "notes", "gpt2"):
        (tmp_path / name).mkdir()
    (tmp_path / "data" / "text.jsonl.zst").write_bytes(zstandard.ZstdCompressor(level=1).compress(lines.encode()))
    for number, text in enumerate(texts[:20]):
        (tmp_path / "notes" / f"{number}.txt").write_text(text, encoding="utf-8")
    mg.train_bpe(texts[:50], vocab_size=1000, pre_tokenizer="gpt2").save(tmp_path / "gpt2")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_readme_python_examples_run(folder: Path) -> None:
    namespace: dict[str, Any] = {}
    examples = blocks("python")
    assert len(examples) >= 5
    for number, example in enumerate(examples):
        exec(compile(example, f"README.md, example {number}", "exec"), namespace)
    assert (folder / "shards" / "manifest.json").is_file()


def test_readme_commands_run(folder: Path) -> None:
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("merganser ")]
    assert {shlex.split(line)[1] for line in lines} == {
        "train",
        "encode",
        "compare",
        "inspect",
        "convert",
    }
    runner = CliRunner(env={"NO_COLOR": "1", "COLUMNS": "100", "TERM": "dumb"})
    for line in lines:
        result = runner.invoke(cli.app, shlex.split(line)[1:])
        assert result.exit_code == 0, (line, result.output)
        assert result.stdout
    assert mg.Tokenizer.load(folder / "tokenizer.json").n_tokens == 32_000


def test_readme_opens_with_the_two_commands() -> None:
    install = blocks("sh")[0].splitlines()
    assert [line.split("#")[0].strip() for line in install] == [
        "pip install '.[all]' && merganser demo",
        "pip install '.[all,test]' && pytest",
    ]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    path = ROOT / name
    for target in LINK.findall(without_code(path.read_text(encoding="utf-8"))):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        linked = path.parent / file if file else path
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in map(anchor_of, headings), target
