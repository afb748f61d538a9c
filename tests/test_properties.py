"""What holds for every text and every small vocabulary: the fast code equals the readable reference."""

import json
from typing import Any

import numpy as np
from definitions import SUBJECTS, load, tokenizer_json, vocabulary
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import merganser as mg
from merganser.reference import bpe

PATTERN_NAMES = sorted(bpe.PATTERNS)
SPECIAL_TOKENS = ("<|end|>", "<|e|>", "|>", "<s>")
KINDS = {subject.name: subject for subject in SUBJECTS}

# Characters whose class no Unicode version has changed for long: the reference takes its tables from `regex`.
CUTTING = st.sampled_from(
    " \t\n\r'stSTmMdDlLvVeErR/!_-aéÉЖж中東1²٣Ⅷ½\u0301\u0903ſǅʰ\u00a0\u2003\u3000\u200b\u200d\u0085\0\x1c🙂"
)
PIECES = st.sampled_from(["  ", "'ll", "'VE", "'re", "\r\n", "\n\n", "abc", "AbC", "1234", " the", "aaaa", "<|end|>"])
LETTERS = st.sampled_from("ab")
TEXTS = st.lists(CUTTING | PIECES | LETTERS, max_size=60).map("".join)
ANY_TEXT = st.text() | TEXTS


@st.composite
def vocabularies(draw: st.DrawFn) -> bpe.Vocabulary:
    """All bytes and merges in any order, among them merges that no training would give.

    A product may come about in two ways, and a merge may need tokens that only a later one makes.
    """
    tokens = [bytes([byte]) for byte in range(256)]
    start = [b"a", b"b", b" ", b"'", b"s", b"1", b"\n", b"t"] + [bytes([byte]) for byte in "é中".encode()]
    merges: list[tuple[bytes, bytes]] = []
    for _ in range(draw(st.integers(0, 24))):
        left, right = draw(st.sampled_from(start)), draw(st.sampled_from(start))
        if (left, right) in merges or len(left + right) > 24:
            continue
        merges.append((left, right))
        if left + right not in tokens:
            tokens.append(left + right)
            start.append(left + right)
    return bpe.Vocabulary(tokens, draw(st.permutations(merges)))


@given(text=ANY_TEXT, kind=st.sampled_from(sorted(KINDS.keys() - {"nfc"})))
def test_decode_gives_back_the_bytes_of_any_text(text: str, kind: str) -> None:
    tok = KINDS[kind].build()
    ids = tok.encode(text, on_special="text", add_special_tokens=False)
    assert tok.decode_bytes(ids) == text.encode()
    assert tok.decode_bytes(np.array(ids, dtype=np.uint32)) == text.encode()
    assert b"".join(map(tok.token_bytes, ids)) == text.encode()
    assert tok.count(text.encode(), on_special="text", add_special_tokens=False) == len(ids)
    assert "".join(tok.pre_tokenize(text, on_special="text")) == text


@given(text=TEXTS, pattern=st.sampled_from(PATTERN_NAMES))
def test_pre_tokenize_equals_the_reference(text: str, pattern: str) -> None:
    tok = load(tokenizer_json(vocabulary(pattern), pattern))
    assert [piece.encode() for piece in tok.pre_tokenize(text)] == bpe.pre_tokenize(text, pattern)


@settings(max_examples=300)
@given(text=TEXTS, learned=vocabularies(), pattern=st.sampled_from(PATTERN_NAMES), ignore_merges=st.booleans())
def test_encode_equals_the_reference(text: str, learned: bpe.Vocabulary, pattern: str, ignore_merges: bool) -> None:
    tok = load(tokenizer_json(learned, pattern, ignore_merges=ignore_merges))
    assert tok.encode(text) == bpe.encode(text, learned, pattern, ignore_merges)


