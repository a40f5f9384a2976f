"""Help: every command and option explains itself, the examples run, and none of it loads anything slow."""

import gzip
import json
import re
import shutil
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest
import typer.main

from streamaudit import __version__
from streamaudit.cli.app import program
from tests.cli.running import PATIENCE_S, SAMPLES, Cli
from tests.docs import pages

GROUP = typer.main.get_group(program())
COMMANDS = sorted(GROUP.commands)
HEAVY = (
    "pydantic", "duckdb", "polars", "pyarrow", "pandas", "numpy", "genai_prices", "zstandard", "rich.table",
    "rich.console", "apprise", "requests", "streamaudit.delivery", "streamaudit.store.connection", "streamaudit.ingest",
)  # fmt: skip

_LOADED = """
import json, sys
from streamaudit.cli.main import main
codes = []
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["streamaudit", *arguments]
    codes.append(main())
print(json.dumps([codes, sorted(sys.modules)]), file=sys.stderr)
"""


PAGES = [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)]


def test_help_loads_nothing_slow(cli: Cli) -> None:
    """A process that prints every page of help has imported neither the database nor any data library."""
    done = subprocess.run(
        [sys.executable, "-c", _LOADED, json.dumps(PAGES)], env=cli.environment(), capture_output=True, text=True,
        timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    codes, modules = json.loads(done.stderr.splitlines()[-1])
    assert codes == [0] * len(PAGES)
    assert all(f"Usage: streamaudit {name} " in done.stdout for name in COMMANDS)
    assert sorted(set(HEAVY) & set(modules)) == []


def test_the_version_is_printed(cli: Cli) -> None:
    """--version names the program and its version on standard output, from the script and from ``python -m``."""
    assert cli.run("--version").out == cli.shell("streamaudit --version | cat").out == f"streamaudit {__version__}\n"


def test_without_a_command_there_is_help(cli: Cli) -> None:
    """The bare program shows the same help as --help and -h, with every command in it, and succeeds."""
    bare, short, long = (cli.run(*arguments) for arguments in ([], ["-h"], ["--help"]))
    assert bare == short == long
    assert (bare.code, bare.err) == (0, "")
    for name in COMMANDS:
        assert re.search(rf"^  {name}  ", bare.out, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_says_what_it_is_for(name: str) -> None:
    """Each command has a first sentence and an example, each option and argument a help text."""
    command = GROUP.commands[name]
    assert command.help
    assert command.help.split("\n")[0].endswith(".")
    assert f"Example: streamaudit {name}" in command.help
    for parameter in command.params:
        text = getattr(parameter, "help", None)
        assert text or parameter.name == "help", f"{name} {parameter.name} has no help"
        assert not text or text.endswith("."), f"{name} {parameter.name}: {text}"


def test_options_of_the_same_name_mean_the_same_everywhere() -> None:
    """An option that several commands share has one spelling and one help text."""
    seen: dict[str, tuple[str, object]] = {}
    for name in COMMANDS:
        for parameter in GROUP.commands[name].params:
            for spelling in parameter.opts:
                # The key that evidence is joined by, or the dimension that a diff compares; what fails a gate.
                if spelling in ("--on", "--fail-on"):
                    continue
                text = getattr(parameter, "help", None)
                first = seen.setdefault(spelling, (name, text))
                assert first[1] == text, f"{spelling} of {first[0]} and {name}"


def examples() -> list[str]:
    """The example line of every command."""
    found = [re.search(r"Example: (streamaudit .*)", GROUP.commands[name].help or "") for name in COMMANDS]
    return [match[1] for match in found if match]


def front_page() -> list[str]:
    """The commands on the first help page."""
    return [re.split(r" {2,}", line.strip())[0] for line in (GROUP.help or "").splitlines() if "streamaudit " in line]


DOCUMENTED = {
    command.line for page in pages.pages() for marked in (False, True) for command in pages.commands(page, marked)
}
"""These run with their page (tests/docs), or the page says why they cannot."""


@pytest.mark.parametrize("example", sorted({*examples(), *front_page()} - DOCUMENTED))
def test_every_example_in_the_help_runs(cli: Cli, thirty: Path, sample_store: Path, example: str) -> None:
    """An example copied into a shell succeeds where the usual files and the usual store are; these have few calls, but
    where two deploys, a user or a third load must be among them."""
    filled = sample_store if {"diff", "forget", "unload"} & {*example.split()} else thirty / "store.duckdb"
    (cli.folder / "exports").mkdir()
    with gzip.open(SAMPLES / "langfuse_observations.jsonl.gz") as export:
        few = b"".join(islice(export, 100))
    (cli.folder / "exports" / "langfuse_observations.jsonl.gz").write_bytes(gzip.compress(few))
    line = '{"request_id":"r-1002","start_time":"2026-11-16T00:00:00Z","model":"m"}\n'
    (cli.folder / "traces.jsonl").write_text(line)
    (cli.folder / "streamaudit.toml").write_text('[[check]]\nmetric = "cancel_rate"\nexpect = "<=1"\n')
    store = cli.home / ".local/share/streamaudit/audit.duckdb"
    store.parent.mkdir(parents=True)
    shutil.copy(filled, store)
    shutil.copy(thirty / "store.duckdb", cli.folder / "shard-1.duckdb")
    done = cli.shell(example)
    assert done.code == 0, done.err
    # These change or write something and only say so.
    silent = {"ingest", "unload", "prune", "forget", "export", "reprice", "merge", "mcp"}
    assert done.out or (done.err and silent & set(example.split()))
