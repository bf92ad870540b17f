"""Whether a delivery comes from who has the workspace's secret; a function of values, in constant time."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from pipelines.webhooks.delivery import Delivery

LARGEST_REWRITTEN = 1024 * 1024
"""Bytes. To take a body apart takes many times its size, and anybody may send one."""

_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")


def proven_message(delivery: Delivery, secrets: Sequence[str], *, accepts_sha1: bool = False) -> bytes | None:
    """What the signature of a delivery proves: its `data` and nonce, as they were signed; None where it proves nothing.

    `sig256` is to be their HMAC-SHA256 under one of the secrets; where there is none and `accepts_sha1`, `sig` their
    HMAC-SHA1. `data` counts as it stands in the body, else as it is written compactly without ASCII escapes, unless it
    is too large to be taken apart before it is proven. Both base64 and hexadecimal are read.
    """
    if delivery.sig256 is not None:
        signature, algorithm = delivery.sig256, hashlib.sha256
    elif accepts_sha1 and delivery.sig is not None:
        signature, algorithm = delivery.sig, hashlib.sha1
    else:
        return None
    said = _digests(signature)
    proven = (message for message in _messages(delivery) if _is_one_of(said, message, secrets, algorithm))
    return next(proven, None)


def _is_one_of(said: Sequence[bytes], message: bytes, secrets: Sequence[str], algorithm: Any) -> bool:
    """Compares each with each, so that the time tells nothing of where they agree."""
    is_one = False
    for secret in secrets:
        made = hmac.digest(secret.encode(), message, algorithm)
        for digest in said:
            is_one |= hmac.compare_digest(made, digest)
    return is_one


def _digests(signature: str) -> list[bytes]:
    """What a signature may mean: its hexadecimal digits may also be base64."""
    signature = signature.strip()
    digests = [bytes.fromhex(signature)] if _HEX.fullmatch(signature) else []
    with suppress(ValueError):
        digests.append(base64.b64decode(signature, validate=True))
    return digests


def _messages(delivery: Delivery) -> Iterator[bytes]:
    yield delivery.message
    if len(delivery.data) > LARGEST_REWRITTEN:
        return
    try:
        compact = json.dumps(json.loads(delivery.data), ensure_ascii=False, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        return
    if compact != delivery.data:
        yield compact + delivery.nonce.encode()
