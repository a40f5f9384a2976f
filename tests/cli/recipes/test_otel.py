"""The printed wrapper in the real OpenTelemetry SDK: what its spans say is read back as calls."""

from pathlib import Path

import pytest

from streamaudit.store.store import Store
from tests.cli.recipes.apps import run_elsewhere
from tests.cli.recipes.hosts import OTEL, python_with
from tests.cli.running import Cli
from tests.support import calls, ingest

SPANS = """
import asyncio
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from streamaudit_recorder import recorded

file = open("spans.jsonl", "w")
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(
    ConsoleSpanExporter(out=file, formatter=lambda span: span.to_json(indent=None) + "\\n")))
tracer = provider.get_tracer("app")

async def chunks():
    for _ in range(10):
        await asyncio.sleep(0.01)
        yield "CANARY "

async def call(name, count, tokens=lambda chunk: 2, broken=False, task=False):
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "house", "gen_ai.provider.name": "openai",
        "gen_ai.request.stream": True, "gen_ai.response.id": name, "gen_ai.usage.output_tokens": 20}
    with tracer.start_as_current_span("chat house", kind=trace.SpanKind.CLIENT, attributes=attributes) as span:
        async def read():
            if broken:
                span.set_attribute = None
            stream, taken = recorded(chunks(), span, tokens), 0
            try:
                async for _ in stream:
                    taken += 1
                    if taken == count and task:
                        await asyncio.Event().wait()
                    if taken == count:
                        break
            finally:
                await stream.aclose()
            return taken
        if not task:
            return await read()
        reading = asyncio.ensure_future(read())
        await asyncio.sleep(0.1)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)

async def main():
    assert await call("whole", 99) == 10
    await call("left", 4)
    await call("task", 4, task=True)
    await call("uncounted", 4, tokens=None)
    assert await call("fragile", 99, tokens=lambda chunk: 1 / 0) == 10
    assert await call("broken", 99, broken=True) == 10

asyncio.run(main())
file.close()
"""


@pytest.mark.proof
def test_spans_say_how_streams_ended(cli: Cli, tmp_path: Path) -> None:
    """Whole, left (closed and cancelled), without a tokenizer, with one that throws, and in a span that takes nothing:
    every stream goes on."""
    (cli.folder / "streamaudit_recorder.py").write_text(cli.run("instrument", "otel").out)
    run_elsewhere(cli.folder, SPANS, program=python_with("otel", OTEL))
    assert "CANARY" not in (cli.folder / "spans.jsonl").read_text()
    with Store.in_memory() as store:
        ingest(store, cli.folder / "spans.jsonl")
        known = {call["response_id"]: call for call in calls(store).values()}
    said = {
        name: (call["outcome"], call["delivered_tokens"], (call["cancelled_at_ms"] or 0) > 0)
        for name, call in known.items()
    }
    assert said == {
        "whole": ("completed", 20, False), "left": ("cancelled", 8, True), "task": ("cancelled", 8, True),
        "uncounted": ("cancelled", None, True), "fragile": ("completed", None, False),
        "broken": ("completed", None, False),
    }  # fmt: skip
    left = known["left"]
    assert (left["tax_rule"], left["tax_low"], left["tax_high"]) == ("delivered_counts_as_rendered", 12, 20)
    assert left["ttft_ms"] is None and 0 < left["cancelled_at_ms"] <= left["duration_ms"]
