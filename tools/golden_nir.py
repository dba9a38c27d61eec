#!/usr/bin/env python3
"""Golden values of NIR graphs, from the definitions of the nodes alone: plain loops in NumPy, independent of the C++ code.

  golden_nir.py                     writes tests/golden/nir.json
  golden_nir.py --check             verifies that the committed file holds what it makes
  golden_nir.py --braille FILE.nir  also runs the published recurrent Braille graph (needs h5py), whose spikes it writes

Needs Python 3 and NumPy. The layout of the file: tests/golden/README.md.
"""
import argparse
import json
import pathlib
import sys

import numpy as np

FILE = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "nir.json"
BRAILLE_STEPS, BRAILLE_DT = 256, 1e-4


def made_up(shape, step, modulus, scale=8.0):
    """Numbers of no pattern that are exact in float: multiples of 1 / scale."""
    count = int(np.prod(shape))
    return ((np.arange(count) * step + 3) % modulus - modulus // 2).reshape(shape) / scale


def conv1d(x, weight, bias, stride, padding, dilation, groups):
    """x [C, L] -> [F, L']. padding: a number, "same" (stride 1; of an odd one the right side has more) or "valid"."""
    filters, inner, kernel = weight.shape
    span = dilation * (kernel - 1)
    left, right = {"same": (span // 2, span - span // 2), "valid": (0, 0)}.get(padding, (padding, padding))
    x = np.pad(x, ((0, 0), (left, right)))
    length = (x.shape[1] - span - 1) // stride + 1
    out = np.zeros((filters, length))
    for f in range(filters):
        first = f // (filters // groups) * inner
        for o in range(length):
            taps = x[first : first + inner, o * stride : o * stride + span + 1 : dilation]
            out[f, o] = np.sum(taps * weight[f]) + bias[f]
    return out


def pool2d(x, kernel, stride, padding, average):
    """x [C, H, W] -> [C, H', W']; zeros around it count in the mean."""
    x = np.pad(x, ((0, 0), (padding[0], padding[0]), (padding[1], padding[1])))
    height = (x.shape[1] - kernel[0]) // stride[0] + 1
    width = (x.shape[2] - kernel[1]) // stride[1] + 1
    out = np.zeros((x.shape[0], height, width))
    for r in range(height):
        for c in range(width):
            rows, columns = r * stride[0], c * stride[1]
            window = x[:, rows : rows + kernel[0], columns : columns + kernel[1]]
            out[:, r, c] = window.sum(axis=(1, 2)) / (kernel[0] * kernel[1] if average else 1)
    return out


class CubaLif:
    """tau_syn i' = w_in x - i, tau_mem v' = v_leak + r i - v, forward Euler, i first; v = 0 after a spike."""

    def __init__(self, parameters, dt):
        self.p, self.dt = parameters, dt
        self.v = np.zeros(parameters["tau_mem"].shape)
        self.i = np.zeros(parameters["tau_mem"].shape)

    def step(self, x):
        p = self.p
        self.i = self.i + self.dt / p["tau_syn"] * (p["w_in"] * x - self.i)
        self.v = self.v + self.dt / p["tau_mem"] * (p["v_leak"] + p["r"] * self.i - self.v)
        spikes = (self.v > p["v_threshold"]).astype(float)
        self.v = np.where(spikes > 0, 0.0, self.v)
        return spikes


def case(name, dt, shape, node, inputs, outputs):
    kind, parameters, padding = node
    return {
        "name": name,
        "dt": dt,
        "type": kind,
        "input_shape": list(shape),
        "output_shape": list(np.shape(outputs)[1:]),
        "parameters": {
            key: {"shape": list(np.shape(value)), "values": np.ravel(np.asarray(value, float)).tolist()}
            for key, value in parameters.items()
        },
        "padding": padding,
        "input": [np.ravel(x).tolist() for x in inputs],
        "output": [np.ravel(y).tolist() for y in outputs],
    }


def conv1d_cases():
    settings = [
        ("strided_and_dilated", (3, 11), (4, 3, 3), 2, 2, 2, 1),
        ("groups", (4, 9), (6, 2, 2), 1, 1, 1, 2),
        ("depthwise_same", (3, 8), (3, 1, 3), 1, "same", 2, 3),
        ("same_of_an_even_kernel", (2, 7), (3, 2, 4), 1, "same", 1, 1),
        ("valid", (2, 10), (5, 2, 3), 3, "valid", 1, 1),
    ]
    for name, shape, weights, stride, padding, dilation, groups in settings:
        weight, bias = made_up(weights, 7, 23), made_up((weights[0],), 5, 9)
        inputs = [made_up(shape, 5 + 2 * t, 17, 1.0) for t in range(3)]
        outputs = [conv1d(x, weight, bias, stride, padding, dilation, groups) for x in inputs]
        parameters = {"weight": weight, "bias": bias, "stride": stride, "dilation": dilation, "groups": groups,
                      "input_shape": shape[1]}
        if not isinstance(padding, str):
            parameters["padding"] = padding
        yield case("conv1d_" + name, 1e-3, shape, ("Conv1d", parameters, padding if isinstance(padding, str) else ""),
                   inputs, outputs)


def pool_cases():
    settings = [
        ("padded", (2, 6, 7), (3, 2), (2, 2), (1, 1)),
        ("overlapping", (1, 5, 8), (3, 4), (1, 3), (0, 2)),
        ("gaps_between", (3, 9, 4), (2, 2), (3, 2), (1, 0)),
    ]
    for name, shape, kernel, stride, padding in settings:
        inputs = [made_up(shape, 3 + 2 * t, 13, 1.0) for t in range(2)]
        parameters = {"kernel_size": kernel, "stride": stride, "padding": padding}
        for kind in ("AvgPool2d", "SumPool2d"):
            outputs = [pool2d(x, kernel, stride, padding, kind == "AvgPool2d") for x in inputs]
            yield case(kind.lower() + "_" + name, 1e-3, shape, (kind, parameters, ""), inputs, outputs)


def delay_case():
    """What came in round(delay / dt) steps before, 0 before the first one."""
    dt, delays = 1e-4, np.array([0.0, 1e-4, 2.6e-4, 7e-4, 3.4e-4])
    inputs = [made_up((5,), 2 + 3 * t, 11, 1.0) for t in range(12)]
    steps = [int(np.floor(one / dt + 0.5)) for one in delays]
    outputs = [np.array([inputs[t - n][k] if t >= n else 0.0 for k, n in enumerate(steps)]) for t in range(12)]
    return case("delay", dt, (5,), ("Delay", {"delay": delays}, ""), inputs, outputs)


def braille(path):
    """The graph step by step: its input is made up, its recurrent edge brings the spikes of the step before."""
    import h5py

    with h5py.File(path, "r") as file:
        nodes = {
            name: {key: np.asarray(value[()], float) for key, value in node.items() if value.dtype.kind in "iuf"}
            for name, node in file["node/nodes"].items()
        }
    first, second = CubaLif(nodes["lif1.lif"], BRAILLE_DT), CubaLif(nodes["lif2"], BRAILLE_DT)
    affine = lambda name, x: nodes[name]["weight"] @ x + nodes[name]["bias"]
    hidden = np.zeros(first.v.shape)
    hidden_spikes, output = [], []
    for t in range(BRAILLE_STEPS):
        x = np.array([float((t // 16 + k) % 12 == 0) for k in range(12)])
        hidden = first.step(affine("fc1", x) + affine("lif1.w_rec", hidden))
        hidden_spikes.append(int(hidden.sum()))
        output.append("".join(str(int(one)) for one in second.step(affine("fc2", hidden))))
    return {"dt": BRAILLE_DT, "hidden_spikes": hidden_spikes, "output": output, "v": second.v.tolist()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--braille", metavar="FILE.nir")
    options = parser.parse_args()
    committed = json.loads(FILE.read_text()) if FILE.exists() else {}
    values = {"cases": [*conv1d_cases(), *pool_cases(), delay_case()]}
    values["braille"] = braille(options.braille) if options.braille else committed.get("braille")
    if options.check:
        if json.loads(json.dumps(values)) != committed:
            sys.exit("golden_nir.py: tests/golden/nir.json is not what it makes; run it and look at what changed")
        return
    lines = ",\n".join(json.dumps(one) for one in values["cases"])
    FILE.write_text('{"cases": [\n' + lines + '\n],\n"braille": ' + json.dumps(values["braille"]) + "}\n")


if __name__ == "__main__":
    main()
