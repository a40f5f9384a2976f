"""The documentation is true: its commands run, its output is real, its options exist, its links lead somewhere."""

import gzip
import re
import shutil
from pathlib import Path

import pytest
import typer.main

from streamaudit.cli import app
from streamaudit.render import formats
from tests.cli.running import SAMPLES, Cli, copy_samples
from tests.docs import pages
from tests.docs.pages import ROOT

GROUP = typer.main.get_group(app)
PAGES = pages.pages()
if not PAGES:
    pytest.skip("there is no documentation beside these tests", allow_module_level=True)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """A folder with the files that the documentation names, and a filled store in its usual place."""
    cli = Cli(tmp_path_factory.mktemp("reader"))
    files = copy_samples(cli.folder / "sample_traces")
    copy_samples(cli.folder / "exports")
    for file in files:
        (cli.folder / file.name.removesuffix(".gz")).write_bytes(gzip.decompress(file.read_bytes()))
    export = cli.folder / "langfuse_observations.jsonl"
    shutil.copy(export, cli.folder / "traces.jsonl")
    shutil.copy(SAMPLES / "langfuse_observations.jsonl.gz", cli.folder / "traces.jsonl.gz")
    (cli.folder / "invoice.csv").write_text("month,provider,cost_usd\n2026-11,OpenAI,2.50\n")
    assert cli.run("ingest", *files, "-q").code == 0
    return cli


@pytest.mark.parametrize("page", PAGES, ids=pages.name)
def test_every_command_on_a_page_runs(reader: Cli, page: Path) -> None:
    """Each streamaudit command of a page succeeds, one after the other, and prints the lines the page shows."""
    for command in pages.commands(page):
        done = reader.shell(command.line)
        assert done.code == 0, f"{command.line}\n{done.err}"
        printed = [line.rstrip() for line in (done.out + done.err).splitlines()]
        for line in command.shown:
            if not set(line) <= set("-─ .…"):
                assert any(real.startswith(line) for real in printed), f"{command.line} does not print\n{line}"


def test_the_readme_has_commands_to_try() -> None:
    """The page everyone sees first shows at least a report and an ingest."""
    lines = [command.line for command in pages.commands(ROOT / "README.md")]
    assert any(line.startswith("streamaudit report ") for line in lines)
    assert any(line.startswith("streamaudit ingest ") for line in lines)


def test_every_command_is_documented() -> None:
    """No command exists that only --help knows."""
    text = "\n".join(page.read_text() for page in PAGES)
    assert [name for name in GROUP.commands if f"streamaudit {name}" not in text] == []


def _options() -> set[str]:
    program = {spelling for parameter in GROUP.params for spelling in parameter.opts}
    own = {spelling for one in GROUP.commands.values() for parameter in one.params for spelling in parameter.opts}
    return program | own | {"--help", "-h"}


@pytest.mark.parametrize("page", PAGES, ids=pages.name)
def test_every_option_on_a_page_exists(page: Path) -> None:
    """What a page calls an option of streamaudit is one, so that none outlives its removal."""
    code = re.findall(r"`([^`\n]+)`", pages.prose(page))
    mine = [text for text in code if text.startswith(("-", "streamaudit "))]
    named = {word for text in mine for word in re.findall(r"(?:^|\s)(--[a-z][a-z-]+|-[a-z])\b", text)}
    assert sorted(named - _options()) == []


@pytest.mark.parametrize("name", sorted(GROUP.commands))
def test_every_option_is_in_the_help_of_its_command(reader: Cli, name: str) -> None:
    """Nothing is hidden from the person who asks."""
    text = reader.run(name, "--help").out
    for parameter in GROUP.commands[name].params:
        assert all(spelling in text for spelling in parameter.opts if spelling.startswith("-")), parameter.name


def test_every_format_is_documented() -> None:
    """A format that --format takes is named in the README."""
    text = (ROOT / "README.md").read_text()
    assert [form for form in formats() if form not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=pages.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """Links within the repository name files that exist and headings that are there."""
    for target in pages.links(page):
        path, _, fragment = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{pages.name(page)} links to {target}"
        if fragment and file.suffix == ".md":
            assert fragment in pages.anchors(file), f"{pages.name(page)} links to {target}"
