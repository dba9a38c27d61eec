#!/usr/bin/env python3
"""Golden values for the tests, from the equations alone: every forward pass is written out as a loop over time, and
every gradient comes from a small reverse-mode tape over those operations, not from a derived recursion.

  golden.py          writes tests/golden/*.json
  golden.py --check  verifies that the committed files hold what it makes (numbers to 1e-12 relative)

Needs Python 3 and NumPy. The layout of the files: tests/golden/README.md. Source of the equations: Wu et al. 2019,
eq. 5, 6, 9, 10, 11, 14.
"""
import json
import math
import pathlib
import sys

import numpy as np

from golden_tape import Var, stack

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden"


def pad(x):
    """One ring of zeros around [N, H, W, C]."""
    return Var(np.pad(x.value, ((0, 0), (1, 1), (1, 1), (0, 0))), ((x, lambda g: g[:, 1:-1, 1:-1, :]),))


def linear(x, weight):
    """[..., in] times [out, in] transposed."""
    flat = x.value.reshape(-1, x.value.shape[-1])
    return Var(
        x.value @ weight.value.T,
        (
            (x, lambda g: g @ weight.value),
            (weight, lambda g: g.reshape(-1, g.shape[-1]).T @ flat),
        ),
    )


def conv3x3(x, weight, bias):
    """Stride 1, padding 1: x [N, H, W, in], weight [out, in, 3, 3] -> [N, H, W, out]."""
    _, height, width, _ = x.value.shape
    padded = pad(x)
    total = bias
    for dy in range(3):
        for dx in range(3):
            window = padded[:, dy : dy + height, dx : dx + width, :]
            total = linear(window, weight[:, :, dy, dx]) + total
    return total


def surrogate_height(name, x, width):
    a = width
    if name == "rectangular":
        return np.where(np.abs(x) < a / 2, 1 / a, 0.0)
    if name == "triangular":
        return np.maximum(0.0, 1 - np.abs(x) / a) / a
    if name == "sigmoid":
        s = 1 / (1 + np.exp(-4 * x / a))
        return 4 / a * s * (1 - s)
    if name == "arctan":
        return 1 / a / (1 + (math.pi * x / a) ** 2)
    raise ValueError(name)


def surrogate_area(name, x, width):
    y = x / width
    if name == "rectangular":
        return np.clip(y + 0.5, 0, 1)
    if name == "triangular":
        y = np.clip(y, -1, 1)
        return 0.5 + y - np.sign(y) * y * y / 2
    if name == "sigmoid":
        return 1 / (1 + np.exp(-4 * y))
    if name == "arctan":
        return np.arctan(math.pi * y) / math.pi + 0.5
    raise ValueError(name)


def spike(x, p):
    """The step (or, in smooth mode, the surrogate's integral) of x = v - threshold, with the surrogate as derivative."""
    if p["smooth"]:
        value = surrogate_area(p["surrogate"], x.value, p["surrogate_width"])
    else:
        value = (x.value >= 0).astype(float)
    height = surrogate_height(p["surrogate"], x.value, p["surrogate_width"])
    return Var(value, ((x, lambda g: g * height),))


def lif(inputs, p, decay, v_threshold):
    """inputs: one Var a step. Returns v before the reset and the spikes, one Var a step each."""
    v_pre, spikes = [], []
    v_post = Var(np.zeros_like(inputs[0].value))
    for x in inputs:
        v = decay * v_post + x
        o = spike(v - v_threshold, p)
        gate = Var(o.value) if p["detach_reset"] else o
        v_post = v * (1 - gate) if p["reset"] == "zero" else v - v_threshold * gate
        v_pre.append(v)
        spikes.append(o)
    return v_pre, spikes


def neunorm(spikes, decay, coefficient, u):
    """spikes: one Var [N, P, C] a step; u [P, C] or [P, 1]. Returns x [N, P, 1] and the output a step."""
    xs, outputs = [], []
    x = Var(np.zeros(spikes[0].value.shape[:-1] + (1,)))
    for o in spikes:
        x = decay * x + coefficient * o.sum(axis=2, keepdims=True)
        xs.append(x)
        outputs.append(o - u * x)
    return xs, outputs


