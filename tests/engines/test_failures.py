"""Every way not to reach the calls through a server is one line within ten seconds, without the client's own words."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamaudit.api import Session
from streamaudit.config.settings import Settings
from streamaudit.errors import InputError, StoreError, StreamauditError, UsageError
from streamaudit.store.engines.spark_engine import SparkEngine
from tests.engines.cluster import free_port
from tests.engines.servers import (
    HAS_CLIENT,
    Secure,
    listening,
    needs_sail,
    s3_server,
    sail_server,
    stay_silent,
    tls_proxy,
    token_guard,
)

KEYS = {"AWS_ACCESS_KEY_ID": "wrong", "AWS_SECRET_ACCESS_KEY": "wrong", "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true"}  # fmt: skip


@pytest.fixture
def secure(sail: int, tmp_path: Path) -> Iterator[Secure]:
    with tls_proxy(sail, tmp_path) as made:
        yield made


def ask(folder: Path | str, engine: str, env: dict[str, str] | None = None) -> tuple[int, str, str]:
    """A report as a user asks for it, in a process of its own: what the client's library writes would show."""
    done = subprocess.run(
        [sys.executable, "-m", "streamaudit", "report", "--json", "--data", str(folder), "--engine", engine],
        capture_output=True, text=True, env={**os.environ, **(env or {})}, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def is_one_line(found: tuple[int, str, str], code: int, words: str) -> None:
    status, out, err = found
    assert (status, out) == (code, ""), err
    assert re.fullmatch(rf"error: [^\n]*{re.escape(words)}[^\n]*\nhint: [^\n]+\n", err), err


@needs_sail
@pytest.mark.spark
def test_tls_that_does_not_match(sample_export: Path, sail: int, secure: Secure) -> None:
    """TLS to a plain port, plain to a TLS port, an authority that is not trusted; with the authority it answers."""
    there, tls = f"sc://127.0.0.1:{sail}", f"sc://127.0.0.1:{secure.port}"
    for address, words in (
        (f"{there}/;use_ssl=true", "the server does not use TLS"), (tls, "only with or without TLS"),
    ):  # fmt: skip
        with pytest.raises(StoreError, match=words):
            SparkEngine(address, str(sample_export))
    is_one_line(ask(sample_export, f"{tls}/;use_ssl=true"), 4, "its certificate is not trusted")
    trusted = {"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(secure.authority)}
    code, out, err = ask(sample_export, f"{tls}/;use_ssl=true", trusted)
    assert (code, err) == (0, "") and json.loads(out)["tables"]


@needs_sail
def test_a_certificate_for_another_host(sample_export: Path, sail: int, tmp_path: Path) -> None:
    """The client calls that UNAUTHENTICATED, but no token is to blame."""
    with tls_proxy(sail, tmp_path, "spark.example") as other:
        trusted = {"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(other.authority)}
        found = ask(sample_export, f"sc://127.0.0.1:{other.port}/;use_ssl=true", trusted)
    is_one_line(found, 4, "or names another host")


@needs_sail
def test_tokens(sample_export: Path, sail: int) -> None:
    """A wrong one, none, and one that is sent in plain to another host than localhost, which the client refuses."""
    with token_guard(sail, "RIGHT") as port:
        for address in (f"sc://localhost:{port}/;token=WRONG", f"sc://localhost:{port}"):
            with pytest.raises(StoreError, match="refuses the token, or wants one") as refused:
                SparkEngine(address, str(sample_export))
            assert "WRONG" not in refused.value.message + str(refused.value.hint)
        with pytest.raises(StoreError, match="does not use TLS"):
            SparkEngine(f"sc://127.0.0.1:{port}/;token=RIGHT", str(sample_export))
        with Session(Settings(), data=str(sample_export), engine=f"sc://localhost:{port}/;token=RIGHT") as session:
            assert session.report().report.tables[0].rows


@needs_sail
@pytest.mark.spark
def test_an_object_store_that_refuses() -> None:
    with s3_server() as address, sail_server({**KEYS, "AWS_ENDPOINT": address}) as port:
        for folder, words in (("s3a://calls/export", "may not read it"), ("zz://calls/export", "cannot read zz://")):
            with pytest.raises(InputError, match=words) as refused:
                SparkEngine(f"sc://127.0.0.1:{port}", folder)
            assert refused.value.hint and "403" not in refused.value.message


@needs_sail
def test_a_folder_that_a_server_does_not_find_or_is_older(sample_export: Path, sail: int, tmp_path: Path) -> None:
    """Sail answers a missing path with nothing, Spark with an error: both are the same line."""
    with pytest.raises(InputError, match="no exported calls"):
        Session(Settings(), data=str(tmp_path / "missing"), engine=f"sc://localhost:{sail}").report()
    (tmp_path / "old").mkdir()
    for day in sample_export.glob("day=*"):
        (tmp_path / "old" / day.name).symlink_to(day)
    with pytest.raises(InputError, match="older streamaudit"):
        Session(Settings(), data=str(tmp_path / "old"), engine=f"sc://localhost:{sail}").report()


@needs_sail
def test_a_program_without_a_file_may_ask(sample_export: Path, sail: int) -> None:
    """In ``python -c`` the client takes itself for its doctests, and would end the process."""
    program = (
        "from streamaudit.api import Session\nfrom streamaudit.config.settings import Settings\n"
        f"found = Session(Settings(), data={str(sample_export)!r}, engine='sc://localhost:{sail}').report()\n"
        "print(found.report.tables[0].name)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "total\n", "")


def test_no_server_is_one_line_at_once_without_the_token() -> None:
    began = time.monotonic()
    with pytest.raises(StoreError) as refused:
        SparkEngine(f"sc://127.0.0.1:{free_port()}/;token=SECRET", "calls")
    assert "no server answers" in refused.value.message and refused.value.hint
    assert "SECRET" not in refused.value.message + refused.value.hint
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("address", ["sc://", "sc://:15002", "sc://host:port", "sc://host:15002/path"])
def test_what_is_no_address_is_said(address: str) -> None:
    with pytest.raises(UsageError, match="expected an address such as sc://spark:15002"):
        SparkEngine(address, "calls")


def test_a_server_of_something_else_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    """Within ten seconds, and nothing of the client reaches the screen; without the client, how to install it."""
    with listening(stay_silent) as port, pytest.raises(StreamauditError) as refused:
        SparkEngine(f"sc://127.0.0.1:{port}", "calls")
    wanted = "does not speak Spark Connect" if HAS_CLIENT else "not installed"
    assert wanted in refused.value.message
    assert capfd.readouterr() == ("", "")
