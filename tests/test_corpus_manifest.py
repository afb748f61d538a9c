"""Manifests are data from anywhere: every value is checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import merganser as mg
from merganser import corpus
from merganser.errors import ShardError

TEXTS = ["one", "", "zwölf", "", "x" * 40, "", "y"]
TOKENIZER = mg.train_bpe([], vocab_size=256)


def set_path(data: Any, path: str, value: Any) -> None:
    *steps, last = path.split(".")
    for step in steps:
        data = data[int(step) if step.isdigit() else step]
    data[int(last) if last.isdigit() else last] = value


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("schema_version", 2, "schema_version 2 is not supported"),
        ("format", "other", "format must be"),
        ("dtype", "float32", "dtype: must be one of uint16, uint32, got 'float32'"),
        ("n_documents", -1, r"n_documents: must be from 0 to 2\*\*62, got -1"),
        ("n_documents", 2**63, "must be from 0"),
        ("n_documents", 10**4000, "must be from 0"),
        ("n_documents", 8, "n_documents is 8, but its shards add up to 7"),
        ("n_documents", True, "must be an integer, got True"),
        ("n_documents", 7.0, "must be an integer, got 7.0"),
        ("n_tokens", None, "must be an integer, got None"),
        ("vocab_size", 70000, "uint16 cannot hold vocab_size 70000"),
        ("vocab_size", 3, "max_id must be less than vocab_size 3"),
        ("append_id", 999, "append_id must be less"),
        ("shards", {}, "shards: must be an array, got dict"),
        ("shards.0", [], r"shards\[0\]: must be an object, got list"),
        ("shards.0.ids.name", "../../etc/passwd", r"shards\[0\]\.ids\.name: must be a bare file name"),
        ("shards.0.ids.name", "/etc/passwd", "bare file name"),
        ("shards.0.ids.name", "..", "bare file name"),
        ("shards.0.ids.name", "a\\b", "bare file name"),
        ("shards.0.ids.name", "a\n", "bare file name"),
        ("shards.0.ids.name", "shard-00000.idx", "a file is named twice"),
        ("shards.0.ids.sha256", "00", "64 hexadecimal digits"),
        ("shards.0.n_tokens", 2**61, "add up to"),
        ("shards.0.ids.n_bytes", 1, "must have 50 x 2 bytes, got 1"),
        ("tokenizer.name", "manifest.json", "a file is named twice"),
        ("extra", 1, "extra is not known"),
    ],
)
def test_hostile_manifests_are_refused(tmp_path: Path, path: str, value: Any, message: str) -> None:
    corpus.encode(TEXTS, TOKENIZER, tmp_path)
    data = json.loads((tmp_path / "manifest.json").read_text())
    set_path(data, path, value)
    (tmp_path / "manifest.json").write_text(json.dumps(data))
    with pytest.raises(ShardError, match=message):
        corpus.open(tmp_path)


@pytest.mark.parametrize(
    "text",
    [b"", b"null", b"[]", b"{}", b"\xff\xfe", b'{"format": NaN}', b"[" * 100_000, b'{"a": ' + b"9" * 10_000 + b"}"],
)
def test_manifests_that_are_none_are_refused(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(text)
    with pytest.raises(ShardError, match=r"manifest\.json"):
        corpus.open(tmp_path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_change_of_a_manifest_opens_or_raises_shard_error(tmp_path: Path, data: st.DataObject) -> None:
    if not (tmp_path / "manifest.json").exists():
        corpus.encode(TEXTS, TOKENIZER, tmp_path)
    text = bytearray((tmp_path / "manifest.json").read_bytes())
    position = data.draw(st.integers(0, len(text) - 1))
    text[position : position + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    kept = (tmp_path / "manifest.json").read_bytes()
    (tmp_path / "manifest.json").write_bytes(bytes(text))
    try:
        corpus.open(tmp_path)
    except ShardError:
        pass
    finally:
        (tmp_path / "manifest.json").write_bytes(kept)
