"""The recipes work: what a page shows is put into a copy of the package and used as its reader would."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

import streamaudit
from tests.cli.running import PATIENCE_S, copy_samples
from tests.docs import pages
from tests.sampling import keep

RECIPES = pages.ROOT / "docs" / "recipes"
if not RECIPES.is_dir():
    pytest.skip("there is no documentation beside these tests", allow_module_level=True)

LOOK = '    "Look": {\n'


@dataclass(frozen=True)
class Recipe:
    """Where the blocks of a page go: Python into the package, in order, and a sample beside it."""

    page: str
    modules: tuple[str, ...]
    sample: str | None = None
    command: str | None = None


RUNS = (
    Recipe("add-a-source.md", ("ingest/sources/gatewaylog.py",), sample="gateway.jsonl"),
    Recipe("add-an-audit.md", ("audits/prompts.py", "cli/commands/prompts.py"), command="prompts"),
    Recipe("add-a-format.md", ("report/render/tsv.py",)),
)


def test_every_recipe_is_followed() -> None:
    """A new page of the folder needs its place here."""
    assert {recipe.page for recipe in RUNS} == {page.name for page in RECIPES.glob("*.md")}


@pytest.mark.parametrize("recipe", keep(RUNS, RUNS[-1:]), ids=lambda recipe: recipe.page)
def test_a_recipe_gives_what_it_says(recipe: Recipe, tmp_path: Path) -> None:
    """Its modules pass the linter, and its commands run and print the lines that the page shows under them."""
    page = RECIPES / recipe.page
    package = tmp_path / "streamaudit"
    shutil.copytree(Path(streamaudit.__file__).parent, package)  # with its bytecode, which saves compiling it again
    blocks = list(pages.blocks(page, "python"))
    files = [package / module for module in recipe.modules]
    for file, text in zip(files, blocks, strict=True):
        assert not file.exists()
        file.write_text(text)
    if recipe.sample:
        (tmp_path / recipe.sample).write_text("".join(pages.blocks(page, "json")))
    if recipe.command:
        tasks = package / "cli" / "help_pages.py"
        assert tasks.read_text().count(LOOK) == 1
        tasks.write_text(tasks.read_text().replace(LOOK, f'{LOOK}        "{recipe.command}": "Show something",\n'))
    shutil.copy(pages.ROOT / "pyproject.toml", tmp_path)
    linted = _run([sys.executable, "-m", "ruff", "check", "--no-cache", *map(str, files)], tmp_path)
    assert linted.returncode == 0, linted.stdout
    copy_samples(tmp_path / "sample_traces")
    commands = list(pages.commands(page, marked=True))
    assert commands
    for command in commands:
        done = _run(["bash", "-c", command.line.replace("streamaudit", '"$PYTHON" -m streamaudit', 1)], tmp_path)
        assert done.returncode == 0, f"{command.line}\n{done.stderr}"
        printed = (done.stdout + done.stderr).splitlines()
        for line in command.shown:
            assert any(real.startswith(line) for real in printed), f"{command.line} does not print {line!r}"


def _run(command: Sequence[str], folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run in a folder whose ``streamaudit`` is the one that is imported, with that folder as home."""
    env = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", "PYTHON": sys.executable,
        "PYTHONPATH": str(folder),
    }  # fmt: skip
    return subprocess.run(
        command, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S,
        check=False,
    )  # fmt: skip
