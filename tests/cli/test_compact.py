"""``export --compact``: one record of each call in a folder that several exports feed."""

import shutil
from pathlib import Path

import duckdb
import pytest

from tests.cli.running import Cli
from tests.cli.test_full_disk import as_a_user, fill, small
from tests.cli.traffic import call, write_lines
from tests.once import once

__all__ = ("small",)
ROWS = "FROM read_parquet('{}/day=*/*.parquet', hive_partitioning = true) ORDER BY source, call_id"


@pytest.fixture
def fed(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of two exports: of a call that both have the second knows more, of one the first. One is
    of another day there, one of no day."""
    shutil.copytree(once(tmp_path_factory, "fed", _feed), cli.folder, dirs_exist_ok=True)
    return cli.folder / "out-a"


def _feed(place: Path) -> Path:
    cli, later = Cli(place), "2026-11-17T08:00:00Z"
    write_lines(cli.folder / "a.jsonl", [
        call(1), call(2, outcome=None, output_tokens=None), call(3), call(5, start_time=later), call(6),
    ])  # fmt: skip
    write_lines(cli.folder / "b.jsonl", [
        call(1), call(2), call(3, outcome=None, output_tokens=None), call(4),
        call(6, start_time=later, outcome=None, output_tokens=None),
    ])  # fmt: skip
    runs = cli.run_each([
        command
        for name in "ab"
        for command in (["ingest", f"{name}.jsonl", "--db", f"{name}.duckdb", "-q"],
                        ["export", f"out-{name}", "--db", f"{name}.duckdb"])
    ])  # fmt: skip
    assert [done.code for done in runs] == [0] * 4, runs
    folder = cli.folder / "out-a"
    for path in (cli.folder / "out-b").rglob("*.parquet"):
        target = folder / path.relative_to(cli.folder / "out-b").with_stem(f"{path.stem}-b")
        target.parent.mkdir(exist_ok=True)
        shutil.copy(path, target)
    return place


def query(sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect() as connection:
        return connection.execute(sql).fetchall()


def rows(folder: Path) -> list[tuple[object, ...]]:
    return query(f"SELECT call_id, outcome, day::VARCHAR {ROWS.format(folder)}")


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_each_call_is_kept_once_and_each_day_is_one_file(cli: Cli, fed: Path) -> None:
    """Also where its records are of two days; a second time there is nothing to do."""
    done, again = cli.run_each([["export", "out-a", "--compact"]] * 2)
    assert done.code == 0, done.err
    assert "6 calls, 4 other records of them left out, 2 of 2 days written again" in done.err
    assert rows(fed) == [
        ("r1", "completed", "2026-11-16"), ("r2", "completed", "2026-11-16"), ("r3", "completed", "2026-11-16"),
        ("r4", "completed", "2026-11-16"), ("r5", "completed", "2026-11-17"), ("r6", "completed", "2026-11-16"),
    ]  # fmt: skip
    assert sorted(content(fed)) == [
        "_bucket_edges.csv", "_meta/export/export.parquet", "_meta/loads/loads-b.parquet",
        "_meta/loads/loads.parquet", "_meta/providers/providers.parquet", "_meta/texts/texts.parquet",
        "day=2026-11-16/calls.parquet", "day=2026-11-17/calls.parquet",
    ]  # fmt: skip
    assert query(f"SELECT count(*) FROM '{fed}/_meta/loads/*.parquet'") == [(2,)]
    assert query(f"SELECT stored_calls FROM '{fed}/_meta/export/*.parquet'") == [(6,)]
    assert "6 calls, 0 other records of them left out, 0 of 2 days written again" in again.err
    assert cli.run("export", "out-a", "--db", "a.duckdb", "--overwrite").code == 0


def test_the_result_does_not_depend_on_which_export_came_first(cli: Cli, fed: Path) -> None:
    """Files of either may have any name."""
    other = shutil.copytree(fed, cli.folder / "other")
    for path in [*other.rglob("calls.parquet"), *other.rglob("calls-b.parquet")]:
        path.rename(path.with_name("later.parquet" if path.stem == "calls" else "calls.parquet"))
    first, second = cli.run_each([["export", name, "--compact"] for name in ("out-a", "other")])
    assert (first.code, second.code) == (0, 0)
    assert rows(other) == rows(fed)


def test_a_folder_that_is_no_export_is_refused(cli: Cli, fed: Path) -> None:
    """And so is one with other files, of another version, and any filter."""
    (cli.folder / "empty").mkdir()
    mixed, old = shutil.copytree(fed, cli.folder / "mixed"), shutil.copytree(fed, cli.folder / "old")
    (mixed / "notes.txt").touch()
    about = old / "_meta/export/export.parquet"
    query(f"COPY (SELECT * REPLACE (1 AS export_schema) FROM '{fed}/_meta/export/export.parquet') TO '{about}'")
    before = content(fed)
    for words, code, message in (
        (["none"], 2, "there is no folder to compact"), (["empty"], 2, "the folder holds no export"),
        (["mixed"], 2, "holds more than exports"), (["old"], 3, "holds an export of version 1"),
        (["out-a", "--last", "7d"], 2, "leave out files, --db and filters"),
    ):
        done = cli.run("export", *words, "--compact")
        assert (done.code, message in done.err) == (code, True), done.err
    assert content(fed) == before


@pytest.mark.proof
def test_a_full_disk_leaves_the_folder_as_it_was(cli: Cli, fed: Path, small: Path) -> None:
    """And nothing beside it."""
    shutil.move(fed, small / "out")
    before = content(small / "out")
    ballast = fill(small)
    done = cli.run("export", small / "out", "--compact", before=as_a_user())
    assert (done.code, "no space left" in done.err, "Traceback" in done.err) == (5, True, False)
    assert content(small / "out") == before
    assert sorted(path.name for path in small.iterdir()) == ["ballast", "out"]
    ballast.unlink()
    assert cli.run("export", small / "out", "--compact").code == 0
