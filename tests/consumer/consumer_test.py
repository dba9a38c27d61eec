#!/usr/bin/env python3
"""Installs the build into an empty folder, builds examples/consumer against it, runs it and the installed program."""
import argparse
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

RECIPE = """
[data]
dataset = "mnist"
[network]
structure = "2C3(Encoding)-AP4-Voting"
num_steps = 2
[training]
epochs = 1
batch_size = 10
"""


def run(*command, **options):
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\nended with {result.returncode}:\n{result.stdout}{result.stderr}")
    return result.stdout


def expect(condition, message):
    if not condition:
        sys.exit(message)


def write_idx(path, shape, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    header = struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape)
    path.write_bytes(header + bytes(values))


def write_data(folder):
    for part, count in (("train", 20), ("t10k", 10)):
        write_idx(folder / f"{part}-images-idx3-ubyte", (count, 28, 28), [i % 251 for i in range(count * 784)])
        write_idx(folder / f"{part}-labels-idx1-ubyte", (count,), [i % 10 for i in range(count)])


def check_library(options, prefix, work):
    run(options.cmake, "-S", options.source_dir / "examples/consumer", "-B", work / "build", "-G", options.generator,
        f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCMAKE_CXX_COMPILER={options.compiler}", "-DCMAKE_BUILD_TYPE=Release")
    cache = (work / "build/CMakeCache.txt").read_text()
    found = [line for line in cache.splitlines() if line.startswith("Spikeloom_DIR:")]
    expect(len(found) == 1 and str(prefix) in found[0], f"not the installed package: {found}")
    run(options.cmake, "--build", work / "build")
    consumer = work / "build/consumer"
    expect(run(consumer) == "CIFARNet: 45049188 parameters\n", "the consumer plans another network")

    write_data(work / "sets/mnist")
    (work / "small.toml").write_text(RECIPE)
    said = run(consumer, work / "small.toml", work / "run",
               env={**os.environ, "SPIKELOOM_DATA_DIR": str(work / "sets")})
    expect(said.startswith("test accuracy 0."), said)
    result = json.loads((work / "run/result.json").read_text())
    expect(result["iterations"] == 2 and result["test_samples"] == 10, str(result))


def check_program(prefix, work):
    program = prefix / "bin/spikeloom"
    expect(run(program, "--version").startswith("spikeloom "), "no version")
    recipe = json.loads(run(program, "info", "cifar10/cifarnet", "--json", cwd=work))
    expect(recipe["file"].startswith(str(prefix / "share")), f"not the installed recipe: {recipe['file']}")
    linked = run("ldd", program)
    for name in ("libspikeloom.so", "libspikeloom_core.so"):
        path = [line.split("=>")[1].split()[0] for line in linked.splitlines() if name in line]
        expect(len(path) == 1 and pathlib.Path(path[0]).resolve().is_relative_to(prefix), f"{name}: {path}")


def main():
    parser = argparse.ArgumentParser()
    for name in ("build-dir", "source-dir"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    for name in ("cmake", "generator", "compiler"):
        parser.add_argument(f"--{name}", required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder).resolve()
        prefix = work / "prefix"
        run(options.cmake, "--install", options.build_dir, "--prefix", prefix)
        check_library(options, prefix, work)
        check_program(prefix, work)


if __name__ == "__main__":
    main()
