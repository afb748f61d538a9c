"""Positions, sinusoids and buckets of distances against their definitions."""

import math

import numpy as np
import pytest

from merganser.transformer.positions import count_positions, relative_buckets, sinusoids


@pytest.mark.parametrize("is_interleaved", [True, False])
def test_sinusoids_are_those_of_the_paper(is_interleaved):
    table = sinusoids(50, 12, is_interleaved=is_interleaved)
    for place in (0, 1, 7, 49):
        for index in range(6):
            angle = place / 10000 ** (2 * index / 12)
            columns = (2 * index, 2 * index + 1) if is_interleaved else (index, 6 + index)
            assert table[place, columns[0]] == pytest.approx(math.sin(angle), abs=1e-7)
            assert table[place, columns[1]] == pytest.approx(math.cos(angle), abs=1e-7)


def test_sinusoids_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        sinusoids(50, 12)[0, 0] = 1


def test_positions_count_real_tokens_of_each_document():
    mask = np.array([[False, False, True, True, True, True, False]])
    segments = np.array([[0, 0, 0, 0, 1, 1, 1]])
    assert count_positions((1, 7)).tolist() == [[0, 1, 2, 3, 4, 5, 6]]
    assert count_positions((1, 7), mask).tolist() == [[0, 0, 0, 1, 2, 3, 3]]
    assert count_positions((1, 7), None, segments).tolist() == [[0, 1, 2, 3, 0, 1, 2]]
    assert count_positions((1, 7), mask, segments).tolist() == [[0, 0, 0, 1, 0, 1, 1]]


def naive_bucket(ahead, n_buckets, max_distance, is_bidirectional):
    base = 0
    if is_bidirectional:
        n_buckets //= 2
        base = n_buckets if ahead > 0 else 0
    elif ahead > 0:
        ahead = 0
    distance = abs(ahead)
    exact = n_buckets // 2
    if distance < exact:
        return base + distance
    grown = exact + int(math.log(distance / exact) / math.log(max_distance / exact) * (n_buckets - exact) + 1e-6)
    return base + min(grown, n_buckets - 1)


@pytest.mark.parametrize("is_bidirectional", [True, False])
@pytest.mark.parametrize("first_query", [0, 30])
def test_relative_buckets_match_naive(is_bidirectional, first_query):
    buckets = relative_buckets(
        9, 200, first_query=first_query, n_buckets=32, max_distance=128, is_bidirectional=is_bidirectional
    )
    for query in range(9):
        for key in range(200):
            ahead = key - query - first_query
            assert buckets[query, key] == naive_bucket(ahead, 32, 128, is_bidirectional)
