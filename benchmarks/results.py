"""What a benchmark found, as markdown tables for people and a plain structure for programs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.measure import Sample


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure that was promised, beside what was measured; ``met`` None is one that could not be measured."""

    what: str
    target: str
    measured: str
    met: bool | None


def at_most(what: str, own: Sample, other: Sample, limit: float, named: str, shown: str | None = None) -> Goal:
    """A target for the ratio of CPU times, which a busy machine disturbs less than the time on the clock."""
    ratio = own.cpu_s / other.cpu_s
    return Goal(what, f"{shown or f'≤ {limit:g}'} x {named}", f"{ratio:.2f} x", ratio <= limit)


def at_size(met: bool, calls: int) -> bool | None:
    """Whether a target for 10 M calls is met: fewer calls can only show that it is not."""
    return None if met and calls < 10_000_000 else met


@dataclass(frozen=True, slots=True)
class Row:
    """One measured process. Ratios compare with ``against``, measured in the same run."""

    case: str
    what: str
    sample: Sample | None = None
    megabytes: float | None = None
    against: str = ""
    reference: Sample | None = None
    note: str = ""

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


@dataclass(frozen=True, slots=True)
class Findings:
    """What one case found."""

    goals: tuple[Goal, ...]
    rows: tuple[Row, ...]


def structure(about: Mapping[str, str], findings: Sequence[Findings]) -> dict[str, Any]:
    """Every figure, unrounded."""
    return {
        "schema": "streamaudit.benchmark/2",
        "about": dict(about),
        "targets": [asdict(goal) for one in findings for goal in one.goals],
        "measured": [
            {
                "case": row.case, "what": row.what, **(asdict(row.sample) if row.sample else {}),
                "mb_per_s": row.mb_per_s, "against": row.against or None, "wall_ratio": row.ratio,
                "cpu_ratio": row.cpu_ratio, "note": row.note or None,
            }
            for one in findings for row in one.rows
        ],
    }  # fmt: skip


_TARGETS = ("what", "target", "measured", "met")
_MEASURED = ("case", "what", "s", "CPU s", "MB/s", "peak MB", "x wall", "x CPU", "against", "note")
_MET = {True: "yes", False: "**no**", None: "-"}


def markdown(found: Mapping[str, Any]) -> str:
    """What ``structure`` gave, as three parts: machine and versions, targets, and every process measured."""
    about = " · ".join(f"{name} {value}" for name, value in found["about"].items())
    targets = [(one["what"], one["target"], one["measured"], _MET[one["met"]]) for one in found["targets"]]
    parts = [about]
    if targets:
        parts.append(_table(_TARGETS, targets, numbers=()))
    parts.append(_table(_MEASURED, map(_cells, found["measured"]), numbers=range(2, 8)))
    return "\n\n".join(parts)


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        row["case"], row["what"], _figure(row.get("wall_s"), 2), _figure(row.get("cpu_s"), 2),
        _figure(row["mb_per_s"], 0), _figure(row.get("rss_mb"), 0), _figure(row["wall_ratio"], 2),
        _figure(row["cpu_ratio"], 2), row["against"] or "", row["note"] or "",
    )  # fmt: skip


def _figure(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[int]) -> str:
    right = set(numbers)
    rule = ["---:" if index in right else "---" for index in range(len(header))]
    return "\n".join(_line(cells) for cells in (header, rule, *rows))


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
