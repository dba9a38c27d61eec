"""Configures and builds everything into the session's build folder; what cannot be found is done without."""
import os
import pathlib

from environment import said
from session import Failed


def prefixes(session):
    """Folders for CMAKE_PREFIX_PATH, and PyTorch's folder."""
    found = []
    bundle = session.options.bundle
    if bundle and pathlib.Path(bundle).is_file():
        folder = session.build / "bundle"
        if not (folder / "complete").exists():
            folder.mkdir(exist_ok=True)
            unpack = ["tar", "xf", pathlib.Path(bundle).resolve(), "-C", folder, "--strip-components=1"]
            session.need(session.run(unpack, 120), "unpacking the bundle")
            (folder / "complete").touch()
        bundle = folder
    if bundle:
        found.append(str(pathlib.Path(bundle).resolve()))
    torch = said([session.options.python, "-c", "import os, torch; print(os.path.dirname(torch.__file__))"])
    package = said([session.options.python, "-c", "import torch; print(torch.utils.cmake_prefix_path)"])
    if package and os.path.isdir(package):
        found.append(package)
        return found, torch
    return found, None  # a distribution's PyTorch: CMake finds it where the system has it


def configurations(session):
    """Sets of options, the best first: the next is tried where one does not configure."""
    found, torch = prefixes(session)
    always = ["-DCMAKE_BUILD_TYPE=Release", f"-DCMAKE_PREFIX_PATH={';'.join(found)}",
              "-DCMAKE_LIBRARY_ARCHITECTURE=x86_64-linux-gnu",  # the bundle's libraries lie in a folder of this name
              f"-DSPIKELOOM_CUDA={'ON' if session.cuda else 'OFF'}", "-DTORCH_CUDA_ARCH_LIST=9.0"]
    if found and session.options.bundle:
        # The bundle's libraries need each other.
        always.append(f"-DCMAKE_BUILD_RPATH={found[0]}/lib/x86_64-linux-gnu")
        always.append(f"-DCMAKE_EXE_LINKER_FLAGS=-Wl,-rpath-link,{found[0]}/lib/x86_64-linux-gnu")
    if torch:
        # One CUDA runtime a process, PyTorch's: the kernels are told where it is before LibTorch is looked for.
        always.append(f"-DSPIKELOOM_TORCH_CUDA={torch}/lib/libtorch_cuda.so")
    everything = ["-DSPIKELOOM_BUILD_TESTS=ON", "-DSPIKELOOM_BUILD_BENCH=ON"]
    program_only = ["-DSPIKELOOM_BUILD_TESTS=OFF", "-DSPIKELOOM_BUILD_BENCH=OFF"]
    plain = [f"-DSPIKELOOM_TORCH_ROOT={torch}"] if torch else []
    yield "everything", always + everything
    if plain:
        yield "everything, PyTorch without its CMake package", always + everything + plain
    yield "no tests", always + program_only
    if plain:
        yield "no tests, PyTorch without its CMake package", always + program_only + plain


def configure(session):
    last = None
    for name, options in configurations(session):
        (session.build / "CMakeCache.txt").unlink(missing_ok=True)
        outcome = session.run(["cmake", "-S", session.root, "-B", session.build, "-G", "Ninja",
                               "--compile-no-warning-as-error", *options], 180)
        if outcome.ok:
            return name
        session.say(f"configuring ({name}) failed, exit code {outcome.code}")
        last = last or outcome
    session.need(last, "cmake")


def build(session):
    stamp = session.build / "configured"
    if not stamp.exists():
        stamp.write_text(configure(session))
    jobs = str(session.options.jobs or len(os.sched_getaffinity(0)))
    record = {"configuration": stamp.read_text(), "jobs": int(jobs)}
    session.save("build", record)
    program = session.run(["ninja", "-C", session.build, "-j", jobs, "spikeloom_program"], session.left())
    record["program_seconds"] = round(program.seconds, 1)
    session.save("build", record)
    session.need(program, "building the program")
    record["info"] = session.need(session.run([session.program, "info", "--json"], 60), "spikeloom info").json()
    session.save("build", record)
    # Tests and benchmarks that do not compile must not keep the others from running.
    rest = session.run(["ninja", "-C", session.build, "-j", jobs, "-k", "0"], session.left())
    record["all_seconds"] = round(program.seconds + rest.seconds, 1)
    record["targets_failed"] = sum(line.startswith("FAILED:") for line in rest.output.splitlines())
    session.save("build", record)
    if not rest.ok:
        raise Failed(f"the program is built; {record['targets_failed']} other targets failed\n{rest.output[-3000:]}")
    return "done"
