#!/usr/bin/env python3
"""Enforces how the source tree is built: check_layers.py ROOT prints each violation and exits with 1 if there is one.

- An include leads to a folder with a lower number (LAYERS), never up and never across to one of the same number; the
  folders inside train likewise (PARTS). In formats/events no format includes another one (EVENT_FORMATS), nor does what
  they share (EVENT_SHARED).
- LibTorch's headers are included in ops, backends/torch, parallel, train and tests only, and never reach app or an
  example through a project header.
- Project headers are included as "spikeloom/folder/file.h", "app/file.h" or "tests/folder/file.h"; a test may name a
  header that lies beside it. What protoc makes of NAME.proto, NAME.pb.h, counts as lying beside it.
- c10d's headers are included in spikeloom/parallel/c10d.cpp alone.
- CUDA's own headers are included by spikeloom/kernels/cuda/*.cu and launch.h there, so that whoever uses the kernels
  needs none of them.
- A source file has fewer than 500 lines, a header has #pragma once, nothing is called utils. A header that Highway
  compiles once for every SIMD target is called *-inl.h and has HWY_TARGET_TOGGLE in the place of #pragma once.
"""
import pathlib
import re
import sys

LAYERS = {"base": 0, "config": 1, "events": 1, "kernels": 1, "formats": 2, "model": 2, "ops": 3, "data": 3,
          "engine": 3, "pictures": 3, "report": 3, "watch": 4, "backends": 4, "parallel": 4, "exchange": 5, "train": 5,
          "runtime": 6, "stream": 7, "app": 8}
# The same inside a folder that has folders.
PARTS = {"train": {"recipe": 0, "machine": 1, "network": 2, "run": 3, "evaluation": 4, "steps": 4, "session": 5,
                   "benchmark": 5}}
# Folders of formats/events. Beside them are its interface and what picks a format, which may include all of them.
EVENT_FORMATS = {"aedat", "hdf5", "numpy", "prophesee", "text"}
EVENT_SHARED = {"columns", "records"}
TORCH_ALLOWED = {"ops", "parallel", "train"}
TORCH_FOLDERS = (("tests",), ("spikeloom", "backends", "torch"))
TORCH_NEVER_REACHES = ("app", "examples")  # not even through a header
SOURCE_FOLDERS = ("spikeloom", "app", "tests", "bench", "fuzz", "examples", "tools", "python")
CXX = {".h", ".cpp", ".cu", ".cuh"}
SCRIPTS = {".py", ".sh"}
MAX_LINES = 500
CUDA_LAUNCHER = pathlib.Path("spikeloom/kernels/cuda/launch.h")  # of .cu files only
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)
TORCH = re.compile(r"^(torch|ATen|c10|caffe2)/")
C10D = re.compile(r"^(torch/csrc/distributed|gloo)/")
C10D_FILE = pathlib.Path("spikeloom/parallel/c10d.cpp")
CUDA = re.compile(r"^(cuda|cub/|thrust/|cooperative_groups)")


def source_files(root):
    for folder in SOURCE_FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and path.suffix in CXX | SCRIPTS:
                yield path.relative_to(root)


def includes(text):
    """(name, is_quoted) of each include."""
    return [(quoted or angled, bool(quoted)) for quoted, angled in INCLUDE.findall(text)]


def layer_of(path):
    """The layer's name of a path relative to the root, or None outside spikeloom/ and app/."""
    parts = pathlib.PurePath(path).parts
    if parts[0] == "app":
        return "app"
    return parts[1] if parts[0] == "spikeloom" and len(parts) > 2 else None


def part_of(path):
    """The folder inside a folder that has such with numbers, "" for a file beside them, or None."""
    parts = pathlib.PurePath(path).parts
    if parts[0] != "spikeloom" or len(parts) < 3 or parts[1] not in PARTS:
        return None
    return parts[2] if len(parts) > 3 else ""


def event_folder(path):
    """The folder inside formats/events, or None."""
    parts = pathlib.PurePath(path).parts
    return parts[3] if parts[:3] == ("spikeloom", "formats", "events") and len(parts) > 4 else None


def in_torch_folder(path):
    return any(path.parts[:len(folder)] == folder for folder in TORCH_FOLDERS)


