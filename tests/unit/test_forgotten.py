"""Who is forgotten is known again by a digest, and by nothing that could be read back."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.forgotten import Forgotten

SALT = b"a salt of sixteen"
ANN = "Ann.Lee+bikes@example.com"

ids = st.text("abAB01-_ é", min_size=1, max_size=4).map(str.strip).filter(bool)


@pytest.fixture
def forgotten() -> Forgotten:
    known = Forgotten(SALT)
    known.tombstones |= {known.of_address(ANN), known.tombstone("c1", "customers", "7")}
    return known


def fields(**values: Any) -> dict[str, msgspec.Raw]:
    return {name: msgspec.Raw(json.dumps(value).encode()) for name, value in values.items()}


def test_a_customer_is_known_by_id_on_its_own_connection_only(forgotten: Forgotten) -> None:
    assert forgotten.knows("c1", "customers", "7")
    assert not forgotten.knows("c2", "customers", "7")
    assert not forgotten.knows("c1", "tickets", "7")


@pytest.mark.parametrize("written", [ANN, ANN.upper(), f" {ANN} "])
def test_an_address_is_the_same_persons_everywhere_however_it_is_written(forgotten: Forgotten, written: str) -> None:
    for emails in ([{"email": written, "type": "WORK"}], [written], [{"email": "other@example.com"}, written]):
        assert forgotten.is_theirs("c9", "customers", fields(emails=emails))
    assert not forgotten.is_theirs("c9", "customers", fields(emails=[{"email": f"x{ANN}"}]))


def test_what_belongs_to_a_customer_is_known_by_it_and_then_by_itself(forgotten: Forgotten) -> None:
    assert forgotten.is_theirs("c1", "tickets", fields(customer_id="7"))
    assert forgotten.is_theirs("c1", "tickets", fields(customer_id=7))
    assert not forgotten.is_theirs("c1", "notes", fields(ticket_id="70"))
    assert forgotten.recognise("c1", "tickets", "70") == forgotten.tombstone("c1", "tickets", "70")
    assert forgotten.is_theirs("c1", "notes", fields(ticket_id="70"))


@given(st.lists(ids, max_size=4), ids, ids)
def test_no_other_record_is_taken_for_theirs(theirs: list[str], id: str, customer_id: str) -> None:
    known = Forgotten(SALT)
    for each in theirs:
        known.recognise("c1", "customers", each)
    assert known.knows("c1", "customers", id) == (id in theirs)
    assert known.is_theirs("c1", "tickets", fields(customer_id=customer_id)) == (customer_id in theirs)


def test_of_others_only_the_address_goes_wherever_it_stands(forgotten: Forgotten) -> None:
    record = {
        "text": f"copy:\n{ANN.lower()}, Bob",
        "list": [{ANN: ANN}, 1.5, None],
        "other": "b@x.org",
    }
    cleaned = forgotten.redacted({name: msgspec.Raw(json.dumps(each).encode()) for name, each in record.items()})
    assert json.loads(bytes(cleaned["text"])) == "copy:\n(forgotten), Bob"
    assert json.loads(bytes(cleaned["list"])) == [{"(forgotten)": "(forgotten)"}, 1.5, None]
    assert bytes(cleaned["other"]) == b'"b@x.org"'


def test_an_escaped_at_sign_hides_no_address(forgotten: Forgotten) -> None:
    json = msgspec.Raw(b'"to ' + ANN.replace("@", "\\u0040").encode() + b'"')
    assert bytes(forgotten.redacted({"text": json})["text"]) == b'"to (forgotten)"'


def test_an_address_is_stored_as_it_is_or_under_its_hash() -> None:
    known = Forgotten(SALT, hashed=lambda address: f"hash of {address}")
    assert known.forms(f" {ANN}") == {ANN.lower(), f"hash of {ANN.lower()}"}
    assert known.forms("a" * 64) == {"a" * 64}
    assert Forgotten(SALT).forms(ANN) == {ANN.lower()}


def test_who_is_stored_under_a_hash_only_is_known_by_the_address() -> None:
    known = Forgotten(SALT, hashed=lambda address: f"hash of {address}")
    known.tombstones.add(known.of_address(f"hash of {ANN.lower()}"))
    assert known.knows_address(ANN)
    assert not known.knows_address("b@x.org")
    assert not Forgotten(SALT, known.tombstones).knows_address(ANN)


def test_digests_need_the_salt_and_do_not_repeat(forgotten: Forgotten) -> None:
    other = Forgotten(b"another salt here")
    assert forgotten.of_address(ANN).digest != other.of_address(ANN).digest
    assert forgotten.tombstone("c1", "x", "y").digest != forgotten.tombstone("c", "1x", "y").digest
    assert ANN not in str(forgotten.of_address(ANN))


def test_a_record_that_no_table_can_hold_is_theirs_where_it_names_them(forgotten: Forgotten) -> None:
    assert forgotten.is_named_in("c9", "notes", json.dumps({"description": f"from {ANN.lower()}"}))
    assert forgotten.is_named_in("c1", "tickets", json.dumps({"id": None, "customer_id": "7"}))
    assert not forgotten.is_named_in("c1", "tickets", json.dumps({"id": None, "customer_id": "8"}))
    assert not forgotten.is_named_in("c1", "tickets", "[1]")
    assert forgotten.is_named_in("c1", "customers", json.dumps({"id": 7, "name": 5}))
