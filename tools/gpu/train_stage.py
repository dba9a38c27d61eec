"""The trainings that fit into the time that is left, in the order of the list."""
import json
import pathlib
import shutil
import signal
import tomllib
import zlib

from environment import need_gpu, verify_data
from measure_stages import bench_step
from session import Failed, Skipped

TRAINING_SAMPLES = {"cifar10": 50000, "mnist": 60000, "fashion-mnist": 60000}
TEST_SAMPLES = 10000
STARTUP = 15  # seconds: the program, its data, the first step, writing the model


def listed(options):
    """(recipe, overrides) in order: of the file, or of names separated by commas."""
    source = options.recipes or str(pathlib.Path(__file__).with_name("trainings.txt"))
    if pathlib.Path(source).is_file() and not source.endswith(".toml"):
        lines = [line.split("#")[0].split() for line in pathlib.Path(source).read_text().splitlines()]
        return [(line[0], line[1:]) for line in lines if line]
    return [(name, []) for name in source.split(",")]


def resolved(session, recipe, overrides):
    """The recipe as the program reads it, with the overrides."""
    outcome = session.run([session.program, "info", recipe, "--json"], 60)
    if not outcome.ok:
        raise Skipped((outcome.output.strip().splitlines() or ["no such recipe"])[-1])
    described = outcome.json()
    tables = tomllib.loads(described["recipe"])
    for override in overrides:
        key, value = override.split("=", 1)
        try:
            value = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            pass  # a bare word is a string
        *path, last = key.split(".")
        table = tables
        for word in path:
            table = table.setdefault(word, {})
        table[last] = value
    return tables, described["layers"][0]["input"]


