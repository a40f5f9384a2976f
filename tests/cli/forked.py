"""Processes of streamaudit that are forked from one which has imported it already.

Each run is a process of its own, with its own streams, folder, environment and end, as if started from a shell; it only
saves the second that the imports take, which the tests would otherwise spend a thousand times. Whatever has to do with
how a process starts, or with signals, uses a process started from nothing.
"""

import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_OURS = ("PATH", "HOME", "LANG", "TMPDIR")
_STARTUP = ("PYTHON", "LC_", "LANGUAGE", "LD_")

OWN_SAMPLES = "OWN_SAMPLES"
"""A variable whose file takes the place of the sample traces, which take seconds to read."""

_ALLOCATOR = os.environ.get("LD_PRELOAD", "")
"""What the tests of a worker allocate with, and the processes forked for them, but nothing that a command starts."""

_SERVER = r"""
import altair, contextlib, duckdb, functools, gc, importlib, io, json, os, signal, socket, sys, tempfile, time
import genai_prices.data, numpy, pkgutil, rich.console, rich.table, ruptures, scipy.special, statistics, typer.main
import streamaudit
for module in pkgutil.walk_packages(streamaudit.__path__, "streamaudit."):
    if module.name != "streamaudit.cli.mcp_server":  # which takes half a second, and is asked in another way
        importlib.import_module(module.name)
from streamaudit.cli.main import main
# Several of these run at once: a database with a thread for every core would only get in the way of the others.
def connect(database=":memory:", read_only=False, config=None, real=duckdb.connect):
    return real(database, read_only, {"threads": 1, **(config or {})})

duckdb.connect = connect
from streamaudit.cli import app, samples as sample_files
from streamaudit.delivery.targets import parse
from streamaudit.report.render.formats import formats
from streamaudit.store import hops, providers
from streamaudit.store.pricing.sellers import bundled_data
from streamaudit.store.store import Store
parse("json://127.0.0.1/", "")  # loads every service

def child(asked, streams):
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    time.tzset()
    return asked["arguments"]

# The command line as Typer builds it, and what else every process would make alike.
def once(build):
    built = functools.cache(lambda word: build((word,)))
    return lambda arguments=(): built(arguments[0] if arguments and arguments[0] in app.COMMANDS else "")

app.program = once(app.program)
typer.main.get_command = functools.cache(typer.main.get_command)
for name in ("", *app.COMMANDS):
    typer.main.get_command(app.program((name,)))
streamaudit.__version__, formats(), providers.read_providers(), hops.read_hops(), bundled_data()

# A file of its own in place of the sample traces.
@contextlib.contextmanager
def samples(packed=sample_files.sample_traces):
    with packed() as files:
        yield [os.environ["OWN_SAMPLES"]] if "OWN_SAMPLES" in os.environ else files

sample_files.sample_traces = samples

# What the database and the program set up once a process, and the statements they have parsed. The database's threads
# have ended with it: none is there to be missing in a fork.
with tempfile.TemporaryDirectory() as folder:
    calls, store = os.path.join(folder, "calls.jsonl"), os.path.join(folder, "calls.duckdb")
    with open(calls, "w", encoding="utf-8") as file:
        file.write('{"request_id": "1", "model": "gpt-4o", "start_time": "2026-01-01T00:00:00Z", "ok": false}')
    os.environ["HOME"] = folder
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        codes = main(["ingest", calls, "--db", store]), main(["report", "--db", store, "--by", "model"])
    assert codes == (0, 0), codes
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_DFL)
tempfile.tempdir = None  # which each process finds in its own environment

gc.collect()
gc.freeze()
arguments, door = None, socket.socket(fileno=int(sys.argv[1]))
while arguments is None:
    size, streams, _, _ = socket.recv_fds(door, 8, 3)
    if not size:
        os._exit(0)
    asked = json.loads(door.recv(int(size), socket.MSG_WAITALL))
    pid = os.fork()
    if not pid:
        door.close()
        arguments = child(asked, streams)
        break
    for stream in streams:
        os.close(stream)
    _, status = os.waitpid(pid, 0)
    door.sendall(b"%8d" % os.waitstatus_to_exitcode(status))
if asked["each"] is None:
    sys.argv = ["streamaudit", *arguments]
    code = main()
else:
    real, runs, code = sys.stdout, [], 0
    for command in asked["each"]:
        sys.stdout, sys.stderr = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True), io.StringIO()
        ended = main(command)
        runs.append((ended, sys.stdout.buffer.getvalue().decode(), sys.stderr.getvalue()))
    sys.stdout = real
    json.dump(runs, real)
if Store._open:
    print("the command left a store open", file=sys.stderr)
with contextlib.suppress(OSError):
    sys.stdout.flush()
    sys.stderr.flush()
os._exit(code)
"""


