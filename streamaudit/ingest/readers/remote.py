"""Read files in object stores and on web servers by their addresses: list them, and fetch one at a time into a private
folder.

fsspec does the requests (extra ``remote``). Credentials come from where each service's own tools take them and from
nowhere else; the part of an address before an ``@`` or after a ``?`` may be one, and is never shown or stored.
"""

import hashlib
import io
import logging
import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from streamaudit.errors import InputError, StoreError, UsageError
from streamaudit.ingest.readers.files import Refused
from streamaudit.ingest.readers.temporary import MOST_BYTES, Examine, spool

_WEB = ("http", "https")
_GOOGLE = ("gs", "gcs")
_AZURE = ("az", "abfs", "abfss")
_SCHEMES = ("s3", *_GOOGLE, *_AZURE, *_WEB)
_ADDRESS = re.compile(rf"({'|'.join(_SCHEMES)})://.+", re.IGNORECASE | re.DOTALL)
_OWNER = re.compile(r"^[^/@]*(?::[^@]*)?@")
# Azure's own way to write an address: the part before the @ is no secret.
_CONTAINER = re.compile(r"[a-z0-9$-]{3,63}@[a-z0-9]{3,24}\.(?:dfs|blob)\.core\.[a-z.]+/")
_EXTRA = "pip install 'streamaudit[remote]'"
_SIGN_IN = (
    (("s3",), "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
    (_GOOGLE, "gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS"),
    (_AZURE, "set AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT and either AZURE_STORAGE_KEY or az login"),
    (_WEB, "use an address that needs no login, such as a signed one"),
)
# Otherwise gcsfs first asks by gRPC for the kind of a bucket, for which a proxy or an emulator lets it wait a minute.
_SETTINGS = {"GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}
_NAMED_BY_AZURE = {
    "AZURE_STORAGE_ACCOUNT_NAME": "AZURE_STORAGE_ACCOUNT",
    "AZURE_STORAGE_ACCOUNT_KEY": "AZURE_STORAGE_KEY",
}
"""Variables that adlfs reads, and those of the service's own tools."""
CONNECT_S, IDLE_S = 30.0, 60.0
"""Seconds to wait for a server to be reached, and for its next bytes."""
_PART_BYTES = 8 << 20
"""Bytes asked for at once; by default some libraries begin with 50 MB."""
_READABLE, _UNREADABLE = ("gzip", "x-gzip", "zstd"), ("br", "deflate", "compress")
"""Values of Content-Encoding: those whose bytes are read as those of a file, and those that no file has."""


def is_remote(text: str) -> bool:
    """Whether this is an address rather than a path."""
    return bool(_ADDRESS.fullmatch(text))


def mask_address(text: str) -> str:
    """Return an address as it may be shown and stored; any other text unchanged. The part after a ``?`` becomes a short
    hash, since it may select one of several files."""
    if not is_remote(text):
        return text
    scheme, _, rest = text.partition("://")
    place, mark, query = rest.partition("?")
    hashed = f"?{hashlib.sha256(query.encode()).hexdigest()[:8]}" if mark else ""
    if scheme.lower() in _WEB:
        place = place.partition("#")[0]
    if not (scheme.lower() in _AZURE and _CONTAINER.match(place)):
        place = _OWNER.sub("", place)
    return f"{scheme}://{place}{hashed}"


def list_objects(address: str) -> list[str]:
    """Return the addresses that one stands for: itself, what matches a glob, or every object below a prefix. Raises
    InputError when there is nothing, UsageError without the extra."""
    if address.lower().startswith(_WEB):
        return [address]  # a web server lists nothing
    with _translate_failures(address):
        system, place = _system(address)
        single = None if place.endswith("/") else _object(system, place)
        if single:
            _listed_stamps[address] = _stamp_of(single)
            return [address]
        if any(sign in place for sign in "*?["):
            objects = system.glob(place, detail=True)
        else:
            objects = system.find(place.rstrip("/") + "/", detail=True)
        found = {
            _address_of(address, name): facts for name, facts in sorted(objects.items()) if facts["type"] == "file"
        }
        _listed_stamps.update((name, _stamp_of(facts)) for name, facts in found.items())
    if not found:
        raise InputError(f"no file at {mask_address(address)}")
    return list(found)


_listed_stamps: dict[str, str | None] = {}
"""The stamps of a listing, so that ten thousand unchanged objects need no request each."""


def read_stamp(address: str) -> str | None:
    """Return a text that identifies the version of an object: its ETag or the time of its last change, and its size;
    from the listing, if it was listed. None where a server sends neither of the former."""
    return _listed_stamps[address] if address in _listed_stamps else _stamp_of(_facts(address))


def fetch(address: str, target: Path, examine: Examine) -> str | None:
    """Copy an object into a file and return its stamp; ``examine`` as for ``temporary.spool``. Raises InputError when
    it was replaced meanwhile, is too long, or does not come."""
    facts = _facts(address)
    if (facts.get("size") or 0) > MOST_BYTES:
        raise InputError(f"{mask_address(address)} is larger than {MOST_BYTES >> 30} GB", "read it in parts")
    with _translate_failures(address):
        with _open(address, facts) as source:
            spool(source, target, examine)
    if _stamp_of(_facts(address)) != _stamp_of(facts):
        raise InputError(f"{mask_address(address)} was replaced while it was fetched", "run the same command again")
    return _stamp_of(facts)


def _open(address: str, facts: dict[str, Any]) -> Any:
    """Open an object as a stream of its bytes. One with a Content-Encoding comes as it is stored, compressed: unpacked
    it would be of any length, and libraries hold much of that in memory or cannot unpack parts."""
    scheme = _scheme(address)
    named = facts.get("contentEncoding") or (facts.get("content_settings") or {}).get("content_encoding") or ""
    encodings = [word.strip().lower() for word in str(named).split(",")]
    system, place = _system(address)
    if scheme in (*_GOOGLE, *_AZURE) and {*encodings} & {*_READABLE, *_UNREADABLE}:
        if {*encodings} & {*_UNREADABLE}:
            raise InputError(f"{mask_address(address)} is stored with Content-Encoding {encodings[0]}",
                             "copy it with the service's own tool, and read the copy")  # fmt: skip
        fetch_part = _google_parts(address) if scheme in _GOOGLE else _azure_parts(system, place)
        return _Parts(fetch_part, int(facts["size"]), mask_address(address))
    return system.open(place, "rb", **({} if scheme in _WEB else {"block_size": _PART_BYTES}))


class _Parts(io.RawIOBase):
    """An object of known size that comes part by part; ``fetch`` takes the first byte and the one after the last."""

    def __init__(self, fetch_part: Callable[[int, int], bytes], size: int, shown: str) -> None:
        super().__init__()
        self._fetch, self._size, self._shown = fetch_part, size, shown
        self._next = 0
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest and self._next < self._size:
            end = min(self._next + _PART_BYTES, self._size)
            self._rest = memoryview(self._fetch(self._next, end))
            if len(self._rest) != end - self._next:
                raise InputError(f"{self._shown} does not come as it is stored",
                                 "copy it with the service's own tool, and read the copy")  # fmt: skip
            self._next = end
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


def _google_parts(address: str) -> Callable[[int, int], bytes]:
    """Return a reader of parts that are not unpacked on arrival; the answers about objects must be."""
    system, place = _system(address, auto_decompress=False)

    def fetch_part(start: int, end: int) -> bytes:
        found: bytes = system.cat_file(place, start=start, end=end)
        return found

    return fetch_part


def _azure_parts(system: Any, place: str) -> Callable[[int, int], bytes]:
    """Return a reader of parts that are not unpacked on arrival, which adlfs has no word for."""
    from fsspec.asyn import sync

    container, name, _ = system.split_path(place)

    async def fetch_part(start: int, end: int) -> bytes:
        async with system.service_client.get_blob_client(container, name) as blob:
            stream = await blob.download_blob(
                offset=start, length=end - start, decompress=False, connection_timeout=CONNECT_S, read_timeout=IDLE_S
            )
            found: bytes = await stream.readall()
            return found

    return lambda start, end: sync(system.loop, fetch_part, start, end)


def _facts(address: str) -> dict[str, Any]:
    """Return the service's present metadata of an object."""
    with _translate_failures(address):
        system, place = _system(address)
        facts: dict[str, Any] = system.info(place)
        return facts


def _stamp_of(facts: dict[str, Any]) -> str | None:
    version = next((facts[name] for name in ("ETag", "etag", "md5Hash", "LastModified", "last_modified", "mtime")
                 if facts.get(name)), "")  # fmt: skip
    entity_tag = str(version).strip('"')  # Azure quotes it, but not in a listing
    return f"{entity_tag}/{facts.get('size')}" if version else None


def _object(system: Any, place: str) -> dict[str, Any] | None:
    if "/" not in place:
        return None  # a whole bucket, whose objects one may be allowed to read without being allowed to query it
    try:
        facts: dict[str, Any] = system.info(place)
    except FileNotFoundError:
        return None
    return facts if facts["type"] == "file" else None


def _address_of(address: str, name: str) -> str:
    """Return the address of another object of the same service, in the form of this one."""
    scheme, _, rest = address.partition("://")
    account = _CONTAINER.match(rest)
    return f"{scheme}://{account[0]}{name.partition('/')[2]}" if account else f"{scheme}://{name}"


def _scheme(address: str) -> str:
    return address.partition("://")[0].lower()


def _system(address: str, **session: bool) -> tuple[Any, str]:
    """Return the file system of a service and the place in it; ``session`` holds options of aiohttp's."""
    for name, value in _settings():
        os.environ.setdefault(name, value)
    logging.lastResort = logging.NullHandler()
    from fsspec.core import url_to_fs

    # Without a cache of listings: an object may be replaced between two requests.
    system, place = url_to_fs(address, use_listings_cache=False, **_options(_scheme(address), session))
    return system, str(place)


def _options(scheme: str, session: dict[str, bool]) -> dict[str, Any]:
    """Return the options of a service's library, those first that end a wait for a server that does not answer or falls
    silent."""
    if scheme == "s3":
        return {"config_kwargs": {"connect_timeout": CONNECT_S, "read_timeout": IDLE_S}}
    if scheme in _AZURE:
        return {"connection_timeout": CONNECT_S, "read_timeout": IDLE_S}
    import aiohttp

    waits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=IDLE_S)
    return {"session_kwargs" if scheme in _GOOGLE else "client_kwargs": {"timeout": waits, **session}}


def _settings() -> Iterator[tuple[str, str]]:
    yield from _SETTINGS.items()
    for name, theirs in _NAMED_BY_AZURE.items():
        if os.environ.get(theirs):
            yield name, os.environ[theirs]


@contextmanager
def _translate_failures(address: str) -> Iterator[None]:
    """Raise an InputError for any failure of a service's library, without quoting its text, and keep the library's
    warnings from the screen."""
    shown = mask_address(address)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (InputError, UsageError, StoreError, Refused):
        raise
    except ImportError as error:
        raise UsageError(f"reading {shown.partition('://')[0]}:// needs the extra remote", _EXTRA) from error
    except Exception as error:
        raise _failure(error, address, shown) from None


def _failure(error: Exception, address: str, shown: str) -> InputError:
    cause = error.__cause__ if isinstance(error, FileNotFoundError) and error.__cause__ else error
    hint = next(hint for schemes, hint in _SIGN_IN if _scheme(address) in schemes)
    if isinstance(cause, PermissionError) or _status(cause) in (401, 403):
        return InputError(f"no permission to read {shown}", hint)
    if re.search("Credential|Authentication", type(cause).__name__) or (
        isinstance(cause, ValueError) and _scheme(address) in _AZURE
    ):
        return InputError(f"no credentials to read {shown}", hint)
    # fsspec reports a web server that cannot be reached as a missing file.
    if isinstance(error, FileNotFoundError) and (cause is error or not isinstance(cause, OSError)):
        return InputError(f"no file at {shown}")
    return InputError(f"cannot read {shown} ({type(cause).__name__})", "check that this machine can reach it")


def _status(error: BaseException) -> int | None:
    """Return the HTTP status in an error of aiohttp, Azure or Google; None when it has none."""
    for name in ("status", "status_code", "code"):
        value = getattr(error, name, None)
        if isinstance(value, int):
            return value
    return 403 if isinstance(error, OSError) and str(error).startswith("Forbidden") else None
