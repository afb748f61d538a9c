"""BPE training: what a token may be, alphabets of characters, several sizes, going on from a tokenizer."""

import json
from pathlib import Path
from typing import Any

import child_process
import numpy as np
import pytest
from common_checks import deadline
from definitions import TRAINING_TEXT

import merganser as mg
from merganser.errors import ConfigError

WORDS = TRAINING_TEXT.split()


def learned(tok: mg.Tokenizer, n_first: int = 256) -> list[bytes]:
    """The tokens from an id on."""
    return [tok.token_bytes(token_id) for token_id in range(n_first, tok.n_tokens)]


def train_from(counts: dict[str | bytes, int], pre_tokenizer: str = "gpt2", **options: Any) -> mg.Tokenizer:
    """Train on word counts, to as many tokens as there are."""
    words = mg.WordCounts.from_dict(counts, pre_tokenizer=pre_tokenizer)
    return mg.train_bpe(words, **{"vocab_size": 400, "allow_smaller": True, **options})


def test_several_sizes_are_the_beginnings_of_one_run() -> None:
    sizes = [300, 258, 400]
    several = mg.train_bpe([TRAINING_TEXT], vocab_sizes=iter(sizes), pre_tokenizer="gpt2")
    assert list(several) == sizes
    for size, tok in several.items():
        single = mg.train_bpe([TRAINING_TEXT], vocab_size=size, pre_tokenizer="gpt2")
        assert tok.vocab() == single.vocab()
        assert tok.encode(TRAINING_TEXT) == single.encode(TRAINING_TEXT)


def test_sizes_are_refused_when_one_cannot_be() -> None:
    for sizes, message in [
        ([300, 255], "at least 256"),
        ([256, 10**6], "at most"),
        ([], "empty"),
        ([0], "vocab_sizes"),
    ]:
        with pytest.raises(ConfigError, match=message):
            mg.train_bpe(["abc abc"], vocab_sizes=sizes)
    for both in ({}, {"vocab_size": 300, "vocab_sizes": [300]}):
        with pytest.raises(TypeError, match="either vocab_size or vocab_sizes"):
            mg.train_bpe(["abc"], **both)
    with pytest.raises(ConfigError, match="nested"):
        mg.train_bpe(["abc"], vocab_sizes=[256, 257], prune=2)


def test_going_on_gives_what_one_run_gives() -> None:
    short = mg.train_bpe([TRAINING_TEXT], vocab_size=300, special_tokens=["<|end|>"], normalizer="nfc")
    more = mg.train_bpe([TRAINING_TEXT], vocab_size=420, continue_from=short)
    whole = mg.train_bpe([TRAINING_TEXT], vocab_size=420, special_tokens=["<|end|>"], normalizer="nfc")
    assert more == whole


def test_going_on_keeps_ids_with_gaps_and_added_tokens() -> None:
    base = mg.train_bpe([TRAINING_TEXT], vocab_size=290, pre_tokenizer="gpt2").with_added_tokens(["<|new|>"])
    document = json.loads(base.to_json())
    vocab = document["model"]["vocab"]
    gap = {text: number + 1000 if number > 280 else number for text, number in vocab.items()}
    document["model"]["vocab"] = gap
    document["added_tokens"][0]["id"] = 5000
    document["model"]["vocab"]["<|new|>"] = 5000
    base = mg.Tokenizer.from_json(json.dumps(document))
    more = mg.train_bpe(["new words, newer words<|new|>"], vocab_size=base.n_tokens + 4, continue_from=base)
    old, new = base.vocab(), more.vocab()
    assert {token: new[token] for token in old} == old
    assert sorted(set(new.values()) - set(old.values())) == [5001, 5002, 5003, 5004]
    assert more.decode(more.encode("newer words")) == "newer words"
    assert max(more.encode("words newer words")) > 5000
    assert mg.Tokenizer.from_json(more.to_json()) == more


def test_going_on_refuses_what_it_cannot_keep() -> None:
    base = mg.train_bpe([TRAINING_TEXT], vocab_size=300, pre_tokenizer="gpt2")
    characters = train_from({"ab": 3}, "whitespace", vocab_size=3, alphabet=mg.CharacterAlphabet())
    cases: list[tuple[mg.Tokenizer, dict[str, Any], str]] = [
        (
            base,
            {"vocab_size": 299},
            r"at least 300 \(the tokens of continue_from\), .* no more than \d+ tokens, got 299",
        ),
        (base, {"special_tokens": ["<x>"]}, "special_tokens are those of continue_from"),
        (base, {"seed_tokens": ["the"]}, "seed_tokens cannot be had with continue_from"),
        (characters, {}, "byte-level BPE"),
    ]
    for tok, options, message in cases:
        with pytest.raises(ConfigError, match=message):
            mg.train_bpe(["abc"], **{"vocab_size": 310, "continue_from": tok, **options})
    with pytest.raises(TypeError, match=r"Tokenizer\.load"):
        mg.train_bpe(["abc"], vocab_size=310, continue_from="tokenizer.json")  # type: ignore[call-overload]
    other = mg.WordCounts.count(["abc"], pre_tokenizer="cl100k")
    with pytest.raises(ConfigError, match="another normalizer or pre_tokenizer"):
        mg.train_bpe(other, vocab_size=310, continue_from=base)


