"""``export``: what comes back out of the files is what the report says, whole or not at all."""

import csv
import datetime
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from streamaudit.report import escape
from streamaudit.store.buckets import bounds_us, bucket
from streamaudit.store.package_files import package_text
from tests.cli.running import Cli
from tests.cli.traffic import Record, call, calls, write_lines
from tests.once import once
from tests.sampling import keep

TEXTS = (
    "=cmd|' /C calc'!A0",
    "+1",
    "-1",
    "@x",
    "\tx",
    "a\x1b[31mb",
    "a\u202eb",
    'q"uo,te',
    "two\nlines",
    "x\u2028y",
    "＝1",
    "",
)


def read(sql: str, *parameters: str) -> list[tuple[Any, ...]]:
    """Ask a DuckDB of one's own about exported files."""
    with duckdb.connect() as connection:
        return connection.execute(sql, parameters).fetchall()


def folder_rows(folder: Path, what: str = "*", where: str = "true") -> list[tuple[Any, ...]]:
    """A SELECT over the calls of a folder."""
    rows = f"SELECT {what} FROM read_parquet($1, hive_partitioning = true) WHERE {where}"
    return read(rows, f"{folder}/*/*.parquet")


def report_total(cli: Cli, *arguments: str | Path) -> Record:
    """The total of the tax report."""
    tables = json.loads(cli.run("tax", *arguments, "--json").out)["tables"]
    total: Record = next(table for table in tables if table["name"] == "total")["rows"][0]
    return total


FIGURES = (
    "count(*)::BIGINT, sum(cancelled)::BIGINT, sum(output_tokens)::BIGINT, sum(cost_usd)::DOUBLE,"
    "sum(tax_best) FILTER (cancelled = 1)::BIGINT, sum(tax_low) FILTER (cancelled = 1)::BIGINT,"
    "sum(cost_nano_usd)::BIGINT"
)


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory, sample_store: Path) -> Path:
    """All samples in each form, to be read: ``calls``, ``calls.parquet`` and ``calls.csv`` in one folder."""
    return once(tmp_path_factory, "exported", lambda folder: _export_samples(folder, sample_store))


def _export_samples(folder: Path, store: Path) -> Path:
    targets = ("calls", "calls.parquet", "calls.csv")
    for done in Cli(folder).run_each([["export", target, "--db", str(store)] for target in targets]):
        assert (done.code, done.out) == (0, ""), done.err
    return folder


def test_what_is_read_back_adds_up_to_the_report(cli: Cli, sample_store: Path, exported: Path) -> None:
    """Counts, tokens, dollars and the tax of all samples, by another program that knows only the files."""
    total = report_total(cli, "--db", sample_store)
    names = ("calls", "cancelled_calls", "output_tokens", "cost_usd", "tax_tokens", "tax_low_tokens")
    for target in ("calls", "calls.parquet", "calls.csv"):
        path = exported / target
        if target == "calls":
            (found,) = folder_rows(path, FIGURES, "counted = 1")
        else:
            (found,) = read(f"SELECT {FIGURES} FROM read_{target.rpartition('.')[2]}($1)", str(path))
        assert found[:6] == pytest.approx(tuple(total[name] for name in names)), target
        assert found[6] == pytest.approx(total["cost_usd"] * 1e9, abs=found[0]), target


def test_pyarrow_and_polars_read_the_same_folder(exported: Path) -> None:
    """The folder of edges beside the days disturbs neither, and the day is there."""
    parquet = pytest.importorskip("pyarrow.parquet")
    polars = pytest.importorskip("polars")
    wanted = folder_rows(exported / "calls", "count(*), count(DISTINCT day)")[0]
    table = parquet.read_table(exported / "calls")
    assert (table.num_rows, len(table["day"].unique())) == wanted
    frame = polars.scan_parquet(exported / "calls" / "day=*" / "*.parquet", hive_partitioning=True).collect()
    assert (frame.height, frame["day"].n_unique()) == wanted