@given(text=st.text(alphabet=LETTERS, min_size=50, max_size=400), learned=vocabularies(), ignore_merges=st.booleans())
def test_encode_of_long_words_equals_the_reference(text: str, learned: bpe.Vocabulary, ignore_merges: bool) -> None:
    tok = load(tokenizer_json(learned, "gpt2", ignore_merges=ignore_merges))
    assert tok.encode(text) == bpe.encode(text, learned, "gpt2", ignore_merges)


@given(texts=st.lists(TEXTS, max_size=8), learned=vocabularies(), seed=st.randoms(use_true_random=False))
def test_encode_does_not_depend_on_the_order_of_ids(texts: list[str], learned: bpe.Vocabulary, seed: Any) -> None:
    ids = list(range(0, 2 * len(learned.tokens), 2))
    seed.shuffle(ids)
    tok = load(tokenizer_json(learned, "cl100k", ids=ids))
    for text in texts:
        assert tok.encode(text) == [ids[place] for place in bpe.encode(text, learned, "cl100k")]


@given(
    texts=st.lists(TEXTS, max_size=6),
    n_merges=st.integers(0, 40),
    pattern=st.sampled_from(PATTERN_NAMES),
    min_frequency=st.integers(0, 3),
    max_token_length=st.none() | st.integers(1, 6),
    n_threads=st.sampled_from([1, 2, None]),
)
@example(["a" * 17, "aaa ab"], 9, "gpt2", 0, None, 1)
def test_train_equals_the_reference(
    texts: list[str],
    n_merges: int,
    pattern: str,
    min_frequency: int,
    max_token_length: int | None,
    n_threads: int | None,
) -> None:
    options: dict[str, Any] = {"min_frequency": min_frequency, "max_token_length": max_token_length}
    specials = ["<|special|>", "<|pad|>"]
    vocab_size = 256 + len(specials) + n_merges
    tokens, merges = bpe.train(bpe.count_words(texts, pattern), vocab_size, special_tokens=specials, **options)
    tok = mg.train_bpe(
        texts,
        vocab_size=vocab_size,
        pre_tokenizer=pattern,
        special_tokens=specials,
        allow_smaller=True,
        n_threads=n_threads,
        **options,
    )
    assert [tok.token_bytes(token_id) for token_id in range(tok.n_tokens)] == tokens
    expected = json.loads(json.dumps(tokenizer_json(bpe.Vocabulary(tokens, merges), pattern)))["model"]["merges"]
    assert json.loads(tok.to_json())["model"]["merges"] == expected


@given(
    texts=st.lists(st.text(alphabet="ab ", max_size=30), max_size=6), special=st.sampled_from(["ab", "aba", " a", "bb"])
)
def test_train_never_makes_a_special_token_by_merging(texts: list[str], special: str) -> None:
    counts = mg.WordCounts.count(texts)
    tok = mg.train_bpe(counts, vocab_size=300, special_tokens=[special], allow_smaller=True)
    assert list(tok.vocab().values()).count(0) == 1
    assert special.encode() not in [tok.token_bytes(token_id) for token_id in range(1, tok.n_tokens)]
    for text in texts:
        assert 0 not in tok.encode(text, on_special="text")
        assert tok.decode(tok.encode(text, on_special="text")) == text


@given(
    texts=st.lists(ANY_TEXT, max_size=12),
    kind=st.sampled_from(sorted(KINDS)),
    n_threads=st.sampled_from([1, 2, 8, None]),
)
def test_batch_offsets_are_those_of_its_texts(texts: list[str], kind: str, n_threads: int | None) -> None:
    tok = KINDS[kind].build()
    batch = tok.encode_batch(texts, on_special="text", n_threads=n_threads)
    single = [tok.encode(text, on_special="text") for text in texts]
    assert batch.to_list() == single
    assert batch.offsets.tolist() == [0, *np.cumsum([len(ids) for ids in single], dtype=int).tolist()]
    assert (batch.offsets.dtype, len(batch.offsets)) == (np.int64, len(texts) + 1)
    assert tok.decode_batch(batch) == [tok.decode(ids) for ids in single]


