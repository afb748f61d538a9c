"""The face of Hugging Face's libraries: what its calls mean, on a small vocabulary."""

import pickle

import numpy as np
import pytest
from definitions import SPECIAL_TOKENS, TRAINING_TEXT, added_token, load

import merganser as mg
from merganser.compat.hf import HFTokenizer
from merganser.errors import ConfigError, MissingDependencyError

PAD, MASK, CLS = "<pad>", "<mask>", "<cls>"


@pytest.fixture(scope="session")
def small() -> mg.Tokenizer:
    return mg.train_bpe([TRAINING_TEXT], vocab_size=500, special_tokens=[PAD, MASK, CLS, *SPECIAL_TOKENS])


@pytest.fixture
def hf(small: mg.Tokenizer) -> HFTokenizer:
    return small.as_hf(pad_token=PAD, mask_token=MASK, model_max_length=16)


def test_special_tokens_in_text_are_encoded_as_such(hf: HFTokenizer, small: mg.Tokenizer) -> None:
    ids = small.encode(f"dog{MASK}", on_special="encode")
    assert hf.encode(f"dog{MASK}").ids == hf(f"dog{MASK}")["input_ids"] == ids
    as_text = small.encode(f"dog{MASK}", on_special="text")
    assert hf(f"dog{MASK}", split_special_tokens=True)["input_ids"] == as_text
    hf.encode_special_tokens = True
    assert hf.encode(f"dog{MASK}").ids == as_text


def test_words_are_texts_of_their_own(hf: HFTokenizer, small: mg.Tokenizer) -> None:
    words = ["The", "dog", "", "café"]
    encoding = hf.encode(words, is_pretokenized=True)
    assert encoding.ids == [id_ for word in words for id_ in small.encode(word)]
    assert encoding.word_ids == [place for place, word in enumerate(words) for _ in small.encode(word)]
    for token, (start, end) in enumerate(encoding.offsets):
        word = words[encoding.word_ids[token]]
        assert word[start:end] == encoding.encoding.surface(token) != ""
    first, after = encoding.word_to_tokens(3)
    assert (encoding.offsets[first][0], encoding.offsets[after - 1][1]) == (0, 4)
    batch = hf([words, ["a"], []], is_split_into_words=True, return_offsets_mapping=True)
    assert batch.word_ids(0) == encoding.word_ids
    assert batch["offset_mapping"][1:] == [[(0, 1)], []]
    pair = hf.encode(words, ["a", "dog"], is_pretokenized=True)
    assert pair.sequence_ids[-1] == 1
    assert pair.word_ids[-1] == 1
    with pytest.raises(TypeError, match="words"):
        hf.encode("The dog", is_pretokenized=True)
    with pytest.raises(TypeError, match="is_pretokenized"):
        hf.encode(words)


def test_tokens_tell_the_text_that_unk_and_added_tokens_were_found_in() -> None:
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    definition = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [added_token("Tool", 4, lstrip=True, normalized=True)],
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": metaspace,
        # It trims the white space of tokens as they were found.
        "post_processor": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "decoder": metaspace,
        "model": {
            "type": "Unigram",
            "unk_id": 0,
            "byte_fallback": False,
            "vocab": [["<unk>", 0.0], ["▁", -2.0], ["a", -1.0], ["▁a", -1.5]],
        },
    }
    hf = load(definition).as_hf()
    encoding = hf.encode("A ÉÈ\u3000a  TOOL")
    assert encoding.ids == [3, 1, 0, 2, 4]
    assert encoding.tokens == ["▁a", "▁", "éè\u3000", "a", "  tool"]
    assert encoding.offsets == [(0, 1), (1, 2), (2, 4), (5, 6), (8, 12)]
    assert encoding.encoding.tokens == ["▁a", "▁", "<unk>", "a", "Tool"]
    assert pickle.loads(pickle.dumps(encoding)).tokens == encoding.tokens
    hf.enable_truncation(3)
    hf.enable_padding(length=4, direction="left", pad_token="<pad>")
    first = hf.encode("A ÉÈ\u3000a  TOOL")
    assert first.tokens == ["<pad>", "▁a", "▁", "éè\u3000"]
    assert [other.tokens for other in first.overflowing] == [["<pad>", "<pad>", "a", "  tool"]]
    hf.no_truncation()
    hf.no_padding()
    assert hf.encode("é", "ñ").tokens == ["▁", "é", "▁", "ñ"]


