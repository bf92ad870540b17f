"""A list that can only be paged by offset, asked a few pages ahead of the walk that reads it."""

from __future__ import annotations

from concurrent.futures import Future
from functools import partial
from typing import TypeAlias

from pipelines.ticketing.crew import Crew
from pipelines.ticketing.walk import ListPage
from pipelines.unified_api.client import Parameters
from pipelines.unified_api.records import Page

_Asked: TypeAlias = tuple[tuple[str, object], ...]


class Lookahead:
    """Answers like the list itself, but pages that the walk will ask for next may have been served a little earlier.

    A walk over a list that moves must prove for itself that its pages join, so a page that was asked for ahead is as
    good as any. As many are asked for as were right before, up to the free hands; a wrong one ends that.
    """

    def __init__(self, list_page: ListPage, crew: Crew) -> None:
        self._list_page = list_page
        self._crew = crew
        self._ahead: dict[_Asked, Future[Page]] = {}
        self._depth = 1
        self._longest = 0

    def __call__(self, parameters: Parameters) -> Page:
        page = self._answer(parameters)
        self._longest = max(self._longest, len(page.records))
        if len(page.records) == self._longest > 1:
            self._look_ahead(parameters, self._longest - 1)
        return page

    def _answer(self, parameters: Parameters) -> Page:
        answer = self._ahead.pop(_asked(parameters), None)
        if answer is None:
            for future in self._ahead.values():
                future.cancel()
            self._ahead.clear()
            self._depth = 1
            return self._list_page(parameters)
        self._depth = min(2 * self._depth, max(1, self._crew.hands))
        return answer.result()

    def _look_ahead(self, parameters: Parameters, step: int) -> None:
        """Ask for the pages behind one, each of which begins with the last record of the one before it."""
        for place in range(1, self._depth + 1):
            asked = {**parameters, "offset": int(str(parameters.get("offset", 0))) + place * step}
            if _asked(asked) not in self._ahead:
                answer = self._crew.begin(partial(self._list_page, asked))
                if answer is None:
                    return
                self._ahead[_asked(asked)] = answer


def _asked(parameters: Parameters) -> _Asked:
    return tuple(sorted(parameters.items()))
