"""Runs of the laboratory: many clients at once, through real proxies, to one upstream, and what the audits find in what
was logged of them."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp

from streamaudit.audits.failures.report import run
from streamaudit.audits.scope.scope import Scope
from streamaudit.ingest.evidence import join
from streamaudit.ingest.readers.reader import Reader
from streamaudit.store.store import Store
from tests.edge.client import Visit, ask
from tests.edge.servers import Proxy, haproxy, nginx
from tests.edge.upstream import Account, Answer, Upstream
from tests.support import Record, store_of, write_lines

ALARMS = ("critical", "warning")
Urls = dict[str, str]


@dataclass(frozen=True, slots=True)
class Logged:
    """What was logged of some visits: the client's lines, the upstream's accounts by request id, and the files that the
    proxies wrote."""

    lines: list[Record]
    accounts: dict[str, Account]
    proxy_logs: list[Path]

    def with_server_offsets(self) -> list[Record]:
        """The lines with the upstream's times of the same chunks, as an application joins both by the request's id."""
        return [
            {**line, "chunk_offsets_ms": [round(at, 3) for at in self.accounts[line["request_id"]].offsets_ms]}
            for line in self.lines
        ]


@dataclass(frozen=True, slots=True)
class Found:
    """Findings by route and code, with their evidence and the calls they affect, and the status of each audit."""

    findings: dict[tuple[str, str], Record]
    status: dict[str, str]

    def alarms(self, route: str, *audits: str) -> list[str]:
        """The codes of the alarms that are raised for one route, by these audits or by any."""
        return [
            code for (where, code), row in self.findings.items()
            if where == route and row["severity"] in ALARMS and (not audits or row["audit"] in audits)
        ]  # fmt: skip


def happen(
    folder: Path, visits: Callable[[Urls], Sequence[Sequence[Visit]]], *,
    through_nginx: dict[str, str] | None = None, through_haproxy: dict[str, tuple[str, str]] | None = None,
) -> Logged:  # fmt: skip
    """Run the visits that ``visits`` makes of the addresses by way. Visits of one sequence follow each other, and the
    sequences run at once."""
    with ExitStack() as running:
        return asyncio.run(_happen(folder, running, visits, through_nginx or {}, through_haproxy or {}))


async def _happen(
    folder: Path, running: ExitStack, visits: Callable[[Urls], Sequence[Sequence[Visit]]], of_nginx: dict[str, str],
    of_haproxy: dict[str, tuple[str, str]],
) -> Logged:  # fmt: skip
    async with Upstream() as upstream:
        proxies: list[Proxy] = []
        if of_nginx:
            proxies.append(running.enter_context(nginx(folder / "nginx", upstream.port, of_nginx)))
        if of_haproxy:
            proxies.append(running.enter_context(haproxy(folder / "haproxy", upstream.port, of_haproxy)))
        urls = {"direct": f"http://127.0.0.1:{upstream.port}/chat"}
        for proxy in proxies:
            urls |= proxy.urls
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        async with aiohttp.ClientSession(connector=connector) as session:
            done = await asyncio.gather(*(_follow(session, each) for each in visits(urls)))
        # What is still under way is a generation that outlives its client, or a proxy that has not noticed.
        for generation in upstream.generations:
            await generation.over()
        await asyncio.gather(*(account.closed.wait() for account in upstream.accounts.values()))
        running.close()
        lines = [line for each in done for line in each]
        return Logged(lines, upstream.accounts, [proxy.log for proxy in proxies])


async def _follow(session: aiohttp.ClientSession, visits: Sequence[Visit]) -> list[Record]:
    return [await ask(session, visit) for visit in visits]


def streams(way: str, url: str, count: int, answer: Answer, /, **manner: object) -> list[list[Visit]]:
    """Visits to one way, all at once; the route that they are logged under is the way's name."""
    visit = Visit("", url, answer, route=way, **manner)  # type: ignore[arg-type]
    return [[replace(visit, request_id=f"{way}-{number}")] for number in range(count)]


def judge(folder: Path, lines: Sequence[Record], *logs: Path) -> Found:
    """Read the client's lines and join the logs of other observers by the request's id, then run every audit."""
    with store_of(write_lines(folder / "client.jsonl", lines)) as store:
        for log in logs:
            _join(store, log)
        report = run(store, Scope())
    rows = report.tables[0].records()
    status = {str(row["audit"]): str(row["status"]) for row in report.tables[1].records()}
    return Found({(str(row["route"]), str(row["finding"])): dict(row) for row in rows}, status)


def _join(store: Store, log: Path) -> None:
    copy = log.with_suffix(".jsonl")
    if copy != log:
        copy.write_bytes(log.read_bytes())
    with Reader() as reader:
        joined = join(store, reader, str(copy), "request_id")
    assert joined.problem is None and joined.matched > 0, joined
