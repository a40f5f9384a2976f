"""Addresses instead of paths: a real S3-compatible server and a real web server on loopback."""

import gzip
import json
import os
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from streamaudit.ingest.readers.remote import mask_address
from tests.cli.running import Cli, equation, stored_calls
from tests.cli.traffic import as_lines, calls
from tests.sampling import keep

STORE = "store.duckdb"
SECRET = "AKIA-not-to-be-seen"


class Bucket:
    """A bucket of a server on loopback."""

    def __init__(self, port: int) -> None:
        import boto3  # these take long to load, and no other test needs them

        self.env = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": "us-east-1",
        }  # fmt: skip
        self._client = boto3.client(
            "s3", endpoint_url=self.env["AWS_ENDPOINT_URL"], aws_access_key_id="AKIAEXAMPLE",
            aws_secret_access_key=SECRET,
            region_name="us-east-1",
        )  # fmt: skip
        self._client.create_bucket(Bucket="traces")

    def put(self, key: str, text: str) -> None:
        data = gzip.compress(text.encode()) if key.endswith(".gz") else text.encode()
        self._client.put_object(Bucket="traces", Key=key, Body=data)


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    made = Bucket(server.get_host_and_port()[1])
    for number, stamp in enumerate(("2026-11-15T00-00-00", "2026-11-16T00-00-00", "2026-11-17T00-00-00")):
        made.put(f"lf/observations_v2/{stamp}.jsonl.gz", as_lines(calls(3, start=10 * number)))
    made.put("lf/DEPRECATION_NOTICE.txt", "none")
    for hour in ("08", "09"):
        made.put(f"dd/dt=20261116/hour={hour}/archive_1.json.gz", as_lines(calls(2, start=100 + int(hour))))
    yield made
    server.stop()


def test_a_prefix_is_read_and_then_unchanged(cli: Cli, bucket: Bucket) -> None:
    """Every object below it that may hold records; the second time nothing is fetched; one that changed is."""
    done = cli.run("ingest", "s3://traces/lf", "--db", STORE, env=bucket.env)
    assert done.code == 0, done.err
    assert equation(done.err)["new"] == 9
    assert "s3://traces/lf/observations_v2/2026-11-15T00-00-00.jsonl.gz: raw" in done.err
    again = cli.run("ingest", "s3://traces/lf/", "--db", STORE, env=bucket.env)
    assert again.code == 0 and again.err.count("unchanged since it was read") == 3
    bucket.put("lf/observations_v2/2026-11-17T00-00-00.jsonl.gz", as_lines(calls(4, start=20)))
    more = cli.run("ingest", "s3://traces/lf/**/*.gz", "--db", STORE, env=bucket.env)
    assert (equation(more.err)["new"], equation(more.err)["repeated"]) == (1, 3)
    assert SECRET.encode() not in b"".join(path.read_bytes() for path in cli.folder.glob("*.duckdb*"))


@pytest.mark.parametrize(
    ("prefix", "since", "left_out", "new"),
    [
        ("lf", "2026-11-16", 2, 3), pytest.param("dd", "2026-11-16T09:00", 1, 2, marks=pytest.mark.proof),
        ("lf", "2026-12-01", None, 0),
    ],
)  # fmt: skip
def test_since_leaves_out_what_ends_before(
    cli: Cli, bucket: Bucket, prefix: str, since: str, left_out: int | None, new: int
) -> None:
    """By the names of a Langfuse export and of a Datadog archive; when nothing is left, that is said."""
    bucket.put("lf/observations_v2/2026-11-17T00-00-00.jsonl.gz", as_lines(calls(3, start=20)))
    done = cli.run("ingest", f"s3://traces/{prefix}", "--since", since, "--db", STORE, env=bucket.env)
    if left_out is None:
        assert done.code == 3 and "every file ends before --since" in done.err
        return
    assert f"{left_out} of " in done.err and equation(done.err)["new"] == new


