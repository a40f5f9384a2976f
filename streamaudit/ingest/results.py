"""Options of an ingest run, the result of each file, and the coverage of the loads."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from streamaudit.ingest.mapping import Mapping
from streamaudit.ingest.merge import Counts
from streamaudit.ingest.readers.container import Reject
from streamaudit.ingest.sources.registry import Match, Source
from streamaudit.ingest.warnings import Doubts
from streamaudit.store.package_files import package_text
from streamaudit.store.pricing.own_prices import PriceFile
from streamaudit.store.store import Store
from streamaudit.store.views.refresh import OUTCOME

KEPT_REJECTS = 10_000
"""Rejects of a file that are kept in the store."""
ListReject = Callable[[str, Reject], None]
"""Receives the name of a file, and one of its rejects."""

_RECORD_REJECTS = """
INSERT INTO store.rejects
SELECT $load_id, $path, r.line, r.record, r.reason, r.bytes
FROM (SELECT unnest($rows::STRUCT(line BIGINT, record BIGINT, reason VARCHAR, bytes BIGINT)[]) AS r)
"""
_COVERAGE = """
SELECT
    count(*) FILTER (counted AND NOT embedding),
    count(*) FILTER (counted AND NOT embedding AND streamed),
    count(*) FILTER (counted AND NOT embedding AND ttft_status = 'usable'),
    count(*) FILTER (counted AND NOT embedding AND output_tokens IS NOT NULL),
    count(*) FILTER (counted AND NOT embedding AND outcome = 'cancelled'),
    count(*) FILTER (counted AND NOT embedding AND outcome = 'cancelled' AND billed_tokens IS NOT NULL),
    count(*) FILTER (counted AND NOT embedding AND rendered_tokens IS NOT NULL),
    count(*) FILTER (counted AND NOT embedding AND outcome = 'cancelled' AND rendered_tokens IS NOT NULL),
    count(*) FILTER (counted AND NOT embedding AND tenant IS NOT NULL),
    count(*) FILTER (counted AND NOT embedding AND start_time IS NULL),
    count(*) FILTER (uncounted_reason = 'nested'),
    count(*) FILTER (uncounted_reason = 'same_response'),
    count(*) FILTER (counted AND embedding),
    count(*) FILTER (counted AND NOT embedding AND cancel_evidence = 'unknown_word')
FROM (SELECT *, operation = 'embedding' AS embedding FROM ({outcome}))
WHERE list_contains($loads, load_id)
"""


@dataclass(frozen=True, slots=True)
class Options:
    """Options of an ingest run. ``max_bad_share`` and ``max_bad_count`` are None when any number of rejects is
    accepted."""

    mapping: Mapping = field(default_factory=Mapping)
    source_name: str | None = None
    force: bool = False
    max_bad_share: float | None = None
    max_bad_count: int | None = None
    sample_rate: float | None = None
    """Share of the calls that the exporter kept, from 0 to 1; None unknown."""
    prices: PriceFile | None = None
    """The user's own prices; None without a price file."""
    list_reject: ListReject | None = None
    """Called for every reject, in the order of the file; None where the first KEPT_REJECTS are enough."""

    def refuse_bad(self, read: int, rejected: int) -> str | None:
        """Return why a file with this many rejects is refused; None where it is not."""
        if self.max_bad_count is not None and rejected > self.max_bad_count:
            return f"{rejected:,} of {read:,} records are bad, more than --max-bad {self.max_bad_count}"
        if self.max_bad_share is not None and read and rejected / read > self.max_bad_share:
            return f"{rejected:,} of {read:,} records are bad, more than --max-bad {self.max_bad_share:.4g} of them"
        return None


@dataclass(frozen=True, slots=True)
class FileResult:
    """The result of one file: counted, skipped as unchanged, or failed with the reason in ``problem``."""

    shown: str
    source: Source | None = None
    match: Match | None = None
    counts: Counts | None = None
    rejects: tuple[Reject, ...] = ()
    """The first KEPT_REJECTS of them."""
    keys: dict[str, str] = field(default_factory=dict)
    load_id: int | None = None
    rejected: int = 0
    """Number of all rejects."""
    unchanged: bool = False
    problem: str | None = None
    hint: str | None = None
    begin: int = 0
    """The byte from which the file was read; everything before it was read earlier."""
    unfinished: bool = False
    """The last line has no end yet: it was cut off while it was written, or the file was truncated."""
    remapped: bool = False
    """The file was read before under another mapping, which no longer applies."""
    bug: str | None = None
    """Details of the bug that kept the file from being read, without any value of it; None without one."""
    passed_over: bool = False
    """The file was only found in a folder or by a glob, and nothing shows that it was meant."""
    absent: dict[str, str | None] = field(default_factory=dict)
    """Mapped columns for which no record has the user's path, each with the path that may have been meant."""
    partial_pages: int = 0
    """Pages that the vendor marks as incomplete because its time limit was reached."""
    for_diversity: int = 0
    """Calls that the vendor kept because they are rare; see ``warnings``."""
    ends_before_start: int = 0
    """Calls that end before they start: their end and duration are unknown."""
    shared_ends: int = 0
    """Traces of which all spans end at one moment; 0 unless most traces do."""
    doubts: Doubts = field(default_factory=Doubts)
    """Values that look wrong."""
    emptied: dict[str, int] = field(default_factory=dict)
    """By column, calls that have a value only under another key than the one in ``keys``."""

    @property
    def is_doubtful(self) -> bool:
        """Whether records contradict themselves or leave a unit out, so that one of their figures is left out."""
        is_unread = self.match is not None and bool(self.match.unread)
        return self.ends_before_start > 0 or self.doubts != Doubts() or is_unread

    @property
    def empty(self) -> bool:
        """Whether the file is empty; an hourly file with no records is no failure."""
        return self.problem == "empty file"


@dataclass(frozen=True, slots=True)
class Coverage:
    """Coverage of the calls that an ingest brought; every field counts calls."""

    calls: int = 0
    streamed: int = 0
    with_ttft: int = 0
    with_usage: int = 0
    cancelled: int = 0
    cancelled_with_usage: int = 0
    with_rendered: int = 0
    cancelled_with_rendered: int = 0
    with_tenant: int = 0
    without_start: int = 0
    nested: int = 0
    same_response: int = 0
    embeddings: int = 0
    outcome_words: int = 0


def keep_rejects(rejects: Iterable[Reject], shown: str, list_reject: ListReject | None) -> tuple[Reject, ...]:
    """Return the first KEPT_REJECTS of a file, and list all of them where somebody wants that."""
    found = iter(rejects)
    if list_reject is None:
        return tuple(islice(found, KEPT_REJECTS))
    kept = list[Reject]()
    for reject in found:
        list_reject(shown, reject)
        if len(kept) < KEPT_REJECTS:
            kept.append(reject)
    return tuple(kept)


def record_rejects(store: Store, load_id: int, path: str, rejects: Sequence[Reject]) -> None:
    """Write the rejects of a load into the store."""
    if rejects:
        rows = [
            {"line": reject.line, "record": reject.record, "reason": reject.reason, "bytes": reject.bytes}
            for reject in rejects
        ]
        store.run(_RECORD_REJECTS, {"load_id": load_id, "path": path, "rows": rows})


def measure_coverage(store: Store, loads: list[int]) -> Coverage:
    """Measure the coverage of the calls that these loads brought into the store."""
    query = _COVERAGE.replace("{outcome}", package_text("store", OUTCOME))
    return Coverage(*store.one(query, {"loads": loads}))
