"""The line after a report on a terminal: one command, built from what was found, that runs when it is pasted."""

import re
import shlex
from pathlib import Path

import pytest

from tests.cli.running import Cli
from tests.cli.traffic import Record, call
from tests.sampling import keep
from tests.support import write_lines

ROUTE = "POST /it's \"new\" $HOME/v1"
CONFIG = '[[check]]\nmetric = "ttft_ms"\nexpect = "p(50)<500"\nby = "route"\n'


def traffic() -> list[Record]:
    """Ten days with a deploy each: from the ninth on one route waits twice as long; every tenth user leaves."""
    records = []
    for number in range(2000):
        day, minute = number // 200, number % 200 * 7
        slow = day >= 8 and number % 2
        record = call(
            number, request_id=f"r {number}", route=ROUTE if number % 2 else "/chat", service_version=f"v{day}",
            start_time=f"2026-11-{day + 10:02d}T{minute // 60:02d}:{minute % 60:02d}:00Z",
            time_to_first_chunk_ms=(900 if slow else 400) * (1 + number * 7 % 20 / 100),
        )  # fmt: skip
        left = {"outcome": "cancelled", "rendered_tokens": 20, "cancelled_at_ms": 1800} if number % 10 == 3 else {}
        records.append({**record, **left})
    return records


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """A store in a folder whose name a shell would split."""
    cli = Cli(tmp_path_factory.mktemp("follow up"))
    write_lines(cli.folder / "my calls.jsonl", traffic())
    (cli.folder / "my checks.toml").write_text(CONFIG)
    assert cli.run("ingest", "my calls.jsonl", "--db", "my store.duckdb", "-q").code == 0
    return cli


COMMANDS = {
    "report": "tax --by tenant",
    "report --by model --last 999d": "tax --by model --last 999d",
    "report --by deploy --only provider=openai": "diff --by route --only provider=openai",
    "tax": "tax --top-calls 3",
    "tax --top-calls 1 --where \"route <> '/x y'\"": "explain",
    "ttft --since 2026-11-11": "ttft --by model --since 2026-11-11",
    "ttft --by deploy": "diff --metric ttft",
    "diff v7 v8 --stat p50": "diff v7 v8 --by route",
    "diff v7 v8 --stat p50 --by route": "ttft --by deploy --only",
    "diff --base-since 2026-11-10 --since 2026-11-18 --stat p50":
        "diff --base-since 2026-11-10 --by route --since 2026-11-18",
    "history": "diff v7 v8 --by route",
    "weekly --since 2026-11-18 --until 2026-11-20":
        "diff --base-since 2026-11-16 --since 2026-11-18 --until 2026-11-20 --by route",
    "--config 'my checks.toml' check --week 2026-W47": "--config 'my checks.toml' ttft --only",
}  # fmt: skip


KEPT = (
    "report", "report --by deploy --only provider=openai", "tax --top-calls 1 --where \"route <> '/x y'\"",
    "ttft --since 2026-11-11", "diff v7 v8 --stat p50 --by route", "weekly --since 2026-11-18 --until 2026-11-20",
    "--config 'my checks.toml' check --week 2026-W47",
)  # fmt: skip
"""One of each command, and of each kind of window and filter."""


@pytest.mark.parametrize("command", keep(COMMANDS, KEPT))
def test_the_command_is_built_from_the_report_and_runs(folder: Cli, command: str) -> None:
    """With the same store, window and filters, names quoted; pasted into a shell it ends with 0 and is not empty."""
    seen = folder.terminal(*shlex.split(command), "--db", "my store.duckdb", columns=100)
    assert seen.code in (0, 1), seen.err
    (line,) = re.findall(r"(?m)^next: (.*)$", seen.err)
    assert line.startswith(f"streamaudit {COMMANDS[command]}"), line
    assert line.endswith("--db 'my store.duckdb'")
    done = folder.shell(line)
    assert done.code == 0, done.err
    assert "No calls" not in done.out and done.out


def test_files_and_what_a_mapping_fills_are_part_of_it(folder: Cli) -> None:
    """A report of files leads to one of the same files."""
    seen = folder.terminal("tax", "my calls.jsonl", "--map", "region=provider", "--by", "region", columns=100)
    (line,) = re.findall(r"(?m)^next: (.*)$", seen.err)
    assert line == "streamaudit tax --by region --top-calls 3 --map region=provider 'my calls.jsonl'"
    assert folder.shell(line).code == 0


def test_a_suggestion_is_for_people_at_a_terminal(folder: Cli) -> None:
    """Not in a pipe, in data, with -q, nor where no call was found."""
    db = ("--db", "my store.duckdb")
    assert "next:" not in folder.run("report", *db).err
    for more in (["-q"], ["--json"], ["--week", "2020-W01"]):
        assert "next:" not in folder.terminal("report", *db, *more, columns=100).err


HOSTILE = ["a*", "x,y", "-", "\x1b[31mred", " padded", "-v"]


def test_names_that_would_be_misread_are_not_suggested(tmp_path: Path) -> None:
    """A wildcard, a list, an option, an escape: no line is better than one that shows other calls."""
    cli = Cli(tmp_path)
    records = [{**one, "route": HOSTILE[int(one["request_id"][2:]) // 2 % len(HOSTILE)] if "it's" in str(one["route"])
                else "/chat"} for one in traffic()]  # fmt: skip
    write_lines(tmp_path / "calls.jsonl", records)
    seen = cli.terminal("diff", "v7", "v8", "calls.jsonl", "--by", "route", "--stat", "p50", columns=100)
    lines = re.findall(r"(?m)^next: (.*)$", seen.err)
    assert not lines or cli.shell(lines[0]).code == 0
