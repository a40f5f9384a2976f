"""``weekly --post`` as a process: what is printed, what is sent, exit codes, crashes, overlaps, and secrets."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from apprise.plugins.slack import NotifySlack

from streamaudit.cli.main import _run
from tests.cli import forked
from tests.cli.running import PATIENCE_S, Cli, Result, wait_until
from tests.cli.test_store_errors import held
from tests.cli.traffic import calls, write_lines
from tests.delivery import servers
from tests.delivery.servers import Answer, Hook

WEEK = ("weekly", "--week", "2026-W47", "--by", "model", "--db", "store.duckdb")
QUIET_WEEK = ("weekly", "--week", "2026-W44", "--db", "store.duckdb")
"""One without calls, which takes half as long to sum up, where only the sending matters."""
TAGS = frozenset((
    "!doctype", "html", "head", "meta", "title", "body", "table", "tr", "td", "div", "p", "h1", "h2", "img", "a",
))  # fmt: skip
"""The elements of a mail's page; any other would be of somebody's name."""
QUICK = '[post]\nattempts = 3\nfirst_wait = "0.01s"\ntimeout = "5s"\n'
SLACK = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7"

@pytest.fixture
def hook() -> Iterator[Hook]:
    with servers.hook() as server:
        yield server


@pytest.fixture
def place(cli: Cli, thirty: Path) -> Cli:
    """A folder with a store of one week, and a configuration that loses no time."""
    shutil.copytree(thirty, cli.folder, dirs_exist_ok=True)
    (cli.folder / "streamaudit.toml").write_text(QUICK)
    return cli


def to(hook: Hook, path: str = "in") -> dict[str, str]:
    return {"STREAMAUDIT_POST": f"json://127.0.0.1:{hook.port}/{path}"}


def start(cli: Cli, *arguments: str, **env: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "streamaudit", *arguments], cwd=cli.folder, env=cli.environment(**env),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def ended(process: "subprocess.Popen[bytes]") -> Result:
    out, err = process.communicate(timeout=PATIENCE_S)
    return Result(process.returncode, out.decode(), err.decode())


def test_a_post_says_one_line_and_the_next_run_posts_nothing(place: Cli, hook: Hook) -> None:
    """Nothing on standard output, unless a format or a file asks for the report as well; files are written first."""
    done = place.run(*WEEK, "--post", env=to(hook))
    assert (done.code, done.out, done.err.count("\n")) == (0, "", 1)
    assert f"posted 2026-W47 to json 127.0.0.1:{hook.port} #" in done.err
    (request,) = hook.requests
    assert request.json["report"]["title"] == "Week 2026-W47 vs 2026-W46"
    narrowed = [*WEEK, "--post", "--only", "tenant=acme"]  # another question is another post
    again, other = place.run_each([[*WEEK, "--post", "--json"], narrowed], to(hook))
    assert (again.code, other.code) == (0, 0), (again, other)
    assert "received it at 20" in again.err and "posted 2026-W47" in other.err
    assert json.loads(again.out)["title"].startswith("Week 2026-W")
    assert len(hook.requests) == 2


@pytest.mark.proof
def test_a_summary_of_an_export_is_posted_once(place: Cli, hook: Hook) -> None:
    """What was sent is recorded in a store that is made for it; the message says what an export cannot know."""
    assert place.run("export", "out", "--db", "store.duckdb").code == 0
    env = to(hook) | {"STREAMAUDIT_DB": str(place.folder / "posts.duckdb")}
    line = ["weekly", "--week", "2026-W47", "--data", "out", "--post"]
    first, again = place.run_each([line, line], env)
    assert (first.code, again.code, first.out, again.out) == (0, 0, "", ""), (first, again)
    (sent,) = hook.requests
    assert "streaming failures and input paid twice are not looked for" in sent.json["text"]
    assert "received it at 20" in again.err


def test_what_is_not_delivered_is_printed_and_kept(place: Cli, hook: Hook) -> None:
    """Exit code 5 and which kind of target failed; the other one has it, and the report is on standard output."""
    hook.script = [Answer(500)] * 3
    dead = {"STREAMAUDIT_POST": f"{to(hook)['STREAMAUDIT_POST']} json://127.0.0.1:{hook.port}/two"}
    done, kept = place.run_each([[*QUIET_WEEK, "--post"], [*QUIET_WEEK, "--post", "-o", "kept.json"]], dead)
    assert (done.code, kept.code) == (5, 0), (done, kept)
    assert done.out.startswith("Week 2026-W44 vs 2026-W43")
    assert "not delivered: json 127.0.0.1" in done.err and "500 Internal Server Error (3 attempts)" in done.err
    assert "posted 2026-W44 to json" in done.err
    assert (place.folder / "kept.json").is_file()
    assert [one.path for one in hook.requests] == ["/in", "/in", "/in", "/two", "/in"]


@pytest.mark.proof
def test_a_week_without_calls_is_posted_too(place: Cli, hook: Hook) -> None:
    """Silence must not look like health; a threshold that fails changes no exit code."""
    (place.folder / "streamaudit.toml").write_text(f'{QUICK}[thresholds]\ncalls = ">0"\n')
    done = place.run("weekly", "--week", "2026-W50", "--db", "store.duckdb", "--post", env=to(hook))
    assert done.code == 0, done.err
    assert "No calls in this period." in hook.requests[0].json["text"]
    assert hook.requests[0].json["failed"] is True
    empty = place.run("weekly", "--week", "2026-W49", "--db", "store.duckdb", "--post", "--fail-on-empty", env=to(hook))
    assert (empty.code, len(hook.requests)) == (3, 2)


@pytest.mark.proof
def test_only_on_change_is_quiet_about_the_same(place: Cli, hook: Hook) -> None:
    """Two weeks without calls say the same; a week with calls does not."""
    for week in ("2026-W44", "2026-W43", "2026-W47"):
        done = place.run("weekly", "--week", week, "--db", "store.duckdb", "--post", "--only-on-change", env=to(hook))
        assert done.code == 0
    assert [one.json["title"].split()[1] for one in hook.requests] == ["2026-W44", "2026-W47"]


def test_a_dry_run_sends_nothing_and_shows_everything_but_secrets(place: Cli, hook: Hook) -> None:
    """Also straight from files, which cannot be posted for want of a ledger."""
    env = {"STREAMAUDIT_POST": f"{SLACK} {to(hook, 's3cr3t')['STREAMAUDIT_POST']}"}
    done = place.run("weekly", "--week", "2026-W47", "calls.jsonl", "--dry-run", env=env)
    assert done.code == 0, done.err
    slack, webhook = json.loads(done.out)
    assert slack["payload"]["blocks"][0]["type"] == "header" and webhook["payload"]["schema"] == "streamaudit.post/1"
    assert not [one for one in ("T1JJ3T3L2", "TIiajk", "s3cr3t") if one in done.out + done.err]
    refused = place.run("weekly", "--week", "2026-W47", "calls.jsonl", "--post", env=env)
    assert (refused.code, refused.out) == (2, "") and "no record of what was sent" in refused.err
    assert hook.requests == []


def test_a_dry_run_needs_no_address(place: Cli) -> None:
    """The message as text, with its answer on the first line; where to see a service's own form is said."""
    done = place.run(*WEEK, "--dry-run", "--report-url", "https://reports.example/47")
    assert done.code == 0, done.err
    first, *_, last = done.out.splitlines()
    assert (first, last) == ("No call was cancelled.", "all of it: https://reports.example/47")
    assert "Week 2026-W47 vs 2026-W46" in done.out and "$STREAMAUDIT_POST" in done.err


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.proof)], ids=["few calls", "samples"])
def test_a_test_needs_no_store_and_leaves_no_trace(cli: Cli, thirty: Path, hook: Hook, whole: bool) -> None:
    """A sample, labelled; of few calls in place of the sample traces, which take longer to read than all else here."""
    few = {} if whole else {forked.OWN_SAMPLES: str(thirty / "calls.jsonl")}
    done = cli.run("weekly", "--test", env={**to(hook), **few})
    assert (done.code, done.out, done.err.count("\n")) == (0, "", 1), done.err
    assert "posted a test to json" in done.err
    assert [one.json["test"] for one in hook.requests] == [True]
    assert hook.requests[0].json["title"].startswith("TEST, synthetic data: Week 2026-W47")
    assert not list(cli.folder.rglob("*.duckdb"))