def test_a_call_is_in_the_folder_of_its_utc_day_whatever_the_zone(cli: Cli) -> None:
    """Half past eleven at night in UTC is that day, also for someone in Asia who names the window in their own zone."""
    late = "2026-11-16T23:30:00Z"
    write_lines(
        cli.folder / "calls.jsonl", [call(1), call(2, start_time=late), call(3, start_time="2026-11-17T00:00:00Z")]
    )
    done = cli.run(
        "export", "out", "calls.jsonl", "--tz", "Asia/Kolkata", "--since", "2026-11-17", env={"TZ": "Asia/Kolkata"}
    )
    assert done.code == 0, done.err
    found = folder_rows(cli.folder / "out", "call_id, day, start_time")
    assert sorted(found) == [
        ("r2", datetime.date(2026, 11, 16), datetime.datetime(2026, 11, 16, 23, 30)),
        ("r3", datetime.date(2026, 11, 17), datetime.datetime(2026, 11, 17)),
    ]
    days = sorted(path.name for path in (cli.folder / "out").iterdir())
    assert days == ["_bucket_edges.csv", "_meta", "day=2026-11-16", "day=2026-11-17"]


def test_figures_in_whole_units_and_their_buckets(cli: Cli) -> None:
    """Worked by hand: microseconds, billionths of a dollar, time per token, flags as 0 and 1; unknown stays NULL."""
    known = call(
        1,
        time_to_first_chunk_ms=412.3456,
        duration_ms=2412.3456,
        output_tokens=101,
        cost_usd=0.0123456789,
        outcome="completed",
    )
    left = call(
        2, time_to_first_chunk_ms=0.0004, duration_ms=2000, outcome="cancelled", cost_usd=None, rendered_tokens=20
    )
    bare = call(3, time_to_first_chunk_ms=None, duration_ms=None, output_tokens=None, cost_usd=None, stream=None)
    write_lines(cli.folder / "calls.jsonl", [known, left, bare])
    assert cli.run("export", "out", "calls.jsonl").code == 0
    what = "call_id, ttft_us, duration_us, tpot_us, cost_nano_usd, cancelled, ttft_usable"
    found = folder_rows(cli.folder / "out", f"{what}, ttft_bucket, duration_bucket, tpot_bucket")
    first, second, third = sorted(found)
    assert first == (
        "r1", 412_346, 2_412_346, 20_000, 12_345_679, 0, 1, bucket(412_346), bucket(2_412_346), bucket(20_000),
    )  # fmt: skip
    assert second[1:4] == (0, 2_000_000, None)
    assert second[5] == 1
    assert second[7] == 0
    assert third == ("r3", None, None, None, third[4], 0, 0, None, None, None)


def test_the_edges_lie_beside_the_calls(exported: Path) -> None:
    """A reader elsewhere can turn a bucket's number back into microseconds."""
    with (exported / "calls" / "_bucket_edges.csv").open() as file:
        rows = [tuple(int(cell) if cell else None for cell in row) for row in list(csv.reader(file))[1:]]
    assert rows == [(number, *bounds_us(number)) for number in range(len(rows))]


def test_calls_without_a_start_time_have_a_null_day_and_are_counted(cli: Cli, thirty: Path) -> None:
    """They are exported when no window is asked for, and left out of every window, as in a report."""
    store = shutil.copy(thirty / "store.duckdb", cli.folder / "s.duckdb")
    with duckdb.connect(str(store)) as connection:
        connection.execute("UPDATE calls SET start_time = NULL WHERE call_id = 'r1'")
    targets = (["out"], ["windowed", "--since", "2026-01-01"], ["out.csv"])
    whole, windowed, table = cli.run_each([["export", *target, "--db", str(store)] for target in targets])
    assert (whole.code, windowed.code, table.code) == (0, 0, 0)
    assert "1 calls have no start time" in whole.err
    assert sorted(folder_rows(cli.folder / "out", "call_id, day IS NULL")) == sorted(
        (f"r{number}", number == 1) for number in range(30)
    )
    assert len(folder_rows(cli.folder / "windowed")) == 29
    assert len((cli.folder / "out.csv").read_text().splitlines()) == 31


@pytest.fixture(scope="module")
def narrowed(tmp_path_factory: pytest.TempPathFactory, sample_store: Path) -> Path:
    """A folder with the embeddings of the samples."""
    cli = Cli(tmp_path_factory.mktemp("narrowed"))
    assert cli.run("export", "out", "--db", sample_store, "--only", "operation=embedding").code == 0
    return cli.folder / "out"


