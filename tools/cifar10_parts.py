#!/usr/bin/env python3
"""CIFAR-10's binary files in lossless parts of limited size, and back.

  cifar10_parts.py pack FOLDER DEST [--part-bytes N]     FOLDER has data_batch_1..5.bin and test_batch.bin
  cifar10_parts.py assemble PART... --into FOLDER        parts in any order, in one call or in several

A part is a file of its own: a header (JSON) and chunks of 1,000 images, each with its MD5. `assemble` writes what it is
given into FOLDER/cifar10, says which chunks are still missing (exit code 3) and, once a file is whole, compares its MD5
with that of the file that was packed. Images are coded as residuals of a gradient-adjusted prediction (each pixel from
its left, upper and upper left neighbours) of G, R - G and B - G, then with LZMA: about 54 % of the size.
"""
import argparse
import concurrent.futures
import hashlib
import json
import lzma
import os
import pathlib
import sys

import numpy as np

MAGIC = b"SPIKELOOM-CIFAR10-PARTS-1\n"
FILES = [f"data_batch_{number}.bin" for number in range(1, 6)] + ["test_batch.bin"]
RECORD = 1 + 3 * 32 * 32
CHUNK = 1000  # images
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 0, "lp": 0, "pb": 0}]


def predict(left, up, corner):
    """The smaller or larger neighbour beside an edge, the plane through all three elsewhere."""
    low, high = np.minimum(left, up), np.maximum(left, up)
    return np.where(corner >= high, low, np.where(corner <= low, high, left + up - corner))


def neighbours(plane, y, x):
    """Left, upper and upper left values of pixel (y, x) of all images; at the border those that there are."""
    nothing = np.zeros(len(plane), plane.dtype)
    left = plane[:, y, x - 1] if x else (plane[:, y - 1, x] if y else nothing)
    up = plane[:, y - 1, x] if y else left
    corner = plane[:, y - 1, x - 1] if x and y else up
    return left, up, corner


def differences(images):
    """G, R - G and B - G of [N, 3, 32, 32]."""
    red, green, blue = (images[:, channel].astype(np.int16) for channel in range(3))
    return green, red - green, blue - green


def encode(data):
    """The packed form of whole records."""
    records = np.frombuffer(data, np.uint8).reshape(-1, RECORD)
    coded = [records[:, 0].tobytes()]
    for plane in differences(records[:, 1:].reshape(-1, 3, 32, 32)):
        residual = np.empty_like(plane)
        for y in range(32):
            for x in range(32):
                residual[:, y, x] = plane[:, y, x] - predict(*neighbours(plane, y, x))
        coded.append(residual.astype(np.uint8).tobytes())
    return lzma.compress(b"".join(coded), lzma.FORMAT_RAW, filters=FILTERS)


def decode(packed, count):
    """The records again. A residual is known modulo 256 only, but so is each channel."""
    data = lzma.decompress(packed, lzma.FORMAT_RAW, filters=FILTERS)
    if len(data) != count * RECORD:
        raise ValueError(f"a chunk of {count} images has {len(data)} bytes instead of {count * RECORD}")
    records = np.empty((count, RECORD), np.uint8)
    records[:, 0] = np.frombuffer(data, np.uint8, count)
    images = records[:, 1:].reshape(-1, 3, 32, 32)
    residuals = np.frombuffer(data, np.uint8, offset=count).reshape(3, count, 32, 32)
    base = 0
    for channel, residual in zip((1, 0, 2), residuals):
        plane = np.empty((count, 32, 32), np.int16)
        for y in range(32):
            for x in range(32):
                value = predict(*neighbours(plane, y, x)) + residual[:, y, x]
                offset = 0 if channel == 1 else base[:, y, x]
                plane[:, y, x] = ((value + offset) & 255) - offset
        if channel == 1:
            base = plane
        images[:, channel] = plane + (0 if channel == 1 else base)
    return records.tobytes()


def md5(data):
    return hashlib.md5(data).hexdigest()


