"""JSON text is decoded, shortened and walked over whatever it holds."""

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamaudit.ingest.json_text import decode, decode_at, shorten
from streamaudit.ingest.readers.scan import scan_values

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


def _deep(levels: int) -> str:
    return '{"id": "a", "deep": ' + "[" * levels + "]" * levels + "}"


@pytest.mark.parametrize("text", [_deep(2_000), _deep(100_000), '{"id": "a", "n": ' + "9" * 5_000 + "}"])
def test_what_python_refuses_is_decoded(text: str) -> None:
    """Other parsers read it, so its other fields are known."""
    assert decode(text)["id"] == decode(text.encode())["id"] == "a"
    value, end = decode_at(f"  {text} x", 2)
    assert (value["id"], end) == ("a", 2 + len(text))


@pytest.mark.parametrize("text", ["", "{", '{"a": tru}', "[" * 5_000, "\ufeff", b"\xff", "1 2", '{"a": "' + "x" * 100])
def test_what_is_no_json_raises_a_value_error(text: str | bytes) -> None:
    """And nothing else, however deep it is."""
    with pytest.raises(ValueError):
        decode(text)


class Pieces(io.BytesIO):
    """A stream that gives a few bytes at a time, so that every cut between two of them occurs."""

    def read(self, size: int | None = -1) -> bytes:
        """Return the next bytes, however many are requested."""
        return super().read(min(size, 3) if size and size > 0 else 3)


@given(st.lists(JSON, max_size=5), st.sampled_from([None, 1]), st.booleans())
def test_a_walk_finds_each_value_where_it_is(values: list[Any], indent: int | None, ascii_only: bool) -> None:
    """Elements of an array, or values one after another; their lines and lengths are those of a plain search."""
    texts = [json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
             for value in values]  # fmt: skip
    for in_array, data in ((True, b"\n[ " + b",\n".join(texts) + b"\n]\n"), (False, b"\n".join([*texts, b""]))):
        found = list(scan_values(Pieces(data), in_array=in_array))
        assert [value.text for value in found] == texts
        place = 0
        for value, text in zip(found, texts, strict=True):
            place = data.index(text, place)
            assert (value.line, value.size) == (data.count(b"\n", 0, place) + 1, len(text))
            place += len(text)


@given(JSON, st.integers(1, 7))
def test_a_short_text_is_shortened_to_itself(value: Any, size: int) -> None:
    """However it comes in pieces."""
    text = json.dumps(value).encode()
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    assert shorten(pieces) == (text, True)


def test_a_long_value_keeps_its_fields_and_its_shape() -> None:
    """Lists lose their later elements, texts their content, and nothing else changes."""
    run = {"model_id": "m", "ttfts": [0.5] * 200_000, "itls": [[0.1] * 50] * 20_000, "text": "é\\\"" * 100_000,
           "last": {"a": 1}}  # fmt: skip
    data = json.dumps(run, ensure_ascii=False).encode()
    short, complete = shorten([data[start : start + 4_099] for start in range(0, len(data), 4_099)])
    found = json.loads(short)
    assert complete and len(short) < 10_000
    assert list(found) == list(run) and found["last"] == {"a": 1} and found["text"] == ""
    assert len(found["ttfts"]) == 20 and len(found["itls"][0]) == 10


def test_only_as_much_as_allowed_is_looked_at() -> None:
    """An endless list ends the look."""
    short, complete = shorten(iter(lambda: b"[1," * 1_000, b""), most=100_000)
    assert not complete and len(short) < 4_000
