"""``--redact``: no name of a redacted dimension is in anything that a command writes, in any format."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer.main

from streamaudit.cli.app import program
from streamaudit.errors import EXIT_BUG
from streamaudit.report.render.formats import BINARY, formats, load
from tests.cli.running import Cli
from tests.cli.test_mcp import ask
from tests.once import once

PLANTED = "zqx"
"""In every value of a dimension below, and in nothing else."""
HIDDEN = "tenant,route,user_id,session_id,deploy,model,service,region,environment"
STORE = "store.duckdb"
CONFIG = f"""
[groups.{PLANTED}gold]
tenant = ["{PLANTED}tenant-1", "{PLANTED}tenant-2*"]

[[check]]
metric = "cancel_rate"
expect = "<0.001"
by = "tenant"

[[check]]
metric = "calls"
expect = "<1"
where = "tenant={PLANTED}tenant-1"

[[check]]
metric = "ttft_ms"
expect = "p(50)<1"
by = "route"
where = "deploy={PLANTED}deploy*"
"""
BILL = "month,provider,amount\n2026-11,openai,100.00\n"
WEEK = ["--week", "2026-W46"]
_HEAD, _BASE = f"{PLANTED}deploy-2", f"{PLANTED}deploy-1"
ASKED: dict[str, list[list[str]]] = {
    "report": [
        ["report", "--by", "tenant,route"], ["report", "--by", "group:tenant", "--trend", "--itl"],
        ["report", "--by", "user_id", "--where", f"tenant = '{PLANTED}none'"],
        ["report", "--by", "session_id", "--only", f"tenant={PLANTED}tenant-9"],
        ["report", "--reconcile", "bill.csv", "--only", f"model={PLANTED}model"],
    ],
    "ttft": [["ttft", "--by", "model,region", "--only", f"tenant={PLANTED}tenant*"]],
    "tax": [["tax", "--by", "tenant", "--split", "--top-calls", "3"], ["tax", "--if-stopped"]],
    "diff": [
        ["diff", "--by", "route"], ["diff", _BASE, _HEAD, "--by", "tenant"],
        ["diff", f"{PLANTED}tenant-1", f"{PLANTED}tenant-2", "--on", "tenant"],
        ["diff", _BASE, f"{PLANTED}deploy-0"], ["diff", _BASE, _BASE],
    ],
    "audit": [["audit"], ["audit", "--by", "tenant", "--where", f"route <> '{PLANTED}'"], ["audit", "--list"]],
    "check": [["check"]],
    "weekly": [["weekly", *WEEK], ["weekly", *WEEK, "--dry-run"], ["weekly", *WEEK, "--by", "user_id,service"]],
    "history": [["history"], ["history", "--by", "week", "--findings"]],
    "explain": [["explain", "r1"], ["explain", "t2"], ["explain", "r"]],
    "coverage": [["coverage", "--by", "tenant"]],
    "fields": [["fields", "calls.jsonl"], ["fields", "calls.jsonl", "--for", "tenant"]],
}  # fmt: skip
"""What each command is asked: with every option that names something, with names of its own, and to fail."""
IN_EVERY_FORMAT = ASKED["report"][0]
"""It has charts and tables. A format is given a report whose names are replaced already."""
PROOFS = (
    ASKED["weekly"][0], ASKED["weekly"][2], ASKED["audit"][1], ASKED["audit"][2], ASKED["report"][2],
    ASKED["diff"][1],
)  # fmt: skip
"""Asked by ``make proof`` alone: others ask for nearly the same, with other names or options."""
ALIAS = rf"\b({HIDDEN.replace(',', '|')})-[0-9a-f]{{8}}\b"
NAMELESS = {
    "providers": "lists models and prices of the catalogue, none of it from calls",
    "instrument": "prints recipes, and counts of a log",
    "sql": "refuses the option: it cannot know what a column holds (test_sql.py)",
    "mcp": "has tools instead of formats: see below",
}
"""Commands with the option that show no name."""
WITHOUT = {
    "demo": "has synthetic names only", "ingest": "counts, and names fields and files", "pull": "counts, as ingest",
    "reprice": "names models, which are looked up in the price list", "unload": "names loads and files",
    "merge": "counts, and names stores", "prune": "counts", "forget": "repeats the user that it is given",
    "spec": "describes the commands",
    "config": "shows the configuration as it is", "export": "writes calls into a file for other tools",
}  # fmt: skip
"""Commands without the option, and the reason."""
GROUP = typer.main.get_group(program())
TEXTS = [name for name in formats() if name not in BINARY]
FILES = [name for name in TEXTS if load(name).SUFFIXES and name != "svg"]
"""Formats that one run writes together: a picture refuses a report without anything to draw."""


def _record(number: int) -> dict[str, Any]:
    """A call of one of two weeks; the second half of the second week has a new deploy, which is slow."""
    week, day, minute = number // 120, number // 20 % 6, number % 20
    late, cut = week == 1 and day > 2, minute % 3 == 0
    names = {
        "tenant_id": f"{PLANTED}tenant-{minute % 3}", "route": f"/{PLANTED}route/{minute % 2}",
        "model": f"{PLANTED}model" if minute % 4 else "gpt-4o", "user_id": f"{PLANTED}user-{minute % 5}",
        "session_id": f"{PLANTED}session-{minute}", "deploy": f"{PLANTED}deploy-{2 if late else 1}",
        "environment": f"{PLANTED}environment", "service": f"{PLANTED}service", "region": f"{PLANTED}region",
    }  # fmt: skip
    return {
        "request_id": f"r{number}", "trace_id": f"t{number // 2}", "provider": "openai", "stream": True, **names,
        "start_time": f"2026-11-{2 + 7 * week + day:02d}T08:{minute:02d}:00Z", "input_tokens": 100,
        "time_to_first_chunk_ms": (3000 if late else 300) + number % 37, "duration_ms": (6000 if late else 2500),
        "output_tokens": 60, "rendered_tokens": 20 if cut else 60, "cost_usd": 0.01, "output_cost_usd": 0.006,
        "outcome": "cancelled" if cut else "completed", "chunk_count": 2 if minute % 2 else 30,
        **({"cancelled_at_ms": 2000} if cut else {}),
    }  # fmt: skip


def _make(folder: Path) -> Path:
    cli = Cli(folder)
    (folder / "calls.jsonl").write_text("".join(json.dumps(_record(number)) + "\n" for number in range(240)))
    (folder / "bill.csv").write_text(BILL)
    assert cli.run("ingest", "calls.jsonl", "--db", STORE, "-q").code == 0
    (folder / "streamaudit.toml").write_text(CONFIG)
    return folder


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store in which every value of a dimension is planted."""
    return once(tmp_path_factory, "planted", _make)


