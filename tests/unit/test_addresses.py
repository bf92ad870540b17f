"""An address is found wherever it stands, and nobody else's is taken for it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transforms.addresses import addresses_in, is_address, names_any, without
from transforms.privacy import normal_address

ANN = "ann@example.com"


def is_ann(address: str) -> bool:
    return normal_address("emails", address) == ANN


def cleaned(text: str) -> Any:
    return without(text, is_ann, "X")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from ann@example.com.", "from X."),
        ("from ANN@Example.Com!", "from X!"),
        ("copy:\nann@example.com\n", "copy:\nX\n"),
        ("Ann <ann@example.com>, Bob", "Ann <X>, Bob"),
        ("'ann@example.com'", "'X'"),
        ("*ann@example.com* _ann@example.com_", "*X* _X_"),
        ("“ann@example.com”", "“X”"),
        ("mailto:ann@example.com?subject=x", "mailto:X?subject=x"),
        ("https://x.org/?to=ann%40example.com&x", "https://x.org/?to=X&x"),
        ("ann@example.com.Thanks a lot", "X.Thanks a lot"),
        ("ann@example.com-", "X-"),
        ("...ann@example.com...", "...X..."),
        ("ann@example.com ann@example.com", "X X"),
        ("b@x.org;ann@example.com;c@x.org", "b@x.org;X;c@x.org"),
    ],
)
def test_an_address_is_found_whatever_stands_around_it(text: str, expected: str) -> None:
    assert cleaned(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "joann@example.com",
        "jo.ann@example.com",
        "jo-ann@example.com",
        "o'ann@example.com",
        "ann+bikes@example.com",
        "ann@example.com.au",
        "ANN@EXAMPLE.COM.AU",
        "ann@example.community",
        "ann@mail.example.com",
        "ann @example.com",
        "@example.com",
        "ann@",
    ],
)
def test_nobody_elses_is_taken_for_it(text: str) -> None:
    assert cleaned(text) == text


@pytest.mark.parametrize("address", ["jörg@münchen.example", "ann@localhost", "rené@x.org", "a!#$%*?^`{|}~b@x.org"])
def test_every_kind_of_address_is_found(address: str) -> None:
    known = normal_address("emails", address)
    assert without(f"to {address.upper()}, x", lambda each: normal_address("emails", each) == known, "X") == "to X, x"


around = st.text(st.sampled_from("ab.-_'<>(){}[],;:!?/=&|\"\n\t @ß%"), max_size=12)


@given(around, around)
@example("", "")
@example("a@b ", " @")
def test_what_is_left_never_names_it_as_a_word(before: str, after: str) -> None:
    assert ANN not in cleaned(f"{before} {ANN}\n{after}").replace(f"{before} ", "", 1).split()


@given(
    st.recursive(
        st.text(max_size=5) | st.integers() | st.none(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=6,
    )
)
def test_a_value_that_does_not_name_it_stays_as_it_is(value: Any) -> None:
    assert without(value, is_ann, "X") == value
    assert not names_any(value, is_ann)
    assert names_any([{"deep": [value, f"<{ANN}>"]}], is_ann)


@pytest.mark.parametrize(
    "text", ["a+/" * 100_000 + "@ x", "a@" * 5_000, "'" * 10_000 + "@x.org", "=" * 300 + "@a.Bc" * 50]
)
def test_what_is_compared_is_short_and_little_however_long_the_text(text: str) -> None:
    asked: list[str] = []

    def take_down(address: str) -> bool:
        asked.append(address)
        return False

    without(text, take_down, "X")
    assert max(map(len, asked), default=0) <= 64 + 1 + 255
    assert len(asked) <= 70 * text.count("@")


@pytest.mark.parametrize(
    ("contacts", "expected"),
    [
        ([{"email": ANN, "type": "WORK"}, ANN, None, 5], [ANN, ANN]),
        ({"email": ANN}, [ANN]),
        ("Ann <ann@example.com>", ["Ann <ann@example.com>"]),
        ([{"email": "0" * 64}], ["0" * 64]),
        (["<unknown>", "Doe, Ann <>", "Doe, Ann <ann@example.com>"], ["Doe, Ann <ann@example.com>"]),
        ("Ann", []),
        (None, []),
    ],
)
def test_contacts_of_any_shape_have_addresses(contacts: Any, expected: list[str]) -> None:
    assert [*addresses_in(contacts)] == expected


def test_the_hash_of_an_address_goes_where_it_stands_alone() -> None:
    known, other = "a" * 64, "b" * 64
    value = [{"email": known}, {"email": other}, f"see {known}"]
    assert without(value, known.__eq__, "X") == [{"email": "X"}, {"email": other}, f"see {known}"]


def test_what_is_not_a_whole_address_is_none() -> None:
    assert is_address(f" {ANN} ")
    assert not any(map(is_address, ("@", "ann@", "@example.com", "ann lee@example.com", "a@b@c", "42", "")))
