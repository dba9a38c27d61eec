"""Recordings against the program's csv, and against what was written into them."""
import copy
import ctypes
import io
import pickle
import struct

import numpy as np
import pytest
import spikeloom
from conftest import run_program


def test_fields_are_those_of_tonic(work):
    events = spikeloom.read_events(work / "recording.npy")
    k = np.arange(43)
    assert events.dtype == np.dtype([("x", np.int16), ("y", np.int16), ("t", np.int64), ("p", bool)])
    for name, values in (("x", np.full(43, 20)), ("y", k % 20), ("t", 100 * k), ("p", k % 2 == 1)):
        assert np.array_equal(events[name], values), name


@pytest.mark.parametrize("name", ["evt3", "dat", "aedat2", "atis-bin"])
def test_formats_are_detected(work, tmp_path, name):
    file = tmp_path / name
    run_program("convert", work / "recording.npy", file, "--to", name, "--sensor", "24x20")
    csv = run_program("convert", file, "-", "--to", "csv")
    columns = next(line for line in csv.splitlines() if not line.startswith("#")).split(",")
    expected = np.genfromtxt(io.StringIO("\n".join(line for line in csv.splitlines() if line[0].isdigit())),
                             delimiter=",", dtype=int).T
    events = spikeloom.read_events(file)
    for values, field in zip(expected, columns):
        assert np.array_equal(events[field], values), (name, field)


def test_pieces_are_the_recording(work):
    whole = spikeloom.read_events(work / "recording.npy")
    reader = spikeloom.open_events(work / "recording.npy", sensor=(24, 20))
    assert (reader.width, reader.height, reader.num_recordings, reader.dropped) == (24, 20, 1, 0)
    pieces = []
    while len(piece := reader.read(10)):
        assert len(piece) <= 10
        pieces.append(piece)
    assert len(pieces) >= 5 and np.array_equal(np.concatenate(pieces), whole)
    assert "npy" in reader.format


def test_options_reach_the_reader(tmp_path):
    file = tmp_path / "mine.csv"
    file.write_text("1,5,6,0.002\n0,7,90,0.003\n")
    events = spikeloom.read_events(file, columns="p,x,y,t", time_unit="s")
    assert events.tolist() == [(5, 6, 2000, True), (7, 90, 3000, False)]
    with pytest.raises(spikeloom.FileError) as refused:
        spikeloom.read_events(file, columns="p,x,y,t", time_unit="s", sensor=(10, 10))
    text = str(refused.value)  # names what is set here, neither options of the program nor keys of recipes
    assert "sensor=(width, height)" in text and "drop_outside" in text and "--" not in text and "data." not in text
    reader = spikeloom.open_events(file, columns="p,x,y,t", time_unit="ms", sensor=(10, 10), drop_outside=True)
    assert [len(piece) for piece in reader] == [1] and reader.dropped == 1


def test_a_recording_that_was_cut_off(work, tmp_path):
    file = tmp_path / "cut.dat"
    run_program("convert", work / "recording.npy", file, "--to", "dat", "--sensor", "24x20")
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(spikeloom.FileError, match="cut.dat"):
        spikeloom.read_events(file)
    reader = spikeloom.open_events(file, partial=True)
    assert sum(map(len, reader)) == 42 and reader.unread_bytes == 5


def test_an_empty_recording_is_an_empty_array(tmp_path):
    (tmp_path / "empty.csv").write_text("t,x,y,p\n")
    events = spikeloom.read_events(tmp_path / "empty.csv", time_unit="us", sensor=(4, 4))
    assert events.shape == (0,) and events.dtype == spikeloom.EVENT


def test_coordinates_beyond_16_bits_are_refused(tmp_path):
    (tmp_path / "wide.csv").write_text("t,x,y,p\n1,40000,2,0\n")
    with pytest.raises(spikeloom.FileError, match="40000"):
        spikeloom.read_events(tmp_path / "wide.csv", time_unit="us")


def test_what_is_wrong_is_said(work, tmp_path):
    recording = work / "recording.npy"
    for options, text in (({"format": "none"}, "none"), ({"time_unit": "h"}, "time_unit"),
                          ({"columns": "a"}, "columns"), ({"sensor": (-1, 2)}, "width"), ({"recording": -1}, "from 0"),
                          ({"sensor": (34, 0)}, "height is 0"), ({"sensor": (70000, 34)}, "width is 70000"),
                          ({"sensor": "34x34"}, "sensor is .* not '34x34'"), ({"sensor": (1, 2, 3)}, "sensor is"),
                          ({"sensor": 34}, "sensor is"), ({"sensor": (1.5, 2)}, "sensor is"),
                          ({"recording": "1"}, "from 0"), ({"foo": 1}, "no option foo; there are format, sensor"),
                          ({"chip": "dvs128"}, "for which chip means nothing")):
        with pytest.raises(spikeloom.ArgumentError, match=text) as refused:
            spikeloom.read_events(recording, **options)
        assert "\n" not in str(refused.value) and "open_events" not in str(refused.value)
    assert len(spikeloom.read_events(recording, sensor=(0, 0))) == 43  # as a reader has it where nothing says it
    for capacity in (0, "x"):
        with pytest.raises(spikeloom.ArgumentError, match="capacity"):
            spikeloom.open_events(recording).read(capacity)
    with pytest.raises(spikeloom.ArgumentError, match="a path is"):
        spikeloom.read_events(5)
    with pytest.raises(spikeloom.FileError, match="the path is empty"):
        spikeloom.read_events("")
    (tmp_path / "text").write_bytes(b"\xff\x00no events")
    for path in (tmp_path / "none", tmp_path / "text", tmp_path):
        with pytest.raises(spikeloom.FileError):
            spikeloom.read_events(path)


