"""Bring the output that the pages show up to date: ``python -m tests.docs.refresh [PAGE …]``.

A line under a command that the command no longer prints is replaced by the printed line most like it, in the same
order; lines that are like none are listed and left, for a person to look at. The blocks of a terminal are replaced
whole. Read the diff before it is committed.
"""

import re
import sys
import tempfile
from difflib import SequenceMatcher
from pathlib import Path

from tests.cli.running import Cli
from tests.docs import pages
from tests.docs.test_docs import furnish, run

_LEAST_ALIKE = 0.55


def refresh(page: Path, cli: Cli) -> None:
    """Rewrite one page; print what it could not place."""
    text = page.read_text("utf-8")
    for store in cli.folder.glob("*.duckdb"):
        store.unlink()
    position = 0
    for command in pages.commands(page):
        done = run(cli, command)
        if done.code:
            print(f"{pages.name(page)}: {command.line}: exit {done.code}\n{done.err}", file=sys.stderr)
            continue
        if command.columns:
            begin, end = _find_output(text, command.line, max(position - 1, 0))
            output = _cut_alike(text[begin:end], done.out)
            text, position = text[:begin] + output + text[end:], begin + len(output)
            continue
        printed = [line.rstrip() for line in (done.out + done.err).splitlines()]
        begin = 0
        for line in command.shown:
            place = text.find(f"\n{line}", position)
            if place < 0 or set(line) <= set("-─ .…"):
                continue
            position = place + 1
            if any(real.startswith(line) for real in printed):
                begin = max(begin, next(i for i, real in enumerate(printed) if real.startswith(line)) + 1)
                continue
            best, found = _most_alike(line, printed, begin)
            if found is None:
                print(f"{pages.name(page)}: {command.line}: not printed any more:\n  {line}", file=sys.stderr)
                continue
            begin = found + 1
            text = f"{text[:position]}{best}{text[position + len(line):]}"
    page.write_text(text, "utf-8")


def _find_output(text: str, line: str, position: int) -> tuple[int, int]:
    """Return where the output of a command begins and ends on a page."""
    begin = text.index("\n", text.index(f"\n$ {line}", position) + 1) + 1
    return begin, min(at for at in (text.find("\n```", begin - 1), text.find("\n$ ", begin - 1)) if at >= 0) + 1


def _cut_alike(shown: str, out: str) -> str:
    """Return an output, cut after as many lines as the page shows if it shows a part."""
    printed = [line.rstrip() for line in out.strip("\n").splitlines()]
    lines = shown.rstrip().splitlines()
    if lines[-1:] == [pages.CUT]:
        printed = [*printed[: len(lines) - 1], pages.CUT]
    return "\n".join([*printed, ""])


def _most_alike(line: str, printed: list[str], begin: int) -> tuple[str, int | None]:
    """The printed line most like this one, those after ``begin`` first, and its index; None when none is like it."""
    for first in (begin, 0):
        ratios = [(_likeness(line, real), -index) for index, real in enumerate(printed) if index >= first]
        if ratios and max(ratios)[0] >= _LEAST_ALIKE:
            index = -max(ratios)[1]
            return printed[index], index
    return "", None


def _likeness(line: str, real: str) -> float:
    """How alike two lines are: the same first word counts, figures do not."""
    one, other = (re.sub(r"[\d.,]+", "0", re.sub(r"\s+", " ", text)) for text in (line, real))
    same = 0.15 if line.split()[:1] == real.split()[:1] else 0.0
    return SequenceMatcher(None, one, other, autojunk=False).ratio() + same


def main() -> None:
    """Refresh the pages named on the command line, or all."""
    wanted = [Path(name).resolve() for name in sys.argv[1:]] or pages.pages()
    with tempfile.TemporaryDirectory() as folder:
        cli = Cli(Path(folder))
        furnish(cli.folder)
        for page in wanted:
            refresh(page, cli)


if __name__ == "__main__":
    main()
