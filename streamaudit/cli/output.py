"""Write a result: choose format, destination and width."""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from streamaudit.cli import console
from streamaudit.cli.browser import make_private_file, show
from streamaudit.errors import EXIT_OK, DeliveryError, InputError, UsageError
from streamaudit.report.frames import Result
from streamaudit.report.render.formats import BINARY, COLUMNAR, Screen, format_for, formats, load, render_bytes
from streamaudit.store.files import clear_left_over, fresh_file
from streamaudit.store.plain_files import open_to_write

SCREEN_GROUPS = 20


@dataclass(frozen=True, slots=True)
class Output:
    """Destination of a report.

    ``top`` None is the format's own default: 20 groups on a screen, all in data formats.
    """

    format: str | None = None
    files: tuple[Path, ...] = ()
    top: int | None = None
    wide: bool = False
    color: str = "auto"
    fail_on_empty: bool = False
    screen_groups: int = SCREEN_GROUPS
    """The number of groups on a terminal unless the user gives one."""
    opens: bool = False
    """Whether the page is shown in the browser; without a file of its own it is a temporary one."""
    redacted: bool = False
    """Whether aliases replace names; no command takes an alias."""

    def check(self) -> None:
        """Refuse an unknown format or suffix before anything is read."""
        _targets(self)

    @property
    def tops(self) -> set[int | None]:
        """Return the numbers of groups that the formats need a report for."""
        return {_top(self, name) for name, _ in _targets(self)}

    @property
    def has_page(self) -> bool:
        """Whether a page is written, which draws more than a screen shows."""
        return any(name == "html" for name, _ in _targets(self))

    @property
    def needs_fixed_buckets(self) -> bool:
        """Whether a histogram is for a program that adds it to others, whose buckets must be the same each time."""
        return any(name == "prometheus" for name, _ in _targets(self))

    @property
    def is_screen(self) -> bool:
        """Whether people read it: a table on a terminal."""
        return _targets(self) == [("table", None)] and sys.stdout.isatty()

    @property
    def is_columnar(self) -> bool:
        """Whether every format reads Arrow tables directly."""
        return all(name in COLUMNAR for name, _ in _targets(self))

    def write(self, results: Mapping[int | None, Result]) -> int:
        """Render the results and return the exit code; InputError when empty under ``--fail-on-empty``."""
        self.render(results)
        return self.exit_code(results)

    def write_one(self, result: Result) -> int:
        """Write a result that is the same for any number of groups; return the exit code."""
        return self.write(dict.fromkeys(self.tops, result))

    def render(self, results: Mapping[int | None, Result]) -> None:
        """Render the results of ``tops`` to standard output or to every ``-o`` file.

        DeliveryError when a file cannot be written.
        """
        pages = []
        for name, given in _targets(self):
            path = make_private_file() if self.opens and name == "html" and given is None else given
            pages += [path] if name == "html" and path is not None else []
            report, screen = results[_top(self, name)].report, _screen(self, to_file=path is not None)
            if path is not None:
                _write_file(path, render_bytes(name, report, screen))
            elif name == "table":
                sys.stdout.write(load(name).render(report, screen))
            else:
                sys.stdout.buffer.write(render_bytes(name, report, screen))  # UTF-8, as in a file
        if self.opens:
            show(pages[0])

    @property
    def is_stream(self) -> bool:
        """Whether rows are written one after another to a single place, so that they need not be held."""
        return self.top is None and [name for name, _ in _targets(self)] == ["csv"]

    def stream(self, pieces: Iterable[Result]) -> int:
        """Write the parts of a result as they come, to standard output or a file, which takes its name once it is
        whole; return the exit code. DeliveryError when the file cannot be written."""
        path = _targets(self)[0][1]
        if path is None:
            rows = self._write_pieces(pieces, sys.stdout.buffer)
        else:
            with _replaced(path) as out:
                rows = self._write_pieces(pieces, out)
            console.note(f"wrote {path}")
        if self.fail_on_empty and not rows:
            raise InputError("no calls in this window")
        return EXIT_OK

    def _write_pieces(self, pieces: Iterable[Result], out: BinaryIO) -> int:
        """Write the header once and every row; return the number of rows."""
        screen, rows, header = _screen(self, to_file=False), 0, b""
        for piece in pieces:
            table = piece.report.tables[0]
            if not header:
                header = render_bytes("csv", replace(piece.report, tables=(replace(table, rows=()),)), screen)
                out.write(header)
            out.write(render_bytes("csv", piece.report, screen)[len(header) :])
            rows += len(table.rows)
        return rows

    def exit_code(self, results: Mapping[int | None, Result]) -> int:
        """Return 0; InputError when results are empty and that is a failure."""
        notes = [note for result in results.values() for note in result.notes]
        if self.fail_on_empty and any(note.code == "empty" for note in notes):
            raise InputError("no calls in this window")
        return EXIT_OK