def test_seeds_are_in_and_forbidden_tokens_are_not() -> None:
    tok = train_from({" zebra": 2, "the": 50}, seed_tokens=["zebra", b"\xff\xfe"], forbidden_tokens=["the", b" z"])
    assert learned(tok)[:5] == [b"ze", b"zeb", b"zebr", b"zebra", b"\xff\xfe"]
    assert not {b"the", b" z"} & set(learned(tok))
    assert b"he" in learned(tok)
    for name in ("seed_tokens", "forbidden_tokens"):
        with pytest.raises(TypeError, match=name):
            train_from({"a": 1}, **{name: "the"})


@pytest.mark.parametrize("max_digits", [1, 2, 3])
def test_digits_stay_in_groups(max_digits: int) -> None:
    tok = train_from({"123": 20, "123456": 9, "a1": 8, " 12": 7, "٣٤٥٦": 6, "abc": 5}, max_digits=max_digits)
    with_digits = [t.decode() for t in learned(tok) if any(c.isdigit() for c in t.decode(errors="ignore"))]
    assert all(token.isdigit() and len(token) <= max_digits for token in with_digits)
    assert max((len(token) for token in with_digits), default=1) == max_digits
    assert b"abc" in learned(tok)


def test_tokens_hold_whole_characters_of_one_script_when_asked() -> None:
    counts: dict[str | bytes, int] = {"中文中": 9, "aбв": 8, "ab中": 7, "é!": 6}
    free = learned(train_from(counts))
    assert any(b"a" in token and "б".encode() in token for token in free)
    whole = learned(train_from(counts, whole_characters=True))
    assert {"中文".encode(), "文中".encode()} & set(whole)
    assert all(token.decode(errors="ignore") == "" or token.decode() for token in whole)
    one = {token.decode(errors="ignore") for token in learned(train_from(counts, one_script=True))}
    assert {"ab", "бв", "é!"} <= one
    assert not any("a" in token and ("б" in token or "中" in token) for token in one)


def test_pruning_makes_a_smaller_vocabulary_that_still_encodes() -> None:
    tok = mg.train_bpe([TRAINING_TEXT], vocab_size=500, pre_tokenizer="gpt2")
    pruned = mg.train_bpe([TRAINING_TEXT], vocab_size=500, pre_tokenizer="gpt2", prune=3)
    assert 256 < pruned.n_tokens < 500
    assert set(pruned.vocab()) < set(tok.vocab())
    assert sorted(pruned.vocab().values()) == list(range(pruned.n_tokens))
    assert pruned.decode(pruned.encode(TRAINING_TEXT)) == TRAINING_TEXT


def test_characters_with_affixes_are_other_symbols() -> None:
    alphabet = mg.CharacterAlphabet(continuing_subword_prefix="##", end_of_word_suffix="</w>")
    tok = train_from({"aab": 5, "b": 3}, "whitespace", alphabet=alphabet)
    texts = [tok.token_text(token_id) for token_id in range(tok.n_tokens)]
    assert texts == ["a", "b", "##a", "##b</w>", "b</w>", "aa", "aab</w>"]
    assert [tok.token_text(token_id) for token_id in tok.encode("aab b")] == ["aab</w>", "b</w>"]
    assert tok.decode(tok.encode("aab b")) == "aab b"


def test_characters_beyond_coverage_fall_back_to_bytes() -> None:
    text = "aaaa bbbb cccc é " * 5
    alphabet = mg.CharacterAlphabet(coverage=0.9, byte_fallback=True)
    tok = mg.train_bpe([text], vocab_size=270, alphabet=alphabet, allow_smaller=True)
    assert tok.token_text(0) == "<0x00>"
    assert "é".encode() not in tok.vocab()
    assert tok.decode(tok.encode("aaaa é")) == "aaaa é"
    report = tok.training_report
    assert report is not None
    assert "coverage" in str(report)


