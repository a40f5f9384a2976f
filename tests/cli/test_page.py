"""The HTML page in a real browser: it renders, obeys its own policy, asks for nothing, and its tables work."""

import csv
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.cli.awkward import HOSTILE, awkward
from tests.cli.running import Cli
from tests.cli.traffic import write_lines
from tests.once import once

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
Scheme = Literal["light", "dark"]
BACKGROUND = "getComputedStyle(document.body).backgroundColor"
REPORTS = {
    "report": ["report", "--by", "tenant"],
    "ttft": ["ttft", "--by", "model"],
    "tax": ["tax", "--by", "tenant", "--split"],
    "diff": ["diff", "--base-since", "2026-11-16", "--since", "2026-11-19", "--by", "tenant"],
    "history": ["history", "--by", "day"],
    "audit": ["audit", "--by", "tenant"],
    "weekly": ["weekly", "--since", "2026-11-19", "--until", "2026-11-22"],
}
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with a page for each report over names that are hostile."""
    return once(tmp_path_factory, "pages", _written)


def _written(folder: Path) -> Path:
    cli = Cli(folder)
    write_lines(cli.folder / "calls.jsonl", awkward())
    assert cli.run("ingest", "calls.jsonl", "--db", "store.duckdb", "-q").code == 0
    lines = [[*words, "-q", "--db", "store.duckdb", "-o", f"{name}.html"] for name, words in REPORTS.items()]
    for done in cli.run_each(lines):
        assert (done.code, done.err) == (0, "")
    return cli.folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        reason = "no browser: apt-get install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield found
        found.close()


def visit(context: BrowserContext, address: str) -> tuple[Page, list[str]]:
    """The open page, and all that it said or asked for."""
    said: list[str] = []
    page = context.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.on("request", lambda request: said.append(request.url))
    page.goto(address)
    return page, said


@pytest.mark.parametrize(
    ("scheme", "widths"),
    [
        ("light", (390,)),
        pytest.param("light", (320, 768, 1024, 1440, 2560), marks=pytest.mark.proof),
        pytest.param("dark", (390, 820, 1440), marks=pytest.mark.proof),
    ],
)
def test_every_page_renders_and_asks_for_nothing(
    browser: Browser, pages: Path, scheme: Scheme, widths: tuple[int, ...]
) -> None:
    """No message on the console (a breach of the policy is one), no request but the file, no sideways scrolling."""
    for width in widths:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        for name in REPORTS:
            page, said = visit(context, (pages / f"{name}.html").as_uri())
            assert said == [(pages / f"{name}.html").as_uri()], name
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (name, width)
            place = page.locator(".cards dd, .work h3").first.bounding_box()
            assert place and place["y"] < 700
            assert page.locator("img").count() == 0
            lightness = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0]")
            assert (int(lightness) > 128) == (scheme == "light")
            page.close()
        context.close()


def test_tables_sort_filter_and_download(browser: Browser, pages: Path, tmp_path: Path) -> None:
    """The total stays last; numbers sort as numbers, unknown last; a name that is a formula is none in the file."""
    page = browser.new_page()
    page.goto((pages / "report.html").as_uri())
    section = page.locator("#tables section").first
    calls = section.locator("th[data-n=calls]")
    place = calls.evaluate("head => head.cellIndex")

    def shown() -> list[str]:
        found: list[str] = section.locator(f"tbody tr:visible td:nth-child({place + 1})").all_inner_texts()
        return [text.replace(",", "") for text in found]

    calls.locator("button").click()
    assert calls.get_attribute("aria-sort") == "descending"
    *groups, total = map(int, shown())
    assert groups == sorted(groups, reverse=True) and total == sum(groups)
    calls.locator("button").press("Enter")
    assert list(map(int, shown()))[:-1] == sorted(groups)
    with page.expect_download() as download:
        section.locator(".csv").click()
    download.value.save_as(tmp_path / "page.csv")
    with (tmp_path / "page.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(HOSTILE) + 3
    assert not [row["tenant"] for row in rows if row["tenant"].startswith(("=", "+", "-", "@"))]
    assert sum(int(row["calls"]) for row in rows) == total
    section.locator("input").fill("acme")
    assert len(shown()) == 2
    calls.locator("button").focus()
    assert page.locator("#tip").inner_text()
    page.keyboard.press("Escape")
    assert page.locator("#tip").is_hidden()
    page.close()


def test_without_scripts_all_is_there(browser: Browser, pages: Path) -> None:
    """Charts and tables need none; what would do nothing is not shown."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((pages / "tax.html").as_uri())
    assert page.locator("figure .wide svg").first.is_visible() and page.locator("table").first.is_visible()
    assert not page.locator(".tools").first.is_visible() and not page.locator("#theme").is_visible()
    context.close()


def test_paper_gets_a_light_page_without_tools(browser: Browser, pages: Path) -> None:
    """Whatever the screen's colours are: no buttons, the wide charts, and tables that are not cut off at an edge."""
    page = browser.new_page(color_scheme="dark")
    page.goto((pages / "tax.html").as_uri())
    dark = page.evaluate(BACKGROUND)
    page.emulate_media(media="print")
    assert page.evaluate(BACKGROUND) == "rgb(255, 255, 255)" != dark
    assert not page.locator(".tools").first.is_visible() and not page.locator("#theme").is_visible()
    assert page.locator("figure .wide svg").first.is_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('.scroll')).overflow") == "visible"
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.close()
