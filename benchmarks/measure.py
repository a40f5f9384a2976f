"""Run one command as a process of its own and say what it took; nothing heavy is imported here, because on Linux a
child's peak memory is never below that of the process that started it."""

import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


class Failed(Exception):
    """A measured command ended with an error; the text is the end of what it said."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One process: wall-clock seconds, user and system seconds, and peak resident memory."""

    wall_s: float
    cpu_s: float
    rss_mb: float


@dataclass(frozen=True, slots=True)
class Command:
    """What to measure: its arguments, what to do before it, its environment, and where its output goes."""

    argv: Sequence[str]
    prepare: Callable[[], None] = lambda: None
    env: Mapping[str, str] | None = None
    output: Path | None = None


def pin(cores: int) -> int:
    """Keep this process and all it starts to so many cores, where the system can; returns how many it will use."""
    if not hasattr(os, "sched_setaffinity"):
        return os.cpu_count() or cores
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    os.sched_setaffinity(0, allowed)
    return len(allowed)


def once(command: Command) -> Sample:
    """Prepare, run and measure one command. Raises Failed when it does not exit with 0."""
    command.prepare()
    start = time.perf_counter()
    with (
        open(command.output or os.devnull, "wb") as output,
        subprocess.Popen(
            command.argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE, env=command.env
        ) as child,
    ):
        assert child.stderr is not None
        said = child.stderr.read()
        _, status, usage = os.wait4(child.pid, 0)
        wall_s = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise Failed(f"{' '.join(command.argv)}: exit {child.returncode}: {said.decode(errors='replace')[-500:]}")
    return Sample(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _RSS_UNIT / 1e6)


def interleaved(commands: Mapping[str, Command], runs: int) -> dict[str, Sample]:
    """Medians by name, measured A B A B, so that a slow minute of the machine meets all of them alike."""
    taken: dict[str, list[Sample]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            taken[name].append(once(command))
    return {name: median(samples) for name, samples in taken.items()}


def median(samples: Sequence[Sample]) -> Sample:
    """Median time and, for memory, the worst."""
    return Sample(
        statistics.median(sample.wall_s for sample in samples),
        statistics.median(sample.cpu_s for sample in samples),
        max(sample.rss_mb for sample in samples),
    )


def warm(path: Path) -> None:
    """Read a file once, so that it is in the page cache."""
    with path.open("rb") as file:
        while file.read(1 << 22):
            pass


def remove(*paths: Path) -> None:
    """Delete stores with their write-ahead logs; those that are not there are fine."""
    for path in paths:
        for name in (path, path.with_name(path.name + ".wal")):
            with contextlib.suppress(FileNotFoundError):
                name.unlink()
