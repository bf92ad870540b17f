"""The receiver on a socket."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import uvicorn

from pipelines.settings import WebhookSettings
from pipelines.webhooks.heads import BoundedHeads
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
        address = f"http://{f'[{host}]' if ':' in host else host}:{door.getsockname()[1]}"
        try:
            _Server(_config(inbox_path, settings), lambda: announce(address)).run(sockets=[door])
        except KeyboardInterrupt:
            return


class _Server(uvicorn.Server):
    """Says when it has begun, which is when a signal ends it as it should."""

    def __init__(self, config: uvicorn.Config, begun: Callable[[], None]) -> None:
        super().__init__(config)
        self._begun = begun

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._begun()


def _config(inbox_path: Path, settings: WebhookSettings) -> uvicorn.Config:
    return uvicorn.Config(
        receiver(inbox_path, settings),
        http=BoundedHeads,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # nobody asks who has sent it: what is signed is told by the signature
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_keep_alive=65,  # longer than the minute for which many proxies keep theirs
        timeout_graceful_shutdown=_SECONDS_TO_END,
    )
