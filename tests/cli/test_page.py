"""The HTML page in a real browser: it renders, obeys its own policy, asks for nothing, and its tables work."""

import csv
import os
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
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
    "tax": ["tax", "--by", "tenant", "--split"],
}
"""What `make test` looks at; the others are proofs."""
ALL = {
    **REPORTS,
    "routes": ["report", "--by", "route,tenant"],
    "days": ["report", "--by", "day"],
    "total": ["report"],
    "ttft": ["ttft", "--by", "model"],
    "ttft-total": ["ttft"],
    "diff": ["diff", "--base-since", "2026-11-16", "--since", "2026-11-19", "--by", "route"],
    "history": ["history", "--by", "day"],
    "audit": ["audit", "--by", "tenant"],
    "weekly": ["--config", "checks.toml", "weekly", "--since", "2026-11-19", "--until", "2026-11-22"],
    "week": ["weekly", "--week", "2026-W47"],
    "check": ["--config", "checks.toml", "check"],
    "coverage": ["coverage"],
    "explain": ["explain", "r68"],
    "reconcile": ["report", "--reconcile", "invoice.csv"],
    "empty": ["report", "--by", "tenant", "--since", "2031-01-01"],
}
LONG = (
    "POST /v1/organizations/{organization_id}/conversations/{conversation_id}/messages:stream",
    "POST /internal/a-service-with-many-dashes/and-some-more/summarize-document", "GET /v1/chat",
    "grpc.package.Service.Method",
)  # fmt: skip
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with a page for each report over names that are hostile or long."""
    return once(tmp_path_factory, "pages", lambda folder: _written(folder, REPORTS))


@pytest.fixture(scope="module")
def all_pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of every kind of report."""
    return once(tmp_path_factory, "all-pages", lambda folder: _written(folder, ALL))


def _written(folder: Path, reports: dict[str, list[str]]) -> Path:
    cli = Cli(folder)
    long = [
        {**one, "request_id": f"long{number}", "tenant_id": "acme", "route": LONG[number % len(LONG)]}
        for number, one in enumerate(awkward())
    ]  # fmt: skip
    write_lines(cli.folder / "calls.jsonl", [*awkward(), *long])
    (cli.folder / "checks.toml").write_text('[thresholds]\ncancel_rate = "<0.01"\nttft_ms = "p(95)<9000"\n')
    (cli.folder / "invoice.csv").write_text("month,provider,cost_usd\n2026-11,OpenAI,2.50\n")
    assert cli.run("ingest", "calls.jsonl", "--db", "store.duckdb", "-q").code == 0
    lines = [[*words, "-q", "--db", "store.duckdb", "-o", f"{name}.html"] for name, words in reports.items()]
    for done in cli.run_each(lines):
        assert (done.code in (0, 1), done.err) == (True, "")
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


def look(browser: Browser, file: Path, width: int, scheme: Scheme) -> None:
    """Hold one page to everything a reader may expect of it."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page, said = visit(context, file.as_uri())
    assert_fits(page, (file.stem, width, scheme), scheme)
    assert said == [file.as_uri()], (file.stem, width, scheme)
    context.close()


def assert_fits(page: Page, at: object, scheme: Scheme) -> None:
    """Check the open page as it is laid out now."""
    assert page.locator("img").count() == 0
    lightness = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0]")
    assert (int(lightness) > 128) == (scheme == "light"), at
    answer = page.locator(".answer").bounding_box()
    assert answer and answer["y"] < 250, at
    found = page.evaluate(MEASURE)
    assert {kind: texts for kind, texts in found.items() if texts} == {}, at


MEASURE = (Path(__file__).parent / "page_measure.js").read_text(encoding="utf-8")
"""What is wrong with a page that is open, by kind; docs/html.md promises that it is nothing."""


def test_a_page_fits_a_phone_a_tablet_and_a_desk(browser: Browser, pages: Path) -> None:
    """Nothing scrolls sideways but a table, whose first column stays; no text is cut, covered, or too pale. Opened
    light and narrow, then widened and darkened; ``make proof`` opens each page anew in every width and scheme."""
    file = pages / "report.html"
    context = browser.new_context(viewport={"width": 390, "height": 900}, color_scheme="light")
    page, said = visit(context, file.as_uri())
    assert_fits(page, 390, "light")
    page.set_viewport_size({"width": 820, "height": 900})
    assert_fits(page, 820, "light")
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 1440, "height": 900})
    assert_fits(page, 1440, "dark")
    assert said == [file.as_uri()]
    context.close()


@pytest.mark.proof
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ALL)
def test_every_page_fits_every_width(browser: Browser, all_pages: Path, name: str, scheme: Scheme) -> None:
    """The same of every kind of report, on small phones and wide desks too."""
    for width in (320, 390, 600, 820, 1024, 1440, 2560):
        look(browser, all_pages / f"{name}.html", width, scheme)


class Outline(HTMLParser):
    """Checks that every element is closed in its order, and collects ids and references."""

    VOID = frozenset(("meta", "input", "br", "wbr", "img", "link", "hr"))

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Check one tag."""
        given = dict(attrs)
        assert len(given) == len(attrs), f"{tag} has an attribute twice"
        if tag not in self.VOID:
            self.open.append(tag)
        self.ids += filter(None, [given.get("id")])
        for name in ("aria-labelledby", "aria-describedby"):
            self.references |= set((given.get(name) or "").split())
        self.addresses += filter(None, (given.get(name) for name in ("src", "href", "xlink:href", "action")))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Check an element that closes itself."""
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        """Check that the innermost element ends."""
        assert self.open.pop() == tag, (tag, self.getpos())


def _assert_valid(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    outline = Outline()
    outline.feed(text)
    outline.close()
    assert text.startswith("<!doctype html>") and outline.open == []
    assert len(set(outline.ids)) == len(outline.ids) and outline.references <= set(outline.ids)
    assert [one for one in outline.addresses if not one.startswith("#")] == []


def test_the_page_is_valid_and_names_no_address(pages: Path) -> None:
    """Elements nest, ids are unique, what refers to one finds it, and nothing is anywhere else."""
    for name in REPORTS:
        _assert_valid(pages / f"{name}.html")


@pytest.mark.proof
def test_every_page_is_valid(all_pages: Path) -> None:
    for name in ALL:
        _assert_valid(all_pages / f"{name}.html")


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
    assert page.locator("figure .large svg").first.is_visible() and page.locator("table").first.is_visible()
    assert not page.locator(".tools").first.is_visible() and not page.locator("#theme").is_visible()
    context.close()


@pytest.mark.proof
def test_paper_gets_a_light_page_without_tools(browser: Browser, pages: Path) -> None:
    """Whatever the screen's colours are: no buttons, the wide charts, and tables that are not cut off at an edge."""
    page = browser.new_page(color_scheme="dark")
    page.goto((pages / "tax.html").as_uri())
    dark = page.evaluate(BACKGROUND)
    page.emulate_media(media="print")
    assert page.evaluate(BACKGROUND) == "rgb(255, 255, 255)" != dark
    assert not page.locator(".tools").first.is_visible() and not page.locator("#theme").is_visible()
    assert page.locator("figure .middle svg").first.is_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('.scroll')).overflow") == "visible"
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.close()
