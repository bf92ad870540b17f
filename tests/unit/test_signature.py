"""A delivery is believed if who sent it has the secret, and not otherwise."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.webhooks.delivery import Delivery, MalformedDelivery, parse_delivery
from pipelines.webhooks.signature import LARGEST_REWRITTEN, proven_message

SECRET = "the workspace's secret"
WEBHOOK = {"id": "w1", "connection_id": "c1", "object_type": "ticketing_ticket", "event": "updated"}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=10,
)


def is_signed(delivery: Delivery, secrets: list[str], *, accepts_sha1: bool = False) -> bool:
    return proven_message(delivery, secrets, accepts_sha1=accepts_sha1) is not None


def digest(message: bytes, secret: str = SECRET, algorithm: Any = hashlib.sha256) -> bytes:
    return hmac.new(secret.encode(), message, algorithm).digest()


def base64_of(message: bytes, **options: Any) -> str:
    return base64.b64encode(digest(message, **options)).decode()


def body(data: str, nonce: str = "n1", **parts: Any) -> bytes:
    """A body in which `data` stands as it is written."""
    rest = json.dumps({"webhook": WEBHOOK, "nonce": nonce, "type": "NATIVE", **parts})
    return f'{{"data": {data}, {rest[1:]}'.encode()


def signed(data: str, nonce: str = "n1", **options: Any) -> Delivery:
    return parse_delivery(body(data, nonce, sig256=base64_of(f"{data}{nonce}".encode(), **options)))


@given(
    data=st.lists(json_values),
    nonce=st.text(st.characters(codec="utf-8"), min_size=1),
    indent=st.sampled_from([None, 2]),
)
def test_what_is_signed_over_its_own_bytes_is_believed(data: list[Any], nonce: str, indent: int | None) -> None:
    assert is_signed(signed(json.dumps(data, indent=indent), nonce), [SECRET])


@given(data=st.lists(json_values.filter(lambda value: "\ud800" not in repr(value))))
def test_so_is_what_is_signed_as_it_is_written_compactly_without_escapes(data: list[Any]) -> None:
    try:
        compact = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return
    delivery = parse_delivery(body(json.dumps(data, indent=1), sig256=base64_of(compact + b"n1")))
    assert is_signed(delivery, [SECRET])


def test_hexadecimal_is_read_as_base64_is() -> None:
    assert is_signed(parse_delivery(body("[1]", sig256=digest(b"[1]n1").hex())), [SECRET])
    assert is_signed(parse_delivery(body("[1]", sig256=digest(b"[1]n1").hex().upper())), [SECRET])


@given(st.integers(0, 200), st.integers(0, 7))
def test_one_bit_more_or_less_anywhere_is_not_believed(place: int, bit: int) -> None:
    whole = bytearray(
        body('[{"id": "t1", "subject": "ü"}]', sig256=base64_of(b'[{"id": "t1", "subject": "\xc3\xbc"}]n1'))
    )
    span = bytes(whole).index(b"["), bytes(whole).index(b"]") + 1
    place = span[0] + place % (span[1] - span[0])
    whole[place] ^= 1 << bit
    try:
        delivery = parse_delivery(bytes(whole))
    except MalformedDelivery:
        return
    assert not is_signed(delivery, [SECRET])


def test_another_nonce_or_another_secret_is_not_believed() -> None:
    delivery = parse_delivery(body("[]", nonce="n2", sig256=base64_of(b"[]n1")))
    assert not is_signed(delivery, [SECRET])
    assert not is_signed(signed("[]", secret="another"), [SECRET])


def test_while_a_secret_is_replaced_both_count() -> None:
    assert is_signed(signed("[]", secret="old"), ["new", "old"])
    assert is_signed(signed("[]", secret="new"), ["new", "old"])
    assert not is_signed(signed("[]", secret="older"), ["new", "old"])


def test_the_older_signature_counts_alone_and_only_where_it_is_allowed() -> None:
    sha1 = base64_of(b"[]n1", algorithm=hashlib.sha1)
    alone = parse_delivery(body("[]", sig=sha1))
    assert not is_signed(alone, [SECRET])
    assert is_signed(alone, [SECRET], accepts_sha1=True)
    beside = parse_delivery(body("[]", sig=sha1, sig256=base64_of(b"[]n1", secret="another")))
    assert not is_signed(beside, [SECRET], accepts_sha1=True)


@pytest.mark.parametrize("signature", ["", " ", "=", "00", "%%%", "é", "a" * 63, "\0"])
def test_what_is_no_signature_is_not_believed(signature: str) -> None:
    assert not is_signed(parse_delivery(body("[]", sig256=signature)), [SECRET])


def test_nothing_is_believed_without_a_secret() -> None:
    assert not is_signed(signed("[]", secret=""), [])


def test_what_is_proven_is_what_was_signed_however_it_is_spaced() -> None:
    """Otherwise one delivery could come again and again as another."""
    signature = base64_of(b'[{"id":"t1"}]n1')
    for data in ('[{"id":"t1"}]', '[ {"id" : "t1"} ]', '[{"id":\n"t1"}]'):
        assert proven_message(parse_delivery(body(data, sig256=signature)), [SECRET]) == b'[{"id":"t1"}]n1'


def test_what_is_large_counts_as_it_stands_alone() -> None:
    filling = "x" * LARGEST_REWRITTEN
    compact = json.dumps([filling]).encode()
    assert is_signed(signed(compact.decode()), [SECRET])
    assert not is_signed(parse_delivery(body(f' [ "{filling}" ]', sig256=base64_of(compact + b"n1"))), [SECRET])
