"""docs/monday-post.md does what it says: its crontab line pulls, ingests and posts in the environment of cron."""

import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from tests.cli.running import PATIENCE_S, Cli
from tests.delivery import servers
from tests.docs import pages
from tests.docs.pages import ROOT
from tests.ingest.pull.vendors import CANARIES, PROMPT, PUBLIC, SECRET, Langfuse, Record, observation, serve

PAGE = ROOT / "docs" / "monday-post.md"
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
MONDAY = TODAY - timedelta(days=TODAY.weekday())
SATURDAY = MONDAY - timedelta(days=2) + timedelta(hours=14, minutes=2)


def call(number: int, start: datetime) -> Record:
    """One call of a project that keeps its tenants under a key of its own."""
    return observation(number, start, metadata={"orgSlug": "acme" if number % 2 else "globex"})


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """A home folder as the page sets it up, but for the two addresses."""
    cli = Cli(tmp_path)
    for folder in (".local/bin", ".local/state", ".config/streamaudit"):
        (cli.home / folder).mkdir(parents=True)
    (cli.home / ".local/bin/streamaudit").symlink_to(Path(sys.executable).parent / "streamaudit")
    settings = "".join(pages.blocks(PAGE, "toml")).replace("[pull]", '[pull]\nattempts = 2\nfirst_wait = "0.01s"')
    (cli.home / ".config/streamaudit/config.toml").write_text(settings.replace("Europe/Paris", "UTC"))
    return cli


def as_cron(cli: Cli, line: str) -> "subprocess.CompletedProcess[str]":
    """Run a line as cron does: with sh, HOME and PATH, and nothing else."""
    return subprocess.run(
        ["env", "-i", f"HOME={cli.home}", "PATH=/usr/bin:/bin", "/bin/sh", "-c", line], cwd="/", text=True,
        stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip


def write_addresses(cli: Cli, langfuse: Langfuse, hook: servers.Hook) -> None:
    """Write the two private files of the page."""
    (keys,) = pages.blocks(PAGE, "ini")
    keys = keys.replace("https://cloud.langfuse.com", langfuse.url)
    keys = keys.replace("pk-lf-…", PUBLIC).replace("sk-lf-…", SECRET)
    for name, text in (("langfuse.env", keys), ("post.url", f"json://127.0.0.1:{hook.port}/in\n")):
        (cli.home / ".config/streamaudit" / name).write_text(text)
        (cli.home / ".config/streamaudit" / name).chmod(0o600)


def crontab_line(number: int = 0) -> str:
    """The line of Mondays, or the other one, of every day."""
    lines = re.findall(r"^(?:[\d*]+ ){5}(.*)$", "".join(pages.blocks(PAGE, "crontab")), re.MULTILINE)
    assert len(lines) == 2
    return str(lines[number])


def notes(post: servers.Request) -> list[str]:
    """The notes of a posted report."""
    return [note["message"] for note in post.json["report"]["notes"]]


def test_the_crontab_line_pulls_and_posts_once(cli: Cli) -> None:
    """The line posts the last week with its changes and knows the tenants; a second post is none."""
    records = [call(number, MONDAY - timedelta(days=number % 14, minutes=number + 1)) for number in range(60)]
    with serve(Langfuse(records)) as langfuse, servers.hook() as slack:
        assert isinstance(langfuse, Langfuse)
        write_addresses(cli, langfuse, slack)
        langfuse.clock = MONDAY + timedelta(hours=8, minutes=30) - datetime.now(UTC)
        done = as_cron(cli, crontab_line())
        log = (cli.home / ".local/state/streamaudit.log").read_text()
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), log
        log = "".join(line for line in log.splitlines(keepends=True) if "clock" not in line)
        (post,) = slack.requests
        again = cli.run("weekly", "--post", cwd=cli.home)
        assert (again.code, len(slack.requests)) == (0, 1), again.err
        assert "nothing posted" in again.err
        assert all("io" not in one.query["fields"].split(",") for one in langfuse.pages())
    assert re.fullmatch(r"\S+ posted \d{4}-W\d\d to json 127\.0\.0\.1:\d+ #[0-9a-f]{6} \(1 attempt\)\n", log)
    tables = {table["name"]: table["rows"] for table in post.json["report"]["tables"]}
    figures = {row["figure"]: row for row in tables["figures"]}
    assert (figures["calls"]["value"], figures["calls"]["before"]) == (32, 28)
    assert "movers" in tables and not [note for note in notes(post) if "data until" in note]
    with duckdb.connect(str(cli.home / "streamaudit.duckdb"), read_only=True) as connection:
        tenants = connection.execute("SELECT tenant, count(*) FROM calls GROUP BY ALL ORDER BY ALL").fetchall()
    assert tenants == [("acme", 30), ("globex", 30)]
    kept = b"".join(path.read_bytes() for path in cli.home.rglob("*") if path.is_file() and path.suffix != ".env")
    assert not [secret for secret in (*CANARIES, PROMPT) if secret.encode() in kept + post.body]


@pytest.mark.proof
def test_a_failed_pull_is_said_in_the_post(cli: Cli) -> None:
    """With the instant up to which the data reaches: of the pull before, made on Saturday. Joined by ``&&`` nothing is
    posted."""
    records = [call(number, MONDAY - timedelta(days=3, minutes=9 * number)) for number in range(20)]
    with serve(Langfuse(records)) as langfuse, servers.hook() as slack:
        assert isinstance(langfuse, Langfuse)
        write_addresses(cli, langfuse, slack)
        langfuse.clock = SATURDAY + timedelta(minutes=30, seconds=1) - datetime.now(UTC)
        assert cli.run("pull", "langfuse", cwd=cli.home).code == 0
        langfuse.denied = 401
        done = as_cron(cli, crontab_line().replace(";", " &&", 1))
        assert (done.returncode, slack.requests) == (3, [])
        done = as_cron(cli, crontab_line())
        (post,) = slack.requests
    assert done.returncode == 0
    log = (cli.home / ".local/state/streamaudit.log").read_text()
    assert f"error: {langfuse.host} refused the keys (401)\n" in log
    assert notes(post)[0] == (
        "data until Saturday 14:02 UTC, 34 hours before the end: the last pull of langfuse failed "
        f"({langfuse.host} refused the keys (401))"
    )


def test_the_line_of_every_day_posts_what_broke_once(cli: Cli) -> None:
    """A limit that is passed is posted by the run, nothing by the next check; the exit code is the check's."""
    start = datetime.now(UTC) - timedelta(hours=2)
    records = [observation(number, start - timedelta(minutes=number), level="ERROR") for number in range(30)]
    config = cli.home / ".config/streamaudit/config.toml"
    config.write_text(config.read_text() + '[[check]]\nmetric = "error_rate"\nexpect = "<0.5"\n')
    with serve(Langfuse(records)) as langfuse, servers.hook() as slack:
        assert isinstance(langfuse, Langfuse)
        write_addresses(cli, langfuse, slack)
        line = crontab_line(1)
        check = re.search(r"streamaudit (check [^;|&>]*?)(?: *[;|&>]| \d?>|$)", line)
        assert check is not None
        codes = [as_cron(cli, line).returncode, cli.run(*check[1].split(), cwd=cli.home).code]
        (post,) = slack.requests
    assert codes == [1, 1] and b"error_rate" in post.body
