"""The receiver on a socket."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import uvicorn

from pipelines.settings import WebhookSettings
from pipelines.webhooks.receiver import receiver

_SECONDS_TO_END = 20
"""For deliveries that have begun to come when the process is told to stop."""

_MOST_CONNECTIONS = 512


def serve(
    inbox_path: Path,
    settings: WebhookSettings,
    host: str,
    port: int,
    announce: Callable[[str], None],
) -> None:
    """Take deliveries until SIGTERM or SIGINT, and end what has begun. `announce` is told the address once it listens.

    Several processes may share the port and the inbox. Raises `OSError` where the port cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.create_server((host, port), family=family, backlog=_MOST_CONNECTIONS, reuse_port=True)) as door:
        announce(f"http://{f'[{host}]' if ':' in host else host}:{door.getsockname()[1]}")
        try:
            uvicorn.Server(_config(inbox_path, settings)).run(sockets=[door])
        except KeyboardInterrupt:
            return


def _config(inbox_path: Path, settings: WebhookSettings) -> uvicorn.Config:
    return uvicorn.Config(
        receiver(inbox_path, settings),
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_keep_alive=65,  # longer than the minute for which many proxies keep theirs
        timeout_graceful_shutdown=_SECONDS_TO_END,
    )
