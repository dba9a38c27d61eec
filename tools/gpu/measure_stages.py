"""Figures of kernels, of the machine, and of whole training steps, beside peers."""
import json
import os
import pathlib
import statistics

from environment import need_gpu, said
from session import Failed, Skipped

NETWORKS = {  # structure, input, T
    "cifarnet": ("128C3(Encoding)-256C3-AP2-512C3-AP2-1024C3-512C3-1024FC-512FC-Voting", "3x32x32", 8),
    "alexnet": ("96C3(Encoding)-256C3-AP2-384C3-AP2-384C3-256C3-1024FC-1024FC-Voting", "3x32x32", 8),
    "tiny": ("8C3(Encoding)-AP2-16C3-AP2-32FC-Voting", "3x32x32", 4),  # rehearsals
}
MEMORY = ("peak_device_memory_mb", "peak_device_mb", "peak_memory_mb", "peak_rss_mb")
NOT_KEPT = ("layers", "network", "input", "input_kind", "mode")  # of what bench step says


def memory_of(figures):
    """The step's peak memory: on the device where the program says it."""
    return next((figures[key] for key in MEMORY if figures.get(key) is not None), None)


def kernels(session):
    need_gpu(session)
    program = session.build / "bench" / "bench_cuda_kernels"
    if not program.exists():
        raise Failed("bench/bench_cuda_kernels was not built")
    path = session.build / "kernels.json"
    path.unlink(missing_ok=True)
    outcome = session.run([program, "--json", path], 180)
    if path.exists():
        session.save("kernels", json.loads(path.read_text()))
    session.need(outcome, "bench_cuda_kernels")
    return "done"


def matrix(session):
    if session.cuda:
        need_gpu(session)
    if said([session.options.python, "-c", "import torch; print(1)"]) is None:
        raise Skipped(f"{session.options.python} has no PyTorch")
    script = pathlib.Path(__file__).with_name("matrix_rate.py")
    figures = session.need(session.run([session.options.python, "-B", script, session.options.device], 150),
                           "matrix_rate.py").json()
    session.save("matrix", figures)
    session.say(f"bf16 product {figures['tflops']:.1f} TFLOP/s, copy {figures['copy_gb_per_s']:.0f} GB/s")
    return "done"


def step_flops(session, structure, shape, steps):
    """Dense operations of a training step a sample: forward and both gradients of each layer at every time step; a
    still image's first layer once, without a gradient of its input."""
    command = [session.program, "info", structure, "--input", shape, "--json"]
    described = session.need(session.run(command, 60), "info").json()
    layers = [layer["macs_per_step"] for layer in described["layers"] if layer["macs_per_step"]]
    return 2 * (2 * layers[0] + 3 * steps * sum(layers[1:]))


def bench_step(session, structure, shape, steps, batch, precision, iterations, limit=120):
    command = session.on_device("bench", "step") + [
        "--net", structure, "--input", shape, "--batch", batch, "--steps", steps, "--precision", precision,
        "--iterations", iterations, "--json"]
    outcome = session.run(command, limit)
    figures = session.need(outcome, "bench step").json()
    kept = {key: value for key, value in figures.items() if key not in NOT_KEPT}
    kept["memory_mb"] = memory_of(figures)
    return kept


def step(session):
    if session.cuda:
        need_gpu(session)
    options = session.options
    runs = []
    rate = session.results.get("matrix", {}).get("tflops")
    failures = []
    for precision in options.precisions.split(","):
        for name in options.networks.split(","):
            structure, shape, steps = NETWORKS[name]
            flops = step_flops(session, structure, shape, steps)
            for batch in options.batches.split(","):
                if session.left() < 30:
                    raise Skipped(f"no time left before {name}, batch {batch}, {precision}")
                run = {"network": name, "T": steps, "batch": int(batch), "precision": precision}
                try:
                    run |= bench_step(session, structure, shape, steps, batch, precision, options.iterations)
                    run["tflops"] = run["samples_per_s"] * flops / 1e12
                    if rate:
                        run["share_of_matrix_rate"] = run["tflops"] / rate
                    session.say(f"{name} T {steps} batch {batch} {precision}: {run['samples_per_s']:.1f} samples/s, "
                                f"{run['tflops']:.2f} TFLOP/s, {run['memory_mb'] or 0:.0f} MB")
                except Failed as reason:
                    failures.append(f"{name} {batch} {precision}")
                    run["failed"] = str(reason)[-600:]
                    session.say(f"{name} batch {batch} {precision} failed: {str(reason).splitlines()[-1]}")
                runs.append(run)
                session.save("step", runs)
    compare(session)
    if failures:
        raise Failed("steps failed: " + "; ".join(failures))
    return "done"


def compare(session):
    """Ours and SpikingJelly's in turns: all its variants in the first round, its fastest in the others."""
    options = session.options
    environment = session.environment()
    if options.peers:
        environment["PYTHONPATH"] = os.pathsep.join([str(pathlib.Path(options.peers).resolve()),
                                                     environment.get("PYTHONPATH", "")])
    record = {"rounds": []}
    probe = session.run([options.python, "-c", "import spikingjelly"], 60, environment=environment)
    if not probe.ok:
        session.save("peers", {"skipped": "SpikingJelly is not installed (--peers names a folder that has it)"})
        session.say("peers: SpikingJelly is not there, comparison skipped")
        return
    name = options.networks.split(",")[0]
    structure, shape, steps = NETWORKS[name]
    batches = [int(batch) for batch in options.batches.split(",")]
    batch = 128 if 128 in batches else batches[0]
    record |= {"network": name, "T": steps, "batch": batch}
    precision = options.precisions.split(",")[0]
    variants = "all"
    for _ in range(options.rounds):
        if session.left() < 60:
            break
        try:
            ours = bench_step(session, structure, shape, steps, batch, precision, options.iterations)
            theirs = session.need(session.run(
                [options.python, "-B", session.root / "bench" / "peers" / "gpu_peer.py", structure, shape, batch, steps,
                 "--device", options.device, "--variants", variants, "--iterations", options.iterations], 240,
                environment=environment), "gpu_peer.py").json()
        except Failed as reason:
            record["failed"] = str(reason)[-1000:]
            session.say(f"peers: {str(reason).splitlines()[0]}")
            break
        record["rounds"].append({"ours": ours, "peer": theirs})
        ran = [variant for variant in theirs["variants"] if "samples_per_s" in variant]
        fastest = max(ran, key=lambda variant: variant["samples_per_s"], default=None)
        if fastest is None:
            record["failed"] = "no variant of SpikingJelly runs here"
            break
        if variants == "all":
            record["fastest"] = variants = fastest["name"]
            record["ours"] = f"{precision}, compact state"
        pairs = record["rounds"]
        best = [max(v.get("samples_per_s", 0) for v in pair["peer"]["variants"]) for pair in pairs]
        record["ratio"] = statistics.median(pair["ours"]["samples_per_s"] / peer for pair, peer in zip(pairs, best))
        if ours["memory_mb"] and fastest.get("memory_mb"):
            record["memory_share"] = ours["memory_mb"] / fastest["memory_mb"]
        session.save("peers", record)
    session.save("peers", record)
    if "ratio" in record:
        session.say(f"peers: {record['ratio']:.2f} times SpikingJelly ({record['fastest']}), "
                    f"{record.get('memory_share', 0):.2f} of its memory")
