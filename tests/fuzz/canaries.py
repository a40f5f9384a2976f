"""Plant a text of its own at every place of a record that may hold what users wrote, and look for each of them in the
bytes and columns of the store, messages, lists of rejects and reports of every format."""

import json
import random
from pathlib import Path
from typing import Any

from streamaudit.store.store import Store
from tests.fuzz.check import Broken, run_command
from tests.ingest.sources.test_hostile_values import SOURCES, base

PLACES = (
    "input", "output", "prompt", "completion", "messages", "content", "text", "output_text", "input_text", "response",
    "request", "choices", "answer", "system", "tool_calls", "arguments", "body", "error_message", "statusMessage",
    "gen_ai.prompt", "gen_ai.completion", "gen_ai.input.messages", "gen_ai.output.messages", "input.value",
    "output.value", "llm.input_messages", "llm.output_messages", "exception.message", "exception.stacktrace", "notes",
)  # fmt: skip
_FORMATS = ("table", "json", "jsonl", "csv", "markdown", "html", "svg", "prometheus", "github", "junit")
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
    for canary in planted:
        for where, text in seen.items():
            if canary in text:
                place = next((line for line in lines if canary in line), "")
                before = place[max(place.find(canary) - 60, 0) : place.find(canary)]
                raise Broken(f"{story}: {where} has one, planted after {before!r}")
    return story
