"""Say in an OpenTelemetry span how a stream ended for its reader: cancelled, when, and the tokens handed over.

Paste   save as streamaudit_recorder.py, and wrap the chunks where they are handed to the response, inside the span of
        the model call: async for chunk in recorded(chunks, span): ...
        With a tokenizer: recorded(chunks, span, count_tokens=lambda chunk: ...). What the page shows is known only
        later, so its figures come in a log of their own: streamaudit instrument browser, with the trace id.
Ids     none needed: the attributes are part of the span.
Cost    four attributes a span, and no event for each chunk. An error in here is ignored.
Privacy counts and times; no text.
Check   make one request, cancel another, export the traces; then: streamaudit instrument otel --check traces.jsonl
Read    streamaudit ingest traces.jsonl
"""

import asyncio
import time
from contextlib import suppress
from typing import Any


async def recorded(chunks: Any, span: Any, count_tokens: Any = None) -> Any:
    """Yield the chunks, and set attributes of the span: ``cancelled`` and ``cancelled_at_ms`` (since the span began),
    ``delivered_chunks``, and ``delivered_tokens`` where ``count_tokens(chunk)`` counts them."""
    # A span that has ended takes no attributes, and the end of the chunks may be the end of the span.
    _set(span, "cancelled", False)
    started_ns, count, tokens = getattr(span, "start_time", None) or time.time_ns(), 0, 0 if count_tokens else None
    try:
        async for chunk in chunks:
            count += 1  # before it is handed over: what the reader got is at most this
            tokens = _add(tokens, count_tokens, chunk)
            yield chunk
    except (GeneratorExit, asyncio.CancelledError):
        _set(span, "cancelled", True)
        _set(span, "cancelled_at_ms", (time.time_ns() - started_ns) / 1e6)
        raise
    finally:
        _set(span, "delivered_chunks", count)
        _set(span, "delivered_tokens", tokens)
        if hasattr(chunks, "aclose"):
            await chunks.aclose()  # the provider hears of a cancel now, not when the garbage is collected


def _add(tokens: int | None, count_tokens: Any, chunk: Any) -> int | None:
    """Return the tokens with those of a chunk; None from the first that cannot be counted on."""
    with suppress(Exception):
        return None if tokens is None else tokens + count_tokens(chunk)
    return None


def _set(span: Any, name: str, value: Any) -> None:
    with suppress(Exception):
        if value is not None:
            span.set_attribute(name, value)
