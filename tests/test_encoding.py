"""`Encoding`: where ids come from, truncation, padding, added tokens; each way of asking agrees with the others."""

import pickle

import numpy as np
import pytest
from definitions import SUBJECTS, Subject, added_token, load, tokenizer_json, vocabulary

import merganser as mg
from merganser.errors import ConfigError, DisallowedSpecialError, TextError, UnknownTokenError, VocabError

TEXTS = ["", "the dog", "café 東京 🙂", "  e\u0301\r\n\r\n x", "The DOG's <|im_start|> ÄÖ", "\0\x85\u00a0a"]


@pytest.fixture(scope="session")
def bert() -> mg.Tokenizer:
    """Bytes without merges, and BERT's special tokens around a text and between two."""
    definition = tokenizer_json(vocabulary("gpt2", 256), "gpt2", special_tokens=("<pad>", "[CLS]", "[SEP]"))
    pad, begin, end = (entry["id"] for entry in definition["added_tokens"])
    assert (pad, begin, end) == (256, 257, 258)
    one, two = ({"Sequence": {"id": name, "type_id": place}} for place, name in enumerate("AB"))
    first, between, last = (
        {"SpecialToken": {"id": name, "type_id": type_id}}
        for name, type_id in (("[CLS]", 0), ("[SEP]", 0), ("[SEP]", 1))
    )
    definition["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [first, one, between],
        "pair": [first, one, between, two, last],
        "special_tokens": {
            name: {"id": name, "ids": [id_], "tokens": [name]} for name, id_ in (("[CLS]", begin), ("[SEP]", end))
        },
    }
    return load(definition)


def bytes_of(*parts: str | int) -> list[int]:
    """The ids of text in a vocabulary of bytes; numbers stand for themselves."""
    tok = load(tokenizer_json(vocabulary("gpt2", 256), "gpt2"))
    ids: list[int] = []
    for part in parts:
        ids += [part] if isinstance(part, int) else tok.encode(part)
    return ids


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
@pytest.mark.parametrize("on_special", ["encode", "text"])
def test_encode_full_gives_the_ids_of_encode(subject: Subject, on_special: str) -> None:
    tok = subject.build()
    for add_special_tokens in (True, False):
        options = {"add_special_tokens": add_special_tokens, "on_special": on_special}
        batch = tok.encode_full_batch(TEXTS, **options)
        for text, encoding in zip(TEXTS, batch, strict=True):
            assert encoding.ids.tolist() == tok.encode(text, **options)
            assert encoding == tok.encode_full(text, **options)
            assert encoding == tok.encode_full(text.encode(), **options)


@pytest.mark.parametrize("subject", [one for one in SUBJECTS if one.name != "nfc"], ids=lambda subject: subject.name)
def test_offsets_cover_the_text_in_order(subject: Subject) -> None:
    tok = subject.build()
    for text in TEXTS:
        data = text.encode()
        encoding = tok.encode_full(text, on_special="encode", add_special_tokens=False)
        covered = bytearray(len(data))
        starts = encoding.offsets[:, 0]
        assert (np.diff(starts) >= 0).all()
        for token, (start, end) in enumerate(encoding.offsets.tolist()):
            assert data[start:end].decode() == encoding.surface(token)
            covered[start:end] = b"\1" * (end - start)
        assert not bytes(byte for byte, is_covered in zip(data, covered, strict=True) if not is_covered).strip(b" ")


def test_char_offsets_count_characters(tok: mg.Tokenizer) -> None:
    text = "é東🙂 a"
    encoding = tok.encode_full(text)
    places = {start: char for char, start in enumerate(len(text[:end].encode()) for end in range(len(text) + 1))}
    expected = [[places[start], places[end]] for start, end in encoding.offsets.tolist()]
    assert encoding.char_offsets.tolist() == expected
    assert not encoding.char_offsets.flags.writeable


def test_places_agree_with_each_other(tok: mg.Tokenizer) -> None:
    text, pair = "The café dog", "low lower"
    encoding = tok.encode_full(text, pair)
    assert encoding.n_sequences == 2
    for sequence, source in enumerate((text, pair)):
        for char in range(len(source)):
            token = encoding.char_to_token(char, sequence)
            if source[char] == " ":
                assert token is None, "offsets leave out the space before a word"
                continue
            assert token is not None
            start, end = encoding.token_to_chars(token)
            assert start <= char < end
            assert encoding.token_to_sequence(token) == sequence
            word = encoding.char_to_word(char, sequence)
            assert word == encoding.token_to_word(token)
            first, after = encoding.word_to_tokens(word, sequence)
            assert first <= token < after
            start, end = encoding.word_to_chars(word, sequence)
            assert start <= char < end
        assert encoding.char_to_token(len(source), sequence) is None
    assert encoding.char_to_token(0, 2) is None
    assert encoding.word_to_tokens(-1) is None
    assert encoding.word_to_tokens(99) is None
    assert encoding.word_to_chars(99) is None


