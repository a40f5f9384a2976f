"""Load many small files of one format together: planning a load's statements takes a hundred times as long as running
them over twenty records.

The files are written one after the other into one, which is staged once; the ordinal of a record gives its file. Each
has its own load and its own tally, as if it had been loaded alone. What concerns more than its own file, and whatever
has to be reported of it, is left to a load of its own: the batch ends before the first file with such a record.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import streamaudit
from streamaudit.ingest.additions import note_additions
from streamaudit.ingest.incremental import Mark, can_grow, find_ends, take_mark
from streamaudit.ingest.keys import choose_keys, record_keys
from streamaudit.ingest.mapping import KEYED, Mapping
from streamaudit.ingest.merge import UNPRICED, Counts, find_stored, merge, replace_loads, set_variables
from streamaudit.ingest.readers.container import InputFile
from streamaudit.ingest.readers.jsonl import LINES
from streamaudit.ingest.readers.temporary import write_temporary
from streamaudit.ingest.results import FileResult, Options
from streamaudit.ingest.sources.registry import Match, Source
from streamaudit.ingest.staging import stage
from streamaudit.ingest.stock import take_stock
from streamaudit.ingest.traces import recompute
from streamaudit.ingest.warnings import find_mixed_file
from streamaudit.store.pricing.kept import KeptPrices
from streamaudit.store.store import Store

MOST_FILES = 256
_MOST_BYTES = 8 << 20
_SMALL_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Small:
    """A small file of complete lines, with its content."""

    file: InputFile
    source: Source
    match: Match
    data: bytes
    mark: Mark

    @property
    def records(self) -> int:
        """Number of lines that are not blank."""
        return sum(1 for line in self.data.split(b"\n") if line.strip())


def take_small(file: InputFile, source: Source, match: Match, mapping: Mapping) -> Small | None:
    """Return the file with its content if it may be loaded with others; None when it is to be loaded alone. A call
    without an id of its own is identified by its place in its file, and a user's path is judged file by file."""
    if file.container is not LINES or file.size > _SMALL_BYTES or mapping.paths or source.id_field is None:
        return None
    if not can_grow(file):
        return None
    try:
        data = file.path.read_bytes()
    except OSError:
        return None
    mark = take_mark(data)
    return Small(file, source, match, data, mark) if len(data) == file.size == mark.end else None


def fits(batch: Sequence[Small], another: Small) -> bool:
    """Whether a file may be added to a batch."""
    if not batch:
        return True
    size = sum(len(one.data) for one in batch) + len(another.data)
    return len(batch) < MOST_FILES and size <= _MOST_BYTES and batch[0].source == another.source


_KNOWN_PATHS = "SELECT DISTINCT path FROM store.loads WHERE source = $source AND path IN (SELECT unnest($paths))"
_KNOWN_ENDS = """
SELECT DISTINCT end_byte, content_before FROM store.loads
WHERE source = $source AND digest = $digest AND end_byte <= $size
"""


def count_unknown(store: Store, batch: Sequence[Small], source: str, digest: str) -> int:
    """Count the files before the first one that the store may know, in another version or as the beginning of it."""
    paths = [one.file.stored_name for one in batch]
    known = {row[0] for row in store.query(_KNOWN_PATHS, {"source": source, "paths": paths})}
    size = max(len(one.data) for one in batch)
    ends: dict[int, set[str]] = {}
    for end, before in store.query(_KNOWN_ENDS, {"source": source, "digest": digest, "size": size}):
        ends.setdefault(end, set()).add(before)
    for number, (path, one) in enumerate(zip(paths, batch, strict=True)):
        if path in known or path in paths[:number] or find_ends(one.data, ends):
            return number
    return len(batch)


