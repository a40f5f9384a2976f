"""Reports on an exported folder are those of its store: counts and sums exactly, percentiles within one percent."""

import os
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

import streamaudit
from streamaudit.api import Session
from streamaudit.audits.check.thresholds import parse_check
from streamaudit.audits.diff.histogram import CENSORED
from streamaudit.audits.diff.question import Ask, Side
from streamaudit.audits.diff.scan import scan
from streamaudit.audits.scope.scope import Scope
from streamaudit.config.settings import Settings
from streamaudit.errors import UsageError
from streamaudit.store.connection import Database
from streamaudit.store.engines import protocol
from streamaudit.store.engines.duckdb_engine import DuckDBEngine
from tests.cli.running import Cli
from tests.cli.traffic import call, calls, write_lines
from tests.engines.lint import BANNED, problems
from tests.engines.questions import QUESTIONS, SETTINGS, differences, session_over
from tests.sampling import keep

KEPT = (
    "report by week and tenant, in a window", "report by operation, some", "report of nobody",
    "ttft by provider, OpenTelemetry's bounds, one and the rest", "tax by month and tenant",
    "report by tenant over time, one and the rest", "history by deploy",
    "diff of two weeks by tenant, without strata", "diff of two models, waits alone", "check of a window",
    "weekly of a window by two",
)  # fmt: skip
"""Questions of each run: one of each kind, with groups and the rest, marks, notes, windows, filters and no calls."""


@pytest.fixture(scope="module")
def stored(sample_store: Path) -> Iterator[Session]:
    with Session(SETTINGS, db=sample_store) as session:
        yield session


@pytest.fixture(scope="module")
def exported(sample_export: Path) -> Iterator[Session]:
    """A session over the folder of the samples whose engine has another time zone."""
    with _exported(sample_export, "Asia/Kolkata") as session:
        yield session


def _exported(folder: Path, zone: str = "UTC") -> Session:
    """A session over a folder whose engine has another time zone."""
    return session_over(folder, DuckDBEngine(str(folder), zone=zone))


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that an engine gets from here on."""
    seen: list[str] = []
    for name in ("first_rows", "arrays"):
        ask = getattr(Database, name)

        def record(self: Database, sql: str, *rest: object, ask: Callable[..., object] = ask) -> object:
            seen.append(sql)
            return ask(self, sql, *rest)

        monkeypatch.setattr(Database, name, record)
    return seen


@pytest.mark.parametrize("name", keep(QUESTIONS, KEPT))
def test_an_export_answers_as_its_store_does(
    stored: Session, exported: Session, name: str, texts: list[str]
) -> None:
    """By texts that any engine reads."""
    wanted = QUESTIONS[name](stored).report
    texts.clear()
    found = list(differences(wanted, QUESTIONS[name](exported).report))
    assert not found, "\n".join(found[:20])
    assert texts and {text: found for text in texts if (found := problems(text))} == {}


def test_groups_of_the_configuration_are_those_of_a_store(
    stored: Session, exported: Session, texts: list[str]
) -> None:
    """The first group that a value belongs to counts, with its patterns."""
    wanted, found = (one.report(by="group:big,route", top=2).report for one in (stored, exported))
    assert list(differences(wanted, found)) == []
    assert texts and not any(map(problems, texts))


@pytest.mark.parametrize(
    "text",
    [
        "count(*) FILTER (a > 1)", "sum(a)::BIGINT", "CAST(a AS VARCHAR)", "a // b", "SELECT [a]", "* EXCLUDE (a)",
        "a QUALIFY b", "GROUP BY ALL", "median(a)", 'SELECT "a"', "'it''s'", "1 / 0", "a = ?",
    ],
)  # fmt: skip
def test_the_lint_sees_what_is_not_portable(text: str) -> None:
    assert len(problems(text)) >= 1
    assert len(BANNED) >= 13


@pytest.mark.parametrize(
    ("question", "named"),
    [
        (lambda s: s.report(where="tenant = 'acme'"), "--where"),
        (lambda s: s.report(redact="tenant"), "--redact"),
        (lambda s: s.report(tz="Asia/Kolkata"), "UTC"),
        (lambda s: s.report(goodput="ttft=2s"), "--goodput"),
        (lambda s: s.ttft(censored=True), "--censored"),
        (lambda s: s.tax(if_stopped=True), "--if-stopped"),
        (lambda s: s.history(findings=True), "--findings"),
        (lambda s: s.coverage(), "store"),
        (lambda s: s.audit(), "store"),
    ],
)  # fmt: skip
def test_what_an_export_does_not_answer_is_refused_with_what_to_do(
    exported: Session, question: object, named: str
) -> None:
    with pytest.raises(UsageError) as refused:
        question(exported)  # type: ignore[operator]
    assert named in refused.value.message + (refused.value.hint or "")
    assert refused.value.hint


def test_a_threshold_within_the_bound_of_a_percentile_is_undecided(stored: Session, sample_export: Path) -> None:
    """An export knows it to 1 %: a limit that is closer to the store's value is neither met nor broken."""
    p95 = next(stored.report(only=["tenant=acme"]).report.tables[-1].records())["ttft_p95_ms"]
    assert isinstance(p95, float)
    checks = [{"metric": "ttft_ms", "expect": f"p(95)<{p95 * part}", "where": "tenant=acme"} for part in (1.002, 1.03)]
    with Session(Settings(checks=tuple(map(parse_check, checks))), data=str(sample_export)) as exported:
        near, far = exported.check().report.tables[0].records()
    assert (near["verdict"], far["verdict"]) == ("skip", "pass")
    assert str(near["reason"]).startswith("between ")


