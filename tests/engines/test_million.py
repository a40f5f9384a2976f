"""A million calls: Sail and Apache Spark answer as DuckDB does, whatever the session's time zone, and the export as its
store within the bound. Minutes; ``make test-spark`` runs it, and docs/proof.md has the last result."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.generate import RECORDS
from streamaudit.api import Session
from streamaudit.config.settings import Settings
from streamaudit.store.engines.duckdb_engine import DuckDBEngine
from streamaudit.store.engines.spark_engine import SparkEngine
from tests.cli.running import Cli
from tests.engines.cluster import cluster
from tests.engines.questions import Question, content, differences, session_over
from tests.engines.servers import needs_sail, needs_spark

pytestmark = pytest.mark.spark
ZONES = ("UTC", "Asia/Kolkata")
SHARE = float(os.environ.get("STREAMAUDIT_PROOF_SHARE", "1"))
QUESTIONS: dict[str, Question] = {
    "report by tenant and model": lambda s: s.report(by="tenant,model"),
    "report by hour, in a window": lambda s: s.report(by="hour", since="2026-10-05T18:30Z", until="2026-10-09"),
    "report of some tenants, five and the rest": lambda s: s.report(by="route", only=["tenant=t-1*,-"], top=3),
    "ttft by model": lambda s: s.ttft(by="model", slo="800ms"),
    "ttft by tenant, OpenTelemetry's bounds": lambda s: s.ttft(by="tenant", top=5, buckets="otel"),
    "tax by tenant": lambda s: s.tax(by="tenant", split=True),
    "tax by week and model": lambda s: s.tax(by="week,model", top_calls=5),
    "history by day": lambda s: s.history(by="day"),
    "history by deploy": lambda s: s.history(by="deploy"),
    "diff of the last two deploys by route": lambda s: s.diff(by="route"),
    "diff of two weeks by tenant": lambda s: s.diff(
        base_since="2026-10-05", since="2026-10-12", until="2026-10-19", by="tenant", top=10, strata="model",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def million(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The store and its export."""
    import benchmarks.generate as generate

    cli = Cli(tmp_path_factory.mktemp("million"))
    lines, store, folder = cli.folder / "calls.jsonl", cli.folder / "calls.duckdb", cli.folder / "calls"
    generate._write("lean", round(1e6 * SHARE), lines)
    assert RECORDS["lean"] >= 1e6
    assert cli.run("ingest", lines, "--db", store, "-q").code == 0
    lines.unlink()
    assert cli.run("export", folder, "--db", store).code == 0
    return store, folder


def _compare(folder: Path, address: str, zone: str) -> list[str]:
    """The questions that a server answers otherwise than DuckDB."""
    engine = SparkEngine(address, str(folder))
    assert engine._session is not None
    engine._session.conf.set("spark.sql.session.timeZone", zone)
    with session_over(folder, engine) as there, session_over(folder, DuckDBEngine(str(folder), zone=zone)) as here:
        return [name for name, ask in QUESTIONS.items() if content(ask(there).report) != content(ask(here).report)]


def test_the_export_answers_as_its_store(million: tuple[Path, Path]) -> None:
    """Counts and sums exactly, percentiles within one percent, in another zone than the store's."""
    store, folder = million
    with Session(Settings(), db=store) as stored:
        with session_over(folder, DuckDBEngine(str(folder), zone="Asia/Kolkata")) as exported:
            found = {name: list(differences(ask(stored).report, ask(exported).report))[:5]
                     for name, ask in QUESTIONS.items()}  # fmt: skip
    assert {name: one for name, one in found.items() if one} == {}


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with cluster(tmp_path_factory.mktemp("spark"), memory_mb=1536) as made:
        yield made.address


@needs_sail
@pytest.mark.parametrize("zone", ZONES)
def test_sail_answers_as_duckdb_does(million: tuple[Path, Path], sail: int, zone: str) -> None:
    assert _compare(million[1], f"sc://localhost:{sail}", zone) == []


@needs_spark
@pytest.mark.parametrize("zone", ZONES)
def test_spark_answers_as_duckdb_does(million: tuple[Path, Path], spark: str, zone: str) -> None:
    assert _compare(million[1], spark, zone) == []
