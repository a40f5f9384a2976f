"""The audits of streaming failures against real servers: what a proxy does to a stream is found in what the client
logged and, where another observer's log can be joined, in both; the twin with the remedy is left alone.

One pair of twins runs in ``make test``, all of them in ``make proof``.
"""


from dataclasses import replace
from pathlib import Path

import pytest

from tests.edge.client import Visit
from tests.edge.lab import Urls, happen, judge, streams
from tests.edge.servers import find
from tests.edge.upstream import Answer
from tests.support import Record, write_lines

COUNT = 24
MOST = 18
"""Of these; a busy machine may keep the end of a stream or a ping waiting now and then."""
OLD = "proxy_http_version 1.0;"
HOLDS = "proxy_buffering on;"
GZIP = "gzip on; gzip_types text/event-stream; gzip_min_length 1;"
SHORT = Answer(events=36, first_ms=150, gap_ms=35)
"""Less than 4 KiB, so that a buffer lets go of it at its end only."""
LONG = Answer(events=240, first_ms=200, gap_ms=8, pause_every=50, pause_ms=400)
"""Six blocks of 4 KiB at a pace that varies."""


def visits(ways: dict[str, Answer], urls: Urls, **manner: object) -> list[list[Visit]]:
    """Some clients on each way, all at once."""
    return [each for way, answer in ways.items() for each in streams(way, urls[way], COUNT, answer, **manner)]


def test_a_proxy_that_buffers_is_found_and_its_twin_is_not(tmp_path: Path) -> None:
    """nginx with HTTP/1.0 to its upstream holds a stream until its end; ``proxy_buffering off`` does not."""
    answers = dict.fromkeys(("held", "passed"), SHORT)
    logged = happen(
        tmp_path, lambda urls: visits(answers, urls), through_nginx={"held": OLD + HOLDS, "passed": OLD},
    )  # fmt: skip
    client = judge(tmp_path, logged.lines)
    assert client.findings["held", "burst"]["affected_calls"] >= MOST
    assert client.alarms("passed") == []
    both = judge(tmp_path, logged.with_server_offsets())
    assert both.findings["held", "buffered"]["affected_calls"] >= MOST
    assert both.alarms("passed") == []


