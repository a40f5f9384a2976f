"""What goes wrong on the way does not cost a call, nor count one twice: each fault of a vendor's API is a test."""

import logging
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from streamaudit.errors import InputError
from streamaudit.ingest.pull.settings import PullSettings
from streamaudit.store.pulls import read_positions
from streamaudit.store.store import Store
from tests.delivery import servers as hooks
from tests.ingest.pull.pulling import NOW, QUICK, ago, connect, fetch, ids, pull, tally
from tests.ingest.pull.vendors import (
    CANARIES,
    PROMPT,
    Datadog,
    Fault,
    Langfuse,
    Loopback,
    Record,
    observation,
    serve,
    span,
)

COUNT = 40
SINCE = ago(hours=36)
RATE_LIMITED = b'{"message":"Rate limit exceeded","code":"rate_limited"}'


def langfuse(**options: Any) -> Langfuse:
    """Forty calls of five hours in pages of ten, more than a day ago."""
    server = Langfuse([observation(number, ago(hours=30, minutes=7 * number)) for number in range(COUNT)], **options)
    server.most = 10
    return server


def datadog() -> Datadog:
    """The same calls of Datadog."""
    server = Datadog([span(number, ago(hours=30, minutes=7 * number)) for number in range(COUNT)])
    server.most = 10
    return server


@pytest.fixture(params=["langfuse", "datadog"])
def server(request: pytest.FixtureRequest) -> Any:
    """Both vendors."""
    with serve(langfuse() if request.param == "langfuse" else datadog()) as opened:
        yield opened


@pytest.fixture
def one() -> Iterator[Langfuse]:
    """One vendor, where the other has the same code."""
    with serve(langfuse()) as opened:
        assert isinstance(opened, Langfuse)
        yield opened


def everything(store: Store, server: Loopback) -> Any:
    """Pull a day and a half, which must bring every call once."""
    done = pull(store, server, since=SINCE)
    assert done.failure is None, done.failure.message
    tally(done)
    assert len(set(ids(store))) == len(ids(store)) == COUNT
    return done


def names(records: list[Record]) -> list[str]:
    """The ids of what was fetched."""
    return [record["id"] for record in records]


PASSING = {
    "429": [Fault(status=429, body=RATE_LIMITED, headers={"Retry-After": "0"})] * 3,
    "429 with the date of the end": [Fault(status=429, headers={
        "X-RateLimit-Reset": "Sun Nov 29 2026 18:00:00 GMT+0000 (Coordinated Universal Time)"})],
    "429 in seconds until the end": [Fault(status=429, headers={"X-RateLimit-Reset": "0"})],
    "429 in plain text": [Fault(status=429, body=b"429 - rate limit exceeded", headers={"Retry-After": "soon"})],
    "500": [Fault(status=500, body=b'{"message":"Internal Server Error"}')] * 3,
    "503": [Fault(status=503)],
    "502 of a proxy": [Fault(status=502, body=b"<html>Bad Gateway</html>")],
    "slow": [Fault(late_s=0.5)],
    "drop by drop": [Fault(drip_s=0.01)],
    "cut off": [Fault(cut=100)],
    "cut off after the headers": [Fault(cut=0)],
    "half of the JSON": [Fault(body=b'{"data":[{"id":"o1",')],
    "a page of HTML": [Fault(body=b"<!doctype html><title>Sign in</title>")],
    "reset": [Fault(reset=True)],
}  # fmt: skip


@pytest.mark.parametrize("name", PASSING)
def test_a_failure_that_passes_costs_nothing(server: Loopback, name: str) -> None:
    """In the middle of the pages, of which each comes once in the end."""
    server.faults = [None, None, *PASSING[name]]
    quick = PullSettings(timeout_s=0.1, first_wait_s=0.005) if "dr" in name else QUICK
    opened = connect(server, quick)
    records = [record for page in opened.pages((SINCE, NOW)) for record in page.records]
    assert server.faults == []
    assert len({record["id"] for record in records}) == len(records) == COUNT


