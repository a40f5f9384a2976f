"""Inputs of unknown length: standard input and servers that send no end, nothing, or something else."""

import gzip
import io
import json
import shutil
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from streamaudit.errors import InputError, StoreError
from streamaudit.ingest.claim import claim
from streamaudit.ingest.readers import remote, temporary
from streamaudit.ingest.readers.files import Refused
from streamaudit.ingest.readers.reader import Beginning, Reader
from streamaudit.ingest.readers.temporary import spool
from streamaudit.ingest.sources.registry import NO_MAPPING
from tests.support import raw_call

LINE = json.dumps(raw_call("a")).encode() + b"\n"
HEADER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"


class Endless(io.RawIOBase):
    """Lines without an end."""

    def __init__(self, line: bytes) -> None:
        self._piece = line * (1 << 12)
        self.given = 0

    def read(self, size: int = -1) -> bytes:
        """Return some lines."""
        self.given += len(self._piece)
        return self._piece


def test_an_endless_input_ends_at_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be records, but a disk is finite."""
    monkeypatch.setattr(temporary, "MOST_BYTES", 8 << 20)
    with pytest.raises(InputError, match="no end"):
        spool(cast(BinaryIO, Endless(LINE)), tmp_path / "copy", Beginning("-"))


def test_a_copy_leaves_room_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stops before the disk is full, and says so."""
    free = shutil.disk_usage(tmp_path).free
    monkeypatch.setattr(temporary, "_ROOM_BYTES", 2 * free)
    with pytest.raises(StoreError, match="nearly full"):
        spool(cast(BinaryIO, Endless(LINE)), tmp_path / "copy", Beginning("-"))


@pytest.mark.parametrize("data", [b"y\n", b"<!doctype html><p>sign in</p>\n", bytes(range(256))])
def test_what_holds_no_records_is_not_copied(data: bytes, tmp_path: Path) -> None:
    """The first megabyte shows it."""
    source = Endless(data)
    with pytest.raises(Refused):
        spool(cast(BinaryIO, source), tmp_path / "copy", Beginning("-"))
    assert not (tmp_path / "copy").exists() and source.given < 4 << 20


RECORDS: dict[str, Callable[[], bytes]] = {
    "a line": lambda: LINE,
    "lines": lambda: LINE * 20_000,
    "packed": lambda: gzip.compress(LINE * 500_000, 1),
    "an array": lambda: b"[" + LINE,
    "a table": lambda: b"a,b\n1,2\n",
    "nothing": lambda: b"",
    "a long line": lambda: b'{"long":"' + b"x" * (3 << 20) + b'"}\n',
}


@pytest.mark.parametrize("name", RECORDS)
def test_what_may_hold_records_is_copied(name: str, tmp_path: Path) -> None:
    """Whole, packed or not, however long its first record is."""
    data = RECORDS[name]()
    spool(io.BytesIO(data), tmp_path / "copy", Beginning("-"))
    assert (tmp_path / "copy").read_bytes() == data


NO_CALLS = json.dumps({"level": "info", "message": "x" * 200}).encode() + b"\n"


@pytest.mark.parametrize("line", [NO_CALLS, b"level,message\n" + b"info,x\n" * 100, NO_CALLS[:-1] + b","])
def test_records_that_are_no_calls_end_the_copy(line: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As soon as as much was copied as is looked at of a file; a call among the first records lets it go on."""
    monkeypatch.setattr(temporary, "LONG_BYTES", 4 << 20)
    monkeypatch.setattr(temporary, "MOST_BYTES", 16 << 20)
    check = partial(claim, mapping=NO_MAPPING)
    begin = b"[" if line.endswith(b",") else b""
    source = Endless(begin + line)
    with pytest.raises(InputError, match="but of no known format"):
        spool(cast(BinaryIO, source), tmp_path / "copy", Beginning("-", check=check))
    assert source.given < 8 << 20 and not (tmp_path / "copy").exists()
    if line is NO_CALLS:
        with pytest.raises(InputError, match="no end"):
            spool(cast(BinaryIO, Endless(line * 50 + LINE)), tmp_path / "copy", Beginning("-", check=check))


@pytest.fixture
def server() -> Iterator[Any]:
    """A function that starts a web server with one way to answer, and returns its address."""
    stop = threading.Event()
    listening = socket.create_server(("127.0.0.1", 0))

    def serve(answer: Any) -> str:
        def run() -> None:
            while not stop.is_set():
                try:
                    client, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=_answer, args=(client, answer, stop), daemon=True).start()

        threading.Thread(target=run, daemon=True).start()
        return f"http://127.0.0.1:{listening.getsockname()[1]}/calls.jsonl"

    yield serve
    stop.set()
    listening.close()


def _answer(client: socket.socket, answer: Any, stop: threading.Event) -> None:
    try:
        client.recv(1 << 16)
        answer(client, stop)
        client.close()
    except OSError:
        pass  # the other side has left


def _fall_silent(client: socket.socket, stop: threading.Event) -> None:
    client.sendall(HEADER + LINE)
    stop.wait(60)


def _send_for_ever(client: socket.socket, stop: threading.Event) -> None:
    client.sendall(HEADER)
    while not stop.is_set():
        client.sendall(b"y\n" * 10_000)


def test_a_server_that_falls_silent_is_given_up(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the idle time, in words."""
    monkeypatch.setattr(remote, "IDLE_S", 0.3)
    with Reader() as reader, pytest.raises(InputError, match="cannot read http"):
        reader.open(server(_fall_silent))


def _send_packed_for_ever(client: socket.socket, stop: threading.Event) -> None:
    client.sendall(HEADER.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n"))
    packing = zlib.compressobj(wbits=31)
    while not stop.is_set():
        client.sendall(packing.compress(b"y\n" * 100_000) + packing.flush(zlib.Z_SYNC_FLUSH))


@pytest.mark.parametrize("answer", [_send_for_ever, _send_packed_for_ever])
def test_a_body_without_an_end_is_refused_by_its_beginning(answer: Any, server: Any) -> None:
    """Also where it is unpacked as it arrives. Nothing of it stays on the disk."""
    with Reader() as reader:
        with pytest.raises(Refused):
            reader.open(server(answer))
        assert not list(reader.folder.iterdir())
