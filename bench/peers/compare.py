#!/usr/bin/env python3
"""Times spikeloom beside what a user would pick instead, in turns, on the networks of docs/performance.md.

  bench/peers/compare.py PROGRAM [--peers spikingjelly,snntorch,torch] [--rates 0.05,0.1,0.2,0.3] [--rounds 3]
                         [--networks small,neuromorphic,cifarnet] [--precision bf16] [--infer] [--python python3]

Peers are taken from the Python that --python names (PYTHONPATH counts); those that are not installed are left out,
with a word. In each round every network is timed once with spikeloom at each rate and once with each peer (at the first
rate: their time does not depend on it). Prints medians over the rounds, and the ratio of samples/s round by round.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

NETWORKS = {
    "small": ("32C3(Encoding)-AP2-64C3-AP2-256FC-Voting", "1x28x28", 100, 8, 10, 3),
    "neuromorphic": ("128C3(Encoding)-128C3-AP2-384C3-384C3-AP2-1024FC-512FC-Voting", "2x34x34", 8, 10, 4, 2),
    "cifarnet": ("128C3(Encoding)-256C3-AP2-512C3-AP2-1024C3-512C3-1024FC-512FC-Voting", "3x32x32", 8, 8, 4, 2),
}
MODULES = {"spikingjelly": "spikingjelly", "snntorch": "snntorch", "torch": "torch"}


def run(command):
    outcome = subprocess.run(command, capture_output=True, text=True)
    if outcome.returncode != 0:
        sys.exit(f"{' '.join(command)}: {outcome.stderr.strip().splitlines()[-1:]}")
    return json.loads(outcome.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--peers", default="spikingjelly,snntorch,torch")
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--rates", default="0.1")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--infer", action="store_true")
    options = parser.parse_args()
    rates = options.rates.split(",")
    peers = []
    for peer in options.peers.split(","):
        if subprocess.run([options.python, "-c", f"import {MODULES[peer]}"], capture_output=True).returncode == 0:
            peers.append(peer)
        else:
            print(f"{peer}: not installed for {options.python}, left out", file=sys.stderr)
    worker = str(pathlib.Path(__file__).with_name("peer.py"))
    for name in options.networks.split(","):
        net, shape, batch, steps, ours, theirs = NETWORKS[name]
        results = {}
        for _ in range(options.rounds):
            for rate in rates:
                command = [options.program, "bench", "infer" if options.infer else "step", "--net", net, "--input",
                           shape, "--batch", str(batch), "--steps", str(steps), "--firing-rate", rate,
                           "--precision", options.precision, "--iterations", str(ours), "--threads", "2", "--json"]
                results.setdefault(f"spikeloom {rate}", []).append(run(command))
            for peer in peers:
                command = [options.python, worker, peer, net, shape, str(batch), str(steps), "--rate", rates[0],
                           "--iterations", str(theirs)] + (["--infer"] if options.infer else [])
                results.setdefault(peer, []).append(run(command))
        print(f"{net}  {shape}  batch {batch}  T {steps}  {'inference' if options.infer else 'training step'}")
        for who, runs in results.items():
            speeds = [result["samples_per_s"] for result in runs]
            line = f"  {who:16} {statistics.median(speeds):9.2f} samples/s ({min(speeds):.2f} ... {max(speeds):.2f})"
            line += f"  peak {statistics.median(result['peak_rss_mb'] for result in runs):.0f} MB"
            if who.startswith("spikeloom"):
                for peer in peers:
                    ratios = [a["samples_per_s"] / b["samples_per_s"] for a, b in zip(runs, results[peer])]
                    line += f"  {peer} x{statistics.median(ratios):.1f}"
            print(line, flush=True)


if __name__ == "__main__":
    main()
