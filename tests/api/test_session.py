"""The Python API: the command line's figures, its errors, nothing printed, two threads, nothing loaded in vain."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

import streamaudit
from streamaudit.errors import InputError, StoreError, StreamauditError, UsageError
from streamaudit.ingest import pipeline
from streamaudit.store.store import Store
from tests.cli.running import PATIENCE_S, Cli
from tests.once import once
from tests.sampling import keep
from tests.support import ingest, raw_call, write_lines

CALLS = [
    raw_call("a", user_id="u1", ttft_ms=100, start_time="2026-11-16T08:00:00Z", metadata={"org": "x"}),
    raw_call("b", user_id="u2", ttft_ms=300, start_time="2026-11-17T08:00:00Z", metadata={"org": "y"}),
    raw_call("c", user_id="u2", ttft_ms=500, start_time="2026-11-18T08:00:00Z", deploy="v2"),
]


@pytest.fixture(scope="session")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three calls of two users in ``calls.jsonl`` and ``audit.duckdb``, to be copied."""
    return once(tmp_path_factory, "three", _three)


def _three(folder: Path) -> Path:
    with Store.open(folder / "audit.duckdb", write=True) as opened:
        ingest(opened, write_lines(folder / "calls.jsonl", CALLS))
    return folder


@pytest.fixture
def store(tmp_path: Path, three: Path) -> Path:
    """A store with three calls of two users, beside their file."""
    shutil.copytree(three, tmp_path, dirs_exist_ok=True)
    return tmp_path / "audit.duckdb"


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose configuration looks the tenant of a user up."""
    (tmp_path / "tenants.csv").write_text("user_id,tenant\nu1,acme\nu2,globex\n")
    (tmp_path / "streamaudit.toml").write_text('db = "audit.duckdb"\n[lookup]\ntenant = "tenants.csv"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STREAMAUDIT_DB", raising=False)
    yield tmp_path


def by_tenant(result: streamaudit.Result) -> dict[str | None, int]:
    return {row["tenant"]: row["calls"] for row in result.tables["by_tenant"].rows()}


def test_a_library_gets_the_tenants_that_the_command_line_gets(store: Path, configured: Path) -> None:
    """The configuration is found and its lookups are applied, unless they are not wanted."""
    done = Cli(configured).run("report", "--by", "tenant", "--json")
    shown = {row["tenant"]: row["calls"] for row in json.loads(done.out)["tables"][0]["rows"]}
    with streamaudit.open() as session:
        assert by_tenant(session.report(by="tenant")) == shown == {"acme": 1, "globex": 2}
    with streamaudit.open(store, config=configured / "streamaudit.toml") as session:
        assert by_tenant(session.report(by=["tenant"])) == shown
    with streamaudit.open(store, config=None) as session:
        assert by_tenant(session.report(by="tenant")) == {None: 3}


def test_days_begin_where_the_command_lines_do(
    store: Path, configured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """The zone is the configuration's where a question names none; the environment takes precedence."""
    (configured / "streamaudit.toml").write_text('tz = "Pacific/Kiritimati"\n')

    def first_day(**filters: str) -> str:
        with streamaudit.open(store) as session:
            days = session.report(by="day", **filters).tables["by_day"].rows()  # type: ignore[arg-type]
        return str(min(row["day"] for row in days))

    monkeypatch.delenv("STREAMAUDIT_TZ", raising=False)
    assert first_day() == "2026-11-16" and first_day(tz="Pacific/Pago_Pago") == "2026-11-15"
    done = Cli(configured).run("report", "--by", "day", "--db", store, "--since", "2026-11-16T23:00", "--json")
    with streamaudit.open(store) as session:
        found = session.report(by="day", since="2026-11-16T23:00").report.interval
    assert json.loads(done.out)["interval"]["since"] == found.since.isoformat().replace("+00:00", "Z")  # type: ignore[union-attr]
    monkeypatch.setenv("STREAMAUDIT_TZ", "Pacific/Pago_Pago")
    assert first_day() == "2026-11-15"


