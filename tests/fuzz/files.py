"""Odd files from a seed: records of every format, some of them changed, in any container, some of it damaged."""

import csv
import gzip
import io
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import zstandard

from tests.ingest.sources.test_hostile_values import HOSTILE, SOURCES, base
from tests.support import CONTENT_MARKER, Record

CANARY = f"{CONTENT_MARKER}what a user wrote"
_CONTENT = ("input", "output", "prompt", "completion", "messages", "output_text")
_ODD_TEXTS = (
    b"", b"1", b"null", b"{}", b"[]", b"not json", b'{"a":', b"\xff\xfe{}", b'{"id":"\x00"}', b'{"id":"\\ud83d"}',
    b"9" * 5_000, b"[" * 3_000 + b"]" * 3_000, b'{"errors":[{"detail":"x"}]}', b'{"resourceMetrics":[]}',
    b'{"dataType":"NUMERIC","traceId":"t","id":"s"}', b'{"a":' * 1_500 + b"1" + b"}" * 1_500,
)  # fmt: skip
_KEYS = ("id", "type", "model", "timestamp", "usage", "metadata", "tags", "spans", "data", "attributes", "trace_id")


@dataclass(frozen=True)
class OddFile:
    """A file to be read, and what was done to it, in words."""

    name: str
    data: bytes
    story: str


def make_file(seed: int) -> OddFile:
    """Return the file of a seed: the same one on every machine."""
    dice = random.Random(seed)
    sources = dice.sample(sorted(SOURCES), dice.choice((1, 1, 1, 2)))
    records = [_record(dice, dice.choice(sources), number) for number in range(dice.randint(1, 25))]
    changed = dice.randint(0, max(1, len(records) // 2))
    for place in dice.sample(range(len(records)), min(changed, len(records))):
        records[place] = _change(dice, records[place])
    texts = [_text(dice, record) for record in records]
    for _ in range(dice.choice((0, 0, 1, 3))):
        texts.insert(dice.randint(0, len(texts)), dice.choice(_ODD_TEXTS))
    form = dice.choice(sorted(_FORMS))
    data, suffix = _FORMS[form](dice, records, texts), "csv" if form == "table" else "json"
    damage = dice.choice(sorted(_DAMAGES))
    data = _DAMAGES[damage](dice, data)
    packing = dice.choice(("plain", "plain", "gz", "zst", "cut gz"))
    if packing != "plain":
        data = zstandard.compress(data) if packing == "zst" else gzip.compress(data, mtime=0)
        data, suffix = data[: -dice.randint(1, 9)] if packing == "cut gz" else data, f"{suffix}.{packing[-2:]}"
    story = f"{' and '.join(sources)}, {len(texts)} values, {changed} changed, {form}, {damage}, {packing}"
    return OddFile(f"case.{suffix}", data, story)


def _text(dice: random.Random, record: Record) -> bytes:
    return json.dumps(record, ensure_ascii=dice.random() < 0.5).encode("utf-8", "surrogatepass")


def _record(dice: random.Random, source: str, number: int) -> Record:
    record = dict(base(source, number))
    if source in ("raw", "langfuse", "helicone", "langsmith", "litellm") and dice.random() < 0.7:
        record[dice.choice(_CONTENT)] = dice.choice((CANARY, {"text": CANARY}, [{"role": "user", "content": CANARY}]))
    return record


def _change(dice: random.Random, record: Record) -> Record:
    """Put an odd value somewhere, or take a key away, rename it or add one; never where content is."""
    changed: Record = json.loads(json.dumps(record))
    inner: Any = changed
    while True:
        keys = [key for key in inner if key not in _CONTENT] if isinstance(inner, dict) else list(range(len(inner)))
        if not keys:
            return changed
        key = dice.choice(keys)
        if isinstance(inner[key], dict | list) and inner[key] and dice.random() < 0.7:
            inner = inner[key]
            continue
        how = dice.choice(("value", "value", "value", "drop", "rename", "add"))
        if how == "value" or isinstance(inner, list):
            inner[key] = dice.choice(HOSTILE)
        elif how == "add":
            inner[dice.choice(_KEYS)] = dice.choice(HOSTILE)
        else:
            value = inner.pop(key)
            if how == "rename":
                inner[dice.choice(_KEYS)] = value
        return changed


def _lines(dice: random.Random, _: list[Record], texts: list[bytes]) -> bytes:
    end = dice.choice((b"\n", b"\r\n", b"\n\n"))
    return end.join(texts) + (end if dice.random() < 0.5 else b"")


def _array(dice: random.Random, _: list[Record], texts: list[bytes]) -> bytes:
    return b"[" + dice.choice((b",", b",\n", b" , ")).join(text for text in texts if text) + b"]"


def _pages(dice: random.Random, _: list[Record], texts: list[bytes]) -> bytes:
    key = dice.choice((b"data", b"observations", b"spans"))
    page = b'{"' + key + b'":[' + b",".join(text for text in texts if text) + b'],"meta":{}}'
    return b"\n".join([page] * dice.choice((1, 1, 2)))


def _objects(dice: random.Random, records: list[Record], _: list[bytes]) -> bytes:
    return b"\n".join(json.dumps(one, indent=dice.choice((1, 2))).encode() for one in records)


def _table(dice: random.Random, records: list[Record], _: list[bytes]) -> bytes:
    names = list(dict.fromkeys(name for record in records for name in record))
    out = io.StringIO()
    table = csv.writer(out, delimiter=dice.choice(",;\t"))
    table.writerow(names)
    for record in records:
        cells = [record.get(name) for name in names]
        table.writerow([json.dumps(cell) if isinstance(cell, dict | list) else cell for cell in cells])
    return out.getvalue().encode("utf-8", "replace")


_FORMS: dict[str, Callable[[random.Random, list[Record], list[bytes]], bytes]] = {
    "lines": _lines, "array": _array, "pages": _pages, "objects": _objects, "table": _table, "lines again": _lines,
}  # fmt: skip


def _cut(dice: random.Random, data: bytes) -> bytes:
    return data[: dice.randint(0, len(data))]


def _flip(dice: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.randint(1, 5)):
        if changed:
            changed[dice.randrange(len(changed))] = dice.randrange(256)
    return bytes(changed)


def _insert(dice: random.Random, data: bytes) -> bytes:
    place = dice.randint(0, len(data))
    odd = dice.choice((b"\x00", b"\n", b'"', b"\xef\xbb\xbf", b"}", b"\xff", b" ", b"\\"))
    return data[:place] + odd + data[place:]


def _leave(_: random.Random, data: bytes) -> bytes:
    return data


_DAMAGES: dict[str, Callable[[random.Random, bytes], bytes]] = {
    "whole": _leave, "intact": _leave, "cut off": _cut, "bytes changed": _flip, "a byte inserted": _insert,
    "with a mark": lambda _, data: b"\xef\xbb\xbf" + data,
}  # fmt: skip
