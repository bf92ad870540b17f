"""Starts the stand-in server, and asks it what it has seen."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec

from tests.benchmarks.server import Counts, Options

ROOT = Path(__file__).resolve().parents[2]


class StandIn:
    """A running stand-in server."""

    def __init__(self, base_url: str, options: Options) -> None:
        self.base_url = base_url
        self.options = options

    def counts(self) -> Counts:
        """What came in since the last reset."""
        return msgspec.json.decode(self._control("counts"), type=Counts)

    def reset(self) -> None:
        """Forget what came in, and fill the rate limit's bucket."""
        self._control("reset")

    def touch(self, object_name: str, count: int) -> None:
        """Let so many records, scattered over each connection, have changed just now."""
        self._control(f"touch/{object_name}?count={count}")

    def _control(self, call: str) -> bytes:
        answer = httpx.get(f"{self.base_url}/control/{call}", timeout=300, trust_env=False)
        return answer.raise_for_status().content


@contextmanager
def stand_in(options: Options) -> Iterator[StandIn]:
    """Serve for as long as the block runs; the server has all its records when it begins."""
    command = [sys.executable, "-m", "tests.benchmarks.server", msgspec.json.encode(options).decode()]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        base_url = process.stdout.readline().strip()
        assert base_url, "the stand-in server did not start"
        try:
            yield StandIn(base_url, options)
        finally:
            process.stdin.close()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
