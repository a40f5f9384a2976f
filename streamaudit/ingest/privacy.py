"""Keep prompts, answers, personal data and keys out of the store and out of field listings.

Two guards: names and patterns that decide which fields and values may be shown, and the last check of ``--map``:
whatever a field is called, text in it does not become a column. A field whose values are text refuses the file; a few
texts among names are dropped. The check runs on the staged file, before anything of it reaches the store.
"""

import re

from streamaudit.ingest.macros import define_macros
from streamaudit.ingest.mapping import KEYED, KINDS, Mapping
from streamaudit.ingest.names import words
from streamaudit.store.store import Store

TOP_CONTENT = frozenset(
    ("input", "output", "messages", "prompt", "completion", "content", "text", "choices", "response")
)
"""Fields of a record, or of its ``attributes``, that hold prompts and answers."""
CONTENT = TOP_CONTENT | {
    "inputs", "outputs", "message", "prompts", "completions", "contents", "input_messages", "output_messages",
    "tool_calls", "tool_definitions",
}  # fmt: skip
"""The same at any depth; numbers below them, such as token counts, are no text."""

_PROSE = frozenset(
    "prompt prompts message messages text content question query q search instruction instructions system answer reply "
    "body transcript utterance msg completion thinking thought thoughts arguments args result results document "
    "documents context history description summary title subject topic comment comments note notes feedback error "
    "exception stack stacktrace keyword keywords email mail phone address firstname lastname fullname username".split()
)
_SECRET = re.compile(
    r"(api_?key|access_?key|private_?key|secret|passw(or)?d|passphrase|authorization|cookie|credential|jwt|signature"
    r"|(^|_)pin|phone)s?$"
)
_SECRET_TEXT = re.compile(r"((^|_)token|hash)$")

# SQL patterns (RE2).
NAME = r"[A-Za-z_$@][A-Za-z0-9_.:/$-]{0,63}"
"""Pattern of a field's name; any other key may itself be user content."""
ID = r"[0-9a-fA-F]{16,}|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F-]+"
"""Pattern of an id, which is a key of a map and not a name."""
PLAIN = r"-?/?[A-Za-z0-9_][A-Za-z0-9_.:/+-]{0,39}|\d{4}-\d\d-\d\d[T ][0-9:.,Z+-]{5,21}"
"""Pattern of a value that may be shown: a name, an id, a version, a path, an instant."""
PRIVATE = (
    r".@|^(?:[spr]k[-_]|whsec_|gsk_|hf_|r8_|pplx-|npm_|dop_|glpat-|xox[a-z]-|gh[a-z]_|github_pat_|ya29\.|shpat_)"
    r"|^(?:A[KS]IA[0-9A-Z]|AIza|eyJ|(?i:bearer|basic)\b)|://[^/]*:"
)
"""Pattern of credentials and addresses of people."""

_SHARE = 0.01
"""Up to this share of a field's values may be text for the others to be used."""

# A keyed column was filled from the user's path where its rank is 0; any other mapped column always was.
_TEXTS = "SELECT count(*) FILTER ({mine}), count(*) FILTER ({mine} AND is_prose({value})) FROM scratch.staged"
_LEAVE_OUT = "UPDATE scratch.records SET {column} = NULL WHERE {mine} AND is_prose({value})"
_GUARDED = tuple(column for column, kind in KINDS.items() if kind == "text")


def is_content(names: tuple[str, ...]) -> bool:
    """Whether a place in a record holds prompts and answers, or is inside a field that does."""
    return any(part.lower() in CONTENT for name in names for part in name.split("."))


def is_private(names: tuple[str, ...], *, text: bool) -> bool:
    """Whether a field's name implies that its values may be prose, personal or secret; numbers are no prose."""
    parts = words(re.split(r"[./]", names[-1])[-1])
    name = "_".join(parts)
    return bool(_SECRET.search(name)) or (text and bool(_SECRET_TEXT.search(name) or _PROSE & set(parts[-1:])))


def refuse_texts(store: Store, mapping: Mapping, implied: Mapping) -> tuple[str, str] | None:
    """Return why the mapping may not be used with the staged file, and what to do; None when it may.

    Deletes the few texts among its values from the staged file, and all texts from an implied path.
    """
    for column in _GUARDED:
        if column not in mapping.paths and column not in implied.paths:
            continue
        about = {
            "column": column, "mine": f"{column}_rank = 0" if column in KEYED else f"{column} IS NOT NULL",
            "value": f"path_only({column})" if column == "route" else column,
        }  # fmt: skip
        statement = _TEXTS.format(**about)
        define_macros(store, statement)
        filled, texts = store.one(statement)
        if not texts:
            continue
        if column in mapping.paths and texts > _SHARE * filled:
            return (
                f"--map {column}={' or '.join(mapping.paths[column])}: {texts:,} of {filled:,} values are texts of "
                "more than 200 characters or a dozen words, which are never stored",
                f"map a field that holds a name or an id: streamaudit fields FILE --for {column} lists them",
            )
        store.run(_LEAVE_OUT.format(**about))
    return None
