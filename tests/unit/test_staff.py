"""What of a staff directory's record may be stored."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from transforms.privacy import NOTHING
from transforms.shaping import Observation, rejected_table, shape

SEEN_AT = datetime(2026, 5, 1, tzinfo=UTC)
PRIVATE = "170260-1"


def stored(record: dict[str, Any]) -> dict[str, Any]:
    fields = msgspec.json.decode(msgspec.json.encode(record), type=dict[str, msgspec.Raw])
    shaped = shape("employees", "desk", [Observation(fields, SEEN_AT)], observed_via="poll")
    [row] = shaped.records.to_pylist()
    return {name: value for name, value in row.items() if not name.startswith("_")}


@pytest.mark.parametrize(
    "hiding",
    [
        {"emails": [{"email": "ada@example.com", "type": "WORK", "ssn": PRIVATE}]},
        {"emails": [{"email": {"ssn": PRIVATE}}, PRIVATE]},
        {"emails": {"ssn": PRIVATE}},
        {"employee_roles": ["AGENT", {"compensation": PRIVATE}, [PRIVATE]]},
        {"name": {"full": "Ada", "ssn": PRIVATE}},
        {"title": [PRIVATE]},
        {"manager_id": {"id": "2", "ssn": PRIVATE}},
        {"date_of_birth": PRIVATE},
    ],
)
def test_what_is_private_is_stored_at_no_depth(hiding: dict[str, Any]) -> None:
    record = {"id": "7", "name": "Ada", "emails": [{"email": "ada@example.com"}], **hiding}
    assert PRIVATE not in str(stored(record))
    rejected = rejected_table(
        "desk",
        "employees",
        [(msgspec.json.encode(record).decode(), "no id", SEEN_AT)],
        observed_via="poll",
        protection=NOTHING,
    )
    assert PRIVATE not in str(rejected.to_pylist())


def test_what_names_an_agent_is_stored_as_it_came() -> None:
    row = stored(
        {
            "id": "7",
            "name": "Ada",
            "emails": [{"email": "ada@example.com", "type": "WORK"}],
            "employee_roles": ["AGENT"],
        }
    )
    assert (row["id"], row["name"], row["employee_roles"]) == ("7", "Ada", '["AGENT"]')
    assert msgspec.json.decode(row["emails"]) == [{"email": "ada@example.com", "type": "WORK"}]
