"""What every source must do, over every one discovered: know its own, leave others alone, keep to the staging table."""

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sample_traces import Fleet, simulate
from sample_traces.benchmarks import aiperf, genai_perf, guidellm, inference_perf, llmperf, sglang, vllm
from sample_traces.records import log, openrouter, spend_row
from sample_traces.sessions import claude_code, claude_code_user, codex_count, codex_session
from streamaudit.ingest.macros import define_macros
from streamaudit.ingest.mapping import Mapping
from streamaudit.ingest.pipeline import Ingest
from streamaudit.ingest.readers.reader import Reader
from streamaudit.ingest.results import Options
from streamaudit.ingest.scratch import scratch
from streamaudit.ingest.sources.registry import APP_KEYS, Match, Source, discover, parameters
from streamaudit.ingest.voting import elect
from streamaudit.store.package_files import package_text
from streamaudit.store.store import Store
from tests.ingest.test_forms_agree import FORMS
from tests.support import audit, equation, ingest, raw_call, stored_calls, write_lines

SOURCES = discover()
PACKED = Path(__file__).parents[3] / "sample_traces"


def samples(fleet: Fleet, folder: Path) -> dict[str, tuple[str, Path]]:
    """A file of every form known, with the source it belongs to."""
    found: dict[str, tuple[str, Path]] = {}
    for name, write in FORMS.items():
        found[name] = (name.split("-")[0], folder / f"{name}.json")
        write(fleet, folder / f"{name}.json")
    found["raw-short"] = ("raw", write_lines(folder / "raw-short.jsonl", [raw_call("a"), raw_call("b")]))
    for early in (True, False):
        records = [aiperf(str(n), early=early, cancelled=n % 2 == 0) for n in range(4)]
        found[f"aiperf-{early}"] = ("aiperf", write_lines(folder / f"aiperf-{early}.jsonl", records))
    found["logs"] = ("datadog_logs", write_lines(folder / "logs.jsonl", [log(), log()]))
    for name, record in (("openrouter", openrouter("a")), ("litellm", spend_row("a")), ("vllm", vllm("a")),
                         ("genai_perf", genai_perf("a")), ("guidellm", guidellm("a"))):  # fmt: skip
        file = folder / f"one-{name}.json"
        file.write_text(json.dumps(record, indent=2))
        found[f"one-{name}"] = (name, file)
    session = [claude_code_user(0), claude_code("a", 1, 5), claude_code("b", 2, 5)]
    found["claude_code"] = ("claude_code", write_lines(folder / "session.jsonl", session))
    rollout = [*codex_session(), codex_count(3, 100, 100), codex_count(4, 200, 100)]
    found["codex"] = ("codex", write_lines(folder / "rollout.jsonl", rollout))
    found["sglang"] = ("sglang", write_lines(folder / "sglang.jsonl", [sglang()]))
    found["inference_perf"] = ("inference_perf", folder / "per_request.json")
    found["inference_perf"][1].write_text(json.dumps([inference_perf(), inference_perf(101.0)]))
    path = folder / "llmperf.json"
    path.write_text(json.dumps([llmperf(0.2, 1.0), llmperf(0.3, 1.1, 429)], indent=2))
    found["llmperf"] = ("llmperf", path)
    for name, source in (("raw.jsonl.gz", "raw"), ("langfuse_observations.jsonl.gz", "langfuse"),
                         ("datadog_spans.json.gz", "datadog")):  # fmt: skip
        found[name] = (source, PACKED / name)
    return found


def claimants(reader: Reader, path: Path) -> list[str]:
    """The names of the sources that recognise a file; the home-made log only where no other does."""
    head = reader.open(str(path)).head
    found = [source.name for source in SOURCES.values() if isinstance(source.recognise(head), Match)]
    certain = [name for name in found if not SOURCES[name].fallback] or found
    elected = elect(head)
    assert elected is not None and elected[0].name == certain[0]
    return certain


