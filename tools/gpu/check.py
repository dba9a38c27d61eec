#!/usr/bin/env python3
"""Runs the stages asked for within the time given; a stage that fails is recorded and the next one runs."""
import argparse
import signal
import sys
import time
import traceback

import build_stage
import environment
import measure_stages
import report
import test_stage
import train_stage
from session import Failed, Session, Skipped

STAGES = {
    "data": environment.assemble_data,
    "build": build_stage.build,
    "test": test_stage.test,
    "kernels": measure_stages.kernels,
    "matrix": measure_stages.matrix,
    "step": measure_stages.step,
    "train": train_stage.train,
}


def parse():
    parser = argparse.ArgumentParser(prog="tools/gpu_check.sh", description=__doc__,
                                     formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--out", required=True, help="folder for results.json, README.md and log.txt")
    parser.add_argument("--seconds", type=float, default=570, help="time for everything")
    parser.add_argument("--margin", type=float, default=15, help="seconds of these that are kept for writing results")
    parser.add_argument("--stage", default=",".join(STAGES), help="stages to run, in this order")
    parser.add_argument("--begin", action="store_true",
                        help="begin a training that does not fit into what is left: the next call resumes it")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda", help="cpu: a rehearsal without a GPU")
    parser.add_argument("--build-dir", help="default build/gpu, kept between calls")
    parser.add_argument("--bundle", help="archive or folder made by tools/offline_bundle.sh")
    parser.add_argument("--python", default=sys.executable, help="Python that has PyTorch")
    parser.add_argument("--data", help="folder with the data sets (SPIKELOOM_DATA_DIR)")
    parser.add_argument("--parts", help="folder with parts made by tools/cifar10_parts.py")
    parser.add_argument("--assemble-into", help="folder for what they make (default: in the build folder); becomes --data")
    parser.add_argument("--recipes", help="recipes separated by commas, or a file like tools/gpu/trainings.txt")
    parser.add_argument("--set", action="append", default=[], help="overrides a key of every training's recipe")
    parser.add_argument("--seeds", default="1", help="seeds, separated by commas; the list runs once for each")
    parser.add_argument("--networks", default="cifarnet,alexnet", help="networks of the step stage")
    parser.add_argument("--batches", default="64,128,256,512", help="batch sizes of the step stage")
    parser.add_argument("--precisions", default="bf16,fp32")
    parser.add_argument("--iterations", type=int, default=20, help="timed iterations of the step stage")
    parser.add_argument("--peers", help="folder to put on PYTHONPATH for SpikingJelly, if it is not installed")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of the comparison with peers")
    parser.add_argument("--tests", help="regular expression of the tests to run")
    parser.add_argument("--commit", help="what is recorded where there is no git")
    parser.add_argument("--jobs", type=int, help="compilers at once")
    parser.add_argument("--afresh", action="store_true", help="forget what an earlier call measured")
    options = parser.parse_args()
    unknown = set(options.stage.split(",")) - set(STAGES)
    if unknown:
        parser.error(f"unknown stage {', '.join(sorted(unknown))}; there are {', '.join(STAGES)}")
    return options


def run_stage(session, name):
    begin = time.monotonic()
    state = {"state": "running"}
    stages = session.results.setdefault("stages", {})
    stages[name] = state
    session.save("stages", stages)
    try:
        if session.left() <= 0:
            raise Skipped("no time left")
        session.say(f"== {name}")
        state["state"] = STAGES[name](session) or "done"
    except Skipped as reason:
        state.update(state="skipped", reason=str(reason))
    except Failed as reason:
        state.update(state="failed", reason=str(reason))
    except Exception:  # a mistake in one stage must not cost the others
        state.update(state="failed", reason=traceback.format_exc())
    state["seconds"] = round(time.monotonic() - begin, 1)
    reason = state.get("reason", "").strip().splitlines()
    session.say(f"== {name}: {state['state']}{', ' + reason[0] if reason else ''} ({state['seconds']} s)")
    session.save("stages", stages)
    report.write(session)


def main():
    session = Session(parse())

    def stopped(number, _frame):
        session.end_child(signal.SIGINT)
        for state in session.results.get("stages", {}).values():
            if state["state"] == "running":
                state.update(state="stopped", reason=f"signal {number}")
        session.save("stages", session.results.get("stages", {}))
        report.write(session)
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, stopped)
    signal.signal(signal.SIGINT, stopped)
    environment.describe(session)
    for name in session.options.stage.split(","):
        run_stage(session, name)
    print(report.write(session))
    failed = [name for name in session.options.stage.split(",")
              if session.results["stages"][name]["state"] == "failed"]
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
