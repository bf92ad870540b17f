"""The dbt project describes itself: every model and column in words, every mart by its one row."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

MODELS = Path(__file__).resolve().parents[2] / "dbt_project" / "models"

DESCRIBED: dict[str, dict[str, Any]] = {
    model["name"]: model
    for path in MODELS.rglob("*.yml")
    for model in yaml.safe_load(path.read_text()).get("models", ())
}
MARTS = sorted(path.stem for path in (MODELS / "marts").glob("*.sql"))


def test_every_model_is_described_and_nothing_else() -> None:
    assert {path.stem for path in MODELS.rglob("*.sql")} == set(DESCRIBED)


@pytest.mark.parametrize("model", DESCRIBED)
def test_every_column_is_described_once(model: str) -> None:
    told = DESCRIBED[model]
    names = [column["name"] for column in told["columns"]]
    assert told["description"].strip()
    assert len(names) == len(set(names))
    assert [column["name"] for column in told["columns"] if not column.get("description", "").strip()] == []


@pytest.mark.parametrize("mart", MARTS)
def test_every_mart_has_its_own_file_its_grain_and_its_types(mart: str) -> None:
    told = DESCRIBED[mart]
    assert (MODELS / "marts" / f"{mart}.yml").exists()
    assert told["description"].startswith("One row per ")
    assert "grain" in [next(iter(test)) for test in told["data_tests"]]
    assert all(column["data_type"] for column in told["columns"])


SQL = {path.stem: path.read_text() for path in MODELS.rglob("*.sql")}
BY_TICKET = sorted(model for model, sql in SQL.items() if "incremental_strategy='due_tickets'" in sql)


@cache
def all_tickets(model: str) -> bool:
    """Whether a relation with rows of tickets has those of all tickets, and not only of those that are due."""
    if not any(column["name"] == "ticket_id" for column in DESCRIBED[model]["columns"]):
        return False
    return model in BY_TICKET or model.startswith("stg_") or bool(_read_whole(model))


def _read_whole(model: str) -> list[str]:
    referred = re.findall(r"(due\()?ref\('(\w+)'\)", SQL[model])
    return [name for due, name in referred if not due and all_tickets(name)]


@pytest.mark.parametrize("model", BY_TICKET)
def test_what_is_made_ticket_by_ticket_is_made_of_the_tickets_that_are_due(model: str) -> None:
    assert len(BY_TICKET) > 10
    assert _read_whole(model) == []


def test_the_name_of_a_unit_test_is_one_for_postgres() -> None:
    """dbt makes a relation of it, which may have 63 characters there."""
    names = [
        test["name"]
        for path in MODELS.rglob("*.yml")
        for test in yaml.safe_load(path.read_text()).get("unit_tests", ())
    ]
    assert names
    assert [name for name in names if len(name) > 63] == []
