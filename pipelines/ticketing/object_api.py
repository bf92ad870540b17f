"""The calls that read one object of one connection: a page of its list, or one record by its id."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TypeVar

from pipelines.errors import ParameterRefused
from pipelines.ticketing.cursor import as_text
from pipelines.ticketing.workspace import Target
from pipelines.unified_api.client import Calls, Parameters, UnifiedClient
from pipelines.unified_api.endpoints import Endpoint
from pipelines.unified_api.records import Listed, Page, Record
from transforms.values import EPOCH

ID_FIELDS = ("id", "updated_at")

Answer = TypeVar("Answer")


def all_fields(target: Target, endpoint: Endpoint, *, include_raw: bool) -> tuple[str, ...]:
    """Every field by name, where that is how to get `raw`, or nothing else; none where the API's own choice will do.

    Where nothing is known of the object, `raw` is asked for: rows that have it would lose it otherwise.
    """
    if endpoint.is_private:
        return endpoint.fields
    support = target.support(endpoint)
    if not include_raw or (support is not None and not support.reads_raw):
        return ()
    return (*endpoint.fields, *endpoint.undocumented_fields, "raw")


class ObjectApi:
    """One object of one connection, asked for `fields` (none: the API's own choice); costs are counted in `calls`."""

    def __init__(
        self, client: UnifiedClient, target: Target, endpoint: Endpoint, fields: tuple[str, ...], calls: Calls
    ) -> None:
        self.endpoint = endpoint
        self.target = target
        self.fields = fields
        self.unnamed: tuple[str, ...] = ()
        """Fields that the API refuses to name, and that are therefore no longer asked for."""
        self._client = client
        self._calls = calls

    @property
    def reads_raw(self) -> bool:
        return "raw" in self.fields

    @property
    def calls_left(self) -> float:
        """How many calls the run may still make, for all objects together; infinity without a limit."""
        return self._client.budget.calls_left

    @property
    def offers_get(self) -> bool:
        support = self.target.support(self.endpoint)
        return support is None or support.offers_get

    @property
    def always_filters(self) -> bool:
        """Whether a list must be asked for with `updated_gte`."""
        support = self.target.support(self.endpoint)
        return support is not None and support.requires_updated_gte

    def list(self, parameters: Parameters) -> Page:
        """One page."""
        return self._naming_fields(lambda fields: self._list(parameters, fields))

    def get(self, record_id: str) -> tuple[Listed, datetime]:
        """One record and the server's clock. Raises `UnknownId` where the API does not know it."""
        path = self.endpoint.record_path(self.target.id, record_id)
        return self._naming_fields(
            lambda fields: self._client.get_record(path, {"fields": fields} if fields else {}, self._calls)
        )

    def shown_id(self) -> str | None:
        """An id that the list shows at this moment; None if it shows nothing. Raises where the connection does not
        answer: a 404 may mean that the whole connection is gone."""
        page = self._list({"limit": 1}, ID_FIELDS if self.endpoint.is_private else ())
        return next((record.id for record in page.records if isinstance(record, Record)), None)

    def _naming_fields(self, ask: Callable[[tuple[str, ...]], Answer]) -> Answer:
        """An answer; where the API refuses the fields twice, one without those that it may not know."""
        fewer = [*self._fewer_fields()]
        refusals: list[ParameterRefused] = []
        for fields in [self.fields, self.fields, *fewer] if fewer else [self.fields]:
            try:
                answer = ask(fields)
            except ParameterRefused as refusal:
                refusals.append(refusal)
            else:
                left_out = [name for name in self.fields if name not in (*fields, *self.endpoint.fields)]
                self.unnamed = tuple(dict.fromkeys((*self.unnamed, *left_out)))
                self.fields = fields
                return answer
        raise refusals[0]

    def _fewer_fields(self) -> Iterator[tuple[str, ...]]:
        """What can be done without, ever more of it: names that the list does not document, then all names."""
        documented = tuple(name for name in self.fields if name not in self.endpoint.undocumented_fields)
        if documented != self.fields:
            yield documented
        may_go_unnamed = self.fields == ID_FIELDS or self.target.support(self.endpoint) is None
        if self.fields and may_go_unnamed and not self.endpoint.is_private:
            yield ()

    def _list(self, parameters: Parameters, fields: tuple[str, ...]) -> Page:
        asked: Parameters = {**parameters, "fields": fields} if fields else parameters
        if self.always_filters:
            asked = {"updated_gte": as_text(EPOCH), **asked}
        return self._client.list(self.endpoint.list_path(self.target.id), asked, self._calls)
