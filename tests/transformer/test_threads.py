"""Products shared among threads: the same result whoever computes a part, and no waiting for a thread that is busy."""

import threading

import numpy as np
import pytest

from merganser.transformer import threads
from merganser.transformer.blas import blas_threads, n_blas_threads, one_blas_thread
from merganser.transformer.threads import multiply_rows, pool, share


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize(("n_rows", "width", "n_columns"), [(1, 8, 1), (1, 64, 331), (5, 24, 96), (40, 16, 100)])
@pytest.mark.parametrize("is_transposed", [False, True])
def test_shared_product_is_the_product(monkeypatch, n_threads, n_rows, width, n_columns, is_transposed):
    monkeypatch.setattr(threads, "_MIN_PART_BYTES", 1000)
    monkeypatch.setattr(threads, "n_blas_threads", lambda: n_threads)
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((n_rows, width), dtype=np.float32)
    weight = rng.standard_normal((width, n_columns), dtype=np.float32)
    if is_transposed:
        weight = np.ascontiguousarray(weight.T).T
    out = np.full((n_rows, n_columns), np.nan, np.float32)
    multiply_rows(rows, weight, out)
    np.testing.assert_allclose(out, rows @ weight, rtol=1e-5, atol=1e-5)


def test_caller_takes_back_what_no_thread_has_begun():
    is_over = threading.Event()
    busy = pool(2).submit(is_over.wait, 60)
    done: list[tuple[int, int]] = []

    def work(part: slice) -> None:
        done.append((part.start, threading.get_ident()))

    share(work, [slice(0, 1), slice(1, 2), slice(2, 3)], 2)
    assert not busy.done()
    is_over.set()
    assert busy.result()
    assert sorted(done) == [(start, threading.get_ident()) for start in range(3)]


@pytest.mark.parametrize("bad", [0, 1])
def test_error_in_a_part_reaches_the_caller(bad):
    def work(part: slice) -> None:
        if part.start == bad:
            msg = "bad part"
            raise ValueError(msg)

    with pytest.raises(ValueError, match="bad part"):
        share(work, [slice(0, 1), slice(1, 2)], 2)


def test_one_blas_thread_is_set_for_a_while_and_waits_for_nobody():
    with blas_threads(2):
        before = n_blas_threads()
        with one_blas_thread():
            assert n_blas_threads() == 1
        assert n_blas_threads() == before
        found = []

        def enter() -> None:
            with one_blas_thread():
                found.append(n_blas_threads())

        other = threading.Thread(target=enter)
        other.start()
        other.join(timeout=30)
        assert found == [before]