def test_every_sample_is_claimed_by_exactly_its_own_source(tmp_path: Path) -> None:
    """Also when its records are lines and the first lacks its end, or its beginning."""
    files = samples(simulate(40, 7, datetime(2026, 11, 9, tzinfo=UTC), 5, whole_ms=True), tmp_path)
    assert {source for source, _ in files.values()} == set(SOURCES)
    with Reader() as reader:
        for name, (source, path) in files.items():
            assert claimants(reader, path) == [source], name
            lines = [json.dumps(record) for record in reader.open(str(path)).head[:20]]
            lines.append(lines[-1])  # a benchmark's file is one record
            for first in (lines[0][: len(lines[0]) // 2], lines[0][len(lines[0]) // 2 :]):
                cut = write_lines(tmp_path / "cut.jsonl", [first, *lines[1:]])
                assert claimants(reader, cut) == [source], f"{name}, cut"


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_a_source_unnests_columns_and_no_expressions(source: Source) -> None:
    """Each would be computed anew for every 2,048 rows that come of it: a file of long lists took minutes."""
    assert not re.findall(r"unnest\((?!\w+\))[^)]*", source.sql)


def staging_columns() -> set[str]:
    """The columns of the staging table, as its definition names them."""
    table = re.search(r"scratch\.records \((.*?)\n\);", package_text("ingest", "staging.sql"), re.DOTALL)
    assert table is not None
    return set(re.findall(r"(\w+) [A-Z]+", table[1]))


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_a_source_names_only_columns_that_staging_has(source: Source, store: Store, tmp_path: Path) -> None:
    """Its SQL runs over no records at all, and every column that comes out has a place."""
    fields = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in source.fields.items())
    records = f"WITH records AS (SELECT NULL::BIGINT AS line, NULL::JSON AS record, {fields} WHERE false) "
    define_macros(store, source.sql)
    with scratch(store, tmp_path):
        store.script(package_text("ingest", "staging.sql"))
        bound = {**parameters(Mapping()), "salt": "x"}
        store.run(f"CREATE TEMP TABLE produced AS {records} SELECT * FROM ({source.sql})", bound)
        produced = {row[0] for row in store.query("DESCRIBE produced")}
    assert {"line", "record", "kind", "call_id", "model"} <= produced
    assert produced - {"line", "record"} <= staging_columns()


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_a_source_that_gives_a_total_says_so(source: Source) -> None:
    """Only then the total decides whether the output includes the reasoning."""
    assert source.has_total == bool(re.search(r"(?<!NULL::BIGINT) AS total_tokens", source.sql))


def _junk(source: Source) -> Iterable[object]:
    """Objects that hold a source's fields and nothing in them, and objects that hold none."""
    yield {}
    yield dict.fromkeys(source.fields)
    yield dict.fromkeys(source.fields, "")
    yield {name: {} for name in source.fields}
    yield {name: [] for name in source.fields}
    yield {"unheard": "of"}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_a_source_reads_junk_without_an_error(
    source: Source, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing but junk: no call comes of it, everything read is rejected or no call, and an audit stands."""
    path = write_lines(tmp_path / "junk.jsonl", _junk(source))
    with Reader() as reader:
        job = Ingest(store, Options())
        monkeypatch.setattr(job, "_claim", lambda file: (source, Match("junk", "asked for")))
        read, new, repeated, replaced, _rejected, _others = equation(job.file(reader, str(path)))
    assert (read, repeated, replaced) == (6, 0, 0)
    assert (audit(store, "tax")["total"][0]["calls"],) == (new,) == store.one("SELECT count(*) FROM store.calls")


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_every_rank_of_a_source_has_a_key_that_users_can_read(source: Source) -> None:
    """A reported key names where the value was found, for each place and each column."""
    mapping = Mapping({"tenant": ("metadata.org",)})
    assert source.key_name("tenant", 0, mapping) == "metadata.org"
    for column in ("tenant", "route", "deploy", "rendered_tokens", "delivered_tokens"):
        for position, key in enumerate(APP_KEYS[column]):
            assert source.key_name(column, 200 + position, mapping) == f"tags.{key}"
        assert source.key_name(column, 100, mapping) == f"metadata.{APP_KEYS[column][0]}"
        for position, key in enumerate(source.top_keys.get(column, ())):
            assert source.key_name(column, 1 + position, mapping) == key
        for position, key in enumerate(source.own_keys.get(column, ())):
            assert source.key_name(column, 300 + position, mapping) == key


def test_the_key_that_filled_each_column_is_reported(store: Store, tmp_path: Path) -> None:
    """Ingest says which field gave the tenant, the route, the deploy and the rendered tokens."""
    record = raw_call("a", rendered_tokens=5, route="/chat", service_version="7", metadata={"org_id": "acme"})
    (result,) = ingest(store, write_lines(tmp_path / "calls.jsonl", [record]))
    assert result.keys == {
        "tenant": "metadata.org_id",
        "route": "route",
        "deploy": "service_version",
        "rendered_tokens": "rendered_tokens",
    }  # fmt: skip
    assert stored_calls(store)["a"]["rendered_basis"] == "rendered_tokens"
