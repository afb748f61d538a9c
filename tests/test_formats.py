"""Reading and writing each format: what is saved is what loads, and a bad file is refused with the place named."""

import base64
import json
import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import child_process
import pytest
from common_checks import deadline
from definitions import added_token, load, pre_tokenizer_json, spell, tokenizer_json, vocabulary

import merganser as mg
from merganser import files
from merganser.errors import ConfigError, FormatError, PatternLimitError, UnsupportedError, VocabError
from merganser.reference import bpe

TEXT = "The lazy dog's café, 東京 1234!\n\n  <|endoftext|> x"
BYTES = [bytes([byte]) for byte in range(256)]
SMALL = bpe.Vocabulary([*BYTES, b"ab"], [(b"a", b"b")])
RANKS = [base64.b64encode(token) + b" %d" % rank for rank, token in enumerate(SMALL.tokens)]

Edit = Callable[[dict[str, Any]], object]


def edited(edit: Edit) -> dict[str, Any]:
    """A good definition with one thing changed."""
    definition = tokenizer_json(SMALL, "gpt2", special_tokens=("<s>",))
    edit(definition)
    return definition


def test_json_survives_saving_and_loading(tokenizer: mg.Tokenizer, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    tokenizer.save(path)
    for source in (path, str(path), tmp_path):
        again = mg.Tokenizer.load(source)
        assert again == tokenizer
        assert again.encode(TEXT, on_special="encode") == tokenizer.encode(TEXT, on_special="encode")
    assert again.to_json() == tokenizer.to_json()
    assert again.special_tokens == tokenizer.special_tokens
    assert os.listdir(tmp_path) == ["tokenizer.json"]


def _replace(pattern: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {pattern: "a"}, "content": "a" * 10}


BPE_DECODER = {"type": "BPEDecoder", "suffix": ""}
CTC_DECODER = {"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "", "cleanup": True}
WORDPIECE_DECODER = {"type": "WordPiece", "prefix": "##", "cleanup": False}
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
BERT = {"type": "BertProcessing", "sep": ["<s>", 257], "cls": ["<s>", 257]}
STAGES = {
    "normalizer": ("normalizers", {"type": "NFC"}),
    "pre_tokenizer": ("pretokenizers", {"type": "Digits", "individual_digits": False}),
    "post_processor": ("processors", BERT),
    "decoder": ("decoders", {"type": "Fuse"}),
}


def _many(component: str, n_stages: int, stage: dict[str, Any] | None = None) -> Edit:
    """Stages in a sequence of sequences of two."""
    key, default = STAGES[component]
    two = {"type": "Sequence", key: [stage or default] * 2}
    sequence = {"type": "Sequence", key: [two] * (n_stages // 2)}
    return lambda definition: definition.update({component: sequence})


def _large_template(definition: dict[str, Any], n_pieces: int, n_ids: int, letters: str = "") -> None:
    special = {"SpecialToken": {"id": "x", "type_id": 0}}
    definition["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [{"Sequence": {"id": "A", "type_id": 0}}, *[special] * n_pieces],
        "pair": [{"Sequence": {"id": letter, "type_id": 0}} for letter in letters],
        "special_tokens": {"x": {"id": "x", "ids": [0] * n_ids, "tokens": ["x"] * n_ids}},
    }


def _processed_template(definition: dict[str, Any]) -> None:
    """Around each piece of the template BERT's processor puts an id, and so does the next."""
    _large_template(definition, 16_000, 1)
    processors = [definition["post_processor"], *[BERT] * 100]
    definition["post_processor"] = {"type": "Sequence", "processors": processors}


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (_many("decoder", 30, _replace("String")), "decoders may make a text 4096 times as long"),
        (_many("decoder", 30, _replace("Regex")), "decoders may make a text 4096 times as long"),
        (_many("decoder", 40, BPE_DECODER), "decoders may make a text 4096 times as long"),
        (_many("decoder", 40, CTC_DECODER), "decoders may make a text 4096 times as long"),
        (_many("decoder", 40, WORDPIECE_DECODER), "decoders may make a text 4096 times as long"),
        (_many("decoder", 40, BYTE_LEVEL), "decoders may make a text 4096 times as long"),
        (lambda definition: _large_template(definition, 1000, 1000), "1001 pieces with 1 names of up to 1000 ids"),
        (lambda definition: _large_template(definition, 16_000, 8), "16001 pieces with 1 names of up to 8 ids"),
        (_processed_template, "16001 pieces with 1 names of up to 1 ids, among 101 post-processors"),
        (lambda definition: _large_template(definition, 1, 1, "A" * 17 + "B"), "17 places for one text"),
        (lambda definition: _large_template(definition, 1, 1, "A" + "B" * 16_000), "16000 places for one text"),
        *[(_many(component, 1000), "a sequence of more than 256") for component in STAGES],
    ],
)
def test_json_that_makes_much_of_little_is_refused(edit: Edit, message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        load(edited(edit))


def test_json_may_add_many_ids_within_bounds() -> None:
    tok = load(edited(lambda definition: _large_template(definition, 63, 1000, "A" * 16 + "B" * 16)))
    assert len(tok.encode("a")) == 63_001
    assert len(tok.encode_full("ac", "c")) == 48


@pytest.mark.parametrize("component", STAGES)
def test_json_may_have_many_stages_within_bounds(component: str) -> None:
    tok = load(edited(_many(component, 256)))
    assert tok.decode(tok.encode("ab", add_special_tokens=False)) == "ab"


@pytest.mark.parametrize(("decoder", "text"), [(BPE_DECODER, " a b"), (CTC_DECODER, " a  b ")])
def test_decoders_that_put_spaces_around_characters_work_alone(decoder: dict[str, Any], text: str) -> None:
    tok = load(edited(lambda definition: definition.update(decoder=decoder)))
    assert tok.decode([97, 98]) == text


def test_pre_tokenizers_that_make_a_text_too_long_are_stopped() -> None:
    """The byte-level spelling of what is not ASCII is twice as long, and has nothing that is ASCII."""
    model = {"type": "WordPiece", "unk_token": "[UNK]", "vocab": {"[UNK]": 0}, "max_input_chars_per_word": 100}
    model["continuing_subword_prefix"] = "##"

    def edit(definition: dict[str, Any]) -> None:
        definition.update(model=model, added_tokens=[], normalizer=None, decoder=None, post_processor=None)
        _many("pre_tokenizer", 40, BYTE_LEVEL)(definition)

    with pytest.raises(
        PatternLimitError, match="the pre-tokenizer makes more than 1051136 bytes of a text of 40 bytes"
    ):
        load(edited(edit)).encode("é" * 20)


@pytest.mark.parametrize("pattern", ["gpt2", "cl100k", "o200k"])
def test_tiktoken_survives_saving_and_loading(pattern: str, tmp_path: Path) -> None:
    path = tmp_path / "ranks.tiktoken"
    path.write_bytes(tiktoken_lines(pattern))
    specials = {"<|endoftext|>": 700, "<|end|>": 705}
    tok = mg.Tokenizer.load(path, pattern=pattern, special_tokens=specials)
    assert (tok.vocab_size, tok.n_tokens, tok.special_tokens) == (706, 602, specials)
    tok.save(tmp_path / "again.tiktoken")
    assert (tmp_path / "again.tiktoken").read_bytes() == path.read_bytes()
    expected = load(tokenizer_json(vocabulary(pattern), pattern)).encode(TEXT)
    assert tok.encode(TEXT, on_special="text") == expected
    assert mg.Tokenizer.from_json(tok.to_json()).encode(TEXT, on_special="encode") == tok.encode(
        TEXT, on_special="encode"
    )


def tiktoken_lines(pattern: str) -> bytes:
    """A rank file, its alphabet in the order of OpenAI's files."""
    tokens = vocabulary(pattern).tokens
    return b"".join(base64.b64encode(token) + b" %d\n" % rank for rank, token in enumerate(tokens))


def test_tiktoken_may_end_lines_as_windows_does(tmp_path: Path) -> None:
    path = tmp_path / "ranks.tiktoken"
    path.write_bytes(b"\r\n".join(RANKS) + b"\r\n")
    assert mg.Tokenizer.load(path, pattern="gpt2").encode("ab") == [256]


def test_vocab_and_merges_survive_saving_and_loading(tmp_path: Path) -> None:
    tok = load(tokenizer_json(vocabulary("gpt2"), "gpt2"))
    folder = tmp_path / "folder"
    folder.mkdir()
    tok.save(folder / "vocab.json")
    assert sorted(os.listdir(folder)) == ["merges.txt", "vocab.json"]
    for source in (folder, folder / "vocab.json"):
        again = mg.Tokenizer.load(source)
        assert again.encode(TEXT) == tok.encode(TEXT)
        assert again.vocab() == tok.vocab()


def test_saving_refuses_what_a_format_cannot_express(tmp_path: Path) -> None:
    cl100k = load(tokenizer_json(vocabulary("cl100k"), "cl100k"))
    with pytest.raises(UnsupportedError):
        cl100k.save(tmp_path / "vocab.json")
    # In a rank file the smaller id merges first: "abc" would become "a", "bc".
    two = bpe.Vocabulary([*BYTES, b"ab", b"bc"], [(b"a", b"b"), (b"b", b"c")])
    shuffled = load(tokenizer_json(two, "gpt2", ids=[*range(256), 257, 256]))
    with pytest.raises(UnsupportedError):
        shuffled.save(tmp_path / "ranks.tiktoken")
    added = mg.train_bpe(["hello"], vocab_size=257, pre_tokenizer="gpt2").with_added_tokens(["<tool>"])
    with pytest.raises(UnsupportedError, match="<tool>"):
        added.save(tmp_path / "ranks.tiktoken")
    assert not (tmp_path / "ranks.tiktoken").exists()
    assert not (tmp_path / "vocab.json").exists()


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="this system has no device without an end")
@pytest.mark.parametrize("name", ["tokenizer.json", "x.model", "x.tiktoken"])
def test_a_file_without_an_end_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_MAX_BYTES", 64 << 20)
    (tmp_path / name).symlink_to("/dev/zero")
    with pytest.raises(FormatError, match="64 MiB"):
        mg.Tokenizer.load(tmp_path / name)


def test_folder_holds_tokenizer_and_config(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    load(tokenizer_json(vocabulary("gpt2"), "gpt2")).save(source / "tokenizer.json")
    (source / "tokenizer_config.json").write_text('{"eos_token": "<|endoftext|>"}')
    tok = mg.Tokenizer.load(source)
    assert tok.config is not None
    assert tok.config.special_tokens == {"eos_token": "<|endoftext|>"}
    tok.save(tmp_path / "llama-3.1")
    again = mg.Tokenizer.load(tmp_path / "llama-3.1")
    assert again == tok
    assert again.config == tok.config == pickle.loads(pickle.dumps(tok)).config


def test_saving_keeps_the_old_file_when_it_fails(tok: mg.Tokenizer, tmp_path: Path) -> None:
    path = tmp_path / "no folder" / "tokenizer.json"
    with pytest.raises(FileNotFoundError):
        tok.save(path)
    old = tmp_path / "tokenizer.json"
    old.write_text("old")
    old.chmod(0o640)
    tok.save(old)
    assert mg.Tokenizer.load(old) == tok
    assert old.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["tokenizer.json"]


def test_merges_may_be_strings_or_pairs() -> None:
    strings = edited(lambda d: d["model"].update(merges=["a b"]))
    pairs = edited(lambda d: d["model"].update(merges=[["a", "b"]]))
    assert load(strings) == load(pairs)


def test_ids_may_leave_gaps() -> None:
    tok = load(tokenizer_json(SMALL, "gpt2", ids=[*range(1000, 1256), 5000]))
    assert (tok.vocab_size, tok.n_tokens) == (5001, 257)
    assert tok.encode("abc") == [5000, 1000 + ord("c")]
    assert tok.decode([5000]) == "ab"
    for gap in (0, 999, 1256, 4999):
        with pytest.raises(LookupError):
            tok.decode([gap])


BAD_JSON: list[tuple[str, Edit, str]] = [
    ("no model", lambda d: d.pop("model"), "model"),
    ("model null", lambda d: d.update(model=None), "line 1 column"),
    ("model type", lambda d: d["model"].update(type="Foo"), r'model\.type: "Foo"'),
    ("vocab list", lambda d: d["model"].update(vocab=[]), "model"),
    ("vocab null", lambda d: d["model"].update(vocab=None), "line 1 column"),
    ("vocab empty", lambda d: d["model"].update(vocab={}), "merge 0"),
    ("id string", lambda d: d["model"]["vocab"].update(a="5"), r'model\.vocab\["a"\]'),
    ("id float", lambda d: d["model"]["vocab"].update(a=5.5), r'model\.vocab\["a"\]'),
    ("id null", lambda d: d["model"]["vocab"].update(a=None), r'model\.vocab\["a"\]'),
    ("id true", lambda d: d["model"]["vocab"].update(a=True), r'model\.vocab\["a"\]'),
    ("id -1", lambda d: d["model"]["vocab"].update(a=-1), r'model\.vocab\["a"\].*-1'),
    ("id 1e9", lambda d: d["model"]["vocab"].update(zz=10**9), "1000000000"),
    ("id 2^31", lambda d: d["model"]["vocab"].update(zz=2**31), "2147483648"),
    ("id 2^32 - 1", lambda d: d["model"]["vocab"].update(zz=2**32 - 1), "4294967295"),
    ("id 2^32", lambda d: d["model"]["vocab"].update(zz=2**32), r'model\.vocab\["zz"\].*4294967296'),
    ("id 2^64", lambda d: d["model"]["vocab"].update(zz=2**64), r'model\.vocab\["zz"\]'),
    ("id 1e308", lambda d: d["model"]["vocab"].update(zz=1e308), r'model\.vocab\["zz"\]'),
    ("two of one id", lambda d: d["model"]["vocab"].update(zz=5), r"zz.*both have id 5"),
    ("merge of three", lambda d: d["model"].update(merges=["a b c"]), r"model\.merges\[0\]"),
    ("merge of one", lambda d: d["model"].update(merges=["a b", "ab"]), r"model\.merges\[1\]"),
    ("merge list of three", lambda d: d["model"].update(merges=[["a", "b", "c"]]), r"model\.merges\[0\]"),
    ("merge a number", lambda d: d["model"].update(merges=[1]), r"model\.merges\[0\]"),
    ("merges null", lambda d: d["model"].update(merges=None), "line 1 column"),
    ("merges object", lambda d: d["model"].update(merges={}), "line 1 column"),
    ("merge of no token", lambda d: d["model"]["merges"].append(["a", "zz"]), r'merge 1 uses "zz"'),
    ("merge to no token", lambda d: d["model"]["merges"].append(["a", "c"]), r'merge 1 makes "ac"'),
    ("added id -1", lambda d: d["added_tokens"][0].update(id=-1), r"added_tokens\[0\]\.id"),
    ("added id string", lambda d: d["added_tokens"][0].update(id="5"), r"added_tokens\[0\]\.id"),
    ("added id taken", lambda d: d["added_tokens"][0].update(id=5), r"added_tokens\[0\].*id 5"),
    ("added id 1e9", lambda d: d["added_tokens"].append(added_token("<t>", 10**9)), "1000000000"),
    ("added empty", lambda d: d["added_tokens"][0].update(content=""), r"added_tokens\[0\]\.content"),
    ("added content null", lambda d: d["added_tokens"][0].update(content=None), r"added_tokens\[0\]\.content"),
    ("added twice", lambda d: d["added_tokens"].append(d["added_tokens"][0]), r"added_tokens\[1\]"),
    ("added flag string", lambda d: d["added_tokens"][0].update(special="yes"), r"added_tokens\[0\]\.special"),
    ("added no object", lambda d: d["added_tokens"].append(5), r"added_tokens\[1\]"),
    ("unknown key", lambda d: d.update(foo=1), "foo"),
    ("unknown key in model", lambda d: d["model"].update(foo=1), r"model\.foo"),
    ("version", lambda d: d.update(version="2.0"), "version"),
    ("dropout", lambda d: d["model"].update(dropout=1.5), r"model\.dropout"),
    ("unk token", lambda d: d["model"].update(unk_token=5), r"model\.unk_token"),
    ("byte fallback", lambda d: d["model"].update(byte_fallback="yes"), r"model\.byte_fallback"),
    ("truncation", lambda d: d.update(truncation={"max_length": 0}), "truncation"),
    ("padding", lambda d: d.update(padding={"strategy": {"Fixed": 10**11}}), "padding"),
    ("normalizer", lambda d: d.update(normalizer={"type": "Foo"}), r'normalizer\.type: "Foo"'),
    ("nested normalizer", lambda d: d.update(normalizer=nested("normalizers", 300)), "recursion limit"),
    ("pre-tokenizer", lambda d: d.update(pre_tokenizer={"type": "Foo"}), r'pre_tokenizer\.type: "Foo"'),
    ("post-processor", lambda d: d.update(post_processor={"type": "Foo"}), r'post_processor\.type: "Foo"'),
    ("decoder", lambda d: d.update(decoder={"type": "Foo"}), r'decoder\.type: "Foo"'),
    ("pattern invalid", lambda d: d.update(pre_tokenizer=pre_tokenizer_json("(a")), r"pre_tokenizer.*Regex"),
    (
        "pattern bomb",
        lambda d: d.update(pre_tokenizer=pre_tokenizer_json("((a{999}){999}){999}")),
        r"pre_tokenizer.*Regex",
    ),
    (
        "pattern back-reference",
        lambda d: d.update(pre_tokenizer=pre_tokenizer_json(r"(.*)\1x")),
        r"pre_tokenizer.*Regex",
    ),
    (
        "pattern deep",
        lambda d: d.update(pre_tokenizer=pre_tokenizer_json("(" * 50_000 + ")" * 50_000)),
        "pre_tokenizer",
    ),
]


def nested(key: str, depth: int) -> dict[str, Any]:
    """A sequence in a sequence in a sequence."""
    value: dict[str, Any] = {"type": "NFC"}
    for _ in range(depth):
        value = {"type": "Sequence", key: [value]}
    return value


@pytest.mark.parametrize(("edit", "place"), [case[1:] for case in BAD_JSON], ids=[case[0] for case in BAD_JSON])
def test_json_is_refused_with_the_place_named(edit: Edit, place: str, tmp_path: Path) -> None:
    text = json.dumps(edited(edit))
    with deadline(), pytest.raises((FormatError, VocabError), match=place):
        mg.Tokenizer.from_json(text)
    path = tmp_path / "tokenizer.json"
    path.write_text(text)
    with deadline(), pytest.raises((FormatError, VocabError), match=re.escape(str(path))):
        mg.Tokenizer.load(path)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "line 1 column 0"),
        ("{", "line 1 column 1"),
        ("null", "line 1"),
        ("[]", "line 1 column"),
        ("NaN", "line 1 column 1"),
        ("[" * 1_000_000, "line 1 column"),
        ('{"model":' + "[" * 1_000_000, "line 1 column"),
        ('{"normalizer":' + '{"a":' * 1_000_000, "line 1 column|normalizer"),
        ('{"model":{"vocab":' + '{"a":' * 1_000_000, "line 1 column|vocab"),
        ('{"version":"1.0","version":"1.0"}', "version"),
        ("\ufeff{}", "byte order mark"),
        (b"\xff", "byte 0"),
        (b'{"\xc3\xa9\xff":1}', "byte 4"),
    ],
    ids=lambda value: repr(value[:12]),
)
def test_text_that_is_no_tokenizer_json_is_refused(text: str | bytes, place: str) -> None:
    with deadline(), pytest.raises(FormatError, match=place):
        mg.Tokenizer.from_json(text)


