"""`Ragged`: sequences in one array."""

import numpy as np
import pytest

import merganser as mg
from merganser.errors import ConfigError

BATCH = mg.Ragged.from_lists([[5, 6], [], [7], [8, 9, 10]], dtype=np.uint16)


def test_ragged_indexing_gives_views() -> None:
    assert BATCH[0].tolist() == [5, 6]
    assert BATCH[-1].tolist() == [8, 9, 10]
    assert BATCH[np.int64(2)].tolist() == [7]
    assert np.shares_memory(BATCH[3], BATCH.ids)
    for bad in (4, -5, 2**63):
        with pytest.raises(IndexError):
            BATCH[bad]
    for bad in ("0", 1.0, None):
        with pytest.raises(TypeError):
            BATCH[bad]


def test_ragged_slicing_gives_a_ragged_of_views() -> None:
    part = BATCH[1:3]
    assert isinstance(part, mg.Ragged)
    assert part.to_list() == [[], [7]]
    assert part.offsets.tolist() == [0, 0, 1]
    assert np.shares_memory(part.ids, BATCH.ids)
    lists = BATCH.to_list()
    for start in range(-6, 7):
        for stop in range(-6, 7):
            assert BATCH[start:stop].to_list() == lists[start:stop]
    assert BATCH[:].to_list() == lists
    with pytest.raises(ConfigError, match="step 1, got 2"):
        BATCH[::2]


def test_ragged_is_a_sequence() -> None:
    assert len(BATCH) == 4
    assert [ids.tolist() for ids in BATCH] == [[5, 6], [], [7], [8, 9, 10]]
    assert [ids.tolist() for ids in reversed(BATCH)] == [[8, 9, 10], [7], [], [5, 6]]
    assert BATCH.lengths.tolist() == [2, 0, 1, 3]
    assert repr(BATCH) == "Ragged(4 sequences, 6 ids of uint16)"


def test_ragged_equality_is_by_value() -> None:
    assert mg.Ragged.from_lists(BATCH.to_list()) == BATCH
    assert mg.Ragged.from_lists([[5, 6, 7], [], [], [8, 9, 10]]) != BATCH
    assert BATCH.to_list() != BATCH
    with pytest.raises(TypeError, match="unhashable"):
        hash(BATCH)


def test_ragged_of_nothing() -> None:
    empty = mg.Ragged.from_lists([])
    assert (len(empty), empty.to_list(), empty.offsets.tolist(), empty.ids.dtype) == (0, [], [0], np.uint32)
    assert mg.Ragged.from_lists([[], []]).to_list() == [[], []]


@pytest.mark.parametrize("offsets", [[], [0], [0, 2], [1, 3], [0, 2, 1, 3], [0, 4], [[0, 3]], [-1, 3]])
def test_ragged_refuses_offsets_that_do_not_fit(offsets: list[int]) -> None:
    with pytest.raises(ConfigError):
        mg.Ragged(np.arange(3, dtype=np.uint32), np.array(offsets, dtype=np.int64))


def test_ragged_refuses_ids_of_two_axes() -> None:
    with pytest.raises(ConfigError, match="one axis"):
        mg.Ragged(np.zeros((2, 2), np.uint32), np.array([0, 2]))


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32])
def test_ragged_from_lists_refuses_ids_that_do_not_fit(dtype: type) -> None:
    too_large = int(np.iinfo(dtype).max) + 1
    for bad in (-1, too_large, 2**70):
        with pytest.raises((ConfigError, OverflowError)):
            mg.Ragged.from_lists([[1], [bad]], dtype=dtype)
    for bad in (-1, too_large):
        with pytest.raises((ConfigError, OverflowError)):
            mg.Ragged.from_lists([[1], np.array([bad], dtype=np.int64)], dtype=dtype)


@pytest.mark.parametrize("bad", [[1.5], ["1"], [None], [[1]], np.array([1.0])])
def test_ragged_from_lists_refuses_what_is_no_integer(bad: object) -> None:
    with pytest.raises((ConfigError, TypeError, ValueError)):
        mg.Ragged.from_lists([bad])


def test_ragged_to_arrow_shares_memory() -> None:
    pa = pytest.importorskip("pyarrow")
    array = BATCH.to_arrow()
    assert array.type == pa.large_list(pa.uint16())
    assert array.to_pylist() == BATCH.to_list()
    assert array.values.buffers()[1].address == BATCH.ids.ctypes.data
    assert array.offsets.buffers()[1].address == BATCH.offsets.ctypes.data
