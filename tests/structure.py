"""Print how the package is built: its rooms, the boxes at its root with their arrows, and what a command loads.

``python -m tests.structure [CHECKOUT]``: of this checkout, or of another one, which may be an older layout.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGE = "streamaudit"
CHECKOUT = Path(__file__).parents[1]
COMMANDS = {"report": ["report", "--by", "tenant"], "ttft": ["ttft"], "weekly": ["weekly", "--week", "2026-W47"]}
"""Asked of a store; ``ingest`` makes it."""

# Run in a process of its own: the modules of the package when the command has ended, as JSON in a file.
_LOADED = """
import atexit, json, runpy, sys
target, package = sys.argv.pop(1), "streamaudit"
def write():
    with open(target, "w") as file:
        json.dump(sorted(name for name in sys.modules if name.split(".")[0] == package), file)
atexit.register(write)
runpy.run_module(package, run_name="__main__")
"""
# Likewise: every import between two boxes at the root of the package, those for type checkers included.
_ARROWS = """
import json, grimp
graph = grimp.build_graph("streamaudit", cache_dir=None)
def box(module):
    return (module.split(".") + ["__init__"])[1]
arrows = {(box(one), box(other)) for one in graph.modules for other in graph.find_modules_directly_imported_by(one)}
print(json.dumps({"modules": len(graph.modules), "arrows": sorted(pair for pair in arrows if pair[0] != pair[1])}))
"""


def rooms(checkout: Path = CHECKOUT) -> list[str]:
    """Return the packages at the package's root, by name."""
    return sorted(path.parent.name for path in (checkout / PACKAGE).glob("*/__init__.py"))


def boxes(checkout: Path = CHECKOUT) -> list[str]:
    """Return the rooms and the modules beside them, by name."""
    return sorted([*rooms(checkout), *(path.stem for path in (checkout / PACKAGE).glob("*.py"))])


def imports(checkout: Path = CHECKOUT) -> tuple[int, list[tuple[str, str]]]:
    """Return the number of modules, and the pairs of boxes of which the first imports the second."""
    found = json.loads(_python(checkout, "-c", _ARROWS, folder=checkout))
    return found["modules"], [tuple(pair) for pair in found["arrows"]]


def loaded(checkout: Path = CHECKOUT) -> dict[str, list[str]]:
    """Return by command the package's modules that its process has loaded in the end."""
    found: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sample = str(checkout / "sample_traces" / "raw.jsonl.gz")
        for command, words in {"ingest": ["ingest", sample, "-q"], **COMMANDS}.items():
            target = folder / "modules.json"
            _python(checkout, "-c", _LOADED, str(target), *words, "--db", str(folder / "s.duckdb"), folder=folder)
            found[command] = json.loads(target.read_text())
    return found


def _python(checkout: Path, *words: str, folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(checkout), "HOME": str(folder)}
    environment.pop("STREAMAUDIT_DB", None)
    done = subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{words[-1]}: {done.stderr}")
    return done.stdout


def main() -> None:
    """Print the figures of the checkout named on the command line, else of this one."""
    checkout = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else CHECKOUT
    modules, arrows = imports(checkout)
    between = [pair for pair in arrows if set(pair) <= set(rooms(checkout))]
    print(f"{modules} modules, {len(boxes(checkout))} boxes at the root, {len(arrows)} arrows between them")
    print(f"{len(rooms(checkout))} rooms, {len(between)} arrows between them: {', '.join(rooms(checkout))}")
    for command, names in loaded(checkout).items():
        of_ingest = sum(name.startswith(f"{PACKAGE}.ingest") for name in names)
        part = f", {of_ingest} of them ingest's" if "ingest" in rooms(checkout) else ""
        print(f"{command}: loads {len(names)} modules{part}")


if __name__ == "__main__":
    main()
