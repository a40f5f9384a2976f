"""``sql``: one SELECT over four tables, in every format, and no way to anything else."""

import csv
import io
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from streamaudit.audits import sql
from streamaudit.cli.output import Output
from streamaudit.errors import UsageError
from streamaudit.report.frames import Result
from streamaudit.report.model import NO_WINDOW, Column, Report, Table
from streamaudit.store.store import Store
from tests.cli.running import PATIENCE_S, Cli, wait_until
from tests.cli.traffic import call, calls, write_lines
from tests.sampling import keep

STORE = "s.duckdb"
TABLES = ("calls", "spans", "loads", "rejects")


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """A store with a few calls whose texts are easy to recognise."""
    cli = Cli(tmp_path_factory.mktemp("asked"))
    records = [
        call(n, tenant_id=f"SECRET-{n % 3}", chunk_offsets_ms=[1.5, 20.25], time_to_first_chunk_ms=1.5)
        for n in range(9)
    ]
    write_lines(cli.folder / "calls.jsonl", [*records, call(99, start_time="never")])
    assert cli.run("ingest", "calls.jsonl", "--db", STORE, "-q").code == 0
    return cli


def salt(cli: Cli) -> str:
    """The store's own secret."""
    with duckdb.connect(str(cli.folder / STORE), read_only=True) as connection:
        return str(connection.execute("SELECT value FROM meta WHERE key = 'hash_salt'").fetchall()[0][0])


READS = (
    "SELECT count(*) AS calls FROM calls",
    "FROM calls SELECT count(*) AS calls",
    "WITH c AS (SELECT * FROM calls) SELECT count(*) AS calls FROM c;",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9) SELECT max(i) AS calls FROM n",
    "SELECT sum(n) AS calls FROM (SELECT model, count(*) AS n FROM calls GROUP BY ALL)",
    "WITH c AS (FROM calls), d AS (SELECT count(*) AS calls FROM c) FROM d",
    "SELECT count(*) AS calls FROM calls AS c JOIN loads AS l ON c.load_id = l.load_id",
    "SELECT count(*) AS calls FROM range(9)",
    "SELECT len(list(x)) AS calls FROM (SELECT unnest([1, 2, 3, 4, 5, 6, 7, 8, 9]) AS x)",
    'SELECT count(*) AS "calls" FROM CALLS -- a comment',
    "VALUES (9)",
    "SELECT new_calls AS calls FROM loads",
    "SELECT 9 * count(*) AS calls FROM rejects",
    "SELECT 9 + count(*) AS calls FROM spans",
)


def test_every_form_of_a_query_is_read_only_and_answered(asked: Cli) -> None:
    """SELECT, FROM first, WITH, recursion, sub-queries, joins, VALUES, over each of the four tables; every fifth as a
    command of its own too."""
    with Store.open(asked.folder / STORE, write=False) as store:
        store.lock_down()
        for query in READS:
            (table,) = sql.run(store, query).tables
            assert list(table.records()) == [{table.columns[0].name: 9}], query
    runs = asked.run_each([["sql", query, "--db", STORE, "--format", "csv"] for query in READS[::5]])
    for query, done in zip(READS[::5], runs, strict=True):
        assert (done.code, done.out.splitlines()[1]) == (0, "9"), (query, done.err)


