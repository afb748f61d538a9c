"""Comparing tokenizers: the sums are those of a naive count, whatever the batches, and nothing is left unsaid."""

from __future__ import annotations

import html.parser
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

import merganser as mg
from merganser.compare import METRICS, Comparison, Row, TextTotals
from merganser.compare import comparison as comparison_module
from merganser.compare.comparison import count_words
from merganser.compare.naming import name_all
from merganser.errors import ConfigError, DisallowedSpecialError, FormatError, TextError, UnknownTokenError

TEXTS = ["the cat sat on the mat", "", " the  dog\nsat ", "naïve 日本語 🙂", "the end<|end|>"]
TIMES = {"encode_seconds", "encode_cpu_seconds", "mb_per_s", "mb_per_cpu_s"}


@pytest.fixture(scope="module")
def tokenizers() -> dict[str, mg.Tokenizer]:
    return {
        "bytes": mg.train_bpe(TEXTS, vocab_size=256),
        "merged": mg.train_bpe(TEXTS, vocab_size=262, special_tokens=["<|end|>"], pre_tokenizer="gpt2"),
    }


def without_times(comparison: Comparison) -> dict[str, Any]:
    data = comparison.to_dict()
    data["tokenizers"] = [{k: v for k, v in row.items() if k not in TIMES} for row in data["tokenizers"]]
    return data


def test_compare_matches_naive_count(tokenizers: dict[str, mg.Tokenizer]) -> None:
    comparison = mg.compare(tokenizers, TEXTS)
    assert [row.name for row in comparison] == ["bytes", "merged"]
    n_bytes = sum(len(text.encode()) for text in TEXTS)
    n_words = sum(len(text.split()) for text in TEXTS)
    n_chars = sum(map(len, TEXTS))
    assert comparison.text == TextTotals(n_documents=5, n_bytes=n_bytes, n_chars=n_chars, n_words=n_words)
    for row in comparison:
        tokenizer = tokenizers[row.name]
        encoded = [tokenizer.encode(text, on_special="text") for text in TEXTS]
        n_tokens = sum(map(len, encoded))
        used = {id_ for ids in encoded for id_ in ids} - set(tokenizer.special_tokens.values())
        assert (row.vocab_size, row.n_tokens, row.n_ids_used) == (tokenizer.vocab_size, n_tokens, len(used))
        assert row.n_ids == tokenizer.n_tokens - len(tokenizer.special_tokens)
        assert row.bytes_per_token == n_bytes / n_tokens
        assert row.fertility == n_tokens / n_words
        assert row.tokens_per_char == n_tokens / n_chars
        assert row.vocab_use == len(used) / row.n_ids
        assert (row.round_trip, row.is_lossy) == (1.0, False)
        assert row.mb_per_s is not None
        assert row.mb_per_s > 0
        assert row.fingerprint == tokenizer.fingerprint
    assert comparison["bytes"].n_tokens == n_bytes
    assert comparison[1] is comparison["merged"]
    with pytest.raises(KeyError):
        comparison["absent"]


@pytest.mark.parametrize("batch_bytes", [1, 70, 200])
def test_compare_does_not_depend_on_batches(
    tokenizers: dict[str, mg.Tokenizer], monkeypatch: pytest.MonkeyPatch, batch_bytes: int
) -> None:
    whole = mg.compare(tokenizers, TEXTS)
    monkeypatch.setattr(comparison_module, "BATCH_BYTES", batch_bytes)
    assert without_times(mg.compare(tokenizers, TEXTS)) == without_times(whole)


