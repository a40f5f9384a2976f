"""Files in object stores and on web servers, by their addresses: listed, and fetched one at a time into a private
folder.

fsspec does the talking (extra ``remote``). Credentials come from where each service's own tools take them and from
nowhere else; of an address, what stands before an ``@`` or behind a ``?`` may be one, and is never shown or stored.
"""

import hashlib
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from streamaudit.errors import InputError, UsageError

_SCHEMES = ("s3", "gs", "gcs", "az", "abfs", "abfss", "http", "https")
_ADDRESS = re.compile(rf"({'|'.join(_SCHEMES)})://.+", re.IGNORECASE | re.DOTALL)
_WEB = ("http", "https")
_OWNER = re.compile(r"^[^/@]*(?::[^@]*)?@")
_EXTRA = "pip install 'streamaudit[remote]'"


def is_remote(text: str) -> bool:
    """Whether this is an address rather than a path."""
    return bool(_ADDRESS.fullmatch(text))


def masked(text: str) -> str:
    """An address as it may be shown and stored; any other text as it is. What stands behind a ``?`` becomes a short
    hash, since it may say which of several files is meant."""
    if not is_remote(text):
        return text
    scheme, _, rest = text.partition("://")
    place, mark, query = rest.partition("?")
    hashed = f"?{hashlib.sha256(query.encode()).hexdigest()[:8]}" if mark else ""
    return f"{scheme}://{_OWNER.sub('', place.partition('#')[0] if scheme.lower() in _WEB else place)}{hashed}"


def listed(address: str) -> list[str]:
    """The addresses that one stands for: itself, what matches a glob, or every object below a prefix. Raises InputError
    when there is nothing, UsageError without the extra."""
    if address.lower().startswith(_WEB):
        return [address]  # a web server lists nothing
    with _spoken_for(address):
        system, place = _system(address)
        if any(sign in place for sign in "*?["):
            names = system.glob(place)
        elif not place.endswith("/") and system.isfile(place):
            return [address]
        else:
            names = system.find(place.rstrip("/") + "/")
        found = [str(system.unstrip_protocol(name)) for name in sorted(names)]
    if not found:
        raise InputError(f"nothing is at {masked(address)}")
    return found


def stamp(address: str) -> str | None:
    """What tells one version of an object from another: its ETag or the time of its last change, and its size. None
    where a server says neither of the former."""
    with _spoken_for(address):
        system, place = _system(address)
        facts: dict[str, Any] = system.info(place)
    told = next((facts[name] for name in ("ETag", "etag", "md5Hash", "LastModified", "last_modified", "mtime")
                 if facts.get(name)), "")  # fmt: skip
    return f"{told}/{facts.get('size')}" if told else None


def fetch(address: str, target: Path) -> str | None:
    """Copy an object into a file; its stamp. Raises InputError when it was replaced meanwhile."""
    before = stamp(address)
    with _spoken_for(address):
        system, place = _system(address)
        with system.open(place, "rb") as source, target.open("wb") as out:
            shutil.copyfileobj(source, out, 1 << 20)
    if stamp(address) != before:
        raise InputError(f"{masked(address)} was replaced while it was fetched", "run the same command again")
    return before


def _system(address: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs

    system, place = url_to_fs(address)
    return system, str(place)


@contextmanager
def _spoken_for(address: str) -> Iterator[None]:
    """Whatever a service's library raises, in words that quote nothing of it."""
    shown = masked(address)
    try:
        yield
    except (InputError, UsageError):
        raise
    except ImportError as error:
        raise UsageError(f"reading {shown.partition('://')[0]}:// needs the extra remote", _EXTRA) from error
    except FileNotFoundError:
        raise InputError(f"nothing is at {shown}") from None
    except PermissionError:
        raise InputError(
            f"no permission to read {shown}", "the credentials are those of the service's own tools"
        ) from None
    except Exception as error:
        credentials = "redentials" in type(error).__name__
        hint = "set the credentials as" if credentials else "look whether it can be reached as"
        hint += " for the service's own tools"
        raise InputError(f"cannot read {shown} ({type(error).__name__})", hint) from None
