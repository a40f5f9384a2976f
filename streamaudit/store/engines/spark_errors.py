"""Failures of a server that speaks Spark Connect in our words: nothing of its plans and stacks, nor of the client's."""

import logging
import re
from urllib.parse import urlsplit

from streamaudit.errors import InputError, StoreError, StreamauditError, UsageError

_log = logging.getLogger(__name__)

_NO_FOLDER = frozenset(("PATH_NOT_FOUND", "UNABLE_TO_INFER_SCHEMA"))
_MISSING_COLUMN = "UNRESOLVED_COLUMN"
_UNTRUSTED = ("certificate_verify_failed", "hostname verification", "unable to get local issuer")
_NO_TLS = ("wrong_version_number", "http_request")
_NO_SCHEME = ("ClassNotFoundException", "UnsupportedFileSystem", "No FileSystem for scheme", "Unable to recognise URL")
_REFUSED = (
    "AccessDenied", "Access Denied", "AccessControlException", "Permission denied", "InvalidAccessKeyId", "Forbidden",
    "SignatureDoesNotMatch", "InvalidToken", "NoAuthWithAWS", "NoAwsCredentials", "AuthenticationFailed",
)  # fmt: skip


class NoFolder(Exception):
    """The server finds no Parquet files."""


def explain(error: BaseException, name: str, folder: str, *, is_there: bool) -> BaseException:
    """Return an error of the client in our words; ``is_there`` tells whether anything accepts a connection."""
    if isinstance(error, StreamauditError | KeyboardInterrupt | NoFolder):
        return error
    condition, text = condition_of(error), str(error)
    lower = text.lower()
    if condition in _NO_FOLDER:
        return NoFolder()
    if condition.startswith(_MISSING_COLUMN):
        return InputError(
            f"--data {folder}: an older streamaudit wrote it",
            "write it again from its store: streamaudit export FOLDER --overwrite",
        )
    if condition == "INVALID_CONNECT_URL":
        return not_an_address(name)
    if condition.startswith("INVALID_HANDLE"):
        return StoreError(f"--engine {name}: the server was started again meanwhile", "ask again")
    if any(word in lower for word in _UNTRUSTED):
        return StoreError(
            f"--engine {name}: its certificate is not trusted, or names another host",
            "name the host as the certificate does; GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=ca.pem trusts your own authority",
        )
    if any(word in lower for word in _NO_TLS):
        return StoreError(
            f"--engine {name}: the server does not use TLS",
            "leave out use_ssl=true; a token means TLS too, unless the host is localhost",
        )
    if "UNAUTHENTICATED" in text or "PERMISSION_DENIED" in text:
        return StoreError(
            f"--engine {name}: the server refuses the token, or wants one",
            "name it in the address: sc://HOST:PORT/;token=TOKEN, or in $STREAMAUDIT_ENGINE",
        )
    if "UNAVAILABLE" in text or "RetriesExceeded" in type(error).__name__ or "handshake" in lower:
        return no_connect(name) if is_there else gone(name)
    if any(word in text for word in _NO_SCHEME):
        return InputError(
            f"--data {folder}: the server cannot read {urlsplit(folder).scheme or 'such'}:// addresses",
            "start it with the package that can: spark.jars.packages=org.apache.hadoop:hadoop-aws:VERSION for s3a://",
        )
    if any(word in text for word in _REFUSED):
        return InputError(
            f"--data {folder}: {name} may not read it",
            "the server reads the folder itself: give the server, not this command, the keys or the permission",
        )
    _log.debug("spark: %s", condition or type(error).__name__)
    return StreamauditError(f"--engine {name}: the server failed ({condition or type(error).__name__})")


def no_connect(name: str) -> StoreError:
    """Return the error for a port behind which something else, or a TLS that differs, listens."""
    return StoreError(
        f"--engine {name}: what answers there does not speak Spark Connect, or only with or without TLS",
        "TLS: sc://HOST:PORT/;use_ssl=true; a token means TLS too, unless the host is localhost",
    )


def gone(name: str) -> StoreError:
    """Return the error for a server that was there."""
    return StoreError(f"--engine {name}: the server is gone", "ask again once it is back")


def not_an_address(shown: str) -> UsageError:
    """Return the error for an address that is none."""
    return UsageError(f"--engine {shown}: expected an address such as sc://spark:15002")


def condition_of(error: BaseException) -> str:
    """Return the condition of a client's error, such as PATH_NOT_FOUND; empty where it has none."""
    condition = getattr(error, "getCondition", lambda: None)()
    if condition:
        return str(condition)
    found = re.match(r"\[([A-Z_.]+)\]", str(error))
    return found[1] if found else ""
