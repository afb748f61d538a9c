"""The benchmarks' own parts: definitions, cutting, statistics, report. No peer, no data, no clock."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import corpora, measure, report, result_files, summary, vocabularies
from benchmarks.definitions import Case, expand, load_definitions
from benchmarks.engines import ENGINES
from benchmarks.run import Runner, parse_arguments, write_results
from benchmarks.workers import environment

TEXT = "".join(f"line {i} größer 日本 \U0001f600\n" for i in range(2000)).encode()


def make_row(engine: str, seconds: list[float], **changes: object) -> dict[str, Any]:
    case = Case(group="single", task="encode", vocabulary="gpt2", corpus="english", n_bytes=1_000_000)
    row = {
        "key": case.key,
        "engine": engine,
        "case": vars(case),
        "reference": "tiktoken",
        "status": summary.MEASURED,
        "wall_seconds": seconds,
        "cpu_seconds": seconds,
        "input_bytes": 1_000_000,
        "n_tokens": 250_000,
        "digest": "d",
    }
    return row | changes


def make_document(rows: list[dict[str, Any]]) -> dict[str, Any]:
    machine = {"cpu": "C", "cores": 2, "memory_bytes": 2**34, "system": "Linux 6", "python": "3.11.1"}
    engines = {"merganser": {"version": "1"}, "tiktoken": {"version": "2"}}
    settings = {"n_repeats": 3, "sample_seconds": 0.1}
    run = {"started": "2026-01-02T03:04:05+00:00", "commit": "abc", "load_average": 0.5, "settings": settings}
    return {"machine": machine, "runs": {"encode": run | {"engines": engines, "rows": rows}}}


@pytest.mark.parametrize("quick", [False, True])
def test_definitions_have_unique_keys_and_every_task(quick: bool) -> None:
    definitions = load_definitions(quick=quick)
    keys = [case.key for case in definitions.cases]
    assert len(set(keys)) == len(keys)
    assert {case.task for case in definitions.cases} == {"encode", "decode", "load", "train"}
    assert {v["reference"] for v in definitions.vocabularies.values()} <= set(ENGINES)


def test_definitions_summary_names_cases() -> None:
    definitions = load_definitions()
    assert set(definitions.summary) <= {case.key for case in definitions.cases}


def test_definitions_repeat_at_least_five_times() -> None:
    assert load_definitions().settings.n_repeats >= 5


def test_definitions_refuse_unknown_corpus(tmp_path: Path) -> None:
    path = tmp_path / "d.toml"
    path.write_text(
        "summary = []\n[vocabularies]\n[corpora]\n[[groups]]\nname = 'x'\ntask = 'encode'\ncorpora = ['nowhere']\n"
    )
    with pytest.raises(ValueError, match="corpora has nowhere"):
        load_definitions(path)


def test_expand_gives_the_product() -> None:
    cases = expand({"name": "g", "task": "encode", "vocabularies": ["a", "b"], "n_bytes": [1, 2], "n_threads": [1, 2]})
    assert [(c.vocabulary, c.n_bytes, c.n_threads) for c in cases] == [
        (v, n, t) for v in ("a", "b") for n in (1, 2) for t in (1, 2)
    ]


@pytest.mark.parametrize(("n_strings", "n_bytes"), [(256, 64), (20, 1000), (1, 64_000), (1, 10)])
def test_cut_strings_keep_size_and_count(n_strings: int, n_bytes: int) -> None:
    data = TEXT * 4
    strings = corpora.cut_strings(data, n_strings=n_strings, n_bytes=n_bytes)
    assert len(strings) == n_strings
    assert all(n_bytes * 0.8 < len(s.encode()) <= n_bytes for s in strings)
    assert all(s.encode() in data for s in strings if n_bytes < 64_000)
    assert strings == corpora.cut_strings(data, n_strings=n_strings, n_bytes=n_bytes)


def test_cut_strings_leave_out_document_ends() -> None:
    data = b"".join(b"some words %d\n<|endoftext|>\n" % i for i in range(500))
    assert all("<|" not in s for s in corpora.cut_strings(data, n_strings=8, n_bytes=200))


def test_cut_pieces_refuse_small_corpus() -> None:
    with pytest.raises(ValueError, match="at least 100 bytes, got 3"):
        corpora.cut_pieces(b"abc", n_pieces=10, n_bytes=10)


def test_cut_documents_stop_at_size() -> None:
    data = b"".join(b"document %04d\n<|endoftext|>\n" % i for i in range(100))
    documents = corpora.cut_documents(data, n_bytes=500)
    assert sum(len(d) for d in documents) == 500
    assert documents[0] == "document 0000\n"
    assert [int(d.split()[1]) for d in documents[:20]] == list(range(0, 100, 5))


def test_join_documents_is_undone_by_split() -> None:
    assert corpora.join_documents(["a\n", "b"]) == "a\n<|endoftext|>\nb\n<|endoftext|>\n"
    assert corpora.split_documents(corpora.join_documents(["a\n", "b"])) == ["a\n", "b\n"]


def test_floor_boundary_steps_back_to_a_character() -> None:
    data = "aé日".encode()
    assert [corpora.floor_boundary(data, i) for i in range(8)] == [0, 1, 1, 3, 3, 3, 6, 6]


def test_cut_input_repeats_one_string() -> None:
    case = Case(group="worst", task="encode", vocabulary="gpt2", corpus="one", n_bytes=5)
    assert corpora.cut_input({"one": {"repeat": "a"}}, case, {}) == ["aaaaa"]


def test_read_corpus_reads_plain_files(tmp_path: Path) -> None:
    path = tmp_path / "c.txt"
    path.write_bytes(b"a\r\n")
    assert corpora.read_corpus(path) == b"a\r\n"


def test_merge_of_finds_the_last_merge() -> None:
    ranks = {bytes([i]): i for i in range(256)} | {b"ab": 256, b"cd": 257, b"abc": 258, b"abcd": 259}
    assert vocabularies.merge_of(b"abc", ranks) == (b"ab", b"c")
    assert vocabularies.merge_of(b"abcd", ranks) == (b"ab", b"cd")


def test_merge_of_refuses_unreachable_token() -> None:
    ranks = {bytes([i]): i for i in range(256)} | {b"abc": 256}
    with pytest.raises(ValueError, match="not reached"):
        vocabularies.merge_of(b"abc", ranks)


def test_tokenizer_json_spells_bytes_as_characters() -> None:
    ranks = {bytes([i]): i for i in range(256)} | {b" a": 256}
    document = json.loads(vocabularies.tokenizer_json(ranks, pattern="x", special_tokens={"<s>": 257}))
    assert document["model"]["merges"] == [["Ġ", "a"]]
    assert document["model"]["vocab"]["Ġa"] == 256
    assert document["added_tokens"][0]["id"] == document["model"]["vocab"]["<s>"] == 257
    assert len(set(vocabularies.byte_characters())) == 256


def test_spread_gives_median_and_extremes() -> None:
    assert summary.spread([4.0, 1.0, 2.0, 9.0]) == summary.Spread(3.0, 1.0, 9.0)
    with pytest.raises(ValueError, match="no samples"):
        summary.spread([])


def test_speed_is_megabytes_a_second_with_low_below_high() -> None:
    assert summary.speed(make_row("tiktoken", [0.5, 0.1, 1.0])) == summary.Spread(2.0, 1.0, 10.0)


def test_ratio_compares_medians_and_needs_both() -> None:
    fast, slow = make_row("merganser", [1.0]), make_row("tiktoken", [4.0])
    assert summary.ratio(fast, slow) == 4.0
    assert summary.ratio(fast, None) is None
    assert summary.ratio(fast, make_row("gigatoken", [], status="differs")) is None


@pytest.mark.parametrize(("ours", "theirs", "place"), [([1, 2], [1, 3], 1), ([1], [1, 2], 1), ([1], [1], None)])
def test_first_difference(ours: list[int], theirs: list[int], place: int | None) -> None:
    assert summary.first_difference(ours, theirs) == place


def test_digest_ids_sees_row_borders() -> None:
    assert measure.digest_ids([[1, 2], [3]])[1] == 3
    assert measure.digest_ids([[1, 2], [3]])[0] != measure.digest_ids([[1], [2, 3]])[0]
    assert measure.digest_ids([[1, 2]]) == measure.digest_ids([(1, 2)])


def test_calls_for_fills_a_sample() -> None:
    assert measure.calls_for(0.01, sample_seconds=0.1) == 10
    assert measure.calls_for(5.0, sample_seconds=0.1) == 1
    assert measure.peak_bytes() > 1_000_000


def test_environment_sets_threads() -> None:
    one = environment(1, {"PATH": "x"})
    assert (one["RAYON_NUM_THREADS"], one["TOKENIZERS_PARALLELISM"], one["PATH"]) == ("1", "false", "x")
    assert environment(2, {})["TOKENIZERS_PARALLELISM"] == "true"


def test_runner_refuses_other_ids(tmp_path: Path) -> None:
    runner = Runner(load_definitions(), engines=list(ENGINES), pythons={}, scratch=tmp_path)
    rows = {
        "merganser": make_row("merganser", [1.0], digest="other", n_tokens=3),
        "tiktoken": make_row("tiktoken", [1.0]),
    }
    case = Case(group="cold", task="encode", vocabulary="gpt2", state="cold")
    runner.refuse_different(case, rows)
    assert rows["merganser"]["status"] == "differs"
    assert rows["merganser"]["note"] == "3 ids, tiktoken has 250000"
    assert "wall_seconds" not in rows["merganser"]
    assert rows["tiktoken"]["status"] == summary.MEASURED


def test_runner_times_nothing_without_reference(tmp_path: Path) -> None:
    runner = Runner(load_definitions(), engines=["merganser"], pythons={}, scratch=tmp_path)
    rows = {"merganser": make_row("merganser", [1.0])}
    runner.refuse_different(Case(group="cold", task="encode", vocabulary="gpt2", state="cold"), rows)
    assert rows["merganser"]["status"] == "unproven"


def test_runner_turns_start_elsewhere_each_repeat(tmp_path: Path) -> None:
    runner = Runner(load_definitions(quick=True), engines=["merganser", "tiktoken"], pythons={}, scratch=tmp_path)
    rows = {name: make_row(name, []) for name in runner.engines}
    assert list(runner.turns(rows)) == ["merganser", "tiktoken", "tiktoken", "merganser", "merganser", "tiktoken"]


def test_write_results_keeps_other_tasks(tmp_path: Path) -> None:
    path = tmp_path / "results" / "m.json"
    write_results(path, {"load": {"rows": [1]}, "encode": {"rows": [2]}})
    write_results(path, {"encode": {"rows": [3]}})
    runs = json.loads(path.read_text())["runs"]
    assert runs == {"encode": {"rows": [3]}, "load": {"rows": [1]}}
    assert [p.name for p in path.parent.iterdir()] == ["m.json"]


def test_parse_arguments_orders_names_and_reads_pythons() -> None:
    options = parse_arguments(["--tasks", "train,encode", "--python", "tokenizers-rc=/x/python"])
    assert options.tasks == ["encode", "train"]
    assert options.pythons == {"tokenizers-rc": "/x/python"}
    with pytest.raises(SystemExit):
        parse_arguments(["--engines", "nobody"])


def test_report_table_has_ratios_of_the_subject() -> None:
    document = make_document([make_row("merganser", [0.01, 0.02, 0.03]), make_row("tiktoken", [0.2])])
    text = report.full_report([document])
    assert "| gpt2 english 1 MB | 50.0 (33.3-100) | 5.00 (5.00-5.00) | 10.0x |" in text
    assert "| input | merganser | tiktoken | x tiktoken |" in text
    assert "merganser 1, tiktoken 2" in text


def test_report_keeps_vocabularies_of_other_libraries_apart() -> None:
    other = make_row("sentencepiece", [0.5], key="other", reference="sentencepiece")
    titles = [title for title, _ in report.sections(make_document([make_row("tiktoken", [0.2]), other])["runs"])]
    assert titles == [f"One string to a list, ids as {name}'s (MB/s)" for name in ("tiktoken", "sentencepiece")]


def test_report_says_why_a_cell_is_empty() -> None:
    different = make_row("merganser", [], status="differs", note="3 ids, tiktoken has 4")
    del different["wall_seconds"]
    text = report.full_report([make_document([different, make_row("tiktoken", [0.2])])])
    assert "| ids differ | 5.00 (5.00-5.00) | - |" in text
    assert "3 ids, tiktoken has 4" in text


def test_report_loading_has_a_line_a_model(tmp_path: Path) -> None:
    row = {
        "task": "gpt2/tokenizer.json",
        **result_files.about(1, 3, ["numpy"]),
        "peer": "tokenizers",
        "cpu_seconds": {"merganser": [0.03, 0.02, 0.1], "tokenizers": [0.06, 0.07, 0.05]},
        "file_bytes": 1_355_256,
        "pickle_bytes": 2_000,
    }
    path = tmp_path / "machine.json"
    result_files.write(path, [row], ["gpt2/tokenizer.json"])
    section = report.loading_section([json.loads(path.read_text())])
    assert section.startswith("### Published models, ")
    assert "| gpt2/tokenizer.json | 30.0 (20.0-100.0) | tokenizers 60.0 (50.0-70.0) | 2.00x | 1,355 | 2 |" in section
    assert "- gpt2/tokenizer.json: 20" in section
    assert "3 repeats" in section
    assert report.loading_section([]) == ""


def test_report_short_shows_chosen_cases_only() -> None:
    document = make_document([make_row("merganser", [0.01]), make_row("tiktoken", [0.2])])
    key = document["runs"]["encode"]["rows"][0]["key"]
    assert "single: gpt2 english 1 MB, MB/s" in report.short_report([document], (key,))
    assert report.short_report([document], ("absent",)) == ""


def test_report_train_compares_tokens() -> None:
    case = vars(Case(group="train", task="train", vocabulary="gpt2", corpus="english", n_bytes=9, vocab_size=300))
    shared = {"case": case, "key": "t", "peak_bytes": [5_000_000], "unordered_digest": "u"}
    rows = [make_row("tokenizers", [2.0], **shared), make_row("gigatoken", [1.0], **shared, digest="x")]
    lines = report.train_table(report.group_rows(rows), ["t"])
    assert [line[5] for line in lines[1:]] == ["same as tokenizers", "same, ties ordered otherwise"]
    assert lines[1][2:5] == ["2.00 (2.00-2.00)", "2.00", "5.00"]


def test_report_check_finds_stale_text(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(f"head\n{report.BEGIN}\nold\n{report.END}\ntail\n")
    assert not report.update(path, "new", is_check=True)
    assert "old" in path.read_text()
    assert not report.update(path, "new", is_check=False)
    assert path.read_text() == f"head\n{report.BEGIN}\nnew\n{report.END}\ntail\n"
    assert report.update(path, "new", is_check=True)


def test_report_refuses_text_without_markers() -> None:
    with pytest.raises(ValueError, match="once each"):
        report.replace_between("nothing", "body")


@pytest.mark.parametrize(("n_bytes", "label"), [(64, "64 B"), (4000, "4 kB"), (20_000_000, "20 MB")])
def test_size_label(n_bytes: int, label: str) -> None:
    assert report.size_label(n_bytes) == label


def test_number_keeps_three_figures() -> None:
    assert [report.number(v) for v in (1234.5, 45.67, 4.567, 0.04567)] == ["1234", "45.7", "4.57", "0.0457"]
