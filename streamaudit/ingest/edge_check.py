"""Say of a sample of a log which figures it gives as evidence, before anything is read into a store.

A log of calls, such as traces with the attributes of a recorder, is checked as such: how many of its calls tell how
their stream ended.
"""

import shlex

from streamaudit.errors import InputError
from streamaudit.ingest.edge.registry import Server
from streamaudit.ingest.edge_log import count_remarks, find_log, server_of, stage_log
from streamaudit.ingest.pipeline import Ingest
from streamaudit.ingest.readers.gzip_check import check_gzip
from streamaudit.ingest.readers.reader import Reader, Refused
from streamaudit.ingest.results import Options
from streamaudit.ingest.staging import explain_failure
from streamaudit.report.model import NO_WINDOW, Column, Note, Report, Table
from streamaudit.store.duckdb_errors import ReadFailure
from streamaudit.store.store import Store

_FIGURES = {
    "cancelled": "whether the client left",
    "cancelled_at_ms": "when it left, after the request",
    "rendered_tokens": "tokens that the page showed: a lower bound of what the user saw",
    "rendered_chars": "characters that the page showed: a lower bound of what the user saw",
    "rendered_chunks": "chunks that the page showed: a lower bound of what the user saw",
    "delivered_tokens": "tokens handed to the client: an upper bound of what the user saw",
    "delivered_chars": "characters handed to the client: an upper bound of what the user saw",
    "delivered_chunks": "events handed to the client: an upper bound of what the user saw",
    "delivered_bytes": "bytes handed to the client: an upper bound of what the user saw",
    "ttfb_ms": "first byte of the response, which need not be the first token",
    "client_ttft_ms": "first text that the page showed",
    "upstream_end_ms": "when the upstream had ended by itself",
    "upstream_held_ms": "of a client that left: until when the upstream's connection was kept",
}
"""Figures of a line of a log, in the order in which they are listed. NULL is not known."""
_OF_CALLS = {
    "cancelled": ("count(*) FILTER (outcome = 'cancelled')", "calls that were cancelled"),
    "cancelled_at_ms": ("count(cancelled_at_ms)", "when the client left, after the request"),
    "rendered_tokens": ("count(rendered_tokens)", "tokens that the page showed: a lower bound of what the user saw"),
    "rendered_chars": ("count(rendered_chars)", "characters that the page showed: a lower bound of what the user saw"),
    "delivered_tokens": ("count(delivered_tokens)", "tokens handed to the client: an upper bound of what the user saw"),
    "upstream_end_ms": ("count(upstream_end_ms)", "when the provider's stream had ended"),
}
_IDS = {
    "litellm_call_id": "request_id", "request_id": "request_id", "own_id": "request_id", "response_id": "response_id",
    "trace_id": "trace_id",
}  # fmt: skip
"""Ids of a line, and the kind of id of a call that each may be."""

_COUNT_FIGURES = ", ".join(f"count({name})" for name in _FIGURES)
_COUNT_IDS = ", ".join(f"count({name}) FILTER (is_line AND NOT is_other)" for name in _IDS)
_COUNT_CALLS = ", ".join(sql for sql, _ in _OF_CALLS.values())
_KNOWN = f"""
SELECT {_COUNT_FIGURES} FROM arriving_evidence WHERE reason IS NULL
"""  # noqa: S608 - constants
_KNOWN_IDS = f"""
SELECT {_COUNT_IDS} FROM edge_records
"""  # noqa: S608 - constants
_LINES = """
SELECT coalesce(reason, 'evidence') AS lines_are, count(*) FROM arriving_evidence
GROUP BY reason ORDER BY reason IS NOT NULL, count(*) DESC, reason
"""
_CALLS = f"""
SELECT count(*), {_COUNT_CALLS} FROM store.calls
"""  # noqa: S608 - constants

_FIGURE = (
    Column("figure"),
    Column("known_lines", "calls", "lines that give it"),
    Column("meaning"),
)
_LINE = (Column("lines_are", None, "evidence, or the reason why a line is none"), Column("lines", "calls"))
_ID = (
    Column("id"),
    Column("known_lines", "calls", "lines that have it"),
    Column("on", None, "what --on calls it"),
)


