#!/usr/bin/env python3
"""Compares two sets of N-MNIST recordings of the same numbers, for example real ones and simulated ones.

usage: tools/compare_recordings.py REAL_TRAIN SIMULATED_TRAIN FIRST LAST

Both folders hold <digit>/<5 digits>.bin. Prints tables in Markdown: events, polarity, rate over time, spatial map,
and intervals between events of a pixel. Standard library only.
"""
import glob
import os
import sys

SIDE = 34
BIN_US = 5000
NUM_BINS = 62
SLICE_US = 25000
ISI_US = 500
NUM_ISI = 40


def read(path):
    with open(path, "rb") as file:
        data = file.read()
    events = []
    overflow = 0
    for i in range(0, len(data) - 4, 5):
        x, y, a, b, c = data[i:i + 5]
        if y == 240:  # overflow marker of the sensor's clock
            overflow += 1
            continue
        events.append((((a & 127) << 16 | b << 8 | c) + 8192 * overflow, x, y, a >> 7))
    return events


class Statistics:
    def __init__(self):
        self.counts = []
        self.on = 0
        self.rate = [[0] * NUM_BINS for _ in range(2)]
        self.map = [[0] * (SIDE * SIDE) for _ in range(2)]
        self.movie = {}
        self.isi = [0] * NUM_ISI

    def add(self, events):
        self.counts.append(len(events))
        last = {}
        for t, x, y, p in events:
            self.on += p
            if t < BIN_US * NUM_BINS:
                self.rate[p][t // BIN_US] += 1
            self.map[p][y * SIDE + x] += 1
            key = (t // SLICE_US, p, y // 2, x // 2)
            self.movie[key] = self.movie.get(key, 0) + 1
            pixel = y * SIDE + x
            if pixel in last:
                self.isi[min((t - last[pixel]) // ISI_US, NUM_ISI - 1)] += 1
            last[pixel] = t


def l1(a, b, total):
    return 100.0 * sum(abs(x - y) for x, y in zip(a, b)) / total


def correlation(a, b):
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    cov = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b))
    return cov / (sum((x - mean_a) ** 2 for x in a) * sum((y - mean_b) ** 2 for y in b)) ** 0.5


def main():
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    real_root, simulated_root, first, last = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    real, simulated = Statistics(), Statistics()
    for number in range(first, last + 1):
        found = glob.glob(os.path.join(real_root, "?", f"{number:05}.bin"))
        if len(found) != 1:
            sys.exit(f"{real_root}: recording {number:05} found {len(found)} times")
        digit = os.path.basename(os.path.dirname(found[0]))
        real.add(read(found[0]))
        simulated.add(read(os.path.join(simulated_root, digit, f"{number:05}.bin")))
    n = len(real.counts)
    total, total_simulated = sum(real.counts), sum(simulated.counts)
    relative = [100.0 * (s - r) / r for r, s in zip(real.counts, simulated.counts)]
    print(f"{n} recordings, {first:05} to {last:05}\n")
    print("| quantity | real | simulated | error |\n|---|---|---|---|")
    print(f"| events a recording | {total / n:.0f} | {total_simulated / n:.0f} | "
          f"{100.0 * (total_simulated - total) / total:+.1f} % |")
    print(f"| events, each recording by itself | | | {sum(map(abs, relative)) / n:.1f} % mean, "
          f"{max(map(abs, relative)):.1f} % at most, correlation {correlation(real.counts, simulated.counts):.4f} |")
    on, on_simulated = 100.0 * real.on / total, 100.0 * simulated.on / total_simulated
    print(f"| share of on events | {on:.2f} % | {on_simulated:.2f} % | {on_simulated - on:+.2f} points |")
    both = lambda table: table[0] + table[1]
    keys = sorted(set(real.movie) | set(simulated.movie))
    distances = [
        ("rate over time, 5 ms bins, each polarity", l1(both(real.rate), both(simulated.rate), total)),
        ("spatial map, each pixel and polarity", l1(both(real.map), both(simulated.map), total)),
        ("map over time, 25 ms, 2 x 2 pixels, each polarity",
         l1([real.movie.get(k, 0) for k in keys], [simulated.movie.get(k, 0) for k in keys], total)),
        ("intervals between events of a pixel, 0.5 ms bins", l1(real.isi, simulated.isi, total)),
    ]
    for name, distance in distances:
        print(f"| {name} | | | {distance:.1f} % |")
    print(f"| correlation of the spatial maps | | | {correlation(both(real.map), both(simulated.map)):.4f} |")
    print("\nDistances (rate, maps, intervals): sum of absolute differences, as a share of the real events.\n")
    print("| ms | off real | off simulated | on real | on simulated |\n|---|---|---|---|---|")
    for start in range(0, 60, 4):
        cells = [sum(s.rate[p][start:start + 4]) / n for p in range(2) for s in (real, simulated)]
        print(f"| {start * 5}-{start * 5 + 20} | " + " | ".join(f"{c:.0f}" for c in cells) + " |")


if __name__ == "__main__":
    main()
