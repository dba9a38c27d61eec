"""Event recordings as structured arrays with the field names of tonic."""
import ctypes
import os
import weakref

import numpy as np

from ._errors import ArgumentError, FileError
from ._library import Event, EventOptions, NotCopied, events, path_bytes, whole_number

#: Type of an event, as tonic has it: pixel, time in microseconds, True for brighter.
EVENT = np.dtype([("x", np.int16), ("y", np.int16), ("t", np.int64), ("p", bool)])
#: spikeloom_event.
RAW = np.dtype({"names": ["t", "x", "y", "p"], "formats": ["=i8", "=u2", "=u2", "u1"], "offsets": [0, 8, 10, 12],
                "itemsize": ctypes.sizeof(Event)})
LARGEST = np.iinfo(np.int16).max


class EventReader(NotCopied):
    """A recording that is read in order, a piece at a time: memory does not grow with the file. Made by open_events().
    Iterating gives arrays of EVENT. Used by one thread at a time."""
    AGAIN = "open the recording again from its path"

    def __init__(self, path, options):
        self._library, self._path = events(), path
        handle = ctypes.c_void_p()
        self._library.check(self._library.open(path_bytes(path), ctypes.byref(options), ctypes.byref(handle)))
        self._handle = handle
        weakref.finalize(self, self._library.free, handle)
        #: "EVT 3.0", "AEDAT4", ...
        self.format = self._library.format(handle).decode()
        #: recordings that the file holds
        self.num_recordings = self._library.num_recordings(handle)

    @property
    def width(self):
        """Of the sensor in pixels; 0 where nothing says it."""
        return self._library.width(self._handle)

    @property
    def height(self):
        """Of the sensor in pixels; 0 where nothing says it."""
        return self._library.height(self._handle)

    @property
    def dropped(self):
        """Events outside of the sensor that were left out so far (drop_outside)."""
        return self._library.dropped(self._handle)

    @property
    def unread_bytes(self):
        """Bytes after the last whole event of a recording that was cut off, once all was read (partial)."""
        return self._library.unread_bytes(self._handle)

    def read(self, capacity=65536):
        """Up to `capacity` events; fewer are no sign of the end, only none is. Raises FileError if the file is damaged,
        after the events before the damage have been given."""
        what = "the capacity is a whole number of at least 1"
        capacity = whole_number(capacity, what)
        if capacity < 1:
            raise ArgumentError(f"{what}, not {capacity}")
        raw, count = np.empty(capacity, RAW), ctypes.c_size_t()
        self._library.check(self._library.read(self._handle, raw.ctypes.data_as(ctypes.POINTER(Event)), capacity,
                                               ctypes.byref(count)))
        raw = raw[:count.value]
        for axis in ("x", "y"):
            if raw.size and raw[axis].max() > LARGEST:
                raise FileError(f"{self._path}: {axis} = {raw[axis].max()} is beyond {LARGEST}, the largest that the "
                                "16 bits of tonic's events hold")
        result = np.empty(raw.size, EVENT)
        for name in EVENT.names:
            result[name] = raw[name]
        return result

    def __iter__(self):
        while (piece := self.read()).size:
            yield piece


OPTIONS = ("format", "sensor", "recording", "chip", "camera", "time_unit", "columns", "drop_outside", "partial")


def sensor_size(sensor):
    """(width, height) as two ints."""
    what = "sensor is (width, height), two whole numbers from 1 to 65536"
    try:
        width, height = sensor if not isinstance(sensor, (str, bytes)) else ()
    except (TypeError, ValueError):
        raise ArgumentError(f"{what}, not {sensor!r}") from None
    width, height = whole_number(width, what), whole_number(height, what)
    if (width, height) != (0, 0):  # as a reader has it where nothing says it
        for name, value in (("width", width), ("height", height)):
            if not 1 <= value <= 65536:
                raise ArgumentError(f"{what}; the {name} is {value}")
    return width, height


def open_events(path, *, format=None, sensor=None, recording=0, chip=None, camera=None, time_unit=None, columns=None,
                drop_outside=False, partial=False, **unknown):
    """Opens a recording of any format that Spikeloom reads (docs/formats.md) -> EventReader.

    path: a file, "ARCHIVE:MEMBER" of a zip or tar archive, or "FILE:NUMBER" of an HDF5 file. What the file does not
    say: format ("aedat2", "evt3", ...; else by content), sensor (width, height), recording (which of several), chip,
    camera (name or number), time_unit ("s", "ms", "us", "ns"), columns ("t,x,y,p"). drop_outside leaves out and counts
    events outside of the sensor; partial reads what is whole of a recording that was cut off. Raises FileError,
    ArgumentError.
    """
    def text(value):
        return None if value is None else os.fsencode(str(value))

    if unknown:
        raise ArgumentError(f"there is no option {', '.join(sorted(unknown))}; there are {', '.join(OPTIONS)}")
    width, height = (0, 0) if sensor is None else sensor_size(sensor)
    recording = whole_number(recording, "recordings are whole numbers from 0 on")
    if not 0 <= recording < 2**63:
        raise ArgumentError(f"recordings are counted from 0 on, not {recording}")
    options = EventOptions(ctypes.sizeof(EventOptions), text(format), width, height, recording, text(chip),
                           text(camera), text(time_unit), text(columns), bool(drop_outside), bool(partial))
    return EventReader(path, options)


def read_events(path, **options):
    """A whole recording as a structured array of EVENT, in the order of the file. Options and errors: open_events()."""
    pieces = list(open_events(path, **options))
    return np.concatenate(pieces) if pieces else np.empty(0, EVENT)


def as_array(values):
    try:
        return np.asarray(values)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"the values are no array: {' '.join(str(error).split())}") from None


def to_raw(values):
    """The events of a structured array with x, y and p as C takes them. Pixels that 16 bits do not hold become the
    largest, which no network's frame has."""
    array = as_array(values)
    if array.dtype.names is None or not {"x", "y", "p"} <= set(array.dtype.names) or array.ndim != 1:
        raise ArgumentError("events are a structured array [events] with the fields x, y and p")
    raw = np.zeros(array.shape, RAW)
    for name in ("x", "y", "p"):
        if array[name].dtype.kind not in "biu":
            raise ArgumentError(f"{name} of the events is of type {array[name].dtype}, not an integer")
    for name in ("x", "y"):
        inside = (array[name] >= 0) & (array[name] < 65535)
        raw[name] = np.where(inside, array[name], 65535)
    if not np.isin(array["p"], (0, 1)).all():
        raise ArgumentError("the polarity of an event is 0 or 1")
    raw["p"] = array["p"]
    return raw
