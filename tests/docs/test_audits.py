"""The pages of the audits are what the audits say, and what they found where nothing is wrong is measured."""

import re

import pytest

from streamaudit.audits.failures.base import Audit, discover
from tests.docs import audits, pages
from tests.docs.false_alarms import FLEETS, PUBLIC, kept, measure, public_files

if not audits.PAGES.is_dir():
    pytest.skip("there is no documentation beside these tests", allow_module_level=True)


def test_the_index_is_what_the_audits_say() -> None:
    """Regenerating it changes nothing: ``python -m tests.docs.audits > docs/audits.md``."""
    assert (audits.PAGES.parent / "audits.md").read_text("utf-8") == audits.index()


@pytest.mark.parametrize("audit", discover().values(), ids=lambda audit: audit.NAME)
def test_every_audit_has_its_page(audit: Audit) -> None:
    """The same command writes it; what stands outside its marks is not empty."""
    path = audits.page_of(audit)
    assert path.is_file(), f"python -m tests.docs.audits writes {path.name}"
    text = path.read_text("utf-8")
    assert text == audits.page(audit)
    assert re.search(r"^## What it cannot see\n\n\S", text, re.MULTILINE)


def test_no_page_outlives_its_audit() -> None:
    """And no symptom leads to a finding that no audit has."""
    assert sorted(path.stem for path in audits.PAGES.glob("*.md")) == sorted(discover())
    codes = {code for audit in discover().values() for code in audit.KINDS}
    named = {
        code for _, names, apart in audits.SYMPTOMS if any(name in discover() for name in names)
        for code in re.findall(r"`([a-z_]+)`", apart)
    }  # fmt: skip
    assert named <= codes


def test_every_symptom_is_explained_by_an_audit() -> None:
    """A row of the map leads somewhere as soon as one of its audits is there, and every audit is in the map."""
    named = {name for _, names, _ in audits.SYMPTOMS for name in names}
    assert set(discover()) <= named


def test_pictures_fit_the_screen() -> None:
    """A timeline that wraps is none."""
    for path in audits.PAGES.glob("*.md"):
        for picture in pages.blocks(path, "text"):
            assert max(map(len, picture.splitlines())) <= 120, path.name


def test_the_fleets_of_the_demo_raise_no_alarm() -> None:
    """What the pages print of them is measured: ``python -m tests.docs.false_alarms``, then the pages."""
    found = measure(FLEETS)
    assert {name: one["alarms"] for name, one in found["audits"].items() if one["alarms"]} == {}
    assert found == kept()["demo"]


@pytest.mark.proof
def test_public_files_raise_no_alarm() -> None:
    """So is what they print of public files, which are not part of the project."""
    if not PUBLIC.is_dir():
        pytest.skip(f"the public files are not there: {PUBLIC}")
    found = measure(public_files())
    assert {name: one["alarms"] for name, one in found["audits"].items() if one["alarms"]} == {}
    assert found == kept()["public"]
