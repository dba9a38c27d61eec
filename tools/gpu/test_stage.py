"""The tests that a GPU is for, and compute-sanitizer over those of the kernels."""
import os
import pathlib
import shutil
import xml.etree.ElementTree

from environment import need_gpu
from session import Failed, Skipped

CUDA_TESTS = "[Cc]uda|CUDA|/device$"
NEEDS_A_NETWORK = "Download|Fetch|consumer|tools"  # or takes too long
FILTER = "*/device:*Cuda*:*cuda*:*CUDA*"


def run_ctest(session, pattern, *options, limit=300):
    junit = session.build / "tests.xml"
    junit.unlink(missing_ok=True)
    outcome = session.run(["ctest", "--test-dir", session.build, "-R", pattern, "--output-on-failure", "--timeout",
                           "200", "--output-junit", junit, *options], limit)
    if not junit.exists():
        raise Failed(f"ctest: no result\n{outcome.output[-2000:]}")
    cases = list(xml.etree.ElementTree.parse(junit).getroot().iter("testcase"))
    failed = [case.get("name") for case in cases if case.get("status") == "fail"]
    skipped = [case.get("name") for case in cases if case.get("status") in ("notrun", "disabled")]
    return {"pattern": pattern, "run": len(cases) - len(skipped), "failed": failed, "skipped": skipped,
            "seconds": round(outcome.seconds, 1)}


def kernel_programs(session):
    """Test programs with tests of CUDA kernels, without those that need LibTorch (too slow under the tools)."""
    for program in sorted(pathlib.Path(session.build / "tests").glob("kernels/**/test_*")):
        if program.is_file() and program.stat().st_mode & 0o100:
            listed = session.run([program, "--gtest_list_tests", f"--gtest_filter={FILTER}"], 60)
            if listed.ok and any(line.startswith("  ") for line in listed.output.splitlines()):
                yield program


def sanitize(session):
    tool = shutil.which("compute-sanitizer") or shutil.which("/usr/local/cuda/bin/compute-sanitizer")
    if not tool:
        raise Skipped("no compute-sanitizer")
    programs = list(kernel_programs(session))
    if not programs:
        raise Skipped("no tests of CUDA kernels")
    runs = []
    for check in ("memcheck", "racecheck"):
        for program in programs:
            command = [tool, "--tool", check, "--error-exitcode", "99", program, f"--gtest_filter={FILTER}"]
            outcome = session.run(command, 90)
            summary = [line for line in outcome.output.splitlines() if "SUMMARY" in line]
            runs.append({"tool": check, "program": program.name, "clean": outcome.ok, "timed_out": outcome.timed_out,
                         "summary": summary[-1].strip("= ") if summary else outcome.output[-300:].strip(),
                         "seconds": round(outcome.seconds, 1)})
    return runs


def test(session):
    record = {}
    pattern = session.options.tests or (CUDA_TESTS if session.cuda else "OpsMatchTest|LifMatchTest|GoldenTest")
    try:
        record["ctest"] = run_ctest(session, pattern)
    finally:
        session.save("test", record)
    if record["ctest"]["failed"]:
        session.say(f"failed: {', '.join(record['ctest']['failed'])}")
    try:
        need_gpu(session)
        record["sanitizer"] = sanitize(session)
    except (Skipped, Failed) as reason:
        record["sanitizer"] = str(reason)
        session.say(f"compute-sanitizer: {'skipped' if isinstance(reason, Skipped) else 'failed'}: {reason}")
    session.save("test", record)
    # The other tests say whether all is well with this LibTorch; a nice thing to know, if there is time.
    if session.cuda and session.left() > 240:
        try:
            record["others"] = run_ctest(session, ".", "-E", f"{CUDA_TESTS}|{NEEDS_A_NETWORK}", "-j",
                                         str(len(os.sched_getaffinity(0))), limit=150)
        except Failed as reason:
            record["others"] = str(reason)[:300]
        session.save("test", record)
    dirty = [run for run in record["sanitizer"] if not run["clean"]] if isinstance(record["sanitizer"], list) else []
    if record["ctest"]["failed"] or dirty:
        raise Failed(f"tests failed: {record['ctest']['failed']}; sanitizer: {[run['summary'] for run in dirty]}")
    if not record["ctest"]["run"]:
        raise Failed(f"no test ran of those that match {pattern}, {len(record['ctest']['skipped'])} skipped")
    return "done"
