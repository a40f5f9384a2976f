"""Split the names of fields into words."""

import re
from functools import lru_cache


@lru_cache(4096)
def words(path: str) -> tuple[str, ...]:
    """Return the words of a name in lower case, split at dots, dashes, underscores and where a small letter meets a
    capital."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", path)
    return tuple(word.lower() for word in re.split(r"[^A-Za-z]+", spaced) if word)