def test_special_tokens_stand_for_no_text(bert: mg.Tokenizer) -> None:
    encoding = bert.encode_full("a b", "c")
    assert encoding.ids.tolist() == bytes_of(257, "a b", 258, "c", 258)
    assert encoding.tokens == ["[CLS]", "a", "Ġ", "b", "[SEP]", "c", "[SEP]"]
    assert encoding.type_ids.tolist() == [0, 0, 0, 0, 0, 1, 1]
    assert encoding.sequence_ids.tolist() == [-1, 0, 0, 0, -1, 1, -1]
    assert encoding.word_ids.tolist() == [-1, 0, 1, 1, -1, 0, -1]
    assert encoding.special_tokens_mask.tolist() == [True, False, False, False, True, False, True]
    assert encoding.attention_mask.all()
    assert encoding.token_to_chars(0) is None
    assert encoding.token_to_word(4) is None
    assert encoding.token_to_sequence(6) is None
    assert encoding.token_to_word(7) is None
    assert encoding.token_to_sequence(-1) is None
    assert encoding.surface(0) == "[CLS]"


def test_bytes_before_the_last_of_a_piece_stand_for_no_text() -> None:
    tok = mg.train_sentencepiece(["a b"] * 9, vocab_size=300, byte_fallback=True, hard_vocab_limit=False)
    encoding = tok.encode_full("a東b")
    place = encoding.tokens.index("<0xE6>")
    assert encoding.tokens[place : place + 3] == ["<0xE6>", "<0x9D>", "<0xB1>"]
    assert encoding.offsets[place : place + 3].tolist() == [[1, 1], [1, 1], [1, 4]]
    assert [encoding.token_to_chars(token) for token in range(place, place + 3)] == [None, None, (1, 2)]
    assert encoding.char_to_token(1) == place + 2
    assert [encoding.token_to_sequence(token) for token in range(place, place + 3)] == [0, 0, 0]
    assert tok.as_hf()("a東b", add_special_tokens=False).token_to_chars(place) == (1, 1), "as tokenizers tells it"


def test_encoding_cannot_be_written_to(tok: mg.Tokenizer) -> None:
    encoding = tok.encode_full("the dog")
    with pytest.raises(AttributeError):
        encoding.ids = encoding.ids
    for array in (encoding.ids, encoding.offsets, encoding.word_ids, encoding.attention_mask):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_encoding_survives_pickling_without_its_tokenizer(bert: mg.Tokenizer) -> None:
    encoding = bert.encode_full("abc", truncation=mg.Truncation(4), padding=mg.Padding(6, id=256, token="<pad>"))
    data = pickle.dumps(encoding)
    copy = pickle.loads(data)
    assert copy == encoding
    assert copy.tokens == encoding.tokens == ["[CLS]", "a", "b", "[SEP]", "<pad>", "<pad>"]
    assert [other.tokens for other in copy.overflowing] == [["[CLS]", "c", "[SEP]", "<pad>", "<pad>", "<pad>"]]
    assert b"merges" not in data


def test_encodings_of_other_texts_differ(tok: mg.Tokenizer) -> None:
    assert tok.encode_full("dog") != tok.encode_full("dogs")
    assert tok.encode_full("dog") != tok.encode_full("dog", padding=mg.Padding(9))
    assert tok.encode_full("dog") != tok.encode("dog")
    assert hash(tok.encode_full("dog")) == hash(tok.encode_full("dog"))


def test_encoding_is_shown_escaped(tok: mg.Tokenizer) -> None:
    encoding = tok.encode_full("a <b>\n&", on_special="encode")
    shown = encoding._repr_html_()
    assert "<b>" not in shown
    assert "&amp;" in shown
    assert "↵" in shown
    assert encoding.__rich__().plain == "a <b>↵\n&"
    assert repr(encoding) == f"Encoding({len(encoding)} tokens, 0 overflowing)"


@pytest.mark.parametrize(
    ("truncation", "expected", "overflowing"),
    [
        (mg.Truncation(5), ["abc"], ["def"]),
        (mg.Truncation(6), ["abcd"], ["ef"]),
        (mg.Truncation(6, stride=2), ["abcd"], ["cdef"]),
        (mg.Truncation(6, side="left"), ["cdef"], ["ab"]),
        (mg.Truncation(8), ["abcdef"], []),
        (mg.Truncation(2), [""], ["abcdef"]),
    ],
    ids=str,
)
def test_truncation_cuts_text_and_keeps_special_tokens(
    bert: mg.Tokenizer, truncation: mg.Truncation, expected: list[str], overflowing: list[str]
) -> None:
    encoding = bert.encode_full("abcdef", truncation=truncation)
    assert encoding.ids.tolist() == bytes_of(257, *expected, 258)
    assert [other.ids.tolist() for other in encoding.overflowing] == [bytes_of(257, part, 258) for part in overflowing]
    assert len(encoding) <= truncation.max_length


