"""Name the type of a file that holds no records."""

import shlex
import zipfile
from pathlib import Path, PurePath

from streamaudit.ingest.json_text import decode

ZIP = b"PK\x03\x04"
"""The first bytes of a zip archive."""

_CONTROLS = bytes(byte for byte in range(32) if byte not in b"\t\n\r")
_FIRST_LINES = 50
_FEW_CONTROLS = 0.03
"""Share of control characters up to which a text is a text: a cell may hold some, zero bytes too."""


def suggest_unzip(path: Path, shown: str) -> str | None:
    """Return the command that reads what a zip archive holds: one member through a pipe, several from a folder; None
    where the archive has no name or is damaged."""
    if shown == "-":
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if not name.endswith("/")]
    except zipfile.BadZipFile:
        return None
    if len(members) == 1:
        return f"unzip -p {shlex.quote(shown)} | streamaudit ingest -"
    folder = shlex.quote(PurePath(shown).name.removesuffix(".zip") + "-unpacked")
    return f"unzip -q {shlex.quote(shown)} -d {folder} && streamaudit ingest {folder}"


def describe_file(head: bytes) -> str | None:
    """Return the type of a file by its first bytes, in words for its owner; None when they do not show it."""
    start = head.lstrip()[:512].lower()
    if head[:2] == b"\x00\x00" and (head[4:8] == b"\x28\xb5\x2f\xfd" or head[4:5] == b"\x0a"):
        return (
            "length-prefixed records, as OpenTelemetry's file exporter writes with compression or format: proto: set "
            "format: json and no compression"
        )
    if head[:6] == b"\xfd7zXZ\x00" or head[:3] == b"BZh":
        return "xz and bzip2 are not read: repack as .gz or .zst"
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "HTML or XML, not JSON: probably a login or error page saved instead of the export"
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or head[:2] in (b"{\x00", b"[\x00", b"\x00{", b"\x00["):
        return "UTF-16 text: save it as UTF-8"
    if is_binary(head):
        return "a binary file, not JSON"
    return None


def describe_log(text: str) -> str | None:
    """Return what lines of text are whose ends are JSON objects, and the command that reads those; None where the
    first line or most of the first ones have none."""
    lines = [line for line in text.split("\n")[:_FIRST_LINES] if line.strip()]
    held = [_holds_object(line) for line in lines]
    if not held or not held[0] or sum(held) * 2 < len(held):
        return None
    return (
        "lines of text with a JSON object at their end: sed -n 's/^[^{]*{/{/p' FILE | streamaudit ingest - reads the "
        "objects"
    )


def _holds_object(line: str) -> bool:
    begin = line.find("{")
    try:
        return begin > 0 and isinstance(decode(line[begin:]), dict)
    except ValueError:
        return False


def is_binary(head: bytes) -> bool:
    """Whether the first bytes of a file are no text; a zero byte or two in a cell do not make it binary."""
    start = head[:4096]
    controls = len(start) - len(start.translate(None, _CONTROLS))
    return b"\x00" in start and controls > _FEW_CONTROLS * len(start)


NOTHING_KNOWN = "not JSON, CSV or Parquet: the first character is neither { nor [, and no header names columns"
