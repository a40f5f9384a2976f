"""Ctrl-C, SIGTERM, kill -9 and closed pipes: whatever stops a run, the store is whole and the next run completes it."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import PATIENCE_S, SAMPLES, Cli, stored_calls, wait_until
from tests.cli.traffic import call, long_line, write_lines, write_many
from tests.sampling import keep

MANY = 25_000
FIRST = 50


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that takes long enough to be interrupted."""
    return write_many(tmp_path_factory.mktemp("many") / "many.jsonl", MANY)


@pytest.fixture(scope="module")
def undisturbed(many: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report of an ingest that nobody interrupted, over a first small file and the big one."""
    cli = Cli(tmp_path_factory.mktemp("undisturbed"))
    _first(cli)
    assert cli.run("ingest", many, "--db", "store.duckdb").code == 0
    return report(cli)


def _first(cli: Cli) -> None:
    write_lines(cli.folder / "first.jsonl", [call(number, request_id=f"first{number}") for number in range(FIRST)])
    assert cli.run("ingest", "first.jsonl", "--db", "store.duckdb", "-q").code == 0


def report(cli: Cli) -> dict[str, Any]:
    """The whole report by tenant, without the time it was made."""
    done = cli.run("report", "--by", "tenant,day", "--db", "store.duckdb", "--format", "json")
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    del found["generated_at"]
    return found


def parsing(cli: Cli) -> bool:
    """Whether the file is being parsed into the scratch database."""
    return any(cli.spool.glob("streamaudit-*/scratch"))


def committing(cli: Cli) -> bool:
    """Whether the parsed calls are being written to the store, whose log is there only meanwhile."""
    return (cli.folder / "store.duckdb.wal").exists()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.proof)]
)
def test_an_interrupted_ingest_leaves_the_store_whole(
    cli: Cli, many: Path, undisturbed: dict[str, Any], number: int, code: int
) -> None:
    """The exit code tells which signal it was, what was stored before is there, and a second run completes the rest."""
    _first(cli)
    process = cli.start("ingest", many, "--db", "store.duckdb")
    wait_until(lambda: parsing(cli), process)
    process.send_signal(number)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code, err
    assert b"Traceback" not in err
    assert b"leaked" not in err
    assert b"interrupted; the current file is stored completely or not at all" in err
    assert not list(cli.spool.iterdir()), "temporary files are left behind"
    assert stored_calls(cli.folder / "store.duckdb") == FIRST
    assert cli.run("ingest", many, "--db", "store.duckdb", "-q").code == 0
    assert report(cli) == undisturbed


@pytest.mark.proof
def test_a_kill_while_a_log_is_read_on_leaves_the_store_whole(
    cli: Cli, many: Path, undisturbed: dict[str, Any]
) -> None:
    """kill -9, while what came to a log is written, gives the process no chance to tidy up: the store is as before, and
    a second run reads on from the same place to what one reading of the whole gives."""
    _first(cli)
    content, log = many.read_bytes(), cli.folder / "app.jsonl"
    start = 50_000  # in the middle of a line
    whole_lines = content[:start].count(b"\n")
    log.write_bytes(content[:start])
    assert cli.run("ingest", log, "--db", "store.duckdb", "-q").code == 0
    log.write_bytes(content)
    process = cli.start("ingest", log, "--db", "store.duckdb")
    wait_until(lambda: committing(cli), process)
    process.kill()
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode == -signal.SIGKILL
    assert stored_calls(cli.folder / "store.duckdb") == FIRST + whole_lines
    done = cli.run("ingest", log, "--db", "store.duckdb")
    assert done.code == 0
    assert "resumed at byte" in done.err and f"= new        {MANY - whole_lines:,}" in done.err
    assert report(cli) == undisturbed
    total = "SELECT sum(read_records), sum(rejected_records) FROM loads"
    counted = cli.run("sql", total, "--db", "store.duckdb", "--format", "csv")
    assert counted.out.splitlines()[1:] == [f"{FIRST + MANY},0"]


@pytest.mark.parametrize(
    ("number", "code"), [pytest.param(signal.SIGINT, 130, marks=pytest.mark.proof), (signal.SIGTERM, 143)]
)
def test_waiting_for_input_can_be_interrupted(cli: Cli, number: int, code: int) -> None:
    """A run that waits for standard input stops at once and leaves no temporary copy of it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "streamaudit", "ingest", "-", "--db", "store.duckdb"], cwd=cli.folder,
        env=cli.environment(), stdin=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(long_line(call(1)))
    process.stdin.flush()
    wait_until(lambda: any(cli.spool.glob("streamaudit-*/1.json")), process)
    process.send_signal(number)
    assert process.wait(PATIENCE_S) == code
    assert process.stderr is not None
    assert b"Traceback" not in process.stderr.read()
    process.stdin.close()
    process.stderr.close()
    assert not list(cli.spool.iterdir())


