"""Show a page in the user's browser, or say where it is and why it was not shown."""

import sys
import tempfile
from pathlib import Path

from streamaudit.cli import console


def make_private_file() -> Path:
    """Return the path of a page in a new temporary folder that only its user can read."""
    return Path(tempfile.mkdtemp(prefix="streamaudit-")) / "report.html"


def show(page: Path) -> None:
    """Open a page in the browser.

    Off a terminal, such as in cron, nothing is opened. Neither that nor a missing browser is an error: the page exists.
    """
    if not (sys.stdout.isatty() or sys.stderr.isatty()):
        console.say(f"--open: not on a terminal, so no browser was started; the page is {page}", level="warning")
        return
    import webbrowser

    try:
        opened = webbrowser.get().open(page.resolve().as_uri())
    except webbrowser.Error:
        console.say(f"--open: no browser was found, $BROWSER can name one; the page is {page}", level="warning")
        return
    if opened:
        console.note(f"opened {page}")
    else:
        console.say(f"--open: the browser did not start; the page is {page}", level="warning")
