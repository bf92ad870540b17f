"""The sandbox as a program of its own."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys

import httpx
import pytest

from pipelines.sandbox import serve

PROGRAM = "from pipelines.sandbox import serve; serve(tickets=20, port=0, announce=lambda url: print(url, flush=True))"


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_stop_and_ends_cleanly(stop: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        url = program.stdout.readline().strip()
        answer = httpx.get(f"{url}/_sandbox", timeout=10)
        assert answer.json()["now"] == "2026-05-29T16:00:00Z"
        assert answer.headers.get_list("date") == ["Fri, 29 May 2026 16:00:00 GMT"]
        program.send_signal(stop)
        assert program.wait(timeout=10) == 0


def test_a_port_that_is_taken_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        serve(tickets=4, port=taken.getsockname()[1])
