"""What machine this is, and the data sets it is given."""
import os
import pathlib
import platform
import shutil
import subprocess
import sys

from session import Failed, Skipped


def said(command, cwd=None):
    """First line of a command's output, or nothing."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=cwd)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = result.stdout.strip().splitlines()
    return lines[0].strip() if result.returncode == 0 and lines else None


def describe(session):
    python = session.options.python
    gpu = said(["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"])
    gpu = gpu or said([python, "-c", "import torch; print(torch.cuda.get_device_name())"])
    torch = said([python, "-c", "import torch; print(torch.__version__)"])
    commit = session.options.commit or said(["git", "rev-parse", "HEAD"], session.root)
    nvcc = shutil.which("nvcc") or "/usr/local/cuda/bin/nvcc"
    session.save("environment", {
        "gpu": gpu, "device": session.options.device, "commit": commit, "pytorch": torch,
        "nvcc": said(["sh", "-c", f"{nvcc} --version | tail -1"]),
        "compiler": said(["g++", "--version"]), "cmake": said(["cmake", "--version"]),
        "python": platform.python_version(), "system": said(["sh", "-c", ". /etc/os-release; echo $PRETTY_NAME"]),
        "libc": " ".join(platform.libc_ver()), "processor": said(["sh", "-c", "grep -m1 'model name' /proc/cpuinfo"]),
        "cores": len(os.sched_getaffinity(0)),
    })
    for key, value in session.results["environment"].items():
        session.say(f"{key}: {value}")
    session.has_gpu = gpu is not None


def need_gpu(session):
    if not session.cuda:
        raise Skipped("no CUDA device (--device cpu)")
    if not session.has_gpu:
        raise Skipped("no CUDA device")


def assemble_data(session):
    """Puts CIFAR-10 together from the parts at hand; says what is missing until all calls have brought theirs."""
    options = session.options
    if not options.parts:
        raise Skipped("no --parts")
    parts = sorted(pathlib.Path(options.parts).glob("*.part"))
    if not parts:
        raise Failed(f"no *.part in {options.parts}")
    target = pathlib.Path(options.assemble_into or session.build / "data").resolve()
    outcome = session.run([options.python, "-B", session.root / "tools" / "cifar10_parts.py", "assemble", *parts,
                           "--into", target], 240)
    said_last = (outcome.output.strip().splitlines() or [""])[-1]
    session.save("data", {"parts": [part.name for part in parts], "folder": str(target), "said": said_last})
    session.say(said_last)
    options.data = options.data or str(target)
    if outcome.code == 3:
        return "incomplete"
    session.need(outcome, "cifar10_parts.py")
    return "done"


def verify_data(session):
    """What the program says of CIFAR-10's files against the published sums; kept, not judged."""
    outcome = session.run([session.program, "data", "verify", "cifar10", "--json"], 60)
    try:
        session.save("data_verify", {"exit_code": outcome.code, "said": outcome.json()})
    except Failed:
        session.save("data_verify", {"exit_code": outcome.code, "said": outcome.output.strip()[-1000:]})


if sys.version_info < (3, 11):
    sys.exit("tools/gpu needs Python 3.11 or newer (tomllib)")
