"""Exit code 2: the command line asks for something that does not exist, and says what does."""

import subprocess
import sys
from pathlib import Path

import pytest

from streamaudit.api import Session
from streamaudit.config.settings import Settings
from streamaudit.errors import UsageError
from tests.cli.running import Cli
from tests.cli.traffic import calls, write_lines
from tests.sampling import keep

WRONG: list[tuple[list[str], str]] = [
    (["repport"], "No such command 'repport'"),
    (["report", "--byy", "tenant"], "--byy"),
    (["report", "--by"], "--by"),
    (["report", "--by", "tenent"], "did you mean tenant?"),
    (["report", "--by", "tenant,modell"], "did you mean model?"),
    (["report", "--by", "tenant,tenant"], "named twice"),
    (["report", "--by", "model,route,tenant,deploy,service"], "at most 4"),
    (["report", "--format", "yaml"], "json, jsonl, junit, markdown, parquet, png, prometheus, svg"),
    (["report", "--top", "0"], "--top: expected a number from 1"),
    (["report", "--top", "many"], "--top"),
    (["report", "--color", "blue"], "auto, always or never"),
    (["report", "-o", "json"], "--format json"),
    (["report", "-o", "report.docx"], "unknown suffix"),
    (["report", "-o", "report"], "unknown suffix"),
    (["report", "--redact", "nothing"], "--redact nothing: unknown dimension"),
    (["report", "--where", "tenent = 'acme'"], "no column 'tenent', did you mean tenant?"),
    (["report", "--tz", "Mars/Olympus"], "unknown time zone"),
    (["report", "--tz", "../../etc/passwd"], "unknown time zone"),
    (["report", "--tz", ""], "unknown time zone"),
    (["report", "--week", "2026-47"], "such as 2026-W47"),
    (["report", "--week", "2026-W60"], "such as 2026-W47"),
    (["report", "--week", ""], "such as 2026-W47"),
    (["report", "--last", "7y"], "such as 7d"),
    (["report", "--last", ""], "such as 7d"),
    (["report", "--last", "999999w"], "before the calendar begins"),
    (["report", "--last", "7d", "--week", "2026-W47"], "not several of them"),
    (["report", "--last", "7d", "--since", "2026-11-16"], "not several of them"),
    (["report", "--since", "last monday"], "expected a date or time"),
    (["report", "--since", "0001-01-01", "--tz", "Asia/Tokyo"], "expected a date or time"),
    (["report", "--since", "2026-11-20", "--until", "2026-11-16"], "--since must be before --until"),
    (["report", "--since", "2026-11-20", "--until", "2026-11-20"], "--since must be before --until"),
    (["report", "--only", "tenant"], "tenant=acme,glob*"),
    (["report", "--only", "tenent=acme"], "did you mean tenant?"),
    (["report", "--only", "day=2026-11-16"], "unknown dimension"),
    (["report", "--wait", "soon"], "such as 60s or 5m"),
    (["report", "--map", "tenant=metadata.org"], "--map is for files"),
    (["ingest", "x.csv", "--evidence", "--on", "name"], "--on name: unknown id"),
    (["ingest", "x.csv", "--evidence", "--on", "request_id", "--dry-run"], "--dry-run cannot be combined"),
    (["ttft", "--slo", "fast"], "such as 800ms"),
    (["ttft", "--slo", "0ms"], "--slo"),
    (["ttft", "--slo", "-5ms"], "--slo"),
    (["ttft", "--buckets", "linear"], "--buckets"),
    (["ttft", "--buckets", "1s,100ms"], "bounds must ascend"),
    (["ttft", "--buckets", "1s,1s"], "bounds must ascend"),
    (["tax", "--top-calls", "-1"], "--top-calls"),
    (["tax", "--top-calls", "all"], "--top-calls"),
]  # fmt: skip


