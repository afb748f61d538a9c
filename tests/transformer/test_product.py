"""The product of a few rows: the kernel gives what NumPy gives, and does the products it was made for."""

import numpy as np
import pytest

from merganser import _core
from merganser.transformer import kernels
from merganser.transformer.ops import linear_forward, product


@pytest.fixture
def calls(monkeypatch):
    """The shapes that the kernel was called with."""
    kernel, seen = _core.multiply_few_rows, []

    def spy(rows, matrix, out, *rest):
        kernel(rows, matrix, out, *rest)
        seen.append((rows.shape, matrix.shape))

    monkeypatch.setattr(_core, "multiply_few_rows", spy)
    monkeypatch.setattr(kernels, "IS_ENABLED", True)
    return seen


def draw(*shape):
    return np.random.default_rng([5, *shape]).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("n_rows", [2, 3, 4, 5, 7, 8])
@pytest.mark.parametrize(("d_in", "d_out"), [(256, 512), (300, 333), (1, 70_001), (70_001, 1)])
@pytest.mark.parametrize("is_transposed", [False, True])
@pytest.mark.parametrize("n_threads", [1, 2, 7])
def test_the_kernel_gives_what_numpy_gives(n_rows, d_in, d_out, is_transposed, n_threads):
    rows, matrix = draw(n_rows, d_in), draw(d_in, d_out)
    out = np.full((n_rows, d_out), np.nan, np.float32)
    stored = np.ascontiguousarray(matrix.T) if is_transposed else matrix
    _core.multiply_few_rows(rows, stored, out, is_transposed, n_threads)
    true = rows.astype(np.float64) @ matrix.astype(np.float64)
    largest = np.abs(rows) @ np.abs(matrix)
    assert np.all(np.abs(out - true) <= 1e-6 * largest)


@pytest.mark.parametrize("is_transposed", [False, True])
def test_few_rows_go_to_the_kernel(calls, is_transposed):
    matrix = draw(512, 256).T if is_transposed else draw(256, 512)
    matrix.flags.writeable = False
    for n_rows in (1, 2, 8, 9):
        rows, out = draw(n_rows, 256), np.empty((n_rows, 512), np.float32)
        product.multiply(rows, matrix, out)
        np.testing.assert_allclose(out, rows @ matrix, rtol=1e-4, atol=1e-4)
    assert calls == [((n, 256), (512, 256) if is_transposed else (256, 512)) for n in (2, 8)]


def test_a_linear_layer_of_few_rows_goes_to_the_kernel(calls):
    out, _ = linear_forward(draw(4, 1, 256), draw(256, 512), draw(512))
    assert (calls, out.shape) == ([((4, 256), (256, 512))], (4, 1, 512))


def test_what_the_kernel_cannot_read_goes_to_numpy(calls):
    unaligned = np.zeros(4 * 256 * 512 + 1, np.uint8)[1:].view(np.float32).reshape(256, 512)
    unaligned[:] = draw(256, 512)
    for rows, matrix in (
        (draw(4, 256).astype(np.float64), draw(256, 512).astype(np.float64)),
        (draw(4, 256), draw(256, 512).astype(np.float64)),
        (draw(4, 512)[:, ::2], draw(256, 512)),
        (draw(4, 256), draw(256, 1024)[:, ::2]),
        (draw(4, 256), unaligned),
        (draw(4, 8), draw(8, 16)),
    ):
        out = np.empty((4, matrix.shape[1]), np.result_type(rows, matrix))
        product.multiply(rows, matrix, out)
        np.testing.assert_allclose(out, rows @ matrix, rtol=1e-4, atol=1e-4)
    assert calls == []


def test_infinities_and_nans_stay():
    rows, matrix = draw(2, 301), draw(301, 333)
    rows[0, 300], rows[1, 300] = np.inf, np.nan
    out = np.empty((2, 333), np.float32)
    product.multiply(rows, matrix, out)
    assert np.all(np.isinf(out[0]))
    assert np.all(np.isnan(out[1]))


def test_shapes_that_do_not_fit_are_refused(calls):
    for rows, matrix, out in (
        ((4, 300), (256, 512), (4, 512)),
        ((4, 256), (256, 512), (4, 500)),
        ((4, 256), (256, 512), (5, 512)),
    ):
        with pytest.raises(ValueError, match="mismatch"):
            product.multiply(draw(*rows), draw(*matrix), np.empty(out, np.float32))
    assert calls == []


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize(("n_rows", "d_in", "d_out"), [(9, 300, 333), (70, 12, 33), (64, 5, 64), (333, 4, 9)])
@pytest.mark.parametrize("is_transposed", [False, True])
def test_parts_of_a_large_product_make_the_whole(n_rows, d_in, d_out, is_transposed, n_threads, monkeypatch):
    monkeypatch.setattr(product, "_MIN_SHARED", 1)
    monkeypatch.setattr(product, "n_blas_threads", lambda: n_threads)
    # Whole numbers, whose sums are exact in any order.
    rows, matrix = np.round(draw(n_rows, d_in)), np.round(draw(d_in, d_out))
    stored = np.ascontiguousarray(matrix.T).T if is_transposed else matrix
    out = np.full((n_rows, d_out), np.nan, np.float32)
    product.multiply(rows, stored, out)
    np.testing.assert_array_equal(out, rows @ matrix)


@pytest.mark.parametrize("shapes", [((4, 30), (30, 9), (4, 8)), ((4, 30), (30, 9), (5, 9)), ((4, 30), (31, 9), (4, 9))])
def test_shapes_that_do_not_fit_are_refused_before_a_product_is_shared_out(shapes, monkeypatch):
    monkeypatch.setattr(product, "_MIN_SHARED", 1)
    monkeypatch.setattr(product, "n_blas_threads", lambda: 2)
    with pytest.raises(ValueError, match="mismatch"):
        product.multiply(*(np.zeros(shape, np.float32) for shape in shapes))


def test_a_large_product_is_shared_out(monkeypatch):
    shared = []
    monkeypatch.setattr(product, "n_blas_threads", lambda: 2)
    monkeypatch.setattr(product, "run_all", lambda works, n_threads: shared.extend((len(works), n_threads)))
    for n_rows in (1023, 1024):
        product.multiply(draw(n_rows, 512), draw(512, 256), np.empty((n_rows, 256), np.float32))
    assert shared == [2, 2]
