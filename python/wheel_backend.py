"""Makes a wheel of the package with Python's standard library alone, so that `pip install ./python` needs no network.

The hooks of PEP 517 and PEP 660 for a package that is pure Python: a wheel is a zip archive with the files, METADATA,
WHEEL, and RECORD, which lists them with their hashes.
"""
import base64
import hashlib
import pathlib
import re
import tarfile
import tomllib
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
PACKAGE = "spikeloom"
TIME = (2020, 1, 1, 0, 0, 0)  # the same files give the same wheel


def sources():
    return sorted((HERE / PACKAGE).glob("*.py"))


def version():
    return re.search(r'^__version__ = "(.+)"$', (HERE / PACKAGE / "__init__.py").read_text(), re.MULTILINE)[1]


def metadata():
    project = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]
    lines = ["Metadata-Version: 2.1", f"Name: {project['name']}", f"Version: {version()}",
             f"Summary: {project['description']}", f"Requires-Python: {project['requires-python']}"]
    return "\n".join(lines + [f"Requires-Dist: {name}" for name in project["dependencies"]]) + "\n"


def write_wheel(folder, files):
    """A wheel of files (name -> bytes) -> its name."""
    info = f"{PACKAGE}-{version()}.dist-info"
    files = {**files, f"{info}/METADATA": metadata().encode(),
             f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: spikeloom\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
    record = ""
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(content)}\n"
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    wheel = f"{PACKAGE}-{version()}-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(folder, wheel), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, TIME)
            entry.external_attr, entry.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return wheel


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    return write_wheel(wheel_directory, {f"{PACKAGE}/{path.name}": path.read_bytes() for path in sources()})


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    return write_wheel(wheel_directory, {f"{PACKAGE}.pth": f"{HERE}\n".encode()})


def build_sdist(sdist_directory, config_settings=None):
    base = f"{PACKAGE}-{version()}"
    with tarfile.open(pathlib.Path(sdist_directory, f"{base}.tar.gz"), "w:gz") as archive:
        for path in (HERE / "pyproject.toml", HERE / "wheel_backend.py", *sources()):
            archive.add(path, f"{base}/{path.relative_to(HERE)}")
    return f"{base}.tar.gz"