def test_filters_narrow_an_export_like_a_report(cli: Cli, sample_store: Path, narrowed: Path) -> None:
    """--only, --where and the window choose the same calls as for a report."""
    options = (
        "--only",
        "tenant=acme,glob*",
        "--where",
        "output_tokens > 100",
        "--week",
        "2026-W46",
        "--db",
        sample_store,
    )
    assert cli.run("export", "out.parquet", *options).code == 0
    assert (
        read("SELECT count(*) FROM read_parquet($1)", str(cli.folder / "out.parquet"))[0][0]
        == report_total(cli, *options)["calls"]
        > 0
    )
    assert folder_rows(narrowed, "DISTINCT operation") == [("embedding",)]


def test_every_column_of_a_call_is_there_and_none_that_only_this_store_understands(
    cli: Cli, sample_store: Path, exported: Path
) -> None:
    """All columns of the view, flags as integers, and no text of a prompt or an answer."""
    described = cli.run("sql", "DESCRIBE calls", "--db", sample_store, "--format", "csv", "--limit", "1000").out
    view = {row["column_name"]: row["column_type"] for row in csv.DictReader(described.splitlines())}
    types = {row[0]: row[1] for row in read("DESCRIBE FROM read_parquet($1)", str(exported / "calls.parquet"))}
    assert set(view) - set(types) == {"load_id", "record_hash"}
    assert [name for name, kind in types.items() if kind == "BOOLEAN"] == []
    texts = {name for name, kind in types.items() if kind == "VARCHAR"}
    assert texts - set(re.findall(r"csv_cell\((\w+)\)", package_text("audits.export", "export_csv.sql"))) == set()
    assert types["day"] == "DATE"
    assert all(types[f"{name}_bucket"] == "INTEGER" for name in ("ttft", "ttvt", "duration", "tpot"))
    assert "UBIGINT" not in types.values() and "HUGEINT" not in types.values()


INTEGERS = re.compile(
    r".*_(us|bucket|tokens|chars|chunks|bytes|band|nano_usd)|output_low|counted|cancelled|\w+_usable|prompt_unseen"
    r"|(tax|billed|delivered|rendered|saved)_(low|best|high|hidden|unread|undelivered|orphaned)"
)


def test_what_is_whole_is_an_integer_that_every_engine_has(exported: Path) -> None:
    """DuckDB's 128-bit sums would become DOUBLE in Parquet, and unsigned ones are read differently by each engine."""
    described = "DESCRIBE SELECT * EXCLUDE (day) FROM read_parquet($1, hive_partitioning = true)"
    types = {row[0]: row[1] for row in read(described, f"{exported}/calls/day=*/*.parquet")}
    assert {types[name] for name in types if INTEGERS.fullmatch(name)} == {"BIGINT", "INTEGER", "BIGINT[]"}
    assert set(types.values()) <= {"VARCHAR", "BIGINT", "INTEGER", "DOUBLE", "TIMESTAMP"} | {
        kind for kind in types.values() if kind.endswith("[]")
    }


def test_a_folder_has_every_call_and_says_which_a_report_counts(sample_store: Path, exported: Path) -> None:
    """Repeats and embeddings have counted = 0, so that an engine can say how many there are."""
    kinds = "counted, uncounted_reason, operation = 'embedding', count(*)"
    found = {row[:3]: row[3] for row in folder_rows(exported / "calls", kinds, "true GROUP BY ALL")}
    with duckdb.connect(str(sample_store), read_only=True) as connection:
        assert sum(found.values()) == connection.execute("SELECT count(*) FROM calls").fetchall()[0][0]
    assert set(found) == {(1, None, False), (0, None, True), (0, "nested", False)}
    assert read("SELECT DISTINCT counted FROM read_parquet($1)", str(exported / "calls.parquet")) == [(1,)]


def test_the_tables_of_an_export_say_what_it_is_and_hold_no_path(narrowed: Path) -> None:
    """The version of the columns, the files read, the texts learned and the providers assumed."""

    def table(name: str, what: str) -> list[tuple[Any, ...]]:
        return read(f"SELECT {what} FROM read_parquet($1)", f"{narrowed}/_meta/{name}/*.parquet")

    assert table("export", "export_schema, filters") == [(3, "only operation: embedding")]
    assert table("loads", "count(*) > 1, sum(rejected_records) >= 0") == [(True, True)]
    assert table("texts", "count(*) > 1, min(tokens) > 0") == [(True, True)]
    assert table("providers", "count(*) > 5, count(DISTINCT on_disconnect)") == [(True, 3)]
    described = read("DESCRIBE FROM read_parquet($1)", f"{narrowed}/_meta/loads/*.parquet")
    assert "path" not in {row[0] for row in described}


