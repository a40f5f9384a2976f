"""Fixtures: a letter full of hostile names, servers, targets, and a store with its ledger."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from apprise.plugins.discord import NotifyDiscord
from apprise.plugins.slack import NotifySlack

from streamaudit.delivery.ledger import Ledger, Subject
from streamaudit.delivery.message import Letter
from streamaudit.delivery.settings import PostSettings
from streamaudit.report.model import Column, Interval, Report, Table
from streamaudit.report.render._message import Post
from streamaudit.store.store import Store
from tests.delivery import servers

TOKENS = ("T1JJ3T3L2", "A1BRTD4JD", "TIiajkdnlazkcOXrIdevi7")
QUICK = PostSettings(attempts=4, first_wait_s=0.01, give_up_after_s=5, timeout_s=2)
"""Waits that are no wait."""
HOSTILE = (
    "<!channel>", "<@U123>", "<!here|x>", "@everyone", "@here", "<at>Ann</at>", "[free](https://evil.example/x)",
    "https://evil.example/?a=1&b=2", "www.evil.example", "mailto:a@evil.example", "a\nBcc: x@evil.example",
    "\x1b[31mred\x1b[0m", "\u202egnp.exe", "*bold* _it_ `code` ~no~ ||spoiler||", "# head", "<script>alert(1)</script>",
    "R&D", "&lt;", "'\"\\",
)  # fmt: skip


@pytest.fixture
def letter() -> Letter:
    """A report whose tenants have the worst names, as it is and as a message."""
    columns = (Column("tenant"), Column("calls", "calls"))
    table = Table("by_tenant", columns, tuple((name, 1) for name in HOSTILE), ("tenant",))
    report = Report("streamaudit weekly", Interval(None, None), (table,), ("tenant",), {"where": "ttft_ms < 5"})
    lines = "\n".join(f"▲ {name.encode('unicode_escape').decode()}: tax ≥ $41" for name in HOSTILE)
    sections = ("Cancellation tax 12.2 M tokens, ≥ $74 (+38 %)", lines)
    return Letter(Post("streamaudit · week 47 <!here>", sections, "more", False), report)


@pytest.fixture
def with_link(letter: Letter) -> Letter:
    """The same with an address of the whole report."""
    url = "https://reports.example/w?a=1&b=2"
    return replace(letter, report_url=url, post=replace(letter.post, footer=f"all of it: {url}"))


@pytest.fixture
def hook() -> Iterator[servers.Hook]:
    with servers.hook() as server:
        yield server


@pytest.fixture
def mailbox() -> Iterator[servers.Mailbox]:
    with servers.mailbox() as server:
        yield server


@pytest.fixture
def redirected(hook: servers.Hook, monkeypatch: pytest.MonkeyPatch) -> servers.Hook:
    """Slack and Discord are the server on loopback; nothing else of either is changed."""
    monkeypatch.setattr(NotifySlack, "webhook_url", f"{hook.url}/services")
    monkeypatch.setattr(NotifyDiscord, "notify_url", f"{hook.url}/api/webhooks")
    return hook


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """An empty store."""
    Store.open(tmp_path / "store.duckdb", write=True).close()
    return tmp_path / "store.duckdb"


@pytest.fixture
def ledger(store: Path) -> Callable[..., Ledger]:
    """The ledger of a store for a period."""

    def of(period: str = "2026-W47", content: str = "same", wait_s: float = 0.0) -> Ledger:
        return Ledger(
            lambda least: Store.open(store, write=True, create=False, wait_s=max(wait_s, least)),
            Subject(period, "config", content),
        )

    return of
