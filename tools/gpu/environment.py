"""What machine this is, and the data sets it is given."""
import os
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
    """Puts a data set together from the parts at hand; says what is missing until all calls have brought theirs."""
    options = session.options
    if not options.parts:
        raise Skipped("no --parts")
    if not options.assemble_into:
        raise Failed("--parts needs --assemble-into")
    outcome = session.run([session.root / "tools" / "unpack_images.sh", options.parts, options.assemble_into], 240)
    session.need(outcome, "tools/unpack_images.sh")
    options.data = options.data or options.assemble_into
    session.say(outcome.output.strip().splitlines()[-1])
    return "done"


if sys.version_info < (3, 11):
    sys.exit("tools/gpu needs Python 3.11 or newer (tomllib)")