@pytest.mark.parametrize("name", ["npy", "npz", "csv", "evt3", "dat", "aedat2", "atis-bin", "packed"])
def test_a_recording_that_a_file_does_not_hold_is_refused(work, tmp_path, name):
    file = work / "recording.npy"
    if name != "npy":
        file = tmp_path / f"one.{name}"
        if name == "npz":
            np.savez(file, events=np.load(work / "recording.npy"))
        elif name == "packed":
            file.write_bytes(packed(24, 20))
        else:
            run_program("convert", work / "recording.npy", file, "--to", name, "--sensor", "24x20")
    assert len(spikeloom.read_events(file, recording=0)) > 0
    with pytest.raises(spikeloom.ArgumentError, match="holds 1 recording; there is no number 5"):
        spikeloom.read_events(file, recording=5)


def packed(width, height):
    """A file of one event at (3, 4)."""
    return b"SPKEVT1\n" + struct.pack("<HHI", width, height, 0) + struct.pack("<qHHI", 10, 3, 4, 1)


def test_half_a_sensor_in_a_packed_header_is_damage(tmp_path):
    file = tmp_path / "one"
    file.write_bytes(packed(0, 0))
    assert spikeloom.read_events(file).tolist() == [(3, 4, 10, True)]
    for width, height in ((34, 0), (0, 34)):
        file.write_bytes(packed(width, height))
        with pytest.raises(spikeloom.FileError, match=f"{width} x {height} pixels"):
            spikeloom.read_events(file)


def test_a_recording_of_several_is_one_of_them(tmp_path):
    h5py = pytest.importorskip("h5py", reason="h5py (python3-h5py) is not installed")
    file = tmp_path / "spikes.h5"
    with h5py.File(file, "w") as spikes:
        for name, kind, lists in (("times", np.float32, [[0.1], [0.1, 0.2]]), ("units", np.int64, [[3], [4, 5]])):
            data = spikes.create_dataset(f"spikes/{name}", (2,), h5py.vlen_dtype(kind))
            for k, values in enumerate(lists):
                data[k] = np.array(values, kind)
    assert [len(spikeloom.read_events(file, recording=k)) for k in (0, 1)] == [1, 2]
    with pytest.raises(spikeloom.ArgumentError, match="holds 2 recordings; there is no number 2"):
        spikeloom.read_events(file, recording=2)
    with pytest.raises(spikeloom.FileError, match="holds 2 recordings; there is no number 2"):
        spikeloom.read_events(f"{file}:2")
    with pytest.raises(spikeloom.ArgumentError, match="names recording 0"):
        spikeloom.read_events(f"{file}:0", recording=1)


def test_readers_are_not_copied(work):
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(spikeloom.ArgumentError, match="open the recording again from its path"):
            copied(spikeloom.open_events(work / "recording.npy"))


def test_sizes_that_are_none_are_refused_by_the_interface(work):
    from spikeloom._library import EventOptions, events
    library, handle = events(), ctypes.c_void_p(1)
    for width, height in ((34, 0), (0, 34), (-1, 34), (65537, 34), (34, 1 << 30)):
        options = EventOptions(size=ctypes.sizeof(EventOptions), width=width, height=height)
        assert library.open(bytes(work / "recording.npy"), ctypes.byref(options), ctypes.byref(handle)) == 1
        assert f"{width} x {height} pixels" in library.last_error().decode() and not handle.value


def test_the_interface_refuses_what_it_cannot_know(work):
    from spikeloom._library import EventOptions, events
    library, handle = events(), ctypes.c_void_p(1)
    path, later = bytes(work / "recording.npy"), ctypes.sizeof(EventOptions) + 8
    for size, text in ((0, "size"), (later, "later version")):
        options = EventOptions(size=size)
        assert library.open(path, ctypes.byref(options), ctypes.byref(handle)) == 1 and not handle.value
        assert text in library.last_error().decode()
    assert library.open(None, None, ctypes.byref(handle)) == 1 and library.open(path, None, None) == 1
    earlier = EventOptions(size=EventOptions.width.offset, format=b"npy", width=-5)  # the width is not read
    assert library.open(path, ctypes.byref(earlier), ctypes.byref(handle)) == 0
    count = ctypes.c_size_t(7)
    assert library.read(handle, None, 5, ctypes.byref(count)) == 1 and count.value == 0
    library.free(handle)
