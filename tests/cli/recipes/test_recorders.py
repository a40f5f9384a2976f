"""The printed recorders in real servers without streamaudit: what they count, and that they never break a stream."""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.cli.recipes.apps import serve_asgi, serve_node
from tests.cli.running import Cli
from tests.edge.servers import find
from tests.support import Record

EVENT_BYTES = 37
SERVERS = ("uvicorn", "hypercorn", "node")
PAINTED = "request_id=page&rendered_chars=120&rendered_chunks=7&cancelled=true&left_at_ms=900&prompt=CANARY"


@contextmanager
def recording(cli: Cli, server: str, manner: str = "") -> Iterator[tuple[str, Path]]:
    """A server with the printed file, copied as a team does; its address and its folder."""
    folder = cli.folder / server
    folder.mkdir()
    name, file = ("node", "streamaudit-recorder.mjs") if server == "node" else ("asgi", "streamaudit_recorder.py")
    (folder / file).write_text(cli.run("instrument", name).out)
    start: AbstractContextManager[str] = (
        serve_node(folder, find("node"), manner) if server == "node" else serve_asgi(folder, server, manner or "app")
    )
    with start as address:
        yield address, folder


async def read(address: str, kind: str, request_id: str, leaves_after: int | None = None) -> bytes:
    """Read a stream, or so many of its events."""
    taken = b""
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session,
        session.post(f"{address}/{kind}?q=CANARY", headers={"X-Request-Id": request_id}, data=b"CANARY") as response,
    ):  # fmt: skip
        async for part in response.content.iter_any():
            taken += part
            if leaves_after is not None and taken.count(b"\n\n") >= leaves_after:
                break
    return taken


def lines(folder: Path) -> dict[str, Record]:
    """The lines by id; each id has one."""
    found = [json.loads(line) for line in (folder / "delivered.jsonl").read_text().splitlines()]
    assert len({line.get("request_id") for line in found}) == len(found)
    return {line.get("request_id"): line for line in found}


@pytest.mark.parametrize("server", SERVERS)
def test_a_recorder_counts_what_was_handed_over(cli: Cli, server: str) -> None:
    """Events and bytes of what was read and of what was left; no line for what is no stream, and no text in any."""
    async def visit(address: str) -> None:
        kinds = ["chat", "split", "plain", *(["web"] if server == "node" else [])]
        await asyncio.gather(
            *(read(address, kind, kind) for kind in kinds), read(address, "chat", "left", 6),
            *([read(address, "web", "left-web", 6)] if server == "node" else []),
        )  # fmt: skip
        async with aiohttp.ClientSession() as session:
            for query in (PAINTED, "request_id=odd&left_at_ms=" + "9" * 5000, ""):
                async with session.post(f"{address}/streamaudit/rendered?{query}") as response:
                    assert response.status == 204
        await asyncio.sleep(0.2)

    with recording(cli, server) as (address, folder):
        asyncio.run(visit(address))
    text = (folder / "delivered.jsonl").read_text()
    assert "CANARY" not in text and len(max(text.splitlines(), key=len)) < 1000
    found = lines(folder)
    assert "plain" not in found and None not in found
    whole, left, split, page = (found[name] for name in ("chat", "left", "split", "page"))
    assert (whole["delivered_chunks"], whole["bytes"], whole["cancelled"]) == (20, 20 * EVENT_BYTES, False)
    assert left["cancelled"] and 6 <= left["delivered_chunks"] <= 14
    assert 0 <= left["ttfb_ms"] < left["cancelled_at_ms"] <= left["end_ms"]
    assert split["delivered_chunks"] == 2 and split["keepalives"] == 2 and not split.get("cancelled")
    assert page == {"request_id": "page", "rendered_chars": "120", "rendered_chunks": "7", "cancelled": "true",
        "left_at_ms": "900"}  # fmt: skip
    if server == "node":
        assert (found["web"]["delivered_chunks"], found["web"]["cancelled"]) == (20, False)
        assert found["left-web"]["cancelled"] and 6 <= found["left-web"]["delivered_chunks"] <= 14


@pytest.mark.parametrize("server", SERVERS)
def test_a_recorder_that_fails_breaks_no_stream(cli: Cli, server: str) -> None:
    """Its sink throws each time: every stream is whole, and nothing is written."""
    with recording(cli, server, "fragile") as (address, folder):
        whole = asyncio.run(read(address, "chat", "a"))
        asyncio.run(read(address, "chat", "b", 3))
        assert asyncio.run(read(address, "chat", "c")) == whole
    assert len(re.findall(rb"^data:", whole, re.MULTILINE)) == 20
    assert not (folder / "delivered.jsonl").exists()