def check_log(shown: str, expected: str | None = None) -> Report:
    """Report which figures a log gives. ``expected`` names the server whose log it should be, None for any.

    Raises InputError when the file cannot be read, or no line of it gives evidence.
    """
    with Store.in_memory() as store, Reader() as reader:
        try:
            file = reader.open(shown, find_log)
        except Refused as refused:
            raise InputError(f"{shown}: {refused}") from None
        server = server_of(file)
        if server is None:
            return _check_calls(store, reader, shown)
        try:
            with check_gzip(file) as intact:
                staged = stage_log(store, file, server, None)
                intact()
        except ReadFailure as failure:
            raise InputError(f"{shown}: {explain_failure(file, failure)}") from None
        finally:
            reader.done(file)
        if isinstance(staged, str):
            raise InputError(f"{shown}: {staged}")
        return _report(store, shown, server, expected, staged)


def _report(store: Store, shown: str, server: Server, expected: str | None, staged: tuple[str, str]) -> Report:
    lines = store.query(_LINES)
    if lines[0][0] != "evidence":
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in lines)
        raise InputError(f"{shown}: no line of this {server.words} gives evidence: {reasons}")
    used, remarks = lines[0][1], count_remarks(store)
    known = zip(_FIGURES, store.one(_KNOWN), strict=True)
    figures: list[tuple[str, int, str]] = [(name, count, _FIGURES[name]) for name, count in known if count]
    ids = [(name, count, _IDS[name]) for name, count in zip(_IDS, store.one(_KNOWN_IDS), strict=True) if count]
    ends = f"{remarks.cut:,} left by their client, {remarks.complete:,} complete"
    headline = f"{server.words}: {used:,} of {sum(count for _, count in lines):,} lines give evidence ({ends})"
    notes = []
    if expected not in (None, server.name) and server.name != "recorder":
        notes.append(Note("other_log", f"this is a {server.words}, not what that recipe writes"))
    if remarks.silent:
        notes.append(Note("cut_unknown", "do not say whether the client left", remarks.silent))
    if remarks.compressed:
        notes.append(Note("compressed", "lines have compressed bytes, which say nothing of tokens", remarks.compressed))
    if remarks.retried:
        notes.append(Note("retried", "lines are of requests sent to several upstreams in turn", remarks.retried))
    if not any(name.startswith("rendered") for name, *_ in figures):
        notes.append(Note("upper_bound", "a server's counts are an upper bound: instrument browser gives a lower"))
    notes.append(Note("chosen_id", "ingest joins by the id that most of your calls have; --on chooses another"))
    on = "" if len({kind for *_, kind in ids}) > 1 else f" --on {staged[0]}"
    notes.append(Note("next", f"streamaudit ingest {shlex.quote(shown)} --evidence{on}"))
    tables = (
        Table("figures", _FIGURE, tuple(figures)), Table("ids", _ID, tuple(ids)),
        Table("lines", _LINE, tuple(lines)),
    )  # fmt: skip
    return Report("log", NO_WINDOW, tables, notes=tuple(notes), headline=headline)


def _check_calls(store: Store, reader: Reader, shown: str) -> Report:
    read = Ingest(store, Options()).file(reader, shown)
    if read.problem is not None or read.source is None or not read.counts:
        problem = read.problem or "holds no calls"
        raise InputError(f"{shown}: neither the log of a server or recorder nor calls: {problem}")
    calls, *known = store.one(_CALLS)
    rows = [(name, count, _OF_CALLS[name][1]) for name, count in zip(_OF_CALLS, known, strict=True) if count]
    headline = f"{read.source.name}: {calls:,} calls, {rows[0][1] if rows else 0:,} of them with how they ended"
    notes = [Note("next", f"streamaudit ingest {shlex.quote(shown)}")]
    if not rows:
        notes.insert(0, Note("nothing", "no call says how its stream ended: set the attributes on its own span"))
    return Report("log", NO_WINDOW, (Table("figures", _FIGURE, tuple(rows)),), notes=tuple(notes), headline=headline)
