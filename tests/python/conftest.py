"""A small network of events and one of images, trained once; the program, and what it says of them."""
import json
import os
import pathlib
import struct
import subprocess

import numpy as np
import pytest

PROGRAM = os.environ["SPIKELOOM_PROGRAM"]
SOURCE = pathlib.Path(__file__).resolve().parents[2]

EVENT_RECIPE = '''[data]
dataset = "folder"
folder = "own"
sensor = "24x20"
time_unit = "us"
window_us = 1000
[network]
structure = "8C3(Encoding)-AP2-Voting"
num_steps = 4
[compute]
precision = "fp32"
[training]
epochs = 3
batch_size = 4
'''
IMAGE_RECIPE = '''[data]
dataset = "mnist"
[network]
structure = "6C3(Encoding)-AP2-20FC-Voting"
num_steps = 3
[neuron]
decay = 0.6
learn_decay = true
reset = "subtract"
[compute]
precision = "fp32"
[optimizer]
kind = "adam"
learning_rate = 0.03
[training]
epochs = 2
batch_size = 20
'''


def run_program(*arguments):
    result = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def predictions_of_program(*arguments):
    return json.loads(run_program("predict", *arguments, "--json"))["predictions"]


def write_idx(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.tobytes())


@pytest.fixture(scope="session")
def images():
    """[220, 28, 28] bytes: noise, and a bright bar at one of ten places."""
    values = np.random.default_rng(1).integers(0, 97, (220, 28, 28), dtype=np.uint8)
    for i, image in enumerate(values):
        image[:, 2 + 2 * (i % 10):5 + 2 * (i % 10)] = 250
    return values


@pytest.fixture(scope="session")
def work(tmp_path_factory, images):
    """A folder with sets/, runs/mine (events), runs/images and recording.npy."""
    folder = tmp_path_factory.mktemp("work")
    for name, left in (("left", 2), ("right", 20)):
        for number in range(6):
            lines = "".join(f"{100 * k},{left},{k % 20},{k % 2}\n" for k in range(40 + number))
            for part in ("train", "test"):
                file = folder / "sets/own" / part / name / f"{number}.csv"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text("t,x,y,p\n" + lines)
    for part, values in (("train", images[:200]), ("t10k", images[200:])):
        write_idx(folder / f"sets/mnist/{part}-images-idx3-ubyte", values)
        write_idx(folder / f"sets/mnist/{part}-labels-idx1-ubyte", np.arange(len(values), dtype=np.uint8) % 10)
    os.environ["SPIKELOOM_DATA_DIR"] = str(folder / "sets")
    for name, recipe in (("mine", EVENT_RECIPE), ("images", IMAGE_RECIPE)):
        (folder / f"{name}.toml").write_text(recipe)
        run_program("train", folder / f"{name}.toml", "--out", folder / "runs" / name, "--quiet", "--threads", 1)
    run_program("convert", folder / "sets/own/test/right/3.csv", folder / "recording.npy", "--sensor", "24x20")
    return folder