@pytest.mark.proof
def test_a_dry_run_of_a_test_shows_the_sample(cli: Cli) -> None:
    """As text, labelled; making the sample takes longer than any other test here."""
    assert cli.run("weekly", "--test", "--dry-run").out.startswith("TEST, synthetic data: At least $")


@pytest.mark.parametrize(("arguments", "says"), [
    (["--post"], "no address to post to"), (["--resend"], "--resend goes with --post"),
    (["--only-on-change"], "--only-on-change goes with --post"), (["--report-url", "https://x"], "goes with --post"),
    (["--dry-run", "--report-url", "javascript:alert(1)"], "begins with https://"),
])  # fmt: skip
def test_what_cannot_be_asked_for(place: Cli, arguments: list[str], says: str) -> None:
    done = place.run(*WEEK, *arguments)
    assert (done.code, done.out) == (2, "") and says in done.err


def test_a_run_killed_after_the_message_arrived_is_maybe_sent(place: Cli, hook: Hook) -> None:
    """SIGKILL while the answer is awaited: the next run posts nothing and says so, until --resend."""
    hook.script = [Answer(late_s=30)]
    process = start(place, *QUIET_WEEK, "--post", **to(hook))
    wait_until(lambda: bool(hook.requests), process)
    os.kill(process.pid, signal.SIGKILL)
    assert ended(process).code == -signal.SIGKILL
    done, resent = place.run_each([[*QUIET_WEEK, "--post"], [*QUIET_WEEK, "--post", "--resend"]], to(hook))
    assert (done.code, resent.code) == (5, 0), (done, resent)
    assert "delivery unknown: the run of" in done.err and "--resend" in done.err
    assert done.out.startswith("Week 2026-W")
    assert len(hook.requests) == 2


