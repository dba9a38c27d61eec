"""A reader of safetensors files (docs/model-format.md): named arrays and texts, nothing that could execute."""
import json
import math
import os

import numpy as np

from ._errors import FileError

DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "<i1",
          "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "<u1", "BOOL": "?", "BF16": "<u2"}
MAX_DIMENSIONS = 32  # NumPy's


def _unique(pairs):
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a name is there twice")
    return result


def _is_size(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _read_header(file, size):
    if size < 8:
        raise ValueError("is shorter than the 8 bytes of a header's length")
    length = int.from_bytes(file.read(8), "little")
    if length > size - 8:
        raise ValueError(f"the header has {length} bytes, the file {size}")
    header = json.loads(file.read(length).decode("utf-8"), object_pairs_hook=_unique)
    if not isinstance(header, dict):
        raise ValueError("the header is no JSON object")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise ValueError("__metadata__ is no object of texts")
    return metadata, header, 8 + length


def _check(name, entry, data_size):
    """(dtype, shape, begin, end) of an entry of the header."""
    if not isinstance(entry, dict) or not isinstance(entry.get("dtype"), str):
        raise ValueError(f"{name} has no dtype")
    dtype, shape, offsets = entry["dtype"], entry.get("shape"), entry.get("data_offsets")
    if dtype not in DTYPES:
        raise ValueError(f"{name} is of type {dtype}, which is not read")
    if not isinstance(shape, list) or not all(map(_is_size, shape)) or len(shape) > MAX_DIMENSIONS:
        raise ValueError(f"the shape of {name} is no list of at most {MAX_DIMENSIONS} sizes")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(map(_is_size, offsets)):
        raise ValueError(f"the data_offsets of {name} are not two numbers")
    begin, end = offsets
    if not begin <= end <= data_size:
        raise ValueError(f"{name} is at bytes {begin} to {end} of {data_size}")
    if math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize != end - begin:
        raise ValueError(f"{name}, {dtype} {shape}, does not have {end - begin} bytes")
    return dtype, shape, begin, end


def read_safetensors(path):
    """(metadata, arrays) of a safetensors file: texts by name and arrays by name, in the order of the data.

    BF16 becomes float32, which holds every value of it; all other types stay as they are. Arrays are copies of their
    own. Memory is bounded by the file's size. Raises FileError for a file that cannot be read or is not as the format
    demands. Checksums are not compared; spikeloom.Model does that.
    """
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            metadata, header, start = _read_header(file, size)
            entries = [(name, *_check(name, entry, size - start)) for name, entry in header.items()]
            entries.sort(key=lambda entry: entry[3:])
            arrays, position = {}, 0
            for name, dtype, shape, begin, end in entries:
                if begin != position:
                    raise ValueError(f"{name} begins at byte {begin} of the data, the one before ends at {position}")
                position = end
                file.seek(start + begin)
                values = np.frombuffer(bytearray(file.read(end - begin)), DTYPES[dtype])
                if dtype == "BF16":
                    values = (values.astype(np.uint32) << 16).view(np.float32)
                arrays[name] = values.reshape(shape)
            if position != size - start:
                raise ValueError(f"{size - start - position} bytes are left after the last array")
            return metadata, arrays
    except OSError as error:
        raise FileError(f"{path}: {error.strerror or error}") from None
    except (ValueError, OverflowError, RecursionError) as error:
        raise FileError(f"{path}: is no safetensors file, or is damaged: {error}") from None
