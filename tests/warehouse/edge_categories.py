"""Categories that lead up, nowhere, round in a ring and too far; each is named for what it tries, and has tickets."""

from __future__ import annotations

from typing import Any

from tests.warehouse.edge_parts import AS_OF, DAY, PEOPLE_DESK, Case, Rows, agent, at

LEVELS = 4
"""The setting category_levels of the golden run."""

PARENTS: dict[str, str | None] = {
    "top": None,
    "middle": "top",
    "bottom": " middle ",
    "beside": "top",
    "of nobody": "nowhere",
    "below nobody": "of nobody",
    "gone": "top",
    "below gone": "gone",
    "far below gone": "below gone",
    "itself": "itself",
    "below itself": "itself",
    "ring of two, 1": "ring of two, 2",
    "ring of two, 2": "ring of two, 1",
    "below the ring of two": "ring of two, 1",
    "far below the ring of two": "below the ring of two",
    **{f"ring {n}": f"ring {(n + 1) % LEVELS}" for n in range(LEVELS)},
    "below the ring": "ring 2",
    **{f"long ring {n}": f"long ring {(n + 1) % (LEVELS + 1)}" for n in range(LEVELS + 1)},
    "below the long ring": "long ring 2",
    "chain 0": None,
    **{f"chain {n}": f"chain {n - 1}" for n in range(1, LEVELS + 4)},
    "chain of nobody 0": "nowhere",
    **{f"chain of nobody {n}": f"chain of nobody {n - 1}" for n in range(1, LEVELS + 3)},
    "other desk": "k-billing",
    "a / in its name": "top",
}
NAMES: dict[str, str | None] = {"middle": " ", "bottom": "Bottom\t", "beside": None}

TREE: Rows = [
    {
        "connection_id": PEOPLE_DESK,
        "id": name,
        "name": NAMES.get(name, f"The {name}"),
        "parent_id": parent,
        "is_active": {"middle": False, "top": True}.get(name),
        "_deleted_at": DAY if name.startswith("gone") else None,
    }
    for name, parent in PARENTS.items()
]


def categorised() -> list[Case]:
    """Tickets of each of the categories, more of some than of others."""
    return [
        *(_case(name, number, category_id=name) for number, name in enumerate(PARENTS)),
        _case("top", 50, category_id="top", status="ACTIVE", closed_at=None),
        _case("top", 51, category_id="top", tags=["spam"]),
        _case("top", 52, category_id="top", _deleted_at=AS_OF),
        _case("top by its name", 53, category=" the TOP"),
        _case("a name that nobody has", 54, category="The nowhere"),
        _case("an id that nobody has", 55, category_id="nowhere"),
        _case("middle", 56, category_id="middle", created_at=at(hours=9), closed_at=at(hours=10)),
    ]


def _case(name: str, number: int, **more: Any) -> Case:
    told = {"status": "CLOSED", "closed_at": at(minutes=90 + number), "user_id": None, **more}
    return f"of {name}, {number}", told, [agent(10 + number)], []
