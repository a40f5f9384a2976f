"""Credentials, and how patient a pull is, as the configuration gives them.

Credentials come from the vendors' usual environment variables or from a file that sets the same names; they are never
printed, logged, stored or part of an error.
"""

import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from streamaudit.errors import UsageError
from streamaudit.store.plain_files import read_text

_log = logging.getLogger(__name__)
_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*")
_KEY = re.compile(r"[!-~]{1,512}")
_QUOTED = re.compile(r"""(["'])(.*)\1""")


@dataclass(frozen=True, slots=True)
class PullSettings:
    """Settings of ``pull``; times in seconds.

    ``credentials`` is a file of ``NAME=value`` lines, or None. A request is repeated up to ``attempts`` times while it
    fails, and no longer than ``give_up_after_s``; waits that a server asks for count in the latter alone.
    """

    credentials: Path | None = None
    timeout_s: float = 60.0
    attempts: int = 6
    first_wait_s: float = 1.0
    give_up_after_s: float = 900.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """The values of a vendor's variables that are set."""

    values: dict[str, str] = field(repr=False)
    origin: str = "the environment"

    def get(self, *names: str) -> str | None:
        """Return the first of these that is set; None when none is."""
        return next((self.values[name] for name in names if self.values.get(name)), None)

    def need(self, name: str) -> str:
        """Return a key. Raises UsageError when it is missing, or no key at all."""
        value = self.values.get(name)
        if not value:
            raise UsageError(
                f"${name} is not set", f"set it in the environment, or as {name}=... in a file for --credentials"
            )
        if not _KEY.fullmatch(value):
            raise UsageError(f"{name} holds spaces or signs that no key has", f"check it in {self.origin}")
        return value


def read_credentials(names: Sequence[str], file: Path | None) -> Credentials:
    """Return the values of these variables: each from the environment, else from the file. Raises UsageError for a file
    that cannot be read."""
    kept = _read_file(file) if file is not None else {}
    values = {name: os.environ.get(name, "").strip() or kept.get(name, "") for name in names}
    return Credentials({name: value for name, value in values.items() if value}, str(file or "the environment"))


def _read_file(path: Path) -> dict[str, str]:
    text = read_text(path)
    if path.is_file() and path.stat().st_mode & 0o077:
        _log.warning("other users of this machine can read %s: chmod 600 it", path)
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise UsageError(f"{path}:{number}: expected NAME=value")  # the line itself may be a secret
        quoted = _QUOTED.fullmatch(match[2])
        found[match[1]] = quoted[2] if quoted else match[2]
    return found
