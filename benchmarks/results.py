"""What a benchmark found, as a markdown table for people and a plain structure for programs."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.measure import Sample


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. Ratios compare with ``against``, measured in the same run; ``value`` is a figure that is no time."""

    case: str
    what: str
    sample: Sample | None = None
    megabytes: float | None = None
    against: str = ""
    reference: Sample | None = None
    target: str = ""
    value: str = ""

    @property
    def ratio(self) -> float | None:
        """Wall-clock time over the reference's."""
        return self.sample.wall_s / self.reference.wall_s if self.sample and self.reference else None

    @property
    def cpu_ratio(self) -> float | None:
        """User and system time over the reference's: steadier than wall-clock time on a busy machine."""
        return self.sample.cpu_s / self.reference.cpu_s if self.sample and self.reference else None

    @property
    def mb_per_s(self) -> float | None:
        """Input megabytes a second."""
        return self.megabytes / self.sample.wall_s if self.sample and self.megabytes else None


_HEADER = ("case", "what", "s", "CPU s", "MB/s", "peak MB", "x wall", "x CPU", "against", "target")


def markdown(about: dict[str, str], rows: Sequence[Row]) -> str:
    """The table, under one line about machine, versions and date."""
    lines = [" · ".join(f"{name} {value}" for name, value in about.items()), ""]
    lines += [_line(_HEADER), _line("---" if index < 2 else "---:" for index in range(len(_HEADER)))]
    return "\n".join([*lines, *(_line(_cells(row)) for row in rows)])


def structure(about: dict[str, str], rows: Sequence[Row]) -> dict[str, Any]:
    """The same with every figure unrounded."""
    return {
        "schema": "streamaudit.benchmark/1",
        "about": about,
        "rows": [
            {**asdict(row), "ratio": row.ratio, "cpu_ratio": row.cpu_ratio, "mb_per_s": row.mb_per_s} for row in rows
        ],
    }


def _cells(row: Row) -> tuple[str, ...]:
    wall_s, cpu_s, rss_mb = (row.sample.wall_s, row.sample.cpu_s, row.sample.rss_mb) if row.sample else (None,) * 3
    return (
        row.case, row.what, _figure(wall_s, 2) or row.value, _figure(cpu_s, 2),
        _figure(row.mb_per_s, 0), _figure(rss_mb, 0), _figure(row.ratio, 2),
        _figure(row.cpu_ratio, 2), row.against, row.target,
    )  # fmt: skip


def _figure(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