def test_compare_does_not_depend_on_source_or_threads(tokenizers: dict[str, mg.Tokenizer], tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    expected = without_times(mg.compare(tokenizers, TEXTS))
    assert without_times(mg.compare(tokenizers, (text.encode() for text in TEXTS))) == expected
    assert without_times(mg.compare(tokenizers, mg.read(path))) == expected
    threaded = without_times(mg.compare(tokenizers, TEXTS, n_threads=None))
    assert threaded | {"n_threads": 1} == expected


def test_compare_leaves_special_tokens_out_of_vocabulary_use(tokenizers: dict[str, mg.Tokenizer]) -> None:
    row = mg.compare({"merged": tokenizers["merged"]}, ["<|end|><|end|>a"], on_special="encode")["merged"]
    assert (row.n_tokens, row.n_ids_used, row.n_ids) == (3, 1, 261)


def test_compare_does_not_count_what_the_post_processor_adds(tokenizers: dict[str, mg.Tokenizer]) -> None:
    data = json.loads(tokenizers["merged"].to_json())
    end = ["<|end|>", 0]
    data["post_processor"] = {
        "type": "RobertaProcessing", "sep": end, "cls": end, "trim_offsets": True, "add_prefix_space": False,
    }  # fmt: skip
    wrapped = mg.Tokenizer.from_json(json.dumps(data))
    assert len(wrapped.encode("the cat")) == len(tokenizers["merged"].encode("the cat")) + 2
    comparison = mg.compare([tokenizers["merged"], wrapped], TEXTS)
    assert comparison[0].n_tokens == comparison[1].n_tokens
    assert comparison[1].round_trip == 1.0


def test_compare_takes_whole_texts_whatever_truncation_and_padding_say(
    tokenizers: dict[str, mg.Tokenizer], tmp_path: Path
) -> None:
    cutting = tokenizers["merged"].with_truncation(mg.Truncation(3)).with_padding(mg.Padding(length=9))
    cutting.save(tmp_path / "cutting.json")
    (whole, *others) = mg.compare({"a": tokenizers["merged"], "b": cutting, "c": tmp_path / "cutting.json"}, TEXTS)
    for row in others:
        assert (row.n_tokens, row.n_ids_used, row.round_trip) == (whole.n_tokens, whole.n_ids_used, 1.0)


def test_compare_flags_a_lossy_tokenizer() -> None:
    lossy = mg.train_bpe(TEXTS, vocab_size=256, normalizer="nfc")
    comparison = mg.compare({"nfc": lossy}, ["e\u0301", "plain", "a", "b"])
    assert (comparison["nfc"].round_trip, comparison["nfc"].is_lossy) == (0.75, True)
    assert "lossy 75.0" in str(comparison)


def test_round_trip_is_never_rounded_up_to_all() -> None:
    text = TextTotals(n_documents=100_000, n_bytes=10, n_chars=10, n_words=1)
    row = make_row("a", text=text, n_round_trip=99_999)
    assert "lossy 99.9" in str(Comparison(rows=(row,), text=text, n_threads=1, on_special="text"))


def test_text_of_white_space_has_no_fertility(tokenizers: dict[str, mg.Tokenizer]) -> None:
    comparison = mg.compare(tokenizers, [" \n "])
    assert comparison[0].fertility is None
    assert json.loads(comparison.to_json())["tokenizers"][0]["fertility"] is None
    assert " - " in str(comparison)


@pytest.mark.parametrize("documents", [[], [""], ["", ""]])
def test_compare_refuses_empty_text(tokenizers: dict[str, mg.Tokenizer], documents: list[str]) -> None:
    with pytest.raises(ConfigError, match=rf"the text is empty \({len(documents)} documents, 0 bytes\)"):
        mg.compare(tokenizers, documents)


def test_compare_refuses_what_is_not_many(tokenizers: dict[str, mg.Tokenizer], tmp_path: Path) -> None:
    for documents in ("text", b"text", tmp_path):
        with pytest.raises(TypeError, match="documents must be many texts, got one"):
            mg.compare(tokenizers, documents)  # type: ignore[arg-type]
    for one in (tokenizers["bytes"], "tokenizer.json", tmp_path):
        with pytest.raises(TypeError, match="tokenizers must be many, got one"):
            mg.compare(one, TEXTS)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="document 1 must be str or bytes, got int"):
        mg.compare(tokenizers, ["a", 5])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="a tokenizer must be a Tokenizer or a path, got int"):
        mg.compare({"a": 5}, TEXTS)
    with pytest.raises(ConfigError, match="at least one tokenizer"):
        mg.compare([], TEXTS)
    with pytest.raises(ConfigError, match="on_special must be"):
        mg.compare(tokenizers, TEXTS, on_special="skip")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="n_threads must be at least 1, got 0"):
        mg.compare(tokenizers, TEXTS, n_threads=0)


def test_errors_name_the_document(tokenizers: dict[str, mg.Tokenizer], tmp_path: Path) -> None:
    with pytest.raises(TextError, match="documents, document 1: invalid UTF-8 at byte 2"):
        mg.compare(tokenizers, [b"ok", b"ab\xff"])
    with pytest.raises(TextError, match="documents, document 2: lone surrogate U\\+D800 at character 1"):
        mg.compare(tokenizers, ["ok", "ok", "a\ud800"])
    path = tmp_path / "a.txt"
    path.write_text("one|two<|end|>")
    with pytest.raises(DisallowedSpecialError, match=r"merged: .*a\.txt, document 1: text contains the special token"):
        mg.compare(tokenizers, mg.read(path, separator="|t"), on_special="raise")


def test_errors_name_the_tokenizer(tmp_path: Path) -> None:
    narrow = mg.train_bpe(["aaa"], vocab_size=2, initial_alphabet=b"a")
    with pytest.raises(UnknownTokenError, match="narrow: documents, document 0: "):
        mg.compare({"narrow": narrow}, ["ab"])
    path = tmp_path / "broken.json"
    path.write_text("{")
    with pytest.raises(FormatError, match=r"broken\.json"):
        mg.compare([path], TEXTS)
    with pytest.raises(FileNotFoundError):
        mg.compare([tmp_path / "absent.json"], TEXTS)


