"""README.md of a session: what ran, and its figures as tables."""
import os


def percent(value):
    return "" if value is None else f"{100 * value:.2f} %"


def number(value, digits=0):
    return "" if value is None else f"{value:,.{digits}f}"


def table(head, rows):
    if not rows:
        return []
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)] + [
        "| " + " | ".join(str(cell) for cell in row) + " |" for row in rows] + [""]


def stages(results):
    rows = [(name, state["state"], state.get("seconds", ""), (state.get("reason") or "").strip().split("\n")[0][:160])
            for name, state in results.get("stages", {}).items()]
    return ["## Stages", ""] + table(["stage", "state", "seconds", "reason"], rows)


def tests(results):
    record = results.get("test")
    if not record or "ctest" not in record:
        return []
    ctest = record["ctest"]
    lines = ["## Tests", "", f"`ctest -R '{ctest['pattern']}'`: {ctest['run']} run, {len(ctest['failed'])} failed, "
             f"{len(ctest['skipped'])} skipped."]
    if isinstance(record.get("others"), dict):
        others = record["others"]
        lines += [f"All others: {others['run']} run, failed: {', '.join(others['failed']) or 'none'}."]
    if isinstance(record.get("sanitizer"), list):
        lines += [f"compute-sanitizer {run['tool']}, {run['program']}: {run['summary']}."
                  for run in record["sanitizer"]]
    return lines + [""]


def machine(results):
    lines = []
    if "matrix" in results:
        figures = results["matrix"]
        lines = ["## The machine", "", f"bf16 matrix product {figures['size']} cubed: {figures['tflops']:.1f} TFLOP/s. "
                 f"Copy, bytes read and written: {figures['copy_gb_per_s']:.0f} GB/s.", ""]
    if "kernels" in results:
        lines += ["## Kernels", "", "In results.json, under `kernels`.", ""]
        entries = results["kernels"] if isinstance(results["kernels"], list) else results["kernels"].get("kernels", [])
        if isinstance(entries, list) and entries and isinstance(entries[0], dict):
            keys = [key for key, value in entries[0].items() if isinstance(value, (str, int, float))]
            lines += table(keys, [[f"{entry.get(key):.4g}" if isinstance(entry.get(key), float) else entry.get(key, "")
                                   for key in keys] for entry in entries])
    return lines


def steps(results):
    rows = [(run["network"], run["T"], run["batch"], run["precision"], number(run.get("samples_per_s"), 1),
             number(run.get("step_ms"), 2), number(run.get("tflops"), 2), percent(run.get("share_of_matrix_rate")),
             number(run.get("memory_mb"))) if "failed" not in run else
            (run["network"], run["T"], run["batch"], run["precision"], "failed", "", "", "", "")
            for run in results.get("step", [])]
    lines = ["## Training step", ""] + table(
        ["network", "T", "batch", "precision", "samples/s", "ms", "TFLOP/s", "of the matrix rate", "peak MB"], rows)
    peers = results.get("peers", {})
    if peers.get("rounds"):
        lines += [f"Beside SpikingJelly, {peers['network']}, T {peers['T']}, batch {peers['batch']}, "
                  f"{len(peers['rounds'])} rounds in turns: {peers.get('ratio', 0):.2f} times its fastest variant "
                  f"({peers.get('fastest')}), "
                  f"{peers.get('memory_share', 0):.2f} of its memory.", ""]
        lines += table(["variant", "samples/s", "peak MB", "error"],
                       [(v["name"], number(v.get("samples_per_s"), 1), number(v.get("memory_mb")),
                         v.get("failed", "")[:80]) for v in peers["rounds"][0]["peer"]["variants"]])
    return lines if rows else []


def trainings(results):
    rows = []
    for run in results.get("trainings", []):
        rates = " ".join(f"{rate:.2f}" for rate in (run.get("firing_rates") or {}).values())
        rows.append((run["recipe"], run.get("T", ""), "yes" if run.get("neunorm") else "no", run["seed"],
                     run.get("batch", ""), run["state"], percent(run.get("test_accuracy")),
                     percent(run.get("validation_accuracy")), run.get("selection", ""), number(run.get("steps")),
                     number(run.get("seconds")), number(run.get("seconds_to_90_percent_validation")),
                     number(run.get("samples_per_s")), number(run.get("peak_memory_mb")), rates,
                     (run.get("reason") or "").strip().split("\n")[-1][:120]))
    return ["## Trainings", ""] + table(
        ["recipe", "T", "NeuNorm", "seed", "batch", "state", "test", "validation", "model", "updates", "seconds",
         "seconds to 90 % validation", "samples/s", "peak MB", "firing rates", "reason"], rows) if rows else []


def write(session):
    results = session.results
    environment = results.get("environment", {})
    lines = ["# GPU check", "", f"{environment.get('gpu') or 'No GPU'}; commit {environment.get('commit')}; "
             f"PyTorch {environment.get('pytorch')}; {environment.get('nvcc')}; {environment.get('compiler')}; "
             f"{environment.get('system')}. Written by tools/gpu_check.sh from results.json.", ""]
    for part in (stages, tests, machine, steps, trainings):
        lines += part(results)
    text = "\n".join(lines)
    target = session.out / "README.md"
    part = target.with_suffix(".part")
    part.write_text(text)
    os.replace(part, target)
    return text
