#!/usr/bin/env python3
"""Runs files of tests with pytest; says SKIPPED and why where nothing of them can run."""
import importlib.util
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent


def main():
    missing = [package for module, package in (("pytest", "python3-pytest"), ("numpy", "python3-numpy"))
               if importlib.util.find_spec(module) is None]
    if missing:
        print(f"SKIPPED: {', '.join(missing)} is not installed for {sys.executable}")
        return 0
    import pytest
    package = str(HERE.parents[1] / "python")
    sys.path.insert(0, package)
    os.environ.update(PYTHONPATH=package, PYTHONDONTWRITEBYTECODE="1")
    status = pytest.main(["-q", "-rs", "-p", "no:cacheprovider", *(str(HERE / name) for name in sys.argv[1:])])
    if status == pytest.ExitCode.NO_TESTS_COLLECTED:
        print("SKIPPED: what it needs is not installed, see above")
        return 0
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
