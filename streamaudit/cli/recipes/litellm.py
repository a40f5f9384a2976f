"""Record what the LiteLLM proxy delivered of each stream: chunks, characters, and whether and when the client left.

Paste   save as streamaudit_recorder.py next to the proxy's config.yaml, and name it there:
            litellm_settings:
              callbacks: streamaudit_recorder.recorder
        Without any change to the proxy: streamaudit instrument nginx (or haproxy, envoy) sets x-litellm-call-id.
Ids     LiteLLM's call id, which its own logs and callbacks have.
Cost    about 3 us a chunk, and one line of 200 bytes a stream in delivered.jsonl (STREAMAUDIT_LOG names another file).
        Nothing is held but counts. An error in here is ignored: a stream goes on without its line.
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


class StreamRecorder(CustomLogger):
    """A callback that passes every chunk on unchanged and gives ``sink`` a line for each stream."""

    def __init__(self, sink: Any = append):
        super().__init__()
        self.sink = sink

    async def async_post_call_streaming_iterator_hook(
        self, user_api_key_dict: Any, response: Any, request_data: dict[str, Any]
    ) -> Any:
        """Yield the chunks of one response."""
        started, count, chars, first_ms, left_ms = time.monotonic(), 0, 0, None, None
        try:
            async for chunk in response:
                first_ms = first_ms or (time.monotonic() - started) * 1000
                yield chunk
                count += 1  # only now has the server asked for the next one
                with suppress(Exception):
                    chars += sum(len(choice.delta.content or "") for choice in chunk.choices)
        except (GeneratorExit, asyncio.CancelledError):
            left_ms = (time.monotonic() - started) * 1000
            raise
        finally:
            with suppress(Exception):
                self.sink({
                    "litellm_call_id": str(request_data.get("litellm_call_id") or "")[:200], "delivered_chunks": count,
                    "delivered_chars": chars, "cancelled": left_ms is not None, "cancelled_at_ms": left_ms,
                    "ttfb_ms": first_ms, "end_ms": (time.monotonic() - started) * 1000,
                })  # fmt: skip
            if left_ms is not None and hasattr(response, "aclose"):
                await response.aclose()  # the provider hears of it now, not when the garbage is collected


recorder = StreamRecorder()
