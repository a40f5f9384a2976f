"""The findings of a report as work to do on a page: each with its numbers, an example drawn, and a remedy."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from streamaudit.report import escape
from streamaudit.report.finding import Finding
from streamaudit.report.model import Report, Table
from streamaudit.report.numbers import ms, ratio, usd

WIDTH = 1000
"""Units of a drawing from the request to the last moment."""
_CUTS = ("cancelled", "timeout", "interrupted")
_WORDS = {
    "first_chunk": "first chunk", "cancelled": "cancelled", "timeout": "cut by a deadline",
    "interrupted": "interrupted", "provider_stopped": "provider stopped", "end": "end",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a drawing: ``kind`` is waiting, streaming or left, from ``at`` over ``width`` units."""

    kind: str
    at: float
    width: float


@dataclass(frozen=True, slots=True)
class Drawing:
    """An example call: its phases, its chunks at the server and at the client, and the finding's moment, in units."""

    call_id: str
    spans: tuple[Span, ...]
    sent: tuple[float, ...]
    received: tuple[float, ...]
    mark: float | None
    moments: tuple[str, ...]
    """The known moments in words, in order of time."""

    @property
    def has_chunks(self) -> bool:
        """Whether the time of any chunk is known."""
        return bool(self.sent or self.received)

    @property
    def description(self) -> str:
        """The drawing in a sentence."""
        return f"Call {self.call_id}: {', '.join(self.moments)}." if self.call_id else ", ".join(self.moments)


@dataclass(frozen=True, slots=True)
class Work:
    """A finding to work on."""

    finding: Finding
    place: str
    """The values of its group."""
    figures: tuple[str, ...]
    drawing: Drawing | None
    others: tuple[str, ...]
    """Further examples."""


def work(report: Report) -> list[Work]:
    """Return the findings that have a remedy, in the order of the report."""
    table = next((one for one in report.tables if one.name == "findings"), None)
    if table is None:
        return []
    drawings = dict(_drawings(next((one for one in report.tables if one.name == "examples"), None)))
    return [
        Work(one, _place(one), tuple(_figures(one)), drawings.get(index),
            tuple(map(escape.terminal, one.examples[1 if index in drawings else 0 :])))
        for index, one in sorted(table.findings.items()) if one.remedy
    ]  # fmt: skip


def call_drawing(report: Report) -> Drawing | None:
    """Return the moments of the one call that a report explains, as a drawing; None for other reports."""
    table = next((one for one in report.tables if one.shape == "timeline" and not one.aside), None)
    if table is None:
        return None
    event, at = table.position("event"), table.position("at_ms")
    moments = [("", str(row[event]), float(found) if isinstance(found := row[at], int | float) else None)
               for row in table.rows]  # fmt: skip
    return _drawing(moments)


def _place(one: Finding) -> str:
    """Return the group of a finding: dimensions and values."""
    return ", ".join(f"{name} {'-' if value is None else escape.terminal(value)}" for name, value in one.group.items())


def _figures(one: Finding) -> Iterator[str]:
    if one.affected_calls is not None and one.calls:
        yield f"{one.affected_calls:,} of {one.calls:,} ({ratio(one.affected_calls / one.calls)})"
    if one.usd_at_stake is not None:
        yield f"{'about ' if one.usd_estimated else ''}{usd(one.usd_at_stake)} at stake"


def _drawings(table: Table | None) -> Iterator[tuple[int, Drawing]]:
    found: dict[int, list[tuple[str, str, float | None]]] = {}
    for index, call, event, at in table.rows if table is not None else ():
        if isinstance(index, int):
            known = float(at) if isinstance(at, int | float) else None
            found.setdefault(index, []).append((str(call), str(event), known))
    for index, rows in found.items():
        if (drawn := _drawing(rows)) is not None:
            yield index, drawn


def _drawing(rows: Sequence[tuple[str, str, float | None]]) -> Drawing | None:
    times: dict[str, list[float]] = {}
    for _, event, at in rows:
        if at is not None:
            times.setdefault(event, []).append(at)
    whole = max((at for known in times.values() for at in known), default=0.0)
    if whole <= 0:
        return None
    first = {event: min(known) for event, known in times.items()}
    cut = min((first[event] for event in _CUTS if event in first), default=None)
    end = cut if cut is not None else first.get("end", whole)
    begin = min(first.get("first_chunk", end), end)
    borders = (("waiting", 0.0, begin), ("streaming", begin, end), ("left", end, whole))
    mark = next((at for event, at in first.items() if event.startswith("finding_")), None)

    def units(at: float) -> float:
        return round(at / whole * WIDTH, 1)

    return Drawing(
        escape.terminal(rows[0][0]),
        tuple(Span(kind, units(a), units(b - a)) for kind, a, b in borders if b > a),
        tuple(map(units, times.get("chunk", ()))), tuple(map(units, times.get("client_chunk", ()))),
        None if mark is None else units(mark),
        tuple(
            f"{_WORDS[event]} {ms(at)}" for event, at in sorted(first.items(), key=lambda one: one[1])
            if event in _WORDS
        ),
    )  # fmt: skip