def test_many_failures_cost_nothing(store: Store, one: Langfuse) -> None:
    """One after the other, and up to the store."""
    one.faults = [Fault(reset=True), Fault(status=500), Fault(cut=9), None, Fault(status=429), None, Fault(late_s=1)]
    everything(store, one)
    assert one.faults == []


def test_the_time_that_a_server_names_is_waited_for(store: Store, one: Langfuse) -> None:
    """And no longer than a pull may last: it ends with what it has, and says how long to wait."""
    one.faults = [None, Fault(status=429, headers={"Retry-After": "1"})]
    begun = time.monotonic()
    records, done = fetch(store, one, SINCE)
    assert (len(records), done.failure) == (COUNT, None) and time.monotonic() - begun >= 1
    one.faults = [None, Fault(status=429, headers={"Retry-After": "3600"})]
    _, done = fetch(store, one, SINCE)
    assert done.failure is not None
    assert done.failure.message == f"{one.host}: too many requests (429), and asks to wait 3,600 s"
    assert done.failure.hint == "run the same command again later: it goes on from here"


def test_a_server_that_keeps_failing_ends_the_pull(store: Store, one: Langfuse) -> None:
    """What came before is stored, the reason too, and the next pull brings the rest."""
    one.faults = [None, None, None, None, *[Fault(status=500)] * 20]
    done = pull(store, one, since=SINCE)
    assert done.failure is not None
    assert done.failure.message == f"{one.host}: answers 500 Internal Server Error"
    assert len(one.faults) == 16, "four attempts"
    assert [each.reason for each in read_positions(store)] == [done.failure.message]
    one.faults = []
    everything(store, one)
    assert [each.reason for each in read_positions(store)] == [None]


@pytest.mark.parametrize("status", [401, 403])
def test_refused_keys_are_named_and_not_shown(status: int) -> None:
    """Before anything is stored; another region is the likely reason."""
    with serve(langfuse()) as server, pytest.raises(InputError) as error:
        assert isinstance(server, Langfuse)
        server.denied = status
        connect(server)
    assert f"({status})" in error.value.message
    with serve(datadog()) as server, pytest.raises(InputError) as other:
        connect(server, secret="wrong")
    assert other.value.message == f"{server.host} refused the keys (403)"
    for one in (error.value, other.value):
        assert not any(secret in f"{one.message} {one.hint}" for secret in CANARIES)


def test_a_window_that_is_too_large_is_split(store: Store, server: Loopback) -> None:
    """Langfuse answers 422, Datadog marks the page; halves of halves are small enough."""
    assert isinstance(server, Langfuse | Datadog)
    server.most_rows = 7
    records, done = fetch(store, server, SINCE)
    assert done.failure is None and done.splits > 3
    assert set(names(records)) == set(names(server.records))


def test_pages_that_are_too_large_become_smaller(store: Store, one: Langfuse) -> None:
    """413 halves the page at once, the window stays."""
    one.faults = [Fault(status=413, body=b"{}"), Fault(status=413, body=b"{}")]
    assert len(fetch(store, one, SINCE)[0]) == COUNT
    assert [each.query["limit"] for each in one.pages()[:4]] == ["1000", "500", "250", "250"]


def test_a_proxy_that_gives_up_is_asked_for_less(store: Store, one: Langfuse) -> None:
    """504 on every attempt at the size of the page."""
    one.faults = [Fault(status=504, body=b"<html>")] * 4
    assert len(fetch(store, one, SINCE)[0]) == COUNT
    assert [each.query["limit"] for each in one.pages()[:5]] == ["1000"] * 4 + ["500"]


def test_a_window_that_stays_too_large_ends_the_pull(store: Store, server: Loopback) -> None:
    """Down to a second and the smallest page; the message names the second."""
    server.faults = [Fault(status=422, body=b"{}")] * 200
    records, done = fetch(store, server, SINCE)
    assert records == [] and done.failure is not None and "even for the second from 20" in done.failure.message
    assert len(server.pages()) < 60


