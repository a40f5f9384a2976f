r"""Make hostile text harmless, one function per kind of output.

Names come from trace data and may hold anything: commands to a terminal or to the runner of a CI job, characters that
reorder or hide their neighbours, markup, formulas. Dangerous characters stay visible as an escape such as ``\x1b``;
nothing is dropped, but a screen cuts what is too long to be a name.

A runner obeys lines that it reads on any stream: GitHub's begin with ``::`` (after spaces), those of Azure Pipelines
and TeamCity hold ``##vso[``, ``##[`` or ``##teamcity[`` anywhere.
"""

import re

_CONTROLS = "\x00-\x1f\x7f-\x9f"
_REORDERING = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_LINE_BREAKS = "\u2028\u2029"
_SURROGATES = "\ud800-\udfff"
_INVISIBLE = (
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2060-\u2065\u206a-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff"
)
_NO_CHARACTERS = "\ufdd0-\ufdef\ufffe\uffff"

_ON_SCREEN = re.compile(f"[{_CONTROLS}{_REORDERING}{_LINE_BREAKS}{_SURROGATES}{_INVISIBLE}{_NO_CHARACTERS}]")
_NOT_ASCII = re.compile("[^\x00-\x7f]")
# Joiners and similar characters belong to real names in many scripts, so files for other programs keep them.
_IN_CSV = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f{_REORDERING}{_LINE_BREAKS}{_SURROGATES}]")
# The encoder has already escaped C0, and the line feeds left are its own.
_IN_JSON = re.compile(f"[\x7f-\x9f{_REORDERING}{_LINE_BREAKS}{_SURROGATES}]|#(?=#(?:(?i:vso|teamcity))?\\[)")

_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
_STAND_INS = str.maketrans(
    {"≥": ">=", "≤": "<=", "…": "...", "−": "-", "×": "x", "±": "+/-", "→": "->", "–": "-", "\N{FIGURE SPACE}": " "}
    | dict(zip("▁▂▃▄▅▆█", "_.,-=+#", strict=True))  # a sparkline
)
CSV_FORMULA = "(^|[;\t\r\n])([=+@＝＋－＠-]|[ \t]*::)"
"""The beginning of a formula, or of a command to a runner: in a cell, behind a separator that a spreadsheet may take
for one, and in a further line of a cell. An apostrophe goes between the two groups."""
CSV_LEADING = "^([\t\r\n])"
"""A sign that a spreadsheet drops before it looks for a formula."""
COMMAND = r"(#)(#(?:vso|teamcity)?\[)"
"""A command to a runner, anywhere in a line; case makes no difference."""
_CSV_FORMULA, _CSV_LEADING = re.compile(CSV_FORMULA), re.compile(CSV_LEADING)
_COMMAND = re.compile(COMMAND, re.IGNORECASE)
_COMMAND_LINE = re.compile(r"^(\s*):(?=:)", re.MULTILINE)

# GitHub looks for mentions and issue numbers after entities are resolved: only an empty comment separates them.
_MARKDOWN = str.maketrans(
    {character: f"\\{character}" for character in "*_[]~!$"}
    | {character: f"&#{ord(character)};" for character in "|\\`"}
    | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
    | {"@": "&#64;<!---->", "#": "&#35;<!---->"}
)
_LINK = re.compile(r"(?<=[a-z])(:)(?=//)|(?<=www)(\.)", re.IGNORECASE)
_ADDRESS = re.compile(r"@(?=\S)|(?<=[a-z]):(?=//)|(?<=www)(?=\.)|(?<=mailto):", re.IGNORECASE)
_BLOCK = re.compile(r"^(\d*)([-+=.)])(?=[-+=]*(?:\s|$))")


def _visible(match: re.Match[str]) -> str:
    character = match.group()
    code = ord(character)
    if code <= 0xFF:
        return _SHORT.get(character, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def terminal(text: str, *, unicode: bool = True) -> str:
    """Return text for a screen: one line, every character visible, nothing a terminal obeys.

    ASCII only unless ``unicode``.
    """
    if text.isascii() and text.isprintable() and "##" not in text:
        return text
    text = _COMMAND.sub(r"\\x23\2", _ON_SCREEN.sub(_visible, text))
    return text if unicode else _NOT_ASCII.sub(_visible, text.translate(_STAND_INS))


def line(text: str) -> str:
    """Return finished lines of a screen, of which none begins like a command to a runner."""
    return _COMMAND_LINE.sub(r"\1\\x3a", text) if "::" in text else text


def shorten(text: str, most: int = 1000) -> str:
    """Return the text of at most this many characters, for a screen: an ellipsis stands for the middle of a longer
    one."""
    tail = most // 4
    return text if len(text) <= most else f"{text[: most - tail - 1]}…{text[-tail:]}"


def markdown(text: str) -> str:
    """Return text for GitHub Markdown inside a line or a table cell: no markup, link, mention or reference."""
    text = _ON_SCREEN.sub(_visible, text).translate(_MARKDOWN)
    return _LINK.sub(lambda match: f"&#{ord(match.group())};", text)


def markdown_line(text: str) -> str:
    """Return text for GitHub Markdown as a line of its own: never a list, a rule or an underlined heading either."""
    safe = _BLOCK.sub(lambda match: f"{match[1]}&#{ord(match[2])};", markdown(text.strip()))
    return f"&#58;{safe[1:]}" if safe.startswith("::") else safe


def message(text: str) -> str:
    """Return text for one line of a message in any chat or mail: no markup, no mention, no link.

    ``&``, ``<`` and ``>`` become entities, and a zero-width space breaks text that a service would turn into a mention
    or a link.
    """
    text = _ON_SCREEN.sub(_visible, text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = _COMMAND_LINE.sub("\\1:\u200b", _COMMAND.sub("\\1\u200b\\2", text))
    return _ADDRESS.sub(lambda match: f"{match.group()}\u200b", text)


def csv(text: str) -> str:
    """Return text for a CSV cell before quoting: never a formula, no control characters but tab, CR and LF.

    An apostrophe keeps what looks like a formula or a command from being one.
    """
    text = _CSV_FORMULA.sub(r"\1'\2", _IN_CSV.sub(_visible, text))
    return _COMMAND.sub(r"\1'\2", _CSV_LEADING.sub(r"'\1", text))


def csv_signs() -> list[str]:
    """Return the characters that ``csv`` escapes, in order of their codes."""
    all_signs = "".join(chr(code) for code in range(0x10000) if not 0xD800 <= code < 0xE000)
    return _IN_CSV.findall(all_signs)


def json(document: str) -> str:
    r"""Return a finished JSON document with C1 controls, bidi controls, line separators and commands to a runner as
    ``\u`` escapes."""
    if document.isascii() and "\x7f" not in document and "##" not in document:
        return document
    return _IN_JSON.sub(lambda match: f"\\u{ord(match.group()):04x}", document)


_OWNER = re.compile(r"""\b([A-Za-z][A-Za-z0-9+.-]*:/{1,2})[^\s/@"']+@""")
_QUERY = re.compile(r"""\b([A-Za-z][A-Za-z0-9+.-]*:/{1,2}[^\s?"']+\?)(?![0-9a-f]{8}(?![\w%&=.-]))[^\s"']+""")
"""The query of an address, unless the short hash of one has replaced it already."""


def without_credentials(text: str) -> str:
    """Return text in which addresses have neither a name with a password before their host nor a query."""
    return _QUERY.sub(r"\1****", _OWNER.sub(r"\1****@", text)) if ":/" in text else text
