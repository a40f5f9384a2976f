"""Draw the moments of one call on a proportional ruler, with the phases of the user's wait in between.

A table of moments has the columns ``event`` and ``at_ms``, milliseconds after the request; a NULL moment happened at an
unrecorded time. Chunks share one line however many they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from streamaudit.report import escape
from streamaudit.report.model import Table, Value
from streamaudit.report.numbers import UNKNOWN, is_known, ms
from streamaudit.report.render import _text
from streamaudit.report.render.formats import Screen

_RULER, _RULER_MIN = 60, 16
_TICK_GAP = 10

_EVENTS = {
    "request_issued": "request issued",
    "first_chunk": "first chunk",
    "first_visible_token": "first visible token",
    "chunk": "from the provider",
    "client_chunk": "at the client",
    "edge_first_byte": "first byte at the edge",
    "client_first_text": "first text at the client",
    "edge_cut": "client left, at the edge",
    "edge_closed_upstream": "edge closed its upstream",
    "cancelled": "cancelled",
    "timeout": "cut by a deadline",
    "interrupted": "interrupted",
    "provider_stopped": "provider stopped",
    "end": "end",
}
_CHUNKS = ("chunk", "client_chunk")
_CUTS = ("cancelled", "timeout", "interrupted")
_FINDING = "finding_"
"""Prefix of the event of an audit's finding; the rest is its code."""


@dataclass(frozen=True, slots=True)
class _Pens:
    """The characters of a drawing: the fill of each phase, and the marks of a moment, a cut and the end."""

    waiting: str
    streaming: str
    left: str
    unknown: str
    moment: str
    cut: str
    end: str
    finding: str
    density: str


_ASCII = _Pens(".", "=", "~", "?", "o", "x", "|", "!", " .:-=#@")
_BLOCKS = _Pens("·", "━", "╌", "?", "●", "✕", "┤", "▲", " ▁▂▃▄▅▆▇█")
_LEGEND = (
    ("waiting", "waiting for the first chunk"),
    ("streaming", "streaming"),
    ("left", "after the cut"),
    ("unknown", "unknown"),
)


@dataclass(frozen=True, slots=True)
class _Scale:
    """``cells`` characters for 0 to ``span`` milliseconds."""

    span: float
    cells: int

    def cell(self, at: float) -> int:
        """Return the character a moment falls in."""
        return max(0, min(int(at / self.span * self.cells), self.cells - 1))


def draw(table: Table, screen: Screen) -> list[str]:
    """Return the lines of a timeline: a ruler, a line per moment in order of time, and the legend."""
    events = _moments(table)
    if not events:
        return [_text.NO_ROWS]
    pens = _BLOCKS if screen.drawing else _ASCII
    names = [_name(event, len(times)) for event, times in events]
    times = [ms(at[0]) if at else UNKNOWN for _, at in events]
    margin = max([*map(len, times), 6])
    cells = _RULER
    if screen.width is not None:
        cells = max(min(_RULER, screen.width - margin - 2 - max(map(len, names)) - 2), _RULER_MIN)
    span = max((at for _, known_at in events for at in known_at), default=0.0)
    if span <= 0:
        return [f"{time:>{margin}}  {name}" for time, name in zip(times, names, strict=True)]
    scale = _Scale(span, cells)
    phases = _phases(events, scale)
    lines = [f"{'':>{margin}}  {_ticks(scale)}".rstrip()]
    for (event, at), time, name in zip(events, times, names, strict=True):
        track = _density(at, scale, pens) if event in _CHUNKS else _track(event, at, phases, scale, pens)
        lines.append(f"{'' if event in _CHUNKS else time:>{margin}}  {track:<{cells}}  {name}")
    used = [f"{getattr(pens, phase)} {meaning}" for phase, meaning in _LEGEND if phase in phases]
    return [*lines, f"{'':>{margin}}  {'   '.join(used)}"]


def _moments(table: Table) -> list[tuple[str, list[float]]]:
    """Return each event with its known moments, in order of the first.

    An event without a known moment keeps its position in the table.
    """
    event_at, time_at = table.position("event"), table.position("at_ms")
    found: dict[str, list[float]] = {}
    for row in table.rows:
        times = found.setdefault(str(row[event_at]), [])
        if _is_time(row[time_at]):
            times.append(float(row[time_at]))  # type: ignore[arg-type]
    order = list(_EVENTS)
    ranked: list[tuple[float, int, str]] = []
    last = 0.0
    for event in sorted(found, key=lambda name: order.index(name) if name in order else len(order)):
        last = min(found[event]) if found[event] else last
        ranked.append((last, order.index(event) if event in order else len(order), event))
    return [(event, sorted(found[event])) for _, _, event in sorted(ranked)]


def _is_time(value: Value) -> bool:
    return isinstance(value, int | float) and is_known(value)


def _name(event: str, count: int) -> str:
    if event.startswith(_FINDING):
        return f"finding: {escape.terminal(event.removeprefix(_FINDING), unicode=False)}"
    label = _EVENTS.get(event) or escape.terminal(event.replace("_", " "), unicode=False)
    return f"{count:,} chunk{'' if count == 1 else 's'} {label}" if event in _CHUNKS else label


def _phases(events: Sequence[tuple[str, list[float]]], scale: _Scale) -> list[str]:
    """Return for each character of the ruler the phase the call was in at its start."""
    known_at = {event: times[0] for event, times in events if times}
    unsure = any(event == "first_chunk" and not times for event, times in events)
    cut = next((known_at[name] for name in _CUTS if name in known_at), None)
    cut_unsure = any(event in _CUTS and not times for event, times in events)
    phases = ["unknown" if unsure else "waiting"] * scale.cells
    for event in ("first_chunk", "first_visible_token"):
        if event in known_at and not (unsure and event == "first_chunk"):
            start = scale.cell(known_at[event])
            phases[start:] = ["unknown" if cut_unsure else "streaming"] * (scale.cells - start)
            break
    if cut is not None:
        start = scale.cell(cut)
        phases[start:] = ["left"] * (scale.cells - start)
    return phases


def _track(event: str, at: Sequence[float], phases: Sequence[str], scale: _Scale, pens: _Pens) -> str:
    if not at:
        return ""
    place = scale.cell(at[0])
    sign = pens.cut if event in _CUTS else pens.end if event == "end" else pens.moment
    sign = pens.finding if event.startswith(_FINDING) else sign
    return "".join(getattr(pens, phase) for phase in phases[:place]) + sign


def _density(at: Sequence[float], scale: _Scale, pens: _Pens) -> str:
    """Return the number of chunks in each part of the ruler as characters; no part with a chunk is blank."""
    counts = [0] * scale.cells
    for moment in at:
        counts[scale.cell(moment)] += 1
    steps = len(pens.density) - 1
    most = max(counts) or 1
    return "".join(pens.density[-(-count * steps // most)] for count in counts).rstrip()


def _ticks(scale: _Scale) -> str:
    """Return round times as labels, each starting at the character it names."""
    step = 1e-3
    while scale.span / step * _TICK_GAP > scale.cells:
        step *= 2.5 if f"{step:e}".startswith("2") else 2
    line = ""
    for count in range(int(scale.span / step) + 1):
        label = _round(count * step)
        place = scale.cell(count * step)
        if place + len(label) > scale.cells:
            break
        line = line.ljust(place) + label
    return line


def _round(value: float) -> str:
    if value < 1000:
        return f"{value:g} ms" if value else "0"
    return f"{value / 1000:g} s"
