"""Escapers under any text at all, and under the texts that matter most."""

import csv
import io
import json
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamaudit.report import escape
from streamaudit.report.model import Column, Interval, Report, Table
from streamaudit.report.render import csv as csv_format
from streamaudit.report.render.formats import Screen

ANY = st.text(st.characters(codec=None) | st.sampled_from("\x1b\x9b\u202e\u2066\u200b\u2028\n\r\t|`*_<>&[]@#=+-\"',;"))
WITHOUT_CONTROLS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Zl", "Zp"]) | st.sampled_from("\n\r\t=+-@,\"'")
)


@given(ANY)
def test_nothing_a_terminal_obeys_survives(text: str) -> None:
    """Every control, format and separator character is spelled out, on one line."""
    escaped = escape.terminal(text)
    categories = {unicodedata.category(character) for character in escaped} & {"Cc", "Zl", "Zp", "Cs"}
    assert not categories
    assert not re.search("[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\u00ad]", escaped)


@given(ANY)
def test_an_ascii_screen_gets_ascii(text: str) -> None:
    """Without Unicode every character is printable ASCII."""
    escaped = escape.terminal(text, unicode=False)
    assert escaped.isascii() and (escaped.isprintable() or not escaped)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_plain_text_is_left_alone(text: str) -> None:
    """What is harmless on a screen is not changed, markup of other tools included."""
    assert escape.terminal(text) == text


@given(ANY)
def test_escapes_stay_escaped(text: str) -> None:
    """Escaping twice changes nothing more."""
    assert escape.terminal(escape.terminal(text)) == escape.terminal(text)


@given(WITHOUT_CONTROLS)
def test_csv_gives_the_text_back(text: str) -> None:
    """The csv module reads the same text, but for the apostrophe that keeps a formula from being one."""
    columns = (Column("name"), Column("end"))
    table = Table("names", columns, ((text, "end"),))
    output = csv_format.render(Report("report", Interval(None, None), (table,)), Screen())
    _, [read, end] = csv.reader(io.StringIO(output, newline=""))
    assert (read, end) == (escape.csv(text), "end")
    if not re.search("(?:^|[;\t\r\n])[=+@＝＋－＠-]|^[\t\r\n]|::|##", text):
        assert read == text
    assert len(read) - len(text) == read.count("'") - text.count("'")


@given(ANY)
def test_csv_has_no_formula_and_no_controls(text: str) -> None:
    """No cell starts a formula, and no control character but tab, CR and LF is left."""
    escaped = escape.csv(text)
    assert not escaped.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]", escaped)


@given(ANY)
def test_json_gives_the_text_back(text: str) -> None:
    """The document stays valid and holds the same text, with nothing a terminal obeys in it."""
    document = escape.json(json.dumps({text: [text]}, ensure_ascii=False))
    assert json.loads(document) == {text: [text]}
    assert not re.search(
        "[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]", document
    )


def test_json_keeps_other_scripts_readable() -> None:
    """Names in any script, joined emoji included, are not turned into escapes."""
    assert escape.json('"テナント café می\u200cخواهم"') == '"テナント café می\u200cخواهم"'


@given(ANY)
def test_markdown_has_no_markup_left(text: str) -> None:
    """Nothing in a name is a pipe, a code span, a tag, an entity of its own, emphasis, a link or a mention."""
    escaped = escape.markdown(text)
    bare = re.sub(r"<!---->|&#\d+;|&(?:lt|gt|amp);|\\[*_\[\]~!$]", "", escaped)
    assert not re.search(r"[|`*_<>&\[\]@#\\~$\n\r]", bare)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a|b`c`", "a&#124;b&#96;c&#96;"),
        ("@octocat #12", "&#64;<!---->octocat &#35;<!---->12"),
        ("<b> & [x](y)", "&lt;b&gt; &amp; \\[x\\](y)"),
        ("http://x.y www.x.y", "http&#58;//x.y www&#46;x.y"),
        ("one\ntwo", "one&#92;ntwo"),
        ("gpt-4.1_mini", "gpt-4.1\\_mini"),
    ],
)
def test_markdown_by_hand(text: str, escaped: str) -> None:
    """GitHub resolves entities before it looks for mentions, so an empty comment parts the sign from the name."""
    assert escape.markdown(text) == escaped


@pytest.mark.parametrize(
    ("text", "escaped"),
    [("- item", "&#45; item"), ("1. one", "1&#46; one"), ("---", "&#45;--"), ("=", "&#61;"), ("1.43 s", "1.43 s")],
)
def test_a_line_of_markdown_starts_no_block(text: str, escaped: str) -> None:
    """A note that starts like a list or a rule stays text, and a number stays a number."""
    assert escape.markdown_line(text) == escaped
