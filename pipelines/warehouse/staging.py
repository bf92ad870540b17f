"""Rows on their way into the raw tables through dlt, each table merged in its own way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

import dlt

from pipelines.warehouse.intake import Staged
from pipelines.warehouse.merging import Merging
from pipelines.warehouse.stored import lacks_columns
from transforms.schemas import TableSchema


class Stage:
    """Marks rows with the hints of their table, as a variant of its own: one resource feeds more than one table."""

    @cached_property
    def _merging(self) -> Merging:
        return Merging()

    def __call__(self, staged: Staged) -> Any:
        schema, table = staged
        return dlt.mark.with_hints(table, self._merging.hints(schema), create_table_variant=True)


def lacking(tables: Iterable[TableSchema], stage: Stage) -> Iterator[Any]:
    """No rows of those tables that the warehouse has not, or not with all columns, so that it has them."""
    for schema in tables:
        if lacks_columns(schema.name):
            yield stage((schema, schema.arrow().empty_table()))