WRITES = (
    "COPY calls TO 'x.csv'",
    "COPY (SELECT 1) TO 'x.csv'",
    "ATTACH 'x.duckdb'",
    "DETACH store",
    "PRAGMA database_list",
    "SET threads = 1",
    "RESET threads",
    "INSERT INTO spans SELECT * FROM spans",
    "UPDATE calls SET tenant = 'x'",
    "DELETE FROM calls",
    "DROP TABLE store.calls",
    "CREATE TABLE x AS SELECT 1",
    "CREATE TEMP VIEW v AS SELECT 1",
    "CREATE MACRO m() AS 1",
    "ALTER TABLE store.calls ADD COLUMN x INT",
    "INSTALL httpfs",
    "LOAD httpfs",
    "CHECKPOINT",
    "CALL pragma_version()",
    "EXPORT DATABASE 'x'",
    "IMPORT DATABASE 'x'",
    "USE store",
    "BEGIN",
    "VACUUM",
    "PREPARE p AS SELECT 1",
    "SET VARIABLE x = 1",
    "EXPLAIN ANALYZE DELETE FROM store.calls",
    "MERGE INTO store.calls USING store.calls ON true",
    "WITH x AS (INSERT INTO store.spans SELECT * FROM store.spans RETURNING *) FROM x",
    "WITH x AS (DELETE FROM store.calls RETURNING *) SELECT count(*) FROM x",
    "WITH x AS (UPDATE store.calls SET tenant = 'x' RETURNING *) SELECT count(*) FROM x",
)
FILES = (
    "FROM read_csv('/etc/passwd')",
    "FROM read_text('/etc/passwd')",
    "FROM read_blob('/etc/passwd')",
    "FROM '/etc/passwd'",
    'FROM "/etc/passwd"',
    "FROM read_json('x')",
    "FROM read_parquet('https://example.org/x.parquet')",
    "FROM 'https://example.org/x.csv'",
    "FROM glob('/*')",
    "FROM parquet_metadata('x')",
    "FROM sniff_csv('/etc/passwd')",
    "FROM read_duckdb('s.duckdb')",
    "SELECT (SELECT content FROM read_text('/etc/passwd'))",
    "SELECT * FROM calls WHERE EXISTS (FROM read_text('/etc/passwd'))",
    "FROM calls, read_text('/etc/passwd')",
    "FROM calls JOIN LATERAL (FROM read_text('/etc/passwd')) ON true",
    "FROM calls UNION ALL FROM read_text('/etc/passwd')",
)
SECRETS = (
    "FROM meta",
    "FROM store.meta",
    "FROM store.main.meta",
    'FROM "store".meta',
    "SELECT (SELECT max(value) FROM store.meta)",
    "FROM query('FROM store.meta')",
    "FROM query_table('store.meta')",
    "FROM query_table(['meta'])",
    "FROM pragma_storage_info('store.meta')",
    "FROM duckdb_tables()",
    "FROM duckdb_tables",
    "FROM duckdb_settings()",
    "FROM duckdb_variables()",
    "FROM duckdb_secrets()",
    "FROM duckdb_columns()",
    "FROM information_schema.tables",
    "FROM sqlite_master",
    "FROM pg_catalog.pg_tables",
    "FROM histogram(store.meta, value)",
    "FROM summary((FROM store.meta))",
    "SUMMARIZE calls",
    "FROM (SUMMARIZE calls)",
    "SUMMARIZE store.meta",
    "DESCRIBE store.meta",
    "SHOW TABLES",
    "SHOW ALL TABLES",
    "SHOW DATABASES",
    "TABLE store.meta",
    "WITH a AS (WITH meta AS (SELECT 1) FROM meta) FROM meta",
    "WITH x AS (FROM store.meta) FROM x",
    "WITH meta AS (FROM meta) FROM meta",
    "WITH a AS (FROM lookups), lookups AS (SELECT 1) FROM a",
    "WITH duckdb_tables AS (FROM duckdb_tables) FROM duckdb_tables",
    "WITH RECURSIVE lookups AS (SELECT key FROM lookups UNION ALL SELECT key FROM lookups WHERE false) FROM lookups",
    "WITH RECURSIVE a AS (SELECT 1 AS i UNION ALL SELECT i FROM meta), meta AS (SELECT 1 AS i) FROM a",
    "FROM calls WHERE tenant = (SELECT value FROM store.meta LIMIT 1)",
    "SELECT getvariable('csv_names')",
    "SELECT current_setting('temp_directory')",
    "FROM json_execute_serialized_sql(json_serialize_sql('FROM store.meta'))",
    "SELECT json_serialize_plan('FROM store.meta')",
    "FROM calls PIVOT (max(value) FOR key IN (SELECT key FROM store.meta))",
    "FROM store.calls",
    "FROM call_tax",
    "FROM lookups",
    "FROM store.lookups",
    "FROM load_keys",
    "SELECT * FROM test_all_types()",
    "FROM calls ORDER BY (SELECT max(value) FROM store.meta)",
    "SELECT max(x) OVER (ORDER BY (SELECT max(value) FROM store.meta)) FROM range(1) t(x)",
    "SELECT list_transform([1], lambda x: (SELECT max(value) FROM store.meta))",
)
OTHERS = (
    "",
    "   ",
    "-- nothing",
    ";",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE calls",
    "SELECT $x",
    "SELECT ?",
    "SELEC 1",
    "SELECT",
    "SELECT 'open",
    "FROM callz",
    "SELECT nope FROM calls",
    "SELECT nope(1)",
    "SELECT sum(tenant) FROM calls",
    "SELECT tenant::INTEGER FROM calls",
    "SELECT tenant::DATE FROM calls",
    "SELECT error(tenant) FROM calls",
    "SELECT 9223372036854775807 + output_tokens FROM calls",
    "SELECT sleep_ms(100000)",
    "SELECT (" * 500,
    "SELECT * FROM calls WHERE tenant > 5",
    "SELECT strptime(tenant, '%Y') FROM calls",
    "SELECT json(tenant) FROM calls",
)


