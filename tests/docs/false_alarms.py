"""What the audits find where nothing is known to be wrong: in the demo's fleets, and in public files of other projects.

``python -m tests.docs.false_alarms`` measures both, keeps the figures beside this module, and
``python -m tests.docs.audits`` puts them on the pages. The public files are not part of the project.
"""

import json
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from streamaudit.audits.failures.report import examinations
from streamaudit.audits.scope.scope import Scope
from streamaudit.ingest.mapping import Mapping
from streamaudit.ingest.pipeline import Ingest
from streamaudit.ingest.readers.reader import Reader
from streamaudit.ingest.results import Options
from streamaudit.store.store import Store
from tests.docs.pages import ROOT

KEPT = Path(__file__).with_suffix(".json")
FLEETS = [ROOT / "sample_traces" / f"{name}.gz" for name in
    ("raw.jsonl", "langfuse_observations.jsonl", "datadog_spans.json")]  # fmt: skip
"""The files of the demo that hold no planted failure."""
PUBLIC = Path(os.environ.get("STREAMAUDIT_PUBLIC_FILES", ROOT.parent / "shared" / "real"))
ALARMS = ("critical", "warning")


class Figures(TypedDict):
    """What one audit said: the calls that it could judge, its status, and its findings by severity."""

    examined: int
    status: str
    alarms: list[str]
    info: list[str]


class Measured(TypedDict):
    """The figures of every audit over some files."""

    files: int
    calls: int
    audits: dict[str, Figures]


def measure(paths: Sequence[Path]) -> Measured:
    """Run every audit over all files together, each under a source of its own; files without calls are left out."""
    files = 0
    with Store.in_memory() as store, Reader() as reader:
        for number, path in enumerate(paths):
            done = Ingest(store, Options(Mapping({}), f"file-{number}")).file(reader, str(path))
            files += done.problem is None
        (calls,) = store.one("SELECT count(*) FROM store.calls WHERE counted")
        found = {one.audit.NAME: one for one in examinations(store, Scope())}
    return {
        "files": files, "calls": calls,
        "audits": {
            name: {
                "examined": one.examined, "status": one.status,
                "alarms": sorted({each.code for each in one.findings if each.severity in ALARMS}),
                "info": sorted({each.code for each in one.findings if each.severity not in ALARMS}),
            }
            for name, one in found.items()
        },
    }  # fmt: skip


def public_files() -> list[Path]:
    """Return the public files, in order of their names."""
    return sorted(path for path in PUBLIC.rglob("*") if path.is_file() and path.name != "README.md")


def kept() -> dict[str, Measured]:
    """Return the figures that were kept."""
    found: dict[str, Measured] = json.loads(KEPT.read_text("utf-8"))
    return found


def main() -> None:
    """Measure the fleets, and the public files where they are, and keep the figures."""
    warnings.simplefilter("error")
    found = {"demo": measure(FLEETS)}
    if PUBLIC.is_dir():
        found["public"] = measure(public_files())
    elif KEPT.is_file():
        found["public"] = kept()["public"]
    KEPT.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