def pack_chunk(path, first):
    with open(path, "rb") as stream:
        stream.seek(first * RECORD)
        data = stream.read(CHUNK * RECORD)
    packed = encode(data)
    if decode(packed, len(data) // RECORD) != data:
        raise ValueError(f"{path}: images from {first} on do not come back as they were")
    return {"file": path.name, "first": first, "count": len(data) // RECORD, "md5": md5(data)}, packed


def write_part(path, files, chunks):
    header = {"files": files, "chunks": []}
    offset = 0
    for chunk, packed in chunks:
        header["chunks"].append(chunk | {"offset": offset, "bytes": len(packed)})
        offset += len(packed)
    text = json.dumps(header).encode()
    with open(path, "wb") as stream:
        stream.write(MAGIC + len(text).to_bytes(8, "little") + text)
        for _, packed in chunks:
            stream.write(packed)
    print(f"{path}: {os.path.getsize(path)} bytes, {len(chunks)} chunks")


def pack(options):
    source, dest = pathlib.Path(options.folder), pathlib.Path(options.dest)
    dest.mkdir(parents=True, exist_ok=True)
    files = {}
    for name in FILES:
        data = (source / name).read_bytes()
        if len(data) % RECORD:
            sys.exit(f"{source / name}: {len(data)} bytes are not whole records of {RECORD}")
        files[name] = {"bytes": len(data), "md5": md5(data)}
    wanted = [(source / name, first) for name in FILES for first in range(0, files[name]["bytes"] // RECORD, CHUNK)]
    waiting, size, number = [], 0, 1
    room = options.part_bytes - len(MAGIC) - 65536  # the header
    with concurrent.futures.ProcessPoolExecutor(options.jobs) as pool:
        for chunk, packed in pool.map(pack_chunk, *zip(*wanted)):
            if waiting and size + len(packed) > room:
                write_part(dest / f"cifar10-{number:02}.part", files, waiting)
                waiting, size, number = [], 0, number + 1
            waiting.append((chunk, packed))
            size += len(packed)
    write_part(dest / f"cifar10-{number:02}.part", files, waiting)


def read_header(path):
    with open(path, "rb") as stream:
        if stream.read(len(MAGIC)) != MAGIC:
            sys.exit(f"{path} is no part that cifar10_parts.py has written")
        length = int.from_bytes(stream.read(8), "little")
        if length > 1 << 20:
            sys.exit(f"{path}: damaged header")
        return json.loads(stream.read(length)), stream.tell()


def unpack_chunk(path, start, chunk):
    with open(path, "rb") as stream:
        stream.seek(start + chunk["offset"])
        packed = stream.read(chunk["bytes"])
    data = decode(packed, chunk["count"])
    if md5(data) != chunk["md5"]:
        raise ValueError(f"{path}: {chunk['file']}, images from {chunk['first']} on: wrong MD5")
    return data


def assemble(options):
    folder = pathlib.Path(options.into) / "cifar10"
    folder.mkdir(parents=True, exist_ok=True)
    state_path = folder / "parts.json"  # which images of each unfinished file are there
    state = json.loads(state_path.read_text()) if state_path.exists() else {}
    jobs, files = [], {}
    for part in options.parts:
        header, start = read_header(part)
        files |= header["files"]
        for chunk in header["chunks"]:
            if chunk["file"] not in FILES:
                sys.exit(f"{part}: unexpected file {chunk['file']}")
            whole = (folder / chunk["file"]).exists()
            if not whole and chunk["first"] not in state.get(chunk["file"], []):
                jobs.append((part, start, chunk))
    if jobs:
        with concurrent.futures.ProcessPoolExecutor(options.jobs) as pool:
            for (_, _, chunk), data in zip(jobs, pool.map(unpack_chunk, *zip(*jobs))):
                target = folder / (chunk["file"] + ".unfinished")
                with open(target, "r+b" if target.exists() else "wb") as stream:
                    stream.seek(chunk["first"] * RECORD)
                    stream.write(data)
                state.setdefault(chunk["file"], []).append(chunk["first"])
                state_path.write_text(json.dumps(state))
    missing = []
    for name in FILES:
        if (folder / name).exists():
            continue
        images = files[name]["bytes"] // RECORD if name in files else 10000
        absent = sorted(set(range(0, images, CHUNK)) - set(state.get(name, [])))
        if absent:
            missing.append(f"{name}: {len(absent)} of {-(-images // CHUNK)} chunks")
            continue
        data = (folder / (name + ".unfinished")).read_bytes()
        if md5(data) != files[name]["md5"]:
            sys.exit(f"{folder / name}: its MD5 is {md5(data)}, that of the packed file is {files[name]['md5']}")
        os.replace(folder / (name + ".unfinished"), folder / name)
        del state[name]
        state_path.write_text(json.dumps(state))
    if missing:
        print("missing: " + "; ".join(missing))
        sys.exit(3)
    state_path.unlink(missing_ok=True)
    print(f"{folder}: complete, all {len(FILES)} files as they were packed (MD5)")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="processes")
    commands = parser.add_subparsers(required=True)
    packing = commands.add_parser("pack")
    packing.add_argument("folder")
    packing.add_argument("dest")
    packing.add_argument("--part-bytes", type=int, default=15 << 20)
    packing.set_defaults(run=pack)
    assembling = commands.add_parser("assemble")
    assembling.add_argument("parts", nargs="+")
    assembling.add_argument("--into", required=True)
    assembling.set_defaults(run=assemble)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
