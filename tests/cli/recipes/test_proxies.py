"""The printed configurations in real servers: what they log of clients that stay and that leave, and what never."""

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import aiohttp
import pytest

from tests.cli.recipes.proxies import serve
from tests.cli.running import Cli
from tests.edge.client import Visit, ask
from tests.edge.upstream import Answer, Upstream
from tests.support import Record

SECRET = "CANARY"
ANSWER = Answer(events=20, first_ms=250, gap_ms=20)
EVENT_BYTES = 100
"""About so many bytes has an event of the upstream."""
CUT: dict[str, Callable[[Record], bool]] = {
    "nginx": lambda line: bool(line["completion"] != "OK"),
    "haproxy": lambda line: bool(line["term"].startswith("C")),
    "envoy": lambda line: "DC" in (line["flags"] or ""),
    "apache": lambda line: bool(line["conn"] == "X"),
}
BYTES = {
    "nginx": "body_bytes_sent", "haproxy": "bytes_to_client", "envoy": "bytes_sent", "apache": "body", "caddy": "size",
}  # fmt: skip


def visits(url: str) -> list[Visit]:
    """Clients that read all, leave in mid-stream, and leave before the first byte."""
    headers = {"Authorization": f"Bearer {SECRET}", "Cookie": f"a={SECRET}", "User-Agent": SECRET,
        "traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}  # fmt: skip
    url = f"{url}?secret={SECRET}"
    return [
        Visit("whole", url, ANSWER, headers=headers),
        Visit("left", url, ANSWER, headers=headers, leaves_after=8),
        Visit("early", url, ANSWER, headers=headers, patience_ms=100),
    ]


async def _run(name: str, recipe: str, folder: Path) -> tuple[list[Record], Sequence[Record]]:
    async with Upstream() as upstream:
        with serve(name, recipe, folder, upstream.port) as proxy:
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
                seen = await asyncio.gather(*(ask(session, visit) for visit in visits(proxy.urls[name])))
            await asyncio.gather(*(account.closed.wait() for account in upstream.accounts.values()))
            accounts = upstream.accounts
    assert set(accounts) == {"whole", "left", "early"}
    return [json.loads(line) for line in proxy.log.read_text().splitlines() if line.startswith("{")], seen


@pytest.mark.parametrize("name", [
    "nginx", "haproxy", *(pytest.param(name, marks=pytest.mark.proof) for name in ("envoy", "apache", "caddy")),
])  # fmt: skip
def test_a_printed_configuration_logs_every_stream(cli: Cli, name: str) -> None:
    """One line of JSON for each, with its id, bytes, and whether the client left; no query, header or text."""
    recipe = cli.run("instrument", name)
    assert (recipe.code, recipe.err) == (0, "")
    lines, _ = asyncio.run(_run(name, recipe.out, cli.folder / name))
    by_id = {_id(name, line): line for line in lines}
    assert len(lines) == 3 and set(by_id) == {"whole", "left", "early"}
    delivered = {key: int(line[BYTES[name]]) for key, line in by_id.items()}
    assert delivered["whole"] > delivered["left"] >= 8 * EVENT_BYTES * 0.8 > delivered["early"]
    assert SECRET not in json.dumps(lines) and "x" * 8 not in json.dumps(lines)
    assert all("ab" * 16 in json.dumps(line) for line in lines)
    if name in CUT:
        assert {key: CUT[name](line) for key, line in by_id.items()} == {"whole": False, "left": True, "early": True}


def _id(name: str, line: Record) -> str:
    return str(line["request"]["headers"]["X-Request-Id"][0] if name == "caddy" else line["request_id"])