def avg_pool(x, k):
    """x [N, H, W, C], floor."""
    _, height, width, _ = x.value.shape
    rows, columns = height // k, width // k
    total = 0.0
    for dy in range(k):
        for dx in range(k):
            total = x[:, dy : dy + rows * k : k, dx : dx + columns * k : k, :] + total
    return total * (1 / k**2)


def vote(spikes, class_of, classes):
    """spikes: one Var [N, P] a step -> votes [N, classes]."""
    matrix = np.zeros((classes, len(class_of)))
    for p, k in enumerate(class_of):
        matrix[k, p] = 1.0
    matrix /= np.maximum(1.0, matrix.sum(axis=1, keepdims=True))
    total = 0.0
    for o in spikes:
        total = linear(o, Var(matrix)) + total
    return total * (1 / len(spikes))


def mse(votes, targets):
    wanted = np.eye(votes.value.shape[1])[targets]
    error = votes - wanted
    return (error * error).reshape(-1).sum(axis=0) * (1 / votes.value.size)


def cross_entropy(votes, targets):
    shifted = np.exp(votes.value - votes.value.max(axis=1, keepdims=True))
    probability = shifted / shifted.sum(axis=1, keepdims=True)
    count = len(targets)
    loss = -np.mean(np.log(probability[np.arange(count), targets]))
    return Var(loss, ((votes, lambda g: g * (probability - np.eye(probability.shape[1])[targets]) / count),))


def numbers(rng, *shape, scale=1.0, offset=0.0):
    """Normal deviates with three decimals, so that the files stay short and exact in text."""
    return np.round(rng.standard_normal(shape) * scale + offset, 3)


def flat(array):
    return [float(v) for v in np.asarray(array).reshape(-1)]


def lif_case(rng, surrogate, reset, detach, smooth, static):
    steps, neurons = 5, 6
    p = {
        "surrogate": surrogate,
        "reset": reset,
        "detach_reset": detach,
        "smooth": smooth,
        "static_input": static,
        "decay": 0.4,
        "v_threshold": 0.6,
        "surrogate_width": 0.9,
        "num_steps": steps,
        "neurons": neurons,
    }
    values = numbers(rng, *((neurons,) if static else (steps, neurons)), scale=0.6, offset=0.4)
    x = Var(values)
    decay, v_threshold = Var(p["decay"]), Var(p["v_threshold"])
    inputs = [x if static else x[t] for t in range(steps)]
    v_pre, spikes = lif(inputs, p, decay, v_threshold)
    out = stack(spikes)
    grad_spikes = numbers(rng, steps, neurons)
    out.backward(grad_spikes)
    p.update(
        input=flat(values),
        grad_spikes=flat(grad_spikes),
        v_pre=flat([v.value for v in v_pre]),
        spikes=flat(out.value),
        grad_input=flat(x.grad),
        grad_decay=float(decay.grad),
        grad_v_threshold=float(v_threshold.grad),
    )
    return p


def lif_file():
    rng = np.random.default_rng(1)
    cases = []
    for surrogate in ("rectangular", "triangular", "sigmoid", "arctan"):
        for reset in ("zero", "subtract"):
            for detach in (False, True):
                for smooth in (False, True):
                    cases.append(lif_case(rng, surrogate, reset, detach, smooth, static=False))
        cases.append(lif_case(rng, surrogate, "zero", False, False, static=True))
    return {"cases": cases}


