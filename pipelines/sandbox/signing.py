"""How Unified.to signs what it sends: the text of `data` and a nonce, under the workspace's secret."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import msgspec

DEFAULT_WEBHOOK_SECRET = "sandbox-webhook-secret"  # noqa: S105 - known to everybody, guards nothing


def signed_body(data: bytes, webhook: Mapping[str, Any], kind: str, nonce: str, secret: str) -> bytes:
    """The body of a delivery. That the signed text is `data` byte for byte as it stands in the body is assumed."""
    message = data + nonce.encode()
    rest = {
        "webhook": webhook,
        "nonce": nonce,
        "sig256": _signature(message, secret, "sha256"),
        "sig": _signature(message, secret, "sha1"),
        "type": kind,
    }
    return b'{"data":' + data + b"," + msgspec.json.encode(rest)[1:]


def nonce(seed: int, number: int, data: bytes) -> str:
    """The number-th nonce of a seed; other data get another one, so that no two sandboxes share it for long."""
    return blake2b(f"{seed}:{number}:".encode() + data, digest_size=16).hexdigest()


def _signature(message: bytes, secret: str, algorithm: str) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), message, algorithm)).decode()
