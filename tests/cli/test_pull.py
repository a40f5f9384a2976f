"""``streamaudit pull`` in processes of its own, against servers on loopback: what it says, what it leaves behind."""

import json
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from streamaudit.cli import progress
from tests.cli.running import PATIENCE_S, Cli, Result, equation, stored_calls
from tests.ingest.pull.vendors import (
    API,
    APP,
    CANARIES,
    PROMPT,
    PUBLIC,
    SECRET,
    Datadog,
    Fault,
    Langfuse,
    Loopback,
    observation,
    serve,
    span,
)
from tests.sampling import keep

NOW = datetime.now(UTC)
QUICK = '[pull]\nattempts = 2\nfirst_wait = "0.01s"\n'
SMALL_PARTS = """
import sys
from streamaudit.ingest.pull.run import Pull
Pull.__init__.__kwdefaults__["part_bytes"] = 1
from streamaudit.cli.main import main
sys.exit(main())
"""


def keys(server: Loopback, **changes: str) -> dict[str, str]:
    """The usual environment variables of both vendors."""
    return {
        "LANGFUSE_HOST": server.url, "LANGFUSE_PUBLIC_KEY": PUBLIC, "LANGFUSE_SECRET_KEY": SECRET,
        "DD_SITE": server.url, "DD_API_KEY": API, "DD_APP_KEY": APP, **changes,
    }  # fmt: skip


def langfuse(count: int = 30, version: str = "4.16.0") -> Langfuse:
    """One call an hour up to now."""
    records = [observation(number, NOW - timedelta(hours=number + 1)) for number in range(count)]
    return Langfuse(records, version=version)


def assert_no_secret(cli: Cli, *results: Result) -> None:
    """Neither a key nor a text of a prompt is in an output, or in any file that was left behind."""
    files = [path.read_bytes() for path in cli.folder.rglob("*") if path.is_file() and path.name != "keys.env"]
    said = [(one.out + one.err).encode() for one in results]
    for secret in (*CANARIES, PROMPT):
        assert not any(secret.encode() in data for data in (*files, *said)), secret
    assert list(cli.spool.iterdir()) == []


def plain(text: str, server: Loopback) -> str:
    """A summary with its host and its times replaced."""
    text = text.replace(server.host, "HOST")
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "TIME", text)


def test_a_pull_says_what_it_fetched_and_what_it_did_not(cli: Cli) -> None:
    """On standard error alone."""
    with serve(langfuse()) as server:
        first = cli.run("pull", "langfuse", "--since", "7d", "--db", "a.duckdb", env=keys(server))
    assert (first.code, first.out) == (0, "")
    assert plain(first.err, server) == """\
langfuse: http://HOST/project/cm3x7p1q2/observations
  window       TIME .. TIME UTC, 7.0 days to fetch
http://HOST/project/cm3x7p1q2/observations: langfuse, REST v2 (has type + traceId + startTime)
  route from trace_name
  tenant from metadata.tenant
  read         30
  = new        30
  + repeated    0
  + replaced    0
  + rejected    0
  + not calls   0
  llm calls    30
  streamed     30  100.0 % of calls
  TTFT         30  100.0 % of streamed
  usage        30  100.0 % of calls
  rendered     0  0.0 % of calls
  tenant       30  100.0 % of calls
  cancelled    0  0.0 % of calls
  requests     11
  data until   TIME UTC
  store        a.duckdb
  private      prompts and answers are not asked for (no field group io): what rests on their lengths is unknown
next: streamaudit report --by tenant --db a.duckdb
"""
    assert stored_calls(cli.folder / "a.duckdb") == 30
    assert_no_secret(cli, first)


def test_a_dry_run_says_what_a_pull_would_fetch(cli: Cli) -> None:
    """It asks for one record at most, and makes no store."""
    with serve(langfuse(version="3.10.0")) as server:
        done = cli.run("pull", "langfuse", "--since", "2d", "--dry-run", env=keys(server))
        assert server.pages() == []
    assert done.code == 0 and not (cli.home / ".local").exists()
    assert plain(done.err, server) == """\
langfuse: http://HOST/project/cm3x7p1q2/observations
  window       TIME .. TIME UTC, 2.0 days to fetch
  observations of all types from HOST, Langfuse 3, by version 1 of its API
  version 1 sends prompts and answers with every observation: they are removed on arrival and kept nowhere; what \
rests on their lengths is unknown
  dry run      nothing was fetched or stored; at least 9 requests
"""


def test_a_window_that_the_vendor_no_longer_keeps_is_asked_for_with_a_warning(cli: Cli) -> None:
    """A contract may say otherwise."""
    with serve(Datadog([])) as server:
        done = cli.run("pull", "datadog", "--since", "20d", "--dry-run", "-q", env=keys(server))
    warning = "  Datadog keeps spans for 15 days unless your contract says otherwise: older ones may be missing\n"
    assert (done.code, done.err) == (0, warning)


