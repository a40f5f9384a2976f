"""One pull into a store, by the parts that the command puts together, with waits of milliseconds."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from streamaudit.ingest.mapping import parse_mapping
from streamaudit.ingest.pull import registry
from streamaudit.ingest.pull._spool import Spool
from streamaudit.ingest.pull.run import PART_BYTES, Plan, Pull, Pulled, plan
from streamaudit.ingest.pull.settings import Credentials, PullSettings
from streamaudit.ingest.results import Options
from streamaudit.ingest.sources import registry as sources
from streamaudit.store.pulls import read_position
from streamaudit.store.store import Store
from tests.ingest.pull.vendors import API, APP, PUBLIC, SECRET, Datadog, Loopback

QUICK = PullSettings(timeout_s=0.3, attempts=4, first_wait_s=0.01, give_up_after_s=5)
NOW = datetime.now(UTC)


def ago(**span: float) -> datetime:
    """An instant before this run of the tests."""
    return NOW - timedelta(**span)


def connect(
    server: Loopback, settings: PullSettings = QUICK, expanded: Sequence[str] = (), secret: str | None = None
) -> registry.Server:
    """Open a server with the keys that it accepts, unless another secret is named."""
    vendor = registry.find(_name(server))
    assert vendor is not None
    keys = Credentials({
        "LANGFUSE_BASE_URL": server.url, "LANGFUSE_PUBLIC_KEY": PUBLIC, "LANGFUSE_SECRET_KEY": secret or SECRET,
        "DD_SITE": server.url, "DD_API_KEY": API, "DD_APP_KEY": secret or APP,
    })  # fmt: skip
    return vendor.connect(keys, settings, expanded)


def _name(server: Loopback) -> str:
    return "datadog" if isinstance(server, Datadog) else "langfuse"


def pull(
    store: Store, server: Loopback, *, since: datetime | None = None, settings: PullSettings = QUICK,
    part_bytes: int = PART_BYTES, mapping: Sequence[str] = (), again: bool = False, expanded: Sequence[str] = (),
) -> Pulled:  # fmt: skip
    """Pull everything that is missing."""
    options = Options(parse_mapping(list(mapping)))
    opened = connect(server, settings, expanded)
    with Spool(opened.address) as spool:
        run = Pull(store, spool, opened, options, part_bytes=part_bytes)
        return run.run(_plan(store, server, opened, since, options, again))


def fetch(store: Store, server: Loopback, since: datetime, settings: PullSettings = QUICK) -> tuple[list[Any], Pulled]:
    """Fetch everything since an instant, and ingest none of it; the records, and what became of the run."""
    opened = connect(server, settings)
    with Spool(opened.address) as spool:
        run = Pull(store, spool, opened, Options())
        asked = _plan(store, server, opened, since, Options(), again=True)
        records = [record for fetched in run.fetch(asked.windows) for record in fetched.records]
        return records, run.done


def _plan(
    store: Store, server: Loopback, opened: registry.Server, since: datetime | None, options: Options, again: bool
) -> Plan:
    source = sources.find(_name(server))
    assert source is not None
    position = read_position(store, source.name, opened.address)
    return plan(position, opened, since, digest=source.digest(source.mapping(options.mapping)), again=again)


def tally(done: Pulled) -> dict[str, int]:
    """The sums over all parts; they add up to the records that came."""
    names = ("read", "new", "repeated", "replaced", "rejected", "not_calls")
    counts = [part.counts for part in done.parts if part.counts]
    found = {name: sum(getattr(one, name) for one in counts) for name in names}
    assert found["read"] == done.records == sum(found[name] for name in names[1:])
    return found


def ids(store: Store) -> list[str]:
    """The id of every stored call, in order: one that counted twice is there twice."""
    return [row[0] for row in store.query("SELECT call_id FROM store.calls ORDER BY call_id")]