def test_json_cut_anywhere_is_refused() -> None:
    text = json.dumps(tokenizer_json(SMALL, "gpt2", special_tokens=("<s>",))).encode()
    for n_bytes in range(0, len(text), 37):
        with pytest.raises(FormatError):
            mg.Tokenizer.from_json(text[:n_bytes])


def test_json_with_repeated_keys_is_refused() -> None:
    text = json.dumps(tokenizer_json(SMALL, "gpt2"))
    with pytest.raises(FormatError, match=r'model\.vocab\["ab"\]'):
        mg.Tokenizer.from_json(text.replace('"ab": 256', '"ab": 256, "ab": 257'))


@pytest.mark.parametrize(
    "edit", [lambda text: text + "x", lambda text: text + "{}", lambda text: text.replace(",", ",,", 1)]
)
def test_json_with_something_behind_or_between_is_refused(edit: Callable[[str], str]) -> None:
    with pytest.raises(FormatError, match="line 1 column"):
        mg.Tokenizer.from_json(edit(json.dumps(tokenizer_json(SMALL, "gpt2"))))


def test_every_change_of_one_byte_loads_or_is_refused() -> None:
    """Whatever a damaged file holds: a tokenizer that works, or an error of ours; never a crash or a hang."""
    text = bytearray(json.dumps(tokenizer_json(bpe.Vocabulary([b"a", b"b", b"ab"], [(b"a", b"b")]), "gpt2")).encode())
    with deadline(60):
        for place in range(len(text)):
            for byte in (0x00, ord('"'), ord("0"), ord("["), ord("}"), 0xFF):
                changed = bytes(text[:place]) + bytes([byte]) + bytes(text[place + 1 :])
                try:
                    tok = mg.Tokenizer.from_json(changed)
                except (FormatError, VocabError):
                    continue
                assert tok.decode(tok.encode("")) == ""


