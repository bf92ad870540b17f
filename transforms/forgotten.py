"""Who has been forgotten, known by digests only, and what of a record is withheld because of that."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from transforms.addresses import REDACTED, addresses_in, is_address, names_any, without
from transforms.privacy import normal_address
from transforms.values import Misfit, canonical, decode, identity

EVERYWHERE = ""
"""In place of a connection's id: an address is the same person's on every connection."""

SALT = "salt"
"""The `object` of the row that holds the salt."""

RECOGNISED = "recognised by a run"
"""In place of a request's id: a run has seen that a record is a forgotten person's, and others of theirs may be stored
from before."""

WITHHELD = "withheld by a run"
"""The same, of a record to which no other belongs."""

_MAY_NAME = (b"@", b"%40", b"\\u0040")


class Tombstone(NamedTuple):
    """A digest of something of a person; `object` is a raw table, or `emails` for an address."""

    connection_id: str
    object: str
    digest: str


@dataclass
class Forgotten:
    """The tombstones of a warehouse and the salt of their digests. May be asked and added to from many threads.

    `hashed` makes of an address the hash under which it is stored, where it may be: then only that is known of some.
    """

    salt: bytes = b""
    tombstones: set[Tombstone] = field(default_factory=set)
    hashed: Callable[[str], str] | None = None

    def tombstone(self, connection_id: str, object: str, text: str) -> Tombstone:
        """The tombstone of a record by its id, or of an address."""
        name = "\0".join((connection_id, object, text)).encode()
        return Tombstone(connection_id, object, hashlib.blake2b(name, key=self.salt, digest_size=16).hexdigest())

    def of_address(self, address: str) -> Tombstone:
        """The tombstone of an e-mail address, however it is written, or of the hash of one."""
        return self.tombstone(EVERYWHERE, "emails", normal_address("emails", address))

    def forms(self, address: str) -> set[str]:
        """An address as it may be stored: as it is, or as its hash."""
        plain = normal_address("emails", address)
        return {plain, self.hashed(plain)} if self.hashed is not None and is_address(plain) else {plain}

    def knows(self, connection_id: str, table: str, id: str) -> bool:
        """Whether a record was forgotten, or withheld before."""
        return bool(self.tombstones) and self.tombstone(connection_id, table, id) in self.tombstones

    def knows_address(self, address: str) -> bool:
        """Whether an address is a forgotten person's."""
        if self.of_address(address) in self.tombstones:
            return True
        return self.hashed is not None and (
            self.of_address(self.hashed(normal_address("emails", address))) in self.tombstones
        )

    def is_theirs(self, connection_id: str, table: str, fields: Mapping[str, msgspec.Raw]) -> bool:
        """Whether a record that is not known itself is a forgotten person's: of their records, or by its address."""
        match table:
            case "customers":
                emails = fields.get("emails")
                return emails is not None and any(map(self.knows_address, addresses_in(decode(emails))))
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
        return tombstone

    def is_named_in(self, connection_id: str, table: str, json: str) -> bool:
        """Whether what no table can hold, as JSON text, is a forgotten person's, or only names an address of theirs."""
        record = decode(json.encode())
        if names_any(record, self.knows_address):
            return True
        items = record.items() if isinstance(record, dict) else ()
        fields = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in items}
        return self._knows(connection_id, table, fields.get("id")) or self.is_theirs(connection_id, table, fields)

    def redacted(self, fields: Mapping[str, msgspec.Raw]) -> Mapping[str, msgspec.Raw]:
        """The fields of somebody else's record without the addresses of forgotten persons."""
        if not self.tombstones:
            return fields
        return {name: self._redacted(json) for name, json in fields.items()}

    def _knows(self, connection_id: str, table: str, json: msgspec.Raw | None) -> bool:
        try:
            return json is not None and self.knows(connection_id, table, identity(json))
        except Misfit:
            return False

    def _redacted(self, json: msgspec.Raw) -> msgspec.Raw:
        text = bytes(json)
        if not any(mark in text for mark in _MAY_NAME):
            return json
        value = decode(json)
        cleaned = without(value, self.knows_address, REDACTED)
        return json if cleaned == value else msgspec.Raw(canonical(cleaned).encode())