def test_progress_has_an_estimate(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the time that is left, once it can be told; without a terminal as a line."""
    monkeypatch.setattr(progress, "_LINE_EVERY_S", 0)
    monkeypatch.setattr(progress, "_SURE_S", 0)
    show = progress.Progress("on").of_pull("langfuse")
    assert show is not None and progress.Progress("off").of_pull("langfuse") is None
    for share in (0.0, 0.25, 1.0):
        show(share)
    said = capsys.readouterr().err
    assert said == "  langfuse: 0 % fetched\n  langfuse: 25 % fetched, about 0 s left\n  langfuse: 100 % fetched\n"


def test_no_secret_is_in_any_output_log_or_store(cli: Cli) -> None:
    """Neither after a pull with texts and odd answers, nor after those that failed, however much is logged."""
    (cli.home / ".netrc").write_text("machine 127.0.0.1 login netrc password netrc\n")
    (cli.home / ".netrc").chmod(0o600)
    (cli.folder / "streamaudit.toml").write_text(QUICK)
    with serve(Datadog([span(number, NOW - timedelta(hours=number)) for number in range(9)])) as server:
        odd = {"id": PROMPT, "attributes": {"span_kind": PROMPT, "error": PROMPT, "input": PROMPT}}
        server.faults = [Fault(data=lambda page: {**page, "data": [*page["data"], odd, PROMPT, 7]})]
        env = keys(server, STREAMAUDIT_TRACEBACK="")
        runs = [cli.run("pull", "datadog", "--since", "9h", "-vv", env=env)]
        assert runs[0].code == 0 and "removed on arrival" in runs[0].err
        assert all("Authorization" not in one.headers for one in server.requests)
        # What an answer quotes may be anything.
        echo = f"{API} {APP} {PROMPT}".encode()
        elsewhere = {"Location": f"http://127.0.0.1:9/?{APP}"}
        server.faults = [Fault(status=500, body=echo), Fault(status=302, headers=elsewhere, body=echo)]
        runs.append(cli.run("pull", "datadog", "--log-format", "json", "-v", env=env))
        assert (runs[-1].code, runs[-1].out, server.faults) == (3, "", [])
        runs.append(cli.run("pull", "datadog", env={**env, "DD_API_KEY": f"{API}\nX-Evil: 1"}))
    assert runs[-1].code == 2 and "DD_API_KEY holds spaces or signs that no key has" in runs[-1].err
    assert_no_secret(cli, *runs)


HOSTILE = "evil\x1b[2J\u202e\n::error::pwned\r##vso[x]" + "x" * 3000


@pytest.mark.parametrize("form", keep(["text", "json"], ["text"]))
def test_nothing_that_a_server_sends_commands_the_terminal(cli: Cli, form: str) -> None:
    """Neither names of the project, its keys, versions and records, nor the bodies and headers of its errors."""
    records = [
        observation(number, NOW - timedelta(hours=1), name=HOSTILE, model=HOSTILE, userId=HOSTILE, environment=HOSTILE,
                    metadata={HOSTILE: HOSTILE, "tenant": HOSTILE}, statusMessage=HOSTILE, level=HOSTILE,
                    **{HOSTILE: HOSTILE})
        for number in range(4)
    ]  # fmt: skip
    texts = []
    with serve(Langfuse(records, version=HOSTILE)) as server:
        assert isinstance(server, Langfuse)
        server.project = HOSTILE
        (cli.folder / "streamaudit.toml").write_text(QUICK)
        bodies = [Fault(status=status, body=json.dumps({"message": HOSTILE, "error": HOSTILE}).encode())
                  for status in (400, 500, 418, 503)]  # fmt: skip
        for faults in ([], bodies[:1], bodies[1:2] * 2, bodies[2:3], bodies[3:] * 2,
                       [Fault(status=302, headers={"Location": "http://127.0.0.1:9/evil%1b[2J"})]):  # fmt: skip
            server.faults = list(faults)
            words = ("pull", "langfuse", "--since", "2d", "--again", "--db", "a.duckdb", "-vv", "--log-format", form)
            done = cli.run(*words, env=keys(server))
            assert done.code == (3 if faults else 0), done.err
            texts.append(done.out + done.err)
        # What a failed pull left in the store is repeated by the post.
        texts.append(cli.run("weekly", "--db", "a.duckdb", "--week", "2026-W47").out)
    for text in texts:
        assert not re.search(r"[^\n\x20-\x7e]|^::|##vso", text.replace("…", "").replace("–", ""), re.MULTILINE), text
        assert "x" * 2000 not in text


def test_keys_come_from_the_environment_or_a_file(cli: Cli) -> None:
    """The file is named by an option or by the configuration; a missing, bad or open one is said without its text."""
    with serve(langfuse(3)) as server:
        lines = {name: value for name, value in keys(server).items() if name.startswith("LANGFUSE")}
        text = "# keys\n\n" + "".join(f'export {name}="{value}"\n' for name, value in lines.items())
        file = cli.folder / "keys.env"
        file.write_text(text)
        file.chmod(0o600)
        none = cli.run("pull", "langfuse")
        named = cli.run("pull", "langfuse", "--credentials", "keys.env", "--dry-run", "-q")
        (cli.folder / "streamaudit.toml").write_text(f'{QUICK}credentials = "keys.env"\n')
        file.chmod(0o644)
        configured = cli.run("pull", "langfuse", "--dry-run", "-q")
        shown = cli.run("config", "show", "--format", "csv")
        refused = cli.run("pull", "langfuse", "--db", "a.duckdb", env={"LANGFUSE_SECRET_KEY": "wrong"})
        file.write_text(f"{SECRET} is the key\n")
        bad = cli.run("pull", "langfuse", "--db", "a.duckdb")
        file.unlink()
        missing = cli.run("pull", "langfuse", "--db", "a.duckdb")
    assert none.code == 2
    assert none.err == (
        "error: $LANGFUSE_PUBLIC_KEY is not set\n"
        "hint: set it in the environment, or as LANGFUSE_PUBLIC_KEY=... in a file for --credentials\n"
    )
    assert (named, configured.code) == (Result(0, "", ""), 0)
    assert configured.err == f"other users of this machine can read {cli.folder}/keys.env: chmod 600 it\n"
    assert f"pull.credentials,{cli.folder}/keys.env" in shown.out and "pull.attempts,2" in shown.out
    assert refused.code == 3 and f"error: {server.host} refused the keys (401)\nhint: check $LANGFUSE" in refused.err
    assert (bad.code, bad.err) == (2, f"other users of this machine can read {cli.folder}/keys.env: chmod 600 it\n"
                                      f"error: {cli.folder}/keys.env:1: expected NAME=value\n")  # fmt: skip
    assert missing.code == 2 and f"cannot read {cli.folder}/keys.env" in missing.err
    assert_no_secret(cli, none, configured, shown, refused, bad, missing)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["langfuze"], "no vendor langfuze\nhint: did you mean langfuse?"),
        (["nothing"], "no vendor nothing\nhint: known: datadog, langfuse"),
        (["langfuse", "--since", "2999-01-01"], "--since 2999-01-01 is in the future"),
        (["langfuse", "--source", "a b"], "--source a b: expected up to 64 letters"),
        (["datadog", "--progress", "x"], "--progress x: expected auto, on or off"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_before_anything_is_sent(
    cli: Cli, arguments: list[str], message: str
) -> None:
    """With exit code 2."""
    done = cli.run("pull", *arguments)
    assert done.code == 2 and f"error: {message}" in done.err


def test_a_killed_pull_goes_on_where_it_was(cli: Cli) -> None:
    """Parts that were ingested are not fetched again; nothing counts twice, and no temporary file is read."""
    records = [observation(number, NOW - timedelta(days=2, minutes=number)) for number in range(90)]
    with serve(Langfuse(records)) as server:
        server.most = 30
        process: subprocess.Popen[bytes] | None = None

        def kill() -> None:
            if process is not None and len(server.pages()) == 4:
                process.send_signal(signal.SIGKILL)
                process.wait(PATIENCE_S)

        server.on_page = kill
        process = subprocess.Popen(
            [sys.executable, "-c", SMALL_PARTS, "pull", "langfuse", "--since", "3d", "--db", "a.duckdb", "-q"],
            cwd=cli.folder, env=cli.environment(**keys(server)),
        )  # fmt: skip
        assert process.wait(PATIENCE_S) == -signal.SIGKILL
        server.on_page, before = (lambda: None), len(server.pages())
        kept = stored_calls(cli.folder / "a.duckdb")
        assert 0 < kept < 90
        done = cli.run("pull", "langfuse", "--since", "3d", "--db", "a.duckdb", env=keys(server))
        assert done.code == 0, done.err
        counts = equation(done.err)
        assert counts["new"] == 90 - kept and counts["repeated"] <= 2
        assert len(server.pages()) - before <= 8
    assert stored_calls(cli.folder / "a.duckdb") == 90


def test_a_signal_ends_a_pull(cli: Cli) -> None:
    """Ctrl-C ends it with the usual code, and leaves a store that is whole."""
    with serve(langfuse(5)) as server:
        server.faults = [Fault(late_s=1)] * 2
        process: subprocess.Popen[bytes] | None = None
        server.on_page = lambda: process.send_signal(signal.SIGINT) if process else None
        process = subprocess.Popen(
            [sys.executable, "-m", "streamaudit", "pull", "langfuse", "--since", "1d", "--db", "a.duckdb"],
            cwd=cli.folder, env=cli.environment(**keys(server)), stderr=subprocess.PIPE,
        )  # fmt: skip
        _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130 and b"Traceback" not in err
    assert stored_calls(cli.folder / "a.duckdb") == 0
    assert list(cli.spool.iterdir()) == []
