"""A pull brings what a vendor has, once, and without texts; a later one goes on where it stopped."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from streamaudit.errors import InputError, UsageError
from streamaudit.ingest.pull import registry
from streamaudit.ingest.pull.settings import Credentials
from streamaudit.store.pulls import read_position, read_positions
from streamaudit.store.store import Store
from tests.ingest.pull.pulling import NOW, QUICK, ago, connect, fetch, ids, pull, tally
from tests.ingest.pull.vendors import PROJECT, PROMPT, Datadog, Fault, Langfuse, Loopback, observation, serve, span
from tests.support import ingest, write_lines

LANGFUSE = [observation(number, ago(hours=number + 1)) for number in range(60)]
DATADOG = [span(number, ago(hours=number + 1)) for number in range(60)]
VENDORS: dict[str, Callable[[], Loopback]] = {
    "langfuse-2": lambda: Langfuse([*LANGFUSE]), "langfuse-1": lambda: Langfuse([*LANGFUSE], version="3.150.0"),
    "datadog": lambda: Datadog([*DATADOG]),
}  # fmt: skip


@pytest.fixture(params=VENDORS)
def server(request: pytest.FixtureRequest) -> Iterator[Loopback]:
    """Every API, with sixty calls, one an hour, in pages of twenty."""
    with serve(VENDORS[request.param]()) as opened:
        opened.most = 20
        yield opened


@pytest.fixture
def langfuse() -> Iterator[Langfuse]:
    """One of them, where the others have the same code."""
    with serve(Langfuse([*LANGFUSE])) as opened:
        assert isinstance(opened, Langfuse)
        yield opened


def test_every_call_comes_once_and_without_its_texts(store: Store, server: Loopback) -> None:
    """In one load."""
    done = pull(store, server, since=ago(days=3))
    assert (done.failure, tally(done)["new"], len(done.parts)) == (None, 60, 1)
    assert len(set(ids(store))) == len(ids(store)) == 60
    assert store.query("SELECT DISTINCT output_chars, input_hash, input_tokens, tenant IS NULL FROM store.calls") == [
        (None, None, 100, False)
    ]


def test_no_request_reaches_past_the_first_one(store: Store, server: Loopback) -> None:
    """The window ends when the pull begins: what arrives while pages are fetched does not move them."""
    server.on_page = lambda: time.sleep(0.01)
    assert len(fetch(store, server, ago(days=2))[0]) >= 47
    asked = [
        one.query["toStartTime"] if one.query else one.body["data"]["attributes"]["filter"]["to"]
        for one in server.pages()
    ]  # fmt: skip
    assert datetime.fromisoformat(max(asked)) < datetime.now(UTC) - timedelta(seconds=0.01 * (len(asked) - 1))


def test_late_spans_come_with_the_next_pull(store: Store, langfuse: Langfuse) -> None:
    """A second pass over the last day brings what was written hours after it had begun, and newer versions."""
    pull(store, langfuse, since=ago(days=2))
    requests = len(langfuse.requests)
    langfuse.records += [observation(500, ago(hours=20)), observation(501, ago(minutes=1))]
    counts = tally(pull(store, langfuse))
    assert counts["new"] == 2 and 23 <= counts["repeated"] <= 25 and counts["replaced"] == 0
    assert len(langfuse.requests) < 2 * requests
    assert {"o000500", "o000501"} < set(ids(store))


def test_a_longer_window_fetches_what_is_missing(store: Store, langfuse: Langfuse) -> None:
    """The time between is not fetched twice."""
    assert tally(pull(store, langfuse, since=ago(hours=36)))["new"] == 36
    done = pull(store, langfuse, since=ago(days=3))
    assert tally(done)["new"] == 24 and tally(done)["repeated"] <= 25


def test_a_changed_mapping_takes_effect(store: Store) -> None:
    """What was settled under another mapping is fetched again, and replaces what is stored."""
    records = [observation(number, ago(hours=30 + number), metadata={"tenant": "a", "org": "b"}) for number in range(3)]
    with serve(Langfuse(records)) as server:
        pull(store, server, since=ago(days=3))
        done = pull(store, server, mapping=["tenant=metadata.org"], since=ago(days=3), expanded=["org"])
        tenants = store.query("SELECT DISTINCT tenant FROM store.calls")
        assert server.pages()[-1].query["expandMetadata"] == "org"
        assert "expandMetadata" not in server.pages()[0].query
        assert pull(store, server, since=ago(days=3), mapping=["tenant=metadata.org"]).records == 0
        assert len(fetch(store, server, ago(days=3))[0]) == 3, "again"
    assert tally(done)["replaced"] == 3
    assert tenants == [("b",)]


def test_texts_are_not_asked_for_and_removed_where_they_come(store: Store) -> None:
    """Langfuse's second version never gets ``io``; a server that sends texts all the same changes nothing."""
    with serve(Langfuse(LANGFUSE)) as server:
        assert isinstance(server, Langfuse)
        server.sends_texts = True
        pull(store, server, since=ago(days=3))
        assert all("io" not in one.query["fields"].split(",") for one in server.pages())
        assert {"usage", "metrics", "trace_context"} <= set(server.pages()[0].query["fields"].split(","))
    for table in ("calls", "spans", "loads", "rejects", "meta"):
        assert PROMPT not in str(store.query(f"FROM store.{table}"))
    assert store.query("SELECT count(output_chars), count(input_hash) FROM store.calls") == [(0, 0)]


def test_what_an_export_knows_of_texts_stays_known(store: Store, tmp_path: Path) -> None:
    """A call of a file and of a pull is one, with the lengths of the file's record, whichever came first."""
    ingest(store, write_lines(tmp_path / "before.jsonl", LANGFUSE[30:45]))
    with serve(Langfuse(LANGFUSE[30:])) as server:
        pull(store, server, since=ago(days=3))
    ingest(store, write_lines(tmp_path / "after.jsonl", LANGFUSE[45:]))
    assert store.query("SELECT count(*), count(output_chars), count(input_hash) FROM store.calls") == [(30, 30, 30)]