class Tree:
    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.texts = {path: (self.root / path).read_text(encoding="utf-8") for path in source_files(self.root)}
        self.problems = []

    def check(self):
        for path, text in self.texts.items():
            self.check_file(path, text)
            if path.suffix in CXX:
                for name, is_quoted in includes(text):
                    self.check_include(path, name, is_quoted)
        for path in self.texts:
            if path.parts[0] in TORCH_NEVER_REACHES:
                self.check_reaches_no_torch(path, (path,), set())
        return self.problems

    def check_file(self, path, text):
        lines = text.count("\n")
        if lines >= MAX_LINES:
            self.problems.append(f"{path}: {lines} lines, {MAX_LINES} are too many: split it by concept")
        guard = "HWY_TARGET_TOGGLE" if path.name.endswith("-inl.h") else "#pragma once"
        if path.suffix == ".h" and guard not in text:
            self.problems.append(f"{path}: has no {guard}")
        if any(pathlib.PurePath(part).stem in ("util", "utils") for part in path.parts):
            self.problems.append(f"{path}: 'utils' is not a concept: name it after what it does")
        layer = layer_of(path)
        if layer is not None and layer not in LAYERS:
            self.problems.append(f"{path}: the folder {layer} has no layer number")
        part = part_of(path)
        if part is not None and part not in PARTS[layer]:
            self.problems.append(f"{path}: belongs into one of the folders of {layer}: {', '.join(PARTS[layer])}")

    def check_include(self, path, name, is_quoted):
        here = layer_of(path)
        if C10D.match(name) and path != C10D_FILE:
            self.problems.append(f"{path}: includes {name}; c10d belongs to {C10D_FILE}")
        if TORCH.match(name):
            if (here not in TORCH_ALLOWED or part_of(path) == "recipe") and not in_torch_folder(path):
                self.problems.append(f"{path}: includes {name}; LibTorch belongs to ops, backends/torch, parallel and train")
            return
        if not is_quoted and CUDA.match(name) and here is not None:
            if not (str(path).startswith("spikeloom/kernels/cuda/") and path.suffix == ".cu") and path != CUDA_LAUNCHER:
                self.problems.append(f"{path}: includes {name}; CUDA's headers belong to .cu files of kernels/cuda and "
                                     f"{CUDA_LAUNCHER.name}")
        if not is_quoted:
            if name.startswith(("spikeloom/", "app/", "tests/")):
                self.problems.append(f"{path}: include {name} in quotation marks")
            return
        is_generated = name.endswith(".pb.h") and (self.root / name).with_suffix("").with_suffix(".proto").is_file()
        if pathlib.PurePath(name) not in self.texts and not is_generated:
            if here is not None or not (self.root / path.parent / name).is_file():
                self.problems.append(f'{path}: includes "{name}", which is no path from the root')
            return
        there = layer_of(name)
        if here is None:
            return  # tests, benchmarks and examples may use any folder
        if there is None:
            self.problems.append(f"{path}: includes {name}, which is no part of the library")
        elif there != here and LAYERS.get(there, 99) >= LAYERS.get(here, 99):
            self.problems.append(f"{path}: {here} [{LAYERS.get(here)}] includes {name} [{LAYERS.get(there)}]; "
                                 "includes lead to lower numbers only")
        elif there == here and there in PARTS and part_of(path) != part_of(name):
            order = PARTS[there]
            if order.get(part_of(name), 99) >= order.get(part_of(path), 99):
                self.problems.append(f"{path}: {here}/{part_of(path)} includes {name}; includes lead to lower numbers "
                                     "only")

        elif there == here and event_folder(name) in EVENT_FORMATS and event_folder(name) != event_folder(path):
            if event_folder(path) in EVENT_FORMATS | EVENT_SHARED:
                self.problems.append(f"{path}: includes {name} of another format")

    def check_reaches_no_torch(self, path, chain, visited):
        if path in visited:
            return
        visited.add(path)
        for name, _ in includes(self.texts[path]):
            if TORCH.match(name):
                if len(chain) > 1:  # a direct include was already told
                    self.problems.append(f"{chain[0]}: reaches {name} through {' -> '.join(map(str, chain[1:]))}")
            elif pathlib.PurePath(name) in self.texts:
                self.check_reaches_no_torch(pathlib.Path(name), chain + (pathlib.Path(name),), visited)


def main():
    problems = Tree(sys.argv[1]).check()
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
