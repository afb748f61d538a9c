"""Text as it comes: all of it in the end, whole characters on the way, and nothing of a stop string."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merganser.errors import ConfigError
from merganser.transformer import TextStream

TEXT = st.text(alphabet=st.sampled_from("aé日🙂 sSTOP"), max_size=40)


def run(ids, decode, stops=()):
    stream = TextStream(decode, stop_strings=stops)
    pieces = [stream.push(token) for token in ids]
    return [*pieces, stream.finish()], stream


@given(TEXT)
def test_pieces_join_to_the_text(text):
    pieces, _ = run(text.encode(), bytes)
    assert "".join(pieces) == text
    assert all("\ufffd" not in piece for piece in pieces)


@given(TEXT)
def test_pieces_of_a_decoder_to_str_join_to_the_text(text):
    pieces, _ = run(text.encode(), lambda ids: bytes(ids).decode(errors="replace"))
    assert "".join(pieces) == text


@given(TEXT, st.lists(st.sampled_from(["STOP", "S", "日🙂", "TO", "é é"]), max_size=3))
def test_text_ends_before_the_first_stop_string(text, stops):
    pieces, stream = run(text.encode(), bytes, stops)
    places = [text.find(stop) for stop in stops if stop in text]
    assert stream.is_stopped == bool(places)
    assert "".join(pieces) == (text[: min(places)] if places else text)


def test_text_is_given_out_as_soon_as_it_is_certain():
    pieces, _ = run(b"a STunt", bytes, ["STOP"])
    assert pieces == ["a", " ", "", "", "STu", "n", "t", ""]


def test_tokenizer_streams_what_it_decodes(tok):
    text = "naïve 日本語 🙂 text, streamed"
    ids = tok.encode(text)
    for decode in (tok.decode_bytes, tok.decode):
        pieces, _ = run(ids, decode)
        assert "".join(pieces) == text


def test_leading_space_of_a_decoder_is_kept_inside_a_text():
    # A decoder that strips the space before its first word, as those with a metaspace do.
    words = ["▁Hello", "▁new", "▁world", "s"]
    pieces, _ = run(range(4), lambda ids: "".join(words[token] for token in ids).replace("▁", " ").removeprefix(" "))
    assert pieces == ["Hello", " new", " world", "s", ""]


@given(TEXT, TEXT, st.sampled_from(["bytes", "text"]))
def test_text_goes_on_from_what_came_before(before, text, kind):
    # As above: the first space of all goes, and only that.
    def decode(ids):
        data = bytes(ids).removeprefix(b" ")
        return data if kind == "bytes" else data.decode(errors="replace")

    # Long enough that the context is not the beginning.
    before = f"12345 {before}"
    stream = TextStream(decode, after=before.encode())
    pieces = [stream.push(byte) for byte in text.encode()]
    assert "".join(pieces) + stream.finish() == text


def test_incomplete_end_is_replaced():
    pieces, _ = run("é".encode()[:1], bytes)
    assert pieces == ["", "\ufffd"]


def test_bad_arguments_are_refused():
    with pytest.raises(ConfigError, match="stop_strings"):
        TextStream(bytes, stop_strings="STOP")
    with pytest.raises(ConfigError, match="stop_strings"):
        TextStream(bytes, stop_strings=[""])
    with pytest.raises(TypeError, match="bytes or str"):
        TextStream(lambda ids: ids).push(1)
