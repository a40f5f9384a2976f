"""Histograms drawn with characters: bars for one group, one line each on a shared logarithmic ruler for several.

A table of buckets has the columns ``bucket_low_ms``, ``bucket_high_ms`` and ``calls`` after its dimensions; NULL on a
side is an open end. Percentiles come from another table; a NULL percentile has no marker.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len

from streamaudit.report import escape
from streamaudit.report.model import Row, Table, Value
from streamaudit.report.numbers import UNKNOWN, is_known, ms, significant
from streamaudit.report.render import _text
from streamaudit.report.render._grid import group
from streamaudit.report.render._layout import pad, shorten
from streamaudit.report.render.formats import Screen

TOO_FEW = 20
_BARS, _RULER = 40, 60
_BARS_MIN, _RULER_MIN = 8, 12
_LINES_MAX = 30
"""Lines of a histogram of one group; where it has more buckets, neighbours share a line."""
_FINE = 10
"""From this many buckets on, a ruler has a character for each of them."""
_NATURAL_STEP = 10**0.25
_EMPTY_BUCKETS_MAX = 100
_ON_EDGE = 1e-6
_PERCENTILES = ("p50", "p90", "p95", "p99")
_DENSITY, _DENSITY_BLOCKS = " .:-=#@", " ▁▂▃▄▅▆▇█"
_EIGHTHS = " ▏▎▍▌▋▊▉█"


@dataclass(frozen=True, slots=True)
class _Bucket:
    """Calls above ``low`` and up to and including ``high``, in milliseconds; both are positive and finite.

    ``calls`` None is unknown, which is drawn differently from 0.
    """

    low: float
    high: float
    calls: int | None


@dataclass(frozen=True, slots=True)
class _Group:
    """A distribution: its name, its buckets in order, and the known percentiles in milliseconds."""

    name: str
    buckets: list[_Bucket]
    percentiles: dict[str, float]

    @property
    def calls(self) -> int:
        return sum(bucket.calls or 0 for bucket in self.buckets)


def draw(table: Table, markers: Table | None, screen: Screen) -> list[str]:
    """Return the lines of a histogram table."""
    groups = _groups(table, markers, screen.unicode)
    if not groups:
        return [_text.NO_ROWS]
    return _bars(groups[0], screen) if len(groups) == 1 else _multiples(table, groups, screen)


def distributions(table: Table, markers: Table | None) -> list[_Group]:
    """Return the groups of a histogram table with their buckets and percentiles; names are safe to show."""
    return _groups(table, markers, True)


def subject(table: Table, unicode: bool) -> str:
    """Return the group's name and number of calls for a histogram of one group. Empty for several."""
    groups = _groups(table, None, unicode)
    if len(groups) != 1:
        return ""
    return "   ".join([*([groups[0].name] if table.by else []), f"n = {groups[0].calls:,}"])


def _groups(table: Table, markers: Table | None, unicode: bool) -> list[_Group]:
    dimensions = [table.position(name) for name in table.by]
    rest = table.rest_row if table.rest_row is not None else len(table.rows)
    found: dict[tuple[bool, tuple[Value, ...]], list[Row]] = {}
    for index, row in enumerate(table.rows):
        # The rest's buckets come last; NULL dimensions before them are the group without a value.
        found.setdefault((index >= rest, tuple(row[i] for i in dimensions)), []).append(row)
    result = []
    for (is_rest, key), rows in found.items():
        name = _text.rest_name(table)
        if not is_rest:
            name = group(table, rows[0], lambda text: escape.terminal(text, unicode=unicode))
        result.append(_Group(name, _fill_gaps(_buckets(table, rows)), _percentiles(markers, table.by, key, is_rest)))
    return result


def _buckets(table: Table, rows: Iterable[Row]) -> Iterator[_Bucket]:
    low_at, high_at, calls_at = map(table.position, ("bucket_low_ms", "bucket_high_ms", "calls"))
    for row in rows:
        low, high = _positive(row[low_at]), _positive(row[high_at])
        low = low or (high or 1.0) / _NATURAL_STEP
        yield _Bucket(low, high or low * _NATURAL_STEP, _number(row[calls_at]))


def _positive(value: Value) -> float | None:
    return float(value) if isinstance(value, int | float) and is_known(value) and value > 0 else None


def _number(value: Value) -> int | None:
    return value if isinstance(value, int) else None


def _fill_gaps(buckets: Iterable[_Bucket]) -> list[_Bucket]:
    """Return the buckets in order, with empty ones where the table left them out."""
    result: list[_Bucket] = []
    for bucket in sorted(buckets, key=lambda bucket: bucket.low):
        if result and bucket.low > result[-1].high * 1.001:
            result += _between(result[-1], bucket)
        result.append(bucket)
    return result