def test_of_two_records_of_a_call_the_winner_sorts_last(cli: Cli) -> None:
    """Terminal before unknown, provider before tokenizer, a later update before an earlier one, then more tokens."""
    worst_first = [
        call(0, outcome="unknown", usage_basis="provider", output_tokens=900),
        call(1, outcome="completed", usage_basis="tokenizer", output_tokens=900),
        call(2, outcome="completed", usage_basis="provider", output_tokens=90),
        call(3, outcome="cancelled", usage_basis="provider", output_tokens=900),
    ]
    write_lines(cli.folder / "calls.jsonl", worst_first)
    assert cli.run("export", "out.parquet", "calls.jsonl").code == 0
    rows = read("SELECT call_id, winner FROM read_parquet($1) ORDER BY winner", str(cli.folder / "out.parquet"))
    assert [row[0] for row in rows] == ["r0", "r1", "r2", "r3"]
    assert len({len(row[1]) for row in rows}) == 1


def test_the_same_calls_make_the_same_bytes(cli: Cli) -> None:
    """In whatever order they came: rows stand by start time, then source, then call id."""
    records = [call(number, start_time=f"2026-11-16T08:00:{number % 3:02d}Z") for number in range(60)]
    write_lines(cli.folder / "one.jsonl", records)
    write_lines(cli.folder / "two.jsonl", records[::-1])
    runs = cli.run_each([
        [*arguments, "--db", f"{name}.duckdb", "-q"] for name in ("one", "two")
        for arguments in (["ingest", f"{name}.jsonl"], ["export", f"{name}.parquet"], ["export", f"{name}.csv"])
    ])  # fmt: skip
    assert [done.code for done in runs] == [0] * 6, runs
    assert (cli.folder / "one.csv").read_bytes() == (cli.folder / "two.csv").read_bytes()
    assert (cli.folder / "one.parquet").read_bytes() == (cli.folder / "two.parquet").read_bytes()
    rows = read("SELECT start_time, call_id FROM read_parquet($1)", str(cli.folder / "one.parquet"))
    assert rows == sorted(rows)


def test_csv_has_plain_cells_that_no_spreadsheet_runs(cli: Cli) -> None:
    """Every hostile text is what the csv report makes of it; times are ISO 8601, lists JSON, flags 0 and 1."""
    records = [call(n, tenant_id=text or None, route=text or None) for n, text in enumerate(TEXTS)]
    records[0] |= {"chunk_offsets_ms": [1.5, 20], "time_to_first_chunk_ms": 1.5}
    write_lines(cli.folder / "calls.jsonl", records)
    assert cli.run("export", "out.csv", "calls.jsonl").code == 0
    text = (cli.folder / "out.csv").read_bytes().decode()
    with (cli.folder / "out.csv").open(newline="") as file:
        rows = {row["call_id"]: row for row in csv.DictReader(file)}
    assert [rows[f"r{n}"]["tenant"] for n in range(len(TEXTS))] == [escape.csv(one) for one in TEXTS]
    assert (rows["r0"]["start_time"], rows["r0"]["day"]) == ("2026-11-16T08:00:00.000000Z", "2026-11-16")
    assert (rows["r0"]["cancelled"], rows["r0"]["chunk_offsets_ms"]) == ("0", "[1.5,20.0]")
    assert "\x1b" not in text and "\u202e" not in text


def test_every_text_column_of_the_csv_is_made_harmless(cli: Cli, thirty: Path) -> None:
    """A column added to the calls is not forgotten: whatever text it holds, a formula comes out quoted."""
    store = shutil.copy(thirty / "store.duckdb", cli.folder / "s.duckdb")
    with duckdb.connect(str(store)) as connection:
        texts = [row[0] for row in connection.execute("DESCRIBE calls").fetchall() if row[1] == "VARCHAR"]
        free = [name for name in texts if name not in ("operation", "uncounted_reason")]
        formulas = ", ".join(f"{name} = '=1+1' || coalesce({name}, '{name}')" for name in free)
        connection.execute(f"UPDATE calls SET {formulas}")
        connection.execute(
            "UPDATE calls SET retractions = [{offset_chars: 1, offset_ms: 2, marker: '=1'}], inherited = ['=1']"
        )
    assert cli.run("export", "out.csv", "--db", store).code == 0
    with (cli.folder / "out.csv").open(newline="") as file:
        cells = {cell for row in csv.reader(file) for cell in row}
    assert [cell for cell in cells if cell.startswith("=")] == []
    assert any(cell.startswith("'=1+1") for cell in cells)


