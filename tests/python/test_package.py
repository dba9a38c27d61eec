"""How the package is installed, and that docs/python.md holds."""
import importlib.util
import os
import re
import subprocess
import sys
import venv

import pytest
import spikeloom
from conftest import SOURCE


def test_the_version_is_that_of_the_library():
    from spikeloom._library import runtime
    assert spikeloom.__version__ == runtime().version().decode()


def test_the_libraries_that_are_looked_for_are_those_of_the_build():
    torch_part = (SOURCE / "python/spikeloom/torch.py").read_text()
    names = {re.search('LIBRARY = "(.+)"', torch_part)[1], "libspikeloom_runtime.so.1", "libspikeloom_events.so.1"}
    assert names <= set(os.listdir(os.environ["SPIKELOOM_LIBRARY_DIR"]))


def environment_without(*names):
    return {name: value for name, value in os.environ.items() if name not in names}


def test_a_library_that_is_missing_is_said(tmp_path):
    code = "import spikeloom; spikeloom.Model('x')"
    for folder in (str(tmp_path), ""):
        environment = {**os.environ, "SPIKELOOM_LIBRARY_DIR": folder}
        result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
        if folder == "" and "no such run folder" in result.stderr:
            continue  # installed on this machine
        assert "LibraryError: " in result.stderr and "SPIKELOOM_LIBRARY_DIR" in result.stderr, result.stderr


@pytest.mark.skipif(importlib.util.find_spec("pip") is None, reason="pip (python3-pip) is not installed")
@pytest.mark.parametrize("options", [(), ("--editable",)])
def test_pip_installs_it_without_a_network(tmp_path, options):
    venv.create(tmp_path / "venv", system_site_packages=True)
    python = tmp_path / "venv/bin/python"
    environment = environment_without("PYTHONPATH")
    subprocess.run([sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index",
                    "--disable-pip-version-check", *options, SOURCE / "python"], check=True, env=environment, timeout=120)
    code = "import importlib.metadata, spikeloom; print(importlib.metadata.version('spikeloom'), spikeloom.__file__)"
    said = subprocess.run([python, "-c", code], capture_output=True, text=True, env=environment, check=True).stdout
    version, file = said.split()
    assert version == spikeloom.__version__
    assert file.startswith(str(SOURCE / "python" if options else tmp_path / "venv"))


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch (python3-torch) is not installed")
def test_the_examples_of_the_page_run(work, monkeypatch, capsys):
    page = (SOURCE / "docs/python.md").read_text()
    snippets = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert len(snippets) >= 9
    monkeypatch.chdir(work)
    names = {}
    for number, snippet in enumerate(snippets):
        exec(compile(snippet, f"docs/python.md, example {number + 1}", "exec"), names)
    assert len(names["predictions"]) == 8 and len(names["accuracy"]) == 3 and names["count"] == 43
    assert names["stream"].steps == 5 and names["votes"].shape == (6, 2)
    said = capsys.readouterr().out
    assert "5 steps, 0 events outside" in said and "no such run folder" in said
