"""The C libraries: where they are, what their functions take, and their failures as exceptions."""
import ctypes
import functools
import operator
import os
import pathlib
import sysconfig

from ._errors import ArgumentError, Error, FileError, LibraryError, NumericsError

ABI_VERSION = 1  # of spikeloom.h and of spikeloom_events.h
FAILURES = {1: ArgumentError, 2: FileError, 3: NumericsError}


class Event(ctypes.Structure):
    """spikeloom_event."""
    _fields_ = [("t_us", ctypes.c_int64), ("x", ctypes.c_uint16), ("y", ctypes.c_uint16),
                ("polarity", ctypes.c_uint8)]


class EventOptions(ctypes.Structure):
    """spikeloom_event_options."""
    _fields_ = [("size", ctypes.c_size_t), ("format", ctypes.c_char_p), ("width", ctypes.c_int),
                ("height", ctypes.c_int), ("recording", ctypes.c_int64), ("chip", ctypes.c_char_p),
                ("camera", ctypes.c_char_p), ("time_unit", ctypes.c_char_p), ("columns", ctypes.c_char_p),
                ("drop_outside", ctypes.c_int), ("partial", ctypes.c_int)]


class GraphOptions(ctypes.Structure):
    """spikeloom_graph_options."""
    _fields_ = [("size", ctypes.c_size_t), ("dt", ctypes.c_double), ("subtract", ctypes.c_int),
                ("exponential", ctypes.c_int), ("several_spikes", ctypes.c_int), ("has_v_min", ctypes.c_int),
                ("v_min", ctypes.c_double)]


_HANDLE, _TEXT, _INT, _INT64, _SIZE = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int64,
                                       ctypes.c_size_t)
_FLOATS, _EVENTS = ctypes.POINTER(ctypes.c_float), ctypes.POINTER(Event)

# Function -> what it returns, what it takes.
RUNTIME = {
    "version": (_TEXT,),
    "abi_version": (_INT,),
    "last_error": (_TEXT,),
    "model_load": (_INT, _TEXT, ctypes.POINTER(_HANDLE)),
    "graph_load": (_INT, _TEXT, ctypes.POINTER(GraphOptions), ctypes.POINTER(_HANDLE)),
    "model_free": (None, _HANDLE),
    "model_channels": (_INT64, _HANDLE),
    "model_height": (_INT64, _HANDLE),
    "model_width": (_INT64, _HANDLE),
    "model_input_rank": (_INT, _HANDLE),
    "model_num_classes": (_INT, _HANDLE),
    "model_num_steps": (_INT, _HANDLE),
    "model_window_us": (_INT64, _HANDLE),
    "model_class_name": (_TEXT, _HANDLE, _INT),
    "session_new": (_INT, _HANDLE, ctypes.POINTER(_HANDLE)),
    "session_free": (None, _HANDLE),
    "session_reset": (_INT, _HANDLE),
    "session_step": (_INT, _HANDLE, _FLOATS, _SIZE),
    "session_run": (_INT, _HANDLE, _FLOATS, _SIZE),
    "session_add_events": (_INT, _HANDLE, _EVENTS, _SIZE),
    "session_end_step": (_INT, _HANDLE),
    "session_events_outside": (_INT64, _HANDLE),
    "session_steps": (_INT64, _HANDLE),
    "session_votes": (_FLOATS, _HANDLE),
    "session_best": (_INT, _HANDLE),
    "session_runner_up": (_INT, _HANDLE),
}
EVENTS = {
    "abi_version": (_INT,),
    "last_error": (_TEXT,),
    "open": (_INT, _TEXT, ctypes.POINTER(EventOptions), ctypes.POINTER(_HANDLE)),
    "free": (None, _HANDLE),
    "format": (_TEXT, _HANDLE),
    "width": (_INT, _HANDLE),
    "height": (_INT, _HANDLE),
    "num_recordings": (_INT64, _HANDLE),
    "read": (_INT, _HANDLE, _EVENTS, _SIZE, ctypes.POINTER(_SIZE)),
    "dropped": (_INT64, _HANDLE),
    "unread_bytes": (_INT64, _HANDLE),
}


def find(file_name):
    """Where a library is: in the folder SPIKELOOM_LIBRARY_DIR; beside this package, where both were installed under one
    prefix; else its name alone, which the loader looks for."""
    folder = os.environ.get("SPIKELOOM_LIBRARY_DIR")
    if folder:
        path = pathlib.Path(folder, file_name)
        if not path.exists():
            raise LibraryError(f"{path} is not there; SPIKELOOM_LIBRARY_DIR names the folder of Spikeloom's libraries")
        return str(path)
    triplet = sysconfig.get_config_var("MULTIARCH") or ""
    for parent in list(pathlib.Path(__file__).resolve().parents)[1:5]:
        for path in (parent / file_name, parent / triplet / file_name):
            if path.exists():
                return str(path)
    return file_name


class Library:
    """A C library whose functions are called without their common prefix; a status that is not 0 is raised."""

    def __init__(self, file_name, prefix, functions):
        try:
            library = ctypes.CDLL(find(file_name))
            for name, (result, *arguments) in functions.items():
                function = getattr(library, prefix + name)
                function.restype, function.argtypes = result, arguments
                setattr(self, name, function)
        except (OSError, AttributeError) as error:
            raise LibraryError(f"{file_name} cannot be used ({error}); install Spikeloom's runtime, or let "
                               "SPIKELOOM_LIBRARY_DIR name the folder that has it") from None
        if self.abi_version() != ABI_VERSION:
            raise LibraryError(f"{file_name} has the interface {self.abi_version()}, this package is for "
                               f"{ABI_VERSION}: install the two of one version")

    def check(self, status):
        """Raises what a status stands for."""
        if status != 0:
            text = self.last_error().decode(errors="replace")
            for before in ("(", "with "):  # members of EventOptions: open_events() takes them as one
                text = text.replace(before + "width and height", before + "sensor=(width, height)")
            raise FAILURES.get(status, Error)(text)


@functools.lru_cache(maxsize=None)
def runtime():
    return Library("libspikeloom_runtime.so.1", "spikeloom_", RUNTIME)


@functools.lru_cache(maxsize=None)
def events():
    return Library("libspikeloom_events.so.1", "spikeloom_events_", EVENTS)


def whole_number(value, what):
    """An int of Python or NumPy as an int."""
    try:
        return operator.index(value)
    except TypeError:
        raise ArgumentError(f"{what}, not {value!r}") from None


class NotCopied:
    """What lives in a library, which neither pickle nor copy can carry elsewhere."""

    def __reduce_ex__(self, protocol):
        raise ArgumentError(f"a {type(self).__name__} cannot be pickled or copied: {self.AGAIN}")


def path_bytes(path):
    """A path as C takes it."""
    try:
        name = os.fsencode(path)
    except (TypeError, ValueError):
        raise ArgumentError(f"a path is a text, bytes or a pathlib.Path, not {path!r}") from None
    if b"\0" in name:
        raise FileError(f"{path!r} is no path: it has a zero byte")
    return name