@pytest.mark.parametrize(
    "pattern", [r"\p{L}+", r"\p{L}+|\p{N}+|[^\p{L}\p{N}]+", r" ?\p{Lu}?\p{Ll}+|\s+|.", r"\p{N}{1,3}|\p{L}{2}|(?s:.)"]
)
def test_pattern_with_unicode_classes_is_read(pattern: str) -> None:
    tok = load(tokenizer_json(SMALL, pattern))
    assert tok.decode(tok.encode(TEXT)) == TEXT


@pytest.mark.parametrize("pattern", [r"(?:a+)+b", r"(a|a)*b", r"(?:a|aa)+(?!c)b|.", r"a+b|a", r"(?=(a+))a*b"])
def test_pattern_that_would_take_for_ever_is_limited(pattern: str) -> None:
    """A pattern from a file cannot hang the process, whatever the text: it works in time, or is refused by an error."""
    script = f"""
    from definitions import load, tokenizer_json, vocabulary
    from merganser.errors import FormatError, PatternLimitError
    text = "a" * 150_000
    try:
        tok = load(tokenizer_json(vocabulary("gpt2"), {pattern!r}))
        print(1 if tok.decode(tok.encode(text)) == text else 0)
    except (FormatError, PatternLimitError):
        print(1)
    """
    assert child_process.run(script, timeout=6) == 1


