"""What must not be shown of a record: prompts and answers, text that a person may have written, personal data, keys."""

import re

from streamaudit.ingest.profile.guess import words

TOP_CONTENT = frozenset(
    ("input", "output", "messages", "prompt", "completion", "content", "text", "choices", "response")
)
"""Fields of a record, or of its ``attributes``, that hold prompts and answers."""
CONTENT = TOP_CONTENT | {
    "inputs", "outputs", "message", "prompts", "completions", "contents", "input_messages", "output_messages",
    "tool_calls", "tool_definitions",
}  # fmt: skip
"""The same anywhere; numbers below them, such as token counts, are no text."""

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
"""What a field's name looks like; any other key may itself be something that a user wrote."""
ID = r"[0-9a-fA-F]{16,}|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F-]+"
"""An id, which is a key of a map and not a name."""
PLAIN = r"-?/?[A-Za-z0-9_][A-Za-z0-9_.:/+-]{0,39}|\d{4}-\d\d-\d\d[T ][0-9:.,Z+-]{5,21}"
"""A value that may be shown: a name, an id, a version, a path, an instant."""
PRIVATE = (
    r".@|^(?:[spr]k[-_]|whsec_|gsk_|hf_|r8_|pplx-|npm_|dop_|glpat-|xox[a-z]-|gh[a-z]_|github_pat_|ya29\.|shpat_)"
    r"|^(?:A[KS]IA[0-9A-Z]|AIza|eyJ|(?i:bearer|basic)\b)|://[^/]*:"
)
"""Keys to other systems and addresses of people."""


def is_content(names: tuple[str, ...]) -> bool:
    """Whether a place in a record is, or is inside, what holds prompts and answers."""
    return any(part.lower() in CONTENT for name in names for part in name.split("."))


def is_private(names: tuple[str, ...], *, text: bool) -> bool:
    """Whether the name of a field says that its values may be prose, personal or secret; numbers are no prose."""
    said = words(re.split(r"[./]", names[-1])[-1])
    name = "_".join(said)
    return bool(_SECRET.search(name)) or (text and bool(_SECRET_TEXT.search(name) or _PROSE & set(said[-1:])))