def test_the_json_of_a_result_is_the_command_lines(store: Path, tmp_path: Path) -> None:
    """For every question, to the last figure."""
    def told(text: str) -> dict[str, object]:
        return {key: value for key, value in json.loads(text).items() if key != "generated_at"}

    arguments: dict[str, list[str]] = {
        "report": ["report", "--by", "day"], "ttft": ["ttft", "--slo", "200ms"], "tax": ["tax", "--split"],
        "history": ["history", "--by", "day"], "coverage": ["coverage"], "explain": ["explain", "b"],
        "weekly": ["weekly", "--week", "2026-W47"],
        "diff": ["diff", "--base-since", "2026-11-16", "--since", "2026-11-17"],
    }  # fmt: skip
    runs = Cli(tmp_path).run_each([[*one, "--db", str(store), "--json"] for one in arguments.values()])
    with streamaudit.open(store, config=None) as session:
        asked = {
            "report": session.report(by="day"), "ttft": session.ttft(slo="200ms"), "tax": session.tax(split=True),
            "history": session.history(by="day"), "coverage": session.coverage(), "explain": session.explain("b"),
            "weekly": session.weekly(week="2026-W47"),
            "diff": session.diff(base_since="2026-11-16", since=datetime(2026, 11, 17, tzinfo=UTC)),
        }  # fmt: skip
    for name, run in zip(arguments, runs, strict=True):
        assert told(asked[name].to_json()) == told(run.out), name


def test_windows_and_filters_are_keywords(store: Path) -> None:
    """As texts or as values of Python; ``last`` ends at a moment that can be given."""
    with streamaudit.open(store, config=None) as session:
        def calls(**filters: object) -> int:
            return int(session.report(**filters).tables["total"].rows()[0]["calls"])  # type: ignore[arg-type]

        assert calls() == 3
        assert calls(since="2026-11-17") == calls(since=datetime(2026, 11, 17)) == 2
        assert calls(since=datetime(2026, 11, 16).date(), until="2026-11-17") == 1
        assert calls(week="2026-W47") == 3
        assert calls(last="2d", now=datetime(2026, 11, 19, tzinfo=UTC)) == 2
        assert calls(only={"user_id": ["u2"]}) == calls(only=["user_id=u2"]) == calls(where="user_id = 'u2'") == 2
        hidden = session.report(by="user_id", redact="user_id").tables["by_user_id"].rows()
        assert all(row["user_id"].startswith("user_id-") for row in hidden)


def test_files_are_read_with_a_mapping_and_stored_nowhere(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "calls.jsonl", CALLS)
    with streamaudit.read(path, map={"tenant": "metadata.org"}, config=None) as session:
        assert by_tenant(session.report(by="tenant")) == {"x": 1, "y": 1, None: 1}
    assert sorted(tmp_path.iterdir()) == [path]


def test_sql_gives_typed_columns(store: Path) -> None:
    """A sum of counts is a BIGINT, a time is in UTC; by rows the same values come."""
    statement = "SELECT user_id, sum(output_tokens) AS tokens, max(start_time) AS last FROM calls GROUP BY 1 ORDER BY 1"
    with streamaudit.open(store, config=None) as session:
        by_arrow, by_rows = (session.sql(statement, columnar=fast).tables["result"] for fast in (True, False))
        cut = session.sql("SELECT 1 FROM calls", limit=2)
    assert [str(field.type) for field in by_arrow.to_arrow().schema] == ["string", "int64", "timestamp[us, tz=UTC]"]
    assert by_arrow.rows() == by_rows.rows()
    assert by_rows.rows()[1] == {"user_id": "u2", "tokens": 200, "last": datetime(2026, 11, 18, 8, tzinfo=UTC)}
    assert len(cut.tables["result"]) == 2 and cut.notes[0].count == 3


