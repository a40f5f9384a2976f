"""Manners: what goes where, in which form, and how the program helps the hand that types."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.running import Cli
from tests.cli.traffic import call, write_lines, write_many


def rows(text: str) -> list[dict[str, object]]:
    """The rows of a JSON report's first table."""
    found: list[dict[str, object]] = json.loads(text)["tables"][0]["rows"]
    return found


@pytest.fixture
def path(cli: Cli) -> Path:
    """Calls of two tenants and one without, and a bad line."""
    names = ("acme", "acme", "globex", None)
    records = [call(n, tenant_id=name, user_id=f"u{n}") for n, name in enumerate(names)]
    write_lines(cli.folder / "calls.jsonl", records)
    with (cli.folder / "calls.jsonl").open("a") as file:
        file.write("not json\n")
    return cli.folder / "calls.jsonl"


def test_json_is_an_alias(cli: Cli, path: Path) -> None:
    """--json is --format json, and two formats at once are refused."""
    report = ["report", str(path)]
    short, long, both = cli.run_each([[*report, *words] for words in (
        ["--json"], ["--format", "json"], ["--json", "--format", "csv"])])  # fmt: skip
    assert rows(short.out) == rows(long.out)
    assert both.code == 2


def test_aliases_hide_values_and_stay_the_same(cli: Cli, path: Path) -> None:
    """The same tenant has the same alias in every report of a store, and nothing else changes; that no value is in any
    form is seen in ``test_redact.py``."""
    assert cli.run("ingest", path, "--db", "s.duckdb").code == 0
    plain = rows(cli.run("report", "--by", "tenant", "--db", "s.duckdb", "--json").out)
    hidden = rows(cli.run("report", "--by", "tenant", "--db", "s.duckdb", "--redact", "tenant", "--json").out)
    again = rows(cli.run("tax", "--by", "tenant", "--db", "s.duckdb", "--redact", "tenant", "--json").out)
    names = [str(row["tenant"]) for row in hidden if row["tenant"] is not None]
    assert len(set(names)) == 2 and all(name.startswith("tenant-") for name in names)
    assert {row["tenant"] for row in again} == {row["tenant"] for row in hidden}
    without = [{key: value for key, value in row.items() if key != "tenant"} for row in plain]
    assert [{key: value for key, value in row.items() if key != "tenant"} for row in hidden] == without
    assert cli.run("report", path, "--redact", "tennant").code == 2


def test_another_store_gives_other_aliases(cli: Cli, path: Path) -> None:
    """An alias cannot be looked up in somebody else's store."""
    found = []
    for name in ("a.duckdb", "b.duckdb"):
        assert cli.run("ingest", path, "--db", name).code == 0
        found.append({row["tenant"] for row in rows(
            cli.run("report", "--by", "tenant", "--db", name, "--redact", "tenant", "--json").out)})  # fmt: skip
    assert found[0] & found[1] == {None}


def test_the_log_can_be_json(cli: Cli, path: Path) -> None:
    """Every line of standard error is an object with a time, a level and figures as numbers."""
    done = cli.run("ingest", path, "--db", "s.duckdb", "--log-format", "json")
    lines = [json.loads(line) for line in done.err.splitlines()]
    assert all({"time", "level"} <= set(line) for line in lines)
    equation = next(line for line in lines if line.get("message") == "ingested")
    assert (equation["read"], equation["new"], equation["rejected"]) == (5, 4, 1)
    wrong = cli.run("ingest", "nix.jsonl", "--db", "s.duckdb", "--log-format", "json")
    assert wrong.code == 3
    assert [json.loads(line)["level"] for line in wrong.err.splitlines()] == ["error"]
    assert cli.run("ingest", path, "--log-format", "xml").code == 2


def test_verbose_says_where_everything_is(cli: Cli, path: Path) -> None:
    done = cli.run("ingest", path, "--db", "s.duckdb", "-v")
    assert "store s.duckdb" in done.err
    assert "configuration none" in done.err


def test_a_dry_run_stores_nothing(cli: Cli, path: Path) -> None:
    """It says what it would do, and there is no store afterwards."""
    done = cli.run("ingest", path, "--db", "s.duckdb", "--dry-run")
    assert done.code == 0
    assert "nothing was stored" in done.err and "= new" in done.err
    assert not (cli.folder / "s.duckdb").exists()


def test_a_dry_run_compares_with_the_store(cli: Cli, path: Path) -> None:
    """Of four calls one is there in a worse version, two in an equal one, one is new; the store stays as it is."""
    assert cli.run("ingest", path, "--db", "s.duckdb").code == 0
    before = (cli.folder / "s.duckdb").read_bytes()
    assert "unchanged since it was read, skipped" in cli.run("ingest", path, "--db", "s.duckdb", "--dry-run").err
    records = [json.loads(line) for line in path.read_text().splitlines()[:3]]
    records[0]["output_tokens"] += 1
    other = write_lines(cli.folder / "other.jsonl", [*records, call(99)])
    done = cli.run("ingest", other, "--db", "s.duckdb", "--dry-run")
    counts = {" ".join(words[:-1]): words[-1] for words in map(str.split, _tally(done.err))}
    assert counts == {
        "read": "4", "= new": "1", "+ repeated": "2", "+ would replace": "1", "+ rejected": "0", "+ not calls": "0"
    }  # fmt: skip
    assert "nothing was stored; compared with s.duckdb" in done.err
    assert (cli.folder / "s.duckdb").read_bytes() == before
    really = cli.run("ingest", other, "--db", "s.duckdb")
    assert [line.split()[-1] for line in _tally(really.err)] == list(counts.values())


