"""What stands beside a tokenizer: read, checked, and never run."""

import json

import pytest

from merganser.errors import FormatError
from merganser.tokenizer_config import TokenizerConfig


def test_special_tokens_are_found_as_texts_and_as_objects() -> None:
    config = TokenizerConfig(json.dumps({"bos_token": "<s>", "pad_token": {"content": "<pad>"}, "eos_token": None}))
    assert config.special_tokens == {"bos_token": "<s>", "pad_token": "<pad>"}


@pytest.mark.parametrize(("limit", "expected"), [(512, 512), (10**30, None), (1e30, None), (True, None), ("512", None)])
def test_model_max_length_is_a_limit_or_none(limit: object, expected: int | None) -> None:
    assert TokenizerConfig(json.dumps({"model_max_length": limit})).model_max_length == expected


def test_chat_template_is_text_that_is_carried_through() -> None:
    hostile = "{{ ''.__class__.__mro__ }}"
    assert TokenizerConfig(json.dumps({"chat_template": hostile})).chat_template == hostile
    named = [{"name": "tool", "template": "a"}, {"name": "default", "template": "b"}]
    assert TokenizerConfig(json.dumps({"chat_template": named})).chat_template == "b"
    assert TokenizerConfig("{}").chat_template is None


@pytest.mark.parametrize(
    "text",
    ["[]", "{", '{"bos_token": 1}', '{"bos_token": "\\ud800"}', '{"bos_token": {"content": null}}', "[" * 100_000],
)
def test_malformed_config_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        TokenizerConfig(text)


def test_special_tokens_map_counts_where_the_config_is_silent(tmp_path) -> None:
    (tmp_path / "special_tokens_map.json").write_text('{"bos_token": "<a>", "eos_token": "<b>"}')
    (tmp_path / "tokenizer_config.json").write_text('{"bos_token": "<s>"}')
    config = TokenizerConfig.beside(tmp_path)
    assert config is not None
    assert config.special_tokens == {"bos_token": "<s>", "eos_token": "<b>"}
    assert TokenizerConfig.beside(tmp_path / "nowhere") is None
