"""``gs://`` and ``az://``: Google's and Azure's own clients against a server on loopback."""

import gzip
from pathlib import Path

import pytest

from tests.cli.clouds import SECRET, serving
from tests.cli.running import Cli, equation, stored_calls
from tests.cli.traffic import as_lines, calls

STORE = "store.duckdb"
DAYS = [f"lf/observations_v2/2026-11-{day}T00-00-00.jsonl.gz" for day in (15, 16, 17)]


@pytest.mark.parametrize("scheme", ["gs", pytest.param("az", marks=pytest.mark.proof)])
def test_a_bucket_is_read(scheme: str, tmp_path: Path) -> None:
    """One object, a prefix of several pages, a glob, what is new in a layout of days; an object that has not changed is
    not fetched again, one that was stored with a Content-Encoding comes whole, and what fails is said in a line."""
    cli = Cli(tmp_path)

    def ingest(*places: str, since: str = "2026-11-01") -> list[str]:
        return ["ingest", *(f"{scheme}://{place}" for place in places), "--since", since, "--db", STORE]

    with serving(scheme) as cloud:
        for number, key in enumerate(DAYS):
            cloud.objects[key] = gzip.compress(as_lines(calls(3, start=10 * number)).encode())
        cloud.objects["lf/notice.txt"] = b"none"
        cloud.objects["one/a [1] ü.jsonl"] = as_lines(calls(1, start=100)).encode()
        cloud.objects["packed.jsonl.gz"] = gzip.compress(as_lines(calls(200, start=200)).encode())
        cloud.packed["packed.jsonl.gz"] = "gzip"
        cloud.objects["restless.jsonl"] = as_lines(calls(1)).encode()
        new, whole, again, nothing, bucket, private, restless = cli.run_each(
            [
                ingest("traces/lf", since="2026-11-16"),
                ingest("traces/lf/", "traces/one/a [1] ü.jsonl", "traces/packed.jsonl.gz"),
                ingest("traces/lf/**/*.gz", "traces/one"), ingest("traces/nothing/"), ingest("nowhere/x.jsonl"),
                ingest("private/x.jsonl"), ingest("traces/restless.jsonl"),
            ],
            cloud.env,
        )  # fmt: skip
    assert equation(new.err)["new"] == 3 and "2 of 3 files, which end before --since" in new.err
    assert equation(whole.err)["new"] == 6 + 1 + 200 and f"{scheme}://traces/{DAYS[0]}: raw" in whole.err
    assert again.code == 0 and again.err.count("unchanged since it was read") == 4
    assert [cloud.read.count(key) for key in sorted(cloud.objects)] == [0, 1, 1, 1, 1, 1, 1]
    for done, words in ((nothing, "no file at"), (bucket, "no file at"), (private, "no permission to read"),
                        (restless, "was replaced while it was fetched")):  # fmt: skip
        assert done.code == 3 and words in done.err and f"{scheme}://" in done.err
    assert ("gcloud auth" if scheme == "gs" else "AZURE_STORAGE_CONNECTION_STRING") in private.err
    assert stored_calls(cli.folder / STORE) == 210
    said = "".join(done.out + done.err for done in (new, whole, again, nothing, bucket, private, restless))
    assert not any(word in said for word in (SECRET, "Traceback", "Error", "bucket type"))
    assert SECRET.encode() not in (cli.folder / STORE).read_bytes()


@pytest.mark.parametrize("scheme", ["gs", pytest.param("az", marks=pytest.mark.proof)])
def test_an_object_that_holds_no_records_is_left_after_its_first_part(scheme: str, tmp_path: Path) -> None:
    """The rest of a picture of 48 MB stays where it is, also of one with a Content-Encoding, which comes as it is
    stored; a long file of records comes whole, in parts."""
    cli = Cli(tmp_path)
    picture = b"\x89PNG\r\n\x1a\n" + bytes(48 << 20)
    long = as_lines(calls(200)).encode() + b"\n" * (12 << 20)
    with serving(scheme) as cloud:
        cloud.objects = {
            "picture.json": picture, "long.jsonl": long, "packed picture.json": gzip.compress(picture, 0),
            "packed long.jsonl": gzip.compress(long, 0), "brotli.jsonl": long,
        }  # fmt: skip
        cloud.packed = {"packed picture.json": "gzip", "packed long.jsonl": "gzip", "brotli.jsonl": "br"}
        done = dict(zip(cloud.objects, cli.run_each(
            [["ingest", f"{scheme}://traces/{key}", "--db", f"{key}.duckdb"] for key in cloud.objects], cloud.env
        ), strict=True))  # fmt: skip
        for key in ("picture.json", "packed picture.json"):
            assert done[key].code == 3 and "a binary file" in done[key].err and sum(cloud.sent[key]) <= 16 << 20
        for key in ("long.jsonl", "packed long.jsonl"):
            assert done[key].code == 0 and equation(done[key].err)["new"] == 200
            assert sum(cloud.sent[key]) == len(cloud.objects[key]) and len(cloud.sent[key]) > 1
    assert done["brotli.jsonl"].code == 3 and "is stored with Content-Encoding br" in done["brotli.jsonl"].err
    assert "brotli.jsonl" not in cloud.sent