def can_have(environment: dict[str, str]) -> bool:
    """Whether a fork can have that environment: nothing in it acts before the first import."""
    return environment.get("LANG") == "C.UTF-8" and not any(
        name.startswith(_STARTUP) for name in environment if name not in _OURS
    )


_door: socket.socket | None = None
_process: "subprocess.Popen[bytes] | None" = None


def _server(environment: dict[str, str]) -> socket.socket:
    global _door, _process
    if _door is None:
        _door, theirs = socket.socketpair()
        plain: dict[str, str] = {name: value for name, value in environment.items() if name in ("PATH", "LANG")}
        plain["LD_PRELOAD"] = _ALLOCATOR
        with theirs:
            _process = subprocess.Popen(
                [sys.executable, "-P", "-c", _SERVER, str(theirs.fileno())], env=plain, pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL, cwd=tempfile.gettempdir(), start_new_session=True,
            )  # fmt: skip
    return _door


@atexit.register
def _end() -> None:
    if _door is not None and _process is not None:
        _door.close()
        _process.wait(10)


def _give_up() -> None:
    """End the server and the command it waits for, whose late reply would be taken for that of the next command."""
    global _door, _process
    assert _door is not None and _process is not None
    os.killpg(_process.pid, signal.SIGKILL)
    _process.wait(10)
    _door.close()
    _door = _process = None


def run(
    arguments: list[str], cwd: Path, environment: dict[str, str], stdin: bytes | None, patience_s: float,
    terminal: int | None = None, each: list[list[str]] | None = None,
) -> tuple[int, str, str]:  # fmt: skip
    """Run to the end: exit code, standard output, standard error. Standard output may be a terminal, whose owner reads
    it and whose descriptor is closed here. With ``each``, several commands one after the other in one process, whose
    output is what each gave, as JSON."""
    door = _server(environment)
    asked = json.dumps({"arguments": arguments, "each": each, "cwd": str(cwd), "env": environment}).encode()
    with ThreadPoolExecutor(3) as threads:
        if stdin is None:
            reads = os.open(os.devnull, os.O_RDONLY)
        else:
            reads, writes = os.pipe()
            threads.submit(_write, writes, stdin)
        out, out_end = os.pipe() if terminal is None else (os.open(os.devnull, os.O_RDONLY), terminal)
        err, err_end = os.pipe()
        streams = [reads, out_end, err_end]
        socket.send_fds(door, [b"%8d" % len(asked)], streams)
        door.sendall(asked)
        for stream in streams:
            os.close(stream)
        seen, said = threads.submit(_read, out), threads.submit(_read, err)
        door.settimeout(patience_s)
        try:
            code = int(door.recv(8, socket.MSG_WAITALL))
        except TimeoutError:
            _give_up()
            raise
        return code, seen.result().decode(), said.result().decode()


def _read(stream: int) -> bytes:
    with open(stream, "rb") as readable:
        return readable.read()


def _write(stream: int, content: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), open(stream, "wb") as writable:
        writable.write(content)


if __name__ == "__main__":
    # Imports everything once, so that it is compiled when several servers do so at the same time.
    _server(dict(os.environ)).close()
    assert _process is not None and _process.wait() == 0
