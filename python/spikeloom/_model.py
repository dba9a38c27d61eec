"""Trained networks: one prediction, or a stream whose state is kept."""
import collections.abc
import ctypes
import dataclasses
import numbers
import threading
import weakref

import numpy as np

from ._errors import ArgumentError, NumericsError
from ._events import as_array, to_raw
from ._library import Event, GraphOptions, NotCopied, path_bytes, runtime


@dataclasses.dataclass(frozen=True, eq=False)
class Prediction:
    """What a network says of a sample, or of a stream so far."""
    votes: np.ndarray  #: float32 [classes]: the mean spike of each class's neurons; a copy
    index: int  #: the class of the highest vote, of equal ones the lowest; -1 where all votes are 0: no votes
    name: str  #: of that class; None where there are no votes
    runner_up: int  #: the best of the other classes; -1 where there is none, or no votes
    steps: int  #: that were run

    @property
    def share(self):
        """The class's share of all votes; None where votes are no shares: negative ones, or none at all."""
        total = float(self.votes.sum(dtype=np.float64))
        return None if self.index < 0 or total <= 0.0 or (self.votes < 0).any() else float(self.votes[self.index]) / total


def _as_floats(values):
    array = as_array(values)
    if array.dtype.names is not None:
        raise ArgumentError("these are events: Stream.add_events() takes them, a step at a time")
    if array.dtype.kind not in "biuf":
        raise ArgumentError(f"the values are numbers, not {array.dtype}")
    with np.errstate(over="ignore"):
        floats = np.ascontiguousarray(array, np.float32)
    if array.dtype.kind == "f" and array.dtype.itemsize > 4:
        lost = np.isinf(floats) & np.isfinite(array)
        if lost.any():
            at = int(lost.argmax())
            raise NumericsError(f"input[{at}] is {array.flat[at]:g}, beyond 10^9 and the largest float")
    return floats


class _Layout:
    """How a step is given: frames (height, width, channels), or what a graph takes that is no frame, (channels, length)
    or (channels,)."""

    def __init__(self, rank, height, width, channels):
        self.frame = (height, width, channels)
        #: what a step may be; the first is Model.input_shape
        self.shapes = [(channels, width)] if rank == 2 else [self.frame, (channels,)] if rank == 1 else [self.frame]
        self.moves_axes = rank == 2
        axes = "channels, length" if rank == 2 else "height, width, channels"
        self.text = f"[{', '.join(map(str, self.shapes[0]))}] ({axes})"

    def array(self, values, what, most_steps):
        """As C takes it: steps of [height, width, channels]. most_steps: 0 or 1 axes before those of a step."""
        array = _as_floats(values)
        for shape in self.shapes:
            if array.ndim - len(shape) in range(most_steps + 1) and array.shape[array.ndim - len(shape):] == shape \
                    and array.size:
                return np.ascontiguousarray(np.moveaxis(array, -2, -1)) if self.moves_axes else array
        raise ArgumentError(f"{what} {self.text}, not {list(array.shape)}")


def _graph_options(given):
    numbers_of, flags = ("dt", "v_min"), ("subtract", "exponential", "several_spikes")
    if not isinstance(given, collections.abc.Mapping):
        raise ArgumentError(f"graph is a dict of {', '.join(numbers_of + flags)}, not {given!r}")
    unknown = [str(name) for name in given if name not in numbers_of + flags]
    if unknown:
        raise ArgumentError(f"graph: there is no {', '.join(unknown)}; there are {', '.join(numbers_of + flags)}")
    values = {}
    for name, value in given.items():
        if value is None:
            continue
        if name in flags and not isinstance(value, (numbers.Integral, np.bool_)):
            raise ArgumentError(f"graph: {name} is True or False, not {value!r}")
        if name in numbers_of and not isinstance(value, numbers.Real):
            raise ArgumentError(f"graph: {name} is a number, not {value!r}")
        try:
            values[name] = bool(value) if name in flags else float(value)
        except OverflowError:
            raise ArgumentError(f"graph: {name} is too large") from None
    return GraphOptions(size=ctypes.sizeof(GraphOptions), has_v_min="v_min" in values, **values)


def _pointer(array):
    return array.ctypes.data_as(ctypes.POINTER(ctypes.c_float))


