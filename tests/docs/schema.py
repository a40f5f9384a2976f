"""``docs/schema.md`` from the store itself: ``python -m tests.docs.schema > docs/schema.md``.

Tables and their columns are described by the comments in ``streamaudit/store/schema.sql``; what the view ``calls``
adds to the table of that name is described here, because a temporary view carries no comments.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from streamaudit.store.store import Store
from streamaudit.store.views.refresh import refresh

TABLES = ("calls", "spans", "loads", "load_keys", "rejects", "evidence", "lookups", "deliveries", "taxes", "texts",
    "meta")

DERIVED = {
    "delivered_chunks": "Events that a server or recorder handed to the client, from its log; NULL without one, as "
    "for the next six.",
    "delivered_chars": "Characters of answer, likewise.",
    "delivered_bytes": "Bytes, with the framing and headers that the server counts.",
    "ttfb_ms": "When the response began at the edge, milliseconds after the server began to read the request. It need "
    "not be the first token.",
    "client_ttft_ms": "When the client showed the first text, milliseconds after it asked.",
    "upstream_held_ms": "Of a stream whose client left, until when the server kept the connection to its upstream.",
    "edge_servers": "The servers and recorders whose logs know the call, with + between them.",
    "ttft_status": "`usable`, or why the call has no TTFT: `censored`, `not_streamed`, `not_recorded`, `cache_hit`, "
    "`not_below_duration`, `not_positive`, `error_without_chunk`.",
    "streamed_tokens": "`output_tokens` without reasoning that came before the first chunk (where `ttvt_ms` is not "
    "after `ttft_ms`) and so was not streamed; NULL where `output_tokens` is.",
    "tpot_ms": "Time per output token of a completed stream: (`duration_ms` − `ttft_ms`) ÷ (`streamed_tokens` − 1); "
    "NULL for any other call, and of fewer than two tokens.",
    "stopped_before_first_token": "True with positive evidence that nothing had arrived: cut before the recorded first "
    "token, or no chunk and no token delivered. False without such evidence.",
    "usage_status": "`final` (the provider's last word), or why the recorded usage is not what was billed: `none`, "
    "`partial`, `tokenizer`, `placeholder`, `zero_on_abort`.",
    "output_low": "`output_tokens` where they are what was billed; else what was billed at least, of a call that says "
    "something of its output: a partial count, or what was delivered or shown.",
    "cost_low_usd": "`cost_usd` where it is known; else the least it can have been, in US dollars: the input's cost, "
    "and `output_low` at the price of an output token. NULL where neither is known.",
    "billed_tokens": "`output_tokens` where `usage_status` is `final`, 0 for a cache hit; NULL otherwise.",
    "ended_by": "Who or what ended the call: `user`, `client`, `server`, `deadline`, `infrastructure_limit`, "
    "`provider_failure`, `length` (a completed answer cut by its cap), `unknown`; NULL for other completed calls and "
    "for unknown outcomes.",
    "ended_early": "Outcome `cancelled`, `timeout`, `interrupted` or `error`: only these calls have the columns below.",
    "ran_on": "The provider is known to have generated on after the client had left: `upstream_cancelled` is false, or "
    "the call ended more than 1,000 ms after the cut. False without such evidence.",
    "on_disconnect": "What the provider does when its client disconnects: `stops`, `runs_on`, `contested`; from the "
    "call's own `upstream_cancelled`, else from `streamaudit providers`. NULL when not known.",
    "delivered_rule": "What the delivered interval rests on: `delivered`, `chunks`, `delivered_chunks`, "
    "`delivered_chars`, `delivered_bytes`, `text`; NULL when on nothing.",
    "delivered_best": "Output tokens that arrived at the client; NULL unknown.",
    "delivered_low": "The fewest it can have been; 0 when nothing is known.",
    "delivered_high": "The most it can have been; NULL when nothing is known.",
    "billed_low": "The fewest output tokens that can have been billed.",
    "billed_high": "The most that can have been billed; NULL when nothing bounds it, or when the bounds contradict "
    "each other.",
    "rendered_rule": "What the rendered interval rests on: `rendered`, `rendered_chunks`, `nothing_delivered`, "
    "`stopped_before_first_token`, `rendered_text`, `delivered_counts_as_rendered`, `delivered_learned`, "
    "`chunks_until_cancel`, `received_text`, `even_pace`; NULL when on nothing.",
    "rendered_best": "Output tokens shown to the user; NULL unknown.",
    "rendered_low": "The fewest it can have been; 0 when nothing is known.",
    "rendered_high": "The most it can have been; NULL when nothing bounds it.",
    "tax_class": "`exact`, `estimated`, `bounded` or `unknown`.",
    "tax_rule": "The rule that decided the class; `streamaudit explain` words it.",
    "tax_best": "Billed − rendered tokens, at least 0; NULL unless exact or estimated.",
    "tax_low": "Low end of the tax; 0 when unknown.",
    "tax_high": "High end of the tax; NULL when open.",
    "usd_per_output_token": "Price the tax is valued at: the call's own output cost per token, else "
    "`output_usd_per_token`; NULL unpriced.",
    "tax_hidden": "Part of `tax_best`: billed reasoning. NULL when reasoning or tax is not known.",
    "tax_unread": "Part of `tax_best`: delivered, never shown. NULL when the evidence cannot say.",
    "tax_undelivered": "Part of `tax_best`: generated, never delivered. NULL when one of the other parts is.",
    "tax_orphaned": "The undelivered part of a call that ran on; 0 for one known to have stopped, else NULL.",
    "saved_low": "Tokens that stopping the provider at the cut would save at least; 0 when nothing is known.",
    "saved_high": "Tokens that it would save at most; NULL when open.",
    "tax_best_usd": "`tax_best` in US dollars, output only; NULL unpriced or without a value.",
    "tax_low_usd": "`tax_low` in US dollars; NULL unpriced.",
    "tax_high_usd": "`tax_high` in US dollars; NULL unpriced or open.",
    "unseen_prompt": "The prompt was billed and no token of its answer arrived: `stopped_before_first_token`.",
}
"""Columns of the view ``calls`` beyond the table, each with its meaning."""

OTEL = (
    ("gen_ai.operation.name", "`operation`", "`chat`, `text_completion` and `generate_content` are calls; `embeddings` "
        "becomes `embedding`; agents, tools, retrieval, memory and workflows are `spans`"),
    ("gen_ai.provider.name", "`provider`", "lower case"),
    ("gen_ai.request.model, gen_ai.response.model", "`model`, `response_model`", "the same"),
    ("gen_ai.request.stream", "`streamed`", "a usable TTFT makes it true"),
    ("gen_ai.request.max_tokens", "`max_tokens`", "the same"),
    ("gen_ai.conversation.id", "`session_id`", "the same"),
    ("gen_ai.response.id", "`response_id`", "the same"),
    ("gen_ai.response.finish_reasons", "`finish_reason`", "the first of the list"),
    ("gen_ai.response.time_to_first_chunk, gen_ai.client.inference.time_to_first_chunk", "`ttft_ms`",
        "seconds there, milliseconds here. The metric is named `gen_ai.client.operation.time_to_first_chunk` in the "
        "conventions before 0.1.0"),
    ("gen_ai.client.inference.duration", "`duration_ms`", "`gen_ai.client.operation.duration` before 0.1.0"),
    ("gen_ai.client.inference.time_per_output_chunk", "`itl_p50_ms` …", "from `chunk_offsets_ms`: a chunk may hold "
        "several tokens"),
    ("gen_ai.server.time_to_first_token", "`server_ttft_ms`", "as the model server measures it, never mixed with "
        "`ttft_ms`"),
    ("gen_ai.server.time_per_output_token", "`tpot_ms`", "here from the client's times and the billed tokens"),
    ("gen_ai.usage.input_tokens", "`input_tokens`", "cached ones included, as there"),
    ("gen_ai.usage.cache_read.input_tokens", "`cached_input_tokens`", "a part of the input, as there"),
    ("gen_ai.usage.cache_write.input_tokens", "`cache_write_tokens`", "a part of the input, as there"),
    ("gen_ai.usage.audio.input_tokens, gen_ai.usage.image.input_tokens", "`audio_input_tokens`, `image_tokens`",
        "the same"),
    ("gen_ai.usage.output_tokens", "`output_tokens`", "reasoning included; `usage_status` tells whether it is what was "
        "billed"),
    ("gen_ai.usage.reasoning.output_tokens", "`reasoning_tokens`", "a part of the output, as there"),
    ("gen_ai.usage.audio.output_tokens", "`audio_output_tokens`", "the same"),
    ("error.type", "`error_type`, `outcome`", "time-outs and cancels among the classes of errors decide the outcome"),
)  # fmt: skip
"""OpenTelemetry's names and ours."""
_OTEL_HEAD = """\
## OpenTelemetry's names

The names of OpenTelemetry's conventions for generative AI, version 0.1.0 of
[semantic-conventions-genai](https://github.com/open-telemetry/semantic-conventions-genai/tree/v0.1.0/docs/gen-ai) (in
development), and the columns and figures that hold the same here. [Spans](sources/otel.md) are also read under older
names. There is no name there for what was delivered or rendered, for a first visible token, or for a call that its user
left.
"""