def estimate(session, tables, shape):
    """Seconds that a training will take, from a measured step; None where that cannot be said."""
    data, network, training = tables["data"], tables["network"], tables["training"]
    samples = TRAINING_SAMPLES.get(data["dataset"])
    if samples is None:
        return None
    samples = min(samples, data["train_limit"] or samples) - data["validation_samples"]
    per_epoch = max(1, samples // training["batch_size"])
    updates = training["epochs"] * per_epoch
    updates = min(updates, training["max_iterations"] or updates)
    steps = 1 if network["kind"] == "ann" else network["num_steps"]
    wanted = (network["structure"], steps, training["batch_size"], tables["compute"]["precision"])
    known = session.results.setdefault("speeds", {})
    key = " ".join(str(word) for word in wanted)
    if key not in known:
        figures = bench_step(session, network["structure"], shape, steps, training["batch_size"],
                             tables["compute"]["precision"], 5)
        known[key] = figures["samples_per_s"]
        session.save("speeds", known)
    speed = known[key] / (1.3 if tables["neunorm"]["enabled"] else 1.05)
    evaluated = data["validation_samples"] * training["epochs"] + min(TEST_SAMPLES, data["test_limit"] or TEST_SAMPLES)
    return STARTUP + (updates * training["batch_size"] + evaluated / 3) / speed


def metrics_of(folder):
    path = folder / "metrics.jsonl"
    lines = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            lines.append(json.loads(line))
        except ValueError:
            pass  # being written
    return lines


def progress(run, lines):
    """What a run has reached, from its metrics: also where it never gets to write its result."""
    epochs = [line for line in lines if line["kind"] == "epoch"]
    for line in reversed(lines):
        if "train_seconds" in line:
            run["seconds"] = line["train_seconds"]
            run["steps"] = line["iteration"]
            run["samples_per_s"] = line["samples_per_s"]
            break
    if epochs:
        last = epochs[-1]
        run["epochs"] = last["epoch"]
        run["train_accuracy"] = last["train_accuracy"]
        run["validation_accuracy"] = last.get("validation_accuracy")
        run["firing_rates"] = last["firing_rates"]
        known = [line for line in epochs if line.get("validation_accuracy") is not None]
        if known:
            run["best_validation_accuracy"] = max(line["validation_accuracy"] for line in known)
        for goal in (0.85, 0.90, 0.92):
            first = next((line for line in known if line["validation_accuracy"] >= goal), None)
            if first:
                run[f"seconds_to_{round(100 * goal)}_percent_validation"] = first["train_seconds"]


def run_folder(session, run):
    name = f"{run['recipe'].replace('/', '_')} seed {run['seed']} {run['overrides']}"
    return session.build / "runs" / f"{pathlib.Path(run['recipe']).stem}-{zlib.crc32(name.encode()):08x}"


def train_one(session, run, overrides):
    folder = run_folder(session, run)
    if run.get("resumed"):
        command = session.on_device("train") + ["--resume", folder, "--json"]
    else:
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(exist_ok=True)
        command = session.on_device("train") + [run["recipe"], "--out", folder, "--json"]
        for override in overrides:
            command += ["--set", override]
    seen = 0

    def tick():
        nonlocal seen
        lines = metrics_of(folder)
        if len(lines) > seen:
            seen = len(lines)
            progress(run, lines)
            session.save("trainings", session.results["trainings"])

    # Stopped in time it saves everything and says how far it came; that takes some seconds.
    outcome = session.run(command, session.left() - 20, tick=tick, stop=signal.SIGINT)
    lines = metrics_of(folder)
    progress(run, lines)
    run["wall_seconds"] = round(outcome.seconds, 1)
    if outcome.code == 3:
        raise Skipped((outcome.output.strip().splitlines() or ["data"])[-1])  # the data set is not there, or not whole
    if outcome.code not in (0, 130):
        run["state"] = "failed"
        run["reason"] = outcome.output.strip()[-800:]
        return
    run["state"] = "done" if outcome.ok else "stopped at the end of the time"
    with open(session.out / "metrics.jsonl", "a") as stream:
        for line in lines:
            stream.write(json.dumps({"training": run["recipe"], "seed": run["seed"]} | line) + "\n")
    path = folder / "result.json"
    if path.exists():
        result = json.loads(path.read_text())
        for key in ("test_accuracy", "test_loss", "validation_accuracy", "selection", "firing_rates",
                    "samples_per_s"):
            if key in result:
                run[key] = result[key]
        run["steps"], run["seconds"] = result["iterations"], result["train_seconds"]
        run["peak_memory_mb"] = result.get("peak_device_memory_mb", result.get("peak_memory_mb"))
        run["result"] = {key: value for key, value in result.items() if key not in ("run", "model")}


def train(session):
    if session.cuda:
        need_gpu(session)
    if not session.program.exists():
        raise Failed("the program is not built")
    verify_data(session)
    trainings = session.results.setdefault("trainings", [])
    finished = {(run["recipe"], run["seed"], *run["overrides"]) for run in trainings if run.get("state") == "done"}
    pace = 1.0  # what trainings took over what was estimated
    failed = 0
    for each_seed in options_seeds(session):
        for recipe, overrides in listed(session.options):
            own = [word.split("=", 1)[1] for word in overrides if word.startswith("seed=")]
            seed = int(own[-1]) if own else each_seed
            overrides = overrides + session.options.set
            if (recipe, seed, *overrides) in finished:
                session.say(f"{recipe}, seed {seed}: done by an earlier call")
                continue
            earlier = [run for run in trainings if (run["recipe"], run["seed"], run["overrides"])
                       == (recipe, seed, overrides)]
            trainings[:] = [run for run in trainings if run not in earlier]
            run = {"recipe": recipe, "seed": seed, "overrides": overrides,
                   "gpu": session.results["environment"]["gpu"], "commit": session.results["environment"]["commit"]}
            trainings.append(run)
            try:
                tables, shape = resolved(session, recipe, overrides)
                run |= {"network": tables["network"]["structure"], "kind": tables["network"]["kind"],
                        "T": tables["network"]["num_steps"], "neunorm": tables["neunorm"]["enabled"],
                        "batch": tables["training"]["batch_size"], "precision": tables["compute"]["precision"],
                        "dataset": tables["data"]["dataset"]}
                expected = estimate(session, tables, shape)
                checkpoint = run_folder(session, run) / "checkpoint.safetensors"
                if earlier and earlier[0].get("epochs") and checkpoint.exists():
                    run["resumed"] = True  # stopped by the end of an earlier call's time
                    if expected:
                        done = earlier[0]["epochs"] / tables["training"]["epochs"]
                        expected = STARTUP + (1 - done) * (expected - STARTUP)
                if expected is not None:
                    expected *= pace
                    run["estimated_seconds"] = round(expected, 1)
                    # Begun all the same it is stopped in time, saved, and resumed by the next call.
                    begin = session.options.begin and session.left() > 120
                    if expected > session.left() - 20 and not begin:
                        raise Skipped(f"would take some {expected:.0f} s of the {session.left():.0f} s that are left")
                elif session.left() < 60:
                    raise Skipped("no time left")
                session.say(f"{recipe}, seed {seed}: about {expected or 0:.0f} s")
                run["state"] = "running"
                session.save("trainings", trainings)
                train_one(session, run, overrides + [f"seed={seed}"])
                if run["state"] == "done" and expected:
                    pace *= max(0.3, run["wall_seconds"] / expected)
                failed += run["state"] == "failed"
            except Skipped as reason:
                run.update(state="skipped", reason=str(reason))
            except Failed as reason:
                run.update(state="failed", reason=str(reason)[-800:])
                failed += 1
            test = f", test {100 * run['test_accuracy']:.2f} %" if "test_accuracy" in run else ""
            reason = f": {run['reason'].splitlines()[-1]}" if run.get("reason") else ""
            session.say(f"{recipe}, seed {seed}: {run['state']}{reason}{test}")
            session.save("trainings", trainings)
    if failed:
        raise Failed(f"{failed} trainings failed")
    return "done"


def options_seeds(session):
    return [int(seed) for seed in session.options.seeds.split(",")]
