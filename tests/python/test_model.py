"""Model and Stream against the program."""
import concurrent.futures
import copy
import ctypes
import gc
import pathlib
import pickle
import re

import numpy as np
import pytest
import spikeloom
from conftest import predictions_of_program, run_program
from spikeloom._library import find


@pytest.fixture(scope="module")
def of_images(work):
    return spikeloom.Model(work / "runs/images")


@pytest.fixture(scope="module")
def of_events(work):
    return spikeloom.Model(work / "runs/mine/model.safetensors")


def same(prediction, expected):
    if expected["class"] is None:  # no votes
        return (prediction.index, prediction.name, prediction.share) == (-1, None, None) and not prediction.votes.any()
    return (prediction.name == expected["class"] and prediction.votes[prediction.index] == np.float32(expected["vote"])
            and prediction.share == pytest.approx(expected["share"], rel=1e-12))


def test_says_what_the_network_takes(of_images, of_events):
    assert (of_images.input_shape, of_images.num_steps, of_images.window_us) == ((28, 28, 1), 3, 0)
    assert (of_events.input_shape, of_events.num_steps, of_events.window_us) == ((20, 24, 2), 4, 1000)
    assert of_events.class_names == ["left", "right"] and len(of_images.class_names) == 10


def test_images_get_the_votes_of_the_program(work, images, of_images):
    indices = [word for i in range(20) for word in ("--index", i)]
    expected = predictions_of_program(work / "runs/images", "--dataset", "mnist", *indices)
    predictions = [of_images.predict(image[..., None] / np.float32(255)) for image in images[200:]]
    assert all(map(same, predictions, expected)), (predictions, expected)
    assert len({one.index for one in predictions}) > 3
    for one in predictions:
        others = np.delete(one.votes, one.index)
        assert one.votes[one.runner_up] == others.max() and one.steps == 3 and one.votes.dtype == np.float32


