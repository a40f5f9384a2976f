"""Say why a report has no call: the filter that none meets, the closest value there is, or what the store covers."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any
from zoneinfo import ZoneInfo

from streamaudit.audits.scope.portable import Texts, moment
from streamaudit.audits.scope.scope import Scope
from streamaudit.report.model import Note
from streamaudit.report.numbers import count
from streamaudit.store.store import Store

_ANY_CALLS = Texts("SELECT EXISTS (FROM store.calls)", "SELECT count(*) > 0 AS is_any FROM calls")
_COUNTED = Texts(
    "SELECT count(*) FROM refreshed_calls WHERE counted", "SELECT count(*) AS calls FROM matching_calls WHERE counted"
)
_COUNT = Texts(
    "SELECT count(*), min(start_time), max(start_time) FROM scope",
    "SELECT count(*) AS calls, min(start_us) AS first_call, max(start_us) AS last_call FROM scope",
)
# A close value is searched for among these, the most frequent first.
_VALUES = """
SELECT by_1, count(*) AS calls FROM scope WHERE by_1 IS NOT NULL GROUP BY by_1 ORDER BY calls DESC, by_1 LIMIT 1000
"""
_NAMED, _CLOSE = 3, 0.6


def explain_empty(store: Store, scope: Scope) -> Note:
    """Return the note that there is nothing to report, and why. The scope must be prepared.

    Its words hold values of dimensions, unless they are redacted.
    """
    if not Scope().rows(store, _ANY_CALLS)[0][0]:
        if store.engine is not None:
            return _note("the export has no calls")
        if store.path is None:
            return _note("no record read is an LLM call: streamaudit fields FILE shows what there is")
        return _note("the store is empty: streamaudit ingest FILE reads calls into it")
    whole = replace(scope, by=(), since=None, until=None, only=())
    if not _count(store, whole)[0]:
        calls = count(Scope().rows(store, _COUNTED)[0][0], "call")
        if scope.where is None:
            return _note("no calls are counted: all repeat another, or are for embeddings (--by operation)")
        return _note(f"none of {calls} meets --where {scope.where}", f"none of {calls} meets --where")
    for name, values in scope.only:
        if not _count(store, replace(whole, only=((name, values),)))[0]:
            return _note(*_explain_filter(store, whole, name, values))
    filtered = replace(whole, only=scope.only)
    calls, first, last = _count(store, filtered)
    if not calls:
        return _note("no call meets all of --only at once, though each alone is met")
    if first is None:
        return _note("no call with a start time, which a window needs")
    held = "the calls that match go" if scope.filters else "the data goes"
    covered = f"from {_minute(first, scope.tz)} to {_minute(last, scope.tz)} {scope.tz}"
    return _note(f"no calls in this window: {held} {covered}")


def _explain_filter(store: Store, whole: Scope, name: str, values: str) -> tuple[str, str]:
    """Return the words about a filter that no call meets, with close values, and without any value."""
    one = replace(whole, by=(name,))
    known = [str(row[0]) for row in one.rows(store, _VALUES)]
    subject = f"no call has {name}={values}"
    if not known:
        return f"no call has a {name.replace('_', ' ')}", ""
    close = [found for part in values.split(",") for found in find_close(part.strip(), known)]
    if close:
        return f"{subject}; did you mean {_quote(close[0])}?", f"no call has this {name.replace('_', ' ')}"
    more = f" and {len(known) - _NAMED:,} more" if len(known) > _NAMED else ""
    return f"{subject}; there are {', '.join(map(_quote, known[:_NAMED]))}{more}", f"no call has this {name}"


def find_close(word: str, known: Sequence[str]) -> list[str]:
    """Return known values like a mistyped or shortened one, the most alike first; case does not count."""
    plain = word.strip("*?").lower()
    if not plain:
        return []
    parts = [value for value in known if plain in value.lower() or value.lower() in plain]
    by_lower = {value.lower(): value for value in reversed(known)}
    alike = [by_lower[found] for found in get_close_matches(plain, by_lower, n=_NAMED, cutoff=_CLOSE)]
    return list(dict.fromkeys([*(value for value in alike if value in parts), *alike, *parts]))


def _count(store: Store, scope: Scope) -> tuple[Any, ...]:
    calls, first, last = scope.rows(store, _COUNT)[0]
    return calls, moment(first), moment(last)


def _note(message: str, redacted: str = "") -> Note:
    return Note("empty", message, redacted=redacted)


def _quote(value: str) -> str:
    return f'"{value}"'


def _minute(moment: datetime, tz: str) -> str:
    return f"{moment.replace(tzinfo=UTC).astimezone(ZoneInfo(tz)):%Y-%m-%d %H:%M}"