# The first record that is no plain new call: a reject, a step, one that belongs to others, one that is to be reported.
_SPECIAL = """
SELECT min(line) FROM (
    SELECT *, row_number() OVER (PARTITION BY call_id ORDER BY line) AS turn,
        CASE WHEN total_tokens <= 1e10 THEN total_tokens::HUGEINT - input_tokens - output_tokens END AS over
    FROM scratch.staged
)
WHERE reason IS NOT NULL OR kind NOT IN ('llm', 'embedding') OR parent_id IS NOT NULL OR turn > 1 OR for_diversity
    OR misfits IS NOT NULL OR duration_ms < 0 OR end_time < start_time OR over > greatest(1, total_tokens / 100)
"""
# The first record of a call that is stored, or whose columns come from another key than those of the source.
_KNOWN = """
WITH stored AS (
    SELECT
        min(rank) FILTER (field = 'tenant') AS tenant, min(rank) FILTER (field = 'route') AS route,
        min(rank) FILTER (field = 'deploy') AS deploy, min(rank) FILTER (field = 'rendered_tokens') AS rendered_tokens,
        min(rank) FILTER (field = 'delivered_tokens') AS delivered_tokens
    FROM store.load_keys WHERE source = $source AND digest = $digest
), chosen AS (
    SELECT
        coalesce(any_value(stored.tenant), arg_min(tenant_rank, line)) AS tenant,
        coalesce(any_value(stored.route), arg_min(route_rank, line)) AS route,
        coalesce(any_value(stored.deploy), arg_min(deploy_rank, line)) AS deploy,
        coalesce(any_value(stored.rendered_tokens), arg_min(rendered_tokens_rank, line)) AS rendered_tokens,
        coalesce(any_value(stored.delivered_tokens), arg_min(delivered_tokens_rank, line)) AS delivered_tokens
    FROM scratch.staged CROSS JOIN stored
)
SELECT least(
    (SELECT min(line) FROM scratch.staged CROSS JOIN chosen
    WHERE tenant_rank <> chosen.tenant OR route_rank <> chosen.route OR deploy_rank <> chosen.deploy
        OR rendered_tokens_rank <> chosen.rendered_tokens OR delivered_tokens_rank <> chosen.delivered_tokens),
    (SELECT min(line) FROM scratch.staged SEMI JOIN stored_calls USING (call_id))
)
"""
_DROP = "DELETE FROM scratch.records WHERE line > $last"
# Each file with the number of its records, what it says of itself, and the best key that it has for each column.
_FILES = """
SELECT
    file_of(line) AS file, count(*), min(sample_rate) FILTER (sample_rate > 0),
    min(tenant_rank), min(route_rank), min(deploy_rank), min(rendered_tokens_rank), min(delivered_tokens_rank)
FROM scratch.staged GROUP BY file ORDER BY file
"""
_RECORD_LOADS = """
INSERT INTO store.loads
SELECT l.load_id, l.source, l.path, l.fingerprint, l.format, l.variant, l.digest, now()::TIMESTAMP, $tool,
    l.records, l.records, 0, 0, 0, 0, l.sample_rate, NULL, l.end_byte, NULL, NULL, l.content_before
FROM (SELECT unnest($rows::STRUCT(load_id BIGINT, source VARCHAR, path VARCHAR, fingerprint VARCHAR, format VARCHAR,
    variant VARCHAR, digest VARCHAR, records BIGINT, sample_rate DOUBLE, end_byte BIGINT,
    content_before VARCHAR)[]) AS l)
"""