def test_batches_may_mix_texts_and_pairs(hf: HFTokenizer) -> None:
    one, two, three = hf.encode_batch(["a dog", ("a", "dog"), ["low", "lower"]])
    assert (one.n_sequences, two.n_sequences, three.n_sequences) == (1, 2, 2)
    assert two.ids == hf.encode("a", "dog").ids


def test_settings_are_kept_until_changed(hf: HFTokenizer, small: mg.Tokenizer) -> None:
    assert (hf.truncation, hf.padding) == (None, None)
    hf.enable_truncation(4, stride=1)
    hf.enable_padding(pad_id=0, pad_token=PAD, length=6)
    assert hf.truncation == {"max_length": 4, "stride": 1, "strategy": "longest_first", "direction": "right"}
    encoding = hf.encode("The quick brown fox")
    assert len(encoding) == 6
    assert encoding.tokens[4:] == [PAD, PAD]
    assert encoding.overflowing
    assert all(len(other) == 6 for other in encoding.overflowing)
    saved = mg.Tokenizer.from_json(hf.to_str())
    assert (
        saved
        == hf.tokenizer
        == small.with_truncation(mg.Truncation(4, stride=1)).with_padding(mg.Padding(6, id=0, token=PAD))
    )
    assert saved.as_hf().truncation == hf.truncation
    assert saved.as_hf().pad_token == PAD
    hf.no_truncation()
    hf.no_padding()
    assert hf.tokenizer == small


def test_settings_of_the_backend_do_not_touch_calls(hf: HFTokenizer) -> None:
    hf.enable_truncation(2)
    assert len(hf("The quick brown fox")["input_ids"]) > 2
    assert hf.truncation is not None


def test_added_tokens_change_the_face_alone(hf: HFTokenizer, small: mg.Tokenizer) -> None:
    size = len(hf)
    assert hf.add_tokens(["<tool>", MASK, ""]) == 2
    assert hf.add_tokens(["<tool>"]) == 0
    assert len(hf) == size + 1
    assert small.n_tokens == size
    assert hf.encode("a<tool>").tokens[-1] == "<tool>"
    assert hf.add_special_tokens({"cls_token": CLS, "extra_special_tokens": ["<extra>"]}) == 1
    assert hf.cls_token_id == small.special_tokens[CLS]
    assert hf.all_special_tokens == [PAD, CLS, MASK, "<extra>"]
    assert hf.decode(hf.encode("a<extra>").ids) == "a"
    with pytest.raises(ConfigError, match="'tail_token'"):
        hf.add_special_tokens({"tail_token": "x"})
    with pytest.raises(ConfigError, match="AddedToken"):
        hf.add_tokens([5])


def test_named_token_that_is_none_yet_is_added(small: mg.Tokenizer) -> None:
    hf = small.as_hf(sep_token="<sep>")
    assert hf.sep_token_id == small.vocab_size
    assert hf.tokenizer.special_tokens["<sep>"] == small.vocab_size
    assert hf.bos_token is None
    assert hf.bos_token_id is None
    with pytest.raises(AttributeError, match="no_such_token"):
        hf.no_such_token  # noqa: B018


def test_named_tokens_can_be_set(hf: HFTokenizer, small: mg.Tokenizer) -> None:
    hf.eos_token = CLS
    hf.pad_token_id = small.special_tokens[CLS]
    assert hf.eos_token_id == hf.pad_token_id == small.special_tokens[CLS]
    hf.eos_token = None
    assert hf.eos_token is None
    with pytest.raises(ConfigError, match="pad_token_id"):
        hf.pad_token_id = 1 << 20


def test_unknown_ids_and_tokens(hf: HFTokenizer) -> None:
    assert hf.id_to_token(1 << 20) is None
    assert hf.token_to_id("no such token") is None
    assert hf.decode([1 << 20, *hf.encode("dog").ids]) == "dog"
    assert hf.convert_tokens_to_ids(["no such token", PAD]) == [None, 0]
    hf.unk_token = MASK
    assert hf.convert_tokens_to_ids("no such token") == hf.mask_token_id