def test_a_wrong_command_line_ends_with_2_and_says_what_is_right(cli: Cli, sample_store: Path) -> None:
    """Each mistake is named in one or two lines on standard error, and standard output stays empty."""
    env = {"STREAMAUDIT_DB": str(sample_store)}
    for (arguments, says), done in zip(WRONG, cli.run_each([one for one, _ in WRONG], env), strict=True):
        assert (done.code, done.out) == (2, ""), arguments
        assert says in done.err, arguments
        assert len(done.err.splitlines()) <= 2


INGEST_WRONG: list[tuple[list[str], str]] = [
    (["ingest"], "PATH"),
    (["ingest", "calls.jsonl", "--max-bad", "some"], "such as 1%"),
    (["ingest", "calls.jsonl", "--max-bad", "1.5"], "such as 1%"),
    (["ingest", "calls.jsonl", "--max-bad", "-1"], "such as 1%"),
    (["ingest", "calls.jsonl", "--map", "tenant"], "tenant=metadata.organizationId"),
    (["ingest", "calls.jsonl", "--map", "tennant=org"], "did you mean tenant?"),
    (["ingest", "calls.jsonl", "--map", "tenant=a..b"], "names, separated by dots"),
    (["ingest", "calls.jsonl", "--source", "my source"], "--source"),
    (["ingest", "calls.jsonl", "--wait", "a while"], "such as 60s or 5m"),
    (["report", "calls.jsonl", "--db", "other.duckdb"], "not both"),
    (["report", "calls.jsonl", "--wait", "a while"], "such as 60s or 5m"),
    (["report", "calls.jsonl", "--map", "tennant=org"], "did you mean tenant?"),
]  # fmt: skip


def test_a_wrong_command_line_about_files_ends_with_2_and_stores_nothing(cli: Cli) -> None:
    """No store appears when the command line is refused."""
    write_lines(cli.folder / "calls.jsonl", calls(3))
    for (arguments, says), done in zip(INGEST_WRONG, cli.run_each([one for one, _ in INGEST_WRONG]), strict=True):
        assert (done.code, done.out) == (2, ""), arguments
        assert says in done.err, arguments
    assert not list(cli.folder.rglob("*.duckdb"))


@pytest.mark.parametrize("arguments", [["repport"], ["report", "--by", "tenent"], ["report", "--where", "(SELECT 1)"]])
def test_the_process_itself_returns_2(cli: Cli, sample_store: Path, arguments: list[str]) -> None:
    """What a shell sees is the code, from a command line that is wrong, a value that is, and a condition that is."""
    assert cli.run(*arguments, env={"STREAMAUDIT_DB": str(sample_store)}).code == 2


REFUSED_CONDITIONS = (
    "", " ", "nosuch = 1", "tenant = 'acme", "tenant", "cancelled", "tenant = 5", "ttft_ms > 'fast'",
    "tenant IN (SELECT tenant FROM call_tax)", "EXISTS (SELECT 1)", "(SELECT 1) = 1", "SELECT 1",
    "read_text('/etc/passwd') IS NOT NULL", "getenv('HOME') = ''", "current_setting('memory_limit') = ''",
    "nextval('s') = 1", "repeat('a', 1000000000) = 'a'", "random() < 0.5",
    "true; DROP TABLE store.calls", "true); DROP TABLE store.calls; SELECT (true",
    "true) UNION ALL SELECT 2 FROM call_tax WHERE (true", "true) GROUP BY ALL HAVING (true", "true) LIMIT (1",
    "true) --", "true) /*", "true /*", "true) -- \n OR (true); SELECT (1", "*/ true /*", "true)\n) --",
    "count(*) > 1", "sum(output_tokens) > 1", "count(*) OVER () > 1", "unnest([1]) = 1", "COLUMNS(*) IS NULL", "*",
    "$1 = 1", "? = 1", "tenant LIKE $tenant", "#1 = 1", "list_transform([1], lambda x: x)[1] = 1",
    "tenant::nosuchtype = 1", "matching_calls.tenant = 'acme'", "store.main.calls.tenant = 'acme'", "rowid = 1",
)  # fmt: skip


