"""Works side by side: all are done, errors come out, and no thread waits for itself."""

import functools
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest

from merganser.transformer.threads import pool, run_all


@pytest.mark.parametrize("n_threads", [0, 1, 2, 5])
@pytest.mark.parametrize("n_works", [0, 1, 7])
def test_each_work_is_done_once(n_works, n_threads):
    done = []
    run_all((lambda number=number: done.append(number) for number in range(n_works)), n_threads)
    assert sorted(done) == list(range(n_works))


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_an_error_of_a_work_comes_out(n_threads):
    done = []

    def fail():
        raise ArithmeticError

    for place in range(6):
        works = [lambda: done.append(1)] * 6
        works[place] = fail
        with pytest.raises(ArithmeticError):
            run_all(works, n_threads)
    done.clear()
    run_all([lambda: done.append(2)], n_threads)
    assert done == [2]


def test_all_are_at_rest_when_an_error_comes_out():
    for broken in range(3):
        all_begun, done = threading.Barrier(3), []

        def work(number, broken=broken, all_begun=all_begun, done=done):
            all_begun.wait(60)
            if number == broken:
                raise ArithmeticError
            time.sleep(0.2)
            done.append(number)

        with pytest.raises(ArithmeticError):
            run_all([functools.partial(work, number) for number in range(3)], 3)
        assert len(done) == 2


def test_works_of_a_pool_may_have_works_of_their_own():
    done = []

    def inner():
        run_all([lambda: done.append(threading.current_thread().name)] * 4, 2)

    futures = [pool(2).submit(inner) for _ in range(3)]
    for future in futures:
        future.result(timeout=60)
    run_all([inner] * 4, 2)
    assert len(done) == 28


def test_warnings_are_those_of_the_caller():
    large = np.full(10, 3e38, np.float32)
    both = threading.Barrier(2)

    def overflow():
        both.wait(60)
        _ = large * large

    with warnings.catch_warnings(), np.errstate(over="ignore"):
        warnings.simplefilter("error")
        run_all([overflow, overflow], 2)
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        run_all([overflow, overflow], 2)
    told = []
    with np.errstate(over="call", call=lambda kind, _: told.append(kind)):
        run_all([overflow, overflow], 2)
    assert told == ["overflow", "overflow"]


INTERRUPTED = """
import numpy as np
from merganser.transformer import Gpt, GptConfig, LmBatch
from merganser.transformer import blas

# A BLAS of two threads, and products and attention that are shared out.
blas.n_blas_threads = lambda: 2
from merganser.transformer.ops import attention, product
attention.n_blas_threads = product.n_blas_threads = blas.n_blas_threads
attention._MIN_SHARED_SCORES = product._MIN_SHARED = 1

model = Gpt(GptConfig(vocab_size=64, d_model=32, n_heads=2, n_layers=2, d_ff=64, max_positions=64))
params = model.initialize(seed=0)
ids = np.random.default_rng(0).integers(0, 64, (4, 33))
batch = LmBatch(inputs=ids[:, :-1], targets=ids[:, 1:])
nats, calls = Gpt._nats, []

def interrupted(self, tape, part, options):
    calls.append(1)
    if len(calls) == 1:
        raise KeyboardInterrupt
    return nats(self, tape, part, options)

Gpt._nats = interrupted
try:
    model.loss_and_gradients(params, batch, n_threads=2)
except KeyboardInterrupt:
    pass
print(np.isfinite(model.loss_and_gradients(params, batch, n_threads=2)[0].mean))
"""


def test_shards_end_after_an_interrupt():
    """In a process of its own, which would never end where a thread waits for itself."""
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.returncode) == ("True\n", 0), done.stderr
