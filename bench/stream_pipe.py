#!/usr/bin/env python3
"""Events through a pipe to `spikeloom stream`, in real time: does it keep up, and does its memory stay flat?

    bench/stream_pipe.py PROGRAM MODEL --sensor 34x34 --rate 1e6 --seconds 600 [-- options of stream]

Writes made-up events (uniform over the sensor, evenly spaced in time) as packed events (docs/stream.md) to the program's
standard input, as a camera would: a piece each millisecond, on the clock. Prints the resident memory of the program every
tenth of the time, what it says at the end, and how far the writer fell behind the clock (a program that does not keep up
stops the pipe). Needs NumPy.
"""
import argparse
import json
import struct
import subprocess
import sys
import threading
import time

import numpy as np

EVENT = np.dtype([("t", "<i8"), ("x", "<u2"), ("y", "<u2"), ("p", "u1"), ("zero", "u1", 3)])


def resident_mb(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("model")
    parser.add_argument("--sensor", default="34x34")
    parser.add_argument("--rate", type=float, default=1e6, help="events a second")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("options", nargs="*", help="options of stream, after --")
    given = parser.parse_args()
    width, height = map(int, given.sensor.split("x"))
    piece = max(1, round(given.rate / 1000))
    random = np.random.default_rng(1)
    pool = np.zeros((64, piece), dtype=EVENT)  # pieces whose places repeat; times are set when they are sent
    pool["x"], pool["y"] = random.integers(width, size=pool.shape), random.integers(height, size=pool.shape)
    pool["p"] = random.integers(2, size=pool.shape)
    within = np.arange(piece) * 1000 // piece

    child = subprocess.Popen([given.program, "stream", given.model, "-", "--json", *given.options],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=False)
    last = {}

    def read():
        for line in child.stdout:
            last["line"] = line
            last["decisions"] = last.get("decisions", 0) + 1

    reader = threading.Thread(target=read)
    reader.start()
    child.stdin.write(b"SPKEVT1\n" + struct.pack("<HHI", width, height, 0))
    start, behind, pieces, sent = time.monotonic(), 0.0, int(given.seconds * 1000), 0
    for number in range(pieces):
        if number % max(1, pieces // 10) == 0:
            print(f"{number / 1000:7.1f} s  {resident_mb(child.pid):7.1f} MB", flush=True)
        events = pool[number % len(pool)]
        events["t"] = number * 1000 + within
        child.stdin.write(events.tobytes())
        sent += piece
        early = start + (number + 1) / 1000 - time.monotonic()
        behind = max(behind, -early)
        if early > 0:
            time.sleep(early)
    print(f"{pieces / 1000:7.1f} s  {resident_mb(child.pid):7.1f} MB")
    child.stdin.close()
    reader.join()
    code = child.wait()
    summary = json.loads(last["line"])["summary"]
    print(json.dumps(summary))
    print(f"sent {sent} events in {time.monotonic() - start:.1f} s, at most {behind * 1e3:.0f} ms behind the clock; "
          f"read {summary['events']}, dropped {summary['dropped']}, late {summary['late']}; exit code {code}")
    return code or (0 if summary["events"] == sent else 1)


if __name__ == "__main__":
    sys.exit(main())
