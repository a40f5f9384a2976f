"""``streamaudit weekly`` as a command: exit codes, gates, aliases, and how much of it there is."""

import json
import re
from pathlib import Path

import pytest

from tests.cli.running import Cli
from tests.once import once

STRICT = """
[[check]]
metric = "cancel_rate"
expect = "<0.001"
by = "tenant"
min_n = 100

[[check]]
metric = "calls"
expect = ">1"
"""
WEEK = ("--week", "2026-W47")


@pytest.fixture(scope="session")
def week(tmp_path_factory: pytest.TempPathFactory, sample_store: Path) -> tuple[str, str]:
    """The week of the samples as text and as JSON, with thresholds that fail."""
    return once(tmp_path_factory, "week", lambda folder: _ask(folder, sample_store))


def _ask(folder: Path, store: Path) -> tuple[str, str]:
    cli = Cli(folder)
    (folder / "streamaudit.toml").write_text(STRICT)
    done = cli.run("weekly", *WEEK, "--db", store, "-o", "week.txt", "-o", "week.json")
    assert done.code == 0, done.err
    return (folder / "week.txt").read_text(), (folder / "week.json").read_text()


def test_a_failed_threshold_is_told_and_fails_nothing(cli: Cli, sample_store: Path, week: tuple[str, str]) -> None:
    """The summary is for people; ``check`` is the gate, and says the same of that week."""
    (cli.folder / "streamaudit.toml").write_text(STRICT)
    report = json.loads(week[1])
    assert report["verdict"] == "fail"
    gates = next(table["rows"] for table in report["tables"] if table["name"] == "gates")
    checked = cli.run("check", *WEEK, "--db", sample_store, "--json")
    assert checked.code == 1
    theirs = [row for row in json.loads(checked.out)["tables"][0]["rows"] if row["verdict"] == "fail"]
    assert gates and [(row["tenant"], row["value"]) for row in gates] == [(r["tenant"], r["value"]) for r in theirs]


def test_it_fits_a_screen(week: tuple[str, str]) -> None:
    """What nobody reads to its end helps nobody: fewer than 40 lines of under 160 signs, caveats apart."""
    parts = [part for part in week[0].split("\n\n") if not part.startswith("thresholds")]  # as many as are broken
    lines = "\n\n".join(parts).splitlines()
    body = [line for line in lines[3:] if not line.startswith("note: ")]  # below the answer and the verdict
    assert len(body) <= 40 and max(map(len, body)) < 160
    assert not any("trend" in line for line in lines)


def test_the_answer_names_the_deploy_and_where_it_hurts(week: tuple[str, str]) -> None:
    """Money first, then the change with its interval."""
    answer = json.loads(week[1])["headline"]
    paid = r"At least \$[\d.]+ of at least \$[\d.]+ \([\d.]+ %\) was paid for answers that no user saw"
    assert re.match(paid + r"; the lower bound is up [\d.]+ % from the period before\. ", answer)
    assert re.search(r" since 2026\.11\.18-3, on /v1/chat \+[\d.]+ % \(95 % interval \+.+ to \+.+, p .+\)", answer)


@pytest.mark.proof
def test_aliases_stand_everywhere_in_place_of_names(cli: Cli, sample_store: Path, week: tuple[str, str]) -> None:
    """In the answer, in the figures' movers, in what made them move, and in the thresholds: no tenant is named, and the
    same one has the same alias as in any other report."""
    (cli.folder / "streamaudit.toml").write_text(STRICT)
    named = json.loads(cli.run("report", "--by", "tenant", "--db", sample_store, "--json").out)["tables"][0]["rows"]
    tenants = [row["tenant"] for row in named if row["tenant"]]
    assert len(tenants) > 5
    assert any(f'"{tenant}"' in week[1] for tenant in tenants)
    outputs = [word for name in ("json", "txt", "md", "csv") for word in ("-o", f"w.{name}")]
    assert cli.run("weekly", *WEEK, "--db", sample_store, "--redact", "tenant,route", *outputs).code == 0
    for file in cli.folder.glob("w.*"):
        assert [tenant for tenant in tenants if tenant in file.read_text()] == [], file
    hidden = json.loads((cli.folder / "w.json").read_text())
    assert "/v1/chat" not in hidden["headline"]
    assert re.search(r" since 2026\.11\.18-3, on route-\w{8} ", hidden["headline"])
    listed = cli.run("report", "--by", "tenant", "--redact", "tenant", "--db", sample_store, "--json").out
    moved = [row["name"] for table in hidden["tables"] if table["name"] == "movers" for row in table["rows"]
        if row["dimension"] == "tenant"]  # fmt: skip
    assert moved and all(f'"{alias}"' in listed for alias in moved)


def test_no_calls_at_all_is_no_failure_unless_it_is_to_be(cli: Cli, thirty: Path) -> None:
    """Cron gets its report; who wants to know by the exit code says so."""
    store = thirty / "store.duckdb"
    quiet = cli.run("weekly", "--week", "2026-W10", "--db", store)
    assert quiet.code == 0
    assert "No calls in this period." in quiet.out
    assert "the data goes from 2026-11-16" in quiet.out
    assert cli.run("weekly", "--week", "2026-W10", "--db", store, "--fail-on-empty").code == 3


def test_what_cannot_be_asked_is_refused(cli: Cli, sample_store: Path) -> None:
    """Two periods at once, kinds there are not, too many dimensions."""
    asked = [
        ["--period", "year"], ["--period", "month", "--week", "2026-W47"], ["--since", "2026-11-16"],
        ["--by", "tenant,route,model,region"], ["--by", "group:x"], ["--movers", "0"],
    ]  # fmt: skip
    runs = cli.run_each([["weekly", *words, "--db", str(sample_store)] for words in asked])
    for words, done in zip(asked, runs, strict=True):
        assert (done.code, done.out) == (2, ""), words


def test_two_empty_windows_can_be_compared(cli: Cli, sample_store: Path) -> None:
    """A diff of nothing with nothing says so, and is no bug."""
    done = cli.run("diff", "--base-since", "2026-12-01", "--since", "2026-12-02", "--db", sample_store)
    assert done.code == 0
    assert "note: the base side is empty" in done.out
