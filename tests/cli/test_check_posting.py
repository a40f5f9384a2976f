"""``check --post`` as a process: only what is newly broken or resolved since the last message that arrived."""

import json
from html import unescape
from pathlib import Path

import pytest

from streamaudit.store.store import Store
from tests.cli.running import Cli, Result, wait_until
from tests.cli.test_posting import QUICK, ended, hook, start, to
from tests.cli.traffic import call, write_lines
from tests.delivery.servers import Answer, Hook
from tests.once import once

__all__ = ["hook"]

CHECKS = """
[[check]]
metric = "error_rate"
expect = "<0.5"
by = "tenant"
min_n = 2
"""
DAYS = {  # by day, the tenants whose calls failed and those whose calls completed
    16: ("acme", ""), 17: ("acme globex", ""), 18: ("", "acme"), 19: ("", "acme globex"),
    20: ("<!channel>", "acme"),
}  # fmt: skip


@pytest.fixture(scope="session")
def days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store of five days."""
    return once(tmp_path_factory, "gate_days", _make)


def _make(folder: Path) -> Path:
    cli = Cli(folder)
    write_lines(cli.folder / "calls.jsonl", [
        call(number, request_id=f"{day}{tenant}{number}", tenant_id=tenant, outcome=outcome,
             start_time=f"2026-11-{day}T08:00:0{number}Z")
        for day, named in DAYS.items() for outcome, names in zip(("error", "completed"), named, strict=True)
        for tenant in names.split() for number in range(2)
    ])  # fmt: skip
    assert cli.run("ingest", "calls.jsonl", "--db", "store.duckdb", "-q").code == 0
    return folder


@pytest.fixture
def place(cli: Cli, days: Path) -> Cli:
    (cli.folder / "store.duckdb").write_bytes((days / "store.duckdb").read_bytes())
    (cli.folder / "streamaudit.toml").write_text(QUICK + CHECKS)
    return cli


def line(day: int, *options: str) -> list[str]:
    window = ("--since", f"2026-11-{day}", "--until", f"2026-11-{day + 1}")
    return ["check", *window, "--db", "store.duckdb", *options]


def heads(hook: Hook) -> list[str]:
    """The first line of each message."""
    return [unescape(one.json["text"].splitlines()[0]) for one in hook.requests]


def test_only_changes_are_posted_and_each_once(place: Cli, hook: Hook) -> None:
    """The exit code is that of the gate; a tenant without enough calls keeps its state; dates may move on."""
    days = (16, 16, 17, 18, 19, 19)
    done = place.run_each([line(day, "--post") for day in days], to(hook))
    assert [one.code for one in done] == [1, 1, 1, 0, 0, 0], done
    assert [(one.out, one.err.count("\n")) for one in done] == [("", 1)] * len(days)
    assert heads(hook) == [
        "1 new breach: error_rate of tenant=acme is 1, expected under 0.5.",
        "1 new breach: error_rate of tenant=globex is 1, expected under 0.5.",
        "1 resolved: error_rate of tenant=acme is 0, expected under 0.5.",
        "1 resolved: error_rate of tenant=globex is 0, expected under 0.5.",
    ]
    assert "nothing has changed since 20" in done[1].err and "1 still fails, nothing posted" in done[1].err
    assert "no threshold is broken, nothing posted" in done[5].err
    second, third = hook.requests[1].json, hook.requests[2].json
    assert "New:\nfail error_rate under 0.5 tenant=globex: 1.000\n\n· 1 still fails\n" in second["text"]
    assert [table["name"] for table in second["report"]["tables"]] == ["new"]
    assert "Resolved:\npass error_rate under 0.5 tenant=acme: 0\n\n· 1 not resolved for lack of data\n" in third["text"]
    assert [one.json["failed"] for one in hook.requests] == [True, True, False, False]


@pytest.mark.proof
def test_thresholds_of_an_export_are_posted_once_and_a_store_remembers_it(place: Cli, hook: Hook) -> None:
    """The store has no calls and is made for the record of posts; another folder is another line of a crontab."""
    for folder in ("out", "other"):
        assert place.run("export", folder, "--db", "store.duckdb").code == 0
    (place.folder / "store.duckdb").unlink()
    env = to(hook) | {"STREAMAUDIT_DB": str(place.folder / "posts" / "posts.duckdb")}
    window = ("--since", "2026-11-16", "--until", "2026-11-17")
    preview = place.run("check", *window, "--data", "out", "--dry-run", env=env)
    assert (preview.code, hook.requests) == (1, []) and not (place.folder / "posts").exists(), preview
    assert "error_rate" in preview.out
    done = place.run_each([["check", *window, "--data", folder, "--post"] for folder in ("out", "out", "other")], env)
    assert [one.code for one in done] == [1, 1, 1], done
    assert "nothing has changed since 20" in done[1].err
    assert heads(hook) == ["1 new breach: error_rate of tenant=acme is 1, expected under 0.5."] * 2
    with Store.open(place.folder / "posts" / "posts.duckdb", write=False) as store:
        assert store.one("SELECT count(*) FROM store.calls")[0] == 0


def test_an_undelivered_change_is_posted_by_the_next_run(place: Cli, hook: Hook) -> None:
    """Exit code 5 and the report is printed; the target that has it gets nothing twice. A dry run changes nothing."""
    both = {"STREAMAUDIT_POST": f"{to(hook)['STREAMAUDIT_POST']} {to(hook, 'two')['STREAMAUDIT_POST']}"}
    hook.script = [Answer(404)]
    commands = [line(17, *options) for options in (["--dry-run"], ["--post"], ["--dry-run"], ["--post"], ["--dry-run"])]
    first, failed, rest, again, last = place.run_each(commands, both)
    assert [one.code for one in (first, failed, rest, again, last)] == [1, 5, 1, 1, 1]
    assert [len(json.loads(one.out)) for one in (first, rest, last)] == [2, 1, 0]
    assert "404 Not Found" in failed.err and failed.out.startswith("thresholds")
    assert [one.path for one in hook.requests] == ["/in", "/two", "/in"]
    assert set(heads(hook)) == {"2 new breaches: error_rate of tenant=acme is 1, expected under 0.5; and 1 other."}
    assert "nothing has changed since 20" in last.err


def test_holds_resends_and_names(place: Cli, hook: Hook) -> None:
    """A hold ends a breach; --resend repeats all; a mention in a name is text, or an alias; files have no ledger."""
    held = f'{CHECKS}hold = {{reason = "ticket 812", until = 9999-12-31, where = "tenant=acme"}}\n'
    (place.folder / "held.toml").write_text(QUICK + held)
    (place.folder / "x.jsonl").write_text("")
    done = place.run_each([
        line(17, "--post"), ["--config", "held.toml", *line(17, "--post")],
        ["--config", "held.toml", *line(17, "--post", "--resend")], line(20, "--post"),
        line(20, "--post", "--redact", "tenant"), ["check", "x.jsonl", "--post"], line(20, "--resend"),
    ], to(hook))  # fmt: skip
    assert [one.code for one in done] == [1, 1, 1, 1, 1, 2, 2]
    assert "no record of what was sent" in done[5].err and "--resend goes with --post" in done[6].err
    assert heads(hook)[1:3] == [
        "1 held: error_rate of tenant=acme is 1, expected under 0.5.",
        "1 new breach: error_rate of tenant=globex is 1, expected under 0.5.",
    ]
    assert "until 9999-12-31: ticket 812" in hook.requests[1].json["text"]
    plain, hidden = (json.dumps(one.json) for one in hook.requests[3:])
    assert "tenant=&lt;!channel&gt;" in plain and "<!" not in plain
    assert "channel" not in hidden and "tenant=tenant-" in hidden


@pytest.mark.proof
def test_of_two_runs_at_once_one_posts(place: Cli, hook: Hook) -> None:
    """A post that may have arrived is not repeated; that its breach is resolved is posted all the same."""
    hook.script = [Answer(late_s=1)]
    first = start(place, *line(16, "--post", "--wait", "1m"), **to(hook))
    wait_until(lambda: bool(hook.requests), first)
    second = start(place, *line(16, "--post", "--wait", "1m"), **to(hook))
    outcomes: list[Result] = [ended(first), ended(second)]
    assert [one.code for one in outcomes] == [1, 1], outcomes
    assert "posted thresholds" in outcomes[0].err and "nothing has changed since" in outcomes[1].err
    assert len(hook.requests) == 1
    with Store.open(place.folder / "store.duckdb", write=True) as store:  # as a crash leaves it
        store.run("UPDATE store.deliveries SET state = 'pending', attempts = NULL, ended_at = NULL")
    unknown, resolved = place.run_each([line(16, "--post"), line(18, "--post")], to(hook))
    assert (unknown.code, resolved.code) == (5, 0)
    assert "delivery unknown: the run of 20" in unknown.err and "--resend" in unknown.err
    assert heads(hook)[1:] == ["1 resolved: error_rate of tenant=acme is 0, expected under 0.5."]
