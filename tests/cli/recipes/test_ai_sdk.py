"""The printed hooks in the real AI SDK: a chat of ``useChat`` in Chromium, ``streamText`` with the SDK's own mock model
in Node, and the printed recorder for Node that takes the page's figures."""

import asyncio
import json
import os
import subprocess
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright

from tests.cli.recipes.hosts import AI_SDK, node_with
from tests.cli.recipes.test_browser import CHROMIUM
from tests.cli.running import Cli
from tests.edge.servers import HOST, find, free_port, running
from tests.support import Record

CHUNKS, TEXT = 40, "CANARY "
SERVER = """
import { appendFileSync, readFileSync } from "node:fs";
import http from "node:http";
import { convertToModelMessages, simulateReadableStream, streamText } from "ai";
import { MockLanguageModelV3 } from "ai/test";
import { recordText } from "./streamaudit-ai-sdk.js";
import { record } from "./streamaudit-recorder.mjs";

const usage = { inputTokens: { total: 5 }, outputTokens: { total: 40 } };
const model = () => new MockLanguageModelV3({ doStream: async () => ({ stream: simulateReadableStream({
  initialDelayInMs: 100, chunkDelayInMs: 25, chunks: [
    { type: "stream-start", warnings: [] }, { type: "text-start", id: "1" },
    ...Array.from({ length: 40 }, () => ({ type: "text-delta", id: "1", delta: "CANARY " })),
    { type: "text-end", id: "1" }, { type: "finish", finishReason: { unified: "stop", raw: "stop" }, usage },
  ] }) }) });
const fragile = { sink() { throw new Error("a full disk"); } };
const usual = { sink: (line) => appendFileSync("text.jsonl", JSON.stringify(line) + "\\n") };
const files = { "/page": ["page.html", "text/html"], "/page.js": ["page.js", "text/javascript"] };
const follow = record();
http.createServer((req, res) => follow(req, res, async () => {
  const [file, type] = files[req.url] ?? [];
  if (file) return res.writeHead(200, { "content-type": type }).end(readFileSync(file));
  if (req.url !== "/api/chat") return res.writeHead(404).end();
  let body = "";
  for await (const part of req) body += part;
  const { messages } = JSON.parse(body), control = new AbortController();
  res.on("close", () => control.abort());
  const prompt = messages.findLast((one) => one.role === "user").parts[0].text;
  streamText({ model: model(), messages: await convertToModelMessages(messages), abortSignal: control.signal,
    ...recordText(req.headers["x-request-id"], prompt === "fragile" ? fragile : usual),
  }).pipeUIMessageStreamToResponse(res);
})).listen(Number(process.argv[2]), "127.0.0.1");
"""
PAGE = """
import { DefaultChatTransport } from "ai";
import { useChat } from "@ai-sdk/react";
import { createElement, useEffect } from "react";
import { createRoot } from "react-dom/client";
import { recordChat } from "./streamaudit-ai-sdk.js";

const recorder = recordChat();
window.ids = [];
const asked = (input, init) => {
  const headers = new Headers(init.headers);
  headers.set("x-request-id", crypto.randomUUID());
  window.ids.push(headers.get("x-request-id"));
  return recorder.fetch(input, { ...init, headers });
};
function Chat() {
  const { messages, sendMessage, stop, status } = useChat({ onFinish: recorder.onFinish,
    transport: new DefaultChatTransport({ api: "/api/chat", fetch: asked }) });
  useEffect(() => recorder.show(messages), [messages]);
  useEffect(() => { Object.assign(window, { send: (text) => sendMessage({ text }), stop, status }); });
  const shown = messages.filter((one) => one.role === "assistant").at(-1);
  const texts = shown?.parts.map((part) => (part.type === "text" ? part.text : ""));
  return createElement("p", { id: "out" }, texts?.join(""));
}
createRoot(document.body).render(createElement(Chat));
"""


async def _ask(page: Page, prompt: str, stop_after: int | None = None) -> int:
    """Send a prompt and wait for its answer, or stop it once it has so many characters; return those in the page."""
    before = await page.evaluate("window.ids.length")
    await page.evaluate(f"void send({json.dumps(prompt)})")
    await page.wait_for_function(f"window.ids.length > {before}")
    if stop_after is not None:
        await page.wait_for_function("document.querySelector('#out').textContent.length <= 60")
        await page.wait_for_function(f"document.querySelector('#out').textContent.length > {stop_after}")
        await page.evaluate("stop()")
    await page.wait_for_function("window.status === 'ready'")
    await page.wait_for_timeout(150)
    return int(await page.evaluate("document.querySelector('#out').textContent.length"))