@pytest.mark.parametrize("queries", [WRITES, FILES, SECRETS, OTHERS], ids=["writes", "files", "secrets", "others"])
def test_what_may_not_run_is_refused_in_one_line_that_quotes_no_value(asked: Cli, queries: tuple[str, ...]) -> None:
    """No value of the data in the message, and the store as it was; exit code 2 and nothing on standard output is seen
    of every tenth, as a command of its own."""
    before = (asked.folder / STORE).read_bytes()
    with Store.open(asked.folder / STORE, write=False) as store:
        store.lock_down()
        for query in queries:
            with pytest.raises(UsageError) as refused:
                sql.run(store, query)
            assert "SECRET" not in f"{refused.value.message} {refused.value.hint}", query
            assert "\n" not in refused.value.message, query
    for where, tried in ((["--db", STORE], queries[::10]), (["calls.jsonl"], queries[-1:])):
        results = asked.run_each([["sql", query, *where, "-q"] for query in tried])
        for query, done in zip(tried, results, strict=True):
            assert (done.code, done.out) == (2, ""), (query, done.out, done.err)
            lines = [line for line in done.err.splitlines() if not line.startswith(("  ", "hint: "))]
            assert len(lines) == 1 and lines[0].startswith("error: "), (query, done.err)
            assert "SECRET" not in done.err and "Traceback" not in done.err
    assert (asked.folder / STORE).read_bytes() == before
    assert not (asked.folder / "x.csv").exists()


def test_an_error_says_what_to_look_at(asked: Cli) -> None:
    """A wrong column gets the ones it may have been meant as, a wrong table the four there are."""
    wrong = (
        ("SELECT tenat FROM calls", '"tenant"'), ("FROM callz", "did you mean calls?"),
        ("FROM meta", "calls, spans, loads, rejects"), ("SELECT 1 INTO x", "at character 10"),
        ("SELECT tenant::INT FROM calls", "try_cast"),
    )  # fmt: skip
    runs = asked.run_each([["sql", query, "--db", STORE] for query, _ in wrong])
    for (query, says), done in zip(wrong, runs, strict=True):
        assert done.code == 2 and says in done.err, (query, done.err)


def test_the_stores_secret_is_in_no_table(asked: Cli) -> None:
    """All four tables, whole, in JSON."""
    secret = salt(asked)
    runs = asked.run_each([["sql", f"FROM {table}", "--db", STORE, "--json"] for table in TABLES])
    for table, done in zip(TABLES, runs, strict=True):
        assert done.code == 0, table
        assert secret not in done.out, table


def test_describe_lists_the_columns_of_a_table(asked: Cli) -> None:
    """With the type of each."""
    runs = asked.run_each([["sql", f"DESCRIBE {table}", "--db", STORE, "--format", "csv"] for table in TABLES])
    for table, done in zip(TABLES, runs, strict=True):
        header = done.out.splitlines()[0].split(",")[:2]
        assert (done.code, header) == (0, ["column_name", "column_type"]), table


ODD = (
    "SELECT [1, NULL] AS l, {'a': 1, 'b': [TIMESTAMP '2026-11-16 08:00:00']} AS s, MAP {'k': 2} AS m, "
    "'{\"x\": [1.5]}'::JSON AS j, "
    "TIMESTAMP '2026-11-16 08:00:00' AS t, TIMESTAMPTZ '2026-11-16 08:00:00+02' AS z, "
    "[TIMESTAMPTZ '2026-11-16 08:00:00+02'] AS zs, "
    "DATE '2026-11-16' AS d, TIME '08:30' AS c, INTERVAL 1 DAY AS i, 1.25::DECIMAL(9, 2) AS n, 'nan'::DOUBLE AS f, "
    "'ab'::BLOB AS b, 170141183460469231731687303715884105727::HUGEINT AS h, true AS y, NULL AS u, "
    "'00000000-0000-0000-0000-000000000001'::UUID AS id, 1 AS twice, 2 AS twice, '=1+1' AS formula, e'\\x1b[31m' AS esc"
)


