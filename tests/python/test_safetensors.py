"""The reader of safetensors: each type, and files that are cut, damaged or made to mislead."""
import json
import tracemalloc

import numpy as np
import pytest
import spikeloom


def file_bytes(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@pytest.mark.parametrize("dtype, name", [("F64", "<f8"), ("F32", "<f4"), ("F16", "<f2"), ("I64", "<i8"), ("I32", "<i4"),
                                         ("I16", "<i2"), ("I8", "<i1"), ("U64", "<u8"), ("U32", "<u4"), ("U16", "<u2"),
                                         ("U8", "<u1"), ("BOOL", "?")])
def test_types(tmp_path, dtype, name):
    values = np.array([[1, 0, 1], [0, 1, 1]], name)
    header = {"__metadata__": {"a": "b"}, "x": entry(dtype, (2, 3), (0, values.nbytes))}
    (tmp_path / "f").write_bytes(file_bytes(header, values.tobytes()))
    metadata, arrays = spikeloom.read_safetensors(tmp_path / "f")
    assert metadata == {"a": "b"} and arrays["x"].dtype == values.dtype and np.array_equal(arrays["x"], values)


def test_bfloat16_becomes_float32(tmp_path):
    values = np.array([1.0, -2.5, 0.0, np.inf, 3.140625, -1e-40], np.float32)  # 3.140625 has 8 significant bits
    halves = (values.view(np.uint32) >> 16).astype("<u2")
    (tmp_path / "f").write_bytes(file_bytes({"x": entry("BF16", (2, 3), (0, 12))}, halves.tobytes()))
    read = spikeloom.read_safetensors(tmp_path / "f")[1]["x"]
    assert read.dtype == np.float32 and read.shape == (2, 3)
    assert np.array_equal(read.ravel()[:5], values[:5])
    assert read.ravel()[5] == pytest.approx(-1e-40, rel=0.01)


def test_a_model_of_the_program(work):
    metadata, arrays = spikeloom.read_safetensors(work / "runs/mine/model.safetensors")
    assert metadata["format"] == "spikeloom-model" and json.loads(metadata["class_names"]) == ["left", "right"]
    assert arrays["conv1.weight"].shape == (8, 2, 3, 3) and arrays["conv1.weight"].std() > 0.01
    arrays["conv1.weight"] += 1  # its own memory


def test_order_of_the_header_is_not_that_of_the_data(tmp_path):
    header = {"b": entry("U8", (1,), (1, 2)), "a": entry("U8", (1,), (0, 1)), "none": entry("F32", (0, 3), (2, 2)),
              "scalar": entry("U8", (), (2, 3))}
    (tmp_path / "f").write_bytes(file_bytes(header, b"\1\2\3"))
    arrays = spikeloom.read_safetensors(tmp_path / "f")[1]
    assert (arrays["a"][0], arrays["b"][0], arrays["scalar"]) == (1, 2, 3) and arrays["none"].shape == (0, 3)


HOSTILE = {
    "empty": b"",
    "no length": b"\1\2",
    "a header beyond the file": (2**62).to_bytes(8, "little") + b"{}",
    "no JSON": file_bytes(b"{"),
    "no UTF-8": file_bytes(b'{"\xff": 1}'),
    "a list": file_bytes([]),
    "nested without end": file_bytes(b"[" * 100000),
    "metadata of numbers": file_bytes({"__metadata__": {"a": 1}}),
    "a name twice": file_bytes(b'{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},'
                               b'"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"1"),
    "no dtype": file_bytes({"x": {"shape": [2], "data_offsets": [0, 8]}}, bytes(8)),
    "an unknown type": file_bytes({"x": entry("F8_E4M3", (8,))}, bytes(8)),
    "no shape": file_bytes({"x": {"dtype": "F32", "data_offsets": [0, 8]}}, bytes(8)),
    "a negative size": file_bytes({"x": entry(shape=(-2, -1))}, bytes(8)),
    "a size that is true": file_bytes({"x": entry(shape=(2, True))}, bytes(8)),
    "a size with a point": file_bytes({"x": entry(shape=(2.0,))}, bytes(8)),
    "too many dimensions": file_bytes({"x": entry("U8", (1,) * 40, (0, 1))}, b"1"),
    "an overflowing shape": file_bytes({"x": entry(shape=(2**62, 4))}, bytes(8)),
    "nothing of a huge shape": file_bytes({"x": entry(shape=(0, 2**70), offsets=(0, 0))}),
    "another number of bytes": file_bytes({"x": entry(shape=(3,))}, bytes(8)),
    "bytes beyond the file": file_bytes({"x": entry(offsets=(8, 16))}, bytes(8)),
    "an end before the begin": file_bytes({"x": entry(offsets=(8, 0))}, bytes(8)),
    "one offset": file_bytes({"x": entry(offsets=(8,))}, bytes(8)),
    "an overlap": file_bytes({"x": entry(), "y": entry(offsets=(4, 12))}, bytes(12)),
    "a hole": file_bytes({"x": entry(), "y": entry(offsets=(12, 20))}, bytes(20)),
    "bytes that are left": file_bytes({"x": entry()}, bytes(9)),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_files_are_refused(tmp_path, what):
    (tmp_path / "f").write_bytes(HOSTILE[what])
    tracemalloc.start()
    with pytest.raises(spikeloom.FileError, match="f: is no safetensors file, or is damaged: ."):
        spikeloom.read_safetensors(tmp_path / "f")
    assert tracemalloc.get_traced_memory()[1] < 32 << 20
    tracemalloc.stop()


def test_each_cut_of_a_file_is_refused(work, tmp_path):
    whole = (work / "runs/mine/model.safetensors").read_bytes()
    for size in [*range(0, len(whole), 97), len(whole) - 1]:
        (tmp_path / "cut").write_bytes(whole[:size])
        with pytest.raises(spikeloom.FileError):
            spikeloom.read_safetensors(tmp_path / "cut")


def test_no_file(tmp_path):
    with pytest.raises(spikeloom.FileError, match="No such file"):
        spikeloom.read_safetensors(tmp_path / "none")
    with pytest.raises(spikeloom.FileError):
        spikeloom.read_safetensors(tmp_path)
