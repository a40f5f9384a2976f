"""Standard error: what is said to a person, or to a log collector as one JSON object a line.

``say`` is for errors and always speaks, ``note`` is narration that ``--quiet`` silences, ``detail`` speaks only with
``-v``. Whatever came from a file is made harmless here.
"""

import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from streamaudit.errors import UsageError
from streamaudit.report.escape import terminal

FORMS = ("text", "json")


@dataclass(slots=True)
class _Manner:
    quiet: bool = False
    verbose: int = 0
    form: str = "text"


_manner = _Manner()


def configure(*, quiet: bool = False, verbose: int = 0, form: str = "text") -> None:
    """How this process speaks from now on. UsageError for an unknown form."""
    if form not in FORMS:
        raise UsageError(f"--log-format {form}: text or json")
    _manner.quiet, _manner.verbose, _manner.form = quiet, verbose, form


def quiet() -> bool:
    """Whether narration is silenced."""
    return _manner.quiet


def plain() -> bool:
    """Whether lines are for people and not JSON."""
    return _manner.form == "text"


def say(text: str = "", *, level: str = "error", **facts: Any) -> None:
    """One line; ``facts`` go into the JSON form only, where an empty text is left out."""
    if _manner.form == "text":
        print(terminal(text), file=sys.stderr)
    elif text or facts:
        message = {"message": text.strip()} if text else {}
        record = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": level, **message, **facts}
        print(json.dumps(record, default=str), file=sys.stderr)


def problem(message: str, hint: str | None = None) -> None:
    """What went wrong and what to try."""
    say(f"error: {message}" if _manner.form == "text" else message, **({"hint": hint} if hint else {}))
    if hint and _manner.form == "text":
        say(f"  try: {hint}")


def note(text: str = "", **facts: Any) -> None:
    """One line of narration."""
    if not _manner.quiet:
        say(text, level="info", **facts)


def detail(text: str) -> None:
    """One line for who asked for more with ``-v``."""
    if _manner.verbose:
        say(text, level="debug")
