"""The keywords that every query takes, and the scope they define."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import TypedDict

from streamaudit.audits.scope.scope import Scope, parse_by, parse_only
from streamaudit.audits.scope.window import parse_window
from streamaudit.errors import UsageError
from streamaudit.store.dimensions import DIMENSIONS

Moment = str | date | datetime
Names = str | Sequence[str]
Groups = dict[str, dict[str, tuple[str, ...]]]


class Filters(TypedDict, total=False):
    """Keywords that select calls, named like the options of the command line.

    ``since`` and ``until`` (exclusive) are dates or times, in zone ``tz`` unless they have their own; ``last`` is a
    span such as ``7d``, ``week`` an ISO week or ``last``. ``where`` is an SQL condition on a call's columns. ``only``
    maps a dimension to its values, or lists ``"tenant=acme,glob*"``. ``redact`` names dimensions whose values become
    aliases. ``now`` ends ``last``; the default is the present.
    """

    since: Moment | None
    until: Moment | None
    last: str | None
    week: str | None
    tz: str
    where: str | None
    only: Mapping[str, Names] | Sequence[str] | None
    redact: Names | None
    now: datetime | None


def scope_of(by: Names | None, top: int | None, filters: Filters, groups: Groups) -> Scope:
    """Return the scope of a query's keywords; UsageError for invalid ones."""
    if top is not None and top < 1:
        raise UsageError("--top: expected a number from 1")
    names = text_of(by)
    if names is not None and not names.replace(",", "").strip():
        raise UsageError("--by is empty", "dimensions: " + ", ".join(DIMENSIONS))
    tz = filters.get("tz", "UTC")
    since, until = parse_window(
        moment_text(filters.get("since")), moment_text(filters.get("until")), filters.get("last"), filters.get("week"),
        tz, filters.get("now"),
    )  # fmt: skip
    only = parse_only(_only(filters.get("only")))
    return Scope(parse_by(names, groups), since, until, tz, filters.get("where"), only, top, groups)


def redacted_names(filters: Filters) -> tuple[str, ...]:
    """Return the dimensions whose values become aliases; UsageError for an unknown one."""
    names = text_of(filters.get("redact"))
    return parse_by(names, flag="--redact", most=len(DIMENSIONS)) if names else ()


def text_of(names: Names | None) -> str | None:
    """Return names as the command line spells them, separated by commas."""
    return names if names is None or isinstance(names, str) else ",".join(names)


def moment_text(value: Moment | None) -> str | None:
    """Return a date or time as the command line spells it."""
    return value if value is None or isinstance(value, str) else value.isoformat()


def _only(wanted: Mapping[str, Names] | Sequence[str] | None) -> list[str]:
    if isinstance(wanted, Mapping):
        return [f"{name}={text_of(values)}" for name, values in wanted.items()]
    return [wanted] if isinstance(wanted, str) else list(wanted or ())