def _between(before: _Bucket, after: _Bucket) -> list[_Bucket]:
    gap = math.log(after.low / before.high)
    steps = gap / math.log(before.high / before.low)
    count = round(steps) if abs(steps - round(steps)) < 0.01 and steps < _EMPTY_BUCKETS_MAX else 1
    edges = [before.high * math.exp(gap * i / count) for i in range(count + 1)]
    return [_Bucket(low, high, 0) for low, high in itertools.pairwise(edges)]


def _percentiles(markers: Table | None, by: Sequence[str], key: tuple[Value, ...], is_rest: bool) -> dict[str, float]:
    if markers is None:
        return {}
    names = {column.name: index for index, column in enumerate(markers.columns)}
    for index, row in enumerate(markers.rows):
        same = all(row[names[name]] == value for name, value in zip(by, key, strict=True) if name in names)
        if same and (index == markers.rest_row) == is_rest:
            found = {p: _positive(row[names[f"ttft_{p}_ms"]]) for p in _PERCENTILES if f"ttft_{p}_ms" in names}
            return {name: value for name, value in found.items() if value is not None}
    return {}


# One group: a bar for every bucket.


def _bars(one: _Group, screen: Screen) -> list[str]:
    one = replace(one, buckets=_merge(one.buckets, math.ceil(len(one.buckets) / _LINES_MAX)))
    labels, counts, notes = _labels(one.buckets), [_count(bucket.calls) for bucket in one.buckets], _notes(one)
    below = ""
    room = _BARS
    if screen.width is not None:
        fixed = max(map(len, labels)) + 2 + max(map(len, counts)) + 2
        room = min(room, screen.width - fixed - max(map(len, notes)))
        if room < _BARS_MIN:
            below = "  ".join(f"{name} {ms(value)}" for name, value in one.percentiles.items())
            room, notes = max(min(_BARS, screen.width - fixed), 1), [""] * len(notes)
    most = max(bucket.calls or 0 for bucket in one.buckets)
    lines = []
    for bucket, label, count, note in zip(one.buckets, labels, counts, notes, strict=True):
        bar = _bar(bucket.calls, most, room, screen.drawing)
        axis = "│" if screen.drawing else "|"
        lines.append(f"{label:>{max(map(len, labels))}} {axis}{bar}  {count:>{max(map(len, counts))}}{note}")
    return [*lines, below] if below else lines


def _merge(buckets: list[_Bucket], size: int) -> list[_Bucket]:
    """Return every ``size`` neighbours as one bucket, with an edge at a power of ten if any bucket has one there."""
    if size == 1:
        return buckets
    decade = next((i for i, one in enumerate(buckets) if abs(math.remainder(math.log10(one.low), 1)) < _ON_EDGE), 0)
    first = decade % size
    starts = sorted({0, *range(first, len(buckets), size)})
    parts = [buckets[start:end] for start, end in itertools.pairwise([*starts, len(buckets)])]
    return [_Bucket(part[0].low, part[-1].high, _sum_calls(part)) for part in parts]


def _sum_calls(buckets: Sequence[_Bucket]) -> int | None:
    known = [bucket.calls for bucket in buckets if bucket.calls is not None]
    return sum(known) if known else None


def _notes(one: _Group) -> list[str]:
    """Return for each bucket the percentiles in it; one beyond either end goes to the bucket at that end."""
    fallen: list[list[str]] = [[] for _ in one.buckets]
    for name, value in one.percentiles.items():
        place = sum(bucket.high < value for bucket in one.buckets)
        fallen[min(place, len(fallen) - 1)].append(f"{name} {ms(value)}")
    return [f"   < {'  '.join(names)}" if names else "" for names in fallen]


def _count(calls: int | None) -> str:
    return UNKNOWN if calls is None else f"{calls:,}"


def _bar(calls: int | None, most: int, width: int, blocks: bool) -> str:
    if not calls:
        return " " * width
    if blocks:
        full, part = divmod(max(round(calls / most * width * 8), 1), 8)
        return ("█" * full + _EIGHTHS[part].strip()).ljust(width)
    return ("#" * round(calls / most * width) or ".").ljust(width)


def _labels(buckets: Sequence[_Bucket]) -> list[str]:
    short = [_bound(bucket.low) for bucket in buckets]
    return short if len(set(short)) == len(short) else [ms(bucket.low) for bucket in buckets]


