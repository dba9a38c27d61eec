#!/usr/bin/env python3
"""Training steps of a network of ours in SpikingJelly, in every variant that runs here; prints JSON.

  gpu_peer.py NET CxHxW BATCH STEPS [--device cuda] [--variants all|NAME,...] [--iterations N]

A variant is neuron backend, mixed precision and memory format: torch, cupy or triton; none, bf16 or fp16 (autocast,
the latter with loss scaling); contiguous or channels last. Layers, loss and data are those of peer.py. Time is from
events around each step, without waiting between steps; memory is the allocator's peak. Where a variant does not run
(a backend without a kernel for a type, for example), its error is given instead.
"""
import argparse
import itertools
import json
import statistics
import time

import torch
from torch import nn

from peer import DECAY, THRESHOLD, layers


def build(net, shape, backend):
    from spikingjelly.activation_based import layer, neuron, surrogate

    def lif():
        return neuron.LIFNode(tau=1 / (1 - DECAY), decay_input=False, v_threshold=THRESHOLD, v_reset=0.0,
                              surrogate_function=surrogate.Sigmoid(), step_mode="m", backend=backend)

    return layers(net, shape, lambda *a, **k: layer.Conv2d(*a, **k, step_mode="m"),
                  lambda k: layer.AvgPool2d(k, step_mode="m"), lambda: layer.Flatten(step_mode="m"),
                  lambda *a: layer.Linear(*a, step_mode="m"), lif)


def times(device, step, iterations):
    """Seconds of each timed step."""
    for _ in range(3):
        step()
    if device != "cuda":
        taken = []
        for _ in range(iterations):
            start = time.perf_counter()
            step()
            taken.append(time.perf_counter() - start)
        return taken
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(iterations + 1)]
    marks[0].record()
    for mark in marks[1:]:
        step()
        mark.record()
    torch.cuda.synchronize()
    return [a.elapsed_time(b) / 1e3 for a, b in zip(marks, marks[1:])]


def measure(options, backend, amp, channels_last):
    from spikingjelly.activation_based import functional
    torch.manual_seed(1)
    shape = [int(size) for size in options.input.split("x")]
    modules = build(options.net, shape, backend).to(options.device)
    x = torch.rand(1, options.batch, *shape, device=options.device).repeat(options.steps, 1, 1, 1, 1)
    if channels_last:
        modules.to(memory_format=torch.channels_last)
        x = x.flatten(0, 1).contiguous(memory_format=torch.channels_last).view(options.steps, options.batch, *shape)
    wanted = nn.functional.one_hot(torch.arange(options.batch) % 10, 10).float().to(options.device)
    optimizer = torch.optim.SGD(modules.parameters(), lr=1e-3, momentum=0.9)
    kind = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(amp, torch.bfloat16)
    scaler = torch.cuda.amp.GradScaler(enabled=amp == "fp16")

    def step():
        functional.reset_net(modules)
        with torch.autocast(options.device, dtype=kind, enabled=amp != "none"):
            votes = x
            for module in modules:
                votes = module(votes)
        votes = votes.float().mean(0).view(options.batch, 10, -1).mean(2)
        loss = nn.functional.mse_loss(votes, wanted)
        optimizer.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss

    if options.device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    taken = times(options.device, step, options.iterations)
    loss = step().item()
    median = statistics.median(taken)
    return {"samples_per_s": options.batch / median, "step_ms": 1e3 * median, "step_ms_min": 1e3 * min(taken),
            "step_ms_max": 1e3 * max(taken), "loss": loss,
            "memory_mb": torch.cuda.max_memory_allocated() / 2**20 if options.device == "cuda" else None,
            "reserved_mb": torch.cuda.max_memory_reserved() / 2**20 if options.device == "cuda" else None}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("net")
    parser.add_argument("input")
    parser.add_argument("batch", type=int)
    parser.add_argument("steps", type=int)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--variants", default="all")
    parser.add_argument("--iterations", type=int, default=20)
    options = parser.parse_args()
    torch.backends.cudnn.benchmark = True
    torch.set_flush_denormal(True)  # on a CPU the membranes' denormals make it many times slower
    backends, precisions = (["torch", "cupy", "triton"], ["bf16", "fp16", "none"])
    if options.device != "cuda":
        backends, precisions = ["torch"], ["none"]
    found = []
    for backend, amp, channels_last in itertools.product(backends, precisions, [False, True]):
        name = f"{backend}/{amp}/{'channels-last' if channels_last else 'contiguous'}"
        if options.variants != "all" and name not in options.variants.split(","):
            continue
        try:
            found.append({"name": name} | measure(options, backend, amp, channels_last))
        except Exception as error:
            found.append({"name": name, "failed": f"{type(error).__name__}: {str(error)[:300]}"})
    import spikingjelly
    print(json.dumps({"peer": "spikingjelly", "version": getattr(spikingjelly, "__version__", None),
                      "pytorch": torch.__version__, "variants": found}))


if __name__ == "__main__":
    main()