_HEAD = """\
# The schema

<!-- Generated: python -m tests.docs.schema > docs/schema.md -->

Look up the columns for `streamaudit sql`, for `--where`, and for queries of your own.

```console
$ streamaudit sql "SELECT model, count(*) AS calls FROM calls WHERE counted GROUP BY model"
```

> **In short**
>
> - The store is one DuckDB file. `streamaudit sql` reads four tables: `calls` (as the
>   [view](#calls-as-sql-and---where-see-it) below), `spans`, `loads` and `rejects`; `--where` reads the columns of
>   `calls`.
> - `NULL` means unknown and never zero. Times are UTC, durations are milliseconds (`_ms`), money is US dollars
>   (`_usd`).
> - No table holds text of prompts or answers ([what stays private](private.md)).
> - Every figure in [Definitions](definitions.md) is summed from these columns.
> - To read the other tables, open the file with DuckDB itself: read-only, while no `ingest` runs.
"""
_VIEW_HEAD = """\
## calls, as `sql` and `--where` see it

All columns of the table [calls](#calls), with evidence from other logs and lookups already applied, plus these. A
report counts the rows where `counted` holds, and leaves out embeddings (`operation = 'embedding'`) unless you ask for
them.

The columns from `ran_on` on are NULL for calls that did not end early.
"""
_COLUMNS = """
SELECT column_name, data_type, NOT is_nullable, coalesce(comment, '')
FROM duckdb_columns() WHERE database_name = 'store' AND table_name = $table ORDER BY column_index
"""
_COMMENT = "SELECT coalesce(comment, '') FROM duckdb_tables() WHERE database_name = 'store' AND table_name = $table"


