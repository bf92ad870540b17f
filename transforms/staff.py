"""Of a staff directory's record only what names an agent: what else stands there, at whatever depth, is private."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_ADDRESS_PARTS = ("email", "type")


def naming_parts(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The decoded fields of an employee without objects where a text belongs, and of lists only texts and addresses."""
    return {name: _naming_part(name, value) for name, value in fields.items()}


def _naming_part(name: str, value: Any) -> Any:
    if isinstance(value, list) and name == "emails":
        return [_texts_of(entry) for entry in value if isinstance(entry, dict)]
    if isinstance(value, list) and name == "employee_roles":
        return [entry for entry in value if isinstance(entry, str)]
    return None if isinstance(value, list | dict) else value


def _texts_of(entry: Mapping[str, Any]) -> dict[str, str]:
    return {name: entry[name] for name in _ADDRESS_PARTS if isinstance(entry.get(name), str)}
