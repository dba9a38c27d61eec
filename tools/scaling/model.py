#!/usr/bin/env python3
"""How long a training step of R processes ("ranks") takes: compute, bytes, bandwidth, latency, and what overlaps.

  model.py RECIPE [--samples N] [--compute SECONDS] [--rate BITS/S] [--latency SECONDS] [--ranks 1,2,4,64,1024]

Times a step of one rank with N samples and one thread (spikeloom bench step) and prints a line for each number of
ranks, each of which has as many samples. --compute replaces the time of the step. docs/scaling.md has the formulas;
measure.py beside this file compares them with measurements.
"""
import argparse
import dataclasses
import json
import os
import subprocess
import sys

BUCKET_BYTES = 1 << 20  # spikeloom/parallel/gradient_exchange.h
PROGRAM = os.path.join("build", "release", "spikeloom")


@dataclasses.dataclass(frozen=True)
class Layer:
    backward: float  # seconds
    gradient: float  # bytes


@dataclasses.dataclass(frozen=True)
class Work:
    """A step of one rank: seconds before the backward pass, layers from first to last, seconds after it."""
    before: float
    layers: tuple
    after: float

    @property
    def seconds(self):
        return self.before + sum(layer.backward for layer in self.layers) + self.after

    @property
    def gradient(self):
        return sum(layer.gradient for layer in self.layers)

    def scaled(self, seconds):
        """The same with all times changed in proportion, so that a step takes so long."""
        factor = seconds / self.seconds
        layers = tuple(Layer(layer.backward * factor, layer.gradient) for layer in self.layers)
        return Work(self.before * factor, layers, self.after * factor)


@dataclasses.dataclass(frozen=True)
class Link:
    """Between each rank and the others."""
    rate: float     # bytes a second that a rank sends and, at the same time, receives
    latency: float  # seconds that a message takes besides its bytes


@dataclasses.dataclass(frozen=True)
class Step:
    compute: float        # seconds of a rank by itself
    communication: float  # seconds of all buckets, one after the other
    step: float           # seconds of both, with what overlaps
    sent: float           # bytes, by each rank

    @property
    def bound(self):
        return max(self.compute, self.communication)


def ring(size, ranks, link):
    """Seconds in which a ring adds up so many bytes: each rank sends 2 (R - 1) messages of an R-th of them."""
    messages = 2 * (ranks - 1)
    return messages * (size / ranks / link.rate + link.latency)


def buckets(layers):
    """(seconds since the backward pass began, bytes) in the order in which they are sent."""
    now, together = 0.0, 0.0
    for layer in reversed(layers):
        now += layer.backward
        if layer.gradient >= BUCKET_BYTES:
            yield now, layer.gradient
            continue
        together += layer.gradient
        if together >= BUCKET_BYTES:
            yield now, together
            together = 0.0
    if together:
        yield now, together


def predict(work, ranks, link):
    sent = list(buckets(work.layers))
    free = work.before  # when the link is
    for ready, size in sent:
        free = max(free, work.before + ready) + ring(size, ranks, link)
    return Step(compute=work.seconds, communication=sum(ring(size, ranks, link) for _, size in sent),
                step=max(free, work.seconds - work.after) + work.after,
                sent=2 * (ranks - 1) / ranks * work.gradient)


def output_of(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        sys.exit(f"failed with exit code {done.returncode}: {' '.join(command)}")
    return done.stdout


def measure_work(program, recipe, samples, time_steps=0, bytes_each=4):
    """A step of one rank with one thread, layer by layer. time_steps: 0 = the recipe's. bytes_each: of a gradient."""
    network = json.loads(output_of([program, "info", recipe, "--json"]))
    parameters = {layer["name"]: layer["parameters"] for layer in network["layers"]}
    bench = json.loads(output_of([program, "bench", "step", "--net", network["structure"], "--input", network["input"],
                                  "--steps", str(time_steps or network["num_steps"]), "--batch", str(samples),
                                  "--threads", "1", "--iterations", "10", "--json"]))
    layers = tuple(Layer(layer["backward_ms"] / 1000, bytes_each * parameters[layer["layer"]])
                   for layer in bench["layers"])
    before = sum(layer["forward_ms"] for layer in bench["layers"]) / 1000
    after = bench["step_ms"] / 1000 - before - sum(layer.backward for layer in layers)
    return Work(before, layers, max(after, 0.0))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--program", default=PROGRAM)
    parser.add_argument("--samples", type=int, default=50, help="of each rank in a batch (default: 50)")
    parser.add_argument("--time-steps", type=int, default=0, help="T (default: the recipe's)")
    parser.add_argument("--compute", type=float, help="seconds of a step of one rank (default: measured)")
    parser.add_argument("--rate", type=float, default=1e9, help="bits a second (default: 1e9)")
    parser.add_argument("--latency", type=float, default=1e-4, help="seconds of a message (default: 1e-4)")
    parser.add_argument("--ranks", default="1,2,4,64,1024")
    parser.add_argument("--bf16", action="store_true", help="gradients travel as bfloat16")
    options = parser.parse_args()
    work = measure_work(options.program, options.recipe, options.samples, options.time_steps,
                        2 if options.bf16 else 4)
    if options.compute:
        work = work.scaled(options.compute)
    link = Link(options.rate / 8, options.latency)
    print(f"{work.gradient / 1e6:.1f} MB of gradients in {len(list(buckets(work.layers)))} buckets; "
          f"{options.samples} samples a rank")
    print(f"{'ranks':>6} {'compute s':>10} {'exchange s':>10} {'step s':>10} {'samples/s':>10} {'efficiency':>10}")
    for ranks in map(int, options.ranks.split(",")):
        step = predict(work, ranks, link)
        print(f"{ranks:6} {step.compute:10.3f} {step.communication:10.3f} {step.step:10.3f} "
              f"{ranks * options.samples / step.step:10.1f} {step.compute / step.step:10.2f}")


if __name__ == "__main__":
    main()