def test_decode_leaves_out_special_tokens_unless_told(hf: HFTokenizer) -> None:
    ids = hf.encode(f"dog{MASK}").ids
    assert hf.decode(ids) == hf.decode_batch([ids])[0] == "dog"
    assert hf.decode(ids, skip_special_tokens=False) == hf.batch_decode(np.array([ids]))[0] == f"dog{MASK}"
    assert hf.convert_ids_to_tokens(ids, skip_special_tokens=True) == hf.tokenize("dog")


def test_call_pads_and_truncates(hf: HFTokenizer) -> None:
    texts = ["The quick brown fox jumps over the lazy dog and the lowest prices", "a"]
    batch = hf(texts, padding=True, truncation=True, return_tensors="np")
    assert batch["input_ids"].shape == batch.attention_mask.shape == (2, 16)
    assert batch["attention_mask"][1].sum() == 1
    assert (batch["input_ids"][1, 1:] == hf.pad_token_id).all()
    hf.padding_side = hf.truncation_side = "left"
    left = hf(texts, padding=True, truncation=True)
    assert left["attention_mask"][1] == [0] * 15 + [1]
    assert left["input_ids"][0] == hf(texts[0])["input_ids"][-16:]
    assert [len(ids) for ids in hf(texts, max_length=3)["input_ids"]] == [3, 1]
    fixed = hf("a", padding="max_length")
    assert len(fixed["input_ids"]) == 16


def test_overflowing_sequences_tell_their_text(hf: HFTokenizer) -> None:
    text = "The quick brown fox jumps over the lazy dog"
    options = {"truncation": True, "max_length": 5, "stride": 2, "return_overflowing_tokens": True}
    batch = hf(["a", text], return_offsets_mapping=True, **options)
    assert batch["overflow_to_sample_mapping"] == [0] + [1] * (len(batch["input_ids"]) - 1)
    for before, after in zip(batch["input_ids"][1:], batch["input_ids"][2:], strict=False):
        assert before[-2:] == after[:2]
    assert batch["offset_mapping"][-1][-1][1] == len(text)


def test_batch_is_a_mapping_with_encodings(hf: HFTokenizer) -> None:
    batch = hf(["The dog", "café"], ["a", "b"])
    assert dict(**batch).keys() == {"input_ids", "attention_mask"}
    assert batch[0].ids == batch["input_ids"][0] == batch.input_ids[0]
    assert batch.n_sequences == 2
    assert batch.is_fast
    assert batch.sequence_ids(0)[-1] == 1
    assert batch.token_to_chars(1, 0).start == 0
    assert batch.word_to_chars(0, 1) == (4, 7)
    assert batch.token_to_sequence(1, -1) == 1
    assert batch.char_to_word(5) == 1
    copy = pickle.loads(pickle.dumps(batch))
    assert dict(copy) == dict(batch)
    assert copy.tokens(1) == batch.tokens(1)
    with pytest.raises(AttributeError, match="labels"):
        batch.labels  # noqa: B018
    with pytest.raises(ConfigError, match="encodings"):
        hf.pad(dict(batch)).tokens()


def test_targets_become_labels(hf: HFTokenizer) -> None:
    batch = hf("a", text_target="dog")
    assert batch["labels"] == hf("dog")["input_ids"]
    assert hf(text_target="dog")["input_ids"] == batch["labels"]


def test_pad_fills_what_calls_returned(hf: HFTokenizer) -> None:
    rows = [hf("a"), hf("The quick brown fox", return_special_tokens_mask=True)]
    rows[0]["special_tokens_mask"] = [0]
    padded = hf.pad(rows, return_tensors="np", pad_to_multiple_of=8)
    assert padded["input_ids"].shape == (2, 16)
    assert padded["attention_mask"].sum() == sum(len(row["input_ids"]) for row in rows)
    assert padded["special_tokens_mask"][0].tolist() == [0] + [1] * 15
    assert hf.pad({"input_ids": [np.array([1, 2]), np.array([3])]})["input_ids"].tolist() == [[1, 2], [3, 0]]
    assert hf.pad({"input_ids": [1, 2]}, padding="max_length", max_length=3)["attention_mask"] == [1, 1, 0]
    assert hf.pad({"input_ids": []}) == {"input_ids": []}
    with pytest.raises(ConfigError, match="input_ids"):
        hf.pad([{"labels": [1]}])