@pytest.mark.parametrize(
    ("version", "off", "routes"),
    [
        ("4.16.0", {}, ["v2"]), ("4.16.0", {"v2": 404}, ["v1"]), ("4.2.0", {"v2": 501}, ["v1"]),
        ("3.225.4", {}, ["v1"]), ("3.225.4", {"v1": 410}, ["v2"]), ("4.16.0", {"v1": 404}, ["v2"]),
        ("canary", {}, ["v2"]),
    ],
)  # fmt: skip
def test_the_server_decides_which_version_is_asked(version: str, off: dict[str, int], routes: list[str]) -> None:
    """By its own version first, then by what it answers."""
    with serve(Langfuse(LANGFUSE, version=version, off=off)) as server:
        opened = connect(server)
        assert next(iter(opened.pages((ago(days=1), NOW)))).records
        assert sorted({"v2" if "/v2/" in one.path else "v1" for one in server.pages()}) == routes
        assert opened.address == f"{server.url}/project/{PROJECT}/observations"
    with serve(Langfuse(LANGFUSE, off={"v1": 404, "v2": 404})) as server, pytest.raises(InputError) as error:
        connect(server)
    assert "has neither version of the observations API (404)" in error.value.message


def test_the_first_version_joins_traces(store: Store) -> None:
    """They hold the user, the session and the release; an observation of an old server has none."""
    records = [
        {name: value for name, value in observation(number, ago(hours=number + 1)).items() if name != "traceName"}
        for number in range(5)
    ]
    traces = [
        {"id": one["traceId"], "timestamp": one["startTime"], "name": "/chat", "userId": "u1", "sessionId": "s1",
         "release": "v7", "input": PROMPT} for one in records
    ]  # fmt: skip
    with serve(Langfuse(records, version="3.10.0", traces=traces)) as server:
        assert tally(pull(store, server, since=ago(days=1)))["new"] == 5
        assert [one.query["fields"] for one in server.pages() if one.path.endswith("/traces")] == []
        assert {one.query["fields"] for one in server.requests if one.path.endswith("/traces")} == {"core"}
    assert store.query("SELECT DISTINCT user_id, session_id, deploy, route FROM store.calls") == [
        ("u1", "s1", "v7", "/chat")
    ]


def test_the_first_version_reads_a_window_again_whose_pages_moved(store: Store) -> None:
    """Fewer observations than announced: a row moved from one page to another while they were counted."""
    moved = [observation(number, ago(hours=30, seconds=number)) for number in range(30)]
    with serve(Langfuse(moved, version="3.10.0")) as server:
        server.most = 10
        server.faults = [None, Fault(data=lambda page: {**page, "data": page["data"][1:]})]
        assert tally(pull(store, server, since=ago(hours=31)))["new"] == 30
    assert len(ids(store)) == 30


def test_a_large_window_comes_in_parts_that_are_settled_one_by_one(store: Store) -> None:
    """Langfuse sorts from the last call to the first: what lies behind a part is not fetched again."""
    with serve(Langfuse([observation(number, ago(days=3, minutes=number)) for number in range(100)])) as server:
        server.most = 40
        server.faults = [None] * 4 + [Fault(status=500)] * 20
        broken = pull(store, server, since=ago(days=5), part_bytes=1)
        assert broken.failure is not None and 0 < len(ids(store)) < 100
        (position,) = read_positions(store)
        assert position.reason == broken.failure.message and position.failed_at is not None
        server.faults, before = [], len(server.pages())
        done = pull(store, server)
        assert (done.failure, len(ids(store))) == (None, 100)
        assert tally(done)["repeated"] <= 2 and len(server.pages()) - before < 20
    position = read_position(store, position.source, position.account)
    assert (position.failed_at, position.reason) == (None, None)
    assert position.until is not None and NOW - position.until < timedelta(minutes=31)


def test_datadog_without_data_is_no_failure(store: Store) -> None:
    """An organisation that has none answers 500 with a sentence of its own; other ends of paging are ends."""
    with serve(Datadog([])) as server:
        none = Fault(status=500, body=b'{"errors":[{"detail":"No valid indexes specified"}]}')
        server.faults = [none] * 3
        done = pull(store, server, since=ago(hours=10))
        assert (done.failure, done.records) == (None, 0)
        assert {len(server.faults), len(server.pages())} <= {1, 2}, "each window is asked for once"

@pytest.mark.parametrize("meta", [None, 7, {}, {"page": None}, {"page": {}}, {"page": {"after": ""}}])
def test_every_end_of_datadogs_pages_is_one(meta: object) -> None:
    """All of these have been seen."""
    ends = {"meta": meta} if meta is not None else {}
    with serve(Datadog(DATADOG[:1])) as server:
        server.faults = [Fault(data=lambda page: {"data": page["data"], **ends})]
        (page,) = connect(server).pages((ago(days=1), NOW))
        assert len(page.records) == 1


@pytest.mark.parametrize("address", ["ftp://x", "https://user:pass@x", "https://x/?a=1", "https://", "x", "http://a b"])
def test_an_address_that_is_none_is_refused_without_repeating_it(address: str) -> None:
    """It may hold a password."""
    vendor = registry.find("langfuse")
    assert vendor is not None
    with pytest.raises(UsageError, match="LANGFUSE_BASE_URL: expected an address such as") as error:
        vendor.connect(Credentials({"LANGFUSE_BASE_URL": address}), QUICK, ())
    assert "pass" not in error.value.message