def test_where_takes_one_condition_on_a_calls_columns_and_nothing_else(cli: Cli, sample_store: Path) -> None:
    """Subqueries, files, further statements, aggregates and text that closes the bracket are all wrong usage; that this
    is exit code 2 is seen of every tenth."""
    with Session(Settings(), db=sample_store) as session:
        for condition in REFUSED_CONDITIONS:
            with pytest.raises(UsageError, match=r"^--where"):
                session.report(where=condition)
    tried = REFUSED_CONDITIONS[::10]
    runs = cli.run_each([["report", "--db", str(sample_store), "--where", text] for text in tried])
    for condition, done in zip(tried, runs, strict=True):
        assert (done.code, done.out) == (2, ""), condition
        assert done.err.startswith("error: --where"), condition
        assert "Traceback" not in done.err


GOOD_CONDITIONS = (
    "tenant = 'acme'", "tenant IN ('acme', 'globex') AND NOT (outcome = 'error')", "tenant = 'acme' -- (all of it)",
    "start_time >= '2026-11-16'", "start_time >= TIMESTAMP '2026-11-16 08:00'", "ttft_ms BETWEEN 100 AND 900",
    "model LIKE 'gpt%' OR regexp_matches(model, '^claude')", "tenant IS NULL", "coalesce(tenant, '') = ''",
    "ttft_ms / nullif(duration_ms, 0) > 0.5", "ttft_ms::BIGINT > 500", "CASE WHEN streamed THEN ttft_ms END > 500",
)  # fmt: skip


def test_where_takes_the_conditions_people_write(cli: Cli, sample_store: Path) -> None:
    """Comparisons, lists, patterns, dates, casts and arithmetic on columns all narrow the report."""
    with Session(Settings(), db=sample_store) as session:
        for condition in GOOD_CONDITIONS:
            assert 0 < session.report(where=condition).tables["total"].rows()[0]["calls"] < 4998, condition
    done = cli.run("report", "--db", sample_store, "--format", "csv", "--where", GOOD_CONDITIONS[0])
    assert done.code == 0, done.err
    assert 0 < int(done.out.splitlines()[1].split(",")[0]) < 4998


def test_every_report_refuses_alike(cli: Cli) -> None:
    """The options that reports share are checked in each of them, before any store is looked for."""
    wrong = (["--by", "tenent"], ["--format", "yaml"], ["-o", "json"], ["--tz", "Mars"], ["--week", "47"])
    runs = cli.run_each([[command, *arguments] for command in ("report", "ttft", "tax") for arguments in wrong])
    assert [done.code for done in runs] == [2] * len(runs)


@pytest.mark.parametrize("form", keep(["html", "png", "svg"], ["html"]))
def test_what_draws_says_which_extra_it_needs(cli: Cli, thirty: Path, form: str) -> None:
    """Where the libraries of the extra are not installed; every other format goes without them."""
    absent = "import sys; sys.modules |= dict.fromkeys(('altair', 'jinja2', 'vl_convert')); "
    program = absent + "from streamaudit.cli.main import main; sys.exit(main())"
    arguments = ["ttft", "--db", str(thirty / "store.duckdb"), "-o", f"page.{form}"]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=cli.folder, env=cli.environment(), capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert "streamaudit[html]" in done.stderr and "Traceback" not in done.stderr
    assert not (cli.folder / f"page.{form}").exists()


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help_behind_two_dashes_is_a_value(cli: Cli, sample_store: Path, word: str) -> None:
    """A deploy or a file of that name is looked for, with the configuration read as for any other."""
    done = cli.run("diff", "--db", sample_store, "--fail-on-empty", "--", word, "x")
    assert done.code == 3 and "bug" not in done.err
    assert cli.run("ingest", "--", word).code == 3
