"""The store that an attack starts from, the commands that are attacked, and what is in a store afterwards."""

import hashlib
import os
import shutil
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from streamaudit.store.store import Store
from tests.cli.traffic import call, write_lines
from tests.delivery.servers import Hook
from tests.fuzz.check import run_command

STORE = "store.duckdb"
GONE = "tenant-that-must-go-0123456789abcdef"
_OLD = "2026-06-01T08:00:00Z"
_STATE = (
    "SELECT * EXCLUDE (load_id) FROM store.calls ORDER BY ALL",
    "SELECT parse_filename(path), source FROM store.loads ORDER BY ALL",
    "SELECT count(*) FROM store.rejects",
)


@dataclass(frozen=True)
class Attacked:
    """A command that changes a store; ``deletes`` when no byte of GONE may be left at its end, ``posts`` when a message
    goes to the inbox, once."""

    words: tuple[str, ...]
    deletes: bool = False
    posts: bool = False


COMMANDS = {
    "ingest": Attacked(("ingest", "new.jsonl", "--db", STORE)),
    "unload": Attacked(("unload", "2", "-y", "--db", STORE), True),
    "prune": Attacked(("prune", "--before", "2026-08-01", "-y", "--db", STORE), True),
    "forget": Attacked(("forget", "--user", "user-9", "-y", "--db", STORE), True),
    "reprice": Attacked(("reprice", "--db", STORE)),
    "post": Attacked(("weekly", "--week", "2026-W47", "--post", "--db", STORE), posts=True),
    "merge": Attacked(("merge", "part.duckdb", "--into", STORE)),
}


@cache
def inbox() -> Hook:
    """Start the server that messages go to, for as long as this process lasts."""
    return Hook()


def post_address() -> dict[str, str]:
    """Return the variable that names the inbox."""
    return {"STREAMAUDIT_POST": f"json://127.0.0.1:{inbox().port}/in"}


def prepare(folder: Path) -> None:
    """Make a store of two loads, one of which is to go, a file that is yet to be read, and a store to be merged."""
    kept = write_lines(folder / "kept.jsonl", [call(number, request_id=f"kept{number}") for number in range(40)])
    gone = [call(n, request_id=f"gone{n}", tenant_id=GONE, user_id="user-9", start_time=_OLD) for n in range(40)]
    write_lines(folder / "new.jsonl", [call(number) for number in range(500)])
    for file in (kept, write_lines(folder / "gone.jsonl", gone)):
        code, _, err = run_command("ingest", file, "--db", folder / STORE)
        assert code == 0, err
    part = write_lines(folder / "part.jsonl", [call(number, request_id=f"kept{number}") for number in range(20, 90)])
    code, _, err = run_command("ingest", part, "--db", folder / "part.duckdb")
    assert code == 0, err


def copy_of(prepared: Path, folder: Path) -> Path:
    """Copy a prepared folder, into which no attack reaches."""
    return Path(shutil.copytree(prepared, folder, dirs_exist_ok=True))


def state_of(folder: Path) -> str:
    """Return a text that is the same for stores with the same calls and loads. Any error of opening it is raised."""
    digest = hashlib.sha256()
    with Store.open(folder / STORE, write=False) as store:
        for query in _STATE:
            for row in store.query(query):
                digest.update(repr(row).encode())
    return digest.hexdigest()


def program(*words: str) -> list[str]:
    """Return the arguments that start the command as a process."""
    return [sys.executable, "-m", "streamaudit", *words]


def surroundings(folder: Path) -> dict[str, str]:
    """A plain environment, whose home and temporary folder are in this one."""
    for name in ("home", "tmp"):
        (folder / name).mkdir(exist_ok=True)
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder / "home"), "LANG": "C.UTF-8",
            "TMPDIR": str(folder / "tmp"), **post_address()}  # fmt: skip