def test_recordings_get_the_votes_of_the_program(work, of_events):
    stream = of_events.stream()
    for name in ("left", "right"):
        file = work / f"sets/own/test/{name}/4.csv"
        events = spikeloom.read_events(file, sensor=(24, 20), time_unit="us")
        stream.reset()
        frames = np.zeros((4, 20, 24, 2))
        for step in range(4):
            inside = events[events["t"] // 1000 == step]
            prediction, steps = (stream.add_events(inside), stream.end_step())[1], stream.steps
            np.add.at(frames[step], (inside["y"], inside["x"], inside["p"].astype(int)), 1)
            assert steps == step + 1
        expected = predictions_of_program(work / "runs/mine", file)[0]
        assert same(prediction, expected) and same(of_events.predict(frames), expected), (prediction, expected)


def test_a_stream_goes_on_until_it_is_reset(of_events):
    frames = np.random.default_rng(2).poisson(0.3, (6, 20, 24, 2))
    stream = of_events.stream()
    first = [stream.step(frame).votes for frame in frames]
    assert np.array_equal(first[-1], of_events.predict(frames).votes) and stream.steps == 6
    assert not np.array_equal(stream.step(frames[0]).votes, first[0])
    stream.reset()
    silent = stream.prediction()
    assert stream.steps == 0 and not silent.votes.any()
    assert (silent.index, silent.name, silent.share, silent.runner_up) == (-1, None, None, -1)
    assert all(np.array_equal(stream.step(frame).votes, votes) for frame, votes in zip(frames, first))
    assert first[0] is not first[1] and np.array_equal(first[0], of_events.stream().step(frames[0]).votes)


def test_threads_share_a_model(of_events):
    samples = np.random.default_rng(3).poisson(0.3, (40, 4, 20, 24, 2)).astype(np.float32)
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        votes = [one.votes for one in threads.map(of_events.predict, samples)]
    assert all(np.array_equal(one, of_events.predict(sample).votes) for one, sample in zip(votes, samples))


def test_arrays_of_any_type_and_order_are_the_same(of_events):
    frames = np.random.default_rng(4).poisson(0.5, (4, 20, 24, 2))
    votes = of_events.predict(frames).votes
    for other in (frames.astype(np.uint8), frames.astype(">f8"), np.asfortranarray(frames), frames.tolist(),
                  np.repeat(frames, 2, axis=2)[:, :, ::2]):
        assert np.array_equal(of_events.predict(other).votes, votes)


def test_a_stream_outlives_its_model(work):
    stream = spikeloom.Model(work / "runs/mine").stream()
    gc.collect()
    assert stream.step(np.ones((20, 24, 2))).steps == 1


def test_events_outside_of_the_frame_are_counted(of_events):
    stream = of_events.stream()
    events = np.array([(3, 4, 0, 1), (24, 4, 0, 1), (-1, 4, 0, 0), (70000, 4, 0, 0)],
                      [("x", np.int32), ("y", np.int64), ("t", np.int64), ("p", np.uint8)])
    stream.add_events(events)
    frame = np.zeros((20, 24, 2))
    frame[4, 3, 1] = 1
    assert stream.events_outside == 3
    assert np.array_equal(stream.end_step().votes, of_events.stream().step(frame).votes)


def test_what_does_not_fit_is_refused(work, of_events, of_images):
    frames = np.zeros((4, 20, 24, 2))
    events = spikeloom.read_events(work / "recording.npy")
    stream = of_events.stream()
    for call, text in ((lambda: of_events.predict(frames[..., 0]), r"\[T, 20, 24, 2\]"),
                       (lambda: of_events.predict(frames[:0]), "sample"),
                       (lambda: of_events.predict(frames.astype(str)), "numbers"),
                       (lambda: of_events.predict(events), "add_events"),
                       (lambda: stream.step(frames), r"\[20, 24, 2\]"),
                       (lambda: stream.add_events(frames), "x, y and p"),
                       (lambda: stream.add_events(events[["x", "y"]]), "x, y and p"),
                       (lambda: stream.add_events(np.array([(1, 2, -1)], [("x", "i2"), ("y", "i2"), ("p", "i1")])),
                        "polarity")):
        with pytest.raises(spikeloom.ArgumentError, match=text):
            call()
    frames[1, 2, 3, 1] = np.nan
    with pytest.raises(spikeloom.NumericsError, match="finite"):
        of_events.predict(frames)
    assert stream.steps == 0


@pytest.mark.filterwarnings("error")
def test_values_beyond_a_float_are_said_to_be(of_events):
    frames = np.zeros((4, 20, 24, 2))
    for value in (1e300, -1e300):
        frames[1, 2, 3, 1] = value
        with pytest.raises(spikeloom.NumericsError, match=r"e\+300, beyond 10\^9"):
            of_events.predict(frames)
    with pytest.raises(spikeloom.ArgumentError, match="no array"):
        of_events.predict([[1, 2], [3]])


def test_models_and_streams_are_not_copied(of_events):
    for handle in (of_events, of_events.stream()):
        for copied in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(spikeloom.ArgumentError, match="load the model again from its path"):
                copied(handle)


def test_options_of_graphs_are_checked(work):
    for graph, text in (({"dt": "x"}, "dt is a number, not 'x'"), ({"v_min": np.nan}, "v_min must be a finite"),
                        ({"dt": 10**400}, "too large"), ({"subtract": "no"}, "True or False"), ({"foo": 1}, "no foo"),
                        (5, "graph is a dict"), ("dt", "graph is a dict")):
        with pytest.raises(spikeloom.ArgumentError, match=text):
            spikeloom.Model(work / "x.nir", graph=graph)
    for path in (work / "runs/mine", work / "runs/mine/model.safetensors"):
        with pytest.raises(spikeloom.FileError, match="without graph="):
            spikeloom.Model(path, graph={"dt": 1e-3})


def test_every_getter_of_the_headers_takes_null():
    folder = pathlib.Path(__file__).resolve().parents[2] / "spikeloom/runtime"
    kinds = {"int": ctypes.c_int, "int64_t": ctypes.c_int64, "const char*": ctypes.c_char_p,
             "const float*": ctypes.c_void_p}
    called = []
    for library, header in (("libspikeloom_runtime.so.1", "spikeloom.h"),
                            ("libspikeloom_events.so.1", "events/spikeloom_events.h")):
        text = " ".join((folder / header).read_text().split())
        for result, name, more in re.findall(r"SPIKELOOM_API ([\w ]+\*?) (\w+)\(const spikeloom_\w+\* \w+(, int \w+)?\);",
                                             text):
            function = getattr(ctypes.CDLL(find(library)), name)
            function.restype, function.argtypes = kinds[result], [ctypes.c_void_p] + [ctypes.c_int] * bool(more)
            none = None if result.endswith("*") else -1 if name.endswith(("best", "runner_up")) else 0
            assert function(None, *[0] * bool(more)) == none, name
            called.append(name)
    assert len(called) == 19, called


def test_files_that_are_no_models_are_refused(work, tmp_path):
    damaged = bytearray((work / "runs/mine/model.safetensors").read_bytes())
    damaged[-1] ^= 1
    (tmp_path / "damaged").write_bytes(damaged)
    (tmp_path / "graph.nir").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(64))
    for path in (tmp_path / "none", tmp_path / "graph.nir", tmp_path, tmp_path / "damaged", work / "recording.npy", "zero\0byte"):
        with pytest.raises(spikeloom.FileError):
            spikeloom.Model(path)
    for graph in (None, {}):
        with pytest.raises(spikeloom.FileError, match="the path is empty"):
            spikeloom.Model("", graph=graph)
    with pytest.raises(spikeloom.ArgumentError, match="a path is"):
        spikeloom.Model(5)


def test_a_graph_of_nir_is_a_model(work, tmp_path, of_events):
    run_program("export", work / "runs/mine", tmp_path / "mine.nir")
    graph = spikeloom.Model(tmp_path / "mine.nir")
    assert (graph.input_shape, graph.num_steps, graph.window_us) == ((20, 24, 2), 4, 1000)
    assert graph.class_names == ["0", "1"]
    frames = np.random.default_rng(6).poisson(0.5, (4, 20, 24, 2))
    expected = of_events.predict(frames)
    assert expected.votes.any()
    stream = graph.stream()
    for said in (graph.predict(frames), [stream.step(frame) for frame in frames][-1]):
        assert said.votes == pytest.approx(expected.votes, abs=1e-5)
        assert (said.index, said.runner_up, said.steps) == (expected.index, expected.runner_up, 4)
    stream.reset()
    assert stream.prediction().index == -1 and stream.step(frames[0]).steps == 1
    # Stepped otherwise it says something else.
    other = spikeloom.Model(tmp_path / "mine.nir", graph={"dt": 2e-3, "subtract": True})
    assert other.window_us == 2000 and not np.array_equal(other.predict(frames).votes, expected.votes)
    for graph_options, text in (({"dt": -1.0}, "dt must be positive"), ({"reset": "zero"}, "reset")):
        with pytest.raises(spikeloom.ArgumentError, match=text):
            spikeloom.Model(tmp_path / "mine.nir", graph=graph_options)
    with pytest.raises(spikeloom.ArgumentError):
        graph.predict(frames[:, :, :, :1])
    bad = frames.astype(np.float32)
    bad[2, 0, 0, 0] = np.nan
    with pytest.raises(spikeloom.NumericsError, match="finite"):
        graph.predict(bad)
