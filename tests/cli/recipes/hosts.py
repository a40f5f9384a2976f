"""Programs of others that host a printed recipe: fetched from the registries of Python and npm by the proof that needs
them, once, next to the environment of the tests. ``make test`` fetches none."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.edge.servers import find

LITELLM = "litellm[proxy]==1.108.7"
OTEL = "opentelemetry-sdk==1.45.2"
AI_SDK = ("ai@6.0.326", "@ai-sdk/react@3.0.328", "react@19.3.1", "react-dom@19.3.1", "esbuild@0.28.2")
_FOLDER = Path(sys.prefix) / "hosts"


def python_with(name: str, *requirements: str) -> str:
    """Return the interpreter of an environment of its own that has these packages of Python."""
    def make(folder: Path) -> None:
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check",
            *requirements])  # fmt: skip

    return str(_fetch(name, requirements, make) / "bin" / "python")


def node_with(name: str, *packages: str) -> Path:
    """Return a folder whose ``node_modules`` has these packages of npm, without their scripts."""
    npm = find("npm")

    def make(folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / "package.json").write_text('{"private": true, "type": "module"}')
        _run([npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder), *packages])

    return _fetch(name, packages, make)


def _fetch(name: str, wanted: Sequence[str], make: Callable[[Path], None]) -> Path:
    folder, made = _FOLDER / name, _FOLDER / name / "made.txt"
    _FOLDER.mkdir(exist_ok=True)
    with (_FOLDER / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists() or made.read_text() != " ".join(wanted):
            shutil.rmtree(folder, ignore_errors=True)
            try:
                make(folder)
            except subprocess.SubprocessError as error:
                reason = f"{' '.join(wanted)} cannot be fetched: {error}"
                if os.environ.get("CI") == "true":
                    pytest.fail(reason)
                pytest.skip(reason)
            made.write_text(" ".join(wanted))
    return folder


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=900)
