"""What is fetched to develop, check and release streamaudit is pinned: packages by hash, actions by commit."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.docs import pages
from tests.docs.pages import ROOT

LOCKS = ROOT / "requirements"
WORKFLOWS = ROOT / ".github" / "workflows"
pytestmark = pytest.mark.skipif(not LOCKS.is_dir(), reason="a checkout has the pins, an installed wheel has not")


def _pinned(lock: Path) -> dict[str, str]:
    """The version and hashes of each package of a lock file, as one text, by name."""
    entries = re.split(r"\n(?=[a-z0-9])", "\n" + lock.read_text("utf-8"))
    return {entry.split("==")[0].strip(): entry for entry in entries if "==" in entry.split("\n")[0]}


def _names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=\[; ]", one)[0].lower().replace("_", "-") for one in requirements}


@pytest.mark.parametrize("lock", ["run.txt", "dev.txt", "release.txt"])
def test_every_package_of_a_lock_has_a_version_and_a_hash(lock: str) -> None:
    """pip refuses a lock with a gap only where it installs it; this says which line."""
    pinned = _pinned(LOCKS / lock)
    assert len(pinned) > 10
    assert not [name for name, entry in pinned.items() if "--hash=sha256:" not in entry]


def test_the_locks_hold_every_dependency() -> None:
    """A dependency added to the project without ``make lock`` is missing here before it is missing on a new machine."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    needed = _names(project["dependencies"])
    assert needed <= _pinned(LOCKS / "run.txt").keys()
    assert needed | _names(project["optional-dependencies"]["dev"]) <= _pinned(LOCKS / "dev.txt").keys()


def test_development_and_users_get_the_same_versions() -> None:
    """The checks run on the versions that ``make demo`` installs."""

    def versions(lock: str) -> dict[str, str]:
        return {name: entry.split("==")[1].split()[0] for name, entry in _pinned(LOCKS / lock).items()}

    run, dev = versions("run.txt"), versions("dev.txt")
    assert {name: dev.get(name) for name in run} == run


@pytest.mark.parametrize("workflow", sorted(path.name for path in WORKFLOWS.glob("*.yml")))
def test_workflows_pin_actions_and_give_little_away(workflow: str) -> None:
    """An action is named by its commit, with its version beside it; only the job that publishes has more than read."""
    text = (WORKFLOWS / workflow).read_text("utf-8")
    used = re.findall(r"uses: (.*)", text)
    assert used and all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one) for one in used)
    assert "permissions:\n  contents: read\n" in text
    assert not re.search(r"\bsecrets\.", text)


def test_a_source_archive_holds_what_its_pages_link_to() -> None:
    """Its tests read the same folders as those of a checkout."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    kept = {*project["tool"]["hatch"]["build"]["targets"]["sdist"]["include"], "pyproject.toml"}
    links = [(page, target.partition("#")[0]) for page in pages.pages() for target in pages.links(page)]
    files = [(page.parent / path).resolve() for page, path in links if path]
    linked = {file.relative_to(ROOT.resolve()).parts[0] for file in files}
    assert linked - kept == set()
