"""Standard error: the handlers of the package's log, as lines for people or as one JSON object a line.

Every room logs through ``logging``; this module formats the records. An error or a warning always appears, an info is
narration that ``--quiet`` silences, a debug appears only with ``-v``. A record may carry ``facts``, which only the JSON
form shows, and ``stamped``, for a line that carries its time in the text form too. Text from files is made harmless
here.
"""

import json
import logging
import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TextIO

from streamaudit.errors import UsageError
from streamaudit.report.escape import line, terminal, without_credentials

FORMS = ("text", "json")
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Manner:
    quiet: bool = False
    verbose: int = 0
    form: str = "text"


_manner = _Manner()


class TextHandler(logging.Handler):
    """Writes each record as a line for people."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        # Looked up for each record, because a process that runs several commands replaces it.
        write(line(terminal(_stamp(record) + record.getMessage())))


class JsonHandler(logging.Handler):
    """Writes each record as a JSON object on a line of its own; an empty one is left out."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        text, facts = record.getMessage(), getattr(record, "facts", {})
        if text or facts:
            moment = datetime.now(UTC).isoformat(timespec="milliseconds")
            message = {"message": text.strip()} if text else {}
            write(json.dumps({"time": moment, "level": record.levelname.lower(), **message, **facts}, default=str))


def write(text: str, *, end: str = "\n") -> None:
    """Write a line to standard error, without credentials of addresses, which arguments and files may hold. Where that
    fails, on a full disk or in a closed pipe, it is left out: the exit code alone says how the command ended."""
    try:
        print(without_credentials(text), end=end, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        silence(sys.stderr)


def silence(stream: TextIO) -> None:
    """Send what is written to a standard stream nowhere, so that flushing it cannot fail at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _stamp(record: logging.LogRecord) -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} " if getattr(record, "stamped", False) else ""


def _is_wanted(record: logging.LogRecord) -> bool:
    if record.levelno >= logging.WARNING:
        return True
    return bool(_manner.verbose) if record.levelno < logging.INFO else not _manner.quiet


def configure(*, quiet: bool = False, verbose: int = 0, form: str = "text") -> None:
    """Set the logging of this process. Raises UsageError for an unknown form."""
    if form not in FORMS:
        raise UsageError(f"--log-format {form}: expected text or json")
    _manner.quiet, _manner.verbose, _manner.form = quiet, verbose, form
    handler = TextHandler() if form == "text" else JsonHandler()
    handler.addFilter(_is_wanted)
    package = logging.getLogger("streamaudit")
    package.handlers, package.propagate = [handler], False
    package.setLevel(logging.DEBUG)


configure()


def quiet() -> bool:
    """Return whether narration is silenced."""
    return _manner.quiet


def plain() -> bool:
    """Return whether lines are for people and not JSON."""
    return _manner.form == "text"


def say(text: str = "", *, level: str = "error", **facts: Any) -> None:
    """Log one line; ``facts`` go into the JSON form only, where an empty text is left out."""
    _log.log(_LEVELS[level], text, extra={"facts": facts})


def problem(message: str, hint: str | None = None) -> None:
    """Log an error and its hint."""
    say(f"error: {message}" if plain() else message, **({"hint": hint} if hint else {}))
    if hint and plain():
        say(f"hint: {hint}")


def note(text: str = "", **facts: Any) -> None:
    """Log one line of narration."""
    say(text, level="info", **facts)


def detail(text: str) -> None:
    """Log one line for ``-v``."""
    say(text, level="debug")
