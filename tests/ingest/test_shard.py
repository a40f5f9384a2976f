"""Which files a shard takes: every file one shard, the same on every machine."""

import unicodedata
from pathlib import Path

import pytest

from streamaudit.errors import UsageError
from streamaudit.ingest.readers.reader import expand
from streamaudit.ingest.shard import parse_shard
from streamaudit.ingest.watch import Watch


def files(root: Path, *names: str) -> Path:
    """Empty files below a folder."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def below(root: Path, paths: list[str], of: int) -> list[set[str]]:
    """The files of each shard, by their path below a folder."""
    shards = [parse_shard(f"{number}/{of}", paths).choose(expand(paths)) for number in range(1, of + 1)]
    return [{str(Path(name).relative_to(root)) for name in shard} for shard in shards]


NAMES = [f"{day}/part-{number}.jsonl" for day in ("mon", "tue") for number in range(50)]


def test_every_file_belongs_to_exactly_one_shard(tmp_path: Path) -> None:
    """And none of eight shards of a hundred files is empty."""
    files(tmp_path, *NAMES)
    shards = below(tmp_path, [str(tmp_path)], 8)
    assert sorted(name for shard in shards for name in shard) == sorted(NAMES)
    assert all(shards)


def test_a_folder_in_another_place_and_a_glob_give_the_same_shards(tmp_path: Path) -> None:
    """The name of a file is its path below the folder, or below the fixed part of the glob."""
    here, there = files(tmp_path / "here", *NAMES), files(tmp_path / "there" / "mounted", *NAMES)
    expected = below(here, [str(here)], 4)
    assert below(there, [str(there)], 4) == expected
    assert below(there, [f"{there}/*/*.jsonl"], 4) == expected
    assert below(there, [f"{there}/**/*.jsonl"], 4) == expected


def test_the_shard_of_a_name_never_changes(tmp_path: Path) -> None:
    """A machine with a later version would otherwise leave files to nobody."""
    root = files(tmp_path, *NAMES[:4])
    assert below(root, [str(root)], 2) == [
        {"mon/part-0.jsonl", "mon/part-2.jsonl"}, {"mon/part-1.jsonl", "mon/part-3.jsonl"},
    ]  # fmt: skip


def test_two_ways_to_write_an_accent_are_one_name(tmp_path: Path) -> None:
    """One file system keeps an accent apart from its letter."""
    names = [unicodedata.normalize(form, "caf\u00e9.jsonl") for form in ("NFC", "NFD")]
    for number in range(1, 6):
        shard = parse_shard(f"{number}/5", [str(tmp_path)])
        assert len({bool(shard.choose([str(tmp_path / name)])) for name in names}) == 1


def test_an_address_is_known_without_its_signature() -> None:
    """Every machine may have one of its own."""
    shards = [parse_shard(f"{number}/64", ["https://x/"]) for number in range(1, 65)]
    chosen = [
        [shard.number for shard in shards if shard.choose([f"https://x/a.jsonl?sig={one}"])] for one in ("1", "2")
    ]
    assert chosen[0] == chosen[1] and len(chosen[0]) == 1


def test_paths_that_are_followed_yield_the_files_of_the_shard(tmp_path: Path) -> None:
    """At every look."""
    for name in NAMES[:4]:
        (files(tmp_path, name) / name).write_text("x")
    shard = parse_shard("1/2", [str(tmp_path)])
    due = next(Watch([str(tmp_path)], 0.01, shard).poll())
    assert {Path(name).name for name in due} == {"part-0.jsonl", "part-2.jsonl"}


@pytest.mark.parametrize("text", ["0/8", "9/8", "1", "1/0", "-1/8", "a/b", "1/8/2", ""])
def test_a_shard_that_is_none_is_refused(text: str) -> None:
    """With an example of one that is."""
    with pytest.raises(UsageError, match="expected a shard"):
        parse_shard(text, ["x"])