def _top(output: Output, name: str) -> int | None:
    if output.top is not None:
        return output.top
    if load(name).ALL_GROUPS:
        return None
    return output.screen_groups if name == "table" else SCREEN_GROUPS


def _targets(output: Output) -> list[tuple[str, Path | None]]:
    """Return the formats and their files; UsageError for one that is unknown or cannot be written there."""
    targets = _find_targets(output)
    if not output.opens or any(name == "html" for name, _ in targets):
        return targets
    if output.format is None and not output.files:
        return [("html", None)]
    raise UsageError("--open shows a page, and none is written", "add -o FILE.html, or leave out --format and -o")


def _find_targets(output: Output) -> list[tuple[str, Path | None]]:
    known = formats()
    if output.format is not None and output.format not in known:
        raise UsageError(f"--format {output.format}: unknown format", "formats: " + ", ".join(known))
    if output.top is not None and output.top < 1:
        raise UsageError("--top: expected a number from 1")
    if not output.files:
        if output.format in BINARY and sys.stdout.isatty():
            what, file = ("a picture", "picture") if output.format == "png" else ("binary data", "report")
            raise UsageError(
                f"--format {output.format}: a terminal cannot show {what}", f"write a file: -o {file}.{output.format}"
            )
        return [(output.format or "table", None)]
    targets: list[tuple[str, Path | None]] = []
    for path in output.files:
        if path.name in known:
            raise UsageError(f"-o {path}: -o names a file; --format {path.name} chooses the format")
        name = output.format or format_for(str(path))
        if name is None:
            raise UsageError(f"-o {path}: unknown suffix", "add --format " + "|".join(known))
        targets.append((name, path))
    return targets


def _write_file(path: Path, content: bytes) -> None:
    """Write a file atomically."""
    with _replaced(path) as out:
        out.write(content)
    console.note(f"wrote {path}")


@contextmanager
def _replaced(path: Path) -> Iterator[BinaryIO]:
    """Open a new file that takes the name of ``path`` at the end of the block, unless that raises; a pipe or a device
    is written to as it is. Raises DeliveryError when it cannot be written."""
    target = path.resolve()
    try:
        if target.exists() and not target.is_file():
            with open(target, "wb", opener=open_to_write) as out:
                yield out
        else:
            clear_left_over(target)
            with fresh_file(target) as fresh:
                with fresh.open("wb") as out:
                    yield out
                if target.exists():
                    fresh.chmod(target.stat().st_mode)
                fresh.replace(target)
    except OSError as error:
        raise DeliveryError(f"cannot write {path}: {error.strerror}") from None


def _screen(output: Output, *, to_file: bool) -> Screen:
    terminal = sys.stdout.isatty() and not to_file
    if output.color == "auto":
        color = terminal and os.environ.get("TERM") != "dumb" if not os.environ.get("FORCE_COLOR") else not to_file
        color = color and not os.environ.get("NO_COLOR")
    else:
        color = output.color == "always"
    width = shutil.get_terminal_size().columns if terminal else None
    unicode = (sys.stdout.encoding or "").lower().startswith("utf") or to_file
    return Screen(width=width, color=color, wide=output.wide, unicode=unicode)