@pytest.mark.parametrize(
    "options",
    [
        {"coverage": -0.1},
        {"coverage": 1.1},
        {"coverage": float("nan")},
        {"limit": 0},
    ],
    ids=str,
)
def test_character_alphabet_refuses_values_out_of_range(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        mg.CharacterAlphabet(**options)


def test_options_are_refused_by_name() -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"max_digits": 0}, "max_digits"),
        ({"prune": 0}, "prune"),
        ({"like": "sentencepiece"}, "like"),
        ({"alphabet": "letters"}, "alphabet"),
        ({"alphabet": mg.CharacterAlphabet(unk_token="<unk>"), "pre_tokenizer": "whitespace"}, "unk_token"),
        ({"alphabet": mg.CharacterAlphabet(), "pre_tokenizer": "gpt2"}, "not byte-level"),
        ({"alphabet": mg.CharacterAlphabet(initial="a"), "special_tokens": ["a"]}, "symbol of the alphabet"),
    ]
    for options, message in cases:
        with pytest.raises(ConfigError, match=message):
            mg.train_bpe(["abc abc"], **{"vocab_size": 300, "allow_smaller": True, **options})


@pytest.mark.parametrize("word", ["a" * 10_000_000, "ab" * 5_000_000], ids=lambda word: word[:2])
def test_one_word_of_ten_million_characters_ends(word: str) -> None:
    with deadline():
        tok = train_from({word: 1}, vocab_size=290)
    assert max(map(len, learned(tok))) > 2**20


SCRIPT = """
import hashlib, json
import merganser as mg
from definitions import TRAINING_TEXT
affixed = mg.CharacterAlphabet(continuing_subword_prefix="##", end_of_word_suffix="</w>", limit=30)
runs = [
    {"vocab_size": 500, "n_threads": n_threads, **options}
    for options in (
        {"alphabet": affixed, "like": "tokenizers"},
        {"prune": 2, "seed_tokens": ["token"], "one_script": True},
    )
    for n_threads in (1, 2, 8)
]
made = [mg.train_bpe([TRAINING_TEXT] * 3, allow_smaller=True, **options).to_json() for options in runs]
print(json.dumps([hashlib.sha256(text.encode()).hexdigest() for text in made]))
"""


def test_training_gives_the_same_bytes_in_any_process_with_any_number_of_threads() -> None:
    first, second = (child_process.run(SCRIPT, PYTHONHASHSEED=seed) for seed in ("1", "2"))
    assert first == second
    assert len(set(first[:3])) == len(set(first[3:])) == 1


def test_seeds_are_one_token_and_no_text_is_made_twice(tmp_path: Path) -> None:
    seeds = ["babab", "baba", "aaaa", "    "]
    tok = mg.train_bpe(["x"], vocab_size=300, seed_tokens=seeds, allow_smaller=True)
    assert [len(tok.encode(seed)) for seed in seeds] == [1] * 4
    tok.save(tmp_path / "tokenizer.json")
    assert mg.Tokenizer.load(tmp_path / "tokenizer.json") == tok


def test_seeds_are_in_however_the_vocabulary_is_cut() -> None:
    with pytest.raises(ConfigError, match=r"vocab_sizes must be at least 261 .* and what seed_tokens need"):
        mg.train_bpe(["x"], vocab_sizes=[257, 300], seed_tokens=["newest"], allow_smaller=True)
    tok = mg.train_bpe(["zebra"], vocab_size=300, seed_tokens=["zebra"], prune=2, allow_smaller=True)
    assert len(tok.encode("zebra")) == 1


@pytest.mark.parametrize("is_special", [False, True])
def test_words_to_go_on_with_are_what_the_model_sees(is_special: bool) -> None:
    base = mg.train_bpe(["foo bar"], vocab_size=256).with_added_tokens(["foo"], special=is_special)
    tok = mg.train_bpe(["foobar foobarx"] * 5, vocab_size=300, continue_from=base, allow_smaller=True)
    learned = [tok.token_bytes(id_) for id_ in range(base.vocab_size, tok.vocab_size)]
    assert b"barx" in learned
    assert not [token for token in learned if b"o" in token]


@pytest.mark.parametrize("options", [{"alphabet": mg.CharacterAlphabet()}, {"initial_alphabet": b"ab"}])
def test_alphabet_to_go_on_with_cannot_be_another(options: dict[str, Any]) -> None:
    base = mg.train_bpe(["foo bar"], vocab_size=257)
    with pytest.raises(ConfigError, match="alphabet is that of continue_from"):
        mg.train_bpe(["ab"], vocab_size=258, continue_from=base, **options)


def test_numbers_of_numpy_and_iterators_are_options_like_others() -> None:
    tok = mg.train_bpe(["abab"], vocab_size=np.int64(257), special_tokens=iter([]))
    assert tok.training_report is not None
    assert tok.training_report.options == {"vocab_size": 257}
    sizes = mg.train_bpe(["abab"], vocab_sizes=np.array([256, 257]))
    assert [*sizes] == [256, 257]