def test_of_overlapping_runs_one_posts(place: Cli, hook: Hook) -> None:
    """The second waits and finds that it was sent; a third that may not wait ends with 4."""
    hook.script = [Answer(late_s=2)]
    first = start(place, *QUIET_WEEK, "--post", "--wait", "1m", **to(hook))
    wait_until(lambda: bool(hook.requests), first)
    third = place.run(*QUIET_WEEK, "--post", env=to(hook))
    assert (third.code, "another streamaudit is posting" in third.err) == (4, True), third.err
    second = place.run(*QUIET_WEEK, "--post", "--wait", "1m", env=to(hook))
    outcomes = [ended(first), second]
    assert [one.code for one in outcomes] == [0, 0], outcomes
    assert "posted 2026-W44" in outcomes[0].err and "received it at" in outcomes[1].err
    assert len(hook.requests) == 1


def test_a_busy_store_is_4_and_nothing_is_posted(place: Cli, hook: Hook) -> None:
    """Read by another process, the store gives the figures and takes no row of the ledger: so nothing is sent."""
    with held(place.folder / "store.duckdb", "read"):
        done = place.run(*QUIET_WEEK, "--post", env=to(hook))
    assert (done.code, hook.requests) == (4, [])
    assert "in use by" in done.err and done.out.startswith("Week 2026-W")
    with duckdb.connect(str(place.folder / "store.duckdb"), read_only=True) as ledger:
        assert ledger.execute("SELECT count(*) FROM deliveries").fetchone() == (0,)  # the next run posts


