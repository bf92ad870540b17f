"""What is done to chosen columns before anything is stored of them: hashed with a key, cut short, or dropped."""

from __future__ import annotations

import hmac
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias

from transforms.addresses import REDACTED, bare
from transforms.schemas import EMPLOYEES, RECORD_TABLES
from transforms.staff import naming_parts
from transforms.values import canonical, decode

_TEXTS = {
    "tickets": ("subject", "description", "url", "source_ref"),
    "customers": ("name",),
    "notes": ("description",),
    "categories": ("name", "description"),
    "employees": ("name", "first_name", "last_name", "title"),
}
_CONTACTS = {"emails": "email", "telephones": "telephone"}
"""Columns that hold lists of ways to reach somebody, and the name under which each has its address."""

_PARTS = {"name": ("first_name", "last_name")}
"""Columns that say in parts what another one says whole: its rule covers them, unless they have one of their own."""

_LONGEST_SHOWN = 14

_DROPPED_ONLY = ("tags", "attachment_ids", "employee_roles", "metadata", "raw", "_extra")


class Action(Enum):
    """What is done to a value."""

    KEEP = "keep"
    HASH = "hash"
    TRUNCATE = "truncate"
    DROP = "drop"


@dataclass(frozen=True)
class Rule:
    """An action; `length` is how many characters are kept where it cuts short."""

    action: Action
    length: int = 0

    def __str__(self) -> str:
        return f"{self.action.value} {self.length}" if self.action is Action.TRUNCATE else self.action.value


Rules: TypeAlias = Mapping[str, Mapping[str, Rule]]
"""By table and column."""


def possible_actions(table: str, column: str) -> tuple[Action, ...]:
    """What can be done to a column; nothing to keys, times and states, on which joins and numbers rest."""
    if column in _TEXTS.get(table, ()):
        return Action.KEEP, Action.HASH, Action.TRUNCATE, Action.DROP
    if column in RECORD_TABLES[table].columns and column in _CONTACTS:
        return Action.KEEP, Action.HASH, Action.DROP
    if column in RECORD_TABLES[table].columns and column in _DROPPED_ONLY:
        return Action.KEEP, Action.DROP
    return ()


@dataclass(frozen=True)
class Protection:
    """The rules for one connection, and the key of its hashes."""

    rules: Rules = field(default_factory=dict)
    key: bytes = field(default=b"", repr=False)

    def label(self, table: str) -> str | None:
        """The rules in force for a table as a person reads them, with the key's fingerprint; None where all is kept.

        Rows carry it, so that rows stored under other rules, or another key, can be told.
        """
        named = [f"{column} {rule}" for column, rule in sorted(self.rules.get(table, {}).items())]
        if not named:
            return None
        is_keyed = any(rule.action is Action.HASH for rule in self.rules[table].values())
        return ", ".join(named) + (f" (key {self.hash('fingerprint')[:8]})" if is_keyed else "")

    def kept_beside(self, table: str, *, with_raw: bool) -> tuple[str, ...]:
        """The columns that are kept and may say what is protected in others: all that the helpdesk sent, what no
        column takes."""
        rules, schema = self.rules.get(table, {}), RECORD_TABLES[table]
        columns = ("raw", "metadata", "_extra") if with_raw else ("metadata", "_extra")
        may_tell = schema.keeps_unknown and any(name not in _DROPPED_ONLY for name in rules)
        return tuple(name for name in columns if may_tell and name in schema.columns and name not in rules)

    def hash(self, text: str) -> str:
        """The keyed hash of a text: 64 hexadecimal digits, the same for the same text under the same key."""
        return hmac.digest(self.key, text.encode(), "sha256").hex()

    def column(self, table: str, name: str, values: Sequence[Any]) -> Sequence[Any]:
        """The values of a column as they may be stored; JSON is text."""
        protect = self._protect(table, name)
        return values if protect is None else [None if value is None else protect(value) for value in values]

    def unknown(self, table: str, extra: dict[str, Any] | None) -> dict[str, Any] | None:
        """What no column takes as it may be stored: values that did not fit a protected column are dropped."""
        rules = self.rules.get(table, {})
        if not extra or not rules:
            return extra
        if "_extra" in rules:
            return None
        return {name: value for name, value in extra.items() if name not in rules}

    def record(self, table: str, json: str) -> str | None:
        """A whole record as it may be stored, its JSON as text; None where its parts cannot be told apart."""
        rules, schema = self.rules.get(table, {}), RECORD_TABLES[table]
        if not rules and schema.keeps_unknown:
            return json
        fields = decode(json.encode())
        if not isinstance(fields, dict):
            return None
        fields = fields if schema is not EMPLOYEES else naming_parts(fields)
        allowed = fields if schema.keeps_unknown and "_extra" not in rules else schema.fields
        return canonical({name: fields[name] for name in fields if name in allowed and name not in rules})

    def _protect(self, table: str, name: str) -> Callable[[str], str | None] | None:
        rule = self.rules.get(table, {}).get(name)
        if rule is None:
            return None
        match rule.action:
            case Action.DROP:
                return lambda value: None
            case Action.TRUNCATE:
                return lambda value: _beginning(value, rule.length)
            case Action.HASH if name in _CONTACTS:
                return lambda value: self._hashed_contacts(name, value)
            case Action.HASH:
                return lambda value: self._hashed(_folded(value))
        return None

    def _hashed(self, text: str) -> str | None:
        """A blank text is none: its hash would make one person of all who have no name."""
        return self.hash(text) if text else None

    def _hashed_address(self, name: str, address: str) -> str | None:
        return address if address == REDACTED else self._hashed(normal_address(name, address))

    def _hashed_contacts(self, name: str, json: str) -> str | None:
        """A list of addresses with each address hashed, what stands beside it kept; what is no such list is dropped."""
        contacts = decode(json.encode())
        if not isinstance(contacts, list):
            return None
        hashed = [self._hashed_contact(name, contact) for contact in contacts]
        return canonical([contact for contact in hashed if contact is not None])

    def _hashed_contact(self, name: str, contact: Any) -> Any:
        address = contact.get(_CONTACTS[name]) if isinstance(contact, dict) else contact
        hashed = self._hashed_address(name, address) if isinstance(address, str) else None
        if hashed is None or not isinstance(contact, dict):
            return hashed
        kept = {"type": contact["type"]} if isinstance(contact.get("type"), str) else {}
        return kept | {_CONTACTS[name]: hashed}


