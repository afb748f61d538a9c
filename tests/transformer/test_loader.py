"""Loaders: functions of the step, each token once an epoch, targets that follow; padding and packing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import merganser as mg
from merganser.errors import ConfigError
from merganser.transformer import IGNORED, ArraySource, Blocks, Pairs, next_token_targets, pack, pad
from merganser.transformer.randomness import generator, permuted


@given(n=st.integers(1, 300), seed=st.integers(0, 5), epoch=st.integers(0, 3))
def test_permuted_is_a_permutation(n, seed, epoch):
    assert sorted(permuted(np.arange(n), n, seed=seed, epoch=epoch).tolist()) == list(range(n))


def test_permuted_mixes():
    n = 10_000
    orders = [permuted(np.arange(n), n, seed=seed, epoch=epoch) for seed, epoch in ((0, 0), (0, 1), (1, 0))]
    for index, order in enumerate(orders):
        # Correlations of a random order have a standard deviation of 1 / sqrt(n) = 0.01.
        assert abs(np.corrcoef(np.arange(n), order)[0, 1]) < 0.04
        assert abs(np.corrcoef(order[1:], order[:-1])[0, 1]) < 0.04
        for other in orders[:index]:
            assert abs(np.corrcoef(order, other)[0, 1]) < 0.04


def test_permuted_does_not_need_the_whole_range():
    n = 1 << 40
    indices = np.array([0, 1, 12345, n - 1])
    got = permuted(indices, n, seed=3, epoch=0)
    assert len(set(got.tolist())) == 4
    assert got.min() >= 0
    assert got.max() < n
    np.testing.assert_array_equal(permuted(indices[2:], n, seed=3, epoch=0), got[2:])


def test_generator_depends_on_the_whole_path():
    draws = {generator(*path).random() for path in ((0,), (0, 0), (0, 0, 0), (0, 1), (1, 0))}
    assert len(draws) == 5
    with pytest.raises(ConfigError, match="seed must be at least 0, got -1"):
        generator(-1)
    with pytest.raises(ConfigError, match="path must be at least 0, got -2"):
        generator(0, -2)


def test_blocks_are_a_function_of_the_step_and_cover_an_epoch():
    source = ArraySource(np.arange(1001))
    batches, again = (Blocks(source, n_rows=5, length=10, seed=7) for _ in range(2))
    assert batches.n_blocks == 100
    seen = np.concatenate([batches(number).inputs for number in range(20)])
    assert sorted(seen.reshape(-1).tolist()) == list(range(1000))
    for number in (19, 3, 40):
        np.testing.assert_array_equal(batches(number).inputs, again(number).inputs)
        np.testing.assert_array_equal(batches(number).targets, batches(number).inputs + 1)
    later = np.concatenate([batches(number).inputs for number in range(20, 40)])
    assert sorted(later.reshape(-1).tolist()) == list(range(1000))
    assert not np.array_equal(later, seen)


def test_loaders_are_written_as_their_settings_and_the_size_of_their_text():
    blocks = Blocks(ArraySource(np.arange(9)), n_rows=2, length=4)
    assert repr(blocks) == "Blocks(n_tokens=9, n_rows=2, length=4, seed=0, separator_id=None)"
    pairs = Pairs([[5, 6]], [[7]], n_rows=1, start_id=1, end_id=2, pad_id=0, seed=3)
    assert repr(pairs) == "Pairs(n_pairs=1, n_rows=1, start_id=1, end_id=2, pad_id=0, seed=3, n_pooled=16)"


def test_loaders_are_described_alike_whatever_integers_they_are_given():
    ids = ArraySource(np.arange(9))
    blocks = Blocks(ids, n_rows=np.int64(2), length=4, seed=np.uint32(7), separator_id=np.int64(0))
    assert blocks.describe() == Blocks(ids, n_rows=2, length=4, seed=7, separator_id=0).describe()
    assert blocks.describe() == "Blocks(n_tokens=9, n_rows=2, length=4, seed=7, separator_id=0)"
    ids = {"start_id": np.int64(1), "end_id": np.int64(2), "pad_id": np.int64(0), "seed": np.int64(3)}
    described = Pairs([[5, 6]], [[7]], n_rows=1, **ids).describe()
    assert described == "Pairs(n_pairs=1, n_rows=1, start_id=1, end_id=2, pad_id=0, seed=3, n_pooled=16)"


def test_blocks_end_documents_at_the_separator():
    ids = np.array([4, 5, 0, 6, 0, 7, 8, 9, 9])
    batch = Blocks(ArraySource(ids), n_rows=1, length=8, separator_id=0)(0)
    assert batch.segments.tolist() == [[0, 0, 0, 1, 1, 2, 2, 2]]
    assert batch.targets.tolist() == [[5, 0, IGNORED, 0, IGNORED, 8, 9, 9]]


def test_blocks_read_token_shards(tmp_path, tok):
    texts = [f"document {number} of the corpus" for number in range(50)]
    mg.corpus.encode(texts, tok, tmp_path / "shards", shard_tokens=90)
    shards = mg.corpus.open(tmp_path / "shards")
    assert len(shards.manifest.shards) > 1
    ids = np.concatenate(list(shards)).astype(np.int64)
    from_shards, from_array = (Blocks(source, n_rows=4, length=16, seed=1) for source in (shards, ArraySource(ids)))
    for number in range(6):
        np.testing.assert_array_equal(from_shards(number).inputs, from_array(number).inputs)
        np.testing.assert_array_equal(from_shards(number).targets, from_array(number).targets)


def test_blocks_refuse_a_source_that_is_too_short():
    with pytest.raises(ConfigError, match="more tokens than length 8, got 8"):
        Blocks(ArraySource(np.arange(8)), n_rows=1, length=8)


@pytest.mark.parametrize("ids", [np.linspace(0, 15, 100), np.zeros((50, 2), int), np.zeros(100, bool)])
def test_sources_of_anything_but_a_row_of_whole_numbers_are_refused(ids):
    class Source:
        n_tokens = 100

        def tokens(self, start, stop):
            return ids[start:stop]

    with pytest.raises(ConfigError, match="ids must be one row of whole numbers"):
        ArraySource(ids)
    with pytest.raises(ConfigError, match="tokens of source must be one row of whole numbers"):
        Blocks(Source(), n_rows=1, length=8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": np.arange(100)}, r"source must be a TokenSource, such as ArraySource\(ids\) .*, got ndarray"),
        ({"separator_id": "<|endoftext|>"}, r"separator_id must be a whole number, got '<\|endoftext\|>'"),
        ({"separator_id": -1}, "separator_id must be at least 0, got -1"),
        ({"n_rows": 1.5}, "n_rows must be a whole number, got 1.5"),
        ({"length": 0}, "length must be at least 1, got 0"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
    ],
)
def test_blocks_refuse_wrong_settings_by_name(options, message):
    with pytest.raises(ConfigError, match=message):
        Blocks(**{"source": ArraySource(np.arange(100)), "n_rows": 1, "length": 8, **options})


def test_loaders_refuse_the_number_of_a_batch_below_zero():
    blocks = Blocks(ArraySource(np.arange(100)), n_rows=1, length=8)
    pairs = Pairs([[5, 6]], [[7]], n_rows=1, start_id=1, end_id=2, pad_id=0)
    for batches in (blocks, pairs):
        with pytest.raises(ConfigError, match="batch must be at least 0, got -1"):
            batches(-1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sources": [5, 6]}, r"sources must be a list of lists of ids, such as \[\[1, 2\], \[3\]\], got int at 0"),
        ({"targets": np.array([7])}, "targets must be a list of lists of ids, .* got int64 at 0"),
        ({"targets": 7}, "targets must be a list of lists of ids, .* got int"),
        ({"end_id": "</s>"}, "end_id must be a whole number, got '</s>'"),
        ({"n_pooled": 0}, "n_pooled must be at least 1, got 0"),
    ],
)
def test_pairs_refuse_wrong_settings_by_name(options, message):
    settings = {"sources": [[5, 6]], "targets": [[7]], "n_rows": 1, "start_id": 1, "end_id": 2, "pad_id": 0}
    with pytest.raises(ConfigError, match=message):
        Pairs(**{**settings, **options})


def test_pairs_cover_an_epoch_and_keep_pairs_together():
    rng = np.random.default_rng(0)
    sources = [[number + 3] * int(rng.integers(1, 9)) for number in range(64)]
    targets = [[number + 3, number + 4] for number in range(64)]
    pairs = Pairs(sources, targets, n_rows=4, start_id=1, end_id=2, pad_id=0, n_pooled=4, seed=5)
    seen = []
    for number in range(16):
        batch = pairs(number)
        seen += batch.source[:, 0].tolist()
        np.testing.assert_array_equal(batch.target_inputs[:, 0], 1)
        np.testing.assert_array_equal(batch.targets[:, 0], batch.source[:, 0])
        np.testing.assert_array_equal(batch.target_inputs[:, 1:], batch.targets[:, :-1])
        np.testing.assert_array_equal(batch.targets[:, -1], 2)
        mask = batch.source_mask if batch.source_mask is not None else np.ones(batch.source.shape, bool)
        np.testing.assert_array_equal(mask, batch.source != 0)
        np.testing.assert_array_equal(pairs(number).source, batch.source)
    assert sorted(seen) == [number + 3 for number in range(64)]


def test_pairs_refuse_an_empty_source():
    with pytest.raises(ConfigError, match="sources must not be empty, got nothing at 1"):
        Pairs([[5], []], [[7], [8]], n_rows=1, start_id=1, end_id=2, pad_id=0)


def test_pairs_of_unequal_targets_ignore_padding():
    batch = Pairs([[5], [6]], [[7, 8, 9], [7]], n_rows=2, start_id=1, end_id=2, pad_id=0).batch_of([0, 1])
    assert batch.target_inputs.tolist() == [[1, 7, 8, 9], [1, 7, 2, 0]]
    assert batch.targets.tolist() == [[7, 8, 9, 2], [7, 2, IGNORED, IGNORED]]


@given(st.lists(st.lists(st.integers(1, 50), max_size=12), min_size=1).filter(any), st.integers(1, 9))
def test_pack_keeps_every_token_and_every_neighbour(sequences, length):
    batch = pack(sequences, length=length, pad_id=0)
    pieces = [tuple(seq[start : start + length]) for seq in sequences for start in range(0, len(seq), length)]
    found = []
    for row in range(batch.n_rows):
        mask = batch.inputs[row] != 0
        for segment in range(batch.segments[row].max() + 1):
            place = (batch.segments[row] == segment) & mask
            if place.any():
                found.append(tuple(batch.inputs[row, place].tolist()))
                assert batch.targets[row, place].tolist() == [*found[-1][1:], IGNORED]
        assert (batch.targets[row, ~mask] == IGNORED).all()
    assert sorted(found) == sorted(pieces)
    assert batch.n_rows <= len(pieces)


def test_pad_and_targets_refuse_what_does_not_fit():
    with pytest.raises(ConfigError, match="length"):
        pad([[1, 2, 3]], pad_id=0, length=2)
    with pytest.raises(ConfigError, match="at least one"):
        pad([], pad_id=0)
    for wrong in ([1.0, 2.5], [True], [[1, 2]], ["a"], [None]):
        with pytest.raises(ConfigError, match=r"whole numbers, got .* in row 1"):
            pad([[1, 2], wrong], pad_id=0)
    with pytest.raises(ConfigError, match=r"whole numbers, got parts of unequal lengths in row 1"):
        pad([[1, 2], [1, [2, 3]]], pad_id=0)
    with pytest.raises(ConfigError, match="token"):
        pack([[]], length=4, pad_id=0)
    with pytest.raises(ConfigError, match="side must be one of left, right, got 'centre'"):
        pad([[1, 2], [3]], pad_id=0, side="centre")
    for wrong in ([1, 2, 3], np.arange(3), 5, iter([[1]])):
        for call in (lambda ids: pad(ids, pad_id=0), lambda ids: pack(ids, length=4, pad_id=0)):
            with pytest.raises(ConfigError, match=r"sequences must be a list of lists of ids, such as"):
                call(wrong)
    with pytest.raises(ConfigError, match=r"pad_id must be a whole number, got 2\.7"):
        pad([[1, 2], [3]], pad_id=2.7)
    ids, mask = pad([[1, 2], [3]], pad_id=0, side="left", length=3)
    assert next_token_targets(ids, mask=mask).tolist() == [[IGNORED, 2, IGNORED], [IGNORED] * 3]