@given(
    learned=vocabularies(),
    pattern=st.sampled_from(PATTERN_NAMES),
    special_tokens=st.lists(st.text(min_size=1, max_size=8), unique=True, max_size=4),
    ignore_merges=st.booleans(),
    text=TEXTS,
)
def test_json_gives_back_the_tokenizer(
    learned: bpe.Vocabulary, pattern: str, special_tokens: list[str], ignore_merges: bool, text: str
) -> None:
    definition = tokenizer_json(learned, pattern, special_tokens=special_tokens, ignore_merges=ignore_merges)
    # A special token that is written like a token of the model would be the same entry of the file.
    assume(len(definition["model"]["vocab"]) == len(learned.tokens) + len(special_tokens))
    tok = load(definition)
    for pretty in (False, True):
        again = mg.Tokenizer.from_json(tok.to_json(pretty=pretty))
        assert again == tok
        assert (
            again.special_tokens
            == tok.special_tokens
            == {entry["content"]: entry["id"] for entry in definition["added_tokens"]}
        )
        assert again.encode(text, on_special="encode") == tok.encode(text, on_special="encode")


@given(first=st.lists(TEXTS, max_size=4), second=st.lists(TEXTS, max_size=4), pattern=st.sampled_from(PATTERN_NAMES))
def test_word_counts_add_up_to_those_of_all_texts(first: list[str], second: list[str], pattern: str) -> None:
    count = mg.WordCounts.count
    both = count(first + second, pre_tokenizer=pattern)
    assert count(first, pre_tokenizer=pattern) + count(second, pre_tokenizer=pattern) == both
    assert count(second, pre_tokenizer=pattern) + count(first, pre_tokenizer=pattern, n_threads=1) == both
    assert dict(both.items()) == bpe.count_words(first + second, pattern)
    assert mg.WordCounts.from_dict(dict(both.items()), pre_tokenizer=pattern) == both


SPECIAL_PIECES = st.sampled_from(
    [*SPECIAL_TOKENS, "<|", "<", "|", ">", "<|end", "end|>", "<|end|", "e", " ", "\n", "'s", "é"]
)


@given(pieces=st.lists(SPECIAL_PIECES, max_size=20), pattern=st.sampled_from(PATTERN_NAMES))
def test_special_tokens_as_text_equal_a_tokenizer_without_them(pieces: list[str], pattern: str) -> None:
    text = "".join(pieces)
    tok = load(tokenizer_json(vocabulary(pattern), pattern, special_tokens=SPECIAL_TOKENS))
    plain = load(tokenizer_json(vocabulary(pattern), pattern))
    assert tok.encode(text, on_special="text") == plain.encode(text)
    assert tok.pre_tokenize(text, on_special="text") == plain.pre_tokenize(text)
    if not any(special in text for special in SPECIAL_TOKENS):
        assert tok.encode(text) == tok.encode(text, on_special="encode") == plain.encode(text)


@given(pieces=st.lists(SPECIAL_PIECES, max_size=20), pattern=st.sampled_from(PATTERN_NAMES))
def test_special_tokens_are_cut_out_leftmost_and_longest(pieces: list[str], pattern: str) -> None:
    text = "".join(pieces)
    tok = load(tokenizer_json(vocabulary(pattern), pattern, special_tokens=SPECIAL_TOKENS))
    plain = load(tokenizer_json(vocabulary(pattern), pattern))
    expected: list[int] = []
    start = place = 0
    while place < len(text):
        found = max((special for special in SPECIAL_TOKENS if text.startswith(special, place)), key=len, default="")
        if found:
            expected += [*plain.encode(text[start:place]), tok.special_tokens[found]]
            start = place + len(found)
        place += len(found) or 1
    expected += plain.encode(text[start:])
    assert tok.encode(text, on_special="encode") == expected
