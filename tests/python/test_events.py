"""Recordings against the program's csv, and against what was written into them."""
import ctypes
import io

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
    with pytest.raises(spikeloom.FileError):
        spikeloom.read_events(file, columns="p,x,y,t", time_unit="s", sensor=(10, 10))
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
                          ({"columns": "a"}, "columns"), ({"sensor": (-1, 2)}, "width"), ({"recording": -1}, "from 0")):
        with pytest.raises(spikeloom.ArgumentError, match=text):
            spikeloom.read_events(recording, **options)
    with pytest.raises(spikeloom.ArgumentError, match="capacity"):
        spikeloom.open_events(recording).read(0)
    (tmp_path / "text").write_bytes(b"\xff\x00no events")
    for path in (tmp_path / "none", tmp_path / "text", tmp_path):
        with pytest.raises(spikeloom.FileError):
            spikeloom.read_events(path)


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