def _bound(value: float) -> str:
    """Return a bound of a bucket: whole milliseconds, tenths of a second up to ten."""
    if value < 9.95:
        return f"{significant(value, 2)} ms"
    if value < 999.5:
        return f"{value:.0f} ms"
    return f"{value / 1000:.1f} s" if value < 9950 else f"{value / 1000:,.0f} s"


# Several groups: one line per group, all on one ruler.


@dataclass(frozen=True, slots=True)
class _Ruler:
    """A logarithmic scale of ``cells`` characters from ``low`` to ``high`` milliseconds."""

    low: float
    high: float
    cells: int

    def at(self, value: float) -> float:
        """Return the position of a value in characters from the left, with fractions."""
        return math.log(value / self.low) / math.log(self.high / self.low) * self.cells

    def cell(self, value: float) -> int:
        """Return the character that holds a value; the last one for values at or past the end."""
        return max(0, min(int(self.at(value) + 1e-9), self.cells - 1))


def _multiples(table: Table, groups: Sequence[_Group], screen: Screen) -> list[str]:
    counts = [f"{one.calls:,}" if one.calls >= TOO_FEW else "" for one in groups]
    header = escape.terminal(", ".join(table.by).replace("_", " "), unicode=screen.unicode)
    side = max(map(len, [*counts, "n"]))
    longest = max(cell_len(name) for name in (header, *(one.name for one in groups)))
    name_width, cells = longest, _RULER
    if screen.width is not None:
        name_width = min(longest, max(screen.width // 4, 6))
        cells = min(max(screen.width - name_width - side - 4, _RULER_MIN), _RULER)
    ruler = _ruler(groups, cells)
    ticks = _ticks(ruler) if ruler else ""
    if ruler:
        few = (len(f"n = {one.calls}  too few") for one, count in zip(groups, counts, strict=True) if not count)
        cells = max(ruler.cells, len(ticks), *few)
        if screen.width is not None:
            name_width = max(min(longest, screen.width - cells - side - 4), name_width)
    lines = [f"{pad(shorten(header, name_width, screen.unicode), name_width)}  {ticks:<{cells}}  {'n':>{side}}"]
    for one, count in zip(groups, counts, strict=True):
        drawn = _density(one, ruler, screen.drawing) if ruler and count else f"n = {one.calls}  too few"
        name = pad(shorten(one.name, name_width, screen.unicode), name_width)
        lines.append(f"{name}  {drawn:<{cells}}  {count:>{side}}")
    legend = [f"{' ' * name_width}  o p50   * p95"] if ruler else []
    return [line.rstrip() for line in [*lines, *legend]]


def _ruler(groups: Iterable[_Group], cells: int) -> _Ruler | None:
    drawn = [bucket for one in groups if one.calls >= TOO_FEW for bucket in one.buckets if bucket.calls]
    if not drawn:
        return None
    low, high = min(bucket.low for bucket in drawn), max(bucket.high for bucket in drawn)
    # A bucket over two characters would look like two of the same height.
    count = round(math.log(high / low) / min(math.log(bucket.high / bucket.low) for bucket in drawn))
    return _Ruler(low, high, min(count, cells) if count >= _FINE else cells)


def _ticks(ruler: _Ruler) -> str:
    """Return labels that start at the character they name, as many as fit without touching."""
    for per_decade in (4.0, 2.0, 1.0, 0.5, 0.25):
        line = ""
        for step in range(math.ceil(math.log10(ruler.low) * per_decade - 1e-6), 100):
            value = 10 ** (step / per_decade)
            place, label = ruler.cell(value), _bound(value)
            if value > ruler.high * 1.001 or place + len(label) > ruler.cells:
                break
            if line and place < len(line) + 2:
                line = ""
                break
            line = line.ljust(place) + label
        if line:
            return line
    return ""


def _density(one: _Group, ruler: _Ruler, blocks: bool) -> str:
    mass = [0.0] * ruler.cells
    for bucket in one.buckets:
        start, end = ruler.at(bucket.low), ruler.at(bucket.high)
        for cell in range(max(int(start), 0), min(math.ceil(end - 1e-9), ruler.cells)):
            overlap = min(end, cell + 1) - max(start, cell)
            mass[cell] += (bucket.calls or 0) * overlap / (end - start)
    levels = _DENSITY_BLOCKS if blocks else _DENSITY
    most = max(mass)
    line = [levels[math.ceil(part / most * (len(levels) - 1) - 1e-9)] if part > 0 else " " for part in mass]
    for name, sign in (("p50", "o"), ("p95", "*")):
        if name in one.percentiles:
            line[ruler.cell(one.percentiles[name])] = sign
    return "".join(line)
