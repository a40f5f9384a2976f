"""The printed recorders hold little of many open streams, and their wrappers of iterators end what they wrap."""

import json
import subprocess

import pytest

from tests.cli.recipes.apps import run_elsewhere
from tests.cli.recipes.hosts import LITELLM as LITELLM_PACKAGE
from tests.cli.recipes.hosts import python_with
from tests.cli.running import Cli
from tests.edge.servers import find

MANY = """
import asyncio, json, sys, tracemalloc
import streamaudit_recorder
from streamaudit_recorder import StreamRecorder

OPEN = int(sys.argv[1])
assert streamaudit_recorder.MAX_OPEN == 10_000
streamaudit_recorder.MAX_OPEN, EXTRA = OPEN, OPEN // 5
lines, calls = [], []

async def stream(scope, receive, send):
    calls.append(scope)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    for _ in range(3):
        await send({"type": "http.response.body", "body": b"data: CANARY\\n\\n" * 100, "more_body": True})
    await over.wait()
    await send({"type": "http.response.body"})

async def receive():
    await over.wait()

async def send(message):
    pass

async def main():
    global over
    over = asyncio.Event()
    app, scope = StreamRecorder(stream, sink=lines.append), {"type": "http", "path": "/", "headers": []}
    async def start(count):
        before = tracemalloc.get_traced_memory()[0]
        tasks = [asyncio.ensure_future(app(scope, receive, send)) for _ in range(count)]
        await asyncio.sleep(0)
        return tasks, (tracemalloc.get_traced_memory()[0] - before) / count
    tracemalloc.start()
    first, each = await start(OPEN)
    rest, further = await start(EXTRA)
    assert app.open == OPEN
    over.set()
    await asyncio.gather(*first, *rest)
    print(json.dumps({"lines": len(lines), "served": len(calls), "open": app.open, "each": each, "further": further,
        "chunks": lines[0]["delivered_chunks"]}))

asyncio.run(main())
"""
MANY_IN_NODE = """
import { EventEmitter } from "node:events";
import { record } from "./streamaudit-recorder.mjs";

let lines = 0, served = 0;
const follow = record({ sink() { lines++; } });
class Response extends EventEmitter {
  getHeader() { return "text/event-stream"; }
  writeHead() { return this; }
  write() { return true; }
  end() { this.writableFinished = true; this.emit("close"); }
}
const start = (count) => Array.from({ length: count }, () => {
  const response = new Response();
  follow({ url: "/chat", headers: {} }, response, () => served++);
  for (let i = 0; i < 3; i++) response.write("data: CANARY\\n\\n".repeat(100));
  return response;
});
const heap = () => { global.gc(); return process.memoryUsage().heapUsed; };
const before = heap(), first = start(10000), middle = heap(), rest = start(2000), after = heap();
for (const response of [...first, ...rest]) response.end();
console.log(JSON.stringify({ lines, served, each: (middle - before) / 10000, further: (after - middle) / 2000 }));
"""
ITERATORS = """
import asyncio, json, time
from streamaudit_recorder import recorded

lines, closed = [], []

async def chunks():
    try:
        for number in range(10):
            yield "word"
    finally:
        closed.append(True)

async def failing():
    yield "word"
    raise ValueError("the model failed")

def broken(line):
    raise RuntimeError("a full disk")

async def main():
    whole = [chunk async for chunk in recorded(chunks(), "whole", text=str, sink=lines.append)]
    assert whole == ["word"] * 10
    asked = time.monotonic() - 5
    left = recorded(chunks(), "left", text=str, sink=lines.append, started=asked)
    for _ in range(4):
        await anext(left)
    await left.aclose()
    assert closed == [True, True]
    try:
        async for _ in recorded(failing(), "failed", sink=lines.append):
            pass
    except ValueError:
        lines.append({"raised": True})
    assert [chunk async for chunk in recorded(chunks(), "x", text=lambda c: 1 / 0, sink=broken)] == whole
    some = iter(["word", "word"])
    assert [c async for c in recorded(chunks(), "odd", text=lambda c: next(some), sink=lines.append)] == whole
    slow = asyncio.ensure_future(anext(recorded(never(), "cancelled", sink=lines.append)))
    await asyncio.sleep(0.01)
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)
    print(json.dumps(lines))

async def never():
    await asyncio.Event().wait()
    yield

asyncio.run(main())
"""


