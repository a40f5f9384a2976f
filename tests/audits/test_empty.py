"""Why there is nothing to report: which filter, what comes close to it, or what the data covers."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from streamaudit.audits.base import discover
from streamaudit.audits.diff.question import Ask, Side
from streamaudit.audits.diff.report import run as diff
from streamaudit.audits.empty import find_close
from streamaudit.audits.scope.scope import Scope, parse_only
from streamaudit.report.redact import redact_report
from streamaudit.store.store import Store
from tests.support import ingest, raw_call, store_of, write_lines

REPORT = discover()["report"]
ROUTES = ("POST /v1/chat", "POST /v1/search")
IN_2025 = {"since": datetime(2025, 1, 1, tzinfo=UTC), "until": datetime(2025, 2, 1, tzinfo=UTC)}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Calls of one day, on two routes of two tenants."""
    made = Store.in_memory()
    records = [
        raw_call(f"r{number}", route=ROUTES[number % 2], tenant_id=f"customer-{number % 2}", service_version="v1")
        for number in range(4)
    ]  # fmt: skip
    ingest(made, write_lines(tmp_path_factory.mktemp("empty") / "calls.jsonl", records))
    return made


def why(store: Store, *only: str, **options: Any) -> str:
    """The one note of a report without calls that people read."""
    report = REPORT.run(store, Scope(only=parse_only(list(only)), **options))
    (note,) = (note for note in report.notes if not note.data_only)
    assert note.code == "empty" and report.headline == "No calls match."
    return str(note.message)


@pytest.mark.parametrize(("only", "options", "words"), [
    (["route=/v1/chat"], {}, 'no call has route=/v1/chat; did you mean "POST /v1/chat"?'),
    (["tenant=Custmer-1"], {}, 'no call has tenant=Custmer-1; did you mean "customer-1"?'),
    (["tenant=acme"], {}, 'no call has tenant=acme; there are "customer-0", "customer-1"'),
    (["region=eu"], {}, "no call has a region"),
    (["route=POST /v1/chat", "tenant=customer-1"], {}, "no call meets all of --only at once, though each alone is met"),
    ([], {"where": "duration_ms < 0"}, "none of 4 calls meets --where duration_ms < 0"),
    ([], IN_2025, "no calls in this window: the data goes from 2026-11-16 08:00 to 2026-11-16 08:00 UTC"),
    (["route=*chat"], IN_2025,
     "no calls in this window: the calls that match go from 2026-11-16 08:00 to 2026-11-16 08:00 UTC"),
])  # fmt: skip
def test_the_reason_is_the_first_that_holds(
    store: Store, only: list[str], options: dict[str, Any], words: str
) -> None:
    """A filter without a match, filters that exclude each other, a condition, a window."""
    assert why(store, *only, **options) == words


def test_a_store_without_calls_names_the_command_that_fills_it(tmp_path: Path) -> None:
    """Whatever the filters are."""
    with Store.open(tmp_path / "s.duckdb", write=True) as empty:
        assert "streamaudit ingest FILE" in why(empty, "route=x")


def test_close_values_do_not_depend_on_case_and_the_most_alike_is_first() -> None:
    """A part of a name counts, a name that has nothing in common does not."""
    known = ["GET /v1/chats/old", "POST /v1/chat", "health"]
    assert find_close("/V1/chat", known)[0] == "POST /v1/chat"
    assert find_close("helth", known) == ["health"]
    assert find_close("*", known) == [] and find_close("zzz", known) == []


def test_an_alias_is_not_undone_by_the_reason(store: Store) -> None:
    """With --redact neither the value asked for nor one like it is named."""
    report = REPORT.run(store, Scope(only=(("route", "/v1/chat"),)))
    assert "chat" in report.notes[0].message
    hidden = redact_report(report, ("route",), "key")
    assert not any("chat" in note.message for note in hidden.notes)


def test_a_side_without_calls_names_the_one_meant(tmp_path: Path) -> None:
    """A mistyped deploy is the usual reason."""
    records = [raw_call(f"r{number}", service_version=f"api-1.{number % 2}") for number in range(8)]
    with store_of(write_lines(tmp_path / "calls.jsonl", records)) as store:
        report = diff(store, Scope(), Ask("deploy", Side("api-1.0"), Side("api1.1")))
    (note,) = (note for note in report.notes if note.code == "empty")
    assert note.message == 'the head side is empty: no call has deploy=api1.1; did you mean "api-1.1"?'
    assert "api" not in redact_report(replace(report, headline=""), ("deploy",), "key").notes[0].message