@dataclass(frozen=True, slots=True)
class Together:
    """Files that are loaded together: the store, the name and digest of their source, settings and prices."""

    store: Store
    name: str
    digest: str
    salt: str
    options: Options
    prices: KeptPrices

    def load(self, batch: Sequence[Small], folder: Path) -> list[FileResult]:
        """Load the files of a batch, up to the first one that has to be loaded alone, in one transaction. The scratch
        database is attached. Raises ReadFailure when the database cannot read them."""
        store, source = self.store, batch[0].source
        mapping = source.mapping(self.options.mapping)
        ends = list(accumulate(one.records for one in batch))
        with store.release():
            joined = _join(batch, folder)
            stage(store, joined, source, mapping, self.salt, folder)
            joined.path.unlink()
            if store.one("SELECT count(*) FROM scratch.staged")[0] != ends[-1]:
                return []
            set_variables(store, {"file_ends": ends})
            kept = _keep(store, ends, len(batch), store.one(_SPECIAL)[0])
            mixed = find_mixed_file(store) if kept else None
            kept = kept if mixed is None else _keep(store, ends, kept, ends[mixed])
            if kept:
                self.prices.look_up(UNPRICED)
        if not kept:
            return []
        # Before the transaction, which may write to the store alone; no other process can write to it meanwhile.
        set_variables(store, {"source": self.name})
        find_stored(store)
        kept = _keep(store, ends, kept, store.one(_KNOWN, {"source": self.name, "digest": self.digest})[0])
        if not kept:
            return []
        with store.transaction():
            return self._merge(batch[:kept], source)

    def _merge(self, batch: Sequence[Small], source: Source) -> list[FileResult]:
        store, mapping = self.store, source.mapping(self.options.mapping)
        load_id: int = store.one("SELECT coalesce(max(load_id), 0) + 1 FROM store.loads")[0]
        replace_loads(store, [], [])
        set_variables(store, {"source": self.name, "load_id": load_id})
        before = choose_keys(store, self.name, self.digest)[0]
        files = store.query(_FILES)
        record_keys(store, [
            {"load_id": load_id + row[0], "source": self.name, "digest": self.digest, "field": column, "rank": rank,
             "key": source.key_name(column, rank, mapping)}
            for row in files for column, rank in zip(KEYED, row[3:], strict=True) if rank is not None
        ])  # fmt: skip
        chosen, _ = choose_keys(store, self.name, self.digest)
        names = {column: source.key_name(column, rank, mapping) for column, rank in chosen.items() if rank is not None}
        set_variables(store, {f"rank_{column}": chosen[column] for column in KEYED})
        set_variables(store, {"key_rendered_tokens": names.get("rendered_tokens")})
        stock = take_stock(store)
        counts = merge(store, stock, source.id_names, is_reread=False)
        recompute(
            store, stock, source.nested_rule, route_by_ancestor=names.get("route") == "ancestor",
            prices=self.options.prices,
        )  # fmt: skip
        note_additions(store, counts)
        rows = [self._describe(batch[row[0]], load_id + row[0], row[1], row[2]) for row in files]
        store.run(_RECORD_LOADS, {"rows": rows, "tool": streamaudit.__version__})
        self.prices.keep()
        results = []
        seen = {column for column, rank in before.items() if rank is not None}
        for number, count, _rate, *ranks in files:
            seen |= {column for column, rank in zip(KEYED, ranks, strict=True) if rank is not None}
            one = batch[number]
            results.append(FileResult(
                one.file.shown, source, one.match, Counts(count, count, 0, 0, 0, 0), load_id=load_id + number,
                keys={column: name for column, name in names.items() if column in seen},
            ))  # fmt: skip
        return results

    def _describe(self, one: Small, load_id: int, records: int, rate: float | None) -> dict[str, Any]:
        own_rate = self.options.sample_rate
        return {
            "load_id": load_id, "source": self.name, "path": one.file.stored_name,
            "fingerprint": one.file.fingerprint, "format": one.source.name, "variant": one.match.variant,
            "digest": self.digest, "records": records,
            "sample_rate": rate if own_rate is None else own_rate, "end_byte": one.mark.end,
            "content_before": one.mark.before,
        }  # fmt: skip


def _join(batch: Sequence[Small], folder: Path) -> InputFile:
    """Write the files one after the other into one."""
    path = folder / "batch.json"
    with write_temporary(path) as out:
        for one in batch:
            out.write(one.data)
            if not one.data.endswith(b"\n"):
                out.write(b"\n")
    return replace(batch[0].file, path=path, size=path.stat().st_size)


def _keep(store: Store, ends: Sequence[int], kept: int, special: int | None) -> int:
    """Leave only the files before the one that has the record number ``special``; return how many they are."""
    if special is None:
        return kept
    fewer = min(kept, bisect_right(ends, special - 1))
    store.run(_DROP, {"last": ends[fewer - 1] if fewer else 0})
    return fewer