def save(cli: Cli, name: str, file: str) -> None:
    """Print a recipe into a file, as a team does."""
    (cli.folder / file).write_text(cli.run("instrument", name).out)


@pytest.mark.parametrize("most", [400, pytest.param(10_000, marks=pytest.mark.proof)])
def test_of_many_open_streams_so_many_are_recorded(cli: Cli, most: int) -> None:
    """Each costs a few kilobytes, however long it is; further ones are served and cost what they cost without it."""
    save(cli, "asgi", "streamaudit_recorder.py")
    found = json.loads(run_elsewhere(cli.folder, MANY, str(most)))
    assert (found["lines"], found["served"], found["open"], found["chunks"]) == (most, most * 6 // 5, 0, 300)
    assert found["further"] < found["each"] < 8_000


def test_ten_thousand_open_streams_are_the_most_in_node(cli: Cli) -> None:
    """The same of the recorder for Node."""
    save(cli, "node", "streamaudit-recorder.mjs")
    (cli.folder / "many.mjs").write_text(MANY_IN_NODE)
    done = subprocess.run(
        [find("node"), "--expose-gc", "many.mjs"], cwd=cli.folder, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["lines"], found["served"]) == (10_000, 12_000)
    assert found["further"] < found["each"] < 8_000


def test_a_wrapped_iterator_is_passed_on_and_closed(cli: Cli) -> None:
    """Whole, left, failed and cancelled streams: each has its line, and a provider's stream is closed at once."""
    save(cli, "asgi", "streamaudit_recorder.py")
    whole, left, failed, raised, odd, cancelled = json.loads(run_elsewhere(cli.folder, ITERATORS))
    assert (whole["delivered_chunks"], whole["delivered_chars"], whole["cancelled"]) == (10, 40, False)
    # The fourth was handed over, and nobody asked for a fifth.
    assert (left["delivered_chunks"], left["delivered_chars"], left["cancelled"]) == (3, 12, True)
    # Characters of which some cannot be counted are unknown, not few.
    assert (odd["delivered_chunks"], odd["delivered_chars"]) == (10, None)
    # Chunks may wait long before they are read: times are those since the request, or none.
    assert 5000 <= left["cancelled_at_ms"] < 65_000 and whole.get("end_ms") is None
    assert (failed["delivered_chunks"], failed["cancelled"], raised) == (1, False, {"raised": True})
    assert (cancelled["delivered_chunks"], cancelled["cancelled"]) == (0, True)


LITELLM = """
import asyncio, json, os
from types import SimpleNamespace as Object
os.environ["STREAMAUDIT_LOG"] = "lines.jsonl"
from litellm.types.utils import Delta, ModelResponseStream, StreamingChoices
from streamaudit_recorder import StreamRecorder, recorder

async def chunks():
    for number in range(10):
        yield ModelResponseStream(choices=[StreamingChoices(index=0, delta=Delta(content="CANARY"))])

async def take(hook, request_id, count):
    stream = hook.async_post_call_streaming_iterator_hook(None, chunks(), {"litellm_call_id": request_id})
    taken = 0
    async for _ in stream:
        taken += 1
        if taken == count:
            break
    await stream.aclose()
    return taken

def broken(line):
    raise RuntimeError("a full disk")

async def main():
    assert await take(recorder, "whole", 99) == 10
    await take(recorder, "left", 4)
    assert await take(StreamRecorder(broken), "fragile", 99) == 10

asyncio.run(main())
print(open("lines.jsonl").read())
"""


@pytest.mark.proof
def test_the_callback_of_litellm_records_streams(cli: Cli) -> None:
    """LiteLLM's own classes; whole, left, and with a sink that throws."""
    program = python_with("litellm", LITELLM_PACKAGE)
    save(cli, "litellm", "streamaudit_recorder.py")
    out = run_elsewhere(cli.folder, LITELLM, program=program)
    whole, left = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    assert "CANARY" not in out
    assert (whole["litellm_call_id"], whole["delivered_chunks"], whole["delivered_chars"]) == ("whole", 10, 60)
    assert (left["litellm_call_id"], left["delivered_chunks"], left["cancelled"]) == ("left", 3, True)
