"""Programs that go on while something else is measured, and what the kernel tells of them."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tests.benchmarks.contestants import warehouse_in
from tests.benchmarks.deliveries import SECRET
from tests.benchmarks.pusher import Push, Pushed
from tests.benchmarks.server import API_KEY
from tests.benchmarks.stand_in import ROOT

TICKETING = (sys.executable, str(Path(sys.executable).with_name("ticketing")))

_PATIENCE = 60.0
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Program:
    """One that runs, and what it has said so far."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def cpu_seconds(self) -> float:
        times = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(times[11]) + int(times[12])) / _TICKS

    @property
    def peak_mb(self) -> float:
        return self._memory_mb("VmHWM")

    @property
    def resident_mb(self) -> float:
        return self._memory_mb("VmRSS")

    def _memory_mb(self, name: str) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(rf"{name}:\s+(\d+) kB", status)
        assert found, f"the kernel tells no {name}"
        return int(found[1]) / 1024

    def wait_for(self, words: str) -> None:
        """Until it has said these words."""
        until(lambda: words in self.log.read_text() or self._has_ended(), f"{self.log.name} to say {words}")
        assert words in self.log.read_text(), f"{self.log.name} ended: {self.log.read_text()[-600:]}"

    def _has_ended(self) -> bool:
        return self.process.poll() is not None


def until(is_so: Callable[[], bool], what: str, seconds: float = _PATIENCE) -> None:
    """Wait until something is so. Raises `TimeoutError` with what was waited for."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.05)


@contextmanager
def running(
    command: tuple[str, ...], log: Path, environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> Iterator[Program]:
    """A program in a folder (where the log is, unless told), for as long as the block runs; then it is asked to end."""
    said_at_once = {"PYTHONUNBUFFERED": "1"}
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command,
            cwd=folder or log.parent,
            env={**os.environ, **said_at_once, **(environment or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            yield Program(process, log)
        finally:
            process.terminate()
            try:
                process.wait(timeout=_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def receiver(folder: Path, port: int, name: str = "receiver") -> Iterator[Program]:
    """`ticketing serve` for the warehouse in a folder, as soon as it listens."""
    command = (*TICKETING, "serve", f"--port={port}")
    with running(command, folder / f"{name}.log", environment_in(folder)) as program:
        program.wait_for("http://")
        yield program


@contextmanager
def bare_door(folder: Path, port: int) -> Iterator[Program]:
    """The peer that only answers, as soon as it listens."""
    command = (sys.executable, "-m", "tests.benchmarks.bare_door", str(port))
    with running(command, folder / "bare.log", folder=ROOT) as program:
        program.wait_for("http://")
        yield program


def environment_in(folder: Path) -> dict[str, str]:
    """What `ticketing` is told, to take deliveries for the warehouse in this folder."""
    return {
        "DESTINATION__DUCKDB__CREDENTIALS": str(warehouse_in(folder)),
        "SOURCES__UNIFIED__API_KEY": API_KEY,
        "WEBHOOKS__SECRET": SECRET,
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "DLT_DATA_DIR": str(folder / "dlt"),
    }


def pushed(what: Push) -> Pushed:
    """Have a process of its own send it all."""
    command = [sys.executable, "-m", "tests.benchmarks.pusher", msgspec.json.encode(what).decode()]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout, type=Pushed)


def free_port() -> int:
    """A port on which nobody listens at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        return int(door.getsockname()[1])
