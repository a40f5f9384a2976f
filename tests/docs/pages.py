"""What a reader can try in the README and the documentation: the commands in their blocks, and what they link to."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(
    r"(?P<mark><!--\s*not run:[^>]*-->\s*\n+)?^```(?P<kind>\w*)(?: (?P<columns>\d+) columns)?\n(?P<body>.*?)^```",
    re.MULTILINE | re.DOTALL,
)
CUT = "…"
"""The last line of an output that is longer than what a page shows."""
_RUNNABLE = ("console", "sh")


@dataclass
class Command:
    """One command of a page and the lines of output that the page shows under it, without the empty ones.

    A block that opens with ```` ```console 80 columns ```` shows the whole standard output of a terminal of that width,
    up to a line ``…`` if there is one. Other blocks show lines of a pipe in order, and may leave out any of them.
    """

    line: str
    shown: list[str] = field(default_factory=list)
    columns: int | None = None

    def missing(self, out: str, err: str) -> list[str]:
        """Return the lines that the page shows and the command did not print."""
        if self.columns is None:
            printed = [line.rstrip() for line in (out + err).splitlines()]
            meant = [line for line in self.shown if not set(line) <= set("-─ .…")]
            return [line for line in meant if not any(real.startswith(line) for real in printed)]
        printed = [line.rstrip() for line in out.splitlines() if line.strip()]
        is_cut = self.shown[-1:] == [CUT]
        expected = [*printed[: len(self.shown) - 1], CUT] if is_cut else printed
        if self.shown == expected:
            return []
        return [line for line in self.shown if line not in expected] or ["these lines in this order, and no others"]


def pages() -> list[Path]:
    """The README and every page of the documentation."""
    return [page for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))) if page.is_file()]


def name(page: Path) -> str:
    """A page as the project calls it."""
    return page.relative_to(ROOT).as_posix()


@cache
def commands(page: Path, marked: bool = False) -> tuple[Command, ...]:
    """Every streamaudit command in a console or sh block that is not marked ``<!-- not run: reason -->``; with
    ``marked`` those in the blocks that are."""
    return tuple(_commands(page, marked))


def _commands(page: Path, marked: bool) -> Iterator[Command]:
    for block in BLOCK.finditer(page.read_text()):
        if block["kind"] in _RUNNABLE and bool(block["mark"]) == marked:
            body = re.sub(r"\\\n\s*", "", block["body"])
            for one in _in_block(body.splitlines()):
                if re.match(r"(\w+=\S+ )*streamaudit\b", one.line):
                    yield replace(one, columns=int(block["columns"]) if block["columns"] else None)


def blocks(page: Path, kind: str) -> Iterator[str]:
    """What stands in the blocks of one kind, such as ``toml``."""
    yield from (block["body"] for block in BLOCK.finditer(page.read_text()) if block["kind"] == kind)


def _in_block(lines: list[str]) -> Iterator[Command]:
    """A line after ``$ `` is a command and what follows is its output; without any ``$ `` every line is a command."""
    if not any(line.startswith("$ ") for line in lines):
        yield from (Command(line) for line in lines)
        return
    current = None
    for line in lines:
        if line.startswith("$ "):
            if current:
                yield current
            current = Command(line.removeprefix("$ "))
        elif current and line.strip():
            current.shown.append(line.rstrip())
    if current:
        yield current


def prose(page: Path) -> str:
    """A page without its blocks."""
    return BLOCK.sub("", page.read_text())


def links(page: Path) -> list[str]:
    """The targets of a page's links that lead to this repository."""
    found = re.findall(r"\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)|^\[[^\]]+\]:\s*(\S+)", prose(page), re.MULTILINE)
    targets = [first or second for first, second in found]
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


def anchors(page: Path) -> set[str]:
    """The fragments that lead to the headings of a page, as GitHub makes them."""
    titles = re.findall(r"^#+ +(.+?) *#*$", prose(page), re.MULTILINE)
    words = [re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower()) for title in titles]
    explicit = re.findall(r"<a (?:name|id)=\"([^\"]+)\"", page.read_text())
    return {text.strip().replace(" ", "-") for text in words} | set(explicit)
