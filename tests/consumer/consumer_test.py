#!/usr/bin/env python3
"""Installs the build into an empty folder, builds examples/ against it, and compares what they compute with the
installed program, and with examples/read_model.py."""
import argparse
import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

THREADS = "2"
RECIPE = """
[data]
dataset = "mnist"
validation_samples = 20
[network]
structure = "6C3(Encoding)-AP2-8C5S2-AP2-20FC-Voting"
num_steps = 3
[neuron]
reset = "subtract"
decay = 0.6
learn_decay = true
learn_v_threshold = true
[dropout]
rate = 0.1
[voting]
neurons_per_class = 3
assignment = "random"
[optimizer]
kind = "adam"
learning_rate = 0.03
[training]
epochs = 3
batch_size = 20
eval_batch_size = 7
log_every = 3
"""


def run(*command, **options):
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\nended with {result.returncode}:\n{result.stdout}{result.stderr}")
    return result.stdout


def expect(condition, message):
    if not condition:
        sys.exit(message)


def write_idx(path, shape, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    header = struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape)
    path.write_bytes(header + bytes(values))


def write_data(folder):
    """Digits that a small network learns: a bright bar at one of ten places, and noise."""
    for part, count in (("train", 200), ("t10k", 60)):
        pixels = bytearray((i * 7919 + i // 784 * 104729) % 97 for i in range(count * 784))
        for image in range(count):
            for row in range(28):
                start = image * 784 + row * 28 + 2 + 2 * (image % 10)
                pixels[start:start + 3] = bytes((250, 255, 240))
        write_idx(folder / f"{part}-images-idx3-ubyte", (count, 28, 28), pixels)
        write_idx(folder / f"{part}-labels-idx1-ubyte", (count,), [i % 10 for i in range(count)])


def build_example(name, options, prefix, work):
    """The program of an example that has one of its name."""
    return build_examples(name, options, prefix, work) / name


def build_examples(name, options, prefix, work):
    build = work / "build" / name
    run(options.cmake, "-S", prefix / "share/doc/spikeloom/examples" / name, "-B", build, "-G", options.generator,
        f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCMAKE_CXX_COMPILER={options.compiler}", "-DCMAKE_BUILD_TYPE=Release")
    cache = (build / "CMakeCache.txt").read_text()
    found = [line for line in cache.splitlines() if line.startswith("Spikeloom_DIR:")]
    expect(len(found) == 1 and str(prefix) in found[0], f"not the installed package: {found}")
    run(options.cmake, "--build", build)
    return build


def tensors_of(path):
    """The bytes of a safetensors file's tensors, and their names and shapes: no version, no path."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__")
    return header, data[8 + size:]


def check_library(options, prefix, work):
    """The library's train() and the program's train give the same bits, whatever the threads of the process are."""
    consumer = build_example("consumer", options, prefix, work)
    expect(run(consumer) == "CIFARNet: 45049188 parameters\n", "the consumer plans another network")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    for state, recipe in (("exact", RECIPE), ("compact", RECIPE.replace("learn_", "# learn_"))):
        (work / "small.toml").write_text(recipe)
        of_library, of_program = work / f"library-{state}", work / f"program-{state}"
        said = run(consumer, "train", work / "small.toml", of_library, THREADS, env=environment)
        run(prefix / "bin/spikeloom", "train", work / "small.toml", "--out", of_program, "--threads", THREADS,
            "--quiet")
        library, program = (json.loads((folder / "result.json").read_text()) for folder in (of_library, of_program))
        expect(said == f"test accuracy {program['test_accuracy']:.4f}\n", f"{state}: {said} {program}")
        for key in ("iterations", "test_samples", "test_accuracy", "test_loss", "firing_rates"):
            expect(library[key] == program[key], f"{state}: {key}: {library[key]}, the program's is {program[key]}")
        expect(program["test_accuracy"] > 0.3, f"{state}: nothing was learnt: {program}")
        expect(tensors_of(of_library / "model.safetensors") == tensors_of(of_program / "model.safetensors"),
               f"{state}: library and program train other weights")
    return consumer


def check_pages_name_everything(prefix, run_folder):
    """docs/run-folder.md and docs/model-format.md name every file, key and array that a run writes."""
    pages = prefix / "share/doc/spikeloom/docs"
    page = (pages / "run-folder.md").read_text()
    undocumented = [path.name for path in run_folder.iterdir() if f"`{path.name}`" not in page]
    expect(not undocumented, f"docs/run-folder.md: no {undocumented}")
    lines = [json.loads(line) for line in (run_folder / "metrics.jsonl").read_text().splitlines()]
    expect({line["kind"] for line in lines} == {"train", "epoch", "test"}, "other kinds of lines in metrics.jsonl")
    named = [(f'**`"{line["kind"]}"`**', line) for line in lines]
    named += [(f"## {name}", json.loads((run_folder / name).read_text()))
              for name in ("result.json", "environment.json")]
    for section, content in named:
        if "sessions" in content:
            content = {**content, **content["sessions"][0]}
        text = re.split(r"^(?:## |\*\*`)", page.split(section)[1], flags=re.MULTILINE)[0]
        undocumented = [key for key in content if f"`{key}`" not in text]
        expect(not undocumented, f"docs/run-folder.md, {section}: no {undocumented}")
    page = (pages / "model-format.md").read_text()
    data = (run_folder / "checkpoint.safetensors").read_bytes()
    header = json.loads(data[8:8 + int.from_bytes(data[:8], "little")])
    keys = {re.sub(r"tensor\..*", "tensor.NAME", key) for key in header.pop("__metadata__")}
    for name in header:
        state = re.sub(r"(optimizer\.[a-z_]+)\..*", r"\1.NAME", name)
        keys.add(state if state != name or name == "voting.class_of" else re.sub(r"\w+\.", "LAYER.", name, count=1))
    keys = {"voting.weight" if key == "LAYER.weight" else key for key in keys}
    undocumented = [key for key in keys if f"`{key}`" not in page]
    expect(not undocumented, f"docs/model-format.md: no {undocumented}")


def numpy_python():
    """A Python 3.11 with NumPy, or None."""
    return next((python for python in (sys.executable, "/usr/bin/python3") if subprocess.run(
        [python, "-c", "import numpy, tomllib"], capture_output=True).returncode == 0), None)


def check_numpy_reader(prefix, consumer, work):
    """NumPy's votes are the library's, and so the program's."""
    python = numpy_python()
    if python is None:
        print("skipped: examples/read_model.py needs Python 3.11 and NumPy (python3-numpy)")
        return
    images = work / "sets/mnist/t10k-images-idx3-ubyte"
    samples = "60"
    for name in ("model", "checkpoint"):
        file = work / f"library-exact/{name}.safetensors"
        reader = [python, prefix / "share/doc/spikeloom/examples/read_model.py", file]
        expect("conv1.weight float32 [6, 1, 3, 3]" in run(*reader), f"{name}: read_model.py does not list the tensors")
        votes = [line.split() for line in run(*reader, images, samples).splitlines()]
        expected = [line.split() for line in run(consumer, "votes", file, samples).splitlines()]
        expect(len(votes) == len(expected) == int(samples), f"{name}: {len(votes)} lines, {len(expected)} expected")
        for i, (ours, theirs) in enumerate(zip(votes, expected)):
            differences = [abs(float(a) - float(b)) for a, b in zip(ours[:-1], theirs[:-1])]
            expect(max(differences) < 1e-6 and ours[-1] == theirs[-1], f"{name}, sample {i}: {ours}, not {theirs}")
        evaluation = json.loads(run(prefix / "bin/spikeloom", "eval", file, "--json"))
        correct = sum(line[-1] == str(i % 10) for i, line in enumerate(votes))
        expect(evaluation["correct"] == correct, f"{name}: {correct} are right, the program says {evaluation}")


def check_training_loop(options, prefix, work):
    """A loop of one's own learns, and the program evaluates what it saves."""
    training_loop = build_example("training_loop", options, prefix, work)
    model = work / "mine.safetensors"
    lines = run(training_loop, "mnist", "6C3(Encoding)-AP4-Voting", "2", "4", model).splitlines()
    losses = [float(line.split()[-1]) for line in lines[:-1]]
    expect(len(losses) == 4 and losses[-1] < losses[0], str(lines))
    evaluation = json.loads(run(prefix / "bin/spikeloom", "eval", model, "--json"))
    expect(lines[-1] == f"test accuracy {evaluation['accuracy']:.4f}", f"{lines}, the program says {evaluation}")
    expect(evaluation["accuracy"] > 0.3, f"nothing was learnt: {lines}")


def check_runtime(options, prefix, consumer, work):
    """The runtime from C and C++: the votes of the library, and a decision a window of a recording."""
    build = build_examples("runtime", options, prefix, work)
    library = prefix / "lib/libspikeloom_runtime.so"
    library = library if library.exists() else next(prefix.rglob("libspikeloom_runtime.so"))
    needed = run("readelf", "-d", library)
    for name in ("torch", "openblas", "gomp", "python", "hdf5", "archive"):
        expect(name not in needed, f"the runtime needs {name}: {needed}")
    package = next(prefix.rglob("spikeloom-runtime.pc")).read_text()
    expect("-lspikeloom_runtime" in package, package)
    file = work / "library-exact/model.safetensors"
    pixels = (work / "sets/mnist/t10k-images-idx3-ubyte").read_bytes()[16:]
    expected = [line.split() for line in run(consumer, "votes", file, "60").splitlines()]
    for i, line in enumerate(expected):
        image = " ".join(str(value / 255) for value in pixels[784 * i:784 * (i + 1)])
        votes = [float(one.split()[1]) for one in run(build / "votes", file, input=image).splitlines()]
        expect(max(abs(a - float(b)) for a, b in zip(votes, line[:-1])) < 1e-5, f"sample {i}: {votes}, not {line}")
    failed = subprocess.run([build / "votes", file], input="1 2 3", capture_output=True, text=True)
    expect(failed.returncode == 1 and "1x28x28" in failed.stderr, f"{failed}")
    check_decisions(prefix, build, work)


def check_decisions(prefix, build, work):
    """A small network of events, and lines of events: a line a window, of the network's last one its vote."""
    for name, left in (("left", 2), ("right", 20)):
        for number in range(8):
            events = "".join(f"{100 * k},{left},{k % 20},{k % 2}\n" for k in range(40 + number))
            for part in ("train", "test"):
                file = work / "sets/own" / part / name / f"{number}.csv"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text("t,x,y,p\n" + events)
    (work / "own.toml").write_text('''[data]
dataset = "folder"
folder = "own"
sensor = "24x20"
time_unit = "us"
window_us = 1000
[network]
structure = "8C3(Encoding)-AP2-Voting"
num_steps = 4
[training]
epochs = 6
batch_size = 4
''')
    run(prefix / "bin/spikeloom", "train", work / "own.toml", "--out", work / "own-run", "--quiet", "--threads", "1")
    events = "".join(f"{100 * k} 20 {k % 20} {k % 2}\n" for k in range(40))
    said = run(build / "decide", work / "own-run", input=events)
    lines = [line.split() for line in said.splitlines()]
    expect([line[0] for line in lines] == ["1000", "2000", "3000", "4000"], f"{lines}")
    file = work / "sets/own/test/right/0.csv"
    predicted = json.loads(run(prefix / "bin/spikeloom", "predict", work / "own-run", "--json", file))["predictions"][0]
    expect(lines[-1][1] == predicted["class"] and abs(float(lines[-1][2]) - predicted["vote"]) < 1e-4,
           f"{lines}, not {predicted}")
    graph = work / "own.nir"
    run(prefix / "bin/spikeloom", "export", work / "own-run", graph)
    of_graph = [line.split() for line in run(build / "decide", graph, input=events).splitlines()]
    expect([line[0] for line in of_graph] == [line[0] for line in lines] and of_graph[-1][1] == str(
        ["left", "right"].index(lines[-1][1])) and abs(float(of_graph[-1][2]) - float(lines[-1][2])) < 0.05,
           f"{of_graph}, not {lines}")
    recording = work / "recording.npy"
    run(prefix / "bin/spikeloom", "convert", file, recording, "--sensor", "24x20")
    replayed = run(build / "replay", work / "own-run", recording)
    expect(replayed == said, f"{replayed}, not {said}")
    recording.write_bytes(recording.read_bytes()[:-1])
    cut = subprocess.run([build / "replay", work / "own-run", recording], capture_output=True, text=True)
    expect(cut.returncode == 1 and "recording.npy" in cut.stderr, f"{cut}")
    check_python(prefix, work, predicted)


def check_python(prefix, work, predicted):
    """The installed Python package finds the installed libraries beside it."""
    package = next(prefix.rglob("spikeloom/__init__.py")).parents[1]
    code = f"""import sys
sys.path.insert(0, {str(package)!r})
import spikeloom
stream = spikeloom.Model({str(work / "own-run")!r}).stream()
events = spikeloom.read_events({str(work / "sets/own/test/right/0.csv")!r}, sensor=(24, 20))
for step in range(4):
    stream.add_events(events[events["t"] // 1000 == step])
    prediction = stream.end_step()
print(prediction.name, prediction.votes[prediction.index])
print(*{{line.split()[-1] for line in open("/proc/self/maps") if "libspikeloom" in line}})
"""
    python = numpy_python()
    if python is None:
        print("skipped: the Python package needs NumPy (python3-numpy)")
        return
    environment = {name: value for name, value in os.environ.items() if name != "SPIKELOOM_LIBRARY_DIR"}
    said, libraries = run(python, "-B", "-c", code, env=environment, cwd="/").splitlines()
    name, vote = said.split()
    expect(name == predicted["class"] and abs(float(vote) - predicted["vote"]) < 1e-6, f"{said}, not {predicted}")
    expect(len(libraries.split()) == 2 and all(path.startswith(str(prefix)) for path in libraries.split()), libraries)


def check_program(prefix, work):
    program = prefix / "bin/spikeloom"
    expect(run(program, "--version").startswith("spikeloom "), "no version")
    recipe = json.loads(run(program, "info", "cifar10/cifarnet", "--json", cwd=work))
    expect(recipe["file"].startswith(str(prefix / "share")), f"not the installed recipe: {recipe['file']}")
    for page in ("man/man1/spikeloom-train.1", "bash-completion/completions/spikeloom"):
        expect((prefix / "share" / page).is_file(), f"share/{page} is not installed")
    for name, libraries in (("spikeloom", ["libspikeloom_core.so"]),
                            ("spikeloom-training", ["libspikeloom.so", "libspikeloom_core.so"])):
        linked = run("ldd", prefix / "bin" / name).splitlines()
        for library in libraries:
            path = [line.split("=>")[1].split()[0] for line in linked if library in line]
            expect(len(path) == 1 and pathlib.Path(path[0]).resolve().is_relative_to(prefix), f"{library}: {path}")
        expect(any("torch" in line for line in linked) == ("libspikeloom.so" in libraries), f"{name}: {linked}")


def check_snippets(options, prefix, work):
    """The snippets of docs/api.md and README.md compile; that of the training loop stands in an example, which is
    built, and that with LibTorch is a program of its own."""
    page = (prefix / "share/doc/spikeloom/docs/api.md").read_text()
    readme = (prefix / "share/doc/spikeloom/README.md").read_text()
    loop = (prefix / "share/doc/spikeloom/examples/training_loop/training_loop.cpp").read_text().split("\n")
    loop = {line.strip() for line in loop}
    includes, functions, with_torch = ["#include <cstdio>", "#include <string>", "#include <vector>"], [], []
    for snippet in re.findall(r"^```cpp\n(.*?)^```", page + readme, re.DOTALL | re.MULTILINE):
        lines = snippet.splitlines()
        if "<ATen/" in snippet:
            with_torch.append(lines)
            continue
        if "engine/optimizer.h" in snippet:
            missing = [line for line in lines if line and line.strip() not in loop]
            expect(not missing, f"docs/api.md: not in examples/training_loop: {missing}")
            continue
        includes += [line for line in lines if line.startswith("#include")]
        body = "\n".join(line for line in lines if not line.startswith("#include"))
        functions.append(f"void snippet_{len(functions)}() {{\n{body}\n}}\n")
    expect(len(functions) >= 10, f"only {len(functions)} snippets in docs/api.md")
    source = work / "snippets.cpp"
    source.write_text("\n".join(includes + functions))
    run(options.compiler, "-std=c++17", "-fsyntax-only", "-I", prefix / "include", source)
    expect(len(with_torch) == 1, f"{len(with_torch)} snippets with LibTorch in docs/api.md")
    check_torch(options, prefix, work, with_torch[0])
    for folder, names in re.findall(r"^\| `spikeloom/(.*?/)(\w+\.h.*?)` \|", page, re.MULTILINE):
        for name in re.findall(r"\w+\.h", names):
            expect((prefix / "include/spikeloom" / folder / name).is_file(), f"docs/api.md: no {folder}{name}")


def check_torch(options, prefix, work, snippet):
    """With COMPONENTS torch, the operators take LibTorch's tensors; the decay gets a gradient."""
    source, build = work / "with_torch", work / "build/with_torch"
    source.mkdir()
    (source / "CMakeLists.txt").write_text("""cmake_minimum_required(VERSION 3.25)
project(WithTorch LANGUAGES CXX)
find_package(Spikeloom 0.1 REQUIRED COMPONENTS torch)
add_executable(with_torch with_torch.cpp)
target_link_libraries(with_torch PRIVATE Spikeloom::spikeloom Spikeloom::torch)
""")
    includes = [line for line in snippet if line.startswith("#include")]
    body = [line for line in snippet if not line.startswith("#include")]
    (source / "with_torch.cpp").write_text("\n".join([*includes, "int main() {", *body,
                                                      "return decay.grad().item().toDouble() != 0.0 ? 0 : 1;", "}\n"]))
    run(options.cmake, "-S", source, "-B", build, "-G", options.generator, f"-DCMAKE_PREFIX_PATH={prefix}",
        f"-DCMAKE_CXX_COMPILER={options.compiler}")
    run(options.cmake, "--build", build)
    run(build / "with_torch")


def check_documentation(options, prefix):
    pages = prefix / "share/doc/spikeloom"
    installed = {path.relative_to(pages) for path in pages.rglob("*.md")}
    for name in ("README.md", "docs/api.md", "docs/model-format.md", "docs/run-folder.md"):
        expect(pathlib.Path(name) in installed, f"{name} is not installed")
    run(sys.executable, "-B", options.source_dir / "tests/docs/check_links.py", pages)


def main():
    parser = argparse.ArgumentParser()
    for name in ("build-dir", "source-dir"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    for name in ("cmake", "generator", "compiler"):
        parser.add_argument(f"--{name}", required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder).resolve()
        prefix = work / "prefix"
        run(options.cmake, "--install", options.build_dir, "--prefix", prefix)
        check_program(prefix, work)
        check_documentation(options, prefix)
        check_snippets(options, prefix, work)
        write_data(work / "sets/mnist")
        os.environ["SPIKELOOM_DATA_DIR"] = str(work / "sets")
        consumer = check_library(options, prefix, work)
        check_pages_name_everything(prefix, work / "program-exact")
        check_numpy_reader(prefix, consumer, work)
        check_training_loop(options, prefix, work)
        check_runtime(options, prefix, consumer, work)


if __name__ == "__main__":
    main()