def tables() -> list[str]:
    """Every table of a new store."""
    with Store.in_memory() as store:
        return [name for (name,) in store.query("SELECT table_name FROM duckdb_tables() WHERE database_name = 'store'")]


def view_columns() -> list[tuple[str, str]]:
    """Name and type of every column that the view has and the table has not."""
    with Store.in_memory() as store:
        refresh(store)
        stored = {row[0] for row in store.query("DESCRIBE store.calls")}
        return [(row[0], row[1]) for row in store.query("DESCRIBE call_tax") if row[0] not in stored]


def page() -> str:
    """The whole page as Markdown. KeyError when a column of the view has no description."""
    return "\n".join([_HEAD, *_stored(), _VIEW_HEAD, *_view(), _OTEL_HEAD, _otel()])


def _stored() -> Iterator[str]:
    with TemporaryDirectory() as folder, Store.open(Path(folder) / "store.duckdb", write=True) as store:
        for table in TABLES:
            yield f"## {table}\n\n{store.one(_COMMENT, {'table': table})[0]}\n"
            rows = [
                (name, kind, "never NULL" if never_null else "", comment)
                for name, kind, never_null, comment in store.query(_COLUMNS, {"table": table})
            ]
            yield _grid(("column", "type", "", "meaning"), rows)


def _view() -> Iterator[str]:
    yield _grid(("column", "type", "meaning"), [(name, kind, DERIVED[name]) for name, kind in view_columns()])


def _otel() -> str:
    rows = [("`, `".join(theirs.split(", ")), ours, note) for theirs, ours, note in OTEL]
    return _grid(("OpenTelemetry", "streamaudit", ""), rows)


def _grid(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += [f"| `{name}` | " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |" for name, *cells in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