BAD_RANKS: list[tuple[str, bytes, str]] = [
    ("empty", b"", "no tokens"),
    ("line cut", b"\n".join(RANKS)[:-6], "line 257"),
    ("bad base64", b"\n".join([*RANKS[:5], b"!!! 5", *RANKS[6:]]), "line 6"),
    ("no rank", b"\n".join([*RANKS, b"Y2Q="]), "line 258"),
    ("negative rank", b"\n".join([*RANKS, b"Y2Q= -1"]), "line 258.*-1"),
    ("rank 2^32", b"\n".join([*RANKS, b"Y2Q= 4294967296"]), "line 258.*4294967296"),
    ("rank 1e9", b"\n".join([*RANKS, b"Y2Q= 1000000000"]), "line 258.*1000000000"),
    ("rank float", b"\n".join([*RANKS, b"Y2Q= 257.0"]), r"line 258.*257\.0"),
    ("rank twice", b"\n".join([*RANKS, b"Y2Q= 256"]), "line 258.*line 257"),
    ("token twice", b"\n".join([*RANKS, b"YWI= 257"]), "line 258.*line 257"),
    ("byte missing", b"\n".join(RANKS[1:]), "0x00"),
    ("token empty", b"\n".join([*RANKS, b" 257"]), "line 258"),
    ("three parts", b"\n".join([*RANKS, b"Y2Q= 257 5"]), "line 258"),
    ("not ASCII", b"\xff\xfe\n", "line 1"),
    ("JSON", b"{}\n", "line 1"),
    ("one long line", b"A" * 10_000_000, "line 1"),
]


