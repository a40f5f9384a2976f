"""Find visible self-corrections in an answer: where each is and by which marker, without any of its text.

``corrections.csv`` lists the markers, each a regular expression (RE2, any case) for how a sentence begins that takes
back an earlier one. A marker counts where a sentence begins after other text: not in the first one, which answers an
earlier message, nor inside code, quotations, block quotes and reasoning in tags. Words such as *actually* or *however*
alone are none.

A text is read twice by DuckDB: once for any marker, and only where there is one, split into pieces of which those that
are a marker count. The first costs a scan, the second is rare.
"""

import csv
import re
from functools import cache
from io import StringIO

from streamaudit.store.package_files import package_text

# The end of a sentence or line before a marker, with what may stand between: brackets, list marks, emphasis.
_BEFORE = r"""(?:[.!?…]["'’”)\]*_]*\s+|[。！？；…]["'’”」』）]*\s*|\n\s*)(?:[-*•+]\s+|\d+[.)]\s+)?[*_]*"""
_APART = "|".join((
    r"```.*?(?:```|\z)", r"~~~.*?(?:~~~|\z)", r"`[^`\n]*`", r"<(?:think|thinking|reasoning)>.*?(?:</|\z)",
    r'"[^"\n]*"', r"“[^”]*”", r"„[^“”]*[“”]", r"«[^»]*»", r"»[^«]*«", r"「[^」]*」", r"『[^』]*』",
    r"\n[ \t]*>[^\n]*",
))  # fmt: skip
"""Alternatives of an expression for text that is set apart from the answer's own sentences."""
_PLAIN = r"""[^.!?…。！？；\n`~<"“„«»「『]+|."""
_SENTENCE_END = re.compile(r"""[.!?…]["'’”)\]*_]*\s|[。！？；…]""")
_PART = '"content"'
"""Key of each part of an answer, in the formats that join them."""
_MACROS = """
CREATE OR REPLACE TEMP MACRO no_corrections_of(answer) AS
    CASE WHEN answer <> '' THEN []::STRUCT(offset_chars BIGINT, offset_ms DOUBLE, marker VARCHAR)[] END;
CREATE OR REPLACE TEMP MACRO corrections_in(pieces) AS
    list_filter(list_transform(
        -- Nothing else that is longer than a character begins with the end of a sentence, but a block quote.
        list_filter(generate_series(1, len(pieces)),
            lambda i: length(pieces[i]) > 1 AND regexp_matches(left(pieces[i], 1), '[.!?…。！？；\n]')),
        lambda i: list_transform([regexp_extract(pieces[i], {groups}, {names})], lambda found: struct_pack(
            offset_chars := (coalesce(list_sum(list_transform(pieces[:i - 1], lambda piece: length(piece))), 0)
                + length(found.before))::BIGINT,
            offset_ms := NULL::DOUBLE,
            marker := CASE {markers} END))[1]
    ), lambda correction: correction.marker IS NOT NULL);
CREATE OR REPLACE TEMP MACRO corrections_of(answer) AS
    CASE
        WHEN answer IS NULL OR answer = '' THEN NULL
        WHEN NOT regexp_matches(answer, {any}) THEN []::STRUCT(offset_chars BIGINT, offset_ms DOUBLE, marker VARCHAR)[]
        ELSE corrections_in(regexp_extract_all(answer, {pieces}))
    END;
"""


@cache
def read_markers() -> dict[str, str]:
    """Return the patterns by marker id."""
    rows = csv.DictReader(StringIO(package_text("ingest", "corrections.csv")))
    return {row["marker"]: row["pattern"] for row in rows}


def may_have_corrections(lines: str) -> bool:
    """Return whether an answer in these JSON lines may have a correction: a sentence that follows another. An escape
    may stand for the end of one, and an answer of several parts has one where they meet.

    Where none does, ``no_corrections_of`` gives what ``corrections_of`` would, whose expressions take longer to compile
    than a small file to read.
    """
    plain = lines.replace('\\"', '"').replace("\\/", "/")
    return "\\" in plain or _SENTENCE_END.search(plain) is not None or plain.count(_PART) > 1


@cache
def macros() -> str:
    """Return the statements that define ``corrections_of(answer)``: NULL where there is no answer, else a list."""
    markers = read_markers()
    anywhere = f"{_BEFORE}(?:{'|'.join(markers.values())})"
    fill = {
        "{any}": _quote(f"(?is){anywhere}"),
        "{pieces}": _quote(f"(?is){_APART}|{anywhere}|{_PLAIN}"),
        "{groups}": _quote(f"(?is)^({_BEFORE})(?:{'|'.join(f'({pattern})' for pattern in markers.values())})"),
        "{names}": str(["before", *markers]),
        "{markers}": " ".join(f"WHEN found.\"{marker}\" <> '' THEN {_quote(marker)}" for marker in markers),
    }  # fmt: skip
    sql = _MACROS
    for mark, text in fill.items():
        sql = sql.replace(mark, text)
    return sql


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
