#!/usr/bin/env python3
"""Times spikeloom beside what a user would pick instead, in turns, on networks of docs/performance.md and the paper.

  bench/peers/compare.py PROGRAM [--peers spikingjelly,snntorch,torch] [--rates 0.05,0.1,0.2,0.3] [--rounds 3]
                         [--networks small,neuromorphic,cifarnet] [--precision bf16] [--infer] [--python python3]
                         [--no-autocast]

--networks fig4 stands for the nine of the paper's speed comparison (Fig. 4: S, M and L on three data sets, batch 20,
10 steps); then the seconds of an epoch are printed too, samples of the training part over samples/s.

Peers are taken from the Python that --python names (PYTHONPATH counts); those that are not installed are left out,
with a word. In each round every network is timed once with spikeloom at each rate and once with each peer (at the first
rate: their time does not depend on it), as they come and with autocast to bfloat16. Prints medians over the rounds, the
ratio of samples/s to each peer round by round, and the ratio to the peer that is fastest by its median.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

# structure, input, batch, steps, timed iterations of ours and of a peer
NETWORKS = {
    "small": ("32C3(Encoding)-AP2-64C3-AP2-256FC-Voting", "1x28x28", 100, 8, 10, 3),
    "neuromorphic": ("128C3(Encoding)-128C3-AP2-384C3-384C3-AP2-1024FC-512FC-Voting", "2x34x34", 8, 10, 4, 2),
    "cifarnet": ("128C3(Encoding)-256C3-AP2-512C3-AP2-1024C3-512C3-1024FC-512FC-Voting", "3x32x32", 8, 8, 4, 2),
}
EVENTS_S = "128C3(Encoding)-AP2-128C3-AP2-512FC-Voting"
EVENTS_M = "128C3(Encoding)-128C3-AP2-256C3-AP2-1024FC-Voting"
FIG4 = {
    "n-mnist-s": (EVENTS_S, "2x34x34"),
    "n-mnist-m": (EVENTS_M, "2x34x34"),
    "n-mnist-l": (NETWORKS["neuromorphic"][0], "2x34x34"),
    "dvs-cifar10-s": (EVENTS_S, "2x42x42"),
    "dvs-cifar10-m": (EVENTS_M, "2x42x42"),
    "dvs-cifar10-l": (NETWORKS["neuromorphic"][0], "2x42x42"),
    "cifar10-s": ("128C3(Encoding)-AP2-256C3-AP2-256FC-Voting", "3x32x32"),
    "cifar10-m": ("128C3(Encoding)-AP2-256C3-512C3-AP2-512FC-Voting", "3x32x32"),
    "cifar10-l": (NETWORKS["cifarnet"][0], "3x32x32"),
}
EPOCH = {"n-mnist": 60000, "dvs-cifar10": 8000, "cifar10": 50000}  # samples of the training part
NETWORKS.update({name: (*network, 20, 10, 3, 2) for name, network in FIG4.items()})
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
    parser.add_argument("--networks", default="small,neuromorphic,cifarnet", help="or fig4")
    parser.add_argument("--rates", default="0.1")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--infer", action="store_true")
    parser.add_argument("--no-autocast", action="store_true", help="peers as they come only")
    options = parser.parse_args()
    rates = options.rates.split(",")
    peers = []
    for peer in options.peers.split(","):
        if subprocess.run([options.python, "-c", f"import {MODULES[peer]}"], capture_output=True).returncode == 0:
            peers.append(peer)
        else:
            print(f"{peer}: not installed for {options.python}, left out", file=sys.stderr)
    kinds = [(peer, cast) for peer in peers for cast in ([False] if options.no_autocast else [False, True])]
    worker = str(pathlib.Path(__file__).with_name("peer.py"))
    for name in options.networks.replace("fig4", ",".join(FIG4)).split(","):
        net, shape, batch, steps, ours, theirs = NETWORKS[name]
        results = {}
        for _ in range(options.rounds):
            for rate in rates:
                command = [options.program, "bench", "infer" if options.infer else "step", "--net", net, "--input",
                           shape, "--batch", str(batch), "--steps", str(steps), "--firing-rate", rate,
                           "--precision", options.precision, "--iterations", str(ours), "--threads", "2", "--json"]
                results.setdefault(f"spikeloom {rate}", []).append(run(command))
            for peer, cast in kinds:
                command = [options.python, worker, peer, net, shape, str(batch), str(steps), "--rate", rates[0],
                           "--iterations", str(theirs)]
                command += ["--infer"] * options.infer + ["--autocast"] * cast
                results.setdefault(peer + " autocast" * cast, []).append(run(command))
        print(f"{name}: {net}  {shape}  batch {batch}  T {steps}  {'inference' if options.infer else 'training step'}")
        speeds = {who: [one["samples_per_s"] for one in runs] for who, runs in results.items()}
        rivals = [who for who in results if not who.startswith("spikeloom")]
        best = max(rivals, key=lambda who: statistics.median(speeds[who]), default=None)
        for who, runs in results.items():
            median = statistics.median(speeds[who])
            line = f"  {who:22} {median:9.2f} samples/s ({min(speeds[who]):.2f} ... {max(speeds[who]):.2f})"
            line += f"  peak {statistics.median(result['peak_rss_mb'] for result in runs):.0f} MB"
            if name in FIG4 and not options.infer:
                line += f"  {EPOCH[name[:-2]] / median:.0f} s an epoch"
            if who not in rivals:
                for rival in rivals:
                    ratio = statistics.median(a / b for a, b in zip(speeds[who], speeds[rival]))
                    line += f"  {rival} x{ratio:.1f}" + " (the best)" * (rival == best)
            print(line, flush=True)


if __name__ == "__main__":
    main()
