"""Documentation, messages, docstrings, comments and names of the package are plain engineering English.

``words.csv`` lists words that a reader stumbles over, with replacements.
"""

import ast
import csv
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.docs import pages
from tests.structure import CHECKOUT, PACKAGE

WORDS = Path(__file__).parent / "words.csv"
with WORDS.open(encoding="utf-8", newline="") as _file:
    REPLACEMENTS = {row["words"]: row["say instead"] for row in csv.DictReader(_file)}
BANNED = [(re.compile(rf"(?<![a-z])(?:{words})(?![a-z])", re.IGNORECASE), words) for words in REPLACEMENTS]
ANY = re.compile(rf"(?<![a-z])(?:{'|'.join(REPLACEMENTS)})(?![a-z])", re.IGNORECASE)
OPENING = re.compile(r"(?:What|One|How)\b")
SOURCES = sorted((CHECKOUT / PACKAGE).rglob("*.py"))
QUERIES = sorted((CHECKOUT / PACKAGE).rglob("*.sql"))
HELP_TEXTS = CHECKOUT / PACKAGE / "cli" / "commands"
PROSE = [*pages.pages(), *(pages.ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"))]
QUERY = re.compile(r"\b(?:SELECT|CASE|WHEN|AND|FROM|AS|NULL|coalesce)\b|^[a-z_ ]+$|^\(")

Text = tuple[int, str]


def docstrings(tree: ast.Module) -> Iterator[Text]:
    """Yield line and text of every docstring, also of those below a constant or a field."""
    for node in ast.walk(tree):
        if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        before: ast.stmt | None = None
        for statement in node.body:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                is_documented = before is None or isinstance(before, (ast.Assign, ast.AnnAssign))
                if isinstance(statement.value.value, str) and is_documented:
                    yield statement.lineno, statement.value.value
            before = statement


def help_texts(tree: ast.Module) -> Iterator[Text]:
    """Yield the docstrings that ``--help`` prints."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and ast.get_docstring(node):
            yield node.body[0].lineno, ast.get_docstring(node) or ""


def comments(path: Path) -> Iterator[Text]:
    """Yield line and text of every comment of a Python or SQL file."""
    if path.suffix == ".sql":
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if "--" in line:
                yield number, line.partition("--")[2]
        return
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string


def messages(tree: ast.Module) -> Iterator[Text]:
    """Yield line and text of every string that people may read: neither a docstring nor SQL nor a list of words."""
    documented = {text for _, text in docstrings(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value not in documented:
            if " " in node.value.strip() and not QUERY.search(node.value):
                yield node.lineno, node.value


def prose(page: Path) -> Iterator[Text]:
    """Yield line and text of every line of a page, outside of code and of released versions."""
    text = re.split(r"^## \[?\d", page.read_text(encoding="utf-8"), maxsplit=1, flags=re.MULTILINE)[0]
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        inside ^= line.startswith("```")
        if not inside:
            yield number, re.sub(r"`[^`]*`|\]\([^)]*\)", "", line)


def names(tree: ast.Module) -> Iterator[Text]:
    """Yield line and words of every name that the code defines."""
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found = name
            case ast.arg(arg=name):
                found = name
            case ast.Name(id=name, ctx=ast.Store()):
                found = name
            case _:
                continue
        yield node.lineno, re.sub(r"(?<=[a-z])(?=[A-Z])", " ", found).replace("_", " ")


def problems(texts: Iterator[Text], path: Path) -> Iterator[str]:
    """Yield place, word and replacement for every banned word."""
    place = path.relative_to(CHECKOUT)
    for line, text in texts:
        plain = " ".join(text.split())
        for pattern, words in BANNED if ANY.search(plain) else ():
            if found := pattern.search(plain):
                yield f"{place}:{line}: {found[0]!r}, say instead: {REPLACEMENTS[words]}"


@pytest.mark.parametrize("text", ["nobody knows", "the row beside it", "a Made-up call", "rows stand by date", "_said"])
def test_the_check_finds_a_banned_word(text: str) -> None:
    """A pattern that matches nothing would let everything pass."""
    assert list(problems(iter([(1, text)]), SOURCES[0]))


@pytest.mark.parametrize("text", ["besides", "standby", "departed", "solidarity", "untold"])
def test_the_check_accepts_words_that_only_contain_a_banned_one(text: str) -> None:
    """Only whole words count."""
    assert not list(problems(iter([(1, text)]), SOURCES[0]))


def test_docstrings_use_plain_words() -> None:
    """Docstrings, those of constants and fields included, use none of the banned words."""
    found = [line for path in SOURCES for line in problems(docstrings(_parse(path)), path)]
    assert not found, "\n".join(found)


def test_comments_use_plain_words() -> None:
    """Comments in Python and SQL use none of the banned words."""
    found = [line for path in (*SOURCES, *QUERIES) for line in problems(comments(path), path)]
    assert not found, "\n".join(found)


def test_messages_use_plain_words() -> None:
    """Errors, notes, headings and help use none of the banned words."""
    found = [line for path in SOURCES for line in problems(messages(_parse(path)), path)]
    assert not found, "\n".join(found)


@pytest.mark.skipif(not PROSE[0].is_file(), reason="there is no documentation beside these tests")
def test_the_documentation_uses_plain_words() -> None:
    """No page, nor what is new in the changelog, uses one of the banned words."""
    found = [line for page in PROSE if page.is_file() for line in problems(prose(page), page)]
    assert not found, "\n".join(found)


def test_names_use_plain_words() -> None:
    """Functions, classes, arguments and variables use none of the banned words."""
    found = [line for path in SOURCES for line in problems(names(_parse(path)), path)]
    assert not found, "\n".join(found)


def test_docstrings_open_with_a_verb_or_a_noun() -> None:
    """A docstring that opens with a question word says nothing until its end; the text of ``--help`` is separate."""
    found = [
        f"{path.relative_to(CHECKOUT)}:{line}: {text.strip().splitlines()[0]}"
        for path in SOURCES
        for tree in (_parse(path),)
        for line, text in docstrings(tree)
        if OPENING.match(text.strip())
        and not (path.is_relative_to(HELP_TEXTS) and line in {at for at, _ in help_texts(tree)})
    ]
    assert not found, "\n".join(found)


@cache
def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))
