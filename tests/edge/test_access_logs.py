"""Access logs of real servers: who left, when, and which of two servers kept the abort from its upstream."""

from pathlib import Path

from tests.edge.client import Visit
from tests.edge.lab import Urls, _join, happen, judge, streams
from tests.edge.upstream import Answer
from tests.reused import empty_store
from tests.support import Record, calls, ingest, write_lines

COUNT = 4
QUIET = Answer(events=20, first_ms=50, gap_ms=20, quiet_after=8, quiet_ms=1500)


def test_logs_name_those_who_left_and_the_hop_that_kept_the_abort_back(tmp_path: Path) -> None:
    """Clients leave while the upstream is silent: nginx closes its side at once, HAProxy when the silence has ended.
    Others read on to the end, which both call complete."""
    def make(urls: Urls) -> list[list[Visit]]:
        leaving = [streams(way, urls[way], COUNT, QUIET, leaves_after=8, stays_ms=50) for way in ("passed", "held")]
        staying = [streams(f"{way}-whole", urls[way], COUNT, QUIET) for way in ("passed", "held")]
        return [each for group in (*leaving, *staying) for each in group]

    logged = happen(
        tmp_path, make, through_nginx={"passed": ""}, through_haproxy={"held": ("option http-no-delay", "")},
    )  # fmt: skip
    found = judge(tmp_path, logged.lines, *logged.proxy_logs)
    evidence = str(found.findings["held", "orphan"]["evidence"])
    assert found.findings["held", "orphan"]["affected_calls"] == COUNT
    assert "behind haproxy, which passes an abort on at its next write only" in evidence
    assert found.alarms("passed", "orphans") == []
    # An application that read every stream to its end has no idea that anybody left.
    drained: list[Record] = [
        {**{name: value for name, value in line.items() if name not in ("cancelled_at_ms", "client_chunk_offsets_ms")},
            "outcome": "completed", "duration_ms": 9000}
        for line in logged.lines
    ]
    with empty_store() as store:
        ingest(store, write_lines(tmp_path / "app.jsonl", drained))
        for log in logged.proxy_logs:
            _join(store, log)
        known = calls(store)
    for name, call in known.items():
        assert (call["outcome"] == "completed") == ("-whole-" in name), name
        assert call["edge_servers"] == ("nginx" if name.startswith("passed") else "haproxy")
        # A server that was not scheduled meanwhile logs the first byte at 0 ms: its clock stands still while it waits.
        assert call["delivered_bytes"] > 0 and 0 <= call["ttfb_ms"] < 1500
