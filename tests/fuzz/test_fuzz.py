"""Odd files of fixed seeds; ``make fuzz`` reads others for an hour."""

from pathlib import Path

from tests.fuzz.check import check
from tests.fuzz.files import make_file


def test_odd_files_break_no_promise(tmp_path: Path) -> None:
    """Exit codes, sums, lists, a store that opens and privacy hold; a file is the same on every machine."""
    files = [make_file(seed) for seed in range(5)]
    assert files == [make_file(seed) for seed in range(5)]
    check(files, tmp_path)
