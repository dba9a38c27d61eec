"""Graphs of NIR that are no frames, or that something is wrong with: made here with h5py."""
import json
import subprocess

import numpy as np
import pytest

h5py = pytest.importorskip("h5py", reason="h5py (python3-h5py) is not installed")

import spikeloom
from conftest import PROGRAM

IF = {"type": "IF", "r": np.ones(2), "v_threshold": np.ones(2), "v_reset": np.zeros(2)}


def write_graph(path, nodes, metadata=None):
    """A chain of nodes, each a dict of its parameters, between "input" and "output" of these shapes."""
    names = list(nodes)
    with h5py.File(path, "w") as file:
        file["version"] = "1.0.6"
        node = file.create_group("node")
        node["type"] = "NIRGraph"
        node["edges"] = np.array(list(zip(names, names[1:])), dtype=h5py.string_dtype())
        for name, parameters in nodes.items():
            for key, value in parameters.items():
                node[f"nodes/{name}/{key}"] = value
        for key, value in (metadata or {}).items():
            node[f"metadata/{key}"] = value
    return path


def end(kind, *shape):
    return {"type": kind, "shape": np.array(shape)}


def program(*arguments):
    result = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True)
    return result.returncode, result.stdout, result.stderr


def of_program(graph, *arguments):
    code, out, err = program("predict", graph, *arguments, "--json")
    assert code == 0, err
    return [np.float32(one["votes"]) for one in json.loads(out)["predictions"]]


@pytest.fixture
def conv1d(tmp_path):
    """[2, 6] -> 3 filters of 3 -> [3, 4] -> 12 -> 4, and its weights."""
    random = np.random.default_rng(1)
    filters, affine = random.normal(size=(3, 2, 3)), random.normal(size=(4, 12))
    one, none = np.array([1]), np.array([0])
    path = write_graph(tmp_path / "conv1d.nir", {
        "input": end("Input", 2, 6),
        "conv": {"type": "Conv1d", "weight": filters, "bias": np.zeros(3), "stride": one, "padding": none,
                 "dilation": one, "groups": 1, "input_shape": 6},
        "flat": {"type": "Flatten", "start_dim": 0, "end_dim": -1, "input_type": np.array([3, 4])},
        "fc": {"type": "Affine", "weight": affine, "bias": np.zeros(4)},
        "output": end("Output", 4)}, {"steps": "3"})
    return path, filters, affine


def test_signals_are_given_as_conv1d_takes_them(conv1d, tmp_path):
    path, filters, affine = conv1d

    def expected(step):
        windows = np.lib.stride_tricks.sliding_window_view(step, 3, axis=1)  # [C, positions, k]
        return affine @ np.einsum("fck,cpk->fp", filters, windows).ravel()

    model = spikeloom.Model(path)
    assert (model.input_shape, model.num_steps) == ((2, 6), 3)
    sample = np.random.default_rng(2).normal(size=(5, 2, 6)).astype(np.float32)
    votes = np.mean([expected(step) for step in sample], axis=0)
    assert model.predict(sample).votes == pytest.approx(votes, rel=1e-5)
    assert model.predict(sample).steps == 5
    still = model.predict(sample[0])
    assert still.steps == 3 and still.votes == pytest.approx(expected(sample[0]), rel=1e-5)
    stream = model.stream()
    assert [stream.step(step) for step in sample][-1].votes == pytest.approx(votes, rel=1e-5)
    for wrong in (sample[:, :, :5], sample.transpose(0, 2, 1), sample[None], sample[:0]):
        with pytest.raises(spikeloom.ArgumentError, match=r"\[2, 6\] \(channels, length\)"):
            model.predict(wrong)
    with pytest.raises(spikeloom.ArgumentError, match="a step is"):
        stream.step(sample)
    # The program reads the same from files.
    for name, array in (("many.npy", sample), ("one.npy", sample[0]), ("double.npy", sample.astype(float))):
        np.save(tmp_path / name, array)
    many, one, double = of_program(path, *(tmp_path / name for name in ("many.npy", "one.npy", "double.npy")))
    assert np.array_equal(many, model.predict(sample).votes) and np.array_equal(double, many)
    assert np.array_equal(one, still.votes)


