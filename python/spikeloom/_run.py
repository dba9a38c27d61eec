"""The folder of a run: what a training wrote."""
import functools
import json
import pathlib
import tomllib

from ._errors import FileError
from ._model import Model
from ._safetensors import read_safetensors


class Run:
    """The folder of a run (docs/run-folder.md), finished or not. Each file is read when it is asked for, once. Raises
    FileError for a folder that is none of a run, and for files that are damaged."""

    def __init__(self, folder):
        self.path = pathlib.Path(folder)
        if not (self.path / "recipe.toml").is_file():
            raise FileError(f"{folder}: is no folder of a run: it has no recipe.toml")

    @functools.cached_property
    def recipe(self):
        """The resolved recipe, every key: a dict of tables."""
        return self._parse("recipe.toml", tomllib.loads)

    @functools.cached_property
    def metrics(self):
        """The lines of metrics.jsonl as dicts, in their order; a last line that is being written is left out."""
        path = self.path / "metrics.jsonl"
        if not path.exists():
            return []
        lines = self._read("metrics.jsonl").split("\n")[:-1]
        return [self._json(f"metrics.jsonl, line {number}", line) for number, line in enumerate(lines, 1)]

    @property
    def finished(self):
        return (self.path / "result.json").exists()

    @functools.cached_property
    def result(self):
        """result.json as a dict; None before the run has finished."""
        return self._parse("result.json", json.loads) if self.finished else None

    @functools.cached_property
    def environment(self):
        """environment.json as a dict: what the result depends on besides."""
        return self._parse("environment.json", json.loads)

    @property
    def model_path(self):
        """The kept model; of a run that has not finished the checkpoint."""
        for name in ("model.safetensors", "checkpoint.safetensors"):
            if (self.path / name).exists():
                return self.path / name
        raise FileError(f"{self.path}: has neither model.safetensors nor checkpoint.safetensors yet")

    @functools.cached_property
    def parameters(self):
        """The parameters as arrays by name, "conv1.weight" and so on (docs/model-format.md); without the state of an
        optimiser."""
        return {name: values for name, values in read_safetensors(self.model_path)[1].items()
                if not name.startswith("optimizer.")}

    def model(self):
        """The network, to be run: Model(model_path)."""
        return Model(self.model_path)

    def _read(self, name):
        try:
            return (self.path / name).read_text(encoding="utf-8")
        except OSError as error:
            raise FileError(f"{self.path / name}: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise FileError(f"{self.path / name}: is no UTF-8: {error.reason} at byte {error.start}") from None

    def _parse(self, name, parse):
        try:
            return parse(self._read(name))
        except (ValueError, RecursionError) as error:
            raise FileError(f"{self.path / name}: is damaged: {error}") from None

    def _json(self, what, line):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise FileError(f"{self.path}/{what}: is damaged: {error}") from None
        if not isinstance(value, dict):
            raise FileError(f"{self.path}/{what}: is no JSON object")
        return value