@pytest.mark.parametrize(("data", "place"), [case[1:] for case in BAD_RANKS], ids=[case[0] for case in BAD_RANKS])
def test_tiktoken_is_refused_with_the_place_named(data: bytes, place: str, tmp_path: Path) -> None:
    path = tmp_path / "ranks.tiktoken"
    path.write_bytes(data)
    with deadline(), pytest.raises((FormatError, VocabError), match=f"{re.escape(str(path))}.*{place}"):
        mg.Tokenizer.load(path, pattern="gpt2")


@pytest.mark.parametrize(
    "special_tokens",
    [
        {"<s>": 5},
        {"": 300},
        {"<s>": -1},
        {"<s>": 2**32},
        {"<s>": 2**70},
        {"<s>": 10**9},
        {"<s>": 300, "<t>": 300},
        {"ab": 300},
    ],
    ids=str,
)
def test_tiktoken_special_tokens_are_checked(special_tokens: dict[str, int], tmp_path: Path) -> None:
    path = tmp_path / "ranks.tiktoken"
    path.write_bytes(b"\n".join(RANKS))
    with pytest.raises((FormatError, VocabError, ConfigError)):
        mg.Tokenizer.load(path, pattern="gpt2", special_tokens=special_tokens)


def test_tiktoken_pattern_is_never_guessed(tmp_path: Path) -> None:
    path = tmp_path / "cl100k_base.tiktoken"
    path.write_bytes(b"\n".join(RANKS))
    with pytest.raises(ConfigError, match="pattern is required"):
        mg.Tokenizer.load(path)
    with pytest.raises((ConfigError, FormatError), match=r"\(a"):
        mg.Tokenizer.load(path, pattern="(a")


