#!/usr/bin/env python3
"""Reads a Spikeloom model file with NumPy alone and runs it: the format in code. docs/model-format.md has it in words.

    read_model.py MODEL               prints what the file says about itself, and its tensors
    read_model.py MODEL IMAGES N      prints the votes of the first N images of an IDX file (MNIST's format, unpacked)
"""
import json
import re
import sys
import tomllib

import numpy as np

DTYPES = {"F32": "<f4", "F64": "<f8", "I32": "<i4", "I64": "<i8"}


def read_model(path):
    """(metadata, tensors) of a safetensors file: 8 bytes length, JSON header, the tensors' bytes."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    metadata = header.pop("__metadata__", {})
    if metadata.get("format") not in ("spikeloom-model", "spikeloom-checkpoint"):
        raise ValueError(f"{path}: is not a Spikeloom model")
    return metadata, {
        name: np.frombuffer(data[slice(*entry["data_offsets"])], DTYPES[entry["dtype"]]).reshape(entry["shape"])
        for name, entry in header.items()}


def convolution(x, weight, stride, padding):
    """x [N, H, W, C], weight [F, C, K, K] -> [N, H', W', F]."""
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], axis=(1, 2))[:, ::stride, ::stride]
    return np.tensordot(windows, weight, axes=((3, 4, 5), (1, 2, 3)))


def average_pool(x, k):
    """x [N, H, W, C] -> [N, H // k, W // k, C]."""
    n, h, w, c = x.shape
    return x[:, :h // k * k, :w // k * k].reshape(n, h // k, k, w // k, k, c).mean((2, 4))


def fire(current, decay, threshold, subtract):
    """Iterative LIF neurons over all steps: current [T, ...] -> spikes [T, ...], 0 or 1."""
    v, spikes = np.zeros_like(current[0]), np.zeros_like(current)
    for t, i in enumerate(current):
        v = decay * v + i
        spikes[t] = v >= threshold
        v = v - threshold * spikes[t] if subtract else v * (1 - spikes[t])
    return spikes


def run(metadata, tensors, inputs):
    """inputs [T, N, H, W, C], or T = 1 for still images -> votes [N, classes], and each layer's firing rate."""
    recipe = tomllib.loads(metadata["recipe"])
    network, neuron = recipe["network"], recipe["neuron"]
    if network["kind"] != "snn" or recipe["neunorm"]["enabled"]:
        raise ValueError("this reader has LIF neurons only: no NeuNorm, no artificial network")
    steps, count, rates = network["num_steps"], {}, {}
    x = np.broadcast_to(inputs, (steps, *inputs.shape[1:])).astype(np.float64)
    for layer in metadata["structure"].split("-"):
        kind = ("voting" if layer == "Voting" else "pool" if layer.startswith("AP") else
                "fc" if layer.endswith("FC") else "conv")
        count[kind] = count.get(kind, 0) + 1
        name = kind if kind == "voting" else f"{kind}{count[kind]}"
        samples = x.reshape(-1, *x.shape[2:])  # all steps of all samples at once
        if kind == "pool":
            y = average_pool(samples, int(layer[2:]))
        elif kind == "conv":
            weight = tensors[name + ".weight"]
            stride, padding = re.search("S([0-9]+)", layer), re.search("P([0-9]+)", layer)
            y = convolution(samples, weight, int(stride[1]) if stride else 1,
                            int(padding[1]) if padding else weight.shape[2] // 2)
        else:  # [H, W, C] flattened as it lies in memory: the weight's columns are (h, w, c)
            y = samples.reshape(len(samples), -1) @ tensors[name + ".weight"].T
        x = y.reshape(steps, -1, *y.shape[1:])
        if kind != "pool":
            decay = float(tensors.get(name + ".decay", neuron["decay"]))
            threshold = float(tensors.get(name + ".v_threshold", neuron["v_threshold"]))
            x = fire(x + tensors.get(name + ".bias", 0), decay, threshold, neuron["reset"] == "subtract")
            rates[name] = x.mean()
    voters = np.eye(len(json.loads(metadata["class_names"])))[tensors["voting.class_of"]]  # [neurons, classes]
    return x.mean(0) @ (voters / voters.sum(0)), rates


def main():
    metadata, tensors = read_model(sys.argv[1])
    if len(sys.argv) == 2:
        for key, value in metadata.items():
            print(f"{key}: {value}")
        for name, tensor in tensors.items():
            print(name, tensor.dtype, list(tensor.shape))
        return
    with open(sys.argv[2], "rb") as file:
        _, _, height, width = np.frombuffer(file.read(16), ">u4")
        pixels = np.frombuffer(file.read(int(sys.argv[3]) * height * width), np.uint8)
    votes, _ = run(metadata, tensors, pixels.reshape(1, -1, height, width, 1).astype(np.float32) / 255)
    names = json.loads(metadata["class_names"])
    for row in votes:
        print(*(f"{vote:.9g}" for vote in row), names[int(row.argmax())])


if __name__ == "__main__":
    main()
