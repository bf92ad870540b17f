"""Who has been forgotten, known by digests only, and what of a record is withheld because of that."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from transforms.privacy import normal_address
from transforms.values import Misfit, decode, identity

EVERYWHERE = ""
"""In place of a connection's id: an address is the same person's on every connection."""

SALT = "salt"
"""The `object` of the row that holds the salt."""

_ADDRESS = re.compile(rb"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")

_REDACTED = b"(forgotten)"


class Tombstone(NamedTuple):
    """A digest of something of a person; `object` is a raw table, or `emails` for an address."""

    connection_id: str
    object: str
    digest: str


class Belonging(NamedTuple):
    """A record that turned out to be a forgotten person's."""

    connection_id: str
    table: str
    id: str


@dataclass
class Forgotten:
    """The tombstones of a warehouse and the salt of their digests. May be asked and added to from many threads."""

    salt: bytes = b""
    tombstones: set[Tombstone] = field(default_factory=set)
    recognised: list[Belonging] = field(default_factory=list)
    """What had no tombstone of its own before."""

    def tombstone(self, connection_id: str, object: str, text: str) -> Tombstone:
        """The tombstone of a record by its id, or of an address."""
        name = "\0".join((connection_id, object, text)).encode()
        return Tombstone(connection_id, object, hashlib.blake2b(name, key=self.salt, digest_size=16).hexdigest())

    def of_address(self, address: str) -> Tombstone:
        """The tombstone of an e-mail address, however it is written."""
        return self.tombstone(EVERYWHERE, "emails", normal_address("emails", address))

    def knows(self, connection_id: str, table: str, id: str) -> bool:
        """Whether a record was forgotten, or withheld before."""
        return bool(self.tombstones) and self.tombstone(connection_id, table, id) in self.tombstones

    def is_theirs(self, connection_id: str, table: str, fields: Mapping[str, msgspec.Raw]) -> bool:
        """Whether a record that is not known itself is a forgotten person's: of their records, or by its address."""
        match table:
            case "customers":
                return any(self.of_address(address) in self.tombstones for address in addresses(fields.get("emails")))
            case "tickets":
                return self._knows(connection_id, "customers", fields.get("customer_id"))
            case "notes":
                return self._knows(connection_id, "tickets", fields.get("ticket_id")) or self._knows(
                    connection_id, "customers", fields.get("customer_id")
                )
        return False

    def recognise(self, connection_id: str, table: str, id: str) -> Tombstone:
        """Know a record by its own id from now on, so that what belongs to it is recognised, too."""
        tombstone = self.tombstone(connection_id, table, id)
        self.tombstones.add(tombstone)
        self.recognised.append(Belonging(connection_id, table, id))
        return tombstone

    def is_named_in(self, connection_id: str, table: str, json: str) -> bool:
        """Whether what no table can hold, as JSON text, is a forgotten person's, or only names an address of theirs."""
        if any(self.of_address(found[0].decode()) in self.tombstones for found in _ADDRESS.finditer(json.encode())):
            return True
        record = decode(json.encode())
        fields = record.items() if isinstance(record, dict) else ()
        return self.is_theirs(
            connection_id, table, {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in fields}
        )

    def redacted(self, fields: Mapping[str, msgspec.Raw]) -> Mapping[str, msgspec.Raw]:
        """The fields of somebody else's record without the addresses of forgotten persons."""
        return {name: self._redacted(json) for name, json in fields.items()}

    def _knows(self, connection_id: str, table: str, json: msgspec.Raw | None) -> bool:
        try:
            return json is not None and self.knows(connection_id, table, identity(json))
        except Misfit:
            return False

    def _redacted(self, json: msgspec.Raw) -> msgspec.Raw:
        text = bytes(json)
        if b"@" not in text:
            return json
        return msgspec.Raw(_ADDRESS.sub(self._replacement, text))

    def _replacement(self, found: re.Match[bytes]) -> bytes:
        return _REDACTED if self.of_address(found[0].decode()) in self.tombstones else found[0]


def addresses(emails: msgspec.Raw | None) -> Iterator[str]:
    """The addresses in a customer's list of them."""
    contacts = decode(emails) if emails is not None else None
    yield from addresses_in(contacts)


def addresses_in(contacts: Any) -> Iterator[str]:
    """The same in a list that is decoded."""
    for contact in contacts if isinstance(contacts, list) else ():
        address = contact.get("email") if isinstance(contact, dict) else contact
        if isinstance(address, str):
            yield address
