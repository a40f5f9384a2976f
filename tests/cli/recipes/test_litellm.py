"""A real LiteLLM proxy behind nginx, each with its printed recipe and no change to the application: both logs and the
proxy's own are joined by the id that nginx gave."""

import asyncio
import json
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from streamaudit.ingest.evidence import join
from streamaudit.ingest.readers.reader import Reader
from streamaudit.store.store import Store
from tests.cli.recipes.hosts import LITELLM, python_with
from tests.cli.recipes.proxies import serve
from tests.cli.running import Cli
from tests.edge.servers import HOST, free_port, running
from tests.support import Record, calls, ingest, write_lines

CONFIG = """
model_list:
- model_name: house
  litellm_params: {{model: openai/house, api_base: "http://{host}:{upstream}/v1", api_key: none}}
litellm_settings:
  callbacks: [call_log.log, streamaudit_recorder.recorder]
"""
CALL_LOG = """
import json
from litellm.integrations.custom_logger import CustomLogger

class Log(CustomLogger):
    async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
        with open("calls.jsonl", "a") as file:
            file.write(json.dumps(kwargs["standard_logging_object"], default=str) + "\\n")

log = Log()
"""
WHOLE, LEFT, EARLY = 24, 8, 3


class Model:
    """The provider behind LiteLLM: a token an event, by the number in the prompt. It generates on for no reader."""

    def __init__(self) -> None:
        self.billed: dict[str, int] = {}

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        tokens = int((await request.json())["messages"][0]["content"])
        base = {"id": f"resp-{len(self.billed)}", "object": "chat.completion.chunk", "created": 1, "model": "house"}
        self.billed[str(base["id"])] = tokens
        events: list[Record] = [
            {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "CANARY "}}]} for _ in range(tokens)
        ]
        usage = {"prompt_tokens": 5, "completion_tokens": tokens, "total_tokens": 5 + tokens}
        events += [{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}, {"choices": [], "usage": usage}]
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await asyncio.sleep(0.3)
        await response.prepare(request)
        with suppress(ConnectionResetError):
            for event in events:
                await response.write(f"data: {json.dumps({**base, **event})}\n\n".encode())
                await asyncio.sleep(0.02)
            await response.write(b"data: [DONE]\n\n")
        return response


@asynccontextmanager
async def _litellm(cli: Cli, upstream: int, key: str) -> AsyncIterator[int]:
    folder, port = cli.folder / "litellm", free_port()
    folder.mkdir()
    (folder / "config.yaml").write_text(CONFIG.format(host=HOST, upstream=upstream))
    (folder / "call_log.py").write_text(CALL_LOG)
    (folder / "streamaudit_recorder.py").write_text(cli.run("instrument", "litellm").out)
    program = Path(python_with("litellm", LITELLM)).with_name("litellm")
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(folder), "LITELLM_MASTER_KEY": key,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True"}  # fmt: skip
    command = [str(program), "--config", "config.yaml", "--host", HOST, "--port", str(port)]
    with running(command, folder, (), env=env):
        async with aiohttp.ClientSession() as session, asyncio.timeout(180):
            while not await _is_up(session, port):
                await asyncio.sleep(0.5)
        yield port


async def _is_up(session: aiohttp.ClientSession, port: int) -> bool:
    try:
        async with session.get(f"http://{HOST}:{port}/health/liveliness") as response:
            return bool(response.status == 200)
    except aiohttp.ClientError:
        return False


async def _ask(url: str, key: str, tokens: int, leaves_after: int | None) -> tuple[str, int]:
    """Return the id of the call as the client saw it, and how many tokens it read; 0 is to leave before the first."""
    body = {"model": "house", "stream": True, "messages": [{"role": "user", "content": str(tokens)}]}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
        try:
            async with (
                asyncio.timeout(0.1 if leaves_after == 0 else 30),
                session.post(url, json=body, headers={"Authorization": f"Bearer {key}"}) as response,
            ):
                taken = b""
                async for part in response.content.iter_any():
                    taken += part
                    if leaves_after is not None and taken.count(b"CANARY") >= leaves_after:
                        response.close()
                        break
                return response.headers["x-litellm-call-id"], taken.count(b"CANARY")
        except TimeoutError:
            return "", 0


async def _happen(cli: Cli, recipe: str) -> tuple[list[tuple[str, int]], dict[str, int], Path]:
    model, app, key = Model(), web.Application(), f"sk-{secrets.token_hex(16)}"
    app.router.add_post("/v1/chat/completions", model.serve)
    runner = web.AppRunner(app, handler_cancellation=False, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    async with _litellm(cli, runner.addresses[0][1], key) as port:
        with serve("nginx", recipe, cli.folder / "nginx", port) as proxy:
            url = proxy.urls["nginx"].replace("/chat", "/v1/chat/completions")
            await _ask(url, key, 1, None)  # the first takes seconds
            seen = [await _ask(url, key, 20 + number, None) for number in range(WHOLE)]
            seen += [await _ask(url, key, 40, after) for after in [*range(3, 3 + LEFT), *[0] * EARLY]]
            await asyncio.sleep(2)
    await runner.cleanup()
    return seen, model.billed, proxy.log


@pytest.mark.proof
def test_the_logs_of_nginx_and_litellm_are_of_the_same_calls(cli: Cli) -> None:
    """Every call is in all three logs. Who left before the first token has an exact tax; of others what was delivered
    lies between what the client read and a few tokens more."""
    seen, billed, access = asyncio.run(_happen(cli, cli.run("instrument", "nginx").out))
    folder = cli.folder / "litellm"
    texts = [path.read_text() for path in (access, folder / "delivered.jsonl")]
    assert "CANARY" not in "".join(texts)
    usage = [{"response_id": key, "billed_tokens": tokens, "reasoning_tokens": 0} for key, tokens in billed.items()]
    with Store.in_memory() as store, Reader() as reader:
        ingest(store, folder / "calls.jsonl")
        for log in (access, folder / "delivered.jsonl", write_lines(cli.folder / "usage.jsonl", usage)):
            found = join(store, reader, str(log), None)
            assert (found.problem, found.unmatched) == (None, 0), (log, found)
            assert found.matched == 1 + WHOLE + LEFT + EARLY
        known = calls(store)
    by_request = {call["request_id"] or call["call_id"]: call for call in known.values()}
    for request_id, read in seen[WHOLE : WHOLE + LEFT]:
        call = by_request[request_id]
        assert (call["outcome"], call["tax_rule"], call["edge_servers"]) == (
            "cancelled", "delivered_learned", "nginx+recorder",
        )  # fmt: skip
        assert read <= call["delivered_high"] <= read + 12
        assert call["tax_low"] <= 40 - read <= call["tax_high"] == 40
    early = [call for call in known.values() if call["delivered_tokens"] == 0]
    assert [(call["tax_class"], call["tax_best"]) for call in early] == [("exact", 40)] * EARLY
