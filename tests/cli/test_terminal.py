"""On a terminal and off it: colour, width, and the same words in both places."""

import re
from pathlib import Path

import pytest

from tests.cli.running import Cli
from tests.cli.traffic import call, calls, write_lines
from tests.sampling import keep

REPORTS = ("report", "ttft", "tax")
ESCAPE = "\x1b"
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def plain(text: str) -> str:
    """Without colour, and with the rules of a terminal drawn as they are elsewhere."""
    return _ANSI.sub("", text).replace("─", "-")


@pytest.mark.parametrize("command", REPORTS)
def test_piped_text_has_no_escapes_and_is_never_cut(cli: Cli, command: str) -> None:
    """Off a terminal a name of 300 characters is there in full, in plain characters, whatever COLUMNS says."""
    name = "customer-" + "x" * 290
    write_lines(cli.folder / "calls.jsonl", [{**one, "tenant_id": name, "model": name} for one in calls(30)])
    by = "model" if command == "ttft" else "tenant"
    done = cli.run(command, "calls.jsonl", "-q", "--by", by, env={"COLUMNS": "40"})
    assert name in done.out
    assert not set(done.out) & {ESCAPE, "…", "\r"}
    assert done.out.endswith("\n")
    assert "hidden:" not in done.out


@pytest.mark.parametrize("command", keep(REPORTS, ["ttft", "tax"]))
def test_a_wide_terminal_shows_the_piped_text(cli: Cli, sample_store: Path, command: str) -> None:
    """Apart from colour and the characters that draw rules and bars, a terminal shows what a pipe gets."""
    arguments = (command, "--db", sample_store, "--by", "tenant", "--where", "tenant < 'h'")
    piped, seen = cli.run(*arguments).out, cli.terminal(*arguments, columns=400).out
    assert ESCAPE in seen
    before_bars = re.compile(r"\nhistogram.*?(?=\n\n)", re.DOTALL)
    assert before_bars.sub("", plain(seen)) == before_bars.sub("", piped)


NARROW = (*((command, 40) for command in REPORTS), ("report", 80))


@pytest.mark.parametrize("narrow", keep(NARROW, NARROW[1:]), ids=lambda narrow: f"{narrow[0]}-{narrow[1]}")
def test_a_narrow_terminal_is_never_exceeded_and_hides_nothing_silently(
    cli: Cli, sample_store: Path, narrow: tuple[str, int]
) -> None:
    """No line is longer than the terminal, and columns that do not fit are named; --wide shows them."""
    command, columns = narrow
    arguments = (command, "--db", sample_store, "--by", "tenant,model", "--only", "tenant=acme,globex")
    seen = plain(cli.terminal(*arguments, columns=columns).out)
    assert max(map(len, seen.splitlines())) <= columns
    if command != "ttft":
        assert re.search(r"hidden: .*\(--wide\)", " ".join(seen.split()))
    wide = plain(cli.terminal(*arguments, "--wide", columns=columns).out)
    assert max(map(len, wide.splitlines())) <= columns
    assert "hidden:" not in wide


COLOUR: list[tuple[dict[str, str], list[str], bool, bool]] = [
    ({}, [], True, False),
    ({"NO_COLOR": "1"}, [], False, False),
    ({"NO_COLOR": ""}, [], True, False),
    ({"TERM": "dumb"}, [], False, False),
    ({"FORCE_COLOR": "1"}, [], True, True),
    ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, [], False, False),
    ({"NO_COLOR": "1"}, ["--color", "always"], True, True),
    ({"FORCE_COLOR": "1"}, ["--color", "never"], False, False),
]


@pytest.mark.parametrize(("env", "flags", "on_terminal", "piped"), COLOUR, ids=str)
def test_colour_follows_flag_then_no_color_then_force_color_then_terminal(
    cli: Cli, env: dict[str, str], flags: list[str], on_terminal: bool, piped: bool
) -> None:
    """The flag beats the environment, NO_COLOR beats FORCE_COLOR, and an empty variable says nothing."""
    arguments = ("providers", *flags)  # a report like others, which asks no store
    assert (ESCAPE in cli.terminal(*arguments, columns=100, env=env).out) is on_terminal
    assert (ESCAPE in cli.run(*arguments, env=env).out) is piped


def test_data_formats_never_have_colour(cli: Cli, thirty: Path) -> None:
    """JSON on a terminal or with --color always is the JSON of a pipe."""
    asked = ("report", "--db", thirty / "store.duckdb", "-q", "--color", "always")
    for form in ("json", "jsonl", "csv", "markdown"):
        seen = cli.terminal(*asked, "--format", form, columns=60)
        assert seen.out
        assert ESCAPE not in seen.out


@pytest.mark.parametrize("form", keep(["table", "json", "csv"], ["table", "json"]))
def test_a_terminal_without_unicode_is_no_bug(cli: Cli, form: str) -> None:
    """Where only ASCII is taken, a screen spells other names out; data is UTF-8 all the same."""
    write_lines(cli.folder / "calls.jsonl", [call(1, tenant_id="Grüße ≥ 東京")])
    done = cli.run(
        "report", "calls.jsonl", "--by", "tenant", "--format", form, env={"PYTHONIOENCODING": "ascii", "LANG": "C"}
    )
    assert done.code == 0, done.err
    assert done.out.isascii() if form == "table" else "Grüße ≥ 東京" in done.out


def test_hostile_names_cannot_drive_the_terminal(cli: Cli) -> None:
    """Escape sequences in tenants, file names and arguments reach neither the screen nor the narration."""
    attack = "\x1b]0;owned\x07\x1b[2J\u202e"
    path = write_lines(cli.folder / f"evil{attack}.jsonl", [call(1, tenant_id=attack), {"request_id": attack}])
    seen = cli.terminal("report", path, "--by", "tenant", "--color", "never", columns=100)
    wrong = cli.run("report", "--by", attack)
    missing = cli.run("report", attack + ".jsonl")
    for text in (seen.out, seen.err, wrong.err, missing.err):
        assert text
        assert not set(text) & set(attack.replace("]0;owned", "").replace("[2J", ""))


def test_a_picture_is_not_written_to_a_terminal(cli: Cli, thirty: Path) -> None:
    """It would be noise there; a pipe or a file takes it."""
    arguments = ("ttft", "--db", str(thirty / "store.duckdb"), "--format", "png")
    done = cli.terminal(*arguments, columns=80)
    assert (done.code, done.out) == (2, "")
    assert "a terminal cannot show a picture" in done.err and "-o picture.png" in done.err


def test_the_most_expensive_calls_are_named_with_their_money(cli: Cli, sample_store: Path) -> None:
    """At 80 columns their ids are whole, to be explained, and their tax has two significant digits."""
    seen = plain(cli.terminal("tax", "--db", sample_store, "--top-calls", "2", columns=80).out)
    table = seen.split("top calls\n")[1].split("\n\n")[0]
    named = [line.split()[0] for line in table.splitlines() if re.search(r"\$\d", line)]
    assert len(named) == 2 and "…" not in "".join(named)
    assert cli.run("explain", named[0], "--db", sample_store).code == 0
