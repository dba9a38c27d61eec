"""Folders of runs: what the program wrote, and what is damaged or not there yet."""
import json
import shutil

import numpy as np
import pytest
import spikeloom


def test_a_finished_run(work):
    run = spikeloom.Run(work / "runs/mine")
    assert run.recipe["network"]["structure"] == "8C3(Encoding)-AP2-Voting"
    assert run.recipe["data"]["window_us"] == 1000
    kinds = [line["kind"] for line in run.metrics]
    assert kinds.count("epoch") == 3 and kinds[-1] == "test"
    assert run.finished and run.result["test_accuracy"] == run.metrics[-1]["test_accuracy"]
    assert run.environment["sessions"][0]["threads"] == "1"
    assert run.parameters["conv1.weight"].shape == (8, 2, 3, 3) and run.parameters["voting.class_of"].dtype == np.int32
    assert run.model().class_names == ["left", "right"]


def test_a_run_that_has_not_finished(work, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(work / "runs/mine", folder)
    for name in ("result.json", "model.safetensors"):
        (folder / name).unlink()
    with open(folder / "metrics.jsonl", "a") as file:
        file.write('{"kind": "tra')
    run = spikeloom.Run(folder)
    assert not run.finished and run.result is None and run.metrics[-1]["kind"] == "test"
    assert run.model_path.name == "checkpoint.safetensors"
    kept = spikeloom.Run(work / "runs/mine").parameters
    assert run.parameters.keys() == kept.keys()
    assert all(np.array_equal(run.parameters[name], kept[name]) for name in kept)
    (folder / "checkpoint.safetensors").unlink()
    (folder / "metrics.jsonl").unlink()
    bare = spikeloom.Run(folder)
    assert bare.metrics == []
    with pytest.raises(spikeloom.FileError, match="neither"):
        bare.parameters


def test_folders_that_are_no_runs(tmp_path):
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(spikeloom.FileError, match="recipe.toml"):
            spikeloom.Run(path)


@pytest.mark.parametrize("name, content, part", [
    ("recipe.toml", b"= 1", "recipe"), ("recipe.toml", b"\xff", "recipe"), ("result.json", b"{", "result"),
    ("environment.json", b"[" * 100000, "environment"), ("metrics.jsonl", b"{}\n{\n{}\n", "metrics"),
    ("metrics.jsonl", b"[]\n", "metrics"), ("metrics.jsonl", b"\xff\n", "metrics")])
def test_damaged_files_are_named(work, tmp_path, name, content, part):
    (tmp_path / "recipe.toml").write_text("")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(spikeloom.FileError, match=name.replace(".", r"\.")):
        getattr(spikeloom.Run(tmp_path), part)


def test_a_line_that_is_damaged_is_numbered(tmp_path):
    (tmp_path / "recipe.toml").write_text("")
    (tmp_path / "metrics.jsonl").write_text(json.dumps({"kind": "epoch"}) + "\n}\n")
    with pytest.raises(spikeloom.FileError, match="line 2"):
        spikeloom.Run(tmp_path).metrics
