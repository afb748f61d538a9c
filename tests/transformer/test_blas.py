"""The number of BLAS threads: set for a while, by one thread at a time, and whole after a fork."""

import os
import subprocess
import sys
import textwrap
import threading

import pytest

from merganser.transformer import blas
from merganser.transformer.blas import blas_threads, one_blas_thread, same_blas_threads


def in_another_thread(function):
    found = []
    other = threading.Thread(target=lambda: found.append(function()))
    other.start()
    other.join(60)
    return found[0]


@pytest.fixture
def count(monkeypatch):
    """A library whose number of threads is that of a list."""
    count = [3]
    monkeypatch.setattr(blas, "_openblas", lambda: (lambda: count[0], lambda n: count.__setitem__(0, n)))
    return count


def test_one_blas_thread_is_set_for_a_while_and_waits_for_nobody(count):
    def lowered():
        with one_blas_thread():
            return count[0]

    with blas_threads(2):
        assert count == [2]
        assert lowered() == 1
        assert count == [2]
        assert in_another_thread(lowered) == 2
    assert count == [3]
    assert in_another_thread(lowered) == 1


def test_nobody_sets_the_number_while_it_must_stay(count):
    def lowered():
        with one_blas_thread():
            return count[0]

    with same_blas_threads():
        assert in_another_thread(lowered) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_forked_child_may_set_the_number_though_another_thread_of_the_parent_did():
    code = """
        import os, threading, warnings
        from merganser.transformer import blas
        warnings.simplefilter("ignore")
        read = (blas._openblas() or (lambda: 1,))[0]
        before, is_set, may_end = read(), threading.Event(), threading.Event()

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
            os._exit(0 if read() == before else 3)
        may_end.set()
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "0\n", done.stderr
