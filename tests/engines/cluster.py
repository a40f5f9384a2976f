"""Apache Spark on this machine: a master, two workers and a Spark Connect server, from the wheel ``pyspark`` and Java.

``python -m tests.engines.cluster FOLDER`` prints the address and keeps it running until standard input ends.
"""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

START_S = 180.0
SERVER = "org.apache.spark.sql.connect.service.SparkConnectServer"


class Cluster:
    """Processes of one cluster, each in a group of its own."""

    def __init__(
        self, home: Path, folder: Path, workers: int = 2, zone: str = "UTC", token: str | None = None,
        memory_mb: int = 768, options: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self._home, self._folder, self._token = home, folder, token
        self._memory_mb = memory_mb
        self.workers: list[subprocess.Popen[bytes]] = []
        self.processes: list[subprocess.Popen[bytes]] = []
        master, self.port = free_port(), free_port()
        self._where = f"spark://127.0.0.1:{master}"
        self._start("master", "spark-class", "org.apache.spark.deploy.master.Master", "--host", "127.0.0.1",
            "--port", str(master), "--webui-port", str(free_port()))  # fmt: skip
        wait_for(master)
        for _ in range(workers):
            self.add_worker()
        chosen = {
            "spark.connect.grpc.binding.port": self.port, "spark.sql.session.timeZone": zone,
            "spark.driver.memory": "1g", "spark.executor.memory": f"{memory_mb}m", "spark.executor.cores": 1,
            "spark.sql.shuffle.partitions": 4,
            "spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1",
            **({"spark.connect.authenticate.token": token} if token else {}), **(options or {}),
        }  # fmt: skip
        given = [part for name, value in chosen.items() for part in ("--conf", f"{name}={value}")]
        self.server = self._start("server", "spark-submit", "--class",
            SERVER, "--master", self._where, *given, "spark-internal")  # fmt: skip
        wait_for(self.port)

    @property
    def address(self) -> str:
        """With a token it has to be localhost: elsewhere a client sends tokens through TLS alone."""
        return f"sc://localhost:{self.port}/;token={self._token}" if self._token else f"sc://127.0.0.1:{self.port}"

    def add_worker(self) -> None:
        """Start a worker of one core."""
        self.workers.append(self._start(
            f"worker{len(self.workers)}", "spark-class", "org.apache.spark.deploy.worker.Worker", "--host",
            "127.0.0.1", "--cores", "1", "--memory", f"{self._memory_mb + 256}m", "--webui-port", str(free_port()),
            self._where,
        ))  # fmt: skip

    def kill(self, process: "subprocess.Popen[bytes]") -> None:
        """End a process and what it started, without a chance to say so."""
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        for process in reversed(self.processes):
            self.kill(process)

    def _start(self, name: str, program: str, *arguments: str) -> "subprocess.Popen[bytes]":
        work = self._folder / name
        work.mkdir(parents=True)
        known = {"SPARK_HOME": str(self._home), "SPARK_WORKER_DIR": str(work), "SPARK_LOCAL_DIRS": str(work),
                 "SPARK_NO_DAEMONIZE": "1", "PYSPARK_PYTHON": sys.executable}  # fmt: skip
        with (self._folder / f"{name}.log").open("wb") as log:
            made = subprocess.Popen(
                [str(self._home / "bin" / program), *arguments], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                env={**os.environ, **known}, cwd=work, start_new_session=True,
            )  # fmt: skip
        self.processes.append(made)
        return made


@contextmanager
def cluster(
    folder: Path, workers: int = 2, zone: str = "UTC", token: str | None = None, memory_mb: int = 768,
    options: Mapping[str, str] | None = None,
) -> Iterator[Cluster]:  # fmt: skip
    """A cluster that ends with the block."""
    home = spark_home()
    assert home is not None, "there is no pyspark with its jars"
    made = Cluster(home, folder, workers, zone, token, memory_mb, options)
    try:
        yield made
    finally:
        made.stop()


def spark_home() -> Path | None:
    """Where Spark and its jars are: $SPARK_HOME, else the wheel; None where there is none, or no Java."""
    named = os.environ.get("SPARK_HOME")
    spec = importlib.util.find_spec("pyspark")
    home = Path(named) if named else Path(str(spec.origin)).parent if spec and spec.origin else None
    has_server = home is not None and any((home / "jars").glob("spark-connect_*.jar"))
    return home if has_server and shutil.which("java") else None


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def wait_for(port: int, seconds: float = START_S) -> None:
    """Wait until something listens on a port of this machine."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.2)
    raise TimeoutError(f"nothing listens on port {port} after {seconds:g} s")


if __name__ == "__main__":
    with cluster(Path(sys.argv[1]), zone=(sys.argv[2:] or ["UTC"])[0]) as running:
        print(running.address, flush=True)
        sys.stdin.read()