def test_every_command_has_the_option_or_a_reason() -> None:
    """A new command joins the test below, or says here why it shows no name."""
    options = {name: {word for one in command.params for word in one.opts} for name, command in GROUP.commands.items()}
    having = {name for name, words in options.items() if "--redact" in words}
    assert having == {*ASKED, *NAMELESS}
    assert {*options} - having == {*WITHOUT}


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.proof)], ids=["", "whole"])
@pytest.mark.parametrize("name", ASKED)
def test_a_redacted_name_is_in_no_output(name: str, whole: bool, cli: Cli, planted: Path) -> None:
    """Standard output, standard error with -vv and every file, also of reports without calls and of failures. Each
    question is asked in the format that holds the whole report and in that which people read, ``IN_EVERY_FORMAT`` in
    every format; with ``whole``, all questions in all formats. The table on standard output is that of a file."""
    store = [] if name == "fields" else ["--db", str(planted / STORE)]
    others = [[]] if name == "fields" else [["--format", form] for form in ("github", "svg")]
    for file in ("calls.jsonl", "bill.csv", "streamaudit.toml"):
        (cli.folder / file).write_bytes((planted / file).read_bytes())
    asked = [[*words, *store] for words in ASKED[name] if whole or words not in PROOFS]
    files = {form: f"out.{form}{load(form).SUFFIXES[0]}" for form in FILES}
    commands = []
    for number, words in enumerate(asked):
        in_all = whole or words[: len(words) - len(store)] == IN_EVERY_FORMAT
        written = [file for form, file in files.items() if in_all or form in ("json", "table")]
        outputs = [[part for file in written for part in ("-o", f"{number}.{file}")], *(others if in_all else [])]
        commands += [[*words, "--redact", HIDDEN, "-vv", *output] for output in outputs]
    hidden = cli.run_each(commands)
    seen = {" ".join(words): done.out + done.err for words, done in zip(commands, hidden, strict=True)}
    seen |= {path.name: path.read_text() for path in cli.folder.glob("[0-9].out.*")}
    assert re.search(ALIAS, seen["0.out.json.json"]) or PLANTED in cli.run(*asked[0]).out, "the names would be shown"
    assert {name: found for name, text in seen.items() if (found := _planted(text))} == {}
    assert not [words for words, done in zip(commands, hidden, strict=True) if done.code == EXIT_BUG]
    if whole or name == "report":
        assert {f"0.{file}" for file in files.values()} <= {*seen}


def _planted(text: str) -> list[str]:
    return [line.strip()[:200] for line in text.splitlines() if re.search(PLANTED, line, re.IGNORECASE)]


def test_a_terminal_suggests_no_command(cli: Cli, planted: Path) -> None:
    """It would hold the names of the filters, or aliases that no command takes."""
    words = ("ttft", "--only", f"tenant={PLANTED}tenant-1", "--db", planted / STORE)
    plain = cli.terminal(*words, columns=120)
    assert "next: " in plain.err and PLANTED in plain.err
    hidden = cli.terminal(*words, "--redact", "tenant", columns=120)
    assert "next: " not in hidden.err and not _planted(hidden.out + hidden.err)


def test_an_assistant_gets_no_name(planted: Path) -> None:
    """Every tool, also where it fails; ``sql`` is none of them."""
    asked: list[tuple[str, dict[str, Any]]] = [
        ("report", {"by": "tenant,route"}), ("ttft", {"by": "model", "only": f"tenant={PLANTED}none"}),
        ("tax", {"by": "user_id", "top_calls": 3}), ("diff", {"by": "tenant"}),
        ("diff", {"base": _BASE, "head": _BASE}),
        ("audit", {"by": "tenant"}), ("explain", {"call_id": "r1"}), ("coverage", {"by": "service"}),
    ]  # fmt: skip
    answers = ask(planted / STORE, *asked, redact=HIDDEN)
    assert [failed for failed, _ in answers] == [words == asked[4][1] for _, words in asked]
    assert {name: found for (name, _), (_, text) in zip(asked, answers, strict=True) if (found := _planted(text))} == {}