VOCAB = json.dumps({spell(token): token_id for token_id, token in enumerate(SMALL.tokens)}).encode()
BAD_PAIRS: list[tuple[str, bytes, bytes, str]] = [
    ("merge of three", VOCAB, b"#version: 0.2\na b c\n", r"merges\.txt line 2"),
    ("merge of one", VOCAB, b"#version: 0.2\na b\nab\n", r"merges\.txt line 3"),
    ("merge of no token", VOCAB, b"#version: 0.2\na zz\n", r"merges\.txt line 2.*zz"),
    ("merge to no token", VOCAB, b"#version: 0.2\na c\n", r"merges\.txt line 2.*ac"),
    ("merges not UTF-8", VOCAB, b"#version: 0.2\n\xff \xff\n", r"merges\.txt byte 14"),
    ("vocab a list", b"[]", b"", r"vocab\.json line 1"),
    ("vocab cut", VOCAB[:-5], b"", r"vocab\.json line 1"),
    ("vocab empty file", b"", b"", r"vocab\.json line 1"),
    ("two of one id", VOCAB.replace(b"256", b"255"), b"", "255"),
    ("id -1", VOCAB.replace(b"256", b"-1"), b"", "-1"),
    ("id 1e9", VOCAB.replace(b"256", b"1000000000"), b"", "1000000000"),
]