def test_arrays_that_do_not_fit_a_graph_are_refused(conv1d, tmp_path):
    path = conv1d[0]
    cut = tmp_path / "cut.npy"
    np.save(cut, np.zeros((2, 6)))
    cut.write_bytes(cut.read_bytes()[:-8])
    for name, array, code, text in (
            ("turned.npy", np.zeros((5, 6, 2)), 3, "[5, 6, 2], the graph takes [2, 6]"),
            ("fortran.npy", np.asfortranarray(np.zeros((2, 6))), 3, "Fortran order"),
            ("nan.npy", np.full((2, 6), np.nan), 4, "element 0"),
            ("text.npy", np.full((2, 6), "a"), 3, "not an array of numbers"), (cut.name, None, 3, "ends 8 bytes")):
        if array is not None:
            np.save(tmp_path / name, array)
        got, out, err = program("predict", path, tmp_path / name)
        assert (got, out) == (code, "") and text in err and err.count("\n") == 1, (name, err)


def test_lists_of_values_have_one_axis(tmp_path):
    path = write_graph(tmp_path / "list.nir", {"input": end("Input", 2), "n": IF, "output": end("Output", 2)})
    model = spikeloom.Model(path)
    values = np.array([[2.0, 0.0], [2.0, 0.5], [0.0, 0.6]])
    assert model.input_shape == (1, 1, 2)
    for sample in (values, values[:, None, None]):
        assert model.predict(sample).votes == pytest.approx([2 / 3, 1 / 3])
    assert model.stream().step(values[0]).votes.tolist() == [1.0, 0.0]
    np.save(tmp_path / "values.npy", values)
    assert of_program(path, tmp_path / "values.npy")[0] == pytest.approx([2 / 3, 1 / 3])


def test_values_that_overflow_are_an_error(tmp_path):
    big = {"type": "Scale", "scale": np.full(2, 1e200)}
    path = write_graph(tmp_path / "big.nir", {"input": end("Input", 2), "a": big, "b": big, "n": IF,
                                              "output": end("Output", 2)})
    with pytest.raises(spikeloom.NumericsError, match="node 'n'"):
        spikeloom.Model(path).predict(np.ones((3, 2)))
    np.save(tmp_path / "ones.npy", np.ones((3, 2)))
    code, out, err = program("predict", path, tmp_path / "ones.npy")
    assert (code, out) == (4, "") and "node 'n' (IF)" in err, err
    # Votes are floats, what a graph gives are doubles.
    path = write_graph(tmp_path / "large.nir", {"input": end("Input", 2), "a": big, "output": end("Output", 2)})
    with pytest.raises(spikeloom.NumericsError, match="a float"):
        spikeloom.Model(path).predict(np.ones((3, 2)))
    code, out, err = program("predict", path, tmp_path / "ones.npy")
    assert (code, out) == (4, "") and "a float" in err, err


def test_metadata_without_meaning_is_asked_about(tmp_path):
    nodes = {"input": end("Input", 2), "n": IF, "output": end("Output", 2)}
    np.save(tmp_path / "ones.npy", np.ones((3, 2)))
    for metadata, option, text in (({"dt": "-1"}, ("--bin-us", 1000), "dt = '-1'"), ({"dt": 0.0}, ("--bin-us", 5), "dt"),
                                   ({"reset": "soft"}, ("--reset", "zero"), "reset = 'soft'")):
        path = write_graph(tmp_path / "odd.nir", nodes, metadata)
        with pytest.raises(spikeloom.FileError, match="graph="):
            spikeloom.Model(path)
        assert spikeloom.Model(path, graph={}).predict(np.ones((3, 2))).votes.any()
        code, out, err = program("predict", path, tmp_path / "ones.npy")
        assert (code, out) == (3, "") and text in err and str(option[0]) in err, err
        assert of_program(path, tmp_path / "ones.npy", *option)[0].any()


def test_a_file_that_is_being_written_is_said_to_be(tmp_path):
    path = tmp_path / "held.nir"
    with h5py.File(path, "w") as file:
        file["version"] = "1.0.6"
        for flush in (False, True):
            if flush:
                file.flush()
            with pytest.raises(spikeloom.FileError, match="another program has it open for writing"):
                spikeloom.Model(path) if flush else spikeloom.read_events(path)
            code, _, err = program("predict", path, "x.npy")
            assert code == 3 and "open for writing" in err, err
    # Written by a program that ended without closing it.
    marked = tmp_path / "marked.nir"
    with h5py.File(marked, "w", libver="latest") as file:
        file["version"] = "1.0.6"
        file.flush()
        left_behind = marked.read_bytes()
    marked.write_bytes(left_behind)
    code, _, err = program("info", marked)
    assert code == 3 and "h5clear" in err, err