def test_something_that_is_there_is_not_replaced_unless_asked(cli: Cli, thirty: Path) -> None:
    """Exit code 2 and the old content; with --overwrite only the new content."""
    one = str(thirty / "store.duckdb")
    write_lines(cli.folder / "two.jsonl", [call(9, start_time="2026-11-20T00:00:00Z")])
    (cli.folder / "empty").mkdir()
    targets = ("out", "out.csv")
    runs = cli.run_each([
        ["ingest", "two.jsonl", "--db", "two.duckdb", "-q"],
        *(["export", target, "--db", one] for target in ("empty", *targets)),
    ])  # fmt: skip
    assert [done.code for done in runs] == [0] * 4
    before = {target: _content(cli.folder / target) for target in targets}
    lines = [["export", target, "--db", "two.duckdb"] for target in targets]
    for target, refused in zip(targets, cli.run_each(lines), strict=True):
        assert (refused.code, refused.out, _content(cli.folder / target)) == (2, "", before[target]), target
        assert "--overwrite" in refused.err, target
    for target, done in zip(targets, cli.run_each([[*line, "--overwrite"] for line in lines]), strict=True):
        assert done.code == 0, done
        assert _content(cli.folder / target) != before[target], target
    assert [row[0] for row in folder_rows(cli.folder / "out", "call_id")] == ["r9"]
    assert not list(cli.folder.glob(".*"))


def test_what_only_its_owner_may_read_stays_so(cli: Cli, thirty: Path) -> None:
    """The rights of the file or folder that is replaced are those of the new one."""
    (cli.folder / "out").mkdir(mode=0o700)
    (cli.folder / "out.csv").touch(mode=0o600)
    store = str(thirty / "store.duckdb")
    runs = cli.run_each([["export", target, "--db", store, "--overwrite"] for target in ("out", "out.csv")])
    assert [done.code for done in runs] == [0, 0]
    for target, mode in (("out", 0o700), ("out.csv", 0o600)):
        assert (cli.folder / target).stat().st_mode & 0o777 == mode, target


def _content(path: Path) -> dict[str, bytes]:
    files = [path] if path.is_file() else [one for one in sorted(path.rglob("*")) if one.is_file()]
    return {str(one): one.read_bytes() for one in files}


def test_overwrite_never_removes_what_is_no_export(cli: Cli, thirty: Path) -> None:
    """A folder with anything else in it, a store, an input and odd names are refused, and stay as they are."""
    write_lines(cli.folder / "calls.jsonl", calls(3))
    shutil.copy(thirty / "store.duckdb", cli.folder / "s.duckdb")
    (cli.folder / "mine").mkdir()
    (cli.folder / "mine" / "thesis.txt").write_text("years of work")
    (cli.folder / "plain").write_text("text")
    (cli.home / "letter").write_text("text")
    assert cli.run("export", "out", "calls.jsonl").code == 0
    (cli.folder / "out" / "day=2026-11-16" / "notes.txt").write_text("mine")
    before = {path: _content(cli.folder / path) for path in ("mine", "plain", "out", "s.duckdb", "calls.jsonl")}
    targets = ("mine", "plain", "out", "s.duckdb", ".", "/", str(cli.home), "-", "", "calls.jsonl", "x.json")
    runs = cli.run_each([["export", target, "calls.jsonl", "--overwrite"] for target in targets])
    for target, done in zip(targets, runs, strict=True):
        assert (done.code, done.out) == (2, ""), (target, done.err)
        assert "Traceback" not in done.err, target
    assert {path: _content(cli.folder / path) for path in before} == before


def test_a_failed_export_leaves_nothing(cli: Cli) -> None:
    """Neither a wrong condition, a missing store, a file that is none nor a folder that is missing leaves a trace."""
    write_lines(cli.folder / "calls.jsonl", calls(3))
    failures = (
        (["condition", "calls.jsonl", "--where", "tenant = 1"], 2),
        (["store", "--db", "none.duckdb"], 3),
        (["file", "missing.jsonl"], 3),
        (["nowhere/folder", "calls.jsonl"], 5),
        (["empty", "calls.jsonl", "--since", "2030-01-01", "--fail-on-empty"], 3),
    )
    before = sorted(path.name for path in cli.folder.iterdir())
    runs = cli.run_each([["export", *arguments] for arguments, _ in failures])
    for (arguments, code), done in zip(failures, runs, strict=True):
        assert (done.code, done.out) == (code, ""), (arguments, done.err)
        assert done.err.startswith("error: ") and "Traceback" not in done.err, arguments
    assert sorted(path.name for path in cli.folder.iterdir()) == before