NOTHING = Protection()
"""All is kept."""


def normal_address(column: str, address: str) -> str:
    """An address in the form in which it is hashed, so that two ways to write it are one: a telephone's digits, and of
    an e-mail what a header or a link may say around it left out."""
    if column == "telephones":
        return re.sub(r"\D", "", address)
    return bare(_folded(address))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", " ".join(text.lower().split()))


def _beginning(text: str, length: int) -> str:
    """So many characters, less where they would end within a tag."""
    kept = text[:length]
    is_within_tag = kept.rfind("<") > kept.rfind(">")
    return kept[: kept.rfind("<")] if is_within_tag and len(text) > length else kept


def rules_from(stated: Mapping[str, Any], base: Rules | None = None) -> dict[str, dict[str, Rule]]:
    """The rules that settings state, on top of others: `column` or `table.column` to an action; the latter counts where
    both are stated. Raises `ValueError`, which says what was expected."""
    rules = {table: dict(columns) for table, columns in (base or {}).items()}
    for name, action in sorted(stated.items(), key=_narrowness):
        columns = _columns(name)
        rule = _rule(name, action)
        for table, column in columns:
            if rule.action not in possible_actions(table, column):
                possible = ", ".join(other.value for other in possible_actions(table, column))
                raise ValueError(f"{name} to be one of {possible}, got {_shown(action)}")
            if rule.action is Action.KEEP:
                rules.get(table, {}).pop(column, None)
            else:
                rules.setdefault(table, {})[column] = rule
    return rules


def _narrowness(item: tuple[str, Any]) -> tuple[bool, bool]:
    """Sorts rules, so that what counts comes later: those of a table, and those of a part."""
    table, _, column = item[0].rpartition(".")
    return bool(table), column not in _PARTS


def _columns(name: str) -> list[tuple[str, str]]:
    table, _, column = name.rpartition(".")
    tables = [each for each in RECORD_TABLES if table in ("", each)]
    columns = (column, *_PARTS.get(column, ()))
    found = [(each, one) for each in tables for one in columns if possible_actions(each, one)]
    if not found:
        raise ValueError(f"columns that can be protected ({', '.join(protectable())}), got {name}")
    return found


def protectable() -> Iterable[str]:
    """The columns that can be protected, as settings name them."""
    return [
        f"{table}.{column}"
        for table, schema in RECORD_TABLES.items()
        for column in schema.columns
        if possible_actions(table, column)
    ]


def _rule(name: str, action: Any) -> Rule:
    words = str(action).split()
    match words:
        case ["truncate", length] if length.isdecimal() and int(length) > 0:
            return Rule(Action.TRUNCATE, int(length))
        case ["keep" | "hash" | "drop" as word]:
            return Rule(Action(word))
    raise ValueError(f"{name} to be hash, drop, keep, or truncate and a number of characters, got {_shown(action)}")


def _shown(action: Any) -> str:
    """What is short enough to be a slip and no secret."""
    text = repr(action)
    return text if len(text) <= _LONGEST_SHOWN else "something else (not shown here)"
