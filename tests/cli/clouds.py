"""Google Cloud Storage and Azure Blob Storage on loopback: what their own clients ask of them to list and to read.

Each list comes in pages of two. A bucket called ``private`` lets nobody in; of an object called ``restless`` there is a
new version each time it was read.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import takewhile
from threading import Thread
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

PAGE = 2
CHANGED = "Mon, 16 Nov 2026 08:00:00 GMT"
SECRET = "bm90LXRvLWJlLXNlZW4="


@dataclass
class Cloud:
    """What is stored in the bucket ``traces``, and which of it was read."""

    objects: dict[str, bytes] = field(default_factory=dict)
    packed: dict[str, str] = field(default_factory=dict)
    """The Content-Encoding of objects that have one."""
    read: list[str] = field(default_factory=list)
    sent: dict[str, list[int]] = field(default_factory=dict)
    """The bytes of each answer with content, of each object."""
    env: dict[str, str] = field(default_factory=dict)
    """What the environment says of this service."""

    def version(self, key: str) -> str:
        """The ETag of an object."""
        return f"v{hash(self.objects[key]) & 0xFFFF}-{self.read.count(key) if 'restless' in key else 0}"

    def page(self, prefix: str, after: str) -> tuple[list[str], str]:
        """Some of the keys with a prefix, and where the next page goes on; empty at the end."""
        keys = sorted(key for key in self.objects if key.startswith(prefix) and key > after)
        return keys[:PAGE], keys[PAGE - 1] if len(keys) > PAGE else ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cloud: Cloud

    def log_message(self, *_: object) -> None:
        """Nothing of it belongs into the output of the tests."""

    def send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def content(self, key: str, **headers: str) -> None:
        body, asked = self.cloud.objects[key], self.headers.get("x-ms-range") or self.headers.get("Range")
        status = 200
        if key in self.cloud.packed:
            headers["Content-Encoding"] = self.cloud.packed[key]
        if asked and self.command == "GET":
            first, last = (int(text) for text in asked.removeprefix("bytes=").split("-"))
            status, whole, body = 206, len(body), body[first : last + 1]
            headers["Content-Range"] = f"bytes {first}-{first + len(body) - 1}/{whole}"
        self.send(status, body, **headers)
        if self.command == "GET":
            self.cloud.read.append(key)
            self.cloud.sent.setdefault(key, []).append(len(body))


class _Google(_Handler):
    def do_GET(self) -> None:
        """``b/BUCKET/o``, ``b/BUCKET/o/OBJECT`` and its content, as JSON."""
        url = urlsplit(self.path)
        _, _, below = url.path.partition("/storage/v1/b/")
        bucket, _, key = below.partition("/o")
        key, asked = unquote(key[1:]), {name: values[0] for name, values in parse_qs(url.query).items()}
        if bucket == "private":
            self._refuse(401, f"Anonymous caller does not have storage.objects.get access {SECRET}")
        elif bucket != "traces" or (key and key not in self.cloud.objects):
            self._refuse(404, "Not Found")
        elif asked.get("alt") == "media":
            self.content(key, Content_Type="application/octet-stream")
        elif key:
            self._say(self._about(key))
        else:
            keys, following = self.cloud.page(asked.get("prefix", ""), asked.get("pageToken", ""))
            listed = {"kind": "storage#objects", "items": [self._about(name) for name in keys]}
            self._say({**listed, "nextPageToken": following} if following else listed)

    def _about(self, key: str) -> dict[str, str]:
        size = str(len(self.cloud.objects[key]))
        about = {"kind": "storage#object", "bucket": "traces", "name": key, "size": size, "generation": "1"}
        encoding = {"contentEncoding": self.cloud.packed[key]} if key in self.cloud.packed else {}
        return {**about, **encoding, "etag": self.cloud.version(key)}

    def _say(self, found: object, status: int = 200) -> None:
        self.send(status, json.dumps(found).encode(), Content_Type="application/json")

    def _refuse(self, code: int, message: str) -> None:
        self._say({"error": {"code": code, "message": message, "errors": []}}, code)


class _Azure(_Handler):
    def do_GET(self) -> None:
        """``/ACCOUNT/CONTAINER?comp=list``, ``/ACCOUNT/CONTAINER/BLOB`` and what is known of it."""
        url = urlsplit(self.path)
        container, _, key = url.path.removeprefix("/account/").partition("/")
        key, asked = unquote(key), {name: values[0] for name, values in parse_qs(url.query).items()}
        if container == "private":
            self._refuse(403, "AuthorizationFailure")
        elif container != "traces":
            self._refuse(404, "ContainerNotFound")
        elif key in self.cloud.objects:
            self.content(key, ETag=f'"{self.cloud.version(key)}"', Last_Modified=CHANGED, x_ms_blob_type="BlockBlob")
        elif key:
            self._refuse(404, "BlobNotFound")
        elif asked.get("comp") == "list":
            self._list(asked.get("prefix", ""), asked.get("delimiter", ""), asked.get("marker", ""))
        else:
            self.send(200, b"", ETag='"0"', Last_Modified=CHANGED)

    do_HEAD = do_GET

    def _list(self, prefix: str, delimiter: str, marker: str) -> None:
        """An ETag has no quotes here."""
        keys, following = self.cloud.page(prefix, marker)
        found = "".join(self._entry(key, prefix, delimiter) for key in keys)
        text = (
            '<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="traces">'
            f"<Blobs>{found}</Blobs><NextMarker>{escape(following)}</NextMarker></EnumerationResults>"
        )
        self.send(200, text.encode(), Content_Type="application/xml")

    def _entry(self, key: str, prefix: str, delimiter: str) -> str:
        folder = "".join(takewhile(lambda sign: sign != delimiter, key[len(prefix) :]))
        if delimiter and folder != key[len(prefix) :]:
            return f"<BlobPrefix><Name>{escape(prefix + folder)}/</Name></BlobPrefix>"
        return (
            f"<Blob><Name>{escape(key)}</Name><Properties><Etag>{self.cloud.version(key)}</Etag>"
            f"<Last-Modified>{CHANGED}</Last-Modified><Content-Length>{len(self.cloud.objects[key])}</Content-Length>"
            "<BlobType>BlockBlob</BlobType></Properties></Blob>"
        )

    def _refuse(self, status: int, code: str) -> None:
        text = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{SECRET}</Message></Error>'
        self.send(status, text.encode(), Content_Type="application/xml", x_ms_error_code=code)


@contextmanager
def serving(scheme: str) -> Iterator[Cloud]:
    """A service that ``gs`` or ``az`` addresses are asked of until the block ends."""
    cloud = Cloud()
    handler = type("Handler", (_Google if scheme == "gs" else _Azure,), {"cloud": cloud})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        place = f"http://127.0.0.1:{server.server_port}"
        cloud.env = {
            # Otherwise Google's client asks the machine whether it is one of theirs.
            "gs": {"STORAGE_EMULATOR_HOST": place, "NO_GCE_CHECK": "true"},
            "az": {
                "AZURE_STORAGE_CONNECTION_STRING": f"DefaultEndpointsProtocol=http;AccountName=account;"
                f"AccountKey={SECRET};BlobEndpoint={place}/account;"
            },
        }[scheme]
        Thread(target=server.serve_forever, daemon=True).start()
        yield cloud
        server.shutdown()