def _everything_written(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_no_secret_is_in_any_output(place: Cli, hook: Hook) -> None:
    """However it ends: standard output, standard error, the log of objects, a traceback, the configuration as shown,
    the store and every other file."""
    port = servers.free_port()
    secrets = ("S3CRETPW", "T1JJ3T3L2", "A1BRTD4JD", "TIiajkdnlazkcOXrIdevi7", "s3cr3tpath", "s3cr3tkey", "s3cr3t@")
    addresses = (
        SLACK, f"json://bob:S3CRETPW@127.0.0.1:{hook.port}/s3cr3tpath?+X-Key=s3cr3tkey",
        f"json://127.0.0.1:{port}/s3cr3tpath",
        f"mailto://bob:S3CRETPW@127.0.0.1:{port}?from=s3cr3t@x.org&to=s3cr3t@y.org",
        f"workflows://127.0.0.1:{hook.port}/s3cr3tpath/s3cr3tkey",
    )  # fmt: skip
    hook.script = [Answer(500), Answer(403, body=b"s3cr3tpath S3CRETPW"), Answer(302, {"Location": "/s3cr3tpath"})]
    seen: list[Result] = []
    for arguments, trace in ((["--post"], "1"), (["--post", "-v", "--log-format", "json"], "")):
        env = {"STREAMAUDIT_POST": " ".join(addresses[1:]), "STREAMAUDIT_TRACEBACK": trace}
        seen.append(place.run(*QUIET_WEEK, *arguments, env=env))
    seen.append(place.run("config", "show", env={"STREAMAUDIT_POST": " ".join(addresses)}))
    seen.append(place.run(*QUIET_WEEK, "--post", env={"STREAMAUDIT_POST": "slack://T1JJ3T3L2/s3cr3tpath"}))
    assert {one.code for one in seen} == {0, 2, 5}
    assert "slack hooks.slack.com #" in seen[-2].out and "$STREAMAUDIT_POST" in seen[-2].out
    written = _everything_written(place.folder)
    for secret in secrets:
        assert not [one for one in seen if secret in one.out + one.err], secret
        assert secret.encode() not in written, secret


def test_a_message_reaches_slack_as_blocks(
    place: Cli, hook: Hook, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole way, with nothing changed but where Slack's webhooks are."""
    (place.folder / "post.url").write_text(f"{SLACK}\n")
    (place.folder / "streamaudit.toml").write_text(f'{QUICK}targets = ["post.url"]\n')
    hook.script = [Answer(429, {"Retry-After": "0.1"})]
    monkeypatch.setattr(NotifySlack, "webhook_url", f"{hook.url}/services")
    monkeypatch.chdir(place.folder)
    monkeypatch.setattr(os, "environ", place.environment())
    assert _run([*WEEK, "--post"]) == 0
    assert "(2 attempts)" in capsys.readouterr().err
    sent: list[dict[str, Any]] = [one.json for one in hook.requests]
    assert sent[0] == sent[1] and hook.requests[0].path == "/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7"
    assert 3 <= len(sent[0]["blocks"]) <= 12 and sent[0]["text"].startswith("No call was cancelled.\n")


@pytest.mark.proof
def test_hostile_tenants_reach_every_service_as_text(cli: Cli, hook: Hook) -> None:
    """From an export to the wire: what a tenant is called pings nobody and links nowhere."""
    names = ("<!channel> @everyone", "<at>x</at> [x](https://evil.example)", "\x1b[31mred R&D <b>")
    records = [
        {**call, "tenant_id": names[n % len(names)], "outcome": "cancelled", "output_tokens": 500 + n,
         "rendered_output_tokens": 3, "output_cost_usd": 0.5, "cost_usd": 0.6}
        for n, call in enumerate(calls(30))
    ]  # fmt: skip
    before = [{**one, "request_id": f"b{n}", "start_time": "2026-11-10T08:00:00Z", "output_tokens": 5,
               "output_cost_usd": 0.00001}
              for n, one in enumerate(records)]  # fmt: skip
    write_lines(cli.folder / "calls.jsonl", [*records, *before])
    env = {"STREAMAUDIT_POST": f"{SLACK} discord://123/abc mailto://x.example?from=a@x.org&to=b@x.org json://x.example"}
    done = cli.run(
        "weekly", "--week", "2026-W47", "calls.jsonl", "--by", "tenant", "--movers", "3", "--dry-run", env=env
    )
    assert done.code == 0, done.err
    shown = json.loads(done.out)
    assert len(shown) == 4
    for one in shown:
        page = one["payload"].pop("html", "")
        assert set(re.findall(r"</?([^\s>]+)", page)) <= TAGS, page
        text = json.dumps(one["payload"], ensure_ascii=False) + re.sub(r"<[^>]*>", "", page)
        assert "&lt;!channel&gt;" in text.replace("\\\\", ""), one["target"]
        assert not [bad for bad in ("<!", "<at", "@everyone", "://evil", "\x1b", "<b>") if bad in text], one["target"]
