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


@given(
    st.lists(st.sampled_from(["é日 ".encode()[start : start + n] for start in range(6) for n in (1, 2)])),
    st.lists(st.sampled_from(["é", "日", " é", "日 "]), min_size=1, max_size=2),
)
def test_decoder_to_str_stops_at_the_token_that_completes_a_stop_string(pieces, stops):
    def decode(ids):
        return b"".join(pieces[token] for token in ids).decode(errors="replace")

    stream = TextStream(decode, stop_strings=stops)
    for token in range(len(pieces)):
        stream.push(token)
        text = decode(range(token + 1))
        assert stream.is_stopped == any(stop in text for stop in stops)
        if stream.is_stopped:
            break


def test_stop_string_before_half_a_character_ends_the_text():
    pieces = [b"a ", b"ST", b"OP\xc3", b"\xa9"]
    shown, stream = run(
        range(3), lambda ids: b"".join(pieces[token] for token in ids).decode(errors="replace"), ["STOP"]
    )
    assert stream.is_stopped
    assert shown == ["a ", "", "", ""]


@pytest.mark.parametrize("character", ["é", "日", "🙂"])
def test_character_that_a_prompt_begins_is_not_lost(character):
    data = f"ab{character}!".encode()
    for n in range(3, 2 + len(character.encode())):
        stream = TextStream(lambda ids: bytes(ids).decode(errors="replace"), after=data[:n], stop_strings=["!"])
        assert "".join(stream.push(byte) for byte in data[n:]) == character
        assert stream.is_stopped


def test_replacement_character_of_a_prompt_is_not_repeated():
    stream = TextStream(lambda ids: bytes(ids).decode(errors="replace"), after="a\ufffd".encode())
    assert [stream.push(byte) for byte in b"bc"] == ["b", "c"]


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
    for bad in ("STOP", "", [""], [b"STOP"], 5):
        with pytest.raises(ConfigError, match="stop_strings"):
            TextStream(bytes, stop_strings=bad)
    with pytest.raises(TypeError, match="bytes or str"):
        TextStream(lambda ids: ids).push(1)