async def _browse(address: str) -> tuple[list[str], list[int]]:
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page()
        await page.goto(f"{address}/page")
        await page.wait_for_function("!!window.send")
        shown = [await _ask(page, "whole"), await _ask(page, "stopped", 70), await _ask(page, "fragile")]
        await page.evaluate("void (navigator.sendBeacon = () => { throw new Error('no') })")
        shown.append(await _ask(page, "mute"))
        await page.evaluate("void (delete navigator.sendBeacon)")
        await page.evaluate("void send('closed')")
        await page.wait_for_function("document.querySelector('#out').textContent.length <= 60")
        await page.wait_for_function("document.querySelector('#out').textContent.length > 40")
        ids: list[str] = await page.evaluate("window.ids")
        await page.close(run_before_unload=True)
        await asyncio.sleep(0.5)
        await browser.close()
    return ids, shown


def _lines(path: Path) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for line in map(json.loads, path.read_text().splitlines()):
        found.setdefault(line["request_id"], []).append(line)
    return found


@pytest.mark.proof
def test_a_chat_reports_what_it_showed_and_its_server_what_it_handed_over(cli: Cli) -> None:
    """Answers that are whole, stopped and left by closing the page, and those whose recorders throw: every stream goes
    on, the page's count is at most the model's, and of a whole answer they are equal."""
    if CHROMIUM is None:
        pytest.skip("no browser: apt-get install chromium")
    packages = node_with("ai-sdk", *AI_SDK)
    folder, port = cli.folder, free_port()
    (folder / "node_modules").symlink_to(packages / "node_modules")
    for name, file in (("browser", "streamaudit-browser.js"), ("ai-sdk", "streamaudit-ai-sdk.js"),
        ("node", "streamaudit-recorder.mjs")):  # fmt: skip
        (folder / file).write_text(cli.run("instrument", name).out)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "server.js").write_text(SERVER)
    (folder / "app.js").write_text(PAGE)
    (folder / "page.html").write_text('<!doctype html><meta charset="utf-8"><body><script src="/page.js"></script>')
    subprocess.run(
        [packages / "node_modules" / ".bin" / "esbuild", "app.js", "--bundle", "--outfile=page.js",
            '--define:process.env.NODE_ENV="production"'], cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    with running([find("node"), "server.js", str(port)], folder, (port,), env={"PATH": os.environ["PATH"]}):
        ids, (whole, stopped, fragile, mute) = asyncio.run(_browse(f"http://{HOST}:{port}"))
    assert len(ids) == 5 and whole == fragile == mute == CHUNKS * len(TEXT) > stopped > 70
    logs = (folder / "delivered.jsonl").read_text() + (folder / "text.jsonl").read_text()
    assert "CANARY" not in logs
    handed = _lines(folder / "text.jsonl")
    assert {ids.index(one) for one in handed} == {0, 1, 3, 4} and all(len(lines) == 1 for lines in handed.values())
    model = {ids.index(one): lines[0] for one, lines in handed.items()}
    served = {ids.index(one): [line for line in lines if "bytes" in line]
        for one, lines in _lines(folder / "delivered.jsonl").items()}  # fmt: skip
    page = {ids.index(one): [line for line in lines if "rendered_chars" in line]
        for one, lines in _lines(folder / "delivered.jsonl").items()}  # fmt: skip
    assert [(model[one]["delivered_chunks"], model[one]["delivered_chars"]) for one in (0, 3)] == [(CHUNKS, whole)] * 2
    assert [model[one]["cancelled"] for one in (0, 1, 3, 4)] == [False, True, False, True]
    assert [line["cancelled"] for one in range(5) for line in served[one]] == [False, True, False, False, True]
    (all_shown,), (some_shown,) = page[0], page[1]
    assert (int(all_shown["rendered_chars"]), all_shown["cancelled"], all_shown["end"]) == (whole, "false", "complete")
    assert (some_shown["cancelled"], some_shown["end"]) == ("true", "stop")
    assert 0 < int(some_shown["rendered_chars"]) <= stopped <= model[1]["delivered_chars"] < whole
    assert int(page[2][0]["rendered_chars"]) == whole and page[3] == []
    gone = next(line for line in page[4] if line["end"] == "leave")
    assert gone["cancelled"] == "true" and 0 < int(gone["rendered_chars"]) <= model[4]["delivered_chars"] < whole
