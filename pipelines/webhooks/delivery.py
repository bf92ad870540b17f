"""One delivery of a webhook, taken apart no further than is needed to prove and to place it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import msgspec

from transforms.scanning import members
from transforms.values import NotJson, decode

_REFUSALS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_NOTHING = b"null"
_NAMES = ("data", "nonce", "sig256", "sig", "type", "webhook")
_MOST_MEMBERS = 1_000
"""Of a body that is cut; what the API delivers has ten."""

_ENVELOPE = msgspec.json.Decoder(dict[str, msgspec.Raw])

INITIAL = frozenset({"INITIAL-PARTIAL", "INITIAL-COMPLETE"})
"""Deliveries of what was there before anybody subscribed."""


class MalformedDelivery(ValueError):
    """The body is not what the API delivers: no JSON object with an array `data` and a `nonce`."""


@dataclass(frozen=True)
class Subscription:
    """What a delivery says of its webhook; empty where it says nothing. None of it is covered by the signature."""

    id: str = ""
    connection_id: str = ""
    integration_type: str = ""
    object_type: str = ""
    event: str = ""
    webhook_type: str = ""
    hook_url: str = ""


@dataclass(frozen=True)
class Delivery:
    """One delivery. `data` is the JSON text of the records, with the bytes that it has in the body."""

    data: bytes
    nonce: str
    sig256: str | None
    sig: str | None
    type: str
    webhook_json: bytes

    @cached_property
    def webhook(self) -> Subscription:
        """What it says of its webhook; taken apart when it is asked for, which is to be after the rest is proven."""
        said = decode(self.webhook_json)
        told = said if isinstance(said, dict) else {}
        names = Subscription.__dataclass_fields__
        return Subscription(**{name: value for name in names if isinstance(value := told.get(name), str)})

    @property
    def message(self) -> bytes:
        """What is signed, as far as the bytes of the body tell."""
        return self.data + self.nonce.encode()

    @property
    def is_initial(self) -> bool:
        return self.type in INITIAL

    @property
    def is_deletion(self) -> bool:
        return self.webhook.event == "deleted"


def parse_delivery(body: bytes) -> Delivery:
    """Take a body apart; raises `MalformedDelivery`, which does not quote it."""
    parts = _parts(body)
    data, nonce = parts.get("data", _NOTHING).strip(), _text(parts.get("nonce", _NOTHING))
    if not data.startswith(b"["):
        raise MalformedDelivery("expected an array as data")
    if not nonce:
        raise MalformedDelivery("expected a text as nonce")
    return Delivery(
        data=data,
        nonce=nonce,
        sig256=_text(parts.get("sig256", _NOTHING)),
        sig=_text(parts.get("sig", _NOTHING)),
        type=_text(parts.get("type", _NOTHING)) or "",
        webhook_json=parts.get("webhook", _NOTHING),
    )


def _parts(body: bytes) -> dict[str, bytes]:
    """The JSON text of each member that counts. A record may hold what a strict reader refuses, so that a second one
    cuts it out unread: nobody has proven the body yet, and this must take little time and memory whatever it is."""
    try:
        return {name: bytes(value) for name, value in _ENVELOPE.decode(body).items() if name in _NAMES}
    except _REFUSALS:
        pass
    try:
        first = islice(members(body), _MOST_MEMBERS)
        return {name: value for json, value in first if (name := _text(json)) in _NAMES}
    except NotJson as error:
        raise MalformedDelivery("expected a JSON object with an array as data") from error


def _text(json: bytes) -> str | None:
    try:
        return msgspec.json.decode(json, type=str)
    except _REFUSALS:
        return None