def test_reports_and_fields_read_addresses_too(cli: Cli, bucket: Bucket) -> None:
    """Whatever takes files does."""
    address = "s3://traces/dd/dt=20261116/hour=08/archive_1.json.gz"
    report = cli.run("report", address, "--json", env=bucket.env)
    assert json.loads(report.out)["tables"][-1]["rows"][0]["calls"] == 2
    assert "tenant" in cli.run("fields", address, env=bucket.env).out


NOWHERE = ("s3://traces/nowhere/", "s3://no-such-bucket/x.jsonl", "s3://traces/nothing.jsonl")


@pytest.mark.parametrize("address", keep(NOWHERE, NOWHERE[1:2]))
def test_what_is_not_there_is_said_in_one_line(cli: Cli, bucket: Bucket, address: str) -> None:
    """No traceback, and nothing of the library's own words."""
    done = cli.run("ingest", address, "--db", STORE, env=bucket.env)
    assert done.code == 3
    assert address.rstrip("/") in done.err and "Traceback" not in done.err and SECRET not in done.err
    assert not (cli.folder / STORE).exists()


def test_wrong_credentials_are_said_without_them(cli: Cli, bucket: Bucket) -> None:
    """None at all: what to do is said."""
    env = {"AWS_ENDPOINT_URL": bucket.env["AWS_ENDPOINT_URL"], "AWS_EC2_METADATA_DISABLED": "true"}
    done = cli.run("ingest", "s3://private/x.jsonl", "--db", STORE, env=env)
    assert done.code == 3 and "Traceback" not in done.err and "s3://private/x.jsonl" in done.err


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """A web server that serves a folder."""
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "calls.jsonl").write_text(as_lines(calls(3)))
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_signed_address_is_read_and_its_signature_nowhere(cli: Cli, web: str) -> None:
    """Neither printed nor stored, also where it fails."""
    done = cli.run("ingest", f"{web}/calls.jsonl?X-Amz-Signature={SECRET}", "--db", STORE)
    assert done.code == 0, done.err
    assert stored_calls(cli.folder / STORE) == 3
    missing = cli.run("ingest", f"{web}/no.jsonl?sig={SECRET}", "--db", STORE)
    assert missing.code == 3 and f"no file at {web}/no.jsonl?" in missing.err
    seen = done.err + missing.err + cli.run("sql", "SELECT path FROM loads", "--db", STORE).out
    assert SECRET not in seen and f"{web}/calls.jsonl?" in seen
    assert SECRET.encode() not in (cli.folder / STORE).read_bytes()


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("s3://b/a/k.jsonl", "s3://b/a/k.jsonl"), ("https://h/x.jsonl#part", "https://h/x.jsonl"),
        ("https://u:p@h/x", "https://h/x"), ("https://u:pa/ss@h/x", "https://h/x"), ("https://h:1/@u/x", "https://u/x"),
        ("app?.jsonl", "app?.jsonl"),
    ],
)  # fmt: skip
def test_of_an_address_no_secret_is_shown(address: str, shown: str) -> None:
    """What stands before an @; when in doubt more is hidden. A path is no address."""
    assert mask_address(address) == shown


def test_addresses_that_differ_by_their_query_are_two_files(cli: Cli, web: str) -> None:
    """Of the same size, too; and a web file without an ETag is read again unless its content is the same."""
    assert mask_address(f"{web}/a?id=1") != mask_address(f"{web}/a?id=2") and "id=" not in mask_address(f"{web}/a?id=1")
    assert cli.run("ingest", f"{web}/calls.jsonl?id=1", "--db", STORE).code == 0
    done = cli.run("ingest", f"{web}/calls.jsonl?id=2", "--db", STORE)
    assert equation(done.err)["repeated"] == 3


def test_without_the_extra_the_way_to_it_is_said(cli: Cli) -> None:
    """Exit code 2, and the command that installs it."""
    (cli.folder / "fsspec").mkdir()
    (cli.folder / "fsspec" / "__init__.py").write_text("raise ImportError('no fsspec')")
    done = cli.run("ingest", "s3://traces/x.jsonl", env={"PYTHONPATH": f"{cli.folder}{os.pathsep}{Path.cwd()}"})
    assert done.code == 2
    assert "needs the extra remote" in done.err and "pip install 'streamaudit[remote]'" in done.err
