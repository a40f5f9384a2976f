"""``--open``: which page a browser is given, and what is said where none can be."""

import stat
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.cli.running import Cli
from tests.cli.traffic import calls, write_lines


@pytest.fixture
def place(cli: Cli) -> Cli:
    """A folder with a few calls, and a browser that only keeps the address it is given."""
    write_lines(cli.folder / "calls.jsonl", calls(3))
    browser = cli.folder / "browser"
    browser.write_text('#!/bin/sh\nprintf %s "$1" > "$HOME/opened"\n')
    browser.chmod(0o755)
    return cli


def opened(cli: Cli) -> Path:
    """The file whose address the browser got."""
    address = urlsplit((cli.home / "opened").read_text())
    assert (address.scheme, address.netloc) == ("file", "")
    return Path(unquote(address.path))


def browser(cli: Cli) -> dict[str, str]:
    return {"BROWSER": f"{cli.folder}/browser %s"}


def test_a_page_of_its_own_is_private(place: Cli) -> None:
    """Without -o it is a temporary file, in a folder that nobody else can read; standard output stays empty."""
    done = place.terminal("report", "calls.jsonl", "--open", columns=80, env=browser(place))
    assert (done.code, done.out) == (0, ""), done.err
    page = opened(place)
    assert "Waits, cancels and cost" in page.read_text(encoding="utf-8") and f"opened {page}" in done.err
    assert stat.S_IMODE(page.parent.stat().st_mode) == 0o700 and page.is_relative_to(place.spool)


def test_the_page_of_a_file_is_opened(place: Cli) -> None:
    """The one that -o names, with other files beside it, whatever its name."""
    arguments = ("tax", "calls.jsonl", "--open", "-o", "tax.json", "-o", "the tax %41.html")
    done = place.terminal(*arguments, columns=80, env=browser(place))
    assert done.code == 0, done.err
    assert opened(place) == place.folder / "the tax %41.html" and (place.folder / "tax.json").is_file()


def test_no_browser_and_no_terminal_are_no_error(place: Cli) -> None:
    """The page is there, and it is said where, even with -q."""
    done = place.run("report", "calls.jsonl", "--open", "-q", "-o", "page.html", env=browser(place))
    assert (done.code, done.out, (place.home / "opened").exists()) == (0, "", False)
    assert done.err == "--open: not on a terminal, so no browser was started; the page is page.html\n"
    none = place.terminal("report", "calls.jsonl", "--open", "-o", "page.html", columns=80, env={"PATH": "/none"})
    assert none.code == 0 and "no browser was found, $BROWSER can name one; the page is page.html" in none.err


@pytest.mark.parametrize("words", [("--json",), ("--format", "table"), ("-o", "x.csv")])
def test_another_format_is_no_page(place: Cli, words: tuple[str, ...]) -> None:
    done = place.run("report", "calls.jsonl", "--open", *words)
    assert (done.code, done.out) == (2, "") and "--open shows a page, and none is written" in done.err
    assert not (place.folder / "x.csv").exists()
