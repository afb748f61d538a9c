"""Products shared among threads: the same result whoever computes a part, and no waiting for a thread that is busy."""

import os
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

from merganser.transformer import blas, threads
from merganser.transformer.blas import blas_threads, n_blas_threads, one_blas_thread, same_blas_threads
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


def run(code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_product_without_columns_is_empty():
    out = np.empty((3, 0), np.float32)
    multiply_rows(np.ones((3, 4), np.float32), np.ones((4, 0), np.float32), out)
    assert out.shape == (3, 0)


def test_nobody_writes_after_an_error_of_the_caller():
    has_begun, may_end = threading.Event(), threading.Event()
    ended = []

    def work(part: slice) -> None:
        if part.start == 0:
            has_begun.wait(60)
            threading.Timer(0.2, may_end.set).start()
            raise KeyboardInterrupt
        has_begun.set()
        may_end.wait(60)
        ended.append(part)

    with pytest.raises(KeyboardInterrupt):
        share(work, [slice(0, 1), slice(1, 2)], 2)
    assert ended == [slice(1, 2)]


def test_number_of_threads_seems_the_same_to_others_while_one_lowers_it(monkeypatch):
    count = [3]
    monkeypatch.setattr(blas, "_openblas", lambda: (lambda: count[0], lambda n: count.__setitem__(0, n)))
    found = []
    with one_blas_thread():
        assert count == [1]
        other = threading.Thread(target=lambda: found.append(n_blas_threads()))
        other.start()
        other.join(60)
    assert (found, count) == ([3], [3])
    with blas_threads(1):
        assert n_blas_threads() == 1


def test_nobody_sets_the_number_while_it_must_stay(monkeypatch):
    count = [3]
    monkeypatch.setattr(blas, "_openblas", lambda: (lambda: count[0], lambda n: count.__setitem__(0, n)))
    found = []

    def lower() -> None:
        with one_blas_thread():
            found.append(count[0])

    with same_blas_threads():
        other = threading.Thread(target=lower)
        other.start()
        other.join(60)
    assert found == [3]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_forked_child_may_set_the_number_though_another_thread_of_the_parent_did():
    code = """
        import os, threading, warnings
        from merganser.transformer import blas
        warnings.simplefilter("ignore")
        before, is_set, may_end = blas.n_blas_threads(), threading.Event(), threading.Event()

        def hold():
            with blas.blas_threads(1):
                is_set.set()
                may_end.wait(60)

        threading.Thread(target=hold).start()
        is_set.wait(60)
        child = os.fork()
        if child == 0:
            with blas.blas_threads(1):
                pass
            os._exit(0 if blas.n_blas_threads() == before else 3)
        may_end.set()
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "0\n", done.stderr


def test_thread_that_outlives_the_main_one_can_multiply():
    code = """
        import threading, time
        import numpy as np
        from merganser.transformer import blas, threads
        threads._MIN_PART_BYTES = 1000
        threads.n_blas_threads = lambda: 2

        def work():
            time.sleep(0.5)
            out = np.empty((1, 4000), np.float32)
            threads.multiply_rows(np.ones((1, 8), np.float32), np.ones((8, 4000), np.float32), out)
            print(out.min(), out.max())

        threading.Thread(target=work).start()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "8.0 8.0\n", done.stderr