@pytest.mark.parametrize("form", keep(["table", "json", "csv"], ["table"]))
def test_a_reader_that_leaves_early_is_not_an_error_to_shout_about(cli: Cli, sample_store: Path, form: str) -> None:
    """``report | head -1`` gets its line, nothing is said on standard error, and the code is 141 or 0."""
    done = cli.shell(
        f"streamaudit report --db '{sample_store}' --by user_id,session_id,hour --top 100000 --format {form} | head -1"
    )
    assert done.code in (0, 141)
    assert len(done.out.splitlines()) == 1
    assert done.err == ""


def test_a_closed_standard_output_is_141(cli: Cli, sample_store: Path) -> None:
    """When nobody reads from the start, the code says so and nothing else is printed."""
    process = cli.start("report", "--db", sample_store, "--by", "tenant,hour", "--json")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(PATIENCE_S) == 141


BUG = """
import sys
import streamaudit.cli.samples
def explode(*arguments, **options):
    raise RuntimeError("SECRET-PROMPT")
streamaudit.cli.samples.sample_traces = explode
from streamaudit.cli.main import main
sys.exit(main(["demo"]))
"""


def _bug(env: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", BUG], env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


def test_a_bug_is_one_line_and_70(cli: Cli) -> None:
    """An error nobody foresaw shows its kind but neither a trace nor its text, which may quote a prompt."""
    done = _bug(cli.environment())
    assert (done.returncode, done.stdout) == (70, "")
    assert ["RuntimeError" in line for line in done.stderr.splitlines() if line.startswith("error: ")] == [True]
    assert "STREAMAUDIT_TRACEBACK=1" in done.stderr
    assert "SECRET" not in done.stderr


def test_a_bug_shows_its_trace_on_request(cli: Cli) -> None:
    """STREAMAUDIT_TRACEBACK=1 is for the report that a developer needs."""
    done = _bug(cli.environment(STREAMAUDIT_TRACEBACK="1"))
    assert "Traceback" in done.stderr
    assert "in explode" in done.stderr


@pytest.mark.proof
def test_samples_survive_a_kill_at_any_moment(cli: Cli, sample_store: Path) -> None:
    """Killed again and again while three formats are ingested, the store ends like one that was never disturbed."""
    names = sorted(SAMPLES.glob("*.gz"))
    calm = cli.run("report", "--by", "tenant,model,route", "--db", sample_store, "--format", "csv").out
    assert calm
    for _ in range(2):
        process = cli.start("ingest", *names, "--db", "store.duckdb", "-q")
        wait_until(lambda: parsing(cli), process)
        process.kill()
        process.communicate(timeout=PATIENCE_S)
    assert cli.run("ingest", *names, "--db", "store.duckdb", "-q").code == 0
    assert cli.run("report", "--by", "tenant,model,route", "--db", "store.duckdb", "--format", "csv").out == calm
