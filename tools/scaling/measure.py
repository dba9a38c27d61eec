#!/usr/bin/env python3
"""Measures steps of trainings over a link of limited rate, and compares them with model.py beside this file.

  sudo tools/scaling/measure.py [RECIPE] [--ranks 1,2,4] [--rounds N] [--rate 1gbit] [--delay MS] [--samples N]
                                [--data-dir DIR]

Each rank gets a network namespace of its own, with an address and a link to a bridge; tc limits what it sends (tbf for
the rate; with --delay netem, or delay_line.py where the kernel has no netem). The documented commands then start
`spikeloom launch` in each, one rank of one thread. Rate and latency of the link are measured through plain sockets.
Then, for each number of ranks and in turns: as many trainings at once that do not know of each other (compute), the
training of all over a link without limits (free), and over the limited one (step). Times are medians over steps and
then over rounds, since a machine that others use too has slow moments. "slowest" is the step of the slowest of the
trainings that run alone: all ranks wait for it. Needs root, iproute2 and a core a rank; a round takes one or two
minutes for each number of ranks. Whatever happens, namespaces, links and processes are gone at the end.
"""
import argparse
import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import delay_line
import model

PORT = 29500
PROBE = """
import socket, sys, time
role, address, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
def receive(peer, count):
    while count:
        got = len(peer.recv(min(count, 1 << 20)))
        if not got: sys.exit("the connection was closed")
        count -= got
if role == "serve":
    with socket.create_server((address, 29501)) as server:
        print("ready", flush=True)
        peer, _ = server.accept()
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(200):
            receive(peer, 1)
            peer.sendall(b"x")
        for _ in range(3):
            receive(peer, size)
            peer.sendall(b"x")
else:
    with socket.create_connection((address, 29501)) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        def timed(data):
            start = time.perf_counter()
            peer.sendall(data)
            receive(peer, 1)
            return time.perf_counter() - start
        trips = sorted(timed(b"x") for _ in range(200))
        times = sorted(timed(bytes(size)) for _ in range(3))
        print(trips[100] / 2, size / (times[1] - trips[100] / 2))
"""


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def has_netem(namespace):
    command = ["tc", "-n", namespace, "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"]
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


class Network:
    """Namespaces with a link each to one bridge, which has a namespace of its own as well."""

    def __init__(self, count, rate, delay_ms):
        self.names = [f"spikeloom-{os.getpid()}-{number}" for number in range(count)]
        self.hub = f"spikeloom-{os.getpid()}-hub"
        self.rate, self.delay_ms = rate, delay_ms
        self.lines = None

    def __enter__(self):
        try:
            self.make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def make(self):
        run("ip", "netns", "add", self.hub)
        for bridge in ("bridge", "free"):
            run("ip", "-n", self.hub, "link", "add", bridge, "type", "bridge")
            run("ip", "-n", self.hub, "link", "set", bridge, "up")
        for name in self.names:
            run("ip", "netns", "add", name)
        netem = bool(self.delay_ms) and has_netem(self.hub)
        if self.delay_ms and not netem:
            self.link_by_delay_lines()
        else:
            self.link_by_veth("eth0", "port")
        self.link_by_veth("eth1", "free")
        for number, name in enumerate(self.names):
            run("ip", "-n", name, "link", "set", "lo", "up")
            for device, port, bridge, free in (("eth0", "port", "bridge", False), ("eth1", "free", "free", True)):
                run("ip", "-n", self.hub, "link", "set", f"{port}{number}", "master", bridge, "up")
                run("ip", "-n", name, "link", "set", device, "up")
                run("ip", "-n", name, "addr", "add", f"{self.address(number, free)}/24", "dev", device)
            if netem:
                run("tc", "-n", name, "qdisc", "add", "dev", "eth0", "root", "netem", "rate", self.rate, "delay",
                    f"{self.delay_ms}ms", "limit", "100000")
            else:
                run("tc", "-n", name, "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", self.rate, "burst", "256kb",
                    "latency", "50ms")
        if self.lines:
            self.lines.start()

    def link_by_veth(self, device, port):
        for number, name in enumerate(self.names):
            run("ip", "-n", name, "link", "add", device, "type", "veth", "peer", "name", f"{port}{number}", "netns",
                self.hub)

    def link_by_delay_lines(self):
        made = [(f"line{os.getpid()}a{number}", f"line{os.getpid()}b{number}") for number in range(len(self.names))]
        self.lines = delay_line.DelayLines(made, self.delay_ms / 1e3)
        for number, (first, second) in enumerate(made):
            run("ip", "link", "set", first, "netns", self.names[number], "name", "eth0")
            run("ip", "link", "set", second, "netns", self.hub, "name", f"port{number}")

    def __exit__(self, *_):
        if self.lines:
            self.lines.stop()
        for name in [*self.names, self.hub]:
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL, check=False)

    @staticmethod
    def address(number, free=False):
        return f"10.87.{66 if free else 65}.{number + 1}"

    def inside(self, number, command):
        return ["ip", "netns", "exec", self.names[number], *command]

    def sent(self, number):
        """Bytes so far, with all headers."""
        link = json.loads(run("ip", "-n", self.names[number], "-s", "-json", "link", "show", "dev", "eth0"))
        return link[0]["stats64"]["tx"]["bytes"]

    def probe(self):
        """Seconds of a small message, and bytes a second of a large one."""
        size = 1 << 25
        server = subprocess.Popen(self.inside(0, [sys.executable, "-c", PROBE, "serve", self.address(0), str(size)]),
                                  stdout=subprocess.PIPE, text=True)
        try:
            server.stdout.readline()
            latency, rate = map(float, run(*self.inside(
                1, [sys.executable, "-c", PROBE, "ask", self.address(0), str(size)])).split())
        finally:
            server.kill()
            server.wait()
        return model.Link(rate, latency)