def test_a_server_that_is_not_installed_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skipped with the command that installs it; a failure in the public workflow, which installs it."""
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no absent-proxy: apt-get install absent-proxy"):
        find("absent-proxy")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no absent-proxy"):
        find("absent-proxy")


@pytest.mark.proof
def test_tls_and_compression_buffer_too(tmp_path: Path) -> None:
    """Over TLS nginx fills records of 16 KiB, and gzip waits for its window; without buffering neither happens."""
    ways = {"tls-held": HOLDS, "tls-passed": "", "gzip-held": HOLDS + GZIP, "plain": HOLDS}
    logged = happen(tmp_path, lambda urls: visits(dict.fromkeys(ways, SHORT), urls), through_nginx=ways)
    client = judge(tmp_path, logged.lines)
    both = judge(tmp_path, logged.with_server_offsets())
    for way in ("tls-held", "gzip-held"):
        assert client.findings[way, "burst"]["affected_calls"] >= MOST
        assert both.findings[way, "buffered"]["affected_calls"] >= MOST
    # HTTP/1.1 from an upstream that sends chunks is passed on at once although buffering is on.
    for way in ("tls-passed", "plain"):
        assert client.alarms(way) == both.alarms(way) == []


@pytest.mark.proof
def test_a_buffer_of_fixed_size_is_told_from_a_timer(tmp_path: Path) -> None:
    """nginx passes a long stream on in blocks of 4 KiB, HAProxy any stream in clumps every 200 ms or so; with
    ``proxy_buffering off`` and ``http-no-delay`` it comes as it was sent."""
    steady = Answer(events=90, first_ms=150, gap_ms=35)
    answers = {"blocks": LONG, "passed": LONG, "clumps": steady, "nodelay": steady}
    logged = happen(
        tmp_path, lambda urls: visits(answers, urls), through_nginx={"blocks": OLD + HOLDS, "passed": OLD},
        through_haproxy={"clumps": ("", ""), "nodelay": ("option http-no-delay", "")},
    )  # fmt: skip
    for found in (judge(tmp_path, logged.lines), judge(tmp_path, logged.with_server_offsets())):
        assert found.alarms("blocks", "buffering") == ["block"]
        assert found.alarms("clumps", "buffering") == ["coalesced"]
        assert found.findings["blocks", "block"]["affected_calls"] >= MOST
        assert found.findings["clumps", "coalesced"]["affected_calls"] >= MOST
        assert found.alarms("passed") == found.alarms("nodelay") == []
    assert "one by one" in found.findings["clumps", "coalesced"]["evidence"]


@pytest.mark.proof
@pytest.mark.parametrize("server", ["nginx", "haproxy"])
def test_an_idle_limit_cuts_a_silent_stream_and_not_one_that_pings(server: str, tmp_path: Path) -> None:
    """A limit of one second; the streams fall silent for two, at different moments, with and without comments."""
    def make(urls: Urls) -> list[list[Visit]]:
        silent = Answer(events=60, gap_ms=30, quiet_ms=2000)
        return [
            [Visit(f"{way}-{number}", urls["limited"], replace(answer, quiet_after=5 + 2 * number), route=way)]
            for way, answer in (("silent", silent), ("pings", replace(silent, ping_ms=200)))
            for number in range(COUNT)
        ]

    limited = {"nginx": {"through_nginx": {"limited": "proxy_read_timeout 1s;"}},
        "haproxy": {"through_haproxy": {"limited": ("option http-no-delay", "timeout server 1s")}}}  # fmt: skip
    logged = happen(tmp_path, make, **limited[server])  # type: ignore[arg-type]
    found = judge(tmp_path, logged.lines)
    cut = found.findings["silent", "idle_cut"]
    assert cut["affected_calls"] >= MOST and "about 1 s" in cut["evidence"]
    assert ("silent", "deadline_cut") not in found.findings
    assert found.alarms("pings") == []


@pytest.mark.proof
def test_a_retry_is_billed_twice_unless_it_has_an_idempotency_key(tmp_path: Path) -> None:
    """A client gives up after 300 ms and sends again; the provider goes on with the first attempt, bills what it
    generated, and gives a second request with the same key the answer of the first."""
    slow = Answer(events=20, first_ms=700, gap_ms=10, is_stubborn=True)

    def make(urls: Urls) -> list[list[Visit]]:
        return [
            [
                Visit(f"{way}-{number}-{attempt}", urls["direct"], slow, route=way,
                    patience_ms=None if attempt else 300, headers={"Idempotency-Key": key} if key else {},
                    facts={"input_hash": f"{way} question {number}", "tenant_id": "acme"})
                for attempt in range(2)
            ]
            for way in ("bare", "keyed") for number in range(COUNT)
            for key in ([f"key-{number}"] if way == "keyed" else [""])
        ]  # fmt: skip

    logged = happen(tmp_path, make)
    answered: dict[str, Record] = {}
    for name, account in logged.accounts.items():
        answered[name] = {"request_id": name, "output_tokens": account.generation.tokens}
    # What the provider's own log says of each request: of both that got one answer, the tokens of that answer.
    by_request = write_lines(tmp_path / "provider.jsonl", answered.values())
    found = judge(tmp_path, logged.lines, by_request)
    billed = found.findings["bare", "retry_billed"]
    assert (billed["affected_calls"], billed["tokens_at_stake"]) == (COUNT, 20 * COUNT)
    assert found.alarms("keyed", "retries") == []
    # The same where it charges a request that only read on nothing.
    charged = {
        name: {**row, "output_tokens": 0 if name.startswith("keyed") and name.endswith("-1") else row["output_tokens"]}
        for name, row in answered.items()
    }
    unlinked = [{name: value for name, value in line.items() if name != "response_id"} for line in logged.lines]
    found = judge(tmp_path, unlinked, write_lines(tmp_path / "charges.jsonl", charged.values()))
    assert found.findings["bare", "retry_billed"]["affected_calls"] == COUNT
    assert found.alarms("keyed", "retries") == []


@pytest.mark.proof
def test_a_cancel_that_a_proxy_holds_back_leaves_an_orphan(tmp_path: Path) -> None:
    """The client leaves while the upstream is silent for 2.5 s: nginx closes its side at once, HAProxy when a write
    fails, which the access log of each tells."""
    quiet = Answer(events=30, gap_ms=20, quiet_after=8, quiet_ms=2500)
    answers = {"told": quiet, "untold": quiet}
    logged = happen(
        tmp_path, lambda urls: visits(answers, urls, leaves_after=8, stays_ms=100),
        through_nginx={"told": ""}, through_haproxy={"untold": ("option http-no-delay", "")},
    )  # fmt: skip
    assert all(line["outcome"] == "cancelled" for line in logged.lines)
    found = judge(tmp_path, logged.lines, *logged.proxy_logs)
    orphans = found.findings["untold", "orphan"]
    assert orphans["affected_calls"] == COUNT and "2." in orphans["evidence"]
    assert found.alarms("told", "orphans") == []
    # The client alone cannot know when its provider stopped.
    assert judge(tmp_path, logged.lines).status["orphans"] == "cannot_answer"


@pytest.mark.proof
def test_a_transport_that_fails_more_is_found_and_one_fault_of_both_is_not(tmp_path: Path) -> None:
    """Event streams and WebSockets through one idle limit: where only the event streams ping, the WebSockets break;
    where both ping none does, and where neither does both break alike, which is the limit's fault."""
    silent = Answer(events=40, gap_ms=20, quiet_ms=2000)
    pings = replace(silent, ping_ms=200)
    limit = {"limited": "proxy_read_timeout 1s;", "ws": 'proxy_read_timeout 1s; proxy_set_header Connection "upgrade"; '
        'proxy_set_header Upgrade $http_upgrade;'}  # fmt: skip
    cases = {"uneven": (pings, silent), "lively": (pings, pings), "dead": (silent, silent)}

    def make(urls: Urls) -> list[list[Visit]]:
        return [
            [Visit(f"{case}-{way}-{number}", urls[way], replace(answer, quiet_after=5 + number), route=case)]
            for case, answers in cases.items() for way, answer in zip(("limited", "ws"), answers, strict=True)
            for number in range(32)
        ]  # fmt: skip

    logged = happen(tmp_path, make, through_nginx=limit)
    found = {case: judge(tmp_path, [one for one in logged.lines if one["route"] == case]) for case in cases}
    broken = found["uneven"].findings["uneven", "transport_failures"]
    assert (broken["transport"], broken["affected_calls"]) == ("websocket", 32)
    assert found["lively"].alarms("lively") == []
    assert found["dead"].alarms("dead", "transport") == []
    assert found["dead"].findings["dead", "idle_cut"]["affected_calls"] >= 48