def test_special_tokens_mask_marks_named_tokens(hf: HFTokenizer) -> None:
    assert hf.get_special_tokens_mask([0, 1, 2, 50], already_has_special_tokens=True) == [1, 1, 0, 0]
    with pytest.raises(ConfigError, match="already_has_special_tokens"):
        hf.get_special_tokens_mask([0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"padding": "widest"}, "padding"),
        ({"truncation": "first"}, "truncation"),
        ({"padding_side": "top", "padding": True}, "padding_side"),
        ({"padding": True, "truncation": True, "max_length": 9, "pad_to_multiple_of": 8}, "multiple"),
        ({"return_tensors": "tf"}, "return_tensors"),
        ({"return_tensors": "np"}, "lengths"),
    ],
    ids=str,
)
def test_call_refuses_options_out_of_range(hf: HFTokenizer, options, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        hf(["a", "the dog"], **options)


def test_call_refuses_what_it_does_not_know(hf: HFTokenizer, small: mg.Tokenizer) -> None:
    with pytest.raises(TypeError, match="return_word_ids"):
        hf("a", return_word_ids=True)
    with pytest.raises(ConfigError, match="text"):
        hf()
    with pytest.raises(ConfigError, match="text_pair"):
        hf(["a", "b"], ["c"])
    with pytest.raises(ConfigError, match="pad_token"):
        small.as_hf()(["a", "the dog"], padding=True)
    with pytest.raises(ConfigError, match="padding_side"):
        small.as_hf(padding_side="top")


def test_torch_tensors_need_torch(hf: HFTokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(MissingDependencyError, match="torch"):
        hf("a", return_tensors="pt")


def test_face_survives_pickling(hf: HFTokenizer) -> None:
    hf.add_tokens(["<tool>"])
    hf.enable_truncation(5)
    copy = pickle.loads(pickle.dumps(hf))
    assert copy.encode("a<tool> dog and more").ids == hf.encode("a<tool> dog and more").ids
    assert (copy.truncation, copy.mask_token_id, copy.model_max_length) == (hf.truncation, hf.mask_token_id, 16)


def test_face_is_read_from_a_folder(small: mg.Tokenizer, tmp_path) -> None:
    small.as_hf().save(tmp_path / "tokenizer.json")
    config = '{"pad_token": {"content": "<pad>", "lstrip": false}, "model_max_length": 8, "tokenizer_class": "X"}'
    (tmp_path / "tokenizer_config.json").write_text(config)
    hf = HFTokenizer.from_pretrained(tmp_path, mask_token=MASK)
    assert (hf.pad_token, hf.mask_token, hf.model_max_length) == (PAD, MASK, 8)
    for again in (
        HFTokenizer.from_file(tmp_path / "tokenizer.json"),
        HFTokenizer.from_buffer((tmp_path / "tokenizer.json").read_bytes()),
    ):
        assert again.tokenizer == small
    with pytest.raises(ConfigError, match="folder"):
        HFTokenizer.from_pretrained("gpt2")


def test_stream_gives_the_text_of_decode(tok: mg.Tokenizer) -> None:
    ids = tok.encode(TRAINING_TEXT + "<|im_end|>", on_special="encode")
    for skip in (False, True):
        stream = tok.decode_stream(skip_special_tokens=skip)
        pieces = [stream.push(id_) for id_ in ids]
        assert "".join(pieces) + stream.finish() == tok.decode(ids, skip_special_tokens=skip)
        assert "\ufffd" not in "".join(pieces)
        half = tok.encode("東")[:1] if len(tok.encode("東")) > 1 else [tok.token_to_id(b"\xe6")]
        assert stream.push(half[0]) == ""
        assert stream.finish() == "\ufffd"
        for bad in (tok.vocab_size, -1, 1 << 40):
            with pytest.raises(LookupError):
                stream.push(bad)