@pytest.mark.parametrize(
    ("vocab", "merges", "place"), [case[1:] for case in BAD_PAIRS], ids=[case[0] for case in BAD_PAIRS]
)
def test_vocab_and_merges_are_refused_with_the_place_named(
    vocab: bytes, merges: bytes, place: str, tmp_path: Path
) -> None:
    (tmp_path / "vocab.json").write_bytes(vocab)
    (tmp_path / "merges.txt").write_bytes(merges)
    with pytest.raises((FormatError, VocabError), match=f"{re.escape(str(tmp_path))}.*{place}"):
        mg.Tokenizer.load(tmp_path)


def test_merges_may_end_lines_as_windows_does(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_bytes(VOCAB)
    for merges in (b"#version: 0.2\r\na b\r\n", b"a b\n", b"#version: 0.2\na b"):
        (tmp_path / "merges.txt").write_bytes(merges)
        assert mg.Tokenizer.load(tmp_path).encode("ab") == [256]


def test_loading_what_is_not_there_says_so(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_bytes(VOCAB)
    (tmp_path / "empty").mkdir()
    for path in (tmp_path, tmp_path / "none.json", tmp_path / "none.tiktoken", tmp_path / "none"):
        with pytest.raises(FileNotFoundError):
            mg.Tokenizer.load(path)
    with pytest.raises(FormatError, match="empty: holds no tokenizer; looked for tokenizer"):
        mg.Tokenizer.load(tmp_path / "empty")
    with pytest.raises(ConfigError, match=r"pattern.*vocab\.json"):
        mg.Tokenizer.load(tmp_path, pattern="gpt2")
    for bad in (None, 5, ["a"]):
        with pytest.raises(TypeError):
            mg.Tokenizer.load(bad)
        with pytest.raises(TypeError):
            mg.Tokenizer.from_json(bad)


def test_loading_an_unreadable_file_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    with pytest.raises((OSError, FormatError)):
        mg.Tokenizer.load(tmp_path / "folder.json")


def test_a_token_of_ten_megabytes_is_no_cliff() -> None:
    long = "a" * 10_000_000
    definition = tokenizer_json(SMALL, "gpt2")
    definition["model"]["vocab"][long] = 257
    with deadline(60):
        try:
            tok = load(definition)
        except (FormatError, VocabError):
            return
        assert tok.decode(tok.encode("ab")) == "ab"
        assert tok.decode([257]) == long


def test_a_million_duplicate_merges_are_no_cliff() -> None:
    definition = tokenizer_json(SMALL, "gpt2")
    definition["model"]["merges"] *= 1_000_000
    with deadline(60):
        assert load(definition).encode("ab") == [256]