def neunorm_file():
    rng = np.random.default_rng(2)
    cases = []
    steps, batch, positions, channels, decay = 4, 2, 3, 5, 0.8
    for scale in ("mean", "literal"):
        for shared in (True, False):
            coefficient = (1 - decay) / (channels if scale == "mean" else channels**2)
            values = (rng.random((steps, batch, positions, channels)) < 0.4).astype(float)
            weights = numbers(rng, positions, 1 if shared else channels)
            spikes, u = Var(values), Var(weights)
            xs, outputs = neunorm([spikes[t] for t in range(steps)], decay, coefficient, u)
            out = stack(outputs)
            grad_output = numbers(rng, *values.shape)
            out.backward(grad_output)
            cases.append(
                {
                    "scale": scale,
                    "shared_u": shared,
                    "decay": decay,
                    "coefficient": coefficient,
                    "num_steps": steps,
                    "batch": batch,
                    "positions": positions,
                    "channels": channels,
                    "spikes": flat(values),
                    "u": flat(weights),
                    "x": flat([x.value for x in xs]),
                    "output": flat(out.value),
                    "grad_output": flat(grad_output),
                    "grad_spikes": flat(spikes.grad),
                    "grad_u": flat(u.grad),
                }
            )
    return {"cases": cases}


def avg_pool_file():
    rng = np.random.default_rng(3)
    cases = []
    for images, height, width, channels, kernel in ((2, 4, 6, 3, 2), (1, 5, 7, 2, 2), (1, 7, 6, 1, 3)):
        values = numbers(rng, images, height, width, channels)
        x = Var(values)
        out = avg_pool(x, kernel)
        grad_output = numbers(rng, *out.value.shape)
        out.backward(grad_output)
        cases.append(
            {
                "images": images,
                "height": height,
                "width": width,
                "channels": channels,
                "kernel": kernel,
                "input": flat(values),
                "output": flat(out.value),
                "grad_output": flat(grad_output),
                "grad_input": flat(x.grad),
            }
        )
    return {"cases": cases}


def voting_file():
    rng = np.random.default_rng(4)
    cases = []
    for class_of in ([0, 0, 1, 1, 2, 2], [2, 0, 1, 1, 0, 1, 2, 1]):
        steps, batch, classes, targets = 4, 3, 3, [2, 0, 1]
        values = (rng.random((steps, batch, len(class_of))) < 0.5).astype(float)
        case = {
            "num_steps": steps,
            "batch": batch,
            "population": len(class_of),
            "classes": classes,
            "class_of": class_of,
            "targets": targets,
            "spikes": flat(values),
        }
        for name, loss_of in (("mse", mse), ("cross_entropy", cross_entropy)):
            spikes = Var(values)
            votes = vote([spikes[t] for t in range(steps)], class_of, classes)
            loss = loss_of(votes, targets)
            loss.backward(1.0)
            case["votes"] = flat(votes.value)
            case[name] = {
                "loss": float(loss.value),
                "grad_votes": flat(votes.grad),
                "grad_spikes": flat(spikes.grad),
            }
        cases.append(case)
    return {"cases": cases}


NETWORK = {
    "num_steps": 4,
    "batch": 3,
    "height": 6,
    "width": 6,
    "structure": "2C3(Encoding)-NeuNorm-AP2-3C3-6FC-Voting",
    "surrogate": "rectangular",
    "reset": "zero",
    "detach_reset": False,
    "smooth": False,
    "decay": 0.25,
    "v_threshold": 0.5,
    "surrogate_width": 1.0,
    "neunorm_decay": 0.8,
    "neunorm_scale": "mean",
    "class_of": [0, 0, 1, 1, 2, 2],
    "classes": 3,
    "targets": [2, 0, 1],
    "learning_rate": 0.5,
}


def network_loss(images, weights):
    """Returns the loss and the spikes a layer (for the firing rates)."""
    net = NETWORK
    steps, batch = net["num_steps"], net["batch"]
    current = conv3x3(Var(images), weights["conv1_weight"], weights["conv1_bias"])
    _, height, width, maps = current.value.shape
    _, spikes1 = lif([current] * steps, net, net["decay"], net["v_threshold"])
    flat1 = [o.reshape(batch, height * width, maps) for o in spikes1]
    coefficient = (1 - net["neunorm_decay"]) / maps
    _, normed = neunorm(flat1, net["neunorm_decay"], coefficient, weights["neunorm_u"])
    pooled = [avg_pool(o.reshape(batch, height, width, maps), 2) for o in normed]
    currents = [conv3x3(o, weights["conv2_weight"], weights["conv2_bias"]) for o in pooled]
    _, spikes2 = lif(currents, net, net["decay"], net["v_threshold"])
    rows = [o.reshape(batch, -1) for o in spikes2]
    currents = [linear(o, weights["fc_weight"]) + weights["fc_bias"] for o in rows]
    _, spikes3 = lif(currents, net, net["decay"], net["v_threshold"])
    votes = vote(spikes3, net["class_of"], net["classes"])
    return mse(votes, net["targets"]), votes, (spikes1, spikes2, spikes3)