@pytest.fixture(scope="module")
def odd(asked: Cli) -> dict[str, str]:
    """What that gives in files, by their suffix."""
    files = {suffix: asked.folder / f"odd.{suffix}" for suffix in ("csv", "txt", "md", "json", "jsonl")}
    done = asked.run("sql", ODD, "--db", STORE, *(word for file in files.values() for word in ("-o", file)))
    assert done.code == 0, done.err
    return {suffix: file.read_bytes().decode() for suffix, file in files.items()}


def test_values_of_every_type_in_json(odd: dict[str, str]) -> None:
    """Lists and structs are JSON, times ISO 8601 in UTC, what is no number null, and equal names told apart."""
    (row,) = json.loads(odd["json"])["tables"][0]["rows"]
    assert row == {
        "l": [1, None], "s": {"a": 1, "b": ["2026-11-16T08:00:00Z"]}, "m": {"k": 2}, "j": {"x": [1.5]},
        "t": "2026-11-16T08:00:00Z", "z": "2026-11-16T06:00:00Z", "zs": ["2026-11-16T06:00:00Z"], "d": "2026-11-16",
        "c": "08:30:00", "i": "1 day, 0:00:00", "n": 1.25, "f": None, "b": "6162",
        "h": 170141183460469231731687303715884105727, "y": True, "u": None,
        "id": "00000000-0000-0000-0000-000000000001", "twice": 1, "twice_1": 2, "formula": "=1+1", "esc": "\x1b[31m",
    }  # fmt: skip
    assert json.loads(odd["jsonl"]) == row


def test_values_of_every_type_elsewhere(asked: Cli, odd: dict[str, str]) -> None:
    """In CSV a list is its JSON text and a formula is quoted; no format lets a control character through."""
    (row,) = csv.DictReader(io.StringIO(odd["csv"]))
    assert (row["l"], row["s"]) == ("[1, null]", '{"a": 1, "b": ["2026-11-16T08:00:00Z"]}')
    assert (row["t"], row["formula"], row["u"], row["f"], row["y"]) == ("2026-11-16T08:00:00Z", "'=1+1", "", "", "true")
    assert [suffix for suffix, text in odd.items() if not text or "\x1b" in text] == []
    assert asked.terminal("sql", ODD, "--db", STORE, columns=60).code == 0


def test_a_screen_shows_the_first_rows_and_says_how_many_there_are(asked: Cli) -> None:
    """A hundred on a screen, all in data formats, and whatever --limit says in both."""
    query = "SELECT i FROM range(250) AS t(i) ORDER BY i DESC"
    line = ["sql", query, "--db", STORE]
    screen, table, limited, whole = asked.run_each([
        line, [*line, "--format", "csv"], [*line, "--json", "--limit", "3"], [*line, "--limit", "250"],
    ])  # fmt: skip
    shown = screen.out
    assert "100 of 250 rows shown" in shown
    assert "\n249\n" in shown and "\n150\n" in shown and "\n149\n" not in shown
    assert len(table.out.splitlines()) == 251
    few = json.loads(limited.out)
    assert [row["i"] for row in few["tables"][0]["rows"]] == [249, 248, 247]
    assert few["notes"][0]["code"] == "rows_cut"
    assert "\n  0\n" in whole.out and "shown" not in whole.out


def test_the_order_asked_for_is_the_order_shown(asked: Cli) -> None:
    """Also where rows are cut, columns share a name, and times have a zone."""
    query = "SELECT i AS a, i AS a, now() AS t FROM range(300000) AS t(i) ORDER BY hash(i)"
    with duckdb.connect() as connection:
        want = connection.execute("SELECT i FROM range(300000) AS t(i) ORDER BY hash(i) LIMIT 50").fetchall()
    rows = json.loads(asked.run("sql", query, "--db", STORE, "--json", "--limit", "50").out)["tables"][0]["rows"]
    assert [(row["a"],) for row in rows] == want


def test_nothing_found_is_no_rows(asked: Cli) -> None:
    """Exit code 0 and the column names; 3 when that is to fail."""
    line = ["sql", "SELECT tenant FROM calls WHERE false", "--db", STORE]
    done, failed = asked.run_each([[*line, "--format", "csv"], [*line, "--fail-on-empty"]])
    assert (done.code, done.out) == (0, "tenant\n")
    assert failed.code == 3


