"""Name the type of a file that holds no records."""


def describe_file(head: bytes) -> str | None:
    """Return the type of a file by its first bytes, in words for its owner; None when they do not show it."""
    start = head.lstrip()[:512].lower()
    if head[:2] == b"\x00\x00" and (head[4:8] == b"\x28\xb5\x2f\xfd" or head[4:5] == b"\x0a"):
        return (
            "length-prefixed records, as OpenTelemetry's file exporter writes with compression or format: proto: set "
            "format: json and no compression"
        )
    if head[:2] == b"PK":
        return "a zip archive: unpack it first"
    if head[:6] == b"\xfd7zXZ\x00" or head[:3] == b"BZh":
        return "xz and bzip2 are not read: repack as .gz or .zst"
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "HTML or XML, not JSON: probably a login or error page saved in place of the export"
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or head[:2] in (b"{\x00", b"[\x00", b"\x00{", b"\x00["):
        return "UTF-16 text: save it as UTF-8"
    if b"\x00" in head[:4096]:
        return "a binary file, not JSON"
    return None


NOTHING_KNOWN = "not JSON, CSV or Parquet: the first character is neither { nor [, and no header names columns"