def test_a_check_has_a_verdict_and_needs_thresholds(store: Path, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[[check]]\nmetric = "ttft_ms"\nexpect = "p(50)<200"\n')
    with streamaudit.open(store, config=tmp_path / "c.toml") as session:
        assert session.check().verdict == "fail"
    with streamaudit.open(store, config=None) as session, pytest.raises(UsageError, match="no threshold to check"):
        session.check()


def test_a_baseline_is_a_side_for_later(store: Path, tmp_path: Path) -> None:
    saved = tmp_path / "base.zip"
    with streamaudit.open(store, config=None) as session:
        session.save_baseline(saved, until="2026-11-17")
        found = session.diff(base_store=saved, since="2026-11-17", fail_on="regression")
        assert [row["calls"] for row in found.tables["sides"].rows()] == [1, 2]
    assert found.verdict == "insufficient"


def test_errors_are_the_command_lines_and_nothing_is_printed(
    store: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Of a file that cannot be read it is said which and why."""
    (tmp_path / "bad.jsonl").write_text("{\n")
    with pytest.raises(InputError, match="no store at"):
        streamaudit.open(tmp_path / "none.duckdb", config=None)
    with pytest.raises(StoreError, match="not a streamaudit store"):
        streamaudit.open(tmp_path / "calls.jsonl", config=None)
    with pytest.raises(InputError, match=r"bad\.jsonl: "):
        streamaudit.read(tmp_path / "bad.jsonl", config=None)
    with pytest.raises(UsageError, match="no configuration file"):
        streamaudit.open(store, config="nowhere.toml")
    with streamaudit.open(store, config=None) as session:
        with pytest.raises(UsageError, match="tenent: unknown dimension"):
            session.report(by="tenent")
        with pytest.raises(UsageError, match="--where"):
            session.report(where="nonsense = 1")
        with pytest.raises(UsageError):
            session.sql("DELETE FROM calls")
    with pytest.raises(StreamauditError, match="the session is closed"):
        session.report()
    assert capfd.readouterr() == ("", "")


def test_two_threads_ask_one_session(store: Path) -> None:
    """Each answer is the one that its question has alone."""
    with streamaudit.open(store, config=None) as session, ThreadPoolExecutor(2) as threads:
        alone = {by: session.report(by=by).tables[f"by_{by}"].rows() for by in ("day", "user_id")}
        together = [(by, threads.submit(session.report, by=by)) for by in ["day", "user_id"] * 5]
        assert all(found.result().tables[f"by_{by}"].rows() == alone[by] for by, found in together)


def test_a_store_is_free_for_a_writer_once_the_session_is_closed(store: Path) -> None:
    with streamaudit.open(store, config=None) as session, pytest.raises(StreamauditError):
        session.report()
        Store.open(store, write=True)
    Store.open(store, write=True).close()


LOADED = """
import json, sys
from streamaudit.cli.main import main
code = main(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)
"""


@pytest.mark.parametrize("question", keep(["report --by user_id", "ttft", "tax"], ["report --by user_id"]))
def test_a_report_on_a_store_loads_neither_ingest_nor_data_libraries(
    store: Path, tmp_path: Path, question: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *question.split(), "--db", str(store)], cwd=tmp_path, capture_output=True,
        text=True, env=Cli(tmp_path).environment(), timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    code, modules = json.loads(done.stderr.splitlines()[-1])
    assert code == 0
    unwanted = ("streamaudit.ingest", "pydantic", "apprise", "requests", "pyarrow", "polars", "pandas", "numpy")
    assert [name for name in modules if name.startswith(unwanted)] == []


def test_the_command_line_writes_typed_files(store: Path, tmp_path: Path) -> None:
    """``-o`` by suffix, the same table as the API's; a terminal gets none."""
    import polars

    cli = Cli(tmp_path)
    done = cli.run("report", "--by", "user_id", "--db", store, "-o", "r.parquet", "-o", "r.arrow", "-o", "r.csv")
    assert done.code == 0, done.err
    done = cli.run("sql", "SELECT call_id, start_time FROM calls ORDER BY 1", "--db", store, "-o", "s.parquet")
    assert done.code == 0, done.err
    with streamaudit.open(store, config=None) as session:
        expected = session.report(by="user_id").tables["by_user_id"].to_polars()
    assert polars.read_parquet(tmp_path / "r.parquet").equals(expected)
    assert polars.read_ipc_stream(tmp_path / "r.arrow").equals(expected)
    sql = polars.read_parquet(tmp_path / "s.parquet")
    assert sql["call_id"].to_list() == ["a", "b", "c"] and sql.schema["start_time"] == polars.Datetime("us", "UTC")
    done = cli.terminal("report", "--db", store, "--format", "parquet", columns=80)
    assert done.code == 2 and "a terminal cannot show binary data" in done.err and "-o report.parquet" in done.err


def test_many_bytes_are_read_into_a_file(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session over large files holds their calls in a temporary file, and deletes it."""
    names = [write_lines(tmp_path / f"{number}.jsonl", CALLS[: number + 1]) for number in range(3)]
    with streamaudit.read(*names, config=None) as session:
        expected = session.report(by="user_id").tables["by_user_id"].rows()
    moved: list[Path] = []
    move = Store.move_to_disk

    def collect(self: Store, folder: Path) -> None:
        move(self, folder)
        moved.extend(folder.glob("store.duckdb"))

    monkeypatch.setattr(Store, "move_to_disk", collect)
    monkeypatch.setattr(pipeline, "IN_MEMORY_BYTES", names[0].stat().st_size)
    with streamaudit.read(*names, config=None) as session:
        assert session.report(by="user_id").tables["by_user_id"].rows() == expected
        assert [path.exists() for path in moved] == [True]
    assert not moved[0].exists()
