"""Pull a window of an account into the store: fetch pages into a private temporary file, and ingest it like any export.

The oldest window comes first, and a part of it is ingested and its position kept before the next is fetched; so a run
that was ended goes on where it was. While pages arrive the store is free for others.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from streamaudit.errors import InputError
from streamaudit.ingest.pipeline import Ingest
from streamaudit.ingest.pull._http import GivenUp
from streamaudit.ingest.pull._spool import Fetched, Part, Spool
from streamaudit.ingest.pull._windows import OVERLAP, cut, find_missing, halve, merge
from streamaudit.ingest.pull.registry import Server, TooMuch
from streamaudit.ingest.results import FileResult, Options
from streamaudit.store.pulls import Interval, Position, read_position, write_position
from streamaudit.store.store import Store

LATE = timedelta(hours=24)
"""Records may arrive this long after their start (Datadog's intake takes spans that old; a long stream is one): the
next pull fetches the time since then once more."""
OPEN = timedelta(minutes=30)
"""Of this time before the present, records are certainly still missing."""
FIRST = timedelta(days=15)
"""Length of the first pull by default: the two weeks that a weekly summary compares, and a day."""
PART_BYTES, PART_S = 16 << 20, 30.0
"""Records that are ingested at once, and the time after which fewer are: what a run loses that is ended."""
_MOST_SPLITS = 40
"""Windows in a row that a server could not answer for."""
_OF_A_PROXY = (502, 504)
_MOST_SHRINKS = 2

Progress = Callable[[float], None]
"""Takes the share that is done, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The next fetch: the windows in order, the position before, and the server's present time."""

    position: Position
    windows: tuple[Interval, ...]
    now: datetime


@dataclass(slots=True)
class Pulled:
    """Result of a pull: that of each part that was ingested, and the number of records that came.

    ``splits`` counts windows that were too large for the server; ``failure`` ended the run early.
    """

    parts: list[FileResult] = field(default_factory=list)
    records: int = 0
    splits: int = 0
    until: datetime | None = None
    failure: InputError | None = None


def plan(position: Position, server: Server, since: datetime | None, *, digest: str, again: bool = False) -> Plan:
    """Return what to fetch: everything from ``since`` on that is not settled, until now by the server's clock.

    Without ``since`` a pull goes on where the last one stopped, or begins ``FIRST`` ago. Under another ``digest`` of
    the mapping nothing is settled, nor is it ``again``.
    """
    now = server.now()
    if position.digest != digest or again:
        position = replace(position, digest=digest, settled=())
    if since is None:
        # The first gap: one that a run left behind, if it was ended within a window, else the time since the last.
        since = position.settled[0][1] if position.settled else now - FIRST
    missing = find_missing((since, now), position.settled) if since < now else []
    return Plan(position, tuple(window for one in missing for window in cut(one, server.step)), now)


class Pull:
    """A run over the windows of a plan into a store; ``part_bytes`` of records, or ``part_s`` seconds of fetching, are
    ingested at once."""

    def __init__(
        self, store: Store, spool: Spool, server: Server, options: Options, *, part_bytes: int = PART_BYTES,
        part_s: float = PART_S,
    ) -> None:  # fmt: skip
        self._store, self._spool, self._server = store, spool, server
        self._part = part_bytes, part_s
        # Every part has the same name, and none of them is looked up by it.
        self._job = Ingest(store, replace(options, force=True))
        self._done = Pulled()

    @property
    def done(self) -> Pulled:
        """Return the result so far."""
        return self._done

    def run(self, asked: Plan, progress: Progress | None = None) -> Pulled:
        """Fetch and ingest every window. A failure is in the result, and kept in the store for other reports."""
        position, done = asked.position, self._done
        parts = self._spool.write(self.fetch(asked.windows, progress), *self._part)
        while True:
            with self._store.release():
                part = next(parts, None)
            if part is None:
                break
            if part.records:
                done.records += part.records
                result = self._job.file(self._spool, self._server.address)
                done.parts.append(result)
                if result.problem:
                    done.failure = InputError(f"{self._server.address}: {result.problem}", result.hint)
                    break
            position = self._settle(position, part, asked.now)
        position = replace(self._stored(position), failed_at=None, reason=None)
        if done.failure is not None:
            position = replace(position, failed_at=asked.now, reason=done.failure.message)
        write_position(self._store, position)
        done.until = position.until
        return done

    def fetch(self, windows: Sequence[Interval], progress: Progress | None = None) -> Iterator[Fetched]:
        """Fetch windows in order. One that cannot be fetched ends it, and is the failure of the run."""
        whole = sum(_seconds(window) for window in windows) or 1.0
        behind = 0.0
        for window in windows:
            share = _Share(progress, behind / whole, _seconds(window) / whole)
            try:
                yield from self._fetch_all(window, share)
            except InputError as failure:
                self._done.failure = failure
                return
            behind += _seconds(window)
            share(1.0)

    def _fetch_all(self, window: Interval, share: "_Share") -> Iterator[Fetched]:
        """Fetch a window, in halves where the server cannot answer for all of it."""
        waiting, splits, shrinks = [window], 0, 0
        while waiting:
            one = waiting.pop()
            try:
                yield from self._fetch_one(one, share.part(one, window))
                splits = 0
            except GivenUp as failure:
                # A proxy that gives up before the server does: less at once may be in time.
                if failure.status not in _OF_A_PROXY or shrinks >= _MOST_SHRINKS or not self._server.shrink():
                    raise
                shrinks += 1
                waiting.append(one)
            except TooMuch as trouble:
                splits, self._done.splits = splits + 1, self._done.splits + 1
                waiting += self._split(one, trouble, splits)

    def _split(self, window: Interval, trouble: TooMuch, splits: int) -> list[Interval]:
        """Return what to ask for instead of a window, the last first. Raises InputError after too many splits."""
        if splits < _MOST_SPLITS:
            if trouble.by_size and self._server.shrink():
                return [window]
            if halves := halve(window):
                return [*reversed(halves)]
            if self._server.shrink():
                return [window]
        raise InputError(
            f"{self._server.address}: {trouble.reason}, even for the second from {window[0]:%Y-%m-%d %H:%M:%S} UTC",
            "run the same command again later: it goes on from here",
        )

    def _fetch_one(self, window: Interval, share: "_Share") -> Iterator[Fetched]:
        """Fetch a window by one search."""
        rest = window[1]
        for page in self._server.pages((window[0] - OVERLAP, window[1])):
            covered = None
            # Others may have begun in the very same millisecond.
            since = page.reached + timedelta(milliseconds=1) if page.reached is not None else rest
            if window[0] < since < rest:
                covered, rest = (since, rest), since
                share((window[1] - rest) / (window[1] - window[0]))
            yield Fetched(page.records, covered)
        yield Fetched((), window, window[1])

    def _settle(self, position: Position, part: Part, now: datetime) -> Position:
        """Keep which intervals were fetched, as far as no record of them can arrive any more."""
        certain = [(since, min(until, now - LATE)) for since, until in part.covered]
        position = replace(position, settled=merge([*self._stored(position).settled, *position.settled, *certain]))
        if part.until is not None:
            until = min(part.until, now - OPEN)
            position = replace(position, until=max(until, position.until or until))
        write_position(self._store, position)
        return position

    def _stored(self, position: Position) -> Position:
        """Return the position as the store has it, to which another run may have added."""
        stored = read_position(self._store, position.source, position.account)
        return stored if stored.digest == position.digest else position


@dataclass(frozen=True, slots=True)
class _Share:
    """Progress of a part of the whole, which begins at ``start`` and is ``length`` of it."""

    tell: Progress | None
    start: float
    length: float

    def __call__(self, done: float) -> None:
        if self.tell is not None:
            self.tell(self.start + self.length * done)

    def part(self, inner: Interval, outer: Interval) -> "_Share":
        whole = _seconds(outer)
        begin = (inner[0] - outer[0]).total_seconds() / whole
        return _Share(self.tell, self.start + self.length * begin, self.length * _seconds(inner) / whole)


def _seconds(window: Interval) -> float:
    return (window[1] - window[0]).total_seconds()