def test_python_opens_an_export_and_its_results_are_tables(sample_export: Path) -> None:
    with streamaudit.open_export(sample_export, config=None) as session:
        diff = session.diff(by="route", metric="ttft")
        assert len(session.report(by="model").tables["by_model"].to_arrow()) == 8
    assert diff.tables["by_route"].to_polars()["verdict"].is_in(["regression"]).any()


def test_too_many_groups_are_refused(exported: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("duckdb_engine", "protocol"):
        monkeypatch.setattr(f"streamaudit.store.engines.{module}.MOST_ROWS", 5)
    with pytest.raises(UsageError, match="more than 5 groups"):
        exported.report(by="tenant")


def test_groups_beyond_the_shown_ones_stay_with_the_engine(
    exported: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of any number of groups only those that have a row come back."""
    for module in ("duckdb_engine", "protocol"):
        monkeypatch.setattr(f"streamaudit.store.engines.{module}.MOST_ROWS", 60)
    for ask in (exported.tax, exported.ttft):
        table = ask(by="tenant,route,model", top=2).report.tables[0]
        assert (len(table.rows), table.rest_row) == (3, 2) and table.rest_groups > 60
    with pytest.raises(UsageError, match="more than 60 groups"):
        exported.report(by="tenant,route,model")


def test_too_many_counts_of_a_diff_are_refused_with_what_to_do(
    exported: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("duckdb_engine", "protocol"):
        monkeypatch.setattr(f"streamaudit.store.engines.{module}.MOST_CELLS", 50)
    with pytest.raises(UsageError, match="more than 50 counts") as refused:
        exported.diff(by="route")
    assert "--strata none" in (refused.value.hint or "")


def test_a_baseline_of_an_export_is_that_of_its_store(stored: Session, exported: Session, tmp_path: Path) -> None:
    """Saved from either and compared on either, the answer is the same."""
    old, new = "2026.11.09-1", "2026.11.18-3"
    for session, name in ((stored, "stored"), (exported, "exported")):
        session.save_baseline(tmp_path / name, old, by="route")
    # Four answers of which each is compared with the first: two differ from it in one thing, the last in both.
    found = [
        session.diff(None, new, base_store=tmp_path / name, by="route").report
        for session, name in ((stored, "stored"), (stored, "exported"), (exported, "stored"))
    ]
    assert all([table.rows for table in one.tables] == [table.rows for table in found[0].tables] for one in found)
    assert any(row["verdict"] != "too little data" for row in found[0].tables[0].records())


def test_a_diff_at_the_edges_of_seconds_and_blocks_is_that_of_its_store(tmp_path: Path) -> None:
    """Starts within the last half of a second, reasoning that was cut before anything visible, cuts at unknown times,
    caches, sessions and values without a name: every count of both is the same."""
    cli = Cli(tmp_path)
    lines = []
    for number in range(900):
        model = ("plain", "thinks", None)[number % 3]
        extra: dict[str, object] = {"model": model, "session_id": f"s{number // 7}" if number % 5 else None}
        extra["version"] = "a" if number < 450 else "b"
        moment = datetime(2026, 11, 16, 10) + timedelta(seconds=20 * number, milliseconds=500 + number % 500)
        extra["start_time"] = moment.isoformat() + "Z"
        if model == "thinks":
            extra |= {"ttvt_ms": 700 + number % 90} if number % 4 else {"outcome": "cancelled", "rendered_tokens": None}
        if number % 11 == 0:
            extra |= {"outcome": "cancelled", "ttft_ms": None, "cancelled_at_ms": None if number % 2 else 5 * number}
        if number % 13 == 0:
            extra |= {"cache_hit": True}
        lines.append(call(number, **extra))
    write_lines(cli.folder / "calls.jsonl", lines)
    steps = (["ingest", "calls.jsonl", "-q"], ["export", "out"])
    done = cli.run_each([[*arguments, "--db", "s.duckdb"] for arguments in steps])
    assert [one.code for one in done] == [0, 0], done
    with (
        Session(Settings(), db=cli.folder / "s.duckdb") as stored,
        _exported(cli.folder / "out", "Asia/Kolkata") as out,
    ):
        counts = []
        for session in (stored, out):
            store, scope = session._connect_store(), Scope(by=("model",))
            scope.prepare(store)
            ask = Ask("deploy", Side("a"), Side("b"), skip_first_s=60.0)
            counts.append(scan(store, scope, ask, taxed=True))
    one, other = counts
    assert (one.places, one.periods, one.block_s, one.ticks_ms) == (
        other.places, other.periods, other.block_s, other.ticks_ms
    )  # fmt: skip
    arrays = [
        {**{f"{name} {side} {part}": getattr(each.latencies[name][side], part)
            for name in each.latencies for side in (0, 1) for part in ("place", "block", "bucket", "n")},
         **each.rates, **{f"session {name}": values for name, values in each.sessions.items()}}
        for each in counts
    ]  # fmt: skip
    assert [name for name in arrays[0] if not np.array_equal(arrays[0][name], arrays[1][name])] == []
    assert any((one.latencies["ttvt"][side].bucket >= CENSORED).any() for side in (0, 1)) and len(one.sessions["n"])


def test_a_first_byte_that_a_log_has_is_set_against_the_first_token(tmp_path: Path) -> None:
    """Medians come from buckets, of calls with both times alone."""
    cli = Cli(tmp_path)
    write_lines(cli.folder / "calls.jsonl", [call(number, time_to_first_chunk_ms=1000 + number) for number in range(5)])
    write_lines(cli.folder / "edge.jsonl", [
        {"request_id": f"r{number}", "delivered_chunks": 9, "bytes": 90, "cancelled": False, "ttft_ms": 100 + number}
        for number in range(3)
    ])  # fmt: skip
    steps = (["ingest", "calls.jsonl"], ["ingest", "edge.jsonl", "--evidence"], ["export", "out"])
    done = cli.run_each([[*arguments, "--db", "s.duckdb"] for arguments in steps])
    assert [one.code for one in done] == [0, 0, 0], done
    found = []
    with Session(Settings(), db=cli.folder / "s.duckdb") as stored, _exported(cli.folder / "out") as exported:
        for session in (stored, exported):
            (note,) = (one for one in session.ttft().report.notes if one.code == "ttfb")
            found.append((note.count, [float(one) for one in re.findall(r"([\d.]+) ms", note.message)], note.message))
    (calls, wanted, _), (others, given, message) = found
    assert calls == others == 3 and "of 3 calls" in message and len(given) == len(wanted) >= 2
    assert given == pytest.approx(wanted, rel=0.011)


def test_parameters_are_bound_by_name() -> None:
    """Spark binds positions in the order of its plan, so a text with two scans would get another's values."""
    text = "a = $x AND b > $y_1 OR c = $x"
    assert protocol.bind(text, {"x": 1, "y_1": 2, "z": 3}, ":") == (
        "a = :x AND b > :y_1 OR c = :x", {"x": 1, "y_1": 2},
    )  # fmt: skip


def test_the_command_line_answers_from_a_folder(tmp_path: Path) -> None:
    """The same screen as from the store but for its percentiles; one line for what is no export."""
    cli = Cli(tmp_path)
    write_lines(cli.folder / "calls.jsonl", [*calls(30), call(99, start_time="2026-11-20T10:00:00Z")])
    tax = ["tax", "--by", "tenant"]
    diff = ["diff", "--base-since", "2026-11-16", "--since", "2026-11-17", "--metric", "cancel_rate,tax_rate"]
    done = cli.run_each([
        ["ingest", "calls.jsonl", "--db", "s.duckdb", "-q"], ["export", "out", "--db", "s.duckdb"],
        *([*question, *source] for question in (tax, diff) for source in (("--db", "s.duckdb"), ("--data", "out"))),
    ])  # fmt: skip
    assert [one.code for one in done] == [0] * 6, done
    stored, exported, wanted, given = (one.out for one in done[2:])
    assert exported == stored and "acme" in stored
    assert given == wanted and "cancel_rate" in given
    (cli.folder / "old" / "day=2026-11-16").mkdir(parents=True)
    (cli.folder / "out" / "day=2026-11-16" / "calls.parquet").rename(cli.folder / "old/day=2026-11-16/calls.parquet")
    (cli.folder / "empty").mkdir()
    refusals = (
        (["--data", "old"], 3, "streamaudit export old --overwrite"),
        (["--data", "empty"], 3, "no exported calls"),
        (["--data", "missing"], 3, "no such folder"),
        (["--data", "old", "--db", "s.duckdb"], 2, "only one of them"),
        (["--data", "old", "--engine", "oracle"], 2, "expected duckdb or sc://HOST:PORT"),
    )
    refused = cli.run_each([["report", *arguments] for arguments, _, _ in refusals])
    for (arguments, code, words), one in zip(refusals, refused, strict=True):
        assert (one.code, one.out) == (code, ""), (arguments, one.err)
        assert words in one.err and "Traceback" not in one.err, arguments
    assert os.listdir(cli.folder / "empty") == []
