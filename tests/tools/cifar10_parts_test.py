#!/usr/bin/env python3
"""tools/cifar10_parts.py: what was packed comes back, in one call or two; damage and foreign files are found."""
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy as np
except ImportError:
    print("skipped: no numpy")
    sys.exit(77)

TOOL = pathlib.Path(sys.argv[1]) / "tools" / "cifar10_parts.py"
FILES = [f"data_batch_{number}.bin" for number in range(1, 6)] + ["test_batch.bin"]
RECORD = 3073


def run(*words):
    return subprocess.run([sys.executable, "-B", str(TOOL), "--jobs", "2", *map(str, words)], capture_output=True, text=True)


def check(condition, what):
    if not condition:
        sys.exit(f"failed: {what}")


def make(folder):
    """Smooth images, noise, and extremes, where differences wrap; the last file has two chunks, the second not full."""
    random = np.random.default_rng(1)
    for number, name in enumerate(FILES):
        count = 1010 if number == 5 else 120 + number
        records = random.integers(0, 256, (count, RECORD), dtype=np.uint8)
        smooth = count - 80
        records[:smooth, 1:] = (np.arange(RECORD - 1) // 16 + np.arange(smooth)[:, None]) % 256
        records[smooth : smooth + 20, 1:] = 255 * random.integers(0, 2, (20, RECORD - 1))
        records[:, 0] = random.integers(0, 10, count)
        (folder / name).write_bytes(records.tobytes())


with tempfile.TemporaryDirectory() as temporary:
    root = pathlib.Path(temporary)
    (root / "source").mkdir()
    make(root / "source")
    packed = run("pack", root / "source", root / "parts", "--part-bytes", 400000)
    check(packed.returncode == 0, packed.stderr)
    parts = sorted((root / "parts").iterdir())
    check(len(parts) > 2, f"{len(parts)} parts")
    check(all(os.path.getsize(part) <= 400000 for part in parts), "a part is larger than allowed")

    first = run("assemble", *parts[:2], "--into", root / "data")
    check(first.returncode == 3 and "missing: " in first.stdout, f"half of the parts: {first.stdout}{first.stderr}")
    check("test_batch.bin" in first.stdout, f"does not say what is missing: {first.stdout}")
    check(not (root / "data" / "cifar10" / "test_batch.bin").exists(), "a file that is not whole has its name")
    second = run("assemble", *reversed(parts[1:]), "--into", root / "data")
    check(second.returncode == 0 and "complete" in second.stdout, f"all parts: {second.stdout}{second.stderr}")
    for name in FILES:
        check((root / "data" / "cifar10" / name).read_bytes() == (root / "source" / name).read_bytes(), f"{name} differs")
    check(not (root / "data" / "cifar10" / "parts.json").exists(), "the list of chunks is left behind")

    damaged = bytearray(parts[-1].read_bytes())
    damaged[-100] ^= 1
    (root / "damaged.part").write_bytes(damaged)
    check(run("assemble", root / "damaged.part", "--into", root / "other").returncode not in (0, 3), "damage was not found")
    (root / "foreign.part").write_bytes(b"something else")
    check(run("assemble", root / "foreign.part", "--into", root / "other").returncode == 1, "a foreign file was taken")
print("ok")
