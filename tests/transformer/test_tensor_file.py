"""The safetensors file: what is written is read, and no damaged or hostile file is taken."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merganser.errors import ConfigError, FormatError
from merganser.transformer.tensor_file import TensorFile, parse_json, write_tensors

TENSORS = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b.c": np.array([True, False]),
    "scalar": np.array(7, np.int64),
    "empty": np.zeros((0, 4), np.float64),
    "turned": np.arange(12, dtype=np.float64).reshape(3, 4).T,
}


def encode(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def test_reading_undoes_writing(tmp_path):
    path = tmp_path / "x.safetensors"
    write_tensors(path, TENSORS, metadata={"step": "3"})
    file = TensorFile(path)
    assert list(file) == list(TENSORS)
    assert file.metadata == {"step": "3"}
    for name, array in TENSORS.items():
        np.testing.assert_array_equal(file[name], array)
        assert file[name].dtype == array.dtype
        assert file.shape(name) == array.shape
        assert file[name].flags.writeable
    assert int.from_bytes(path.read_bytes()[:8], "little") % 8 == 0


@pytest.mark.parametrize(("dtype", "n_bits"), [("float16", 10), ("bfloat16", 7)])
def test_halves_are_rounded_to_nearest_with_ties_to_even(dtype, n_bits, tmp_path):
    path = tmp_path / "x.safetensors"
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.standard_normal(5000) * 10, [0.0, -0.0, np.inf, -np.inf, np.nan]])
    step = 2.0**-n_bits
    ties = 1 + step * (np.arange(8) + 0.5)
    array = np.concatenate([values, ties]).astype(np.float32)
    write_tensors(path, {"x": array}, dtype=dtype)
    found = TensorFile(path)["x"]
    assert found.dtype == np.float32
    assert path.stat().st_size < 2 * array.size + 200
    expected = []
    for value in array.astype(float):
        if not math.isfinite(value) or value == 0:
            expected.append(value)
            continue
        unit = 2.0 ** (max(math.frexp(value)[1] - 1, -14) - n_bits) if dtype == "float16" else None
        unit = unit or 2.0 ** (math.frexp(value)[1] - 1 - n_bits)
        expected.append(round(value / unit) * unit)
    np.testing.assert_array_equal(found, np.array(expected, np.float32))


def test_halves_of_exact_values_come_back_as_they_were(tmp_path):
    path = tmp_path / "x.safetensors"
    every = np.arange(1 << 16, dtype=np.uint32) << 16
    array = every.view(np.float32)
    array = array[np.isfinite(array)]
    write_tensors(path, {"x": array}, dtype="bfloat16")
    np.testing.assert_array_equal(TensorFile(path)["x"], array)


def test_writing_refuses_what_does_not_fit(tmp_path):
    path = tmp_path / "x.safetensors"
    with pytest.raises(ConfigError, match="tensor 'x' has a value beyond 65504"):
        write_tensors(path, {"x": np.array([70000.0], np.float32)}, dtype="float16")
    with pytest.raises(ConfigError, match="tensor 'x' is of complex128"):
        write_tensors(path, {"x": np.array([1j])})
    with pytest.raises(ConfigError, match="dtype must be one of"):
        write_tensors(path, TENSORS, dtype="int8")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "x.safetensors"
    write_tensors(path, TENSORS)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="65504"):
        write_tensors(path, {"a": np.ones(3, np.float32), "x": np.array([1e9], np.float32)}, dtype="float16")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


DATA = bytes(8)
FAULTS = [
    (b"", "header of 0 bytes does not fit into a file of 0 bytes"),
    (b"\x01", "does not fit into a file of 1 bytes"),
    (b"\xff" * 8 + b"{}", "header of 18446744073709551615 bytes does not fit"),
    ((9).to_bytes(8, "little") + b"{}", "header of 9 bytes does not fit into a file of 10 bytes"),
    (encode(b"{"), "not valid JSON"),
    (encode(b"[" * 100_000), "not valid JSON"),
    (encode(b"\xff\xfe"), "not valid JSON"),
    (encode(b"[]"), "must hold a JSON object, got list"),
    (encode(b'{"a":1,"a":2}'), "key 'a' occurs twice"),
    (encode({"__metadata__": {"a": 1}}), "__metadata__ must hold strings by name"),
    (encode({"x": 3}), "tensor 'x' must have dtype, shape and data_offsets"),
    (encode({"x": {"dtype": "F32"}}), "tensor 'x' must have dtype, shape and data_offsets"),
    (encode({"x": entry(dtype="F8_E4M3")}, DATA), "tensor 'x': dtype 'F8_E4M3' is not supported"),
    (encode({"x": entry(dtype=["F32"])}, DATA), "is not supported"),
    (encode({"x": entry(shape=(-1,))}, DATA), "must be lists of whole numbers"),
    (encode({"x": entry(shape=(True,))}, DATA), "must be lists of whole numbers"),
    (encode({"x": entry(shape=(1.0,))}, DATA), "must be lists of whole numbers"),
    (encode({"x": entry(shape=(1 << 64,))}, DATA), "must be lists of whole numbers"),
    (encode({"x": entry(shape=(1 << 40,))}, DATA), "needs 4398046511104 bytes, got"),
    (encode({"x": entry(shape=(1 << 62, 1 << 62))}, DATA), r"shape \(4611686018427387904, 46.*\) is too large"),
    (encode({"x": entry(shape=(0, 1 << 62), offsets=(0, 0))}), r"'x': shape \(0, 4611686018427387904\) is too large"),
    (encode({"x": entry(shape=(1 << 40, 0, 1 << 40), offsets=(0, 0))}), "is too large"),
    (encode({"x": entry(offsets=(0, 4, 8))}, DATA), "must be lists of whole numbers"),
    (encode({"x": entry(offsets=(4, 0))}, DATA), "needs 4 bytes"),
    (encode({"x": entry(shape=(2,))}, DATA), "needs 8 bytes"),
    (encode({"x": entry(), "y": entry(offsets=(2, 6))}, DATA), "tensor 'y' at byte 2 overlaps the tensor before it"),
    (encode({"x": entry(), "y": entry()}, DATA), "overlaps the tensor before it"),
    (encode({"x": entry(offsets=(4, 8))}, DATA), "tensor 'x' at byte 4 leaves a gap before it"),
    (encode({"x": entry()}, DATA), "tensors end at byte 4, but the file's data at 8"),
    (encode({"x": entry(shape=(3,), offsets=(0, 12))}, DATA), "tensors end at byte 12, but the file's data at 8"),
]


def test_one_key_of_many_that_occurs_twice_is_found():
    # So many that comparing each with each would not end.
    text = ",".join(f'"{number}":0' for number in [*range(400_000), 399_999])
    with pytest.raises(FormatError, match="x: key '399999' occurs twice"):
        parse_json(f"{{{text}}}".encode(), "x")


@pytest.mark.parametrize(
    "content",
    [
        b'{"%s":1,"%s":2}' % (b"k" * 1_000_000, b"k" * 1_000_000),
        *(json.dumps({"n" * 1_000_000: value}).encode() for value in (3, entry(), entry(offsets=(4, 8)))),
    ],
)
def test_a_message_does_not_repeat_a_long_name(content, tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(encode(content, b"1234567"))
    with pytest.raises(FormatError) as caught:
        TensorFile(path)
    assert len(str(caught.value)) < 300 + len(str(path))


@pytest.mark.parametrize(("content", "message"), FAULTS)
def test_a_faulty_file_is_refused_by_place(content, message, tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=message) as caught:
        TensorFile(path)
    assert str(path) in str(caught.value)


def test_every_truncated_file_is_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    write_tensors(path, TENSORS)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(FormatError):
            TensorFile(path)


@pytest.fixture(scope="module")
def changed_path(tmp_path_factory):
    return tmp_path_factory.mktemp("changed") / "x.safetensors"


@given(changes=st.lists(st.tuples(st.integers(0, 499), st.integers(0, 255)), min_size=1, max_size=5))
def test_a_changed_file_is_read_or_refused(changes, changed_path):
    write_tensors(changed_path, TENSORS)
    content = bytearray(changed_path.read_bytes())
    for place, value in changes:
        content[place % len(content)] = value
    changed_path.write_bytes(content)
    try:
        file = TensorFile(changed_path)
        for name in file:
            assert file[name].shape == file.shape(name)
    except FormatError:
        pass