def test_files_can_be_asked_without_a_store(cli: Cli) -> None:
    """The call view has outcome and tax, and lists come out whole."""
    write_lines(cli.folder / "calls.jsonl", [call(1, outcome="cancelled", rendered_tokens=10), *calls(2, start=5)])
    done = cli.run("sql", "SELECT sum(tax_best) AS tax FROM calls", "calls.jsonl", "--format", "csv")
    assert done.out == "tax\n50\n"


def test_redact_does_not_promise_what_it_cannot_keep(asked: Cli) -> None:
    """A column of the user's own making may hold anything under any name."""
    assert asked.run("sql", "SELECT tenant AS x FROM calls", "--db", STORE, "--redact", "tenant").code == 2


def test_a_long_query_can_be_interrupted(asked: Cli) -> None:
    """Ctrl-C ends it with 130 and leaves no temporary files."""
    query = (
        "SELECT count(*) FROM range(100000) a, range(100000) b, range(1000) c WHERE hash(a.range, b.range, c.range) = 0"
    )
    process = asked.start("sql", query, "--db", STORE)
    wait_until(lambda: _busy(process.pid), process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, out) == (130, b""), err
    assert b"Traceback" not in err
    assert not list(asked.spool.iterdir())


def _busy(pid: int) -> bool:
    """Whether the process has used more processor time than starting takes."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") > 1.2


def test_csv_on_standard_output_is_written_in_pieces(asked: Cli) -> None:
    """Row by row the same as the statement's own, with one header."""
    rows = 2 * sql._ROWS_A_PIECE + 5
    statement = f"SELECT range AS a, '=' || range AS b FROM range({rows})"
    done = asked.run("sql", statement, "--db", STORE, "--format", "csv")
    assert done.code == 0, done.err
    assert list(csv.reader(io.StringIO(done.out))) == [["a", "b"], *([str(n), f"'={n}"] for n in range(rows))]


def test_csv_in_a_file_is_written_in_pieces_and_takes_its_name_when_whole(asked: Cli) -> None:
    """A statement that fails after 40,000 rows, or a reader that goes, leaves the file that was there before."""
    rows, file = 45_000, asked.folder / "out.csv"
    statement = f"SELECT range AS a, '=' || range AS b FROM range({rows})"
    line = ["sql", statement, "--db", STORE]
    done, printed = asked.run_each([[*line, "-o", "out.csv"], [*line, "--format", "csv"]])
    assert done.code == 0 and "wrote out.csv" in done.err and not done.out
    assert file.read_text() == printed.out
    file.chmod(0o640)
    old = file.read_bytes()
    late = f"SELECT CASE WHEN range < {rows - 2} THEN range ELSE ('x' || range)::INT END AS a FROM range({rows})"
    done = asked.run("sql", late, "--db", STORE, "-o", "out.csv")
    assert done.code == 2 and file.read_bytes() == old
    assert not [path.name for path in asked.folder.iterdir() if path.name.startswith(".out.csv")]
    assert asked.run("sql", "SELECT 1 AS a", "--db", STORE, "-o", "out.csv").code == 0
    assert file.read_text() == "a\n1\n" and file.stat().st_mode & 0o777 == 0o640


def test_csv_in_a_file_holds_no_more_than_a_piece(tmp_path: Path) -> None:
    """Pieces are asked for one after the other: when the second comes, the first is written."""
    written: list[int] = []
    file = tmp_path / "out.csv"

    def pieces() -> Iterator[Result]:
        for number in range(3):
            begun = list(tmp_path.glob(".out.csv.*/out.csv"))
            written.append(sum(path.stat().st_size for path in begun))
            table = Table("result", (Column("a"),), ((f"{number}" * 100_000,),))
            yield Result(Report("sql", NO_WINDOW, (table,)))

    Output(files=(file,)).stream(pieces())
    assert written[1] > 90_000 and written[2] > 190_000 and file.stat().st_size > 300_000


@pytest.mark.parametrize("form", keep(["table", "csv", "json"], ["csv"]))
def test_a_statement_that_takes_too_long_is_stopped(asked: Cli, form: str) -> None:
    """After --timeout, as a mistake of the statement."""
    endless = "SELECT count(*) FROM range(1000000000) AS a, range(1000000000) AS b WHERE a.range + b.range = 1"
    done = asked.run("sql", endless, "--db", STORE, "--timeout", "0.5s", "--format", form)
    assert (done.code, done.out) == (2, "")
    assert "stopped after 0.5 s" in done.err
