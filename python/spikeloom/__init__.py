"""Spikeloom from Python: trained spiking networks, event recordings and runs, as NumPy arrays.

    model = spikeloom.Model("runs/mine")          # a run's folder or a model file
    model.predict(sample)                         # [T, H, W, C] -> votes of each class
    stream = model.stream()                       # state is kept from step to step
    spikeloom.read_events("recording.raw")        # any format -> structured array with x, y, t, p
    spikeloom.Run("runs/mine").metrics            # what a training wrote

Python and ctypes alone, on libspikeloom_runtime and libspikeloom_events. spikeloom.torch, which is imported by itself,
has the layers as modules of PyTorch.
"""
from ._errors import ArgumentError, Error, FileError, LibraryError, NumericsError
from ._events import EVENT, EventReader, open_events, read_events
from ._model import Model, Prediction, Stream
from ._run import Run
from ._safetensors import read_safetensors

__version__ = "0.1.0"
__all__ = ["ArgumentError", "Error", "EVENT", "EventReader", "FileError", "LibraryError", "Model", "NumericsError",
           "Prediction", "Run", "Stream", "open_events", "read_events", "read_safetensors"]
