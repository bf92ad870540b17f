"""The peer of the receiver of webhooks: the same server and the same framework, which reads a body and only answers.

    python -m tests.benchmarks.bare_door 8080

Says its address once it listens.
"""

from __future__ import annotations

import sys
from pathlib import Path
from unittest.mock import patch

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipelines.settings import WebhookSettings
from pipelines.webhooks import serving


async def _answer(request: Request) -> Response:
    await request.body()
    return JSONResponse({"status": "accepted"})


def _announce(address: str) -> None:
    sys.stdout.write(f"{address}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    bare = Starlette(routes=[Route("/{path:path}", _answer, methods=["POST"])])
    with patch.object(serving, "receiver", lambda *_: bare):
        serving.serve(Path(), WebhookSettings(), "127.0.0.1", int(sys.argv[1]), _announce)