class Model(NotCopied):
    """A trained network, which never changes: any number of threads may use it.

    path: a model file, a checkpoint, the folder of a run (its kept model), or a graph of NIR. Raises FileError for a file
    that is not there, is damaged, or is no model.
    graph: how a graph of NIR is stepped, any of dt (seconds), subtract, exponential, several_spikes, v_min, with the
    meaning of spikeloom_graph_options (docs/nir.md). None: as its metadata says, else by the defaults.
    """
    AGAIN = "load the model again from its path"

    def __init__(self, path, graph=None):
        self._library = runtime()
        handle = ctypes.c_void_p()
        if graph is None:
            status = self._library.model_load(path_bytes(path), ctypes.byref(handle))
        else:
            options = _graph_options(graph)
            status = self._library.graph_load(path_bytes(path), ctypes.byref(options), ctypes.byref(handle))
        self._library.check(status)
        self._handle = handle
        weakref.finalize(self, self._library.model_free, handle)
        self._layout = _Layout(self._library.model_input_rank(handle), self._library.model_height(handle),
                               self._library.model_width(handle), self._library.model_channels(handle))
        #: of a step: (height, width, channels); (channels, length) of a graph that takes that
        self.input_shape = self._layout.shapes[0]
        #: steps of a sample of the training; 0 where a graph does not say it
        self.num_steps = self._library.model_num_steps(handle)
        #: length of a step of the training in microseconds; 0 for images and other ways of slicing
        self.window_us = self._library.model_window_us(handle)
        self.class_names = [self._library.model_class_name(handle, k).decode(errors="replace")
                            for k in range(self._library.model_num_classes(handle))]
        self._of_thread = threading.local()

    def predict(self, values):
        """The Prediction for one sample: numbers of shape [T, height, width, channels], or one image [height, width,
        channels], shown for num_steps steps (of a graph that does not say them: for one). A graph of [channels, length],
        as one that begins with a Conv1d, takes [T, channels, length] or [channels, length], one of [channels] also [T,
        channels] or [channels]. Values are taken as they are: counts of events, or pixels prepared as those of the
        training (divided by 255, standardised). Raises ArgumentError for another shape, NumericsError for values that
        are not finite."""
        steps = ", ".join(map(str, self.input_shape))
        array = self._layout.array(values, f"a sample is [T, {steps}], or one step", 1)
        if not hasattr(self._of_thread, "stream"):
            self._of_thread.stream = self.stream()
        return self._of_thread.stream._run(array)

    def stream(self):
        """A new Stream, from its beginning."""
        return Stream(self._library, self._handle, self._layout, self.class_names)


class Stream(NotCopied):
    """A network's state, which goes on from step to step until reset(). Made by Model.stream(); used by one thread at a
    time."""
    AGAIN = "load the model again from its path, and make a stream of it"

    def __init__(self, library, model, layout, class_names):
        self._library, self._layout, self._class_names = library, layout, class_names
        handle = ctypes.c_void_p()
        library.check(library.session_new(model, ctypes.byref(handle)))
        self._handle = handle
        weakref.finalize(self, library.session_free, handle)

    def reset(self):
        """Back to the beginning: all state and votes are 0, events that wait for their step are forgotten."""
        self._library.check(self._library.session_reset(self._handle))

    def step(self, values):
        """One step: numbers of the model's input_shape -> the Prediction of all steps so far. Raises as
        Model.predict(); the state is then as it was."""
        array = self._layout.array(values, "a step is", 0)
        self._library.check(self._library.session_step(self._handle, _pointer(array), array.size))
        return self.prediction()

    def add_events(self, events):
        """Adds events to the step that is being gathered: a structured array with x, y and p, as read_events() gives.
        Times are not read. Events outside of the network's frame are counted (events_outside), not added."""
        raw = to_raw(events)
        self._library.check(self._library.session_add_events(
            self._handle, raw.ctypes.data_as(ctypes.POINTER(Event)), raw.size))

    def end_step(self):
        """Runs the step of the events that were added since the last one -> the Prediction of all steps so far."""
        self._library.check(self._library.session_end_step(self._handle))
        return self.prediction()

    def prediction(self):
        """The Prediction of all steps since reset()."""
        votes = np.ctypeslib.as_array(self._library.session_votes(self._handle), (len(self._class_names),)).copy()
        index = self._library.session_best(self._handle)
        name = self._class_names[index] if index >= 0 else None
        return Prediction(votes, index, name, self._library.session_runner_up(self._handle),
                          self.steps)

    @property
    def steps(self):
        """Steps since reset()."""
        return self._library.session_steps(self._handle)

    @property
    def events_outside(self):
        """Events since reset() that lay outside of the network's frame."""
        return self._library.session_events_outside(self._handle)

    def _run(self, array):
        self._library.check(self._library.session_run(self._handle, _pointer(array), array.size))
        return self.prediction()