def network_file():
    # With this seed no potential comes within 3e-4 of the threshold or of an edge of the surrogate's window in any of
    # the ten steps, so that float32 takes the same decisions.
    rng = np.random.default_rng(1098)
    images = numbers(rng, NETWORK["batch"], NETWORK["height"], NETWORK["width"], 1)
    values = {
        "conv1_weight": numbers(rng, 2, 1, 3, 3, scale=0.5),
        "conv1_bias": numbers(rng, 2, scale=0.1, offset=0.1),
        "neunorm_u": numbers(rng, 36, 1, scale=0.3),
        "conv2_weight": numbers(rng, 3, 2, 3, 3, scale=0.5),
        "conv2_bias": numbers(rng, 3, scale=0.1, offset=0.2),
        "fc_weight": numbers(rng, 6, 27, scale=0.4),
        "fc_bias": numbers(rng, 6, scale=0.1, offset=0.2),
    }
    result = dict(NETWORK)
    result["images"] = flat(images)
    result["weights"] = {name: flat(value) for name, value in values.items()}
    result["shapes"] = {name: list(value.shape) for name, value in values.items()}
    losses = []
    for step in range(11):
        weights = {name: Var(value) for name, value in values.items()}
        loss, votes, layers = network_loss(images, weights)
        losses.append(float(loss.value))
        loss.backward(1.0)
        if step == 0:
            result["votes"] = flat(votes.value)
            result["firing_rates"] = [float(np.mean([o.value for o in spikes])) for spikes in layers]
            result["gradients"] = {name: flat(w.grad) for name, w in weights.items()}
        values = {name: weights[name].value - NETWORK["learning_rate"] * weights[name].grad for name in values}
    result["losses"] = losses
    return result


FILES = {
    "lif.json": lif_file,
    "neunorm.json": neunorm_file,
    "avg_pool.json": avg_pool_file,
    "voting.json": voting_file,
    "network.json": network_file,
}


def same(a, b, where):
    """The first difference between two values read from JSON, or None."""
    if isinstance(a, dict) and isinstance(b, dict):
        if a.keys() != b.keys():
            return f"{where}: keys {sorted(a.keys() ^ b.keys())} are in one only"
        return next(filter(None, (same(a[k], b[k], f"{where}.{k}") for k in a)), None)
    if isinstance(a, list) and isinstance(b, list):
        if len(a) != len(b):
            return f"{where}: {len(a)} values against {len(b)}"
        return next(filter(None, (same(x, y, f"{where}[{k}]") for k, (x, y) in enumerate(zip(a, b)))), None)
    if isinstance(a, float) and isinstance(b, (int, float)) and not isinstance(b, bool):
        # Not to the last bit: exp and atan differ between NumPy versions.
        close = abs(a - b) <= 1e-12 * max(1.0, abs(a))
        return None if close else f"{where}: {a!r} against {b!r}"
    return None if type(a) is type(b) and a == b else f"{where}: {a!r} against {b!r}"


def main(arguments):
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    failures = 0
    for name, make in FILES.items():
        path = FOLDER / name
        made = make()
        if not arguments:
            FOLDER.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(made, indent=None, separators=(",", ":")).replace('},{', '},\n{') + "\n")
            continue
        difference = same(made, json.loads(path.read_text()), name) if path.exists() else f"{name}: missing"
        if difference:
            failures += 1
            print(f"golden.py: {difference}; run tools/golden.py and look at what changed", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
