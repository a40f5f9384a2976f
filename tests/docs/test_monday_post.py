"""docs/monday-post.md does what it says: its script fetches, ingests and posts, in the environment that cron gives."""

import base64
import json
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.cli.running import PATIENCE_S, Cli
from tests.delivery import servers
from tests.docs import pages
from tests.docs.pages import ROOT
from tests.support import Record

PAGE = ROOT / "docs" / "monday-post.md"
KEYS = "pk-lf-1:sk-lf-2"


def generation(number: int, start: datetime) -> Record:
    """One call as Langfuse's API lists it without the field group ``io``."""
    moments = {
        name: (start + timedelta(seconds=after)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        for name, after in (("startTime", 0), ("completionStartTime", 0.4), ("endTime", 3))
    }
    return {
        "id": f"o{number}", "traceId": f"t{number}", "type": "GENERATION", "name": "answer", "level": "DEFAULT",
        **moments, "projectId": "p", "parentObservationId": None, "isRootObservation": True, "traceName": "/chat",
        "model": "gpt-4o-mini", "internalModelId": "m", "latency": 3.0, "timeToFirstToken": 0.4,
        "usageDetails": {"input": 100, "output": 50, "total": 150}, "costDetails": {"total": 0.01},
        "metadata": {"orgSlug": "acme" if number % 2 else "globex"},
    }  # fmt: skip


def answer_pages(hook: servers.Hook, records: list[Record]) -> None:
    """Answer the next two requests with one half of the records each."""
    half = len(records) // 2
    for data, meta in ((records[:half], {"cursor": "next page"}), (records[half:], {})):
        body = json.dumps({"data": data, "meta": meta}).encode()
        hook.script.append(servers.Answer(headers={"Content-Type": "application/json"}, body=body))


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """A home folder as the page sets it up, but for the two addresses."""
    if not (shutil.which("curl") and shutil.which("jq")):
        pytest.skip("the script of the page needs curl and jq")
    cli = Cli(tmp_path)
    for folder in (".local/bin", ".local/state", ".config/streamaudit", "exports"):
        (cli.home / folder).mkdir(parents=True)
    (cli.home / ".local/bin/streamaudit").symlink_to(Path(sys.executable).parent / "streamaudit")
    (script,) = pages.blocks(PAGE, "bash")
    (cli.home / "monday.sh").write_text(script)
    (cli.home / "monday.sh").chmod(0o755)
    (settings,) = pages.blocks(PAGE, "toml")
    (cli.home / ".config/streamaudit/config.toml").write_text(settings)
    return cli


def as_cron(cli: Cli, line: str) -> "subprocess.CompletedProcess[str]":
    """Run a line as cron does: with sh, HOME and PATH, and nothing else."""
    return subprocess.run(
        ["env", "-i", f"HOME={cli.home}", "PATH=/usr/bin:/bin", "/bin/sh", "-c", line], cwd="/", text=True,
        stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip


def test_the_crontab_line_fetches_ingests_and_posts(cli: Cli) -> None:
    """A preview posts nothing; the line of the crontab posts the last week, and the store knows the tenants."""
    (table,) = pages.blocks(PAGE, "crontab")
    (line,) = re.findall(r"^(?:[\d*]+ ){5}(.*)$", table, re.MULTILINE)
    (preview,) = re.findall(r"-c '(.*)'$", next(text for text in pages.blocks(PAGE, "sh") if "env -i" in text).strip())
    today = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    monday = today - timedelta(days=today.weekday())
    records = [generation(number, monday - timedelta(days=number % 14 + 1, seconds=number)) for number in range(60)]
    with servers.hook() as langfuse, servers.hook() as slack:
        address = f"http://127.0.0.1:{langfuse.port}/api/public/v2/observations"
        (cli.home / ".config/streamaudit/langfuse.curl").write_text(f'url = "{address}"\nuser = "{KEYS}"\n')
        (cli.home / ".config/streamaudit/post.url").write_text(f"json://127.0.0.1:{slack.port}/in\n")
        answer_pages(langfuse, records)
        shown = as_cron(cli, preview)
        assert (shown.returncode, shown.stderr) == (0, ""), shown.stderr
        assert slack.requests == []
        assert json.loads(shown.stdout)[0]["payload"]["schema"] == "streamaudit.post/1"
        answer_pages(langfuse, records)
        done = as_cron(cli, line)
        log = (cli.home / ".local/state/streamaudit.log").read_text()
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), log
        (post,) = slack.requests
    first, second = (parse_qs(urlsplit(request.path).query) for request in langfuse.requests[:2])
    assert langfuse.requests[0].headers["Authorization"] == f"Basic {base64.b64encode(KEYS.encode()).decode()}"
    assert "io" not in first["fields"][0].split(",") and "cursor" not in first and second["cursor"] == ["next page"]
    assert datetime.fromisoformat(first["fromStartTime"][0]) < monday - timedelta(days=14)
    figures = {row["figure"]: row for row in post.json["report"]["tables"][0]["rows"]}
    assert figures["calls"]["value"] + figures["calls"]["before"] == len(records)
    tenants = cli.run("report", "--by", "tenant", "--json")
    assert {row["tenant"] for row in json.loads(tenants.out)["tables"][0]["rows"]} == {"acme", "globex"}
    assert re.fullmatch(r"\S+ posted \d{4}-W\d\d to json 127\.0\.0\.1:\d+ #[0-9a-f]{6} \(1 attempt\)\n", log)


def test_a_failed_fetch_posts_nothing_and_says_why(cli: Cli) -> None:
    """Without an export there is no summary of old data; the log names the answer of the server."""
    with servers.hook() as langfuse, servers.hook() as slack:
        langfuse.script.append(servers.Answer(status=401))
        address = f"http://127.0.0.1:{langfuse.port}/api/public/v2/observations"
        (cli.home / ".config/streamaudit/langfuse.curl").write_text(f'url = "{address}"\nuser = "{KEYS}"\n')
        (cli.home / ".config/streamaudit/post.url").write_text(f"json://127.0.0.1:{slack.port}/in\n")
        done = as_cron(cli, "$HOME/monday.sh")
        assert done.returncode != 0 and "401" in done.stderr
        assert slack.requests == []
