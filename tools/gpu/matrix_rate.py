#!/usr/bin/env python3
"""The machine's own two ceilings, through PyTorch: bfloat16 matrix product and copy; prints JSON.

  matrix_rate.py cuda|cpu

8192 x 8192 x 8192 on random data (on a CPU 1024 cubed), and a copy of 4 GiB (256 MiB), bytes read plus bytes written.
"""
import json
import statistics
import sys
import time

import torch


def seconds(device, call, repeats):
    """Median over `repeats`, after three that are not timed."""
    for _ in range(3):
        call()
    if device != "cuda":
        taken = []
        for _ in range(repeats):
            start = time.perf_counter()
            call()
            taken.append(time.perf_counter() - start)
        return statistics.median(taken)
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(repeats + 1)]
    marks[0].record()
    for mark in marks[1:]:
        call()
        mark.record()
    torch.cuda.synchronize()
    return statistics.median(a.elapsed_time(b) for a, b in zip(marks, marks[1:])) / 1e3


def main():
    device = sys.argv[1]
    size, count, repeats = (8192, 2**30, 30) if device == "cuda" else (1024, 2**26, 3)
    torch.manual_seed(1)
    a, b = (torch.randn(size, size, device=device).to(torch.bfloat16) for _ in range(2))
    c = torch.empty_like(a)
    product = seconds(device, lambda: torch.mm(a, b, out=c), repeats)
    source = torch.rand(count, device=device)
    target = torch.empty_like(source)
    copy = seconds(device, lambda: target.copy_(source), repeats)
    print(json.dumps({"size": size, "tflops": 2 * size**3 / product / 1e12,
                      "copy_gb_per_s": 2 * source.numel() * source.element_size() / copy / 1e9,
                      "device": torch.cuda.get_device_name() if device == "cuda" else "cpu"}))


if __name__ == "__main__":
    main()