def test_a_repeated_cursor_is_not_followed_in_a_circle(store: Store, server: Loopback) -> None:
    """The window is split, and each half begins without one; a server that never stops ends the pull."""
    def point_back(page: Record) -> Record:
        return {**page, "meta": {"cursor": "WyIiLCIiLCIiXQ==", "page": {"after": "after-0"}}}

    server.faults = [Fault(data=point_back)] * 2
    records, done = fetch(store, server, SINCE)
    assert done.failure is None and set(names(records)) == set(names(server.records))
    server.faults = [Fault(data=point_back)] * 1000
    _, done = fetch(store, server, SINCE)
    assert done.failure is not None and "it repeats a page" in done.failure.message
    assert len(server.pages()) < 200


def test_a_repeated_page_counts_once(store: Store, one: Langfuse) -> None:
    """The same records behind another cursor."""
    first = [observation(number, ago(hours=30, minutes=7 * number)) for number in range(10)]
    one.faults = [None, None, Fault(data=lambda page: {"data": first + page["data"], "meta": page["meta"]})]
    assert tally(everything(store, one))["repeated"] >= 5


def test_a_clock_that_differs_is_the_servers(
    store: Store, one: Langfuse, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows end by the clock of the server, and the user hears of it."""
    monkeypatch.setattr(logging.getLogger("streamaudit"), "propagate", True)
    one.clock = timedelta(days=2)
    one.records.append(observation(900, NOW + timedelta(hours=47)))
    records, _ = fetch(store, one, SINCE)
    assert len(records) == COUNT + 1
    assert f"clock is 48 h behind that of {one.host}" in caplog.text


def test_a_redirect_is_not_followed(store: Store, one: Langfuse) -> None:
    """Only the configured host may see the keys."""
    with serve(langfuse()) as other:
        one.faults = [Fault(status=302, headers={"Location": f"{other.url}/api/public/v2/observations"})]
        _, done = fetch(store, one, SINCE)
        assert other.requests == []
    assert done.failure is not None
    assert done.failure.message == f"{one.host} redirects to another address (302 Found), which is not followed"


def test_a_certificate_that_is_not_trusted_ends_the_pull(monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, and so does a file of certificates that is missing."""
    with hooks.hook(secure=True) as unknown, serve(langfuse()) as server:
        server.url = unknown.url.replace("http://", "https://")
        with pytest.raises(InputError, match="its certificate is not trusted"):
            connect(server)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
        with pytest.raises(InputError, match=r"127\.0\.0\.1:\d+ cannot be asked \(no certificates\)"):
            connect(server)
        assert unknown.requests == []


HOSTILE: list[Any] = [
    7, None, "text", [], {}, {"id": None}, {"id": {"a": 1}, "type": "GENERATION", "startTime": []},
    {"id": "x1", "type": "GENERATION", "startTime": "not a time", "traceId": "t"},
    {"id": "x2", "type": "GENERATION", "startTime": "9999-99-99T00:00:00Z", "traceId": "t", "model": "\x1b[31mred"},
    {"id": "x3", "type": PROMPT * 9, "startTime": "2026-11-20T00:00:00Z", "traceId": "\ud800"},
    {"id": "x4" * 5000, "type": "GENERATION", "startTime": "0001-01-01T00:00:00Z", "usageDetails": {"output": 1e400}},
]


def test_hostile_records_are_counted_and_cost_no_other(store: Store, server: Loopback) -> None:
    """Values of other types, times that are none, half of a surrogate pair, numbers without an end."""
    odd = HOSTILE if isinstance(server, Langfuse) else [
        *HOSTILE[:6], {"attributes": None}, {"attributes": 7}, {"attributes": {"span_kind": [], "start_ns": "x"}},
        {"attributes": {"span_kind": "llm", "span_id": "9", "start_ns": 1e400, "meta": 3}},
    ]  # fmt: skip
    server.faults = [None, Fault(data=lambda page: {**page, "data": [*odd, *page["data"]]})]
    done = pull(store, server, since=SINCE)
    assert done.failure is None
    assert tally(done)["read"] == COUNT + len(odd)
    assert tally(done)["rejected"] >= 5
    assert sum(one.startswith(("o0", "90")) for one in ids(store)) == COUNT
    assert PROMPT not in str(store.query("FROM store.rejects")) + str(store.query("FROM store.calls"))