def test_truncation_of_a_pair_follows_its_strategy(bert: mg.Tokenizer) -> None:
    def kept(strategy: str) -> list[int]:
        return bert.encode_full("abcdef", "xyz", truncation=mg.Truncation(9, strategy=strategy)).ids.tolist()

    assert kept("longest_first") == bytes_of(257, "abc", 258, "xyz", 258)
    assert kept("only_first") == bytes_of(257, "abc", 258, "xyz", 258)
    longer = bert.encode_full("abcdef", "xyzw", truncation=mg.Truncation(10, strategy="only_second"))
    assert longer.ids.tolist() == bytes_of(257, "abcdef", 258, "x", 258)
    with pytest.raises(ConfigError, match="second"):
        bert.encode_full("abcdef", truncation=mg.Truncation(3, strategy="only_second"))


def test_padding_fills_a_batch(bert: mg.Tokenizer) -> None:
    one, two = bert.encode_full_batch(["abc", ""], padding=mg.Padding(id=256, type_id=4, token="<pad>"))
    assert one.ids.tolist() == bytes_of(257, "abc", 258)
    assert two.ids.tolist() == [257, 258, 256, 256, 256]
    assert two.attention_mask.tolist() == [True, True, False, False, False]
    assert two.type_ids.tolist() == [0, 0, 4, 4, 4]
    assert two.special_tokens_mask.all()
    left = bert.encode_full("a", padding=mg.Padding(side="left", multiple_of=4, id=256))
    assert left.ids.tolist() == bytes_of(256, 257, "a", 258)


@pytest.mark.parametrize(
    "make",
    [
        lambda: mg.Truncation(-1),
        lambda: mg.Truncation(8, strategy="shortest"),
        lambda: mg.Truncation(8, stride=-1),
        lambda: mg.Truncation(8, side="top"),
        lambda: mg.Padding(-1),
        lambda: mg.Padding(side="both"),
        lambda: mg.Padding(id=1 << 32),
        lambda: mg.Padding(multiple_of=-8),
        lambda: mg.Padding(multiple_of=0),
    ],
)
def test_settings_out_of_range_are_refused(make) -> None:
    with pytest.raises(ConfigError, match="must be"):
        make()


def test_settings_that_cannot_be_kept_are_refused(bert: mg.Tokenizer) -> None:
    with pytest.raises(ConfigError, match="max_length"):
        bert.encode_full("abc", truncation=mg.Truncation(1))
    with pytest.raises(ConfigError, match="stride"):
        bert.encode_full("abcdef", truncation=mg.Truncation(4, stride=2))
    with pytest.raises(ConfigError, match="vocabulary"):
        bert.encode_full("abc", padding=mg.Padding(9, id=5_000))
    with pytest.raises(ConfigError, match="pairs"):
        bert.encode_full_batch(["a", "b"], ["c"])


def test_tokenizer_keeps_its_own_settings_in_every_call(bert: mg.Tokenizer) -> None:
    cut = mg.Truncation(5)
    fill = mg.Padding(6, id=256, token="<pad>")
    tok = bert.with_truncation(cut).with_padding(fill)
    expected = bytes_of(257, "abc", 258, 256)
    assert (tok.truncation, tok.padding) == (cut, fill)
    assert (bert.truncation, bert.padding) == (None, None)
    assert tok.encode("abcdef") == expected
    assert tok.encode_to_numpy("abcdef").tolist() == expected
    assert tok.encode_batch(["abcdef"]).to_list() == [expected]
    assert tok.count("abcdef") == 6
    assert tok.encode_full("abcdef").ids.tolist() == expected
    assert tok.encode_full("abcdef", truncation=mg.Truncation(4)).ids.tolist() == bytes_of(257, "ab", 258, 256, 256)
    assert pickle.loads(pickle.dumps(tok)) == tok != bert
    assert tok.with_truncation(None).with_padding(None) == bert


