"""What is protected cannot be read from what is stored of it, and stays the same where it was the same."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.addresses import REDACTED
from transforms.privacy import (
    NOTHING,
    Action,
    Protection,
    Rule,
    normal_address,
    possible_actions,
    protectable,
    rules_from,
)
from transforms.schemas import RECORD_TABLES

KEY = b"a key of some length"
SECRET = "Zebulon-Quill@example.com"

columns = st.sampled_from([*protectable()])
texts = st.text(max_size=30)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts | st.just(SECRET),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def protection(**rules: str) -> Protection:
    return Protection(rules_from({name.replace("__", "."): action for name, action in rules.items()}), KEY)


def stored(rules: Protection, table: str, column: str, value: str) -> Any:
    [found] = rules.column(table, column, [value])
    return found


def test_a_hash_is_an_hmac_with_the_key_of_the_folded_text() -> None:
    expected = hmac.new(KEY, b"ann lee", hashlib.sha256).hexdigest()
    assert stored(protection(name="hash"), "customers", "name", "  Ann \t LEE ") == expected
    other = Protection(rules_from({"name": "hash"}), b"another key of some length")
    assert stored(other, "customers", "name", "ann lee") != expected


def test_addresses_keep_their_shape_and_telephones_their_digits() -> None:
    rules = protection(emails="hash", telephones="hash")
    emails = json.loads(stored(rules, "customers", "emails", '[{"email":" ANN@x.org","type":"WORK","name":"Ann"}]'))
    assert emails == [{"email": rules.hash("ann@x.org"), "type": "WORK"}]
    numbers = [
        json.loads(stored(rules, "customers", "telephones", json.dumps([{"telephone": number}])))
        for number in ("+44 (117) 496-0000", "tel:441174960000", " +44 117 4960000")
    ]
    assert numbers[0] == numbers[1] == numbers[2] == [{"telephone": rules.hash("441174960000")}]


@pytest.mark.parametrize(
    "written",
    [
        *("Ann <ANN@x.org>", "mailto:ann@x.org", '"Lee, A" <ann@x.org>', " ann@X.org\t", "Lee, Ann <ann@x.org>"),
        *("<mailto:ann@x.org>", "ann@x.org (Ann)", "<ann@x.org>"),
    ],
)
def test_an_address_has_one_hash_however_a_header_or_a_link_writes_it(written: str) -> None:
    assert normal_address("emails", written) == "ann@x.org"


@pytest.mark.parametrize("written", ["<unknown>", "unknown <>", "doe, ann", "n/a"])
def test_what_holds_no_address_is_not_cut_to_something_that_others_share(written: str) -> None:
    assert normal_address("emails", written) == written


def test_an_accent_is_the_same_in_one_character_and_in_two() -> None:
    assert normal_address("emails", "ren\u00e9@x.org") == normal_address("emails", "rene\u0301@x.org")
    assert normal_address("emails", "strasse@x.org") != normal_address("emails", "straße@x.org")


def test_of_nothing_there_is_no_hash_for_it_would_be_everybodys() -> None:
    rules = protection(name="hash", emails="hash", telephones="hash")
    assert stored(rules, "customers", "name", " \t") is None
    assert json.loads(stored(rules, "customers", "emails", '[{"email":" "},"",{"email":"a@x.org"}]')) == [
        {"email": rules.hash("a@x.org")}
    ]
    assert json.loads(stored(rules, "customers", "telephones", '[{"telephone":"n/a"}]')) == []


@given(json_values)
def test_of_a_list_of_addresses_that_is_none_nothing_is_kept(value: Any) -> None:
    for name in ("emails", "telephones"):
        assert SECRET not in str(stored(protection(emails="hash", telephones="hash"), "customers", name, _json(value)))


@given(columns, json_values, json_values)
def test_a_record_set_aside_holds_nothing_of_a_protected_column(column: str, value: Any, other: Any) -> None:
    table, name = column.split(".")
    rules = Protection(rules_from({column: "drop"}), KEY)
    text = rules.record(table, _json({name: value, "id": "1", "else": other}))
    assert text is None or name not in json.loads(text)
    assert rules.unknown(table, {name: value, "else": other}) in (None, {"else": other})


@given(columns, st.sampled_from(["keep", "hash", "drop", "truncate 3"]))
def test_each_rule_is_taken_or_refused_by_what_its_column_allows(column: str, action: str) -> None:
    table, name = column.split(".")
    if action.split()[0] not in {each.value for each in possible_actions(table, name)}:
        with pytest.raises(ValueError, match="to be one of"):
            rules_from({column: action})
        return
    rules = rules_from({column: action})
    parts = {"first_name", "last_name"} if column == "employees.name" else set[str]()
    assert {(each, other) for each in rules for other in rules[each]} == (
        set() if action == "keep" else {(table, each) for each in {name, *parts}}
    )


def test_a_column_without_its_table_is_meant_wherever_it_is() -> None:
    rules = rules_from({"description": "drop", "notes.description": "keep"})
    assert {table for table in rules if rules[table]} == {"tickets", "categories"}
    assert rules_from({"notes.description": "keep", "description": "drop"}) == rules


def test_a_rule_for_a_name_covers_its_parts_unless_they_have_one_of_their_own() -> None:
    drop, hashed = Rule(Action.DROP), Rule(Action.HASH)
    assert rules_from({"name": "drop"})["employees"] == dict.fromkeys(("name", "first_name", "last_name"), drop)
    mixed = {"employees.first_name": "hash", "employees.name": "drop", "last_name": "keep"}
    assert rules_from(mixed)["employees"] == {"name": drop, "last_name": drop, "first_name": hashed}
    assert set(rules_from({"name": "drop", "first_name": "keep"})["employees"]) == {"name", "last_name"}


def test_what_stands_in_place_of_a_forgotten_address_is_not_hashed() -> None:
    emails = _json([{"email": REDACTED, "type": "WORK"}, {"email": " "}])
    [hashed] = protection(emails="hash").column("employees", "emails", [emails])
    assert json.loads(hashed) == [{"email": REDACTED, "type": "WORK"}]


def test_keys_and_times_cannot_be_protected() -> None:
    for table, schema in RECORD_TABLES.items():
        for name in (*schema.key, "updated_at", "created_at"):
            assert possible_actions(table, name) == ()


def test_a_label_names_the_rules_and_the_key_but_not_where_nothing_is_done() -> None:
    rules = protection(emails="hash", tickets__subject="truncate 5")
    assert rules.label("tickets") == "subject truncate 5"
    assert (rules.label("customers") or "").startswith("emails hash (key ")
    assert rules.label("categories") is None
    assert NOTHING.label("customers") is None
    assert KEY.decode() not in repr(rules) + str(rules.label("customers"))


@given(st.text(min_size=1), st.integers(1, 10))
def test_what_is_cut_short_is_the_beginning(text: str, length: int) -> None:
    kept = stored(protection(name=f"truncate {length}"), "customers", "name", text)
    assert text.startswith(kept)
    assert len(kept) <= length
    assert len(kept) == min(length, len(text)) or text[len(kept)] == "<"


def test_what_is_cut_short_does_not_end_within_a_tag() -> None:
    rules = protection(notes__description="truncate 9")
    assert stored(rules, "notes", "description", "<p>Hi<br>there</p>") == "<p>Hi<br>"
    assert stored(rules, "notes", "description", "<p>Hi you</p>") == "<p>Hi you"
    assert stored(rules, "notes", "description", "<p>Hi y</p>") == "<p>Hi y"
    assert stored(rules, "notes", "description", "1 < 2") == "1 < 2"


def test_a_key_that_stands_among_the_rules_is_not_repeated() -> None:
    for rules in ({"privacy_key": KEY.decode()}, {"emails": KEY.decode()}, {"raw": KEY.decode()}):
        with pytest.raises(ValueError, match=r"to be one of|that can be protected|to be hash") as raised:
            rules_from(rules)
        assert KEY.decode() not in str(raised.value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
