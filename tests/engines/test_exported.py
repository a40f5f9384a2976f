"""Reports on an exported folder are those of its store: counts and sums exactly, percentiles within one percent."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamaudit.api import Session
from streamaudit.config.settings import Settings
from streamaudit.errors import UsageError
from streamaudit.store.connection import Database
from streamaudit.store.engines import protocol
from streamaudit.store.engines.duckdb_engine import DuckDBEngine
from streamaudit.store.exported import ExportedStore
from tests.cli.running import Cli
from tests.cli.traffic import call, calls, write_lines
from tests.engines.lint import BANNED, problems
from tests.engines.questions import QUESTIONS, differences

GROUPS: dict[str, dict[str, tuple[str, ...]]] = {
    "big": {"tenant": ("acme", "glob*")}, "small": {"tenant": ("*e*", "st?rk")},
}  # fmt: skip


@pytest.fixture
def stored(sample_store: Path) -> Iterator[Session]:
    with Session(Settings(groups=GROUPS), db=sample_store) as session:
        yield session


def _exported(folder: Path, zone: str = "UTC") -> Session:
    """A session over a folder whose engine has another time zone."""
    session = Session(Settings(groups=GROUPS), data=str(folder))
    session._store = session._open.enter_context(ExportedStore(DuckDBEngine(str(folder), zone=zone), str(folder)))
    return session


@pytest.mark.parametrize("name", QUESTIONS)
def test_an_export_answers_as_its_store_does(stored: Session, sample_export: Path, name: str) -> None:
    with _exported(sample_export, "Asia/Kolkata") as exported:
        found = list(differences(QUESTIONS[name](stored).report, QUESTIONS[name](exported).report))
    assert not found, "\n".join(found[:20])


def test_groups_of_the_configuration_are_those_of_a_store(stored: Session, sample_export: Path) -> None:
    """The first group that a value belongs to counts, with its patterns."""
    with _exported(sample_export) as exported:
        for by in ("group:tenant", "group:big,route"):
            assert list(differences(stored.report(by=by, top=2).report, exported.report(by=by, top=2).report)) == []


def test_every_text_is_portable(sample_export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the engine gets it: what only one engine reads, or reads otherwise, is in none of them."""
    texts: list[str] = []
    first_rows = Database.first_rows

    def record(self: Database, sql: str, values: dict[str, object], most: int) -> list[tuple[object, ...]]:
        texts.append(sql)
        return first_rows(self, sql, values, most)

    monkeypatch.setattr(Database, "first_rows", record)
    with _exported(sample_export) as exported:
        for question in QUESTIONS.values():
            question(exported)
        exported.report(by="group:tenant", top=1)
    assert len(texts) > 50
    assert {text: found for text in texts if (found := problems(text))} == {}


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
    sample_export: Path, question: object, named: str
) -> None:
    with _exported(sample_export) as exported, pytest.raises(UsageError) as refused:
        question(exported)  # type: ignore[operator]
    assert named in refused.value.message + (refused.value.hint or "")
    assert refused.value.hint


def test_too_many_groups_are_refused(sample_export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("duckdb_engine", "protocol"):
        monkeypatch.setattr(f"streamaudit.store.engines.{module}.MOST_ROWS", 5)
    with _exported(sample_export) as exported, pytest.raises(UsageError, match="more than 5 groups"):
        exported.report(by="tenant")


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
    assert cli.run("ingest", "calls.jsonl", "--db", "s.duckdb", "-q").code == 0
    assert cli.run("export", "out", "--db", "s.duckdb").code == 0
    stored = cli.run("tax", "--by", "tenant", "--db", "s.duckdb")
    assert cli.run("tax", "--by", "tenant", "--data", "out").out == stored.out
    (cli.folder / "old" / "day=2026-11-16").mkdir(parents=True)
    (cli.folder / "out" / "day=2026-11-16" / "calls.parquet").rename(cli.folder / "old/day=2026-11-16/calls.parquet")
    (cli.folder / "empty").mkdir()
    for arguments, code, words in (
        (("--data", "old"), 3, "streamaudit export old --overwrite"),
        (("--data", "empty"), 3, "no exported calls"),
        (("--data", "missing"), 3, "no such folder"),
        (("--data", "old", "--db", "s.duckdb"), 2, "only one of them"),
        (("--data", "old", "--engine", "oracle"), 2, "expected duckdb or sc://HOST:PORT"),
    ):
        done = cli.run("report", *arguments)
        assert (done.code, done.out) == (code, ""), done.err
        assert words in done.err and "Traceback" not in done.err
    assert os.listdir(cli.folder / "empty") == []