def run_together(commands, limit):
    """Runs all at once to their end; one that fails ends them all."""
    with contextlib.ExitStack() as stack:
        processes = []
        for command in commands:
            log = stack.enter_context(tempfile.TemporaryFile("w+"))
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
            processes.append((process, log))
            stack.callback(end, process)
        give_up = time.monotonic() + limit
        while any(process.poll() is None for process, _ in processes):
            if time.monotonic() > give_up or any(process.poll() not in (None, 0) for process, _ in processes):
                time.sleep(1.0)  # the others say why as well
                break
            time.sleep(0.05)
        for command, (process, log) in zip(commands, processes):
            if process.poll() != 0:
                log.seek(0)
                what = "did not end" if process.poll() is None else f"ended with {process.poll()}"
                raise SystemExit(f"{what}: {' '.join(command)}\n{log.read()}")


def end(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def step_seconds(run_folder):
    """Of each step in the second half: the first ones prepare more than the others."""
    lines = [json.loads(line) for line in (run_folder / "metrics.jsonl").read_text().splitlines()]
    times = [line["train_seconds"] for line in lines if line["kind"] == "train"]
    return [after - before for before, after in zip(times, times[1:])][len(times) // 2:]


def make_data(folder):
    """CIFAR-10's files with a few made images: what is in them hardly changes a step's time."""
    draw = random.Random(1)
    (folder / "cifar10").mkdir()
    for name in [f"data_batch_{number}.bin" for number in range(1, 6)] + ["test_batch.bin"]:
        count = 400 if name != "test_batch.bin" else 8
        records = (bytes([draw.randrange(10)]) + draw.randbytes(3072) for _ in range(count))
        (folder / "cifar10" / name).write_bytes(b"".join(records))
    return folder


def train_command(options, batch, folder, data):
    changes = [f"training.batch_size={batch}", f"training.max_iterations={options.steps}", "training.log_every=1",
               "training.epochs=1000", *([f"network.num_steps={options.time_steps}"] if options.time_steps else []),
               *(["training.gradient_format=bf16"] if options.bf16 else [])]
    return ["train", options.recipe, "--threads", "1", "--quiet", "--data-dir", str(data), "--out", str(folder),
            *(word for change in changes for word in ("--set", change))]


class Round:
    """Medians of the steps of trainings that do not know of each other, and of one training of all over each link."""

    def __init__(self, options, ranks, network, data, folder):
        self.options, self.ranks, self.network, self.data = options, ranks, network, data
        self.program = str(pathlib.Path(options.program).resolve())
        alone = [folder / f"alone-{rank}" for rank in range(ranks)]
        run_together([network.inside(rank, [self.program, *train_command(options, options.samples, alone[rank], data)])
                      for rank in range(ranks)], options.limit)
        steps = [step_seconds(run_folder) for run_folder in alone]
        self.compute = statistics.median(time for of_rank in steps for time in of_rank)
        # All ranks wait for the slowest one, which on a machine with slow moments takes more than the middle one.
        self.slowest = statistics.median(map(max, zip(*steps)))
        self.free = self.together(folder / "free", True)
        before = network.sent(ranks - 1)  # not of rank 0, which sends the parameters to all at the start
        self.step = self.together(folder / "limited", False)
        self.sent = (network.sent(ranks - 1) - before) / options.steps

    def together(self, folder, free):
        """Seconds of a step."""
        batch, master = self.options.samples * self.ranks, f"{self.network.address(0, free)}:{PORT}"
        run_together([self.network.inside(rank, [
            self.program, "launch", "--processes", "1", "--nodes", str(self.ranks), "--node-rank", str(rank),
            "--master", master, "--", *train_command(self.options, batch, folder, self.data)])
                      for rank in range(self.ranks)], self.options.limit)
        return statistics.median(step_seconds(folder))


def shown(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def measure(options, ranks, network, work, data, folder):
    """Prints a row of the table; returns the step of the model."""
    rounds = []
    for number in range(options.rounds):
        place = folder / f"{ranks}-{number}"
        place.mkdir()
        rounds.append(Round(options, ranks, network, data, place))

    def middle(of):
        return statistics.median(map(of, rounds))

    step = model.predict(work.scaled(middle(lambda one: one.slowest)), ranks, options.link)
    bound = shown([one.step / max(one.slowest, step.communication) for one in rounds])
    of_free = shown([one.step / max(one.free, step.communication) for one in rounds])
    print(f"{ranks:5}  {middle(lambda one: one.compute):9.3f}  {step.compute:9.3f}  {step.communication:10.3f}  "
          f"{middle(lambda one: one.free):6.3f}  {middle(lambda one: one.step):6.3f}  {step.step:6.3f}  {bound:>19}  "
          f"{of_free:>19}  {rounds[-1].sent / 1e6:7.2f}  {step.sent / 1e6:6.2f}", flush=True)
    return step


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", nargs="?", default="cifar10/s")
    parser.add_argument("--program", default=model.PROGRAM)
    parser.add_argument("--ranks", default="1,2,4")
    parser.add_argument("--rate", default="1gbit", help="as tc has it (default: 1gbit)")
    parser.add_argument("--delay", type=float, default=0.0, help="ms that what a rank sends waits")
    parser.add_argument("--samples", type=int, default=25, help="of each rank in a batch (default: 25)")
    parser.add_argument("--time-steps", type=int, default=4, help="T (default: 4; 0: the recipe's)")
    parser.add_argument("--steps", type=int, default=20, help="of each training (default: 20)")
    parser.add_argument("--rounds", type=int, default=3, help="in turns (default: 3)")
    parser.add_argument("--bf16", action="store_true", help="gradients travel as bfloat16")
    parser.add_argument("--data-dir", help="with the recipe's data (default: made images for CIFAR-10)")
    parser.add_argument("--limit", type=float, default=300.0, help="seconds that a training may take (default: 300)")
    options = parser.parse_args()
    all_ranks = [int(text) for text in options.ranks.split(",")]
    if os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("tc"):
        parser.error("needs root, and ip and tc of iproute2")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="spikeloom-scaling-") as temporary, \
            Network(max(2, *all_ranks), options.rate, options.delay) as network:
        folder = pathlib.Path(temporary)
        data = pathlib.Path(options.data_dir).resolve() if options.data_dir else make_data(folder)
        options.link = network.probe()
        work = model.measure_work(options.program, options.recipe, options.samples, options.time_steps,
                                  2 if options.bf16 else 4)
        print(f"{options.recipe}, {options.samples} samples a rank, {work.gradient / 1e6:.1f} MB of gradients; link of "
              f"{options.link.rate * 8 / 1e6:.0f} Mbit/s and {options.link.latency * 1e6:.0f} us, "
              f"{os.cpu_count()} cores", flush=True)
        print("ranks  compute s  slowest s  exchange s  free s  step s   model    / bound (rounds)    / free (rounds)  "
              "  sent MB   model")
        for ranks in all_ranks:
            alone = measure(options, ranks, network, work, data, folder).compute
        print(f"the model, with the compute time of {ranks} ranks:")
        for ranks in (64, 1024):
            step = model.predict(work.scaled(alone), ranks, options.link)
            print(f"{ranks:5}  {'':9}  {step.compute:9.3f}  {step.communication:10.3f}  {'':14}  {step.step:6.3f}")


if __name__ == "__main__":
    main()
