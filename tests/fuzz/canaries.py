"""Plant a text of its own at every place of a record that may hold what users wrote, and look for each of them in the
bytes and columns of the store, messages, lists of rejects, reports of every format, posts and answers to assistants."""

import asyncio
import contextlib
import json
import os
import random
from pathlib import Path
from typing import Any
from unittest.mock import patch

from streamaudit.api import Session
from streamaudit.config.settings import Settings
from streamaudit.store.store import Store
from tests.fuzz.check import Broken, run_command
from tests.fuzz.stores import inbox, post_address
from tests.ingest.sources.test_hostile_values import SOURCES, base

PLACES = (
    "input", "output", "prompt", "completion", "messages", "content", "text", "output_text", "input_text", "response",
    "request", "choices", "answer", "system", "tool_calls", "arguments", "body", "error_message", "statusMessage",
    "gen_ai.prompt", "gen_ai.completion", "gen_ai.input.messages", "gen_ai.output.messages", "input.value",
    "output.value", "llm.input_messages", "llm.output_messages", "exception.message", "exception.stacktrace", "notes",
)  # fmt: skip
_FORMATS = ("table", "json", "jsonl", "csv", "markdown", "html", "svg", "prometheus", "github", "junit")
_BY = ("model", "tenant", "route", "user_id", "outcome")
_CHECKS = """
[[check]]
metric = "error_rate"
expect = "<0.5"
by = "model"
min_n = 1
[[check]]
metric = "cancel_rate"
expect = "<0.1"
by = "tenant"
min_n = 1
"""
_DUMPS = ("calls", "spans", "loads", "rejects", "taxes", "texts")


def check(seed: int, folder: Path) -> str:
    """Read records of one source with canaries. Raises Broken when one is found outside its file."""
    dice = random.Random(seed)
    source = dice.choice(sorted(SOURCES))
    planted: list[str] = []

    def plant(value: Any) -> Any:
        if isinstance(value, list):
            return [plant(item) for item in value]
        if not isinstance(value, dict):
            return value
        grown = {name: plant(item) for name, item in value.items()}
        for name in dice.sample(PLACES, 8):
            if name in grown and not isinstance(grown[name], str):
                continue
            canary = f"canary{seed}x{len(planted):05d}y"
            planted.append(canary)
            grown[name] = dice.choice((canary, [{"role": "user", "content": canary}], {"text": canary}, f"E: {canary}"))
        return grown

    records = [plant(base(source, number)) for number in range(dice.randint(1, 6))]
    lines = [json.dumps(record) for record in records]
    if dice.random() < 0.5:
        lines.insert(dice.randint(0, len(lines)), lines[0][: dice.randint(1, len(lines[0]) - 1)])
    file, store = folder / "canaries.jsonl", folder / "store.duckdb"
    file.write_text("\n".join(lines) + "\n")
    code, out, err = run_command("ingest", file, "--db", store, "--rejects", folder / "rejects.csv", "-v")
    story = f"{source}, {len(planted)} canaries"
    if code not in (0, 3):
        raise Broken(f"{story}: exit code {code}: {err}")
    seen = {"messages of ingest": out + err, "rejects": (folder / "rejects.csv").read_text()}
    with Store.open(store, write=False) as opened:
        for table in _DUMPS:
            seen[table] = repr(opened.query(f"SELECT t::VARCHAR FROM store.{table} t"))
    seen["bytes of the store"] = store.read_bytes().decode("latin-1")
    for form in dice.sample(_FORMATS, 3):
        words = (*dice.choice((("report",), ("tax",), ("ttft",), ("weekly", "--week", "2026-W47"))), "--format", form)
        _, out, err = run_command(*words, "--db", store)
        seen[" ".join(words)] = out + err
    seen |= _posted(folder, dice) | _answered(store)
    for canary in planted:
        for where, text in seen.items():
            if canary in text:
                place = next((line for line in lines if canary in line), "")
                before = place[max(place.find(canary) - 60, 0) : place.find(canary)]
                raise Broken(f"{story}: {where} has one, planted after {before!r}")
    return story


def _posted(folder: Path, dice: random.Random) -> dict[str, str]:
    """Return the messages that go to a chat, and those about them."""
    (folder / "streamaudit.toml").write_text(_CHECKS)
    seen = {}
    for words in (("weekly", "--week", "2026-W47", "--by", dice.choice(_BY)), ("check", "--since", "2026-01-01")):
        inbox().requests.clear()
        with contextlib.chdir(folder), patch.dict(os.environ, post_address()):
            code, out, err = run_command(*words, "--post", "--db", "store.duckdb")
        if code not in (0, 1) or (words[0] == "weekly" and not inbox().requests):
            raise Broken(f"{' '.join(words)} --post ended with {code}: {err}")
        bodies = [one.body.decode() + repr(one.headers) for one in inbox().requests]
        seen[f"posts of {words[0]}"] = "".join((out, err, *bodies))
    return seen


def _answered(store: Path) -> dict[str, str]:
    """Return what an assistant is answered."""
    from mcp import Client

    from streamaudit.cli import mcp_server

    with Store.open(store, write=False) as opened:
        ids = [str(row[0]) for row in opened.query("SELECT call_id FROM store.calls ORDER BY ALL LIMIT 1")]
    questions: list[tuple[str, dict[str, Any]]] = [
        ("report", {"by": "tenant,model,route"}), ("audit", {}), ("coverage", {}), ("sql", {"select": "FROM calls"}),
        ("sql", {"select": "FROM rejects"}), *(("explain", {"call_id": call_id}) for call_id in ids),
    ]  # fmt: skip

    async def ask() -> dict[str, str]:
        async with Client(mcp_server.build(lambda: Session(Settings(), db=store))) as client:
            found = [await client.call_tool(name, given) for name, given in questions]
        return {f"answer of {name}": repr(one.content) for (name, _), one in zip(questions, found, strict=True)}

    return asyncio.run(ask())
