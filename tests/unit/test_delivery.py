"""A body is taken apart without being believed, whatever it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.webhooks.delivery import MalformedDelivery, Subscription, parse_delivery

WHOLE = {
    "data": [{"id": "t1"}],
    "webhook": {
        "id": "w1",
        "connection_id": "c1",
        "integration_type": "zendesk",
        "object_type": "ticketing_ticket",
        "event": "deleted",
        "interval": 5,
    },
    "nonce": "n1",
    "sig": "s",
    "sig256": "s256",
    "type": "INITIAL-PARTIAL",
}


def test_every_part_is_found() -> None:
    delivery = parse_delivery(json.dumps(WHOLE, indent=1).encode())
    assert json.loads(delivery.data) == WHOLE["data"]
    assert (delivery.nonce, delivery.sig, delivery.sig256) == ("n1", "s", "s256")
    assert (delivery.is_initial, delivery.is_deletion) == (True, True)
    assert delivery.webhook == Subscription("w1", "c1", "zendesk", "ticketing_ticket", "deleted")


def test_the_bytes_of_the_data_are_those_of_the_body() -> None:
    data = b'[ {"id" : "t1","subject":"\\u00e4\xc3\xa4", "n":1.0e2} , 7 ]'
    assert parse_delivery(b'{"nonce":"n", "data" :  ' + data + b" \n}").data == data


@pytest.mark.parametrize(
    "data",
    [
        b'[{"subject": "\\ud800"}]',
        b'[{"subject": "\xff"}]',
        b"[NaN]",
        b"[" * 5_000 + b"]" * 5_000,
        b'[NaN, "\\"]}", "\\\\", ["], [", {"x": "\\\\\\""} ] , 1]',
        b'[{"subject": "\\ud800", "description": "' + b"x" * 2_000_000 + b'"}]',
    ],
    ids=["a lone surrogate", "no UTF-8", "no number", "too deep", "brackets in texts", "large"],
)
def test_what_a_strict_reader_refuses_inside_the_data_is_carried_along(data: bytes) -> None:
    delivery = parse_delivery(b'{"data": ' + data + b', "nonce": "n1", "webhook": {"event": "created"}}')
    assert (delivery.data, delivery.nonce, delivery.webhook.event) == (data, "n1", "created")


MEGABYTE = 1024 * 1024


@pytest.mark.parametrize("repeated", [b"{},", b"[{}],", b'"",', b",", b"1,", b'"":1,', b'\\"', b"["])
@pytest.mark.parametrize("where", [b'{"data": [NaN, %b], "nonce": "n1"}', b'{"data": [NaN], %b "nonce": "n1"}'])
def test_whatever_anybody_sends_is_taken_apart_in_little_time(where: bytes, repeated: bytes) -> None:
    """Measured by that of a loop over its bytes, for machines differ."""
    body = where % (repeated * (MEGABYTE // len(repeated)))
    usual = _seconds(lambda: [None for _ in body])
    assert _seconds(lambda: _tried(body)) < 18 * usual


def _seconds(work: Callable[[], object]) -> float:
    """Of a processor."""
    began = process_time()
    work()
    return process_time() - began


def _tried(body: bytes) -> None:
    with suppress(MalformedDelivery):
        parse_delivery(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff",
        b"{}",
        b'{"data": [], "nonce": 7}',
        b'{"data": [], "nonce": ""}',
        b'{"data": {}, "nonce": "n"}',
        b'{"data": "[]", "nonce": "n"}',
        b'{"data": [1}, "nonce": "n"}',
        b'{"data": [NaN]xyz, "nonce": "n"}',
        b'{"data": [NaN][1], "nonce": "n"}',
        b'{"data": [NaN]"x"[1], "nonce": "n"}',
        b'{"data": [NaN, [1}], "nonce": "n"}',
        b'{"data": [NaN], "nonce": "n"}}',
        b'{"nonce": "n"}',
    ],
)
def test_what_is_no_delivery_is_refused_without_a_word_of_it(body: bytes) -> None:
    with pytest.raises(MalformedDelivery, match=r"^expected a"):
        parse_delivery(body)


@pytest.mark.parametrize("webhook", ["null", "7", "[]", '{"id": 7, "event": null, "connection_id": ["c"]}'])
def test_a_webhook_of_another_shape_says_nothing(webhook: str) -> None:
    assert parse_delivery(f'{{"data": [], "nonce": "n", "webhook": {webhook}}}'.encode()).webhook == Subscription()


@given(st.binary() | st.text().map(lambda text: f'{{"data": [{text}], "nonce": "n"}}'.encode(errors="replace")))
def test_no_bytes_do_anything_else(body: bytes) -> None:
    _tried(body)