def test_an_empty_window_is_an_export_without_rows(cli: Cli, thirty: Path) -> None:
    """Exit code 0, a note, and files that still say what their columns are."""
    rest = ["--db", str(thirty / "store.duckdb"), "--since", "2030-01-01"]
    for done in cli.run_each([["export", target, *rest] for target in ("out", "out.csv")]):
        assert done.code == 0
        assert "no calls in this window" in done.err, done
    assert folder_rows(cli.folder / "out") == []
    assert (cli.folder / "out.csv").read_text().startswith("source,call_id,")
    assert len((cli.folder / "out.csv").read_text().splitlines()) == 1


@pytest.fixture
def small(cli: Cli) -> Iterator[Path]:
    """A disk of 1 MB; only root can make one."""
    folder = cli.folder / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("making a small disk needs root")
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=1777", "tmpfs", str(folder)], check=False)
    if made.returncode != 0:
        pytest.skip("this machine lets nobody mount")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("target", keep(["out", "out.csv", "out.parquet"], ["out"]))
def test_a_full_disk_is_one_line_and_leaves_nothing(cli: Cli, small: Path, target: str) -> None:
    """Exit code 5 names the target; what was exported there before is still there."""
    path = write_lines(cli.folder / "calls.jsonl", calls(3))
    many = write_lines(cli.folder / "many.jsonl", [call(n, session_id=os.urandom(200).hex()) for n in range(9_000)])
    assert cli.run("export", small / target, path).code == 0
    before = _content(small)
    done = cli.run("export", small / target, many, "--overwrite")
    assert (done.code, done.out) == (5, ""), done.err
    assert [line for line in done.err.splitlines() if line.startswith("error")] == [
        f"error: cannot write {small / target}: no space left on device"
    ]
    assert _content(small) == before
    assert [path.name for path in small.iterdir()] == [target]


def test_a_folder_that_may_not_be_written_to_is_one_line(cli: Cli) -> None:
    """Exit code 5 with the path, for a user who has no right to write there."""
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("root ignores file permissions, and setpriv is not installed to give that up")
    before = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.geteuid() == 0 else ()
    path = write_lines(cli.folder / "calls.jsonl", calls(3))
    locked = cli.folder / "locked"
    locked.mkdir(mode=0o555)
    done = cli.run("export", locked / "out", path, before=before)
    assert (done.code, done.err) == (5, f"error: cannot write {locked / 'out'}: permission denied\n")


def test_odd_names_are_only_names(cli: Cli, thirty: Path) -> None:
    """Quotes, spaces, globs and other scripts in the name of the target."""
    names, store = ("it's [a] * 'semi;co\"lon'", "käse 東京 day=2026-11-16"), ["--db", str(thirty / "store.duckdb")]
    runs = cli.run_each([["export", f"{name}{suffix}", *store] for name in names for suffix in ("", ".csv")])
    assert [done.code for done in runs] == [0] * len(runs), [done.err for done in runs]
    for name in names:
        assert (cli.folder / name / "day=2026-11-16" / "calls.parquet").exists()
        assert (cli.folder / f"{name}.csv").exists()


def test_a_link_stays_a_link(cli: Cli, thirty: Path) -> None:
    """The file behind it is what is replaced."""
    (cli.folder / "real").mkdir()
    (cli.folder / "link.csv").symlink_to("real/out.csv")
    assert cli.run("export", "link.csv", "--db", thirty / "store.duckdb").code == 0
    assert (cli.folder / "link.csv").is_symlink()
    assert (cli.folder / "real" / "out.csv").exists()


def test_standard_output_stays_empty_and_quiet_is_quiet(cli: Cli, thirty: Path) -> None:
    """What was written is narration."""
    store = ["--db", str(thirty / "store.duckdb")]
    done, quiet = cli.run_each([["export", "out", *store], ["export", "out2", *store, "-q"]])
    assert (done.out, done.err) == ("", "wrote out: 30 calls, 2026-11-16 .. 2026-11-16 UTC\n")
    assert (quiet.out, quiet.err) == ("", "")
