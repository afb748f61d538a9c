"""Loading by name: from the hub's file routes and OpenAI's, served on this machine."""

from __future__ import annotations

import hashlib
from pathlib import Path

import hub_server
import pytest

import merganser as mg
from merganser import openai
from merganser.errors import ConfigError, FormatError, MissingDependencyError

NAME = "org/tiny"


@pytest.fixture(scope="module")
def tiny() -> mg.Tokenizer:
    return mg.train_bpe(["low lower lowest", "new newer newest"], vocab_size=262)


@pytest.fixture
def hub_files(tiny: mg.Tokenizer) -> dict[str, bytes]:
    return {
        f"{NAME}/resolve/main/tokenizer.json": tiny.to_json().encode(),
        f"{NAME}/resolve/main/tokenizer_config.json": b'{"eos_token": "</s>", "chat_template": "{{ x }}"}',
        f"{NAME}/resolve/v1/vocab.json": b"{}",
    }


def test_from_pretrained_loads_and_caches(tiny: mg.Tokenizer, hub_files: dict[str, bytes], tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    with hub_server.serve(hub_files) as (endpoint, asked):
        found = mg.Tokenizer.from_pretrained(NAME, endpoint=endpoint, cache_dir=tmp_path)
        assert found == tiny
        assert found.config is not None
        assert found.config.chat_template == "{{ x }}"
        assert not any("vocab" in line for line in asked), "the first kind that is there is enough"
    again = mg.Tokenizer.from_pretrained(NAME, local_files_only=True, cache_dir=tmp_path)
    assert again == tiny


def test_from_pretrained_sends_the_token(tiny: mg.Tokenizer, hub_files: dict[str, bytes], tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    with hub_server.serve(hub_files, token="secret") as (endpoint, _):
        with pytest.raises(hub.errors.GatedRepoError):
            mg.Tokenizer.from_pretrained(NAME, endpoint=endpoint, cache_dir=tmp_path, token=False)
        assert mg.Tokenizer.from_pretrained(NAME, endpoint=endpoint, cache_dir=tmp_path, token="secret") == tiny


def test_from_pretrained_says_what_it_looked_for(hub_files: dict[str, bytes], tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    with (
        hub_server.serve(hub_files) as (endpoint, _),
        pytest.raises(FormatError, match=r"org/tiny: the repository holds no tokenizer; looked for tokenizer\.json"),
    ):
        mg.Tokenizer.from_pretrained(NAME, revision="v1", endpoint=endpoint, cache_dir=tmp_path)


def test_from_pretrained_is_an_error_when_the_hub_cannot_be_asked(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    with pytest.raises(OSError):
        mg.Tokenizer.from_pretrained(NAME, endpoint="http://127.0.0.1:9", cache_dir=tmp_path)


def test_from_pretrained_names_the_extra_when_the_hub_library_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(MissingDependencyError, match=r"merganser\[hub\]"):
        mg.Tokenizer.from_pretrained(NAME)


@pytest.fixture
def published(tiny: mg.Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A rank file under the name of r50k_base, whose hash is taken for the published one."""
    path = tmp_path / "ranks.tiktoken"
    mg.Tokenizer.load(_as_ranks(tiny, tmp_path), pattern="gpt2").save(path)
    data = path.read_bytes()
    known = openai.Encoding("r50k_base.tiktoken", hashlib.sha256(data).hexdigest(), "gpt2", {"<|endoftext|>": 300})
    monkeypatch.setitem(openai._ENCODINGS, "r50k_base", known)
    return data


def _as_ranks(tokenizer: mg.Tokenizer, folder: Path) -> Path:
    import base64

    path = folder / "source.tiktoken"
    tokens = sorted(tokenizer.vocab().items(), key=lambda item: item[1])
    path.write_bytes(b"".join(b"%s %d\n" % (base64.b64encode(token), id_) for token, id_ in tokens))
    return path


def test_from_openai_fetches_once(published: bytes, tmp_path: Path) -> None:
    with hub_server.serve({"r50k_base.tiktoken": published}) as (url, asked):
        tok = mg.Tokenizer.from_openai("r50k_base", cache_dir=tmp_path / "cache", base_url=url)
        again = mg.Tokenizer.from_openai("r50k_base", cache_dir=tmp_path / "cache", base_url=url)
        assert asked == ["GET r50k_base.tiktoken"]
    assert tok == again
    assert tok.special_tokens == {"<|endoftext|>": 300}
    assert tok.encode("<|endoftext|>", on_special="encode") == [300]


def test_from_openai_refuses_other_content(published: bytes, tmp_path: Path) -> None:
    with (
        hub_server.serve({"r50k_base.tiktoken": published[:-1]}) as (url, _),
        pytest.raises(FormatError, match="SHA-256"),
    ):
        mg.Tokenizer.from_openai("r50k_base", cache_dir=tmp_path / "cache", base_url=url)
    assert not (tmp_path / "cache").exists()


def test_from_openai_fetches_again_when_the_cache_is_damaged(published: bytes, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "r50k_base.tiktoken").write_bytes(published[:100])
    with hub_server.serve({"r50k_base.tiktoken": published}) as (url, asked):
        mg.Tokenizer.from_openai("r50k_base", cache_dir=cache, base_url=url)
        assert asked == ["GET r50k_base.tiktoken"]
    assert (cache / "r50k_base.tiktoken").read_bytes() == published


def test_from_openai_names_the_encodings_it_knows() -> None:
    with pytest.raises(ConfigError, match="cl100k_base"):
        mg.Tokenizer.from_openai("cl1000k")