def test_corpus_refuses_a_tokenizer_that_truncates_or_pads(tok: mg.Tokenizer, tmp_path) -> None:
    with pytest.raises(ConfigError, match=r"with_truncation\(None\)"):
        mg.corpus.encode(["a"], tok.with_truncation(mg.Truncation(8)), tmp_path / "a")
    with pytest.raises(ConfigError, match=r"with_padding\(None\)"):
        mg.corpus.encode(["a"], tok.with_padding(mg.Padding()), tmp_path / "a")
    with pytest.raises(TypeError, match=r"Tokenizer\.load"):
        mg.corpus.encode(["a"], tmp_path / "tokenizer.json", tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_added_tokens_get_the_next_ids(tok: mg.Tokenizer) -> None:
    more = tok.with_added_tokens(["<tool>", "", "dog<tool>", "<tool>"])
    first = tok.vocab_size
    assert more.encode("a <tool>dog<tool>x") == [*tok.encode("a "), first, first + 1, *tok.encode("x")]
    assert more.n_tokens == tok.n_tokens + 2
    assert tok.token_to_id("<tool>") is None
    special = more.with_added_tokens(["<tool>", "<end>"], special=True)
    assert special.special_tokens == {**tok.special_tokens, "<tool>": first, "<end>": first + 2}
    with pytest.raises(DisallowedSpecialError):
        special.encode("<tool>")
    assert special.encode("<end>", on_special="encode") == [first + 2]
    assert mg.Tokenizer.from_json(special.to_json()) == special


def test_added_token_of_the_vocabulary_keeps_its_id() -> None:
    tok = load(tokenizer_json(vocabulary("gpt2"), "gpt2", special_tokens=("<end>",)))
    known = tok.token_to_id(b"ow")
    assert known is not None
    more = tok.with_added_tokens(["ow"])
    assert more.encode("xowow")[1:] == [known, known]
    assert more.vocab_size == tok.vocab_size


def test_added_token_is_refused_when_its_id_is_taken() -> None:
    learned = vocabulary("gpt2")
    ids = [2 * place for place in range(len(learned.tokens))]
    tok = load(tokenizer_json(learned, "gpt2", ids=ids))
    with pytest.raises(VocabError, match="gaps"):
        tok.with_added_tokens(["<tool>"])


def test_added_tokens_must_be_text(tok: mg.Tokenizer) -> None:
    with pytest.raises(TextError, match=r"U\+D800"):
        tok.with_added_tokens(["a\ud800"])
    with pytest.raises(TypeError, match="str"):
        tok.with_added_tokens([b"a"])
    with pytest.raises(TypeError, match="many"):
        tok.with_added_tokens("ab")


def test_lone_surrogates_in_options_raise_text_errors(tmp_path) -> None:
    (tmp_path / "a.txt").write_text("a")
    for call in (
        lambda: mg.train_bpe(["a"], vocab_size=300, special_tokens=["\ud800"]),
        lambda: mg.WordCounts.count(["a"], special_tokens=["x\udfff"]),
        lambda: mg.read(tmp_path / "a.txt", separator="\ud800"),
        lambda: mg.read(tmp_path / "a.txt", text_field="\ud800"),
        lambda: mg.Tokenizer.load(tmp_path / "a.tiktoken", special_tokens={"\ud800": 1}),
    ):
        with pytest.raises(TextError, match="surrogate"):
            call()


def test_token_text_is_the_spelling_of_the_vocabulary(tok: mg.Tokenizer) -> None:
    ids = tok.encode("a dog é<|im_end|>", on_special="encode")
    assert tok.tokens(np.array(ids)) == [tok.token_text(id_) for id_ in ids]
    assert tok.token_text(tok.special_tokens["<|im_end|>"]) == "<|im_end|>"
    assert tok.token_text(tok.encode(" ")[0]) == "Ġ"
    for bad in (tok.vocab_size, -1, 1 << 40):
        with pytest.raises(UnknownTokenError, match="vocab_size"):
            tok.token_text(bad)


def test_tokens_of_added_tokens_are_their_text() -> None:
    definition = tokenizer_json(vocabulary("gpt2"), "gpt2")
    definition["added_tokens"] = [added_token("<m>", len(vocabulary("gpt2").tokens), lstrip=True)]
    encoding = load(definition).encode_full("a   <m>", on_special="encode")
    assert encoding.tokens[-1] == "<m>"
    assert encoding.offsets[-1].tolist() == [1, 7]


def test_what_a_normalizer_inserts_behind_an_added_token_stands_there() -> None:
    replace = {"type": "Replace", "pattern": {"Regex": "x*"}, "content": "-"}
    definition = tokenizer_json(vocabulary("gpt2", 256), "gpt2", special_tokens=("<s>",), normalizer=replace)
    encoding = load(definition).encode_full("a<s>b", on_special="encode")
    assert encoding.offsets.tolist() == [[0, 0], [0, 1], [0, 1], [1, 4], [4, 4], [4, 5], [4, 5]]