def test_compare_loads_paths_and_names_them(tokenizers: dict[str, mg.Tokenizer], tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    tokenizers["bytes"].save(tmp_path / "a" / "tokenizer.json")
    tokenizers["bytes"].save(tmp_path / "tokenizer.json")
    comparison = mg.compare(
        [tmp_path / "a/tokenizer.json", str(tmp_path / "tokenizer.json"), tokenizers["bytes"]], TEXTS
    )
    assert [row.name for row in comparison] == ["a/tokenizer", f"{tmp_path.name}/tokenizer", "tokenizer 3"]


@given(st.lists(st.sampled_from(["t.json", "a/t.json", "b/t.json", "a/a/t.json", "t", "x/t/", 5, "v1.5"]), max_size=8))
def test_names_are_unique(tokenizers: list[object]) -> None:
    names = name_all(tokenizers)
    assert len(set(names)) == len(tokenizers)


def test_names_keep_what_is_no_known_suffix() -> None:
    assert name_all(["llama-3.1/", "cl100k_base.tiktoken"]) == ["llama-3.1", "cl100k_base"]


@given(st.text(st.sampled_from("ab \n\u3000\x1c"), max_size=30))
def test_count_words_matches_naive(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison_module, "WORD_SLICE_CHARS", 3)
        assert count_words(text) == len(text.split())


def test_progress_is_told_bytes(tokenizers: dict[str, mg.Tokenizer], tmp_path: Path) -> None:
    calls: list[tuple[int, int | None, str]] = []
    path = tmp_path / "a.txt"
    path.write_text("abc")
    mg.compare(tokenizers, mg.read(path), progress=lambda *call: calls.append(call))
    mg.compare(tokenizers, ["abcd"], progress=lambda *call: calls.append(call))
    assert calls == [(3, 3, "encode"), (4, None, "encode")]


def make_row(name: str, **values: Any) -> Row:
    sums: dict[str, Any] = {
        "fingerprint": "f",
        "text": TextTotals(n_documents=1, n_bytes=10, n_chars=10, n_words=2),
        "vocab_size": 300,
        "n_tokens": 5,
        "n_ids": 300,
        "n_ids_used": 5,
        "n_round_trip": 1,
        "encode_seconds": 1.0,
        "encode_cpu_seconds": 1.0,
    }
    return Row(name=name, **(sums | values))


def make_comparison(*rows: Row) -> Comparison:
    return Comparison(rows=rows, text=rows[0].text, n_threads=1, on_special="text")


HOSTILE_NAME = '[red]<script>alert(1)</script> & "co"'


def test_table_marks_the_best_and_shows_names_as_they_are() -> None:
    comparison = make_comparison(make_row(HOSTILE_NAME), make_row("better", n_tokens=4), make_row("worse", n_tokens=8))
    console = Console(record=True, width=200, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(comparison)
    styled = console.export_text(styles=True, clear=False)
    assert HOSTILE_NAME in console.export_text()
    bold = [line for line in styled.splitlines() if "\x1b[1;32m" in line]
    assert len(bold) == 1
    assert bold[0].startswith("better")
    assert "2.500" in bold[0]
    # All tokenizers are equally fast and none loses anything: nothing stands out there.
    assert bold[0].count("\x1b[1;32m") == 4


def test_table_marks_all_that_look_equally_good() -> None:
    rows = [make_row(name, n_ids=n_ids) for name, n_ids in (("a", 30_000), ("b", 30_001), ("c", 40_000_000))]
    assert make_comparison(*rows)._repr_html_().count("<b>0.0</b>") == 0
    rows = [make_row(name, n_ids_used=n_used) for name, n_used in (("a", 200), ("b", 200), ("c", 100))]
    assert make_comparison(*rows)._repr_html_().count("<b>66.7</b>") == 2


def test_table_fits_80_columns() -> None:
    text = TextTotals(n_documents=1, n_bytes=5_000_000, n_chars=5_000_000, n_words=700_000)
    comparison = make_comparison(make_row("roberta-base", text=text, n_tokens=1_655_597, vocab_size=100_277))
    assert max(map(len, str(comparison).splitlines()[:5])) <= 80


def test_html_table_is_escaped_and_well_formed() -> None:
    class Checker(html.parser.HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.open: list[str] = []
            self.seen: list[str] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.seen.append(tag)
            if tag != "br":
                self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

    checker = Checker()
    checker.feed(make_comparison(make_row(HOSTILE_NAME), make_row("b", n_tokens=4))._repr_html_())
    assert checker.open == []
    assert "script" not in checker.seen
    assert checker.seen.count("td") == 2 * (1 + len(METRICS))
    assert checker.seen.count("b") == 4


def test_json_holds_sums_and_ratios(tokenizers: dict[str, mg.Tokenizer]) -> None:
    comparison = mg.compare(tokenizers, TEXTS)
    data = json.loads(comparison.to_json(indent=None))
    assert data == comparison.to_dict()
    row = data["tokenizers"][0]
    assert {metric.name for metric in METRICS} <= set(row)
    assert data["text"]["n_bytes"] == row["n_tokens"] * row["bytes_per_token"]
    assert repr(comparison) == f"<Comparison of 2 on {comparison.text.n_bytes:,} bytes: bytes, merged>"
