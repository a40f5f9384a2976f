"""The sample traces, for ``demo`` and for a test of delivery."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path


@contextmanager
def sample_traces() -> Iterator[list[str]]:
    """Yield the sample traces of the package or of its checkout."""
    with as_file(files("streamaudit").joinpath("sample_traces")) as packed:
        folder = packed if packed.is_dir() else Path(__file__).parents[2] / "sample_traces"
        yield sorted(str(path) for path in folder.glob("*.gz"))
