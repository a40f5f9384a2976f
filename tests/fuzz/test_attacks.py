"""A few attacks of each kind by fixed seeds; ``make fuzz`` makes others for an hour."""

from pathlib import Path

import pytest

from tests.fuzz import canaries, disks, escapes, kills


def test_sql_reaches_no_other_file(tmp_path: Path) -> None:
    for seed in range(1, 5):
        folder = tmp_path / str(seed)
        folder.mkdir()
        escapes.check(seed, folder)


def test_a_planted_text_stays_in_its_file(tmp_path: Path) -> None:
    canaries.check(7, tmp_path)


def test_a_killed_command_leaves_the_store_before_or_after_it(tmp_path: Path) -> None:
    kills.check(3, tmp_path)


@pytest.mark.proof
def test_a_post_that_is_killed_is_not_posted_twice(tmp_path: Path) -> None:
    """Between the message and its record: the second run says that nobody knows whether it arrived."""
    kills.check(73, tmp_path)


def test_a_full_disk_leaves_the_store_before_or_after_a_command(tmp_path: Path) -> None:
    disks.check(2, tmp_path)
