"""docs/cron.md does what it says: its crontab lines and its configuration, in the environment that cron gives."""

import re
import subprocess
import sys
from pathlib import Path

from tests.cli.running import PATIENCE_S, Cli
from tests.cli.traffic import calls, write_lines
from tests.delivery import servers
from tests.docs import pages
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "cron.md"


def test_the_crontab_ingests_and_posts_in_crons_environment(tmp_path: Path) -> None:
    """Each line is run by sh with HOME and PATH alone; the log has one line a post, and the next post is none."""
    cli = Cli(tmp_path)
    for folder in (".local/bin", ".local/state", ".config/streamaudit", "exports"):
        (cli.home / folder).mkdir(parents=True)
    (cli.home / ".local/bin/streamaudit").symlink_to(Path(sys.executable).parent / "streamaudit")
    write_lines(cli.home / "exports" / "calls.jsonl", calls(30))
    (settings,) = pages.blocks(PAGE, "toml")
    (cli.home / ".config/streamaudit/config.toml").write_text(settings)
    (table,) = pages.blocks(PAGE, "crontab")
    ingest, weekly = re.findall(r"^(?:[\d*]+ ){5}(.*)$", table, re.MULTILINE)
    with servers.hook() as hook:
        (cli.home / ".config/streamaudit/post.url").write_text(f"json://127.0.0.1:{hook.port}/in\n")
        for line in (ingest, weekly, weekly):
            done = subprocess.run(
                ["env", "-i", f"HOME={cli.home}", "PATH=/usr/bin:/bin", "/bin/sh", "-c", line], cwd="/",
                stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S, check=False,
            )  # fmt: skip
            log = (cli.home / ".local/state/streamaudit.log").read_text()
            assert (done.returncode, done.stdout, done.stderr) == (0, b"", b""), log
        assert len(hook.requests) == 1
    posted, again = log.splitlines()
    stamp, week = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", r"\d{4}-W\d\d"
    assert re.fullmatch(rf"{stamp} posted {week} to json 127\.0\.0\.1:\d+ #[0-9a-f]{{6}} \(1 attempt\)", posted)
    assert re.fullmatch(rf"{stamp} {week}: json .* received it at .*, nothing posted", again)
