#!/usr/bin/env python3
"""tools/gpu_check.sh with a program that only pretends: results are on disk at once, a failed stage stops no other one,
the time given is kept, and a second call goes on where the first one stopped."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(sys.argv[1])
if sys.version_info < (3, 11):
    print("skipped: needs Python 3.11")
    sys.exit(77)

PROGRAM = '''#!{python}
import json, os, pathlib, signal, sys, time
words = sys.argv[1:]
if "--help" in words:
    print("--device --set --resume")
elif words[0] == "info":
    if words[1] == "missing":
        sys.exit("spikeloom: no such recipe")
    recipe = """
[data]
dataset = "cifar10"
train_limit = 1000
test_limit = 100
validation_samples = 0
[network]
structure = "8C3-Voting"
kind = "snn"
num_steps = 4
[neunorm]
enabled = false
[compute]
precision = "fp32"
[training]
epochs = 2
batch_size = 100
max_iterations = 0
"""
    print(json.dumps(dict(recipe=recipe, layers=[dict(input="3x32x32", macs_per_step=10), dict(macs_per_step=20)])))
elif words[0] == "data":
    sys.exit(3)
elif words[0] == "bench":
    batch = int(words[words.index("--batch") + 1])
    if batch == 13:
        sys.exit("spikeloom: out of memory")
    print(json.dumps(dict(samples_per_s=1000.0, step_ms=1.0, peak_rss_mb=10.0)))
elif words[0] == "train":
    resumed = "--resume" in words
    folder = pathlib.Path(words[words.index("--resume" if resumed else "--out") + 1])
    folder.mkdir(exist_ok=resumed)
    (folder / "checkpoint.safetensors").touch()
    epoch = 0
    def stop(*_):
        sys.exit(130)
    signal.signal(signal.SIGINT, stop)
    epochs = 10**9 if "endless" in words else 1
    while epoch < epochs and not resumed:
        epoch += 1
        with open(folder / "metrics.jsonl", "a") as stream:
            stream.write(json.dumps(dict(kind="epoch", epoch=epoch, iteration=epoch, train_accuracy=0.5,
                                         validation_accuracy=0.91, train_seconds=float(epoch), samples_per_s=5.0,
                                         firing_rates=dict(conv1=0.25))) + "\\n")
        time.sleep(0.5)
    (folder / "result.json").write_text(json.dumps(dict(test_accuracy=0.9, iterations=7, train_seconds=3.5, run="")))
'''


def check(condition, what):
    if not condition:
        sys.exit(f"failed: {what}")


def command(folder, *words):
    return [str(ROOT / "tools" / "gpu_check.sh"), "--out", str(folder / "out"), "--build-dir", str(folder / "build"),
            "--device", "cpu", "--margin", "1", "--commit", "none", *words]


def results(folder):
    return json.loads((folder / "out" / "results.json").read_text())


def make(folder, name):
    place = folder / name
    (place / "build").mkdir(parents=True)
    program = place / "build" / "spikeloom"
    program.write_text(PROGRAM.replace("{python}", sys.executable))
    program.chmod(0o755)
    return place


def run(place, *words):
    environment = dict(os.environ, PYTHON=sys.executable)
    return subprocess.run(command(place, *words), capture_output=True, text=True, env=environment)


with tempfile.TemporaryDirectory() as temporary:
    root = pathlib.Path(temporary)

    place = make(root, "stages")
    ran = run(place, "--seconds", "60", "--stage", "kernels,step,train", "--networks", "tiny", "--batches", "13,16",
              "--precisions", "fp32", "--recipes", "missing,quick", "--python", "/bin/false")
    found = results(place)
    check(ran.returncode == 1, f"a failed stage must show in the exit code: {ran.returncode} {ran.stderr}")
    states = {name: stage["state"] for name, stage in found["stages"].items()}
    check(states == {"kernels": "skipped", "step": "failed", "train": "done"}, states)
    check([("failed" in step, step["batch"]) for step in found["step"]] == [(True, 13), (False, 16)], found["step"])
    trainings = {training["recipe"]: training for training in found["trainings"]}
    check(trainings["missing"]["state"] == "skipped", trainings["missing"])
    quick = trainings["quick"]
    check((quick["state"], quick["test_accuracy"], quick["steps"], quick["seconds_to_90_percent_validation"])
          == ("done", 0.9, 7, 1.0), quick)
    check("90.00 %" in (place / "out" / "README.md").read_text(), "the table lacks the test accuracy")
    again = run(place, "--seconds", "60", "--stage", "train", "--recipes", "quick", "--python", "/bin/false")
    check("done by an earlier call" in again.stdout, again.stdout)
    check("step" in results(place), "what an earlier call measured is lost")
    (place / "list.txt").write_text("quick\nquick seed=5  # this seed alone\n")
    run(place, "--seconds", "60", "--stage", "train", "--recipes", str(place / "list.txt"), "--seeds", "1,2",
        "--python", "/bin/false")
    seeds = sorted(training["seed"] for training in results(place)["trainings"] if training["recipe"] == "quick")
    check(seeds == [1, 2, 5], f"seeds of the list: {seeds}")

    place = make(root, "time")
    begin = time.monotonic()
    run(place, "--seconds", "45", "--stage", "train", "--recipes", "endless,quick", "--python", "/bin/false")
    check(time.monotonic() - begin < 45, "the time given was not kept")
    endless = results(place)["trainings"][0]
    check(endless["state"].startswith("stopped") and endless["validation_accuracy"] == 0.91, endless)
    check(results(place)["trainings"][1]["state"] == "skipped", "a training was begun without time for it")
    run(place, "--seconds", "60", "--stage", "train", "--recipes", "endless", "--python", "/bin/false")
    endless = results(place)["trainings"][-1]
    check((endless["state"], endless.get("resumed")) == ("done", True), f"was not resumed: {endless}")

    for number, signal_sent in (("kill", signal.SIGKILL), ("term", signal.SIGTERM)):
        place = make(root, number)
        child = subprocess.Popen(command(place, "--seconds", "60", "--stage", "train", "--recipes", "endless",
                                         "--python", "/bin/false"), stdout=subprocess.DEVNULL, start_new_session=True,
                                 env=dict(os.environ, PYTHON=sys.executable))
        time.sleep(5)
        child.send_signal(signal_sent)
        child.wait()
        check(results(place)["trainings"][0].get("validation_accuracy") == 0.91, f"{number}: nothing of the training")
        state = results(place)["stages"]["train"]["state"]
        check(state == ("stopped" if number == "term" else "running"), f"{number}: {state}")
        if number == "kill":  # what it left running
            for entry in pathlib.Path("/proc").glob("[0-9]*"):
                try:
                    if str(place).encode() in (entry / "cmdline").read_bytes():
                        os.kill(int(entry.name), signal.SIGKILL)
                except OSError:
                    pass
print("ok")
