"""Every server that is discovered: its lines are recognised, come out as one row each, and prove what they prove."""

import gzip
from pathlib import Path

import pytest

from streamaudit.ingest.edge.registry import COLUMNS, discover
from streamaudit.ingest.edge_log import find_log, server_of, stage_log
from streamaudit.ingest.readers.reader import Reader
from streamaudit.store.store import Store
from tests.ingest.edge.lines import SAMPLES, Sample
from tests.support import Record

SERVERS = sorted(discover())


def read(store: Store, path: Path) -> list[Record]:
    """The evidence in one log, in the order of its lines."""
    with Reader() as reader:
        file = reader.open(str(path), find_log)
        server = server_of(file)
        assert server is not None, path
        assert isinstance(stage_log(store, file, server, None), tuple)
    return store.records("SELECT * FROM arriving_evidence")


def write(path: Path, samples: list[Sample]) -> Path:
    path.write_text("".join(f"{one.line}\n" for one in samples))
    return path


def test_every_server_has_lines_to_be_tested_with() -> None:
    assert sorted(SAMPLES) == SERVERS


@pytest.mark.parametrize("name", SERVERS)
def test_each_line_proves_what_it_proves(store: Store, tmp_path: Path, name: str) -> None:
    samples = SAMPLES[name]
    rows = read(store, write(tmp_path / "access.log", samples))
    assert len(rows) == len(samples)
    for sample, row in zip(samples, rows, strict=True):
        assert row["server"] == name
        assert row["reason"] == sample.reason, sample.line
        assert {field: row[field] for field in sample.says} == pytest.approx(sample.says), sample.line


@pytest.mark.parametrize("name", SERVERS)
def test_a_log_is_recognised_as_that_of_one_server(name: str) -> None:
    """Whatever file a line is in: no two servers claim the same one."""
    from streamaudit.ingest.edge_log import _line

    for sample in SAMPLES[name]:
        claims = [server.name for server in discover().values() if server.recognise(_line(sample.line.strip("\0")))]
        assert claims in ([name], []), sample.line
        assert claims or sample.reason, sample.line


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_has_words_for_what_it_does(name: str) -> None:
    server = discover()[name]
    assert server.name == name and server.words and server.version >= 1
    assert server.late_chunks is None or 0 <= server.late_chunks <= 8
    assert set(COLUMNS) >= {"is_line", "cancelled"}


def test_a_rotated_and_packed_log_reads_as_it_was(store: Store, tmp_path: Path) -> None:
    plain = read(store, write(tmp_path / "access.log.1", SAMPLES["nginx"]))
    packed = tmp_path / "access.log.2.gz"
    packed.write_bytes(gzip.compress((tmp_path / "access.log.1").read_bytes()))
    assert read(store, packed) == plain


def test_bytes_of_a_url_that_are_no_utf8_cost_no_line(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    line = SAMPLES["nginx"][0].line.encode().replace(b"/v1/chat", b"/v1/\xff\xfe\xe9")
    path.write_bytes(b"\n" + line + b"\r\n\r\n" + line.replace(b'"a"', b'"b"'))
    assert [row["key"] for row in read(store, path)] == ["a", "b"]
