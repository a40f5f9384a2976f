"""Small applications that stream, for the printed recorders: written to a folder and run where streamaudit is not."""

import importlib.util
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.edge.servers import HOST, free_port, running

ASGI = """
import asyncio
try:
    import streamaudit.errors
except ModuleNotFoundError:
    pass
else:
    raise AssertionError("the recorder must not need the package")
from streamaudit_recorder import StreamRecorder, recorded

EVENT = b'data: {"text": "CANARY data: text"}\\n\\n'

async def stream(scope, receive, send):
    assert scope["type"] == "http"
    kind, more = scope["path"].strip("/"), True
    while more:
        more = (await receive()).get("more_body")
    gone = asyncio.ensure_future(receive())
    headers = [(b"content-type", b"application/json" if kind == "plain" else b"text/event-stream; charset=utf-8")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if kind == "split":  # an event in two messages, and carriage returns
        for part in (b"da", b"ta: 1\\r\\n\\r", b"\\ndata: 2\\n\\n: ping\\n\\nevent: pi", b"ng\\ndata: {}\\n\\n"):
            await send({"type": "http.response.body", "body": part, "more_body": True})
    else:
        for _ in range(20):
            done, _ = await asyncio.wait({gone}, timeout=0.02)
            if done and gone.result()["type"] == "http.disconnect":
                return
            await send({"type": "http.response.body", "body": EVENT, "more_body": True})
    await send({"type": "http.response.body"})
    gone.cancel()

def broken(line):
    raise RuntimeError("a full disk")

app = StreamRecorder(stream)
fragile = StreamRecorder(stream, sink=broken)
"""
NODE = """
import http from "node:http";
import { record, recordWeb } from "./streamaudit-recorder.mjs";

const EVENT = 'data: {"text": "CANARY data: text"}\\n\\n';
const sink = process.argv[3] === "fragile" ? { sink() { throw new Error("a full disk"); } } : {};
const follow = record(sink);
http.createServer(async (req, res) => {
  const kind = new URL(req.url, "http://x").pathname.slice(1);
  let goes_on = kind === "web"; // recorded once
  if (!goes_on) follow(req, res, () => { goes_on = true; });
  if (!goes_on) return;
  req.resume();
  let gone = false;
  res.on("close", () => { gone = true; });
  const type = { "content-type": kind === "plain" ? "application/json" : "text/event-stream; charset=utf-8" };
  if (kind === "split") {
    for (const [name, value] of Object.entries(type)) res.setHeader(name, value);
    const parts = ["da", Buffer.from("ta: 1\\r\\n\\r"), "\\ndata: 2\\n\\n: ping\\n\\nevent: pi", "ng\\ndata: {}\\n\\n"];
    for (const part of parts) res.write(part);
    return res.end();
  }
  res.writeHead(200, type);
  if (kind === "web") {
    let count = 0;
    const source = new ReadableStream({ async pull(controller) {
      if (count++ === 20) return controller.close();
      await new Promise((done) => setTimeout(done, 20));
      controller.enqueue(EVENT);
    } });
    const reader = recordWeb(source, req.headers["x-request-id"], sink).getReader();
    res.on("close", () => reader.cancel());
    for (let one; !(one = await reader.read()).done;) res.write(one.value);
    return res.end();
  }
  for (let i = 0; i < 20 && !gone; i++) {
    res.write(EVENT);
    await new Promise((done) => setTimeout(done, 20));
  }
  if (!gone) res.end();
}).listen(Number(process.argv[2]), "127.0.0.1");
"""


def need(module: str) -> None:
    """Skip where a development requirement is not installed; fail in the public workflow, which installs it."""
    if importlib.util.find_spec(module) is None:
        reason = f"no {module}: pip install {module}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


def elsewhere() -> dict[str, str]:
    """An environment with the packages of this one but not the package itself, which an editable install names in a
    file that ``python -S`` does not read."""
    packages = os.pathsep.join(filter(None, (sysconfig.get_path("purelib"), os.environ.get("PYTHONPATH", ""))))
    return {"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": packages, "LANG": "C.UTF-8"}


def run_elsewhere(folder: Path, code: str, *arguments: str, program: str | None = None) -> str:
    """Run Python code in such an environment, or with an interpreter of its own; return what it printed."""
    command, env = [sys.executable, "-S"], elsewhere()
    if program is not None:
        command, env = [program], {"PATH": env["PATH"]}
    done = subprocess.run(
        [*command, "-c", code, *arguments], cwd=folder, env=env, capture_output=True, text=True, timeout=600,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def serve_asgi(folder: Path, server: str, app: str = "app") -> Iterator[str]:
    """Run the application under uvicorn or hypercorn; yield its address."""
    need(server)
    (folder / "streams.py").write_text(ASGI)
    port = free_port()
    python = [sys.executable, "-S", "-m", server, f"streams:{app}"]
    place = {"uvicorn": ["--port", str(port), "--log-level", "warning"], "hypercorn": ["--bind", f"{HOST}:{port}"]}
    with running([*python, *place[server]], folder, (port,), env=elsewhere()):
        yield f"http://{HOST}:{port}"


@contextmanager
def serve_node(folder: Path, program: str, manner: str = "") -> Iterator[str]:
    """Run the application in Node; yield its address."""
    (folder / "streams.mjs").write_text(NODE)
    port = free_port()
    with running([program, "streams.mjs", str(port), manner], folder, (port,)):
        yield f"http://{HOST}:{port}"