def _tally(text: str) -> list[str]:
    """The lines of the equation, without what they mean."""
    lines = [line.strip() for line in text.splitlines()]
    return [
        line.split("  already")[0] for line in lines if line.startswith(("read ", "= ", "+ "))
    ]  # fmt: skip


def test_progress_can_be_asked_for_and_silenced(cli: Cli, path: Path) -> None:
    """Off a terminal it never draws a bar; a wrong choice is named."""
    for when in ("auto", "on", "off"):
        done = cli.run("ingest", path, "--db", "s.duckdb", "--force", "--progress", when)
        assert (done.code, "\r" in done.err, "###" in done.err) == (0, False, False)
    assert cli.run("ingest", path, "--progress", "maybe").code == 2


def completed(cli: Cli, line: str) -> list[str]:
    """What bash is offered at the end of a line."""
    words = line.split(" ")
    asked = {"_STREAMAUDIT_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = cli.run(env=asked)
    return done.out.split()


def test_a_shell_completes_commands_options_dimensions_and_values(cli: Cli, path: Path) -> None:
    """Names that are fixed come at once; tenants come from the store; a stranger's text never reaches the shell."""
    evil = [call(90, tenant_id="acme$(reboot)", service_version="v1"), call(91, tenant_id="acme `x`")]
    write_lines(cli.folder / "evil.jsonl", evil)
    assert cli.run("ingest", path, cli.folder / "evil.jsonl", "--db", "s.duckdb").code == 0
    assert "report" in completed(cli, "streamaudit re")
    assert completed(cli, "streamaudit report --by te") == ["tenant"]
    assert completed(cli, "streamaudit report --by tenant,mod") == ["tenant,model"]
    assert completed(cli, "streamaudit report --only ten") == ["tenant="]
    assert completed(cli, "streamaudit report --db s.duckdb --only tenant=ac") in (["tenant=acme"], [])
    assert completed(cli, "streamaudit diff --db s.duckdb v") in (["v1"], [])
    assert completed(cli, "streamaudit report --db nix.duckdb --only tenant=ac") == []
    assert not (cli.folder / "nix.duckdb").exists()


def test_the_specification_is_complete(cli: Cli) -> None:
    """Programs get every command and option; people get the same as a manual page that man can format."""
    spec = json.loads(cli.run("spec").out)
    for name, about in spec["commands"].items():
        inner = about.get("commands", {"": about})
        for sub, described in inner.items():
            page = cli.run(name, *([sub] if sub else []), "--help").out
            for option in described["options"]:
                assert any(spelled in page for spelled in option["names"]), (name, option)
    page = cli.run("spec", "--man").out
    assert page.startswith(".TH STREAMAUDIT 1")
    assert all(name in page for name in spec["commands"])
    assert [line for line in page.splitlines() if line.startswith("'")] == []


def test_sampling_is_a_share(cli: Cli, path: Path) -> None:
    rates = ("0", "1.5", "-1", "nan", "0.1")
    runs = cli.run_each([["ingest", str(path), "--db", "s.duckdb", "--sample-rate", rate] for rate in rates])
    assert [done.code for done in runs] == [2, 2, 2, 2, 0]


def test_a_memory_limit_is_respected(cli: Cli) -> None:
    """With little memory a large file is ingested all the same, by way of the disk; too little is refused up front."""
    big = write_many(cli.folder / "big.jsonl", 20_000)
    done = cli.run("ingest", big, "--db", "s.duckdb", "--memory-limit", "256MB")
    assert done.code == 0, done.err
    assert rows(cli.run("report", "--db", "s.duckdb", "--memory-limit", "256MB", "--json").out)[0]["calls"] == 20_000
    assert cli.run("report", "--db", "s.duckdb", "--memory-limit", "1MB").code == 2
    assert list(cli.spool.iterdir()) == []


@pytest.mark.proof
def test_a_large_report_over_files_has_where_to_spill(cli: Cli) -> None:
    """What does not fit into memory goes to a private folder that lives as long as the report and no longer."""
    script = (
        "import sys, streamaudit.store.store as s\n"
        "from pathlib import Path\n"
        "with s.Store.in_memory(memory_limit='128MB') as store:\n"
        "    store.lock_down()\n"
        "    n = store.one('SELECT count(*) FROM (SELECT DISTINCT md5(i::VARCHAR) || md5((i + 1)::VARCHAR) AS k "
        "FROM range(1500000) AS t(i) ORDER BY k)')\n"
        "print(n[0])\n"
    )
    program = cli.folder / "spill.py"  # with -c DuckDB takes it for a person's session, and draws its progress
    program.write_text(script)
    done = subprocess.run(
        [*cli_python(), program], env=cli.environment(), capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "1500000"), done.stderr
    assert list(cli.spool.iterdir()) == []


def cli_python() -> list[str]:
    """The interpreter the program runs in."""
    from tests.cli.running import PROGRAM

    return [PROGRAM[0]]
